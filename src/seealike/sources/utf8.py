"""What tables written as text share: UTF-8, and saying where a file is something else."""

from __future__ import annotations

from seealike.errors import SourceError


def not_utf8_error(path: str, label: str) -> SourceError:
    """Return the error that names the first line and byte of a file that are not UTF-8."""
    offset = 0
    with open(path, "rb") as stream:
        if stream.read(2) in {b"\xff\xfe", b"\xfe\xff"}:
            return SourceError(f"{label} is UTF-16; save the table as UTF-8")
        stream.seek(0)
        for number, line in enumerate(stream, 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as exc:
                value, byte = line[exc.start], offset + exc.start
                text = f"line {number}, byte {byte} of the file is 0x{value:02x}"
                return SourceError(f"{label} is not UTF-8: {text}; save the table as UTF-8")
            offset += len(line)
    return SourceError(f"{label} changed while it was read; run again")
