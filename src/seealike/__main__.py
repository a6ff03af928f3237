"""The ``seealike`` command, and ``python -m seealike``: it can be interrupted from its first moment on."""

import os
import sys

INTERRUPTED = 130


def main() -> None:
    """Run the command line; ends the process with an exit code."""
    try:
        from seealike.cli.main import run

        code = run()
    except KeyboardInterrupt:  # while it was being imported
        if os.environ.get("SEEALIKE_DEBUG"):
            raise
        sys.stderr.write("seealike: interrupted\n")
        code = INTERRUPTED
    sys.exit(code)


if __name__ == "__main__":
    main()
