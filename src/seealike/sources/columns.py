"""What type the cells of a CSV column have, decided by all of them together."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import TypeAlias

from seealike.types import MetadataValue

Converter: TypeAlias = Callable[[str], MetadataValue]

_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,17}")
_DECIMAL = re.compile(
    r"-?(?:(?:0|[1-9][0-9]*)\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"  # 1.5  .5  1.5e3
    r"|-?(?:0|[1-9][0-9]*)[eE][-+][0-9]+"  # 1e-05, but not 12E4, which is some product's number
)
_UNDEFINED = frozenset({"nan", "inf", "-inf", "+inf", "infinity", "-infinity", "+infinity"})
_EXACT_IN_A_FLOAT = 10**15


# What was seen in a column, as bits of a plain int, for every cell of a table passes here. A long whole
# number is one that a float would round.
_SAW_WHOLE, _SAW_LONG, _SAW_DECIMAL, _SAW_UNDEFINED, _SAW_TRUTH, _SAW_TEXT = (1 << bit for bit in range(6))


class ColumnGuess:
    """Looks at every cell of one column, then says how to convert them.

    A column is ``int``, ``float`` or ``bool`` only where that keeps what every cell says: an id
    such as ``007``, a telephone number with its ``+`` or a number of 20 digits make it text. Empty
    cells fit every type.
    """

    def __init__(self) -> None:
        self._seen = 0

    def see(self, cell: str) -> None:
        """Take one more cell into account."""
        if not self._seen & _SAW_TEXT:
            self._seen |= _kind_of(cell.strip())

    def converter(self) -> Converter:
        """Return what turns the column's cells into metadata; it raises ``ValueError`` for others."""
        kinds = self._seen & ~_SAW_UNDEFINED
        if self._seen == _SAW_TRUTH:
            return _truth
        if not kinds or kinds & (_SAW_TEXT | _SAW_TRUTH):
            return _text
        if not kinds & _SAW_DECIMAL:
            return _whole
        return _text if kinds & _SAW_LONG else _decimal


def _kind_of(cell: str) -> int:
    if not cell:
        return 0
    if _WHOLE.fullmatch(cell):
        return _SAW_WHOLE if abs(int(cell)) <= _EXACT_IN_A_FLOAT else _SAW_LONG
    if _DECIMAL.fullmatch(cell):
        return _SAW_DECIMAL
    word = cell.lower()
    if word in {"true", "false"}:
        return _SAW_TRUTH
    return _SAW_UNDEFINED if word in _UNDEFINED else _SAW_TEXT


def _text(cell: str) -> MetadataValue:
    return cell or None


def _whole(cell: str) -> MetadataValue:
    cell = cell.strip()
    if not cell or cell.lower() in _UNDEFINED:
        return None
    return int(cell)


def _decimal(cell: str) -> MetadataValue:
    number = float(cell.strip() or "nan")
    return number if math.isfinite(number) else None


def _truth(cell: str) -> MetadataValue:
    word = cell.strip().lower()
    if word not in {"", "true", "false"}:
        raise ValueError(f"{cell!r} is neither true nor false")
    return word == "true" if word else None
