"""Lists of all items that are kept, and what becomes of them when items come and go.

A list changes only where one of its items is gone, or where a new item is closer than its last one. The
first is seen in the lists; for the second every new item is compared with all others. So hardly any list has
to be made anew, and those that change mostly from what is known: a few items more than are shown are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from seealike.indexes import ReverseSearch, pair_scores
from seealike.recommend.ranking import converted
from seealike.recommend.view import newest_of_each
from seealike.types import Metric

if TYPE_CHECKING:
    import numpy.typing as npt

    from seealike.types import Float16Array, Float32Array, Int64Array

    Int32Array = npt.NDArray[np.int32]
    Mask = npt.NDArray[np.bool_]
    VectorsOf = Callable[[Int64Array], Float16Array]

SPARE = 4  # items more than are shown, which come up where others go
WHOLE = np.int32(np.iinfo(np.int32).min)  # the bound of a list that holds all there are
NOTHING, NO_PRODUCT = 0, 0
_MILLION = 1e6  # scores have six decimals
_ROWS_AT_ONCE = 4096


@dataclass(frozen=True, slots=True, eq=False)
class KeptLists:
    """The lists of one generation, by keys; every item has one.

    Whatever is not in a list scores less than its bound; or as much, and comes later in id order. Units:
    scores and bounds are millionths. Shapes: owners, ascending, names, products and bounds are (n,), similar
    and scores (n, m).

    Args:
        owners: whose lists they are.
        names: a number for the id each owner has, see ``fingerprints``.
        products: a number for the product each owner shows, 0 for none.
        similar: keys, best first; 0 where there are fewer.
        scores: theirs.
        bounds: see above; ``WHOLE`` where a list holds all there are.
    """

    owners: Int64Array
    names: Int64Array
    products: Int64Array
    similar: Int64Array
    scores: Int32Array
    bounds: Int32Array

    @classmethod
    def empty(cls, now: Now, depth: int) -> KeptLists:
        """Lists of all items that are still to be filled."""
        n = len(now.keys)
        similar, scores = np.zeros((n, depth), np.int64), np.zeros((n, depth), np.int32)
        return cls(now.keys, now.names, now.products, similar, scores, np.full(n, WHOLE))

    @property
    def depth(self) -> int:
        """How long a list may be."""
        return int(self.similar.shape[1])

    def put(self, row: int, keys: list[int], scores: list[float]) -> None:
        """Fill a list; there are no others where it has not ``depth``."""
        self.similar[row], self.scores[row] = NOTHING, 0
        self.similar[row, : len(keys)], self.scores[row, : len(keys)] = keys, _millionths(np.array(scores))
        self.bounds[row] = self.scores[row, -1] if len(keys) == self.depth else WHOLE

    def as_in(self, before: KeptLists, k: int) -> int:
        """How many lists begin with the same ``k`` as they did before, with the same names and scores."""
        rows = before.rows_of(self.owners)
        here = rows >= 0
        here[here] = self.names[here] == before.names[rows[here]]
        named_otherwise = self.owners[~here]
        rows, similar = rows[here], self.similar[here, :k]
        same = (similar == before.similar[rows, :k]).all(axis=1)
        same &= ~np.isin(similar, named_otherwise).any(axis=1)
        return int((same & (self.scores[here, :k] == before.scores[rows, :k]).all(axis=1)).sum())

    def rows_of(self, keys: Int64Array) -> Int64Array:
        """The row of every one of ``keys``, -1 where it has none. Shapes: as ``keys``."""
        if not len(self.owners):
            return np.full(np.shape(keys), -1)
        places = np.minimum(np.searchsorted(self.owners, keys), len(self.owners) - 1)
        return np.where(self.owners[places] == keys, places, -1)


class Now(NamedTuple):
    """The items as they are now.

    Shapes: keys, ascending, and names and products, numbers for each as in ``KeptLists``, are (n,).
    """

    keys: Int64Array
    names: Int64Array
    products: Int64Array
    ranks_of: Callable[[Int64Array], Int64Array]
    vectors_of: VectorsOf
    metric: Metric


class _Pairs(NamedTuple):
    """Items that may belong into lists. Shapes: all are (m,)."""

    rows: Int64Array
    keys: Int64Array
    scores: Int32Array

    def at(self, places: Mask) -> _Pairs:
        return _Pairs(self.rows[places], self.keys[places], self.scores[places])


def are_of(kept: KeptLists, now: Now) -> bool:
    """Whether lists are of this very catalogue: some scores are computed again, see ``newest_of_each``."""
    rows = kept.rows_of(now.keys)
    rows = rows[rows >= 0]
    rows = rows[np.isin(kept.similar[rows, 0], now.keys)]
    rows = rows[newest_of_each(kept.owners[rows])]
    own, first = now.vectors_of(kept.owners[rows]), now.vectors_of(kept.similar[rows, 0])
    return bool((_scores(own, first, now.metric) == kept.scores[rows, 0]).all())


def brought_up_to_date(kept: KeptLists, now: Now, k: int) -> tuple[KeptLists, Int64Array]:
    """The lists of all items there are now, and the rows of those that must be asked for.

    Whose own vector, name or product is new, and where of what is known fewer than ``k`` are left.
    """
    lists, carried, lost = _carried(kept, now)
    coming = [_entering(lists, carried, now), *_members(kept, lists, carried, lost, now)]
    pairs = _Pairs(*(np.concatenate(parts) for parts in zip(*coming, strict=True)))
    bounds = lists.bounds[pairs.rows]
    ties = pairs.rows[(pairs.scores == bounds) & (bounds != WHOLE)]  # others that tie are not known
    touched = np.union1d(lost.rows, pairs.rows)
    _merge(lists, touched, pairs.at(pairs.scores > bounds), now)
    short = ((lists.similar != NOTHING).sum(axis=1) < k) & (lists.bounds != WHOLE)
    asked = short | ~carried
    asked[ties] = True
    return lists, np.flatnonzero(asked)


def _carried(kept: KeptLists, now: Now) -> tuple[KeptLists, Mask, _Pairs]:
    """The lists of those who are as before, without items that are not; who that is, and what they lost."""
    before = kept.rows_of(now.keys)
    same = before >= 0
    old = before[same]
    # Among those with the names they had, the order of the names is what it was.
    same[same] = (kept.products[old] == now.products[same]) & (kept.names[old] == now.names[same])
    lists = KeptLists.empty(now, kept.depth)
    old = before[same]
    lists.similar[same], lists.scores[same] = kept.similar[old], kept.scores[old]
    lists.bounds[same] = kept.bounds[old]
    places = lists.rows_of(lists.similar)
    gone = (lists.similar != NOTHING) & ((places < 0) | ~same[places])
    rows, columns = np.nonzero(gone)
    lost = _Pairs(rows, lists.similar[rows, columns], lists.scores[rows, columns])
    lists.similar[gone] = NOTHING
    return lists, same, lost


def _entering(lists: KeptLists, carried: Mask, now: Now) -> _Pairs:
    """The new items that score as much as a list's bound."""
    new, rows = lists.owners[~carried], np.flatnonzero(carried)
    found = [_no_pairs()]
    if len(new):
        vectors = now.vectors_of(new)
        search = ReverseSearch(vectors, len(rows))
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            part = rows[start : start + _ROWS_AT_ONCE]
            others = now.vectors_of(lists.owners[part])
            own, theirs = search.pairs(others, _least_cosines(lists.bounds[part], now.metric))
            scores = _scores(others[own], vectors[theirs], now.metric)
            pairs = _Pairs(part[own], new[theirs], scores)
            found.append(pairs.at(pairs.scores >= lists.bounds[pairs.rows]))
    return _Pairs(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


def _members(kept: KeptLists, lists: KeptLists, carried: Mask, lost: _Pairs, now: Now) -> Iterator[_Pairs]:
    """Of products whose picture in a list is gone, the other pictures: the next best one may follow it."""
    products = kept.products[kept.rows_of(lost.keys)]
    in_product = np.flatnonzero(carried & (now.products != NO_PRODUCT))
    by_product = in_product[np.argsort(now.products[in_product], kind="stable")]
    starts = np.searchsorted(now.products[by_product], products)
    counts = np.searchsorted(now.products[by_product], products, side="right") - starts
    counts[products == NO_PRODUCT] = 0
    rows = np.repeat(lost.rows, counts)
    offsets = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    members = by_product[np.repeat(starts, counts) + offsets]
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        keys = lists.owners[members[part]]
        vectors = now.vectors_of(lists.owners[rows[part]])
        pairs = _Pairs(rows[part], keys, _scores(vectors, now.vectors_of(keys), now.metric))
        yield pairs.at(pairs.scores >= lists.bounds[pairs.rows])


def _merge(lists: KeptLists, touched: Int64Array, pairs: _Pairs, now: Now) -> None:
    """Put what comes into the lists that are touched: best first, one a product, none of the owner's own."""
    places, columns = np.nonzero(lists.similar[touched])
    held = touched[places]
    rows = np.concatenate([held, pairs.rows])
    keys = np.concatenate([lists.similar[held, columns], pairs.keys])
    scores = np.concatenate([lists.scores[held, columns], pairs.scores])
    order = np.lexsort((now.ranks_of(keys), -scores, rows))
    products = now.products[np.searchsorted(now.keys, keys)]
    left = order[_first_of_each(rows[order], products[order], now.products[rows[order]])]
    rows, keys, scores = rows[left], keys[left], scores[left]
    column = np.arange(len(rows)) - np.searchsorted(rows, rows)
    full = column == lists.depth  # the first one that is too many
    shown = column < lists.depth
    lists.similar[touched], lists.scores[touched] = NOTHING, 0
    lists.similar[rows[shown], column[shown]] = keys[shown]
    lists.scores[rows[shown], column[shown]] = scores[shown]
    lists.bounds[rows[full]] = lists.scores[rows[full], -1]


def _first_of_each(rows: Int64Array, products: Int64Array, own: Int64Array) -> Mask:
    """Which are the first of their product in their row, or of none, and not of the row's own product."""
    order = np.lexsort((np.arange(len(rows)), products, rows))
    again = np.zeros(len(rows), dtype=bool)
    again[order[1:]] = (np.diff(rows[order]) == 0) & (np.diff(products[order]) == 0)
    return np.asarray((products == NO_PRODUCT) | (~again & (products != own)))


def _no_pairs() -> _Pairs:
    return _Pairs(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int32))


def _millionths(scores: npt.NDArray[np.float64]) -> Int32Array:
    return np.rint(scores * _MILLION).astype(np.int32)


def scores_of(millionths: Int32Array) -> npt.NDArray[np.float64]:
    """The scores as they were: rounded to six decimals."""
    return np.asarray(millionths / _MILLION)


def _scores(one: Float16Array, other: Float16Array, metric: Metric) -> Int32Array:
    return _millionths(converted(pair_scores(one, other), metric))


def _least_cosines(bounds: Int32Array, metric: Metric) -> Float32Array:
    """The cosines that scores of ``bounds`` stand for."""
    scores = scores_of(bounds)
    cosines = 1.0 - scores * scores / 2.0 if metric is Metric.EUCLIDEAN else scores
    return np.where(bounds == WHOLE, -np.inf, cosines).astype(np.float32)
