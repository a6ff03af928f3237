"""Exhaustive search over blocks: whatever was added and removed, it answers as one array does."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seealike.indexes import ExactIndex, exact, exact_scores
from seealike.indexes.twins import first_twins
from seealike.types import Float16Array, Int64Array
from seealike.vectors import unit_rows

D = 6


def vectors_of(numbers: list[int]) -> Float16Array:
    """The same vector for the same number; few numbers, so many equal rows."""
    rows = [np.random.default_rng(number).standard_normal(D) for number in numbers]
    return np.array(rows).reshape(-1, D).astype(np.float16)


def assert_answers_like(index: ExactIndex, model: dict[int, int], k: int) -> None:
    keys = np.array(sorted(model), dtype=np.int64)
    vectors = vectors_of([model[key] for key in keys.tolist()])
    assert (len(index), index.keys.tolist()) == (len(keys), keys.tolist())
    asked = np.concatenate([keys[::-2], [10**9]])
    found, rows = index.vectors_of(asked)
    assert found.tolist() == sorted(keys[::-2].tolist())
    assert np.array_equal(rows, vectors[np.searchsorted(keys, found)])
    blocks = list(index.vector_blocks(after_key=3))
    assert [key for block, _ in blocks for key in block.tolist()] == [key for key in keys.tolist() if key > 3]
    queries = np.concatenate([vectors_of([0]), vectors_of([99])]).astype(np.float32)
    for query, proposal in zip(queries, index.candidates(unit_rows(queries), k), strict=True):
        own = dict(zip(keys.tolist(), exact_scores(query[None], vectors)[0].tolist(), strict=True))
        near = proposal.keys.tolist()
        assert len(set(near)) == len(near)
        worst = sorted(own.values(), reverse=True)[: min(k, len(own))][-1:]
        assert own.keys() >= set(near) >= {key for key, score in own.items() if worst and score >= worst[0]}


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(
        st.one_of(
            st.lists(st.integers(0, 5), min_size=1, max_size=40),
            st.sets(st.integers(1, 60), min_size=1, max_size=25),
        ),
        max_size=12,
    ),
    after=st.integers(0, 40),
    k=st.integers(1, 7),
)
def test_an_index_that_was_changed_answers_like_one_made_at_once(
    steps: list[list[int] | set[int]], after: int, k: int
) -> None:
    index, model, last = ExactIndex(np.empty(0, np.int64), vectors_of([])), dict[int, int](), 0
    for step in steps:
        if isinstance(step, set):
            index = index.without(np.array(list(step), dtype=np.int64))
            model = {key: number for key, number in model.items() if key not in step}
        else:
            keys = np.arange(last + 1, last + 1 + len(step))
            index, last = index.extended(keys, vectors_of(step)), int(keys[-1])
            model.update(zip(keys.tolist(), step, strict=True))
        assert_answers_like(index, model, k)
    assert_answers_like(index.after(after), {key: n for key, n in model.items() if key > after}, k)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 3000),
    k=st.integers(1, 200),
    kinds=st.sampled_from([3, 50, 10**6]),
    dead=st.floats(0, 0.9),
)
def test_a_shortlist_is_what_sorting_all_scores_gives(
    seed: int, n: int, k: int, kinds: int, dead: float
) -> None:
    """With few kinds of scores most of them tie; what is dead scores less than anything."""
    rng = np.random.default_rng(seed)
    scores = (rng.integers(0, kinds, n) / kinds).astype(np.float32)
    scores[rng.permutation(n)[: int(dead * n)]] = -np.inf
    k = min(k, int(np.isfinite(scores).sum()))
    margin = np.float32(0.01)
    expected = np.flatnonzero(scores >= np.sort(scores)[::-1][k - 1] - margin)
    assert exact._at_least_kth(scores, k, margin).tolist() == expected.tolist()


def test_one_more_vector_copies_no_more_than_a_small_block() -> None:
    many = np.random.default_rng(1).standard_normal((5000, D)).astype(np.float16)
    index = ExactIndex(np.arange(1, 5001), many)
    large = index._parts[0].block
    for key in range(5001, 7001):
        index = index.extended(np.array([key]), many[:1])
        assert index._parts[0].block is large
        assert len(index._parts) <= 2 + math.log2(2000 / exact.SMALL_BLOCK + 1)
    shorter = index.without(np.array([17, 5003]))
    assert shorter._parts[0].block is large
    assert len(shorter) == 6998


def test_mostly_deleted_rows_are_given_back() -> None:
    index = ExactIndex(np.arange(1, 1001), vectors_of(list(range(1000))))
    index = index.without(np.arange(1, 701))
    assert sum(len(part.block) for part in index._parts) == 300


@pytest.mark.parametrize("copies", [1000, 4000])
def test_equal_vectors_are_one_group(copies: int) -> None:
    index = ExactIndex(np.arange(1, copies + 101), vectors_of([7] * copies + list(range(100, 200))))
    (found,) = index.candidates(unit_rows(vectors_of([7])), 10)
    assert found.keys.tolist() == list(range(1, copies + 1))
    assert np.unique(found.groups).tolist() == [0]


def test_twins_are_rows_that_are_equal_bit_by_bit() -> None:
    numbers = np.random.default_rng(3).integers(0, 40, 9000).tolist()
    vectors = vectors_of(list(range(40)))[numbers]
    twins = first_twins(vectors)
    first: Int64Array = np.array([numbers.index(number) for number in numbers])
    assert np.array_equal(twins, first)
    vectors[17, 3] = np.nextafter(vectors[17, 3], np.float16(9))
    assert first_twins(vectors)[17] == 17
    assert first_twins(vectors[:0]).tolist() == []
