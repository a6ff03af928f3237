"""The course of a training, with a trainee that is a list of numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from seealike.training.teach.loop import Plan, Point, Progressed, fit
from seealike.training.teach.schedule import Cosine, batch_size_for, batches


class Scripted:
    """Scores as written; its weights are the number of the pass."""

    def __init__(self, scores: list[float]) -> None:
        self.scores, self.passed = scores, 0

    def train(self, epoch: int) -> float:
        assert epoch == self.passed + 1
        self.passed = epoch
        return 1.0 / epoch

    def validate(self) -> float:
        return self.scores[self.passed - 1]

    def state(self) -> Mapping[str, Any]:
        return {"passed": self.passed}

    def load(self, state: Mapping[str, Any]) -> None:
        self.passed = state["passed"]

    def weights(self) -> Mapping[str, Any]:
        return {"weights": self.passed}


class Kept:
    """Keeps progress in memory; may stop the training after some passes."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.progressed: Progressed | None = None
        self.stop_after = stop_after

    def load(self) -> Progressed | None:
        return self.progressed

    def save(self, progressed: Progressed) -> None:
        self.progressed = progressed
        if len(progressed.curve) == self.stop_after:
            raise KeyboardInterrupt


SCORES = [0.1, 0.5, 0.3, 0.5, 0.4, 0.2, 0.9]


def unheard(_: Point) -> None:
    pass


def test_the_best_pass_is_kept_and_of_equal_ones_the_first() -> None:
    outcome = fit(Scripted(SCORES[:5]), Plan(5, 9), Kept(), unheard)
    assert [point.score for point in outcome.curve] == SCORES[:5]
    assert outcome.best == {"weights": 2}
    assert outcome.best_point.epoch == 2


def test_it_ends_when_patience_does() -> None:
    assert len(fit(Scripted(SCORES), Plan(7, 4), Kept(), unheard).curve) == 6
    assert len(fit(Scripted(SCORES), Plan(7, 5), Kept(), unheard).curve) == 7


@pytest.mark.parametrize("stop", [1, 2, 3, 5])
def test_after_an_interruption_the_outcome_is_the_same(stop: int) -> None:
    whole = fit(Scripted(SCORES), Plan(7, 9), Kept(), unheard)
    kept = Kept(stop)
    with pytest.raises(KeyboardInterrupt):
        fit(Scripted(SCORES), Plan(7, 9), kept, unheard)
    kept.stop_after = None
    again = fit(Scripted(SCORES), Plan(7, 9), kept, unheard)
    assert (again.curve, again.best) == (whole.curve, whole.best)
    assert again.resumed == stop


def test_a_training_that_was_over_is_not_begun_again() -> None:
    kept = Kept()
    fit(Scripted(SCORES), Plan(3, 9), kept, unheard)
    heard: list[Point] = []
    assert fit(Scripted(SCORES), Plan(3, 9), kept, heard.append).resumed == 3
    assert heard == []


@pytest.mark.parametrize("classes", [2, 300])
def test_a_pass_shows_every_row_once_and_another_pass_another_order(classes: int) -> None:
    targets = np.random.default_rng(0).integers(0, classes, 1000)
    first, second = (batches(targets, 64, 5, epoch) for epoch in (1, 2))
    assert np.sort(np.concatenate(first)).tolist() == list(range(1000))
    assert np.concatenate(first).tolist() != np.concatenate(second).tolist()
    assert np.concatenate(first).tolist() == np.concatenate(batches(targets, 64, 5, 1)).tolist()
    assert {len(batch) for batch in first} <= {62, 63, 64}


def test_where_classes_are_many_most_items_meet_one_of_their_kind() -> None:
    targets = np.arange(1200) // 4
    met = [
        (targets[batch] == target).sum() > 1
        for batch in batches(targets, 64, 0, 1)
        for target in targets[batch]
    ]
    assert np.mean(met) > 0.9


def test_the_rate_rises_to_its_peak_and_falls_to_nothing() -> None:
    rate = Cosine(0.2, 100, 0.1)
    rates = [rate.at(step) for step in range(101)]
    assert max(rates) == pytest.approx(0.2)
    assert np.argmax(rates) == 9
    assert rates[55] == pytest.approx(0.1)
    assert rates[100] == pytest.approx(0.0)


def test_small_sets_get_several_batches() -> None:
    assert [batch_size_for(n, 128) for n in (10, 400, 5000)] == [8, 50, 128]
