"""Nobody is ever on two sides of a training."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.lessons import lesson

from seealike.errors import UsageError
from seealike.training.data.split import split


@given(
    units=st.lists(st.integers(0, 25), min_size=60, max_size=120),
    seed=st.integers(0, 1000),
    data=st.data(),
)
@settings(max_examples=30, deadline=None)
def test_no_unit_is_on_two_sides_and_no_item_is_lost(
    units: list[int], seed: int, data: st.DataObject
) -> None:
    targets = np.array(data.draw(st.lists(st.integers(0, 2), min_size=len(units), max_size=len(units))))
    made = lesson(targets, np.array(units), features=4)
    try:
        found = split(made, None, seed)
    except UsageError:
        assume(False)
    sides = [set(made.units[rows].tolist()) for rows in (found.train, found.validation, found.test)]
    assert sum(map(len, sides)) == len(set(units))
    everybody = np.sort(np.concatenate([found.train, found.validation, found.test]))
    assert everybody.tolist() == list(range(len(units)))


def test_the_draw_depends_on_the_seed_alone() -> None:
    made = lesson(np.arange(100) % 4, np.arange(100) // 4)
    first, again, other = (split(made, None, seed) for seed in (1, 1, 2))
    assert first.test.tolist() == again.test.tolist()
    assert first.test.tolist() != other.test.tolist()


def test_a_column_says_who_judges_and_validation_is_drawn_out_of_train() -> None:
    parts = tuple("test" if n >= 80 else "train" for n in range(120))
    found = split(lesson(np.arange(120) % 3, np.arange(120) // 4, parts=parts), "split", 0)
    assert found.test.tolist() == list(range(80, 120))
    assert set(found.train.tolist()) | set(found.validation.tolist()) == set(range(80))
    assert "validation drawn out of train by person" in found.said


def test_an_item_that_the_column_leaves_out_takes_no_part() -> None:
    parts = tuple(("train", "val", "test", "")[n % 4] for n in range(120))
    found = split(lesson(np.arange(120) % 3, np.arange(120), parts=parts), "split", 0)
    used = np.concatenate([found.train, found.validation, found.test])
    assert not (used % 4 == 3).any()
    assert len(used) == 90


def test_a_person_whom_the_column_puts_on_two_sides_is_refused() -> None:
    parts = tuple("test" if n % 5 == 0 else "train" for n in range(60))
    with pytest.raises(UsageError, match=r"puts one person on two sides \(that of 0000\)"):
        split(lesson(np.arange(60) % 3, np.arange(60) // 5, parts=parts), "split", 0)


def test_a_column_without_train_and_too_few_items_are_refused() -> None:
    parts = ("left", "right") * 30
    with pytest.raises(UsageError, match="no value train"):
        split(lesson(np.arange(60) % 3, np.arange(60), parts=parts), "split", 0)
    with pytest.raises(UsageError, match="too few to tell anything"):
        split(lesson(np.arange(6) % 3, np.arange(6)), None, 0)
