"""Figures as aligned columns for people, as CSV, and values as JSON, for commands that measure."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import click

from seealike.cli.echo import echo
from seealike.cli.rows import Cell, row_lines
from seealike.cli.text import one_line, padded, width
from seealike.sources.ids import printable

_GAP = "  "


@dataclass(frozen=True, slots=True)
class Columns:
    """Rows of cells under headings. The first ``texts`` columns are left-aligned, the others to the right."""

    headings: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    texts: int = 1

    def lines(self) -> Iterator[str]:
        """The table, a line at a time."""
        rows = [self.headings, *(tuple(map(one_line, row)) for row in self.rows)]
        widths = [max(map(width, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            cells = [
                padded(cell, wide) if place < self.texts else " " * (wide - width(cell)) + cell
                for place, (cell, wide) in enumerate(zip(row, widths, strict=True))
            ]
            yield _GAP.join(cells).rstrip(" ")


def print_columns(columns: Columns, title: str = "") -> None:
    """Print a table, after an empty line and its title where it has one."""
    if title:
        echo("")
        echo(title)
    for line in columns.lines():
        echo(line)


def print_csv(headings: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
    """Print rows as CSV; nothing is an empty cell, and no text is taken for a formula."""
    for line in row_lines(headings, rows, "csv", sys.stdout):
        click.echo(line)


def print_json(value: object) -> None:
    """Print a dataclass as JSON. Bytes are left out; paths that are not UTF-8 are shown with ``\\x``."""
    click.echo(json.dumps(plain(value), ensure_ascii=True, indent=2))


def plain(value: object) -> object:
    """A value as JSON knows it: dataclasses as objects, tuples as lists, floats rounded to six decimals."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        pairs = ((field.name, getattr(value, field.name)) for field in dataclasses.fields(value))
        return {name: plain(part) for name, part in pairs if not isinstance(part, bytes)}
    if isinstance(value, Mapping):
        return {str(name): plain(part) for name, part in value.items()}
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, Sequence):
        return [plain(part) for part in value]
    return round(value, 6) + 0.0 if isinstance(value, float) else value
