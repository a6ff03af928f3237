"""How often each value of each column occurs among some items: what a page of filters is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from seealike.recommend.columns import FOLDER, ID, MODIFIED, PATH, PREFIX, Column, Columns, kind_of
from seealike.recommend.filters import mask_of
from seealike.types import Int64Array, MetadataValue

if TYPE_CHECKING:
    import numpy.typing as npt

    Mask = npt.NDArray[np.bool_]

Kind = Literal["text", "number", "truth"]
FEW = 50  # values of a text that are worth a list, however few items have each
ITEMS_EACH = 4  # that have a value on average, where there are more: else it names items


@dataclass(frozen=True, slots=True)
class Facet:
    """A column, and what some items say in it.

    Args:
        name: as conditions name it.
        kind: of its values; where they are of several kinds, they are texts.
        distinct: how many different values these items have.
        missing: how many of them have none.
        least, most: of numbers, the least and the greatest.
        values: values and how many items have each, the most frequent first.
        more: how many further values there are.
    """

    name: str
    kind: Kind
    distinct: int
    missing: int
    least: int | float | None
    most: int | float | None
    values: tuple[tuple[MetadataValue, int], ...]
    more: int


@dataclass(frozen=True, slots=True)
class Facets:
    """What items say that keep a condition, of one generation: ``total`` items ``of`` all there are."""

    generation: int
    total: int
    of: int
    columns: tuple[Facet, ...]


def facets_of(
    generation: int, columns: Columns, where: str | None, names: Sequence[str] | None, most: int
) -> Facets:
    """The facets of the items that keep a condition.

    Args:
        generation: of the columns.
        columns: of all items.
        where: the condition; ``None``: all.
        names: of the columns; ``None``: of those that are worth it. A column is where its items differ, and,
            unless it holds numbers, where it has at most ``FEW`` values or each has ``ITEMS_EACH`` items on
            average. Ids, paths and times never are, nor folders and prefixes that part the items as another
            column does already.
        most: how many values each facet lists; a column of numbers lists them only if that is all of them.

    Raises:
        UsageError: the condition does not fit the columns.
        UnknownNameError: there is no such column.
    """
    kept = None if where is None else mask_of(where, columns)
    asked = _worth_it(columns) if names is None else {name: columns.column(name) for name in names}
    facets = [_facet(name, column, kept, most) for name, column in asked.items()]
    total = len(columns) if kept is None else int(np.count_nonzero(kept))
    return Facets(generation, total, len(columns), tuple(facets))


_KINDS: Mapping[frozenset[str], Kind] = {
    frozenset({"numbers"}): "number",
    frozenset({"true or false"}): "truth",
}


def _worth_it(columns: Columns) -> dict[str, Column]:
    """The columns that items are chosen by, in their order."""
    found: dict[str, Column] = {}
    for name in columns.names:
        column = None if name in (ID, PATH, MODIFIED) else columns.column(name)
        if column is None or not _is_worth_it(column):
            continue
        if name not in (FOLDER, PREFIX) or not any(_part_alike(column, other) for other in found.values()):
            found[name] = column
    return found


def _part_alike(one: Column, other: Column) -> bool:
    """Whether items have the same value in one column where they have the same in another."""
    if len(one.values) != len(other.values) or not np.array_equal(one.codes < 0, other.codes < 0):
        return False
    of = np.full(len(one.values) + 1, -1)
    of[one.codes] = other.codes
    return bool((of[one.codes] == other.codes).all())


def _is_worth_it(column: Column) -> bool:
    distinct, said = len(column.values), int(np.count_nonzero(column.codes >= 0))
    if distinct + (said < len(column.codes)) < 2:
        return False
    return _kind(column) == "number" or distinct <= FEW or distinct * ITEMS_EACH <= said


def _kind(column: Column) -> Kind:
    return _KINDS.get(column.kinds, "text")


def _facet(name: str, column: Column, kept: Mask | None, most: int) -> Facet:
    codes = column.codes if kept is None else column.codes[kept]
    counts = np.bincount(codes + 1, minlength=len(column.values) + 1)
    missing, counts = int(counts[0]), counts[1:]
    there = np.flatnonzero(counts)
    kind, least, greatest, listed = _kind(column), None, None, there
    if kind == "number" and len(there):
        numbers = column.numbers[there]
        least, greatest = (column.values[there[at]] for at in (numbers.argmin(), numbers.argmax()))
        listed = there if len(there) <= most else there[:0]
    values = _most_frequent(column, listed, counts, most)
    return Facet(name, kind, len(there), missing, least, greatest, values, len(there) - len(values))


def _most_frequent(
    column: Column, codes: Int64Array, counts: Int64Array, most: int
) -> tuple[tuple[MetadataValue, int], ...]:
    """Some of the values with their counts; equally frequent ones in their own order."""
    chosen = codes[np.argsort(-counts[codes], kind="stable")[:most]].tolist()
    pairs = [(column.values[code], int(counts[code])) for code in chosen]
    return tuple(sorted(pairs, key=lambda pair: (-pair[1], kind_of(pair[0]), pair[0])))
