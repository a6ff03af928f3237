"""Among items of another value it is as if the others were not there at all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from seealike.evaluation.statistics.ranking import RankingTask, rank
from seealike.types import Int64Array

SIZES = st.tuples(st.integers(2, 25), st.integers(1, 5), st.integers(1, 6), st.integers(0, 2**32 - 1))


def drawn(n: int, labels: int, values: int, seed: int) -> RankingTask:
    """Everybody asks everybody; of few directions, so that many stand equally near; some values unknown."""
    rng = np.random.default_rng(seed)
    vectors = np.eye(4, dtype=np.float32)[rng.integers(0, 4, n)]
    kinds: Int64Array = rng.integers(0, labels, n)
    traits: Int64Array = rng.integers(-1, values, n)
    return RankingTask(vectors, kinds, vectors, kinds, np.arange(n), item_values=traits, query_values=traits)


@given(SIZES, st.integers(1, 12))
def test_it_is_as_if_the_others_were_not_there(sizes: tuple[int, int, int, int], k: int) -> None:
    task = drawn(*sizes)
    answers = rank(task, k)
    assert task.item_values is not None
    assert answers.apart is not None
    by_query = dict(zip(answers.asked[answers.apart.rows].tolist(), answers.apart.values, strict=True))
    for query in range(len(task.queries)):
        own = task.item_values[query]
        there = np.flatnonzero((task.item_values >= 0) & (task.item_values != own))
        alone = rank(
            RankingTask(
                task.items[there],
                task.item_labels[there],
                task.queries[query : query + 1],
                task.query_labels[[query]],
                np.array([-1]),
            ),
            k,
        )
        if own < 0 or not len(alone.asked):
            assert query not in by_query
        else:
            np.testing.assert_allclose(by_query[query], alone.values[0])


@given(SIZES, st.integers(1, 12))
def test_what_the_values_are_called_changes_nothing(sizes: tuple[int, int, int, int], k: int) -> None:
    task = drawn(*sizes)
    assert task.item_values is not None
    renamed = np.where(task.item_values >= 0, 1000 - 7 * task.item_values, -1)
    first = rank(task, k).apart
    second = rank(replace(task, item_values=renamed, query_values=renamed), k).apart
    assert first is not None
    assert second is not None
    np.testing.assert_array_equal(first.values, second.values)
    np.testing.assert_array_equal(first.same, second.same)
    assert (first.chance <= 1).all()
    everything = len(task.items) - 1
    if k >= everything:  # then all answers are the nearest
        np.testing.assert_allclose(first.same, first.chance)
