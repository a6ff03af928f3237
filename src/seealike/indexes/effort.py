"""How hard the approximate index searches, and how that is chosen: by measuring, at build time.

A query is answered with little effort first. Its own answer tells whether that was enough: where the last
candidate is hardly farther away than the k-th, closer ones may have been missed, and it is asked again with
more. So a picture like those in the catalogue is quick, and one unlike them (or a mixture of several) is
still answered well. Knows nothing of FAISS: it sees only what a search with a given effort proposed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from seealike.types import Float32Array, Int64Array

    Proposals: TypeAlias = tuple[Int64Array, Float32Array]
    Float64Array: TypeAlias = npt.NDArray[np.float64]

TARGET_RECALL = 0.9975  # for pictures like those in the catalogue
TARGET_RECALL_UNLIKE = 0.99  # for mixtures of two of them
TUNED_FOR = (10, 100)
REFINED_NARROW, REFINED_WIDE = 3, 8  # codes compared more finely, for each one fetched
_NARROW_FACTORS = (2.0, 2.5, 3.0, 4.0)
_WIDE_FACTORS = (4, 8, 12, 20)
_PROBES = (8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 512, 1024, 2048, 4096)
# Microseconds to read and score a candidate, and to compare a scanned code; only their ratio matters.
_US_PER_CANDIDATE = 8.0
_US_PER_SCANNED = 0.0085
_US_PER_ASKED = 0.002  # whether a vector is selected
_US_PER_FINER = 0.27  # a selected one whose finer code is compared, wherever it lies
_US_PER_REFINED = 0.8  # one of the list search's, among few that are selected
NEARLY_ALL = 0.95  # where so many vectors are selected, they are searched as all are
# Else the closest may be far away, where many are about as far: more candidates are taken, up to a wider gap
# behind the k-th. Where lists are searched, so many selected vectors are looked through, as a share of those
# that the tuned wide search looks through of all.
_SELECTED_GAP = 1.5
_SELECTED_LEAST = 6
_SELECTED_MOST = 2
_SELECTED_SCANNED, _LEAST_SCANNED = 0.45, 2000


@dataclass(frozen=True, slots=True)
class Effort:
    """For ``k`` neighbours, propose ``fetched`` candidates from the ``probed`` closest lists.

    Where the last candidate's squared distance exceeds the k-th one's by less than ``gap`` times the latter,
    propose ``wide_fetched`` from ``wide_probed`` instead.
    """

    k: int
    fetched: int
    probed: int
    gap: float
    wide_fetched: int
    wide_probed: int


@dataclass(frozen=True, slots=True)
class Task:
    """Queries with known answers: the first ``like`` of them are the catalogue's, the others mixtures.

    ``propose(rows, fetched, probed, refined)`` answers the queries of these rows: labels, -1 where there are
    none, and squared distances, both (q, fetched), closest first.
    Shapes: own is (q,), the query's own label, which does not count, or -1; truth is (q, k), closest first.
    """

    propose: Callable[[slice, int, int, int], Proposals]
    own: Int64Array
    truth: Int64Array
    like: int
    lists: int
    vectors: int


def needs_more(distances: Float32Array, effort: Effort) -> bool:
    """Whether a query with these candidates' distances, closest first, must be asked again. Shapes: (m,)."""
    if len(distances) < effort.k:
        return True
    kth = float(distances[effort.k - 1])
    return float(distances[-1]) - kth < effort.gap * kth


def tuned_efforts(task: Task) -> tuple[tuple[Effort, ...], float]:
    """The least effort for each of ``TUNED_FOR`` that reaches the targets, and the recall@10 of the first.

    Where none reaches them, the greatest effort, with the recall it has.
    """
    efforts: list[Effort] = []
    recalls: list[float] = []
    for k in TUNED_FOR:
        if efforts and k > task.truth.shape[1]:
            break
        effort, reached = _Tuning(task, min(k, task.truth.shape[1])).best()
        efforts.append(replace(effort, k=k))
        recalls.append(reached)
    return tuple(efforts), recalls[0]


def effort_for(k: int, efforts: Sequence[Effort], vectors: int, lists: int) -> Effort:
    """The effort for any ``k``: in proportion between the tuned ones, with the same care beyond them."""
    last = efforts[-1]
    if k <= efforts[0].k:
        chosen = replace(efforts[0], k=k)
    elif k >= last.k:
        chosen = _between(k, last, replace(last, k=0, fetched=0, probed=0, wide_fetched=0, wide_probed=0))
    else:
        upper = next(place for place, effort in enumerate(efforts) if effort.k >= k)
        chosen = _between(k, efforts[upper - 1], efforts[upper])
    fetched = min(max(chosen.fetched, k), vectors)
    return Effort(
        k,
        fetched,
        min(chosen.probed, lists),
        chosen.gap,
        min(max(chosen.wide_fetched, fetched), vectors),
        min(max(chosen.wide_probed, chosen.probed), lists),
    )


class Way(Enum):
    """How the closest of some of the vectors are found."""

    ALL = "propose every one"
    CODES = "compare the finer codes of every one"
    LISTS = "search the inverted lists"


@dataclass(frozen=True, slots=True)
class EffortAmong:
    """For ``k`` neighbours among some of the vectors, fetch ``fetched`` in this way.

    Searching lists, look through at least ``scanned`` of these vectors. Take those that are within ``gap``
    behind the k-th, as for ``Effort``, and at least ``least``.
    """

    k: int
    way: Way
    fetched: int
    scanned: int
    gap: float
    least: int


def effort_among(count: int, effort: Effort, vectors: int, lists: int) -> EffortAmong:
    """How to search among ``count`` of the vectors, in the cheapest way, with the care of a tuned effort."""
    least = _SELECTED_LEAST * effort.k
    fetched = min(max(least, _SELECTED_MOST * effort.wide_fetched), count)
    scanned = math.ceil(_SELECTED_SCANNED * vectors * effort.wide_probed / lists)
    scanned = max(scanned, _LEAST_SCANNED, fetched)
    searched = vectors * min(1.0, scanned / max(count, 1)) * _US_PER_SCANNED
    scored = least * _US_PER_CANDIDATE
    costs = {
        Way.ALL: count * _US_PER_CANDIDATE,
        Way.CODES: vectors * _US_PER_ASKED + count * _US_PER_FINER + scored,
        Way.LISTS: searched + fetched * REFINED_NARROW * _US_PER_REFINED + scored,
    }
    way = min(costs, key=costs.__getitem__)
    return EffortAmong(effort.k, way, fetched, scanned, _SELECTED_GAP * effort.gap, least)


def within_gap(distances: Float32Array, effort: EffortAmong) -> int:
    """How many of the candidates, closest first, are to be taken. Shapes: (m,)."""
    if len(distances) <= effort.k:
        return len(distances)
    farthest = float(distances[effort.k - 1]) * (1 + effort.gap)
    return max(min(effort.least, len(distances)), int(np.searchsorted(distances, farthest, side="right")))


def recalls(proposed: Int64Array, truth: Int64Array) -> Float64Array:
    """For each query, the share of its true neighbours among the proposed labels.

    Shapes: proposed is (q, m), no label twice in a row, -1 is none; truth is (q, k); the result is (q,).
    """
    if truth.size == 0:
        return np.ones(len(truth))
    row = np.arange(len(truth))[:, np.newaxis] * (int(max(proposed.max(), truth.max())) + 2)
    return np.asarray(np.isin(truth + 1 + row, np.where(proposed < 0, -1, proposed + 1 + row)).mean(axis=1))


def _between(k: int, low: Effort, high: Effort) -> Effort:
    share = (k - low.k) / (high.k - low.k)

    def mixed(a: int, b: int) -> int:
        return math.ceil(a + share * (b - a))

    return Effort(
        k,
        mixed(low.fetched, high.fetched),
        mixed(low.probed, high.probed),
        max(low.gap, high.gap),
        mixed(low.wide_fetched, high.wide_fetched),
        mixed(low.wide_probed, high.wide_probed),
    )


class _Tuning:
    """The search for the best effort at one ``k``."""

    def __init__(self, task: Task, k: int) -> None:
        every = 1 if k <= TUNED_FOR[0] else 4  # more neighbours need fewer queries for the same certainty
        self._task, self._k, self._rows = task, k, slice(None, None, every)
        self._own, self._truth = task.own[self._rows], task.truth[self._rows, :k]
        self._targets = [TARGET_RECALL, TARGET_RECALL_UNLIKE]
        self._like = len(range(0, task.like, every))
        self._probes = [count for count in _PROBES if count < task.lists] + [task.lists]

    def best(self) -> tuple[Effort, float]:
        """The cheapest effort that reaches the targets, and the recall for pictures like the catalogue's."""
        wide_fetched, wide_probed, wide = self._wide()
        self._aim_at_most(wide)
        best = Effort(self._k, wide_fetched, wide_probed, 0.0, wide_fetched, wide_probed)
        cost, reached = 2 * self._cost(wide_fetched, wide_probed), float(wide[: self._like].mean())
        for fetched, probed in self._narrow(wide_fetched, wide_probed):
            if self._cost(fetched, probed) >= cost:
                continue
            shares, gaps = self._measured(fetched, probed, REFINED_NARROW)
            for gap in np.unique(np.round(np.quantile(gaps, np.linspace(0, 0.9, 46)), 3)):
                mixed = np.where(gaps < gap, wide, shares)
                if not self._sufficient(mixed):
                    continue
                again = float(np.mean(gaps[: self._like] < gap)) * self._cost(wide_fetched, wide_probed)
                if self._cost(fetched, probed) + again < cost:
                    cost, reached = self._cost(fetched, probed) + again, float(mixed[: self._like].mean())
                    best = Effort(self._k, fetched, probed, float(gap), wide_fetched, wide_probed)
                break
        return best, reached

    def _wide(self) -> tuple[int, int, Float64Array]:
        """The least effort that alone reaches the targets, else the greatest, and what it recalls."""
        for factor in _WIDE_FACTORS:
            fetched = min(factor * self._k, self._task.vectors - 1)
            most, shares = self._task.lists, self._measured(fetched, self._task.lists, REFINED_WIDE)[0]
            if self._sufficient(shares) or factor == _WIDE_FACTORS[-1]:
                break
        for probed in reversed(self._probes):
            fewer = self._measured(fetched, probed, REFINED_WIDE)[0]
            if not self._sufficient(fewer) and fewer.mean() < shares.mean() - 1e-4:
                break
            most, shares = probed, fewer
        return fetched, most, shares

    def _narrow(self, wide_fetched: int, wide_probed: int) -> Iterator[tuple[int, int]]:
        for factor in _NARROW_FACTORS:
            fetched = math.ceil(factor * self._k)
            for probed in self._probes:
                if fetched <= wide_fetched and probed <= wide_probed:
                    yield fetched, probed

    def _measured(self, fetched: int, probed: int, refined: int) -> tuple[Float64Array, Float64Array]:
        """What is recalled, and the gap behind the k-th, for every query; its own vector does not count."""
        labels, distances = self._task.propose(self._rows, fetched + 1, probed, refined)
        order = np.argsort(labels == self._own[:, np.newaxis], axis=1, kind="stable")[:, :-1]
        labels, distances = np.take_along_axis(labels, order, 1), np.take_along_axis(distances, order, 1)
        complete = labels[:, self._k - 1] >= 0
        ends = np.maximum((labels >= 0).sum(axis=1) - 1, 0)[:, np.newaxis]
        kth = distances[:, self._k - 1].astype(np.float64)
        last = np.take_along_axis(distances, ends, 1)[:, 0].astype(np.float64)
        with np.errstate(invalid="ignore"):
            gaps = np.where(complete, (last - kth) / np.maximum(kth, 1e-30), -1.0)
        return recalls(labels, self._truth), gaps

    def _sufficient(self, shares: Float64Array) -> bool:
        return all(
            reached >= target for reached, target in zip(self._means(shares), self._targets, strict=True)
        )

    def _aim_at_most(self, wide: Float64Array) -> None:
        """Where even the wide search misses a target, ask the narrow one for nearly what that reaches."""
        self._targets = [
            target if most >= target else most - 1e-3
            for target, most in zip(self._targets, self._means(wide), strict=True)
        ]

    def _means(self, shares: Float64Array) -> list[float]:
        parts = shares[: self._like], shares[self._like :]
        return [float(part.mean()) if len(part) else 1.0 for part in parts]

    def _cost(self, fetched: int, probed: int) -> float:
        scanned = self._task.vectors * probed / self._task.lists
        return fetched * _US_PER_CANDIDATE + scanned * _US_PER_SCANNED
