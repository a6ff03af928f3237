"""Intervals that hold what they promise."""

from __future__ import annotations

import math

import numpy as np
import pytest

from seealike.evaluation import Estimate, Resampling
from seealike.evaluation.bootstrap import estimates


def alone(count: int) -> np.ndarray:
    return np.arange(count, dtype=np.int64)


def test_the_interval_of_a_mean_is_as_wide_as_theory_says() -> None:
    values = np.random.default_rng(1).normal(5.0, 2.0, 400)
    [found] = estimates(values[:, None], alone(400), Resampling(4000))
    assert found.value == pytest.approx(values.mean())
    half = 1.96 * values.std() / math.sqrt(400)
    assert found.low == pytest.approx(values.mean() - half, abs=0.03)
    assert found.high == pytest.approx(values.mean() + half, abs=0.03)


def test_the_true_mean_lies_in_about_ninety_five_of_a_hundred_intervals() -> None:
    rng = np.random.default_rng(2)
    inside = 0
    for seed in range(200):
        [found] = estimates((rng.random((80, 1)) < 0.3).astype(float), alone(80), Resampling(300, seed))
        inside += found.low is not None and found.high is not None and found.low <= 0.3 <= found.high
    assert 180 <= inside <= 199


def test_ten_photos_of_each_product_are_no_more_sure_than_one() -> None:
    values = np.random.default_rng(3).random((60, 1))
    [one] = estimates(values, alone(60), Resampling(2000))
    repeated, products = np.repeat(values, 10, axis=0), np.repeat(alone(60), 10)
    [ten] = estimates(repeated, products, Resampling(2000))
    assert (ten.low, ten.high) == pytest.approx((one.low, one.high))
    [naive] = estimates(repeated, alone(600), Resampling(2000))
    assert width(naive) < 0.4 * width(one)


def test_groups_of_different_sizes_are_drawn_as_a_plain_loop_draws_them() -> None:
    rng = np.random.default_rng(4)
    groups = rng.integers(0, 9, 50)
    values = rng.random((50, 2)) + groups[:, None] / 9
    found = estimates(values, groups, Resampling(500, seed=6))
    draws = np.random.default_rng(6)
    names = np.unique(groups)
    means = []
    for _ in range(500):
        drawn = [
            row
            for name in names[draws.integers(len(names), size=len(names))]
            for row in values[groups == name]
        ]
        means.append(np.mean(drawn, axis=0))
    for column, estimate in enumerate(found):
        low, high = np.quantile([mean[column] for mean in means], [0.025, 0.975])
        assert (estimate.low, estimate.high) == pytest.approx((low, high))


def test_the_same_seed_gives_the_same_interval_and_another_one_another() -> None:
    values = np.random.default_rng(5).random((40, 3))
    first = estimates(values, alone(40), Resampling(seed=1))
    assert first == estimates(values, alone(40), Resampling(seed=1))
    assert first != estimates(values, alone(40), Resampling(seed=2))


def test_one_group_has_a_mean_and_no_interval() -> None:
    assert estimates(np.array([[0.2], [0.4]]), np.zeros(2, np.int64), Resampling()) == (
        Estimate(pytest.approx(0.3)),  # type: ignore[arg-type]
    )


def test_a_paired_difference_is_sure_where_two_intervals_overlap() -> None:
    rng = np.random.default_rng(6)
    one = rng.random((200, 1))
    other = one + 0.03 + 0.02 * rng.standard_normal((200, 1))
    [a] = estimates(one, alone(200), Resampling())
    [b] = estimates(other, alone(200), Resampling())
    assert a.high is not None
    assert b.low is not None
    assert a.high > b.low
    [difference] = estimates(other - one, alone(200), Resampling())
    assert difference.sure
    [none] = estimates(rng.standard_normal((200, 1)) * 0.5, alone(200), Resampling())
    assert not none.sure


def width(estimate: Estimate) -> float:
    assert estimate.low is not None
    assert estimate.high is not None
    return estimate.high - estimate.low
