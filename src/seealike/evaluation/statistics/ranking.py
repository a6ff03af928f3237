"""Who stands where when every query is compared with every item: exact, in blocks, in bounded memory.

Scores are rounded to six decimals, and equal scores stand in the order of the items, as in every search.

For q queries, n items and d dimensions: q n d multiplications, in matrix products, and q sorts of n numbers.
Beside vectors that are held at most ``BLOCK_BYTES`` of scores are. Those that lie in a file are read once for
as many queries as ``BLOCK_BYTES_OF_FILE`` hold the scores of.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from seealike.evaluation.statistics.metrics import Values, metric_names, query_values
from seealike.rows import Rows, blocks
from seealike.types import Float32Array, Int64Array, Progress, ProgressCallback, unwatched

BLOCK_BYTES = 1 << 26
BLOCK_BYTES_OF_FILE = 1 << 29
MOST_ASKING = 10_000
"""More queries than these are sampled, unless somebody says otherwise."""
_MOST_AT_ONCE = 512
_MICRO = 1e6
_SHIFT = 32
_PLACE = (1 << _SHIFT) - 1
_LAST = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class RankingTask:
    """Who asks whom, and what would be right.

    Args:
        items: the vectors that are searched, of unit norm.
        item_labels: a number a label.
        queries: the vectors that ask, of unit norm.
        query_labels: as ``item_labels``.
        own: the row of ``items`` that a query is itself, -1 for one from outside; never an answer.
        item_groups: numbers of groups, -1 for none; items of a query's own group are no answers either.
            ``None`` where groups do not matter.
        query_groups: as ``item_groups``.
        item_values: numbers of another trait, -1 where nothing is known. With them it is also said how
            queries do among items of another value than their own. ``None`` where that is not asked.
        query_values: as ``item_values``.

    Shapes: items is (n, d), queries (q, d), what begins with item is (n,), and the rest (q,).
    """

    items: Rows
    item_labels: Int64Array
    queries: Rows
    query_labels: Int64Array
    own: Int64Array
    item_groups: Int64Array | None = None
    query_groups: Int64Array | None = None
    item_values: Int64Array | None = None
    query_values: Int64Array | None = None


@dataclass(frozen=True, slots=True)
class Apart:
    """How queries do among items whose value is known and another than their own.

    Args:
        rows: those rows of the ranking whose query has a value, and anything to find there.
        values: every metric of those, all other items being left out.
        same: among the nearest of all items, the share that has the query's own value.
        chance: the same share of nearest that are drawn at random: that of all possible answers.

    Shapes: rows, same and chance are (b,), values (b, m).
    """

    rows: Int64Array
    values: Values
    same: Values
    chance: Values


@dataclass(frozen=True, slots=True)
class Ranking:
    """The answers to a task.

    Args:
        asked: which queries of the task had anything to find; the other arrays have their rows.
        values: every metric of every query, in the order of ``metric_names``.
        nearest: rows of the closest items, closest first; -1 where there are fewer.
        scores: their cosine similarities; -inf where there are fewer.
        apart: how they do among items of another value; ``None`` where the task has no values.

    Shapes: asked is (a,), values (a, m), nearest and scores (a, k).
    """

    asked: Int64Array
    values: Values
    nearest: Int64Array
    scores: Float32Array
    apart: Apart | None = None


def rank(task: RankingTask, k: int, progress: ProgressCallback = unwatched) -> Ranking:
    """Rank all items for every query."""
    members = _Members(task.item_labels)
    places = np.arange(len(task.items), dtype=np.int64)
    elsewhere = _Elsewhere(task, k)
    asked: list[int] = []
    values, tops = [], []
    for query, scores in similarities(task.queries, task.items, progress):
        keys = _keys(scores, places)
        left_out = _left_out(task, query)
        keys[left_out] = _LAST
        relevant = keys[members.of(int(task.query_labels[query]))]
        relevant = relevant[relevant != _LAST]
        if not len(relevant):
            continue
        keys.sort()
        relevant.sort()
        ranks = np.searchsorted(keys, relevant) + 1
        elsewhere.add(len(asked), query, keys, ranks)
        asked.append(query)
        values.append(query_values(ranks, k))
        tops.append(_filled(keys[:k], k))
    top = np.array(tops, dtype=np.int64).reshape(-1, k)
    return Ranking(
        np.array(asked, dtype=np.int64),
        np.array(values).reshape(-1, len(metric_names(k))),
        *_unpacked(top),
        elsewhere.found,
    )


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the one right item of each query stands. ``nearest`` and ``scores``: see :class:`Ranking`.

    ``ranks`` counts from 1 and only what is strictly closer: an equal picture is as good as the right one.

    Shapes: ranks and own_scores are (q,), nearest and scores (q, k).
    """

    ranks: Int64Array
    own_scores: Float32Array
    nearest: Int64Array
    scores: Float32Array


def standing(
    queries: Rows,
    items: Rows,
    targets: Int64Array,
    k: int,
    progress: ProgressCallback = unwatched,
) -> Standing:
    """Say where the item ``targets[i]`` stands for query i. Shapes: queries is (q, d), items (n, d)."""
    places = np.arange(len(items), dtype=np.int64)
    ranks, tops, own = [], [], []
    for query, scores in similarities(queries, items, progress):
        keys = _keys(scores, places)
        target = int(targets[query])
        level = keys[target] >> _SHIFT
        ranks.append(int((keys < level << _SHIFT).sum()) + 1)
        own.append(scores[target])
        tops.append(_top(keys, k))
    top = np.array(tops, dtype=np.int64).reshape(-1, k)
    return Standing(np.array(ranks, dtype=np.int64), np.array(own, dtype=np.float32), *_unpacked(top))


def nearest(
    queries: Rows,
    items: Rows,
    own: Int64Array,
    k: int,
    progress: ProgressCallback = unwatched,
) -> tuple[Int64Array, Float32Array]:
    """The ``k`` closest items of every query, itself (``own``, -1: from outside) left out.

    Shapes: queries is (q, d), items (n, d), own (q,); both results are (q, k), as in :class:`Ranking`.
    """
    places = np.arange(len(items), dtype=np.int64)
    tops = []
    for query, scores in similarities(queries, items, progress):
        keys = _keys(scores, places)
        if own[query] >= 0:
            keys[own[query]] = _LAST
        tops.append(_top(keys, k))
    return _unpacked(np.array(tops, dtype=np.int64).reshape(-1, k))


def similarities(
    queries: Rows, items: Rows, progress: ProgressCallback = unwatched
) -> Iterator[tuple[int, Float32Array]]:
    """Every query's number and its cosine similarities to the items, (n,), the caller's until the next."""
    n, q = len(items), len(queries)
    most = BLOCK_BYTES if isinstance(items, np.ndarray) else BLOCK_BYTES_OF_FILE
    at_once = max(1, min(q, _MOST_AT_ONCE, most // (4 * max(1, n))))
    scores = np.empty((at_once, n), dtype=np.float32)
    for start in range(0, q, at_once):
        asked = queries[start : start + at_once]
        for first, part in blocks(items):
            np.matmul(asked, part.T, out=scores[: len(asked), first : first + len(part)])
        for row in range(len(asked)):
            yield start + row, scores[row]
        progress(Progress("compare", start + len(asked), q))


def sampled(count: int, most: int, seed: int) -> Int64Array:
    """At most ``most`` of the rows 0..count-1, drawn evenly, ascending; 0 means all."""
    if not most or count <= most:
        return np.arange(count, dtype=np.int64)
    return np.sort(np.random.default_rng(seed).choice(count, most, replace=False)).astype(np.int64)


def overlaps(one: Int64Array, other: Int64Array) -> Values:
    """The share of each query's nearest that two answers have in common.

    Shapes: both are (q, k) rows of items, each at most once a query, -1 where there are fewer; the result
    is (q,).
    """
    common = [int(np.isin(a[a >= 0], b, assume_unique=True).sum()) for a, b in zip(one, other, strict=True)]
    there = np.maximum((one >= 0).sum(axis=1), (other >= 0).sum(axis=1))
    return np.asarray(np.array(common) / np.maximum(there, 1), dtype=np.float64)


def mean_overlap(one: Int64Array, other: Int64Array) -> float:
    """The mean of ``overlaps``."""
    return float(overlaps(one, other).mean()) if len(one) else 0.0


class _Members:
    """The rows of every label."""

    def __init__(self, labels: Int64Array) -> None:
        self._order = np.argsort(labels, kind="stable")
        self._labels = labels[self._order]

    def of(self, label: int) -> Int64Array:
        begin, end = np.searchsorted(self._labels, [label, label + 1])
        return self._order[begin:end]


class _Elsewhere:
    """Gathers how queries do among items of another value, from the order that they have among all items."""

    def __init__(self, task: RankingTask, k: int) -> None:
        self._task, self._k = task, k
        self._rows: list[int] = []
        self._values: list[Values] = []
        self._shares: list[tuple[float, float]] = []

    def add(self, row: int, query: int, keys: Int64Array, ranks: Int64Array) -> None:
        """Add a query; ``keys`` in order, and the ``ranks`` of what is relevant among them."""
        if self._task.item_values is None or self._task.query_values is None:
            return
        own = self._task.query_values[query]
        answers = keys[: np.searchsorted(keys, _LAST)] & _PLACE
        theirs = self._task.item_values[answers]
        other = (theirs >= 0) & (theirs != own)
        found = ranks[other[ranks - 1]]
        if own >= 0 and len(found):
            self._rows.append(row)
            self._values.append(query_values(np.cumsum(other)[found - 1], self._k))
            same = theirs == own
            self._shares.append((float(same[: self._k].mean()), float(same.mean())))

    @property
    def found(self) -> Apart | None:
        if self._task.item_values is None:
            return None
        same, chance = np.array(self._shares).reshape(-1, 2).T
        values = np.array(self._values).reshape(-1, len(metric_names(self._k)))
        return Apart(np.array(self._rows, dtype=np.int64), values, same, chance)


def _keys(scores: Float32Array, places: Int64Array) -> Int64Array:
    """Numbers that order items as their scores do, best first, equal ones by their place, which they hold."""
    micros = np.rint(scores * np.float32(-_MICRO)).astype(np.int64)
    return np.asarray((micros << _SHIFT) | places, dtype=np.int64)


def _left_out(task: RankingTask, query: int) -> Int64Array:
    own = task.own[query : query + 1]
    rows = own[own >= 0]
    if task.item_groups is None or task.query_groups is None or task.query_groups[query] < 0:
        return rows
    same = np.flatnonzero(task.item_groups == task.query_groups[query])
    return np.concatenate([rows, same])


def _top(keys: Int64Array, k: int) -> Int64Array:
    """The ``k`` smallest, in order."""
    near = keys if len(keys) <= k else np.partition(keys, k - 1)[:k]
    return _filled(np.sort(near), k)


def _filled(keys: Int64Array, k: int) -> Int64Array:
    return np.concatenate([keys, np.full(k - len(keys), _LAST, dtype=np.int64)])


def _unpacked(keys: Int64Array) -> tuple[Int64Array, Float32Array]:
    """Places and scores from ``_keys``."""
    gone = keys == _LAST
    places = np.where(gone, -1, keys & _PLACE)
    scores = np.where(gone, -np.inf, -(keys >> _SHIFT) / _MICRO)
    return places.astype(np.int64), scores.astype(np.float32)
