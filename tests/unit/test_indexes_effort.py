"""The choice of effort: by what was measured, and never less than was asked for."""

from __future__ import annotations

import numpy as np
import pytest

from seealike.indexes.effort import (
    TARGET_RECALL,
    Effort,
    EffortAmong,
    Task,
    Way,
    effort_among,
    effort_for,
    needs_more,
    recalls,
    tuned_efforts,
    within_gap,
)
from seealike.types import Float32Array, Int64Array

TUNED = (Effort(10, 31, 16, 0.1, 80, 48), Effort(100, 301, 64, 0.05, 800, 128))
VECTORS, LISTS = 100_000, 512


@pytest.mark.parametrize("k", [1, 10, 11, 55, 99, 100, 101, 500, 1000, 1001, 60_000, 100_000, 200_000])
def test_more_neighbours_never_get_less_effort(k: int) -> None:
    effort, more = effort_for(k, TUNED, VECTORS, LISTS), effort_for(k + 1, TUNED, VECTORS, LISTS)
    assert min(k, VECTORS) <= effort.fetched <= more.fetched <= VECTORS
    assert 16 <= effort.probed <= more.probed <= LISTS
    assert effort.fetched <= effort.wide_fetched <= more.wide_fetched <= VECTORS
    assert effort.probed <= effort.wide_probed <= more.wide_probed <= LISTS


def test_the_tuned_numbers_get_the_tuned_effort() -> None:
    assert effort_for(10, TUNED, VECTORS, LISTS) == TUNED[0]
    assert effort_for(100, TUNED, VECTORS, LISTS) == TUNED[1]
    assert effort_for(11, TUNED, VECTORS, LISTS) == Effort(11, 34, 17, 0.1, 88, 49)


def test_recall_is_the_share_of_true_neighbours_found() -> None:
    proposed = np.array([[5, 1, 2, -1], [9, 8, 7, 6]])
    assert recalls(proposed, np.array([[1, 2], [6, 3]])).tolist() == [1.0, 0.5]
    assert recalls(proposed, np.empty((2, 0), dtype=np.int64)).tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("distances", "more"),
    [
        ([0.1] * 9, True),  # too few
        ([0.1] * 10 + [0.1], True),  # the last is as close as the tenth
        ([0.1] * 10 + [0.105], True),
        ([0.1] * 10 + [0.12], False),
        ([0.0] * 10 + [0.5], False),
        ([0.0] * 20, False),  # all the same picture
    ],
)
def test_a_query_is_asked_again_where_the_last_candidate_is_close(distances: list[float], more: bool) -> None:
    effort = Effort(10, 20, 4, 0.1, 80, 16)
    assert needs_more(np.array(distances, dtype=np.float32), effort) is more


def crowded_task(crowd: int, probes_needed: int, unlike_lost: bool = False) -> Task:
    """The true ten are among ``crowd`` candidates at one distance, a gap behind them; in so many lists."""
    rng = np.random.default_rng(1)
    queries, like = 60, 40
    own = np.where(np.arange(queries) < like, np.arange(queries), -1)
    order = np.array([rng.permutation(np.arange(1000, 3000)) for _ in range(queries)])
    truth = np.array([np.concatenate([rng.permutation(row[:crowd])[:10], row[crowd:190]]) for row in order])
    distances = np.concatenate([np.full(crowd, 0.1), np.full(3000, 0.2)]).astype(np.float32)

    def propose(rows: slice, fetched: int, probed: int, _: int) -> tuple[Int64Array, Float32Array]:
        labels = order[rows, : fetched - 1].copy()
        if probed < probes_needed:
            labels[:, ::2] = 5000 + np.arange(labels[:, ::2].shape[1])
        if unlike_lost:
            labels[own[rows] < 0] += 5000
        labels = np.concatenate([np.arange(queries)[rows, np.newaxis], labels], axis=1)
        found = np.broadcast_to(distances[:fetched], labels.shape).copy()
        found[:, 0] = 0.0
        return labels, found

    return Task(propose, own, truth[:, :100], like, lists=256, vectors=50_000)


def test_the_least_sufficient_effort_is_found() -> None:
    efforts, reached = tuned_efforts(crowded_task(crowd=26, probes_needed=20))
    assert reached == 1.0
    assert efforts[0].fetched == 30
    assert efforts[0].probed == 24
    assert efforts[1].k == 100


def test_where_nothing_suffices_the_recall_says_so() -> None:
    efforts, reached = tuned_efforts(crowded_task(crowd=400, probes_needed=1))
    assert efforts[0].wide_fetched == 200
    assert reached < TARGET_RECALL


def test_pictures_unlike_the_catalogue_count_too() -> None:
    easy, _ = tuned_efforts(crowded_task(crowd=26, probes_needed=20))
    hard, reached = tuned_efforts(crowded_task(crowd=26, probes_needed=20, unlike_lost=True))
    assert reached == 1.0
    assert hard[0].wide_fetched > easy[0].wide_fetched


@pytest.mark.parametrize(
    ("count", "way"),
    [
        (1, Way.ALL),
        (50, Way.ALL),
        (1000, Way.CODES),
        (8000, Way.CODES),
        (30_000, Way.LISTS),
        (250_000, Way.LISTS),
    ],
)
def test_the_fewer_are_selected_the_less_is_left_to_chance(count: int, way: Way) -> None:
    tuned = Effort(10, 40, 24, 0.15, 200, 128)
    among = effort_among(count, tuned, 289_222, 1024)
    assert among.way is way
    assert among.fetched <= count
    assert among.gap > tuned.gap
    assert among.scanned >= among.fetched


def test_all_within_the_gap_behind_the_kth_are_taken_and_never_too_few() -> None:
    effort = EffortAmong(k=2, way=Way.CODES, fetched=100, scanned=100, gap=0.5, least=3)
    assert within_gap(np.array([1.0, 2.0, 2.9, 3.0, 3.1], dtype=np.float32), effort) == 4
    assert within_gap(np.array([1.0, 2.0, 9.0, 9.0], dtype=np.float32), effort) == 3
    assert within_gap(np.array([0.0, 0.0, 0.0, 0.0, 1.0], dtype=np.float32), effort) == 4  # twins
    assert within_gap(np.array([1.0], dtype=np.float32), effort) == 1
