"""Candidates that are sorted by more than similarity, against a sum over everything."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.counting import commit, made_store, new_item, searcher_of, vector

from seealike.recommend import SearchOptions
from seealike.recommend.candidates import candidates_of
from seealike.recommend.mixing.components import Mix, PerItem
from seealike.recommend.targets import Target
from seealike.types import Float32Array

ITEMS = 400


def target(query: Float32Array, mix: Mix) -> Target:
    vectors = query[np.newaxis]
    return Target(vectors, (1.0,), (mix,), frozenset({3, 5}), frozenset(), vectors)


@pytest.mark.parametrize("depth", [1, 10, 100, ITEMS])
@pytest.mark.parametrize("weight", [0.02, 0.3, 5.0])
@pytest.mark.parametrize("is_similarity", [False, True])
def test_the_best_in_sum_come_first_and_none_that_is_better_is_left_out(
    tmp_path: Path, depth: int, weight: float, is_similarity: bool
) -> None:
    store = made_store(tmp_path)
    commit(store, [new_item(f"{number:04}", number % 97 + 1) for number in range(ITEMS)])
    searcher = searcher_of(store)
    view = searcher.view()
    numbers = np.round(np.random.default_rng(7).random(ITEMS), 2) * weight
    query = vector(500).astype(np.float32)
    part = PerItem.of(numbers)
    mix = Mix(0.5, colour=part) if is_similarity else Mix(0.5, beside=part)
    (found,) = candidates_of(view, searcher, [target(query, mix)], depth, SearchOptions(), None, None)
    similar = 0.5 * searcher.scores(view, query, view.keys)
    sums = np.round(similar + numbers if is_similarity else np.round(similar, 6) + numbers, 6)
    expected = [key for key in view.keys[np.lexsort((view.keys, -sums))].tolist() if key not in {3, 5}]
    assert found.keys.tolist() == expected[: len(found)]
    assert found.whole or depth + 2 < ITEMS
    assert len(found) == ITEMS - 2 if found.whole else len(found) >= depth - 2
    places = np.searchsorted(view.keys, found.keys)
    shown = sums if is_similarity else np.round(similar, 6)
    np.testing.assert_allclose(found.scores, shown[places], atol=1e-9)
    np.testing.assert_allclose(found.order, sums[places], atol=1e-9)
    store.close()


def test_some_are_sure_long_before_everything_has_been_looked_at(tmp_path: Path) -> None:
    store = made_store(tmp_path)
    commit(store, [new_item(f"{number:04}", number + 1) for number in range(ITEMS)])
    searcher = searcher_of(store)
    view = searcher.view()
    mix = Mix(beside=PerItem.of(0.1 * np.random.default_rng(7).random(ITEMS)))
    query = vector(500).astype(np.float32)
    (found,) = candidates_of(view, searcher, [target(query, mix)], 60, SearchOptions(), None, None)
    assert 5 <= len(found) < 120
    store.close()


@pytest.mark.parametrize("weight", [-0.5, 0.5])
def test_a_least_score_leaves_out_no_item_for_what_counts_beside_it(tmp_path: Path, weight: float) -> None:
    store = made_store(tmp_path)
    commit(store, [new_item(f"{number:04}", number % 97 + 1) for number in range(ITEMS)])
    searcher = searcher_of(store)
    view = searcher.view()
    query = vector(500).astype(np.float32)
    similar = searcher.scores(view, query, view.keys)
    least = float(np.sort(similar)[-30])
    mix = Mix(beside=PerItem.of(weight * np.random.default_rng(7).random(ITEMS)))
    options = SearchOptions(min_score=least)
    (found,) = candidates_of(view, searcher, [target(query, mix)], 200, options, None, None)
    assert found.whole  # nothing below is looked for
    assert set(found.keys.tolist()) == set(view.keys[similar >= least].tolist()) - {3, 5}
    store.close()
