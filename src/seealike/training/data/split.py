"""Who is learnt from, who decides when to stop, and who judges: never the same unit on two sides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from seealike.errors import UsageError
from seealike.training.data.lesson import Lesson

if TYPE_CHECKING:
    from seealike.types import Int64Array

TEST_SHARE, VALIDATION_SHARE = 0.2, 0.15
_TRIES = 200
_MEANINGS = {
    "train": 0,
    "training": 0,
    "val": 1,
    "valid": 1,
    "validation": 1,
    "dev": 1,
    "test": 2,
    "testing": 2,
}
_TRAIN, _VALIDATION, _TEST = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Split:
    """Rows of a lesson. ``said`` tells in words how they were chosen.

    Shapes: each is (m,), ascending, and no row is in two of them.
    """

    train: Int64Array
    validation: Int64Array
    test: Int64Array
    said: str


def split(lesson: Lesson, column: str | None, seed: int) -> Split:
    """Divide a lesson, by its split column where there is one.

    What the column leaves open is drawn: a validation part out of train, a test part out of train.

    Raises:
        UsageError: the column's values mean nothing, a unit is on two sides, or a part stays empty.
    """
    if column is None:
        place = np.full(len(lesson), _TRAIN, dtype=np.int64)
        said = f"drawn by {lesson.unit_name}"
    else:
        place = _places(lesson, column)
        said = f"by the column {column}"
        _check_apart(lesson, place, column)
    drawn = []
    rng = np.random.default_rng(seed)
    for part, share, name in (
        (_TEST, TEST_SHARE, "test"),
        (_VALIDATION, VALIDATION_SHARE, "validation"),
    ):
        if not (place == part).any():
            place[_draw(lesson, np.flatnonzero(place == _TRAIN), share, rng)] = part
            drawn.append(name)
    if column is not None and drawn:
        said += f"; {' and '.join(drawn)} drawn out of train by {lesson.unit_name}"
    train, validation, test = (np.flatnonzero(place == part) for part in (_TRAIN, _VALIDATION, _TEST))
    for name, rows in (("train", train), ("validation", validation), ("test", test)):
        _check_useful(lesson, rows, name)
    return Split(train, validation, test, said)


def _places(lesson: Lesson, column: str) -> Int64Array:
    parts = [_MEANINGS.get(value.strip().lower(), -1) for value in lesson.parts]
    place = np.array(parts, dtype=np.int64)
    if not (place == _TRAIN).any():
        seen = ", ".join(sorted(set(lesson.parts))[:5])
        raise UsageError(f"the column {column} has no value train (but {seen}); it takes train, val and test")
    return place


def _check_apart(lesson: Lesson, place: Int64Array, column: str) -> None:
    """Refuse a unit on two sides."""
    used = place >= 0
    pairs = np.unique(np.stack([lesson.units[used], place[used]]), axis=1)
    units, counts = np.unique(pairs[0], return_counts=True)
    if (counts > 1).any():
        row = int(np.flatnonzero((lesson.units == units[counts > 1][0]) & used)[0])
        raise UsageError(
            f"the column {column} puts one {lesson.unit_name} on two sides (that of {lesson.items[row].id}); "
            "what was seen in training cannot judge it"
        )


def _draw(lesson: Lesson, rows: Int64Array, share: float, rng: np.random.Generator) -> Int64Array:
    """Draw whole units that make up about ``share`` of ``rows``, with as many of its classes as one can."""
    units, sizes = np.unique(lesson.units[rows], return_counts=True)
    wanted = share * len(rows)
    best, best_cost = rows[:0], np.inf
    for _ in range(_TRIES):
        order = rng.permutation(len(units))
        fitting = np.cumsum(sizes[order])
        count = max(1, int(np.abs(fitting - wanted).argmin()) + 1)
        chosen = rows[np.isin(lesson.units[rows], units[order[:count]])]
        cost = abs(len(chosen) - wanted) / wanted + _imbalance(lesson.targets[rows], lesson.targets[chosen])
        if count < len(units) and cost < best_cost:
            best, best_cost = chosen, cost
    return best


def _imbalance(all_targets: Int64Array, chosen: Int64Array) -> float:
    """How unlike the classes of a part are to those of the whole: half the sum of differences, in [0, 1]."""
    count = int(all_targets.max()) + 1
    whole, part = (np.bincount(targets, minlength=count) for targets in (all_targets, chosen))
    return float(np.abs(whole / whole.sum() - part / max(1, part.sum())).sum() / 2)


def _check_useful(lesson: Lesson, rows: Int64Array, name: str) -> None:
    counts = np.bincount(lesson.targets[rows], minlength=2)
    if counts.max(initial=0) < 2 or (counts > 0).sum() < 2:
        raise UsageError(
            f"the {name} part has {len(rows)} items, too few to tell anything (two classes and two of "
            f"a kind, at least); there must be more {lesson.unit_name}s, or a --split that says where they go"
        )
