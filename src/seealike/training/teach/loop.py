"""The course of a training, whatever is trained: passes, validation, the best so far, going on after a stop.

Knows no library of networks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

from seealike.training.options import Method, Recipe

if TYPE_CHECKING:
    import torch

    Tensors: TypeAlias = Mapping[str, torch.Tensor]


@dataclass(frozen=True, slots=True)
class Point:
    """One pass. ``loss``: the mean over the training items. ``score``: mAP@R among the validation items."""

    epoch: int
    loss: float
    score: float


@dataclass(frozen=True, slots=True)
class Plan:
    """At most ``epochs`` passes, and an end after ``patience`` of them without a better score."""

    epochs: int
    patience: int


USUAL = {Method.HEAD: Plan(30, 10), Method.FULL: Plan(36, 12)}


def plan_for(recipe: Recipe) -> Plan:
    """The plan of a recipe; the usual one of its method where it leaves that open."""
    usual = USUAL[recipe.method]
    return Plan(recipe.epochs or usual.epochs, recipe.patience or usual.patience)


@dataclass(frozen=True, slots=True)
class Progressed:
    """How far a training has come: the curve, what going on takes, and the weights of the best pass."""

    curve: tuple[Point, ...]
    state: Tensors
    best: Tensors


class Trainee(Protocol):
    """What is trained. A pass depends on its number, the seed and the state alone."""

    def train(self, epoch: int) -> float:
        """Make one pass, counted from 1; the mean loss."""

    def validate(self) -> float:
        """The score of the weights as they are; higher is better."""

    def state(self) -> Tensors:
        """Everything that going on takes, as a copy."""

    def load(self, state: Tensors) -> None:
        """Go back to what ``state`` returned."""

    def weights(self) -> Tensors:
        """What is worth keeping in the end, as a copy."""


class Keeper(Protocol):
    """Where a training's progress is safe."""

    def load(self) -> Progressed | None:
        """The progress of an earlier run of the same training, if there is any."""

    def save(self, progressed: Progressed) -> None:
        """Keep it, instead of what was kept before."""


@dataclass(frozen=True, slots=True)
class FitOutcome:
    """A training's end. ``resumed`` counts the passes that an earlier run made."""

    curve: tuple[Point, ...]
    best: Tensors
    resumed: int

    @property
    def best_point(self) -> Point:
        """The pass with the best score, the first of equal ones."""
        return best_of(self.curve)


def best_of(curve: tuple[Point, ...]) -> Point:
    """The pass with the best score, the first of equal ones."""
    return max(curve, key=lambda point: (point.score, -point.epoch))


def fit(trainee: Trainee, plan: Plan, keeper: Keeper, passed: Callable[[Point], None]) -> FitOutcome:
    """Train until the plan says stop. Any number of interruptions changes nothing in the outcome."""
    kept = keeper.load()
    curve: tuple[Point, ...] = ()
    best: Tensors = {}
    if kept is not None:
        trainee.load(kept.state)
        curve, best = kept.curve, kept.best
    resumed = len(curve)
    while not _over(curve, plan):
        epoch = len(curve) + 1
        point = Point(epoch, trainee.train(epoch), trainee.validate())
        curve = (*curve, point)
        if best_of(curve) is point:
            best = trainee.weights()
        keeper.save(Progressed(curve, trainee.state(), best))
        passed(point)
    return FitOutcome(curve, best, resumed)


def _over(curve: tuple[Point, ...], plan: Plan) -> bool:
    if not curve:
        return False
    return len(curve) >= plan.epochs or len(curve) - best_of(curve).epoch >= plan.patience
