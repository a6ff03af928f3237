"""What tables written as text share: their lines, in whatever encoding, and where a file is in another."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from typing import TextIO

from seealike.errors import SourceError
from seealike.sources.files import error_detail
from seealike.sources.rows import LONGEST_ROW

_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class TooLongError(Exception):
    """A line or a record is longer than any row can be."""


class TextLines:
    """The lines of a file; ``length`` counts the characters since somebody set it to 0. No more are held."""

    def __init__(self, stream: TextIO, ends: tuple[str, ...]) -> None:
        self._stream = stream
        self._ends = ends
        self.number = 0
        self.length = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._stream.readline(LONGEST_ROW)
        if not line:
            raise StopIteration
        self.number += 1
        self.length += len(line)
        if self.length >= LONGEST_ROW:
            while line and not line.endswith(self._ends):
                line = self._stream.readline(LONGEST_ROW)
            raise TooLongError
        return line.removeprefix("\ufeff") if self.number == 1 else line


@contextmanager
def opened_text(path: str, label: str, encoding: str, ends: tuple[str, ...]) -> Iterator[TextLines]:
    r"""Open a file for its lines. ``ends`` are what may end one: ``("\n",)``, or ``("\n", "\r")``.

    Raises:
        SourceError: it is in another encoding, or unreadable; raised while lines are read, too.
    """
    newline = "\n" if ends == ("\n",) else ""
    try:
        with open(path, encoding=encoding or "utf-8", newline=newline) as stream:
            yield TextLines(stream, ends)
    except UnicodeError as exc:
        raise SourceError(f"{label} {_difference(path, encoding)}") from exc
    except OSError as exc:
        raise SourceError(f"cannot read {label}: {error_detail(exc)}") from exc


def _difference(path: str, encoding: str) -> str:
    """Return where a file first says something that an encoding does not know, and the remedy."""
    decoder = codecs.getincrementaldecoder(encoding or "utf-8")()
    offset, line = 0, 1
    with open(path, "rb") as stream:
        if not encoding and stream.read(2) in _UTF16_MARKS:
            return "is UTF-16; read it with --encoding utf-16"
        stream.seek(0)
        for piece in chain(stream, (b"",)):
            offset += len(piece)
            try:
                line += decoder.decode(piece, final=not piece).count("\n")
            except UnicodeDecodeError as exc:
                byte = offset - len(exc.object) + exc.start
                line += exc.object[: exc.start].decode(exc.encoding, "ignore").count("\n")
                where = f"line {line}, byte {byte} of the file is 0x{exc.object[exc.start]:02x}"
                return (
                    f"is not {encoding or 'UTF-8'}: {where}; --encoding NAME says what it is, such as cp1252"
                )
            except UnicodeError as exc:
                return f"is not {encoding}: {exc}"
    return "changed while it was read; run again"
