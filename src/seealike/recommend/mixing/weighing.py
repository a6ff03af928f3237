"""What a shop wants to count beside similarity, the same for every question: a number for each item."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from seealike.errors import UsageError
from seealike.recommend.filters.conditions import moment
from seealike.recommend.mixing.components import PerItem

if TYPE_CHECKING:
    from seealike.recommend.columns import Columns
    from seealike.recommend.query import SearchOptions
    from seealike.recommend.ranking import Scores
    from seealike.recommend.searcher import Searcher
    from seealike.recommend.view import View
    from seealike.types import MetadataValue


def weights_of(view: View, searcher: Searcher, options: SearchOptions) -> PerItem | None:
    """What is added to the similarity of every item; ``None`` where nothing is.

    Raises:
        UnknownNameError: there is no such column.
        UsageError: a column that is to count holds neither numbers nor dates.
        StaleViewError: that generation cannot be read any more.
    """
    if not options.weighs:
        return None

    def made() -> PerItem:
        numbers = np.zeros(len(view))
        if options.hub_correction:
            numbers -= searcher.hubness(view).penalties()
        for column, weight in options.boost:
            numbers += weighed(standings(searcher.columns(view), column), weight)
        if options.recent:
            sizes = [len(part) for part in view.parts or (view,)]  # keys tell the order within one catalogue
            numbers += options.recent * np.concatenate([_evenly(np.arange(size), size) for size in sizes])
        return PerItem.of(numbers)

    return searcher.per_item(view, (options.hub_correction, options.boost, options.recent), made)


def weighed(standing: Scores, weight: float) -> Scores:
    """Standings of 0 to 1 times a weight; what has none gets the least there is. Shapes: (n,)."""
    return np.where(np.isnan(standing), min(weight, 0.0), standing * weight)


def standings(columns: Columns, name: str) -> Scores:
    """The place of every item's number, or date, among all different ones: 0 the least, 1 the greatest.

    NaN where an item has none. Places and not the numbers, so that one best-seller does not make all others
    equal. Shapes: (n,).

    Raises:
        UnknownNameError: there is no such column.
        UsageError: it holds other things than numbers and dates.
    """
    column = columns.column(name)
    if any(isinstance(value, str) for value in column.values):
        values = np.array([_date(name, value) for value in column.values] + [np.nan])[column.codes]
    else:
        values = columns.numbers(name)
    known = ~np.isnan(values)
    found = np.full(len(values), np.nan)
    different, places = np.unique(values[known], return_inverse=True)
    found[known] = _evenly(places, len(different))
    return found


def _evenly(places: Scores | np.ndarray[tuple[int], np.dtype[np.int64]], count: int) -> Scores:
    """The first of ``count`` places as 0 and the last as 1; a single one as 1."""
    return np.ones(len(places)) if count < 2 else places / (count - 1)


def _date(name: str, value: MetadataValue) -> float:
    """A date as a number.

    Raises:
        UsageError: it is none.
    """
    found = moment(str(value))
    if found is None:
        raise UsageError(
            f"the column {name!r} holds {value!r}, which is neither a number nor a date such as 2026-11-28"
        )
    return found.timestamp()
