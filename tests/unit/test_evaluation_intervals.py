"""Intervals that hold what they promise, and verdicts that are not only bad luck."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
from benchmarks.levels import CASES, KINDS, bootstrap, groups_of, verdicts

from seealike.evaluation import Estimate, Resampling
from seealike.evaluation.statistics.intervals import FEWEST, differences, estimates


def alone(count: int) -> np.ndarray:
    return np.arange(count, dtype=np.int64)


def width(estimate: Estimate) -> float:
    assert estimate.low is not None
    assert estimate.high is not None
    return estimate.high - estimate.low


@pytest.mark.parametrize("found_by", [estimates, differences])
def test_with_many_queries_the_interval_of_a_mean_is_as_wide_as_theory_says(
    found_by: Callable[..., tuple[Estimate, ...]],
) -> None:
    values = np.clip(np.random.default_rng(1).normal(0.5, 0.15, 900), 0, 1)
    [found] = found_by(values[:, None], alone(900), Resampling(4000))
    assert found.value == pytest.approx(values.mean())
    half = 1.96 * values.std() / math.sqrt(900)
    assert found.low == pytest.approx(values.mean() - half, abs=0.002)
    assert found.high == pytest.approx(values.mean() + half, abs=0.002)


@pytest.mark.parametrize(("right", "count"), [(6, 6), (0, 6), (9, 10), (38, 40)])
def test_of_queries_that_succeed_or_fail_the_interval_is_clopper_and_pearsons(right: int, count: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    values = (np.arange(count) < right).astype(float)
    [found] = estimates(values[:, None], alone(count), Resampling(20_000))
    low = stats.beta.ppf(0.025, right, count - right + 1) if right else 0.0
    high = stats.beta.ppf(0.975, right + 1, count - right) if right < count else 1.0
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.015)


@pytest.mark.parametrize("groups", [2, 5, 6, 10, 30])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("good", [0.5, 0.95])
def test_the_true_mean_is_seldom_outside_the_interval_however_few_the_groups_are(
    groups: int, kind: str, good: float
) -> None:
    rng = np.random.default_rng(groups)
    outside = 0
    for seed in range(200):
        members = groups_of(groups, kind, rng)
        rates = rng.beta(4 * good, 4 * (1 - good), groups)
        values = (rng.random(len(members)) < rates[members]).astype(float)
        [found] = estimates(values[:, None], members, Resampling(200, seed))
        assert found.low is not None
        assert found.high is not None
        outside += not found.low <= good <= found.high
    assert outside <= 0.05 * 200 + 2 * math.sqrt(200 * 0.05 * 0.95)


def test_ten_photos_of_each_product_are_no_more_sure_than_one() -> None:
    values = np.random.default_rng(3).random((60, 1))
    repeated, products = np.repeat(values, 10, axis=0), np.repeat(alone(60), 10)
    for found_by in (estimates, differences):
        [one] = found_by(values, alone(60), Resampling(2000))
        [ten] = found_by(repeated, products, Resampling(2000))
        assert (ten.low, ten.high) == pytest.approx((one.low, one.high))
        [naive] = found_by(repeated, alone(600), Resampling(2000))
        assert width(naive) < 0.4 * width(one)


@pytest.mark.parametrize("shift", [0.0, 0.4, -0.4, 0.9])
def test_zero_is_left_out_where_fishers_test_of_every_sign_refutes_it(shift: float) -> None:
    rng = np.random.default_rng(4)
    for _ in range(20):
        groups = rng.integers(0, 8, 40)
        values = rng.normal(shift, 1.0, 40) + rng.normal(0, 0.4, 8)[groups]
        sums = np.array([values[groups == name].sum() for name in np.unique(groups)])
        tossed = np.array([np.dot(signs, sums) for signs in itertools.product((1, -1), repeat=len(sums))])
        better = (tossed >= sums.sum() - 1e-9).mean() <= 0.025
        worse = (tossed <= sums.sum() + 1e-9).mean() <= 0.025
        [found] = differences(values[:, None], groups, Resampling())
        assert found.verdict == ("better" if better else "worse" if worse else "not sure")


def test_with_six_groups_all_six_have_to_agree_and_with_five_nobody_can_tell() -> None:
    gains = np.array([0.1, 0.2, 0.3, 0.2, 0.1, 0.4])
    [six] = differences(gains[:, None], alone(6), Resampling())
    assert (six.low, six.high, six.verdict) == (0.1, 0.4, "better")
    [one_lost] = differences(np.where(gains == 0.4, -0.01, gains)[:, None], alone(6), Resampling())
    assert one_lost.verdict == "not sure"
    [five] = differences(gains[:5, None], alone(5), Resampling())
    assert (five.low, five.high, five.verdict) == (None, None, "too few to tell")
    assert FEWEST == 6


def test_gains_and_losses_that_are_equal_are_no_difference() -> None:
    values = np.array([0.1, 0.2, -0.3] * 8 + [0.0] * 4)[:, None]  # in floating point their sum is not 0
    [found] = differences(values, np.repeat(alone(14), 2), Resampling())
    assert found.verdict == "not sure"
    [none] = differences(np.array([[0.1 + 0.2 - 0.3]] * 20), alone(20), Resampling())
    assert (none.low, none.high, none.verdict) == (0.0, 0.0, "not sure")


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("groups", [2, 3, 5, 6, 8, 10, 20, 50])
def test_where_nothing_differs_each_verdict_is_given_in_one_case_of_forty_at_most(
    case: str, groups: int
) -> None:
    """At most 2.5 %; three times the standard error of so few repetitions is forgiven."""
    repetitions = 300
    said = [verdicts(differences, case, kind, groups, gain=0.0, repetitions=repetitions) for kind in KINDS]
    wrong = np.mean([[found["better"], found["worse"]] for found in said])
    assert wrong <= 0.025 + 3 * math.sqrt(0.025 * 0.975 / (4 * repetitions))


def test_the_percentile_bootstrap_said_it_several_times_as_often() -> None:
    said = verdicts(bootstrap, "normal", "even", 3, gain=0.0, repetitions=300)
    assert said["better"] > 0.08


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("kind", KINDS)
def test_with_twenty_groups_a_clear_gain_is_seen_as_the_bootstrap_sees_it(case: str, kind: str) -> None:
    gain = 2.0
    by_bootstrap = verdicts(bootstrap, case, kind, 20, gain=gain, repetitions=150)["better"]
    assert by_bootstrap > 0.85
    assert verdicts(differences, case, kind, 20, gain=gain, repetitions=150)["better"] >= by_bootstrap - 0.1


@pytest.mark.parametrize("found_by", [estimates, differences])
def test_the_same_seed_gives_the_same_interval_and_another_one_another(
    found_by: Callable[..., tuple[Estimate, ...]],
) -> None:
    values = np.random.default_rng(5).random((40, 3))
    first = found_by(values, alone(40), Resampling(seed=1))
    assert first == found_by(values, alone(40), Resampling(seed=1))
    assert first != found_by(values, alone(40), Resampling(seed=2))


def test_one_group_has_a_mean_and_no_interval() -> None:
    for found_by in (estimates, differences):
        [found] = found_by(np.array([[0.2], [0.4]]), np.zeros(2, np.int64), Resampling())
        assert found == Estimate(pytest.approx(0.3))  # type: ignore[arg-type]


def test_a_paired_difference_is_sure_where_two_intervals_overlap() -> None:
    rng = np.random.default_rng(6)
    one = 0.9 * rng.random((200, 1))
    other = one + 0.03 + 0.02 * rng.standard_normal((200, 1))
    [a] = estimates(one, alone(200), Resampling())
    [b] = estimates(other, alone(200), Resampling())
    assert a.high is not None
    assert b.low is not None
    assert a.high > b.low
    [difference] = differences(other - one, alone(200), Resampling())
    assert difference.sure
    [none] = differences(rng.standard_normal((200, 1)) * 0.5, alone(200), Resampling())
    assert not none.sure
