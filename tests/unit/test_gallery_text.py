"""Names of any kind become safe, readable text."""

from __future__ import annotations

import html
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seealike.errors import PictureError
from seealike.gallery.text import duration, escaped, shortened, visible
from seealike.gallery.thumbnails import PICTURES_A_PAGE, Thumbnails, picture_budget, shown_with_pictures
from seealike.types import SkipReason
from seealike.wording import counted


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain name.jpg", "plain name.jpg"),
        ("line\nbreak\x07", "line\u240abreak\u2407"),
        ("del\x7f", "del\u2421"),
        ("caf\udce9.jpg", "caf\\udce9.jpg"),
        ("safe\u202egpj.exe", "safe\\u202egpj.exe"),
        ("\u05e9\u05dc\u05d5\u05dd.jpg", "\u05e9\u05dc\u05d5\u05dd.jpg"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("para\u2029graph", "para\\u2029graph"),
        ("\U0001f469\u200d\U0001f467", "\U0001f469\u200d\U0001f467"),
        ("\ufffe\ufdd0", "\\ufffe\\ufdd0"),
        ("\U000e0041", "\\U000e0041"),
    ],
)
def test_what_cannot_be_seen_is_shown_by_its_code(raw: str, shown: str) -> None:
    assert visible(raw) == shown


@given(st.text(alphabet=st.characters()) | st.text(alphabet=string.printable + "<>&\"'"))
def test_no_text_can_leave_its_place_in_the_page(text: str) -> None:
    safe = escaped(text)

    assert not set(safe) & set("<>\"'\n\r\0")
    assert html.unescape(safe) == visible(text)
    safe.encode("utf-8")


@given(st.text(), st.integers(min_value=5, max_value=60))
def test_a_shortened_name_keeps_its_beginning_and_its_end(text: str, length: int) -> None:
    short = shortened(text, length)

    assert len(short) <= max(length, 1)
    if len(text) <= length:
        assert short == text
    else:
        start, end = short.split("…")[0], short.split("…")[-1]
        assert text.startswith(start)
        assert text.endswith(end)


def test_durations_are_written_as_people_say_them() -> None:
    spoken = [duration(seconds) for seconds in (0.00004, 0.0062, 0.42, 1.38, 75.0, 200.0)]
    assert spoken == ["under 1 ms", "6 ms", "420 ms", "1.4 s", "75.0 s", "3 min 20 s"]


def test_counts_are_written_with_their_noun() -> None:
    assert [counted(1, "picture"), counted(12000, "picture"), counted(2, "query", "queries")] == [
        "1 picture",
        "12,000 pictures",
        "2 queries",
    ]


@given(
    st.lists(st.integers(min_value=0, max_value=5000), max_size=40), st.integers(min_value=1, max_value=3000)
)
def test_the_budget_is_kept_and_no_list_is_left_out(lengths: list[int], limit: int) -> None:
    shown = picture_budget(lengths, limit=limit)

    assert all(part <= whole for part, whole in zip(shown, lengths, strict=True))
    assert all(part >= min(1, whole) for part, whole in zip(shown, lengths, strict=True))
    assert sum(shown) <= max(limit, len(lengths))
    if sum(lengths) <= limit:
        assert shown == lengths


def test_short_lists_are_whole_and_long_ones_share_what_is_left() -> None:
    assert picture_budget([4, 1000, 1000], limit=104) == [4, 50, 50]


def test_a_thousand_lists_of_the_same_few_pictures_are_all_shown_with_pictures() -> None:
    lists = [[f"item-{(row * 7 + place) % 1200}" for place in range(10)] for row in range(1000)]
    assert shown_with_pictures(lists) == [10] * 1000


def test_lists_of_ever_different_pictures_are_cut_alike() -> None:
    lists = [[f"{row}-{place}" for place in range(10)] for row in range(1000)]
    shown = shown_with_pictures(lists)
    assert set(shown) == {1, 2}
    assert PICTURES_A_PAGE - 9 <= sum(shown) <= PICTURES_A_PAGE


def test_thumbnails_are_as_large_as_lets_all_of_them_fit_and_each_is_made_once() -> None:
    made: list[tuple[str, int]] = []

    def thumbnail(file: str, side_px: int) -> bytes:
        made.append((file, side_px))
        if file == "gone":
            raise PictureError(file, SkipReason.UNREADABLE, "gone")
        return b"x" * side_px**2

    files = [f"{number}" for number in range(100)]
    for budget, side_px in ((100 * 240**2 * 4 / 3, 240), (100 * 161**2 * 4 / 3, 160), (1, 96)):
        thumbnails = Thumbnails(thumbnail)
        thumbnails.fit(files, round(budget))
        assert len(thumbnails.of("7") or b"") == side_px**2
    made.clear()
    assert thumbnails.of("new") == thumbnails.of("new")
    assert thumbnails.of("gone") is thumbnails.of("gone") is thumbnails.of(None) is None
    assert made == [("new", 96), ("gone", 96)]
