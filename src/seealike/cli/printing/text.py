"""Text that is safe to show: valid Unicode, on one line, without orders to the terminal."""

from __future__ import annotations

import sys
import unicodedata

import click

from seealike.sources.ids import printable

_TURNING = frozenset("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_SHORT = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}


def echo(*cells: str, err: bool = False) -> None:
    """Print one line of cells with tabs between them; what the stream cannot show is escaped."""
    stream = sys.stderr if err else sys.stdout
    click.echo(encodable("\t".join(map(one_line, cells)), stream.encoding), err=err)


def one_line(text: str) -> str:
    """Return text for a terminal: line ends, control and text-turning characters are escaped."""
    text = printable(text)
    if text.isascii() and text.isprintable():
        return text
    return "".join(_harmless(letter) for letter in text)


def _harmless(letter: str) -> str:
    if unicodedata.category(letter) not in {"Cc", "Zl", "Zp"} and letter not in _TURNING:
        return letter
    code = ord(letter)
    return _SHORT.get(letter) or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")


def encodable(text: str, encoding: str | None) -> str:
    """Return text with what an encoding cannot say escaped; all is kept where there is none."""
    return text.encode(encoding, "backslashreplace").decode(encoding) if encoding else text


def width(text: str) -> int:
    """Return how many columns of a terminal a text takes.

    Units: East Asian wide characters take 2, marks that combine with a letter none.
    """
    return len(text) if text.isascii() else sum(map(_letter_width, text))


def _letter_width(letter: str) -> int:
    if unicodedata.category(letter) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def padded(text: str, columns: int) -> str:
    """Return text filled up with spaces at its right to a number of terminal columns."""
    return text + " " * (columns - width(text))


def shortened(text: str, columns: int) -> str:
    """Return text whose middle is replaced so that it takes at most a number of terminal columns."""
    if width(text) <= columns:
        return text
    if columns < 2:
        return "…"[:columns]
    tail_columns = (columns - 1) // 2
    head = _fitting(text, columns - 1 - tail_columns)
    tail = _fitting(text[::-1], tail_columns)[::-1]
    return f"{head}…{tail}"


def _fitting(text: str, columns: int) -> str:
    """Return the longest beginning of a text that fits."""
    for position, letter in enumerate(text):
        columns -= _letter_width(letter)
        if columns < 0:
            return text[:position]
    return text
