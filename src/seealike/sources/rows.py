"""The rows of a table, whatever its format: what a format's reader hands to the table source."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from numbers import Real
from typing import Protocol, TypeAlias

from seealike.objects import without_secrets
from seealike.sources.ids import IdLedger, printable
from seealike.types import Metadata, MetadataValue

PATH, ID, GROUP = "path", "id", "group"
RESERVED = frozenset({PATH, ID, GROUP, ""})
"""Columns that are no metadata; one without a name is nothing."""

MEANINGS = (PATH, ID, GROUP)

LONGEST_ROW = 16 * 2**20
"""Characters of a row; more is no row, and is not held in memory."""

TOO_LONG = f"longer than {LONGEST_ROW >> 20} MiB"
_INT64 = range(-(2**63), 2**63)
_Json: TypeAlias = "MetadataValue | dict[str, _Json] | list[_Json]"


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


def typed_row(number: int, cells: Mapping[str, object]) -> Row | BadRow:
    """Return the row of cells that have types of their own."""
    try:
        metadata = {
            text: clean(value)
            for name, value in cells.items()
            if name not in RESERVED and (text := printable(name))
        }
        return make_row(number, cells, metadata)
    except (RecursionError, OverflowError) as exc:
        return BadRow(number, f"a value cannot be kept: {exc}")


def repeated_name(names: Iterable[str]) -> str | None:
    """Return a column's name that occurs more than once, if there is one."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None


def key_of(cells: Mapping[str, object]) -> str:
    """Return a row's id as text, or an empty text where it has none that could be used.

    An address of the web that is the id lets nobody in.
    """
    value = cells[ID] if ID in cells else cells.get(PATH)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    text = printable(value) if isinstance(value, str) else ""
    return text if ID in cells else without_secrets(text)


def clean(value: object) -> MetadataValue:
    """Return a typed value as metadata: nested values as JSON text, NaN and infinity as ``None``.

    A decimal number becomes the number that is written in the same digits, or text where there is none;
    a length of time becomes seconds.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, int):
        return value if value in _INT64 else str(value)
    if isinstance(value, Real | Decimal):
        return _fraction(value)
    if isinstance(value, Mapping | list):
        value = json.dumps(_jsonable(value), ensure_ascii=False, allow_nan=False)
    return printable(str(value))


def _fraction(value: Real | Decimal) -> MetadataValue:
    number = float(value)
    if isinstance(value, Decimal):
        exponent = value.as_tuple().exponent
        if isinstance(exponent, int) and exponent >= 0:  # it has no decimal places
            return clean(int(value))
        return number if Decimal(repr(number)) == value else format(value, "f")
    return number if math.isfinite(number) else None


def _jsonable(value: object) -> _Json:
    if isinstance(value, Mapping):
        return {str(clean(name)): _jsonable(held) for name, held in value.items()}
    if isinstance(value, list):
        return [_jsonable(held) for held in value]
    return value if isinstance(value, int) else clean(value)
