"""The pairs that a scale is learnt from: what searches answer, and whether each answer is right.

A probability means something only for a population of pairs. Here it is this: pictures ask as people do, and
their ``k`` nearest items are looked at. Half of the questions are for something that the catalogue has; for
the other half it is taken out, for people also ask for what is not there. So every question is asked twice,
or another share of them where the caller knows better.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from seealike.evaluation.statistics.ranking import similarities
from seealike.rows import Rows
from seealike.types import Float32Array, Int64Array, ProgressCallback, unwatched

if TYPE_CHECKING:
    import numpy.typing as npt

    Numbers: TypeAlias = npt.NDArray[np.float64]
    Truths: TypeAlias = npt.NDArray[np.bool_]

_GONE = -2.0  # less than any cosine
_DECIMALS = 6  # as searches give scores
_DRAWN = 2048  # of the right items, and of all, for an AUC


@dataclass(frozen=True, slots=True, eq=False)
class Questions:
    """Who asks what, and what would be right: an item with the query's label.

    Args:
        items: vectors of what is searched, of unit norm.
        labels: of the items, a number each.
        units: which independent part of the catalogue each item is of, such as a product or a person.
        queries: vectors of what asks, of unit norm.
        sought: the label that each query seeks.
        own: the row of ``items`` that a query is itself, or -1; never an answer.
        asking: which part each query is of.
        groups: of the items; those of a query's own group are no answers. ``None``: groups do not matter.

    Shapes: items is (n, d), labels, units and groups (n,); queries is (q, d), sought, own and asking (q,).
    """

    items: Rows
    labels: Int64Array
    units: Int64Array
    queries: Rows
    sought: Int64Array
    own: Int64Array
    asking: Int64Array
    groups: Int64Array | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Answers to questions: their scores, whether they are right, and of which parts both pictures are.

    ``aucs`` says of every query that has anything wrong to find how often what is right has a higher score
    than what is not, anywhere in the catalogue (the area under the ROC curve): 0.5 where scores say nothing.
    ``auc_parts`` are the parts of these queries.

    Shapes: the first four are (m,), the last two (a,).
    """

    scores: Numbers
    right: Truths
    asking: Int64Array
    answering: Int64Array
    aucs: Numbers
    auc_parts: Int64Array

    def __len__(self) -> int:
        """How many there are."""
        return len(self.scores)


def asked(
    questions: Questions, k: int, present: float = 0.5, progress: ProgressCallback = unwatched
) -> Pairs:
    """The ``k`` nearest answers to questions, ``present`` of them with what is right, the others without it.

    A query asks one way, or both, so that this is the share; where it is a half all ask both. Queries that
    have nothing to find do not ask. Answers are exact, in bounded memory.

    That what is left has lower scores proves nothing: so it would be if any others were taken out. Whether
    scores say anything is told by ``aucs``, among all items.
    """
    turn = np.random.default_rng(1).permutation(len(questions.queries)) / max(1, len(questions.queries))
    with_it, without = turn * (1 - present) < present, turn * present < 1 - present
    some = np.random.default_rng(0).permutation(len(questions.items))[:_DRAWN]
    scores, right, asking, answering = ([np.empty(0, kind)] for kind in (float, bool, np.int64, np.int64))
    aucs, auc_parts = [], []
    for query, cosines in _scores(questions, progress):
        truths = questions.labels == questions.sought[query]
        if not (truths & (cosines > _GONE)).any():
            continue
        auc = _auc(cosines, truths, some)
        if auc is not None:
            aucs.append(auc)
            auc_parts.append(questions.asking[query])
        for there in (True, False):
            if not (with_it if there else without)[query]:
                continue
            if not there:
                cosines[truths] = _GONE
            nearest = _nearest(cosines, k)
            scores.append(np.asarray(cosines[nearest], np.float64).round(_DECIMALS))
            right.append(truths[nearest])
            asking.append(np.full(len(nearest), questions.asking[query]))
            answering.append(questions.units[nearest])
    parts = (*(scores, right, asking, answering), [np.array(aucs)], [np.array(auc_parts, np.int64)])
    return Pairs(*map(np.concatenate, parts))


def _scores(questions: Questions, progress: ProgressCallback) -> Iterator[tuple[int, Float32Array]]:
    """Every query with its cosines; those of items that are no answers are ``_GONE``."""
    for query, scores in similarities(questions.queries, questions.items, progress):
        own = questions.own[query]
        if own >= 0:
            scores[own] = _GONE
            if questions.groups is not None and questions.groups[own] >= 0:
                scores[questions.groups == questions.groups[own]] = _GONE
        yield query, scores


def _auc(scores: Float32Array, right: Truths, some: Int64Array) -> float | None:
    """How often a right one is ahead of a wrong one, of ``some``; ``None``: none of these is wrong."""
    ours = np.flatnonzero(right)
    good, bad = scores[ours[:: 1 + len(ours) // _DRAWN]], scores[some[~right[some]]]
    good, bad = good[good > _GONE], np.sort(bad[bad > _GONE])
    if not len(good) or not len(bad):
        return None
    behind = np.searchsorted(bad, good, "left") + np.searchsorted(bad, good, "right")
    return float(behind.mean() / (2 * len(bad)))


def _nearest(scores: Float32Array, k: int) -> Int64Array:
    """The places of the ``k`` highest scores that are there."""
    near = np.argpartition(scores, len(scores) - k)[-k:] if len(scores) > k else np.arange(len(scores))
    return np.asarray(near[scores[near] > _GONE], np.int64)
