"""What a training remembers of those who taught it, and what it does not count when it judges."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
from tests.lessons import lesson, write_shapes

import seealike
from seealike.encoders import EncoderCard, InputForm, record_of, write_card
from seealike.encoders.card import mark_of, marks_to_text
from seealike.testing import FakeEncoder
from seealike.training import Labelling, Method, Recipe, Splitting
from seealike.training.data.lesson import read_lesson
from seealike.training.data.split import Split, split
from seealike.training.run import groups_of_test, learnt_from

NONE = np.empty(0, np.int64)
BASE = record_of("efficientnet-lite0")


def test_a_lesson_knows_every_picture_by_the_hash_of_its_file(tmp_path: Path) -> None:
    table = write_shapes(tmp_path, 30)
    with seealike.create(tmp_path / "catalog", encoder=FakeEncoder()) as made:
        made.index(table)
        read = read_lesson(made, Labelling("size", ("small",)), Splitting())
    assert 0 < len(read) < 30
    for item, mark in zip(read.items, read.marks.tolist(), strict=True):
        assert mark == int(hashlib.sha256((tmp_path / item.id).read_bytes()).hexdigest()[:12], 16)


def test_what_taught_and_what_stopped_it_was_learnt_from_and_what_judges_was_not() -> None:
    made = lesson(np.arange(120) % 4, np.arange(120) // 4)
    parts = split(made, None, 0)
    learnt = learnt_from(made, parts, Recipe(), "efficientnet-lite0")
    assert set(learnt.tolist()) == set(made.marks.tolist()) - set(made.marks[parts.test].tolist())


def test_a_head_has_seen_what_its_base_has_seen_and_a_whole_new_encoder_has_not(tmp_path: Path) -> None:
    base = str(tmp_path / "base.onnx")
    card = EncoderCard("base", BASE.preprocessing, "conv_head", "avg", InputForm.PICTURES)
    write_card(base, replace(card, learnt=marks_to_text(np.array([mark_of("old", None), 1]))))
    made = lesson(np.arange(8) % 2, np.arange(8))
    parts = Split(np.array([0, 1]), np.array([2]), np.array([3, 4]), "")
    by_head = learnt_from(made, parts, Recipe(), f"onnx:{base}")
    assert by_head.tolist() == [0, 1, 2, mark_of("old", None)]
    assert learnt_from(made, parts, Recipe(Method.FULL), f"onnx:{base}").tolist() == [0, 1, 2]


def test_other_photos_of_the_same_product_do_not_count_unless_they_are_what_is_learnt() -> None:
    made = lesson(np.arange(6) % 2, np.arange(6))
    parts = Split(NONE, NONE, np.array([1, 2, 5]), "")
    assert groups_of_test(made, parts, "kind") is None  # nobody knows the products
    groups = ("x", "x", None, "y", "y", "x")
    items = [replace(item, group=group) for item, group in zip(made.items, groups, strict=True)]
    made = replace(made, items=tuple(items))
    assert groups_of_test(made, parts, "kind").tolist() == [0, -1, 0]  # type: ignore[union-attr]
    assert groups_of_test(made, parts, "group") is None
