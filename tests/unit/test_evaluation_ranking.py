"""Ranking every query against every item, compared with sorting pairs in plain Python."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from seealike.evaluation import metric_names, query_values
from seealike.evaluation.statistics import ranking
from seealike.evaluation.statistics.ranking import RankingTask, nearest, rank, standing


def unit(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def made_up(seed: int, n: int = 80, q: int = 30) -> RankingTask:
    """Items with equal vectors among them, some queries from outside, groups of different sizes."""
    rng = np.random.default_rng(seed)
    items = unit(rng.standard_normal((n, 6)))
    items[n // 2 : n // 2 + 5] = items[3]
    own = np.where(rng.random(q) < 0.7, rng.integers(0, n, q), -1).astype(np.int64)
    queries = np.where(own[:, None] >= 0, items[own], unit(rng.standard_normal((q, 6))))
    item_labels = rng.integers(0, 5, n).astype(np.int64)
    query_labels = np.where(own >= 0, item_labels[own], rng.integers(0, 7, q)).astype(np.int64)
    item_groups = rng.integers(-1, 12, n).astype(np.int64)
    query_groups = np.where(own >= 0, item_groups[own], -1).astype(np.int64)
    return RankingTask(items, item_labels, queries, query_labels, own, item_groups, query_groups)


def answers_of(task: RankingTask, query: int) -> list[tuple[int, float]]:
    """All items that may be an answer, best first, equal ones in their order."""
    pairs = []
    for row, item in enumerate(task.items[:]):
        if row == task.own[query]:
            continue
        if task.item_groups is not None and task.query_groups is not None:
            group = task.query_groups[query]
            if group >= 0 and task.item_groups[row] == group:
                continue
        pairs.append((-round(float(np.dot(task.queries[:][query], item)), 6), row))
    return [(row, -score) for score, row in sorted(pairs)]


@pytest.mark.parametrize("seed", range(4))
def test_the_answers_are_those_of_sorting_all_pairs(seed: int) -> None:
    task, k = made_up(seed), 7
    answers = rank(task, k)
    asked: list[int] = []
    for query in range(len(task.queries)):
        order = answers_of(task, query)
        right = [task.item_labels[row] == task.query_labels[query] for row, _ in order]
        if not any(right):
            continue
        place = len(asked)
        asked.append(query)
        assert answers.nearest[place].tolist() == [row for row, _ in order[:k]]
        np.testing.assert_allclose(answers.scores[place], [score for _, score in order[:k]], atol=2e-6)
        np.testing.assert_allclose(answers.values[place], query_values(np.flatnonzero(right) + 1, k))
    assert answers.asked.tolist() == asked
    assert len(asked) < len(task.queries)  # some had nothing to find


@pytest.mark.parametrize("seed", range(4))
def test_apart_the_answers_are_those_of_sorting_the_pairs_of_another_known_value(seed: int) -> None:
    k, rng = 7, np.random.default_rng(seed)
    plain = made_up(seed)
    item_values = rng.integers(-1, 4, len(plain.items)).astype(np.int64)
    query_values_ = rng.integers(-1, 5, len(plain.queries)).astype(np.int64)
    answers = rank(replace(plain, item_values=item_values, query_values=query_values_), k)
    np.testing.assert_array_equal(answers.values, rank(plain, k).values)
    assert answers.apart is not None
    rows: list[int] = []
    for row, query in enumerate(answers.asked.tolist()):
        order = [item for item, _ in answers_of(plain, query)]
        own = query_values_[query]
        others = [item for item in order if item_values[item] not in {-1, own}]
        right = [plain.item_labels[item] == plain.query_labels[query] for item in others]
        if own == -1 or not any(right):
            continue
        place = len(rows)
        rows.append(row)
        np.testing.assert_allclose(
            answers.apart.values[place], query_values(np.flatnonzero(right) + 1, k), atol=1e-12
        )
        same = [item_values[item] == own for item in order]
        assert answers.apart.same[place] == pytest.approx(sum(same[:k]) / k)
        drawn = [np.mean(rng.choice(same, k, replace=False)) for _ in range(400)]
        assert answers.apart.chance[place] == pytest.approx(sum(same) / len(same))
        assert abs(np.mean(drawn) - answers.apart.chance[place]) < 5 * 0.5 / np.sqrt(400)
    assert answers.apart.rows.tolist() == rows
    assert 0 < len(rows) < len(answers.asked)


@pytest.mark.parametrize("seed", range(3))
def test_values_that_are_all_different_set_nothing_apart(seed: int) -> None:
    plain = made_up(seed)
    n, q = len(plain.items), len(plain.queries)
    own = np.where(plain.own >= 0, plain.own, n + np.arange(q))
    answers = rank(replace(plain, item_values=np.arange(n), query_values=own), 5)
    assert answers.apart is not None
    np.testing.assert_array_equal(answers.apart.values, answers.values)
    assert not answers.apart.same.any()
    assert not answers.apart.chance.any()


@pytest.mark.parametrize("seed", range(3))
def test_values_that_are_the_labels_leave_nothing_to_find(seed: int) -> None:
    plain = made_up(seed)
    task = replace(plain, item_values=plain.item_labels, query_values=plain.query_labels)
    answers = rank(task, 5)
    assert answers.apart is not None
    assert len(answers.asked)
    assert (len(answers.apart.rows), answers.apart.values.shape) == (0, (0, len(metric_names(5))))


def test_many_small_blocks_answer_like_one(monkeypatch: pytest.MonkeyPatch) -> None:
    task = made_up(9)
    whole = rank(task, 5)
    told: list[tuple[int, int | None]] = []
    monkeypatch.setattr(ranking, "BLOCK_BYTES", 4 * len(task.items) * 3)
    blocks = rank(task, 5, lambda at: told.append((at.done, at.total)))
    np.testing.assert_array_equal(blocks.nearest, whole.nearest)
    np.testing.assert_array_equal(blocks.values, whole.values)
    assert told[0] == (3, 30)
    assert told[-1] == (30, 30)


def test_an_item_never_finds_itself_but_its_equals_are_found() -> None:
    items = unit(np.array([[1, 0], [1, 0], [0, 1]], dtype=np.float64))
    task = RankingTask(items, np.zeros(3, np.int64), items, np.zeros(3, np.int64), np.arange(3))
    assert rank(task, 2).nearest.tolist() == [[1, 2], [0, 2], [0, 1]]
    places, _ = nearest(items, items, np.arange(3), 2)
    assert places.tolist() == [[1, 2], [0, 2], [0, 1]]


def test_where_there_are_fewer_items_than_asked_for_the_rows_end_with_nothing() -> None:
    items = unit(np.eye(2))
    task = RankingTask(items, np.zeros(2, np.int64), items, np.zeros(2, np.int64), np.arange(2))
    answers = rank(task, 4)
    assert answers.nearest.tolist() == [[1, -1, -1, -1], [0, -1, -1, -1]]
    assert np.isneginf(answers.scores[:, 1:]).all()


def test_no_query_and_no_item_give_empty_answers_of_the_right_shape() -> None:
    nothing = np.empty((0, 4), np.float32)
    none = np.empty(0, np.int64)
    answers = rank(RankingTask(nothing, none, nothing, none, none), 3)
    assert answers.values.shape == (0, len(metric_names(3)))
    assert answers.nearest.shape == (0, 3)


def test_the_rank_of_an_original_counts_only_what_is_strictly_closer() -> None:
    items = unit(np.array([[1, 0], [0.9, 0.1], [0.9, 0.1], [0, 1]], dtype=np.float64))
    queries = unit(np.array([[1, 0.02], [1, 0.02], [1, 0.02]], dtype=np.float64))
    where = standing(queries, items, np.array([0, 2, 3]), 2)
    assert where.ranks.tolist() == [1, 2, 4]
    assert where.nearest.tolist() == [[0, 1]] * 3
    np.testing.assert_allclose(where.own_scores, (queries * items[[0, 2, 3]]).sum(axis=1), atol=1e-6)
