"""What an encoder learnt from, as its card holds it."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seealike.encoders.card import mark_of, marks_from_text, marks_to_text


@given(st.sets(st.integers(0, 2**48 - 1), max_size=50))
def test_marks_are_read_back_ascending_and_take_eight_letters_each(marks: set[int]) -> None:
    text = marks_to_text(np.array(list(marks), np.int64))
    assert len(text) == 8 * len(marks)
    assert marks_from_text(text).tolist() == sorted(marks)


def test_a_picture_that_was_learnt_twice_stands_there_once() -> None:
    assert marks_to_text(np.array([7, 7])) == marks_to_text(np.array([7]))


def test_a_mark_is_the_beginning_of_the_pictures_hash_and_without_one_the_ids() -> None:
    digest = hashlib.sha256(b"a picture").digest()
    assert mark_of("a", digest) == mark_of("b", digest) == int(digest.hex()[:12], 16)
    assert mark_of("a", None) != mark_of("b", None)


@pytest.mark.parametrize("text", ["AAAA", "AAAAAAA!", "AAAAAAA=", "AAAAAAA\n", "ÄAAAAAAA"])
def test_what_holds_no_marks_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        marks_from_text(text)
