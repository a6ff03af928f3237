"""Hits as aligned columns for people."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TextIO

from seealike.cli.text import one_line, padded, shortened, width
from seealike.sources.ids import printable

if TYPE_CHECKING:
    from seealike.types import Hit, Item

_GAP = "  "
_NARROWEST = 6


def table_lines(hits: Sequence[Hit], stream: TextIO) -> Iterator[str]:
    """Yield a heading and one line a hit: rank, score, id, then group and path where they tell more.

    On a terminal the last columns are shortened in their middle until a line fits.
    """
    columns = [["rank", *(str(rank) for rank in range(1, len(hits) + 1))]]
    columns.append(["score", *(f"{round(float(hit.score), 3) + 0.0:.3f}" for hit in hits)])
    columns = [[cell.rjust(max(map(len, column))) for cell in column] for column in columns]
    texts = [["id", *(one_line(hit.id) for hit in hits)]]
    if any(hit.group for hit in hits):
        texts.append(["group", *(one_line(hit.group or "") for hit in hits)])
    if not all(says_where(hit) for hit in hits):
        texts.append(["path", *(one_line(hit.path or "") for hit in hits)])
    if stream.isatty():
        taken = sum(len(column[0]) + len(_GAP) for column in columns) + len(_GAP) * (len(texts) - 1)
        texts = fitted(texts, shutil.get_terminal_size().columns - taken)
    for row in zip(*columns, *map(aligned, texts), strict=True):
        yield _GAP.join(row).rstrip(" ")


def says_where(hit: Hit | Item) -> bool:
    """Whether a hit's id ends its path, so that the path says nothing new."""
    return hit.path is None or printable(hit.path).replace("\\", "/").endswith(hit.id.replace("\\", "/"))


def aligned(column: list[str]) -> list[str]:
    """Fill the cells of a column up to the width of the widest."""
    widest = max(map(width, column))
    return [padded(cell, widest) for cell in column]


def fitted(texts: list[list[str]], room: int) -> list[list[str]]:
    """Shorten the widest columns until all of them together fit."""
    widths = [max(map(width, column)) for column in texts]
    while sum(widths) > room and max(widths) > _NARROWEST:
        widest = widths.index(max(widths))
        others = max((w for i, w in enumerate(widths) if i != widest), default=_NARROWEST)
        least = max(_NARROWEST, min(others, widths[widest] - 1))
        widths[widest] = max(least, widths[widest] - (sum(widths) - room))
    return [[shortened(cell, w) for cell in column] for column, w in zip(texts, widths, strict=True)]
