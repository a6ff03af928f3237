"""``python -m seealike`` is the ``seealike`` command."""

from seealike.cli.main import main

if __name__ == "__main__":
    main()
