"""Before and after: every figure derived again, slowly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.lessons import lesson

from seealike.training.judge import (
    VOTERS,
    Evidence,
    K,
    Spread,
    collapse,
    gather,
    judge,
    map_at_r,
    votes,
    with_head,
)


def slow_map_at_r(vectors: np.ndarray, targets: np.ndarray) -> float:
    found = []
    for row in range(len(vectors)):
        others = [n for n in range(len(vectors)) if n != row]
        others.sort(key=lambda n: (-round(float(vectors[n] @ vectors[row]), 6), n))
        relevant = sum(targets[n] == targets[row] for n in others)
        if not relevant:
            continue
        right, total = 0, 0.0
        for place, n in enumerate(others[:relevant], start=1):
            if targets[n] == targets[row]:
                right += 1
                total += right / place
        found.append(total / relevant)
    return float(np.mean(found))


def unit(vectors: np.ndarray) -> np.ndarray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


def evidence(vectors: np.ndarray, targets: np.ndarray) -> Evidence:
    return gather(unit(vectors), targets, None)


def test_map_at_r_is_what_the_definition_says() -> None:
    made = lesson(np.arange(40) % 4, np.arange(40))
    assert map_at_r(made.vectors, made.targets) == pytest.approx(slow_map_at_r(made.vectors[:], made.targets))


def test_items_of_a_kind_of_their_own_ask_nothing() -> None:
    vectors = unit(np.random.default_rng(0).normal(size=(5, 8)))
    assert map_at_r(vectors, np.arange(5)) == 0.0


def test_the_neighbours_vote_is_the_sum_of_their_weights() -> None:
    rng = np.random.default_rng(1)
    voters, queries = unit(rng.normal(size=(60, 6))), unit(rng.normal(size=(3, 6)))
    classes = rng.integers(0, 4, 60)
    found = votes(queries, voters, classes)
    for row in range(3):
        scores = voters @ queries[row]
        near = sorted(range(60), key=lambda n: -scores[n])[:VOTERS]
        for name in range(4):
            said = sum(np.exp(10 * scores[n]) for n in near if classes[n] == name)
            best = max(scores[n] for n in range(60) if classes[n] == name)
            assert found[row, name] == pytest.approx(said + 1e-5 * best, rel=1e-4, abs=1e-6)


def test_a_class_without_votes_stands_in_the_order_of_its_nearest_item() -> None:
    voters = unit(np.array([[1, 0]] * VOTERS + [[0, 1], [1, 1]], float))
    classes = np.array([0] * VOTERS + [1, 2])
    found = votes(unit(np.array([[1, 0.1]])), voters, classes)
    assert np.argsort(-found[0]).tolist() == [0, 2, 1]


def test_the_spread_counts_distinct_neighbours_and_averages_all_cosines() -> None:
    rng = np.random.default_rng(2)
    vectors = unit(rng.normal(size=(30, 5)))
    found = evidence(vectors, np.arange(30) % 3).spread
    cosines = [float(vectors[a] @ vectors[b]) for a in range(30) for b in range(30) if a != b]
    lists = [np.argsort(-np.delete(vectors @ vectors[a], a))[:K] for a in range(30)]
    shown = {n + (n >= a) for a, near in enumerate(lists) for n in near.tolist()}
    assert found.mean_cosine == pytest.approx(np.mean(cosines), abs=1e-5)
    assert found.distinct == len(shown)


def test_of_many_items_some_ask_and_say_what_they_say_among_all(monkeypatch: pytest.MonkeyPatch) -> None:
    targets, rng = np.arange(90) % 4, np.random.default_rng(5)
    vectors, voters = unit(rng.normal(size=(90, 6))), (unit(rng.normal(size=(50, 6))), np.arange(50) % 4)
    scores, products = rng.random((90, 4)).astype(np.float32), np.arange(90) // 2
    everybody = with_head(gather(vectors, targets, voters, products), scores, targets)
    monkeypatch.setattr("seealike.training.judge.MOST_ASKING", 30)
    some = gather(vectors, targets, voters, products)
    some = with_head(some, scores[some.asking], targets)
    assert (len(everybody.asking), len(some.asking)) == (90, 30)
    assert set(some.ranking.asked) <= set(some.asking)
    rows = np.searchsorted(everybody.ranking.asked, some.ranking.asked)
    np.testing.assert_array_equal(some.ranking.values, everybody.ranking.values[rows])
    for one, other in ((some.by_vote, everybody.by_vote), (some.by_head, everybody.by_head)):
        assert one is not None
        assert other is not None
        np.testing.assert_array_equal(one, other[some.asking])
    assert judge(some, some, np.arange(90)).figure("top-1 by 20 neighbours").after.value == pytest.approx(
        np.mean(some.by_vote[:, 0])  # type: ignore[index]
    )


def test_a_clear_gain_is_better_and_its_change_is_the_difference() -> None:
    targets = np.arange(120) % 4
    rng = np.random.default_rng(3)
    before = rng.normal(size=(120, 8))
    after = before + 6 * np.eye(8)[targets]
    verdict = judge(evidence(before, targets), evidence(after, targets), np.arange(120))
    gain = verdict.figure("mAP@R")
    assert verdict.better
    assert gain.before is not None
    assert gain.change is not None
    assert gain.change.value == pytest.approx(gain.after.value - gain.before.value)


@pytest.mark.parametrize(("units", "better"), [(1, False), (2, False), (5, False), (6, True)])
def test_a_clear_gain_on_fewer_than_six_independent_units_is_too_few_to_tell(
    units: int, better: bool
) -> None:
    targets = np.arange(120) % 4
    rng = np.random.default_rng(3)
    before = rng.normal(size=(120, 8))
    after = before + 6 * np.eye(8)[targets]
    verdict = judge(evidence(before, targets), evidence(after, targets), np.arange(120) // 4 % units)
    change = verdict.figure("mAP@R").change
    assert change is not None
    assert verdict.better is better
    assert change.verdict == ("better" if better else "too few to tell")
    said = f"too few to tell: the test items make {units} independent units, and it takes 6"
    assert verdict.objections == (() if better else (said,))


def test_other_photos_of_a_querys_own_product_are_no_answers_where_products_are_known() -> None:
    targets = np.repeat([0, 1], 10)
    rng = np.random.default_rng(8)
    twins = np.repeat(rng.normal(size=(10, 16)), 2, axis=0) + 0.01 * rng.normal(size=(20, 16))
    products = np.arange(20) // 2
    found = gather(unit(twins), targets, None, products).ranking
    assert (products[found.nearest] != products[found.asked][:, None]).all()
    assert (gather(unit(twins), targets, None).ranking.nearest[:, 0] == found.asked ^ 1).all()


def test_what_may_be_chance_is_no_gain() -> None:
    targets = np.arange(120) % 4
    rng = np.random.default_rng(4)
    before = rng.normal(size=(120, 8)) + np.eye(8)[targets]
    after = before + 0.05 * rng.normal(size=(120, 8))
    verdict = judge(evidence(before, targets), evidence(after, targets), np.arange(120))
    assert not verdict.better


def test_a_fall_of_precision_at_1_is_an_objection_even_where_map_at_r_rises() -> None:
    targets = np.repeat(np.arange(4), 30)
    rng = np.random.default_rng(5)
    # Before: twins are nearest, and all else is noise. After: classes, but no twins.
    twins = np.repeat(rng.normal(size=(60, 64)), 2, axis=0) + 0.01 * rng.normal(size=(120, 64))
    after = rng.normal(size=(120, 64)) + 5 * np.eye(64)[targets]
    verdict = judge(evidence(twins, targets), evidence(after, targets), np.arange(120))
    change = verdict.figure("mAP@R").change
    assert change is not None
    assert change.value > 0
    assert any("precision@1 fell" in said for said in verdict.objections)


@pytest.mark.parametrize(
    ("before", "after", "objections"),
    [
        (Spread(100, 0.3), Spread(100, 0.3), 0),
        (Spread(100, 0.3), Spread(90, 0.1), 0),
        (Spread(100, 0.3), Spread(89, 0.1), 1),
        (Spread(100, 0.3), Spread(100, 0.95), 1),
        (Spread(100, 0.96), Spread(100, 0.95), 0),
        (Spread(100, 0.3), Spread(20, 0.99), 2),
    ],
)
def test_a_collapse_is_noticed(before: Spread, after: Spread, objections: int) -> None:
    assert len(collapse(before, after)) == objections


def test_the_classifiers_first_guesses_are_counted() -> None:
    targets = np.array([0, 1, 2, 3, 4, 5])
    scores = -np.abs(np.arange(6)[None, :] - np.array([0, 3, 5, 3, 4, 0])[:, None]).astype(np.float32)
    base = evidence(np.random.default_rng(0).normal(size=(6, 4)), np.array([0, 0, 1, 1, 2, 2]))
    found = with_head(base, scores, targets).by_head
    assert found is not None
    # The right class stands 1st, 4th, 6th, 1st, 1st, 6th: equal scores in the order of the classes.
    expected = []
    for row, target in enumerate(targets):
        place = 1 + sum((scores[row, n], -n) > (scores[row, target], -target) for n in range(6))
        expected.append([place <= 1, place <= 3, place <= 5])
    assert found.tolist() == np.array(expected, float).tolist()
    assert replace(base).by_head is None
