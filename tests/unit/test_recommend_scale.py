"""What a score is worth: curves, thresholds, nesting, and what is written down."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from seealike.recommend import (
    Beta,
    Bin,
    Calibration,
    Curve,
    Example,
    Examples,
    SearchOptions,
    with_least_score,
)
from seealike.types import Metric, Relation

STEEP, WIDE = Beta(2.0, 6.0, -15.0), Beta(5.0, 1.0, 0.0)


def curve(relation: Relation, beta: Beta) -> Curve:
    return Curve(
        relation,
        beta,
        beta.least_score(),
        source="kind",
        pairs=100,
        right=40,
        questions=5,
        units=5,
        split_by="item",
        gain=0.5,
        error=0.01,
        error_low=0.0,
        error_high=0.02,
        bins=(Bin(0.1, 0.12, 60), Bin(0.9, 0.88, 40)),
    )


def scale(*relations: tuple[Relation, Beta]) -> Calibration:
    return Calibration(
        tuple(curve(*one) for one in relations), k=10, present=0.5, learnt_on="2026-11-28", items=50
    )


WHOLE = scale((Relation.DUPLICATE, STEEP), (Relation.SAME_PRODUCT, STEEP), (Relation.SIMILAR, WIDE))


def by_hand(beta: Beta, score: float) -> float:
    u = (1 + score) / 2
    return 1 / (1 + math.exp(-(beta.intercept + beta.low * math.log(u) - beta.high * math.log(1 - u))))


def test_a_curve_is_the_formula_of_the_paper_and_never_falls() -> None:
    scores = np.linspace(-0.999, 0.999, 333)
    for beta in (STEEP, WIDE, Beta(0.0, 3.0, -2.0)):
        found = beta.of(scores)
        np.testing.assert_allclose(found, [by_hand(beta, score) for score in scores], rtol=1e-9)
        assert (np.diff(found) >= 0).all()
        assert [beta.at(score) for score in scores] == pytest.approx(found.tolist(), rel=1e-12)
    ends = WIDE.of(np.array([-1.0, 1.0]))
    assert np.isfinite(ends).all()
    assert ends[0] < 1e-6
    assert [WIDE.at(-1.0), WIDE.at(1.0)] == pytest.approx(ends.tolist())
    assert Beta(1e4, 0.0, 0.0).at(-0.9) == 0.0


@pytest.mark.parametrize("beta", [STEEP, WIDE, Beta(0.3, 0.4, -0.7)])
@pytest.mark.parametrize("probability", [0.1, 0.5, 0.9])
def test_the_least_score_is_the_first_of_six_decimals_that_reaches_the_probability(
    beta: Beta, probability: float
) -> None:
    least = beta.least_score(probability)
    assert least is not None
    assert beta.of(np.array([least]))[0] >= probability
    assert least == -1 or beta.of(np.array([least - 1e-6]))[0] < probability


def test_a_probability_that_no_score_reaches_has_no_least_score() -> None:
    flat = Beta(0.0, 0.0, -1.0)
    assert flat.least_score() is None
    assert flat.least_score(0.2) == -1.0
    never = scale((Relation.SIMILAR, flat))
    assert never.least_score(Relation.SIMILAR) is None
    assert [one and one[0] for one in never.said_of([-1.0, 0.5, 1.0])] == [Relation.UNRELATED] * 3


def test_what_is_said_of_a_score_is_the_strongest_relation_that_is_as_likely_as_not() -> None:
    for score, said in zip(
        np.linspace(-1, 1, 401), WHOLE.said_of(np.linspace(-1, 1, 401).tolist()), strict=True
    ):
        likely = {relation: WHOLE.probability(relation, [score])[0] for relation in list(Relation)[:3]}
        reached = [relation for relation, probability in likely.items() if probability >= 0.5]
        assert said is not None
        assert said[0] is (reached[0] if reached else Relation.UNRELATED)
        expected = likely[reached[0]] if reached else 1 - likely[Relation.SIMILAR]
        assert said[1] == pytest.approx(expected, abs=6e-5)
        assert said[1] >= 0.5


def test_a_weaker_relation_is_never_less_likely_than_a_stronger_one() -> None:
    """Curves are learnt one by one, from different pairs: they may cross."""
    crossing = scale((Relation.DUPLICATE, WIDE), (Relation.SIMILAR, STEEP))
    scores = np.linspace(-1, 1, 101)
    strong, weak = (crossing.probability(one, scores) for one in (Relation.DUPLICATE, Relation.SIMILAR))
    assert (weak >= strong).all()
    assert crossing.least_score(Relation.SIMILAR) == WIDE.least_score()


def test_at_least_a_relation_that_was_not_learnt_is_what_is_stronger() -> None:
    copies = scale((Relation.DUPLICATE, STEEP))
    assert copies.least_score(Relation.DUPLICATE) == STEEP.least_score()
    assert copies.relations == (Relation.DUPLICATE,)
    assert copies.said_of([0.0, 1.0])[0] is None
    assert WHOLE.relations == tuple(Relation)


@pytest.mark.parametrize("metric", list(Metric))
@pytest.mark.parametrize("asked", [None, 0.0, -0.1, -1.9])
def test_of_two_least_scores_the_stricter_counts(metric: Metric, asked: float | None) -> None:
    cosine = WIDE.least_score()
    assert cosine is not None
    learnt = cosine if metric is Metric.COSINE else -math.sqrt(2 - 2 * cosine)
    options = SearchOptions(min_score=asked, metric=metric, at_least=Relation.SIMILAR)
    found = with_least_score(options, WHOLE, [Examples((Example("a"),))]).min_score
    assert found == pytest.approx(learnt if asked is None else max(learnt, asked), abs=1e-6)


def test_a_calibration_reads_what_it_wrote() -> None:
    assert Calibration.from_json(WHOLE.to_json()) == WHOLE
    without = replace(WHOLE, curves=(replace(WHOLE.curves[0], least_score=None),))
    assert Calibration.from_json(without.to_json()) == without


def test_what_another_version_wrote_is_as_if_nobody_had() -> None:
    assert Calibration.from_json(WHOLE.to_json().replace('"format": 1', '"format": 2')) is None


@pytest.mark.parametrize(
    ("items", "last_key", "changes"),
    [(50, 90, 0), (60, 100, 10), (40, 90, 10), (50, 100, 20), (0, 90, 50)],
)
def test_changes_since_are_what_came_and_what_went(items: int, last_key: int, changes: int) -> None:
    assert replace(WHOLE, last_key=90).changes_since(items, last_key) == changes
