"""A map as a table: one row an item."""

from __future__ import annotations

import csv
from collections.abc import Callable

from seealike.catalog.outputs.kinds import MAP_COLUMNS, MAP_LABEL, MAP_SAMPLE
from seealike.maps.value import Map

_END = "\r\n"  # not written, but also says what to put in quotes


def map_csv(made: Map, cell: Callable[[str], str] = str) -> str:
    """Return ``id,x,y,cluster``, with labels ``label``, and ``sample_of`` where items were left out.

    Rows are in id order. ``sample_of`` is the number of items that the sample was drawn from. Positions are
    written so that they are read back exactly.

    Args:
        made: the map.
        cell: what makes a text safe for programs that take some texts for formulas.
    """
    lines = _Lines()
    writer = csv.writer(lines, lineterminator=_END)
    labelled, sampled = made.labelled, made.sampled
    writer.writerow([*MAP_COLUMNS, *[MAP_LABEL] * labelled, *[MAP_SAMPLE] * sampled])
    for row, item_id in enumerate(made.ids):
        x, y = made.positions[row]
        label = [cell(made.labels[row] or "")] if labelled else []
        of = [made.total] if sampled else []
        writer.writerow([cell(item_id), str(x), str(y), int(made.clusters[row]), *label, *of])
    return "".join(lines.written)


class _Lines:
    """Collects lines."""

    def __init__(self) -> None:
        self.written: list[str] = []

    def write(self, line: str) -> int:
        self.written.append(line.removesuffix(_END) + "\n")
        return len(line)
