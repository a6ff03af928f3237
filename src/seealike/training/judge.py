"""Before and after, on items that nobody learnt from: the figures, their intervals, and the verdict.

Everything here is arithmetic on vectors. A query is a test item among the other test items. Of many some are
drawn to ask, the same that ``evaluate`` draws.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from seealike.evaluation.statistics.intervals import FEWEST, Estimate, Resampling, differences, estimates
from seealike.evaluation.statistics.metrics import metric_names
from seealike.evaluation.statistics.ranking import (
    MOST_ASKING,
    Ranking,
    RankingTask,
    rank,
    sampled,
    similarities,
)
from seealike.rows import blocks

if TYPE_CHECKING:
    from seealike.evaluation.statistics.metrics import Values
    from seealike.rows import Rows
    from seealike.types import Float32Array, Int64Array

K = 10
VOTERS = 20
TOPS = (1, 3, 5)
MOST_QUERIES = 2000
"""Validation asks this many at most, so that a pass over a large catalogue stays quick."""
DISTINCT_LOSS = 0.1
"""The share of the distinct neighbours that may be lost: within a class they crowd a little."""
_LESS_THAN_A_VOTE = 1e-5
_NO_MEMBER = -1.0


@dataclass(frozen=True, slots=True)
class Compared:
    """One figure before and after, and the difference; each with its interval where it has one."""

    name: str
    before: Estimate | None
    after: Estimate
    change: Estimate | None


@dataclass(frozen=True, slots=True)
class Spread:
    """How much a space tells its items apart.

    ``distinct``: how many different items stand in all top-10 lists together. ``mean_cosine``: of all pairs.
    """

    distinct: int
    mean_cosine: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the test items say of one space.

    Args:
        asking: which of the test items ask; (q,), ascending.
        ranking: the test items among themselves; its ``asked`` are rows of the test items.
        spread: how much the space tells them apart.
        by_vote: whether the right class is among the first 1, 3, 5 by the neighbours' vote; (q, 3), or None
            where it makes no sense.
        by_head: the same by the classification head.
    """

    asking: Int64Array
    ranking: Ranking
    spread: Spread
    by_vote: Values | None
    by_head: Values | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the new encoder may take the old one's place, and if not, why."""

    compared: tuple[Compared, ...]
    before: Spread
    after: Spread
    objections: tuple[str, ...]

    @property
    def better(self) -> bool:
        """Whether there is nothing against it."""
        return not self.objections

    def figure(self, name: str) -> Compared:
        """The figure called ``name``."""
        return next(figure for figure in self.compared if figure.name == name)


def asking(count: int) -> Int64Array:
    """Which of so many test items ask: all, or as many as ``evaluate`` draws."""
    return sampled(count, MOST_ASKING, Resampling().seed)


def map_at_r(vectors: Rows, targets: Int64Array) -> float:
    """The mAP@R of items among themselves. Shapes: vectors is (n, d) of unit norm, targets (n,)."""
    rows = np.arange(len(vectors), dtype=np.int64)
    if len(rows) > MOST_QUERIES:
        rows = np.sort(np.random.default_rng(0).permutation(rows)[:MOST_QUERIES])
    ranking = rank(_among_themselves(vectors, targets, rows), K)
    return float(ranking.values[:, metric_names(K).index("mAP@R")].mean()) if len(ranking.asked) else 0.0


def gather(
    vectors: Rows,
    targets: Int64Array,
    voters: tuple[Rows, Int64Array] | None,
    groups: Int64Array | None = None,
) -> Evidence:
    """Ask the test items.

    Args:
        vectors: theirs, of unit norm.
        targets: their classes.
        voters: vectors and classes of the training items; None where their classes are others.
        groups: numbers of the products they show, -1 for none. Other photos of a query's own product are no
            answers, as in ``evaluate``; None where they are what is sought.
    """
    rows = asking(len(vectors))
    task = _among_themselves(vectors, targets, rows)
    if groups is not None:
        task = replace(task, item_groups=groups, query_groups=groups[rows])
    ranking = rank(task, K)
    ranking = replace(ranking, asked=rows[ranking.asked])
    by_vote = None if voters is None else _tops(votes(task.queries, *voters), targets[rows])
    return Evidence(rows, ranking, spread(ranking, vectors), by_vote)


def with_head(evidence: Evidence, scores: Float32Array, targets: Int64Array) -> Evidence:
    """The same with what the classification head says of those who ask. Shapes: scores is (q, c)."""
    return replace(evidence, by_head=_tops(scores, targets[evidence.asking]))


def votes(queries: Rows, voters: Rows, classes: Int64Array) -> Float32Array:
    """What the nearest training items say: for each class the sum of its voters' weights, exp(10 cosine).

    Classes that nobody votes for come after those, in the order of their nearest items.

    Shapes: queries is (q, d), voters (n, d), classes (n,); the result is (q, c).
    """
    order = np.argsort(classes, kind="stable")
    names, starts = np.unique(classes[order], return_index=True)
    result = np.full((len(queries), int(names[-1]) + 1), _NO_MEMBER, dtype=np.float32)
    asked = min(VOTERS, len(voters))
    for row, scores in similarities(queries, voters):
        # A vote weighs exp(-10) at least; what only orders the rest must weigh less.
        result[row, names] = np.maximum.reduceat(scores[order], starts) * _LESS_THAN_A_VOTE
        near = _nearest(scores, asked)
        np.add.at(result[row], classes[near], np.exp(10.0 * scores[near]))
    return result


def _nearest(scores: Float32Array, k: int) -> Int64Array:
    """The places of the ``k`` highest scores, highest first; equal ones in their order."""
    least = np.partition(scores, len(scores) - k)[len(scores) - k]
    near = np.flatnonzero(scores >= least)
    return near[np.argsort(-scores[near], kind="stable")[:k]]


def spread(ranking: Ranking, vectors: Rows) -> Spread:
    """How much a space tells its items apart, from its top-10 lists and its vectors."""
    distinct = len(np.unique(ranking.nearest[ranking.nearest >= 0]))
    n = len(vectors)
    total = sum(part.astype(np.float64).sum(axis=0) for _, part in blocks(vectors))
    mean = float((total @ total - n) / (n * (n - 1))) if n > 1 else 0.0
    return Spread(distinct, mean)


def judge(before: Evidence, after: Evidence, clusters: Int64Array) -> Verdict:
    """Compare two spaces on the same queries.

    Args:
        before: the space there was.
        after: the one that was learnt.
        clusters: who took each test item's photo, or the like: they are drawn together for the intervals.
    """
    asked = clusters[after.ranking.asked]
    names = metric_names(K)
    compared = [
        _compared(name, before.ranking.values[:, [place]], after.ranking.values[:, [place]], asked)
        for place, name in enumerate(names)
    ]
    if before.by_vote is not None and after.by_vote is not None:
        compared += [
            _compared(
                f"top-{top} by {VOTERS} neighbours",
                before.by_vote[:, [place]],
                after.by_vote[:, [place]],
                clusters[after.asking],
            )
            for place, top in enumerate(TOPS)
        ]
    if after.by_head is not None:
        heads = estimates(after.by_head, clusters[after.asking], Resampling())
        compared += [
            Compared(f"top-{top} by the classifier", None, value, None)
            for top, value in zip(TOPS, heads, strict=True)
        ]
    objections = _objections(compared, before, after, len(np.unique(asked)))
    return Verdict(tuple(compared), before.spread, after.spread, objections)


def _compared(name: str, before: Values, after: Values, clusters: Int64Array) -> Compared:
    means = estimates(np.concatenate([before, after], axis=1), clusters, Resampling())
    return Compared(name, *means, *differences(after - before, clusters, Resampling()))


def _objections(
    compared: list[Compared], before: Evidence, after: Evidence, witnesses: int
) -> tuple[str, ...]:
    by_name = {figure.name: figure for figure in compared}
    gain = by_name["mAP@R"].change
    first = by_name["precision@1"]
    said = []
    if gain is not None and gain.value <= 0:
        said.append(f"mAP@R did not rise ({gain.value:+.3f})")
    elif gain is not None and gain.low is None:
        said.append(
            f"too few to tell: the test items make {witnesses} independent units, and it takes {FEWEST}"
        )
    elif gain is not None and gain.low is not None and gain.low <= 0:
        said.append(f"the rise of mAP@R by {gain.value:.3f} may be chance (from {gain.low:+.3f})")
    if first.before is not None and first.after.value < first.before.value:
        said.append(f"precision@1 fell from {first.before.value:.3f} to {first.after.value:.3f}")
    return (*said, *collapse(before.spread, after.spread))


def collapse(before: Spread, after: Spread) -> tuple[str, ...]:
    """Say in words whether the items have fallen together; nothing if they have not."""
    said = []
    if after.distinct < (1.0 - DISTINCT_LOSS) * before.distinct:
        said.append(
            f"the neighbours became fewer: {after.distinct:,} different ones, not {before.distinct:,}"
        )
    if after.mean_cosine > max(before.mean_cosine, 0.9):
        said.append(f"all items became alike: mean cosine {after.mean_cosine:.2f}")
    return tuple(said)


def _among_themselves(vectors: Rows, targets: Int64Array, rows: Int64Array) -> RankingTask:
    """All are searched, and those of ``rows`` ask. Shapes: vectors is (n, d), targets (n,), rows (q,)."""
    return RankingTask(vectors, targets, vectors[rows], targets[rows], rows)


def _tops(scores: Float32Array, targets: Int64Array) -> Values:
    """Whether the right class is among the first 1, 3, 5; equal scores stand in the order of the classes."""
    order = np.argsort(-scores, axis=1, kind="stable")
    hits = order == targets[:, None]
    return np.stack([hits[:, :top].any(axis=1) for top in TOPS], axis=1).astype(np.float64)
