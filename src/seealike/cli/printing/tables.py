"""Rows as aligned columns, for people."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from typing import TextIO

from seealike.cli.printing.text import echo, one_line, padded, shortened, width

_GAP = "  "
_NARROWEST = 6


def table_lines(
    columns: Sequence[Sequence[str]], texts: slice, stream: TextIO | None = None
) -> Iterator[str]:
    """Yield columns, each below its heading, as lines: the ``texts`` to the left, the others to the right.

    On a stream that is a terminal the texts are shortened in their middle until a line fits.
    """
    shown = [list(map(one_line, column)) for column in columns]
    left = range(len(shown))[texts]
    if stream is not None and stream.isatty():
        taken = sum(_widest(column) for place, column in enumerate(shown) if place not in left)
        room = shutil.get_terminal_size().columns - taken - len(_GAP) * (len(shown) - 1)
        shown[texts] = _fitted(shown[texts], room)
    widths = list(map(_widest, shown))
    for row in zip(*shown, strict=True):
        cells = [
            padded(cell, wide) if place in left else " " * (wide - width(cell)) + cell
            for place, (cell, wide) in enumerate(zip(row, widths, strict=True))
        ]
        yield _GAP.join(cells).rstrip(" ")


def print_columns(
    headings: tuple[str, ...], rows: Sequence[tuple[str, ...]], title: str = "", *, texts: int = 1
) -> None:
    """Print a table whose first columns are texts, after an empty line and its title where it has one."""
    if title:
        echo("")
        echo(title)
    for line in table_lines(list(zip(headings, *rows, strict=True)), slice(texts)):
        echo(line)


def _widest(column: Sequence[str]) -> int:
    return max(map(width, column))


def _fitted(texts: list[list[str]], room: int) -> list[list[str]]:
    """Shorten the widest columns until all of them together fit."""
    widths = [max(map(width, column)) for column in texts]
    while sum(widths) > room and max(widths) > _NARROWEST:
        widest = widths.index(max(widths))
        others = max((w for i, w in enumerate(widths) if i != widest), default=_NARROWEST)
        least = max(_NARROWEST, min(others, widths[widest] - 1))
        widths[widest] = max(least, widths[widest] - (sum(widths) - room))
    return [[shortened(cell, w) for cell in column] for column, w in zip(texts, widths, strict=True)]
