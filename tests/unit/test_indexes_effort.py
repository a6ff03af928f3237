"""The choice of effort: by what was measured, and never less than was asked for."""

from __future__ import annotations

import numpy as np
import pytest

from seealike.indexes.effort import TARGET_RECALL, Effort, Task, effort_for, recall, tuned_efforts
from seealike.types import Int64Array

TUNED = (Effort(10, 31, 16), Effort(100, 301, 64))
VECTORS, LISTS = 100_000, 512


@pytest.mark.parametrize("k", [1, 10, 11, 55, 99, 100, 101, 500, 1000, 1001, 60_000, 100_000, 200_000])
def test_more_neighbours_never_get_less_effort(k: int) -> None:
    effort, more = effort_for(k, TUNED, VECTORS, LISTS), effort_for(k + 1, TUNED, VECTORS, LISTS)
    assert min(k, VECTORS) <= effort.fetched <= more.fetched <= VECTORS
    assert 16 <= effort.probed <= more.probed <= LISTS


def test_the_tuned_numbers_get_the_tuned_effort() -> None:
    assert effort_for(10, TUNED, VECTORS, LISTS) == TUNED[0]
    assert effort_for(100, TUNED, VECTORS, LISTS) == TUNED[1]
    assert effort_for(11, TUNED, VECTORS, LISTS) == Effort(11, 34, 17)


def test_recall_is_the_share_of_true_neighbours_found() -> None:
    proposed = np.array([[5, 1, 2, -1], [9, 8, 7, 6]])
    assert recall(proposed, np.array([[1, 2], [6, 3]])) == 0.75
    assert recall(proposed, np.empty((2, 0), dtype=np.int64)) == 1.0


def lossy_task(lost_beyond: int, probes_needed: int) -> Task:
    """A search that shifts every true neighbour by ``lost_beyond`` places and needs so many lists."""
    rng = np.random.default_rng(1)
    truth = np.array([rng.choice(np.arange(1000, 5000), 100, replace=False) for _ in range(50)])
    own = np.arange(50)

    def propose(fetched: int, probed: int) -> Int64Array:
        rows = np.full((50, fetched), -1, dtype=np.int64)
        if probed >= probes_needed:
            shifted = np.arange(100) + lost_beyond
            inside = shifted < fetched
            rows[:, shifted[inside]] = truth[:, :100][:, inside]
        rows[:, 0] = own
        return rows

    return Task(propose, own, truth, lists=256, vectors=50_000)


def test_the_least_sufficient_effort_is_found() -> None:
    efforts, reached = tuned_efforts(lossy_task(lost_beyond=12, probes_needed=20))
    assert reached == 1.0
    assert 22 <= efforts[0].fetched <= 31
    assert 20 <= efforts[0].probed <= 32
    assert efforts[1].fetched >= 112


def test_where_nothing_suffices_the_recall_says_so() -> None:
    efforts, reached = tuned_efforts(lossy_task(lost_beyond=115, probes_needed=1))
    assert efforts[0].probed == 256
    assert reached < TARGET_RECALL
