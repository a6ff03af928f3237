"""The best of many: highest score first, equal scores in id order, whatever the metric."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from seealike.recommend.ranking import best_of, converted
from seealike.types import Metric


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 4), max_size=40), st.integers(1, 12))
def test_the_best_are_those_of_a_plain_sort(numbers: list[int], k: int) -> None:
    ranks = np.random.default_rng(len(numbers)).permutation(len(numbers))
    scores = np.array(numbers, dtype=np.float64) / 4
    keys = np.arange(100, 100 + len(numbers))
    expected = sorted(range(len(numbers)), key=lambda place: (-scores[place], ranks[place]))[:k]
    found, found_scores = best_of((keys, scores), lambda some: ranks[some - 100], k)
    assert found.tolist() == [100 + place for place in expected]
    assert found_scores.tolist() == [scores[place] for place in expected]


def test_scores_are_what_is_printed() -> None:
    cosines = np.round(np.linspace(-1, 1, 4001), 6).astype(np.float32)
    told = converted(cosines, Metric.COSINE)
    assert told.tolist() == [round(float(cosine), 6) for cosine in cosines]
    distances = converted(cosines, Metric.EUCLIDEAN)
    for cosine, distance in zip(cosines.tolist(), distances.tolist(), strict=True):
        assert abs(distance + math.sqrt(2 - 2 * cosine)) <= 5.1e-7
        assert distance == round(distance, 6)
    assert math.copysign(1, distances[-1]) == 1
