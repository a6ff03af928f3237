"""For which items of some columns a condition holds.

Comparisons are made once for every different value of a column, not for every item.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from seealike.recommend.columns import is_number
from seealike.recommend.filters.conditions import DAY, MOMENT, Operator, Value, matcher, moment
from seealike.recommend.filters.parsing import parse

if TYPE_CHECKING:
    import numpy.typing as npt

    from seealike.recommend.columns import Column, Columns
    from seealike.types import MetadataValue

    Mask = npt.NDArray[np.bool_]

_EXACT = 2.0**53  # whole numbers beyond are not all floats
_FUNCTIONS: dict[Operator, Callable[[Any, Any], Any]] = {
    Operator.EQUAL: operator.eq,
    Operator.LESS: operator.lt,
    Operator.AT_MOST: operator.le,
    Operator.MORE: operator.gt,
    Operator.AT_LEAST: operator.ge,
}


def mask_of(where: str, columns: Columns) -> Mask:
    """For which items a condition holds. Shapes: (n,).

    Raises:
        UsageError: it is none, a column is not there, or holds no values of the kind it is compared with.
    """
    return columns.remembered(("where", where), lambda: parse(where).said(_Masks(columns)).true)


class _Truth(NamedTuple):
    """For which items something is true, and for which it is false; for the others it is neither."""

    true: Mask
    false: Mask


class _Masks:
    """Conditions as masks of items: see ``Terms``."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns

    def column(self, name: str) -> Column:
        return self._columns.column(name)

    def holds_days(self, column: Column) -> bool:
        return bool(column.values) and all(moment(str(said)) for said in column.values)

    def one_of(self, column: Column, values: Sequence[Value]) -> _Truth:
        equal = np.zeros(len(column.values), dtype=bool)
        for value in values:
            if isinstance(value, str) and MOMENT.fullmatch(value):
                test = _text_test(Operator.EQUAL, value)
                equal |= np.array(
                    [isinstance(said, str) and test(said) for said in column.values], dtype=bool
                )
            elif (code := column.code_of(value)) is not None:
                equal[code] = True
        return _spread(column, equal, np.ones(len(equal), dtype=bool))

    def compared(self, column: Column, how: Operator, value: str | float) -> _Truth:
        if isinstance(value, str):
            return _of_values(column, lambda said: isinstance(said, str), _text_test(how, value))
        test = _FUNCTIONS[how]
        if abs(value) <= _EXACT >= column.largest:
            numbers = column.numbers
            known = ~np.isnan(numbers)
            return _spread(column, np.asarray(test(numbers, float(value))), known)
        return _of_values(column, is_number, lambda said: bool(test(said, value)))

    def like(self, column: Column, pattern: str, *, folded: bool) -> _Truth:
        matches = matcher(pattern, folded=folded)
        return _of_values(column, lambda said: isinstance(said, str), lambda said: matches(str(said)))

    def nothing(self, column: Column) -> _Truth:
        nothing = column.codes < 0
        return _Truth(nothing, ~nothing)

    def opposite(self, part: _Truth) -> _Truth:
        return _Truth(part.false, part.true)

    def all_of(self, parts: Sequence[_Truth]) -> _Truth:
        return _Truth(
            np.logical_and.reduce([one.true for one in parts]),
            np.logical_or.reduce([one.false for one in parts]),
        )

    def any_of(self, parts: Sequence[_Truth]) -> _Truth:
        return self.opposite(self.all_of([*map(self.opposite, parts)]))


def _spread(column: Column, true: Mask, known: Mask) -> _Truth:
    """From values to items. Shapes: true and known are those of the column's values."""
    return _Truth(np.append(true & known, False)[column.codes], np.append(known & ~true, False)[column.codes])


def _of_values(
    column: Column, is_known: Callable[[MetadataValue], bool], test: Callable[[MetadataValue], bool]
) -> _Truth:
    known = np.fromiter(map(is_known, column.values), dtype=bool, count=len(column.values))
    true = np.fromiter(
        (here and test(said) for said, here in zip(column.values, known.tolist(), strict=True)),
        dtype=bool,
        count=len(known),
    )
    return _spread(column, true, known)


def _text_test(how: Operator, value: str) -> Callable[[MetadataValue], bool]:
    """How a text is compared with ``value``: as dates where both are some, else letter by letter."""
    test = _FUNCTIONS[how]
    if DAY.fullmatch(value) and moment(value):
        return lambda said: bool(test(str(said)[:10] if moment(str(said)) else said, value))
    wanted = moment(value)
    if wanted is None:
        return lambda said: bool(test(said, value))

    def compared(said: MetadataValue) -> bool:
        found = moment(str(said))
        return bool(test(said, value) if found is None else test(found, wanted))

    return compared
