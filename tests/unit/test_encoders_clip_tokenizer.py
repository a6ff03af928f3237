"""What people type or paste becomes the plain text that text towers learnt from."""

from __future__ import annotations

import pytest

from seealike.encoders.clip.tokenizer import cleaned
from seealike.encoders.text_card import Cleaning


@pytest.mark.parametrize(
    ("typed", "plain"),
    [
        ("  A   Red\n\tDress ", "a red dress"),
        ("“curly” ‘quotes’", "\"curly\" 'quotes'"),
        ("ﬁne ﬂower", "fine flower"),
        ("ＦＵＬＬ　ｗｉｄｔｈ", "full width"),
        ("&lt;b&gt; &amp;amp; co", "<b> & co"),
        ("cafe\u0301", "café"),
        ("\x1b[31mred\x1b[0m\x00", "red"),
        ("\ud83d\ude00 smile", "😀 smile"),
        ("half \ud83d of one", "half \ufffd of one"),
        ("STRASSE Straße", "strasse straße"),
    ],
)
def test_typography_becomes_plain_lower_case_text(typed: str, plain: str) -> None:
    assert cleaned(typed, Cleaning.LOWER) == plain


def test_each_cleaning_does_more_than_the_one_before() -> None:
    text = "  A_red “Dress”,  isn't it? "
    assert cleaned(text, Cleaning.NONE) == text
    assert cleaned(text, Cleaning.SPACES) == 'A_red "Dress", isn\'t it?'
    assert cleaned(text, Cleaning.LOWER) == 'a_red "dress", isn\'t it?'
    assert cleaned(text, Cleaning.CANONICAL) == "a red dress isnt it"
