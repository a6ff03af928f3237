"""Counts, and what was probably meant."""

from __future__ import annotations

import pytest

from seealike.wording import closest, counted, did_you_mean


def test_one_is_singular_and_thousands_are_grouped() -> None:
    assert [counted(number, "item") for number in (0, 1, 2, 12_000)] == [
        "0 items",
        "1 item",
        "2 items",
        "12,000 items",
    ]
    assert counted(2, "query", "queries") == "2 queries"


@pytest.mark.parametrize(
    ("name", "found"),
    [("serch", ("search",)), ("MAPS", ("map",)), ("zzz", ()), ("", ())],
)
def test_the_closest_name_is_found_whatever_its_case(name: str, found: tuple[str, ...]) -> None:
    assert closest(name, ["search", "map", "index"]) == found


def test_several_that_may_be_meant_are_told_in_one_question() -> None:
    assert did_you_mean(["shirts/1.jpg", "b"]) == "did you mean shirts/1.jpg or b?"
    assert did_you_mean(["a b.jpg", "c\\d", "e\nf"]) == r"did you mean 'a b.jpg' or 'c\d' or 'e\nf'?"
    assert did_you_mean([]) == ""
