"""The rows of a table, whatever its format: what a format's reader hands to the table source."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Protocol

from seealike.sources.ids import IdLedger, printable
from seealike.types import Metadata, MetadataValue

PATH, ID, GROUP = "path", "id", "group"
_INT64 = range(-(2**63), 2**63)


@dataclass(frozen=True, slots=True)
class Row:
    """One usable row; ``path`` is as written, ``number`` counts as people count, from 1."""

    number: int
    id: str
    path: str
    group: str | None
    metadata: Metadata


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that says no picture, and why, for people."""

    number: int
    detail: str


class RowReader(Protocol):
    """One table in one format, whose columns have been looked at."""

    @property
    def unit(self) -> str:
        """What ``number`` counts: ``line`` or ``row``."""

    def read(self) -> tuple[IdLedger, Iterator[Row | BadRow]]:
        """Read the whole table once, for its repeated ids and types, and return the rows of a second reading.

        Memory: 8 bytes a row. What is wrong with the table as a whole shows before the first row.

        Raises:
            SourceError: the table cannot be read.
        """


def make_row(number: int, cells: Mapping[str, object], metadata: Metadata) -> Row | BadRow:
    """Check the three cells with a meaning: ``path``, ``id`` (default: the path) and ``group``."""
    path = cells.get(PATH)
    if path is None or path == "":
        return BadRow(number, "the path is empty")
    if not isinstance(path, str):
        return BadRow(number, "the path is no text")
    item_id = key_of(cells)
    if not item_id:
        return BadRow(number, "the id is empty, or neither text nor a whole number")
    group = clean(cells.get(GROUP))
    return Row(number, item_id, path, None if group in {None, ""} else str(group), metadata)


def key_of(cells: Mapping[str, object]) -> str:
    """Return a row's id as text, or an empty text where it has none that could be used."""
    value = cells[ID] if ID in cells else cells.get(PATH)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return printable(value) if isinstance(value, str) else ""


def clean(value: object) -> MetadataValue:
    """Return a typed value as metadata: nested values as JSON text, NaN and infinity as ``None``."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, int):
        return value if value in _INT64 else str(value)
    if isinstance(value, Real):
        number = float(value)
        return number if math.isfinite(number) else None
    return printable(_as_json(value))


def _as_json(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, default=str)
    except (TypeError, ValueError):
        return str(value)
