"""How hard the approximate index searches, and how that is chosen: by measuring, at build time.

Knows nothing of FAISS: it sees only which candidates a search with a given effort proposed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from seealike.types import Int64Array

TARGET_RECALL = 0.9975
TUNED_FOR = (10, 100)
_FETCH_FACTORS = (1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0)
# Microseconds to read and score a candidate, and to compare a scanned code; only their ratio matters.
_US_PER_CANDIDATE = 4.5
_US_PER_SCANNED = 0.015


@dataclass(frozen=True, slots=True)
class Effort:
    """For ``k`` neighbours, propose ``fetched`` candidates from the ``probed`` closest lists."""

    k: int
    fetched: int
    probed: int


@dataclass(frozen=True, slots=True)
class Task:
    """Queries with known answers.

    ``propose(fetched, probed)`` gives (q, fetched) labels, closest first, -1 where there are none.
    Shapes: own is (q,), the query's own label, which does not count; truth is (q, k), the true neighbours.
    """

    propose: Callable[[int, int], Int64Array]
    own: Int64Array
    truth: Int64Array
    lists: int
    vectors: int


def tuned_efforts(task: Task) -> tuple[tuple[Effort, ...], float]:
    """The least effort for each of ``TUNED_FOR`` that reaches the target, and the recall@10 of the first.

    Where none reaches it, the greatest effort, with the recall it has.
    """
    efforts: list[Effort] = []
    recalls: list[float] = []
    for k in TUNED_FOR:
        if efforts and k > task.truth.shape[1]:
            break
        effort, recall = _tuned(task, min(k, task.truth.shape[1]), efforts[-1] if efforts else None)
        efforts.append(Effort(k, effort.fetched, effort.probed))
        recalls.append(recall)
    return tuple(efforts), recalls[0]


def effort_for(k: int, efforts: Sequence[Effort], vectors: int, lists: int) -> Effort:
    """The effort for any ``k``: in proportion between the tuned ones, with the same care beyond them."""
    if k <= efforts[0].k:
        chosen = efforts[0]
    elif k > 10 * efforts[-1].k:
        chosen = Effort(k, 4 * k, lists)
    elif k > efforts[-1].k:
        growth = k / efforts[-1].k
        chosen = Effort(k, math.ceil(efforts[-1].fetched * growth), math.ceil(efforts[-1].probed * growth))
    else:
        upper = next(place for place, effort in enumerate(efforts) if effort.k >= k)
        low, high = efforts[upper - 1], efforts[upper]
        share = (k - low.k) / (high.k - low.k)
        chosen = Effort(
            k,
            math.ceil(low.fetched + share * (high.fetched - low.fetched)),
            math.ceil(low.probed + share * (high.probed - low.probed)),
        )
    return Effort(k, min(max(chosen.fetched, k), vectors), min(chosen.probed, lists))


def recall(proposed: Int64Array, truth: Int64Array) -> float:
    """The share of true neighbours among the proposed. Shapes: (q, m) and (q, k), no label twice in a row."""
    if truth.size == 0:
        return 1.0
    return float(np.mean([np.isin(wanted, row).mean() for wanted, row in zip(truth, proposed, strict=True)]))


def _tuned(task: Task, k: int, easier: Effort | None) -> tuple[Effort, float]:
    fetches = sorted({min(math.ceil(factor * k) + 1, task.vectors) for factor in _FETCH_FACTORS})
    probes = sorted({min(2**step * 3 // 2**half, task.lists) for step in range(1, 20) for half in (0, 1)})
    probes = [count for count in probes if easier is None or count >= easier.probed] or [task.lists]
    truth = task.truth[:, :k]
    promising: list[tuple[float, Effort]] = []
    for probed in probes:
        proposed = task.propose(fetches[-1], probed)
        for fetched in fetches:
            if _recall_without_self(proposed[:, :fetched], task.own, truth) >= TARGET_RECALL:
                scanned = task.vectors * probed / task.lists
                cost = fetched * _US_PER_CANDIDATE + scanned * _US_PER_SCANNED
                promising.append((cost, Effort(k, fetched, probed)))
                break
        if promising and task.vectors * probed / task.lists * _US_PER_SCANNED > min(
            entry[0] for entry in promising
        ):
            break
    promising.sort(key=lambda entry: entry[0])
    for effort in [*(entry[1] for entry in promising), Effort(k, fetches[-1], task.lists)]:
        reached = _recall_without_self(task.propose(effort.fetched, effort.probed), task.own, truth)
        if reached >= TARGET_RECALL:
            break
    return effort, reached


def _recall_without_self(proposed: Int64Array, own: Int64Array, truth: Int64Array) -> float:
    return recall(np.where(proposed == own[:, np.newaxis], -1, proposed), truth)
