"""Conditions: for which items they hold, against a plain evaluation, item by item; and what is refused."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.rows import columns_of

from seealike.errors import UnknownNameError, UsageError
from seealike.recommend.filters import mask_of, parse
from seealike.types import Metadata, MetadataValue

SHOES: list[Metadata] = [
    {"category": "shoes", "price": 50, "brand": "a", "new": True, "added": "2024-05-01"},
    {"category": "shoes", "price": 150.5, "brand": "b", "new": False, "added": "2024-05-01 12:30:00Z"},
    {"category": "hats", "price": 20, "note": "sold", "added": "2024-05-02T00:30:00+02:00"},
    {"category": "Hats", "price": None, "brand": "c", "size": '{"eu": 40, "us": {"men": 8}}'},
    {"category": None, "price": 99, "brand": "a", "in-stock": True, "Price (EUR)": 3, "tag": "100%_x"},
]


def found(text: str, items: list[Metadata] = SHOES) -> list[int]:
    return np.flatnonzero(mask_of(text, columns_of(items))).tolist()


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("category = 'shoes' and price < 100 and brand in ('a','b') and note is null", [0]),
        ("category=shoes", [0, 1]),
        ('category = "shoes"', [0, 1]),
        ("category == 'shoes' or price = 20", [0, 1, 2]),
        ("category <> 'shoes'", [2, 3]),  # not the one that says nothing
        ("not category = 'shoes'", [2, 3]),
        ("category != 'shoes' or category is null", [2, 3, 4]),
        ("price >= 50 AND NOT (brand = 'a')", [1]),
        ("price between 20 and 99", [0, 2, 4]),
        ("price not between 20 and 99", [1]),
        ("brand not in ('a')", [1, 3]),
        ("price in (20, 99.0, 1e3)", [2, 4]),
        ("price = 50.0", [0]),
        ("price > -1", [0, 1, 2, 4]),
        ("new", [0]),
        ("not new", [1]),
        ("new = false", [1]),
        ("new != true", [1]),
        ("in-stock", [4]),
        ("note is not null", [2]),
        ('"Price (EUR)" = 3', [4]),
        ("category like 'h%'", [2]),
        ("category ilike 'h%'", [2, 3]),
        ("category like '%oe_'", [0, 1]),
        ("category not like '%s'", []),
        (r"tag like '100\%\_x'", [4]),
        ("category like 's%e%s'", [0, 1]),
        ("size.eu = 40", [3]),
        ("size.us.men between 8 and 9", [3]),
        ('"size".us."men" > 7', [3]),
        ("metadata.price = 20", [2]),
        ("brand = 'a' or brand = 'b' and price > 100", [0, 1, 4]),
        ("(brand = 'a' or brand = 'b') and price > 95", [1, 4]),
        ("category > 'S' and category < 't'", [0, 1, 2]),
        ("width_px = 3", [0, 1, 2, 3, 4]),
    ],
)
def test_a_condition_holds_for_these_items(text: str, wanted: list[int]) -> None:
    assert found(text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("added = '2024-05-01'", [0, 1]),  # the whole day
        ("added = 2024-05-01", [0, 1]),
        ("added <= '2024-05-01'", [0, 1]),
        ("added > '2024-05-01'", [2]),
        ("added in ('2024-05-02')", [2]),  # the day as it is written there
        ("added between 2024-05-01 and 2024-05-02", [0, 1, 2]),
        ("added > '2024-05-01 12:00'", [1, 2]),  # as moments: 22:30 in UTC
        ("added < '2024-05-01T23:00:00Z'", [0, 1, 2]),
        ("added = '2024-05-01 14:30+02:00'", [1]),
    ],
)
def test_dates_compare_as_dates(text: str, wanted: list[int]) -> None:
    assert found(text) == wanted


def test_texts_that_are_no_dates_compare_letter_by_letter() -> None:
    items: list[Metadata] = [{"added": "2024-05-01"}, {"added": "2024-99-01"}, {"added": "soon"}]
    assert found("added > '2024-05-01'", items) == [1, 2]
    assert found("added < '2024-99-02'", items) == [0, 1]


def test_values_of_another_kind_are_unequal_and_neither_less_nor_more() -> None:
    items: list[Metadata] = [{"x": 1}, {"x": "1"}, {"x": True}, {"x": None}]
    assert found("x = 1", items) == [0]
    assert found("x = '1'", items) == [1]
    assert found("x = true", items) == [2]
    assert found("x != 1", items) == [1, 2]
    assert found("x >= 1", items) == [0]
    assert found("not x >= 1", items) == []


def test_whole_numbers_beyond_what_a_float_holds_are_told_apart() -> None:
    big = 2**60
    items: list[Metadata] = [{"x": big}, {"x": big + 1}, {"x": -(10**400)}]
    assert found(f"x = {big + 1}", items) == [1]
    assert found(f"x > {big}", items) == [1]
    assert found("x < 0", items) == [2]


def test_a_pattern_of_many_wildcards_takes_no_longer_than_its_text() -> None:
    items: list[Metadata] = [{"x": "a" * 5000}]
    assert found(f"x like '{'%a' * 200}b'", items) == []
    assert found(f"x like '{'%a' * 200}%'", items) == [0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("price < ", "at its end: a value is expected"),
        ("price < 100 and", "at its end: a column is expected"),
        ("price << 3", "at character 8, before '< 3': a value is expected"),
        ("(price < 3", "at its end: '\\)' is expected"),
        ("price < 3)", r"at character 10, before '\)': the condition could end there"),
        ("category = 'shoes", 'at character 12, before "\'shoes": a quote is opened and never closed'),
        ("'category' = 'shoes'", "at character 1, .*a column is expected, and names have double quotes"),
        ("category = men shoes", "at character 16, before 'shoes': 'and' or 'or' is expected"),
        ("note = null", "at character 8, before 'null': nothing is equal to null: write `is null`"),
        ("brand in ()", r"at character 11, before '\)': a value is expected"),
        ("price between 1 or 2", "at character 17, before 'or 2': 'and' is expected"),
        ("price = 12x", "at character 9, before '12x': a value is expected"),
        ("  ", "the condition is empty"),
        ("a" * 10_001, "10,001 characters; 10,000 are the most"),
        ("not " * 2000 + "new", "nested too deeply"),
        ("price < -" + "1" * 5000, "the number at character 9 has 5,000 digits; write a shorter one"),
    ],
)
def test_what_is_no_condition_is_refused_at_its_place(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as refused:
        parse(text)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("prize < 3", "unknown column 'prize' at character 1; known: .*price.*; did you mean price"),
        ("new and size.uk = 3", "unknown column 'size.uk' at character 9"),
        ("price < 'x'", "the column 'price' holds numbers, such as 50; 'x' at character 9 is none"),
        ("category = 5", "the column 'category' holds text, such as 'shoes'; 5 at character 12 is none"),
        ("category", "such as 'shoes'; alone it is no condition: compare it, as with = 'shoes'"),
        ("price", "such as 50; alone it is no condition: compare it, as with = 50"),
        ("brand in ('a', 3)", "3 at character 16"),
        ("new < true", "is for numbers and text, and 'new' holds true and false"),
        ("price like '5%'", "'price' holds numbers"),
        ("added > '2024-13-45'", "there is no such day as 2024-13-45, at character 9"),
        ("category like 5", "a pattern is a text, not 5 at character 15"),
    ],
)
def test_what_does_not_fit_the_columns_is_refused_at_its_place(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        found(text)


def test_the_error_of_a_wrong_name_lists_the_columns() -> None:
    with pytest.raises(UnknownNameError) as refused:
        found("colour = 'red'")
    assert {"brand", "category", "price", "group", "folder"} <= set(refused.value.known)


def test_a_column_of_nothing_fits_every_kind() -> None:
    assert found("x < 3 or x = 'a' or x = '2024-01-31' or x is null", [{"x": None}]) == [0]


def test_a_mask_is_made_once_for_each_text_and_cannot_be_changed() -> None:
    columns = columns_of(SHOES)
    mask = mask_of("price < 100", columns)
    assert mask_of("price < 100", columns) is mask
    with pytest.raises(ValueError, match="read-only"):
        mask[0] = False


# -- against a plain evaluation ------------------------------------------------------------------------------

NAMES = ("a", "b", "mixed")
Truth = bool | None
Plain = Callable[[Metadata], Truth]
NUMBERS = st.one_of(st.integers(-3, 3), st.sampled_from([0.5, -1.5, 2.0]))
TEXTS = st.text("ab%_\\'\" é", max_size=4)
ITEMS = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "a": st.one_of(st.none(), NUMBERS),
            "b": st.one_of(st.none(), TEXTS),
            "mixed": st.one_of(st.none(), NUMBERS, TEXTS, st.booleans()),
        },
    ),
    max_size=12,
)


def kind(value: MetadataValue) -> str:
    return "truth" if isinstance(value, bool) else "text" if isinstance(value, str) else "number"


def written(value: MetadataValue) -> str:
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return str(value).lower() if isinstance(value, bool) else repr(value)


def plain_comparison(name: str, sign: str, value: MetadataValue) -> Plain:
    def evaluate(item: Metadata) -> Truth:
        said = item.get(name)
        if said is None:
            return None
        if sign in {"=", "!="}:
            return (kind(said) == kind(value) and said == value) == (sign == "=")
        if kind(said) != kind(value):
            return None
        return {"<": said < value, "<=": said <= value, ">": said > value, ">=": said >= value}[sign]  # type: ignore[operator]

    return evaluate


def plain_like(name: str, pattern: str, *, folded: bool) -> Plain:
    def matches(text: str, wanted: str) -> bool:
        if not wanted:
            return not text
        first, rest = wanted[0], wanted[1:]
        if first == "%":
            return any(matches(text[start:], rest) for start in range(len(text) + 1))
        if first == "\\" and rest:
            first, rest = rest[0], rest[1:]
        elif first == "_":
            return bool(text) and matches(text[1:], rest)
        return bool(text) and text[0] == first and matches(text[1:], rest)

    def evaluate(item: Metadata) -> Truth:
        said = item.get(name)
        if not isinstance(said, str):
            return None
        return matches(said.lower(), pattern.lower()) if folded else matches(said, pattern)

    return evaluate


@st.composite
def comparisons(draw: st.DrawFn) -> tuple[str, Plain]:
    name, value = draw(
        st.one_of(st.tuples(st.sampled_from("a"), NUMBERS), st.tuples(st.sampled_from("b"), TEXTS))
    )
    name = draw(st.sampled_from([name, "mixed"]))
    sign = draw(st.sampled_from(["=", "!=", "<", "<=", ">", ">="]))
    return f"{name}{sign}{written(value)}", plain_comparison(name, sign, value)


@st.composite
def memberships(draw: st.DrawFn) -> tuple[str, Plain]:
    name, of = draw(st.sampled_from([("a", NUMBERS), ("b", TEXTS), ("mixed", st.booleans())]))
    values = draw(st.lists(of, min_size=1, max_size=3))
    each = [plain_comparison(name, "=", value) for value in values]

    def evaluate(item: Metadata) -> Truth:
        return None if item.get(name) is None else any(one(item) for one in each)

    return f"{name} in ({', '.join(map(written, values))})", evaluate


@st.composite
def others(draw: st.DrawFn) -> tuple[str, Plain]:
    name = draw(st.sampled_from(NAMES))
    which = draw(st.sampled_from(["null", "like", "ilike", "between"]))
    if which == "null":
        return f"{name} is null", lambda item: item.get(name) is None
    if which == "between":
        low, high = draw(NUMBERS), draw(NUMBERS)
        one, other = plain_comparison("a", ">=", low), plain_comparison("a", "<=", high)
        return f"a between {low} and {high}", lambda item: both(one(item), other(item))
    name, pattern = draw(st.sampled_from(["b", "mixed"])), draw(TEXTS)
    return f"{name} {which} {written(pattern)}", plain_like(name, pattern, folded=which == "ilike")


def both(one: Truth, other: Truth) -> Truth:
    if one is False or other is False:
        return False
    return None if one is None or other is None else True


def opposite(one: Truth) -> Truth:
    return None if one is None else not one


def combined(inner: st.SearchStrategy[tuple[str, Plain]]) -> st.SearchStrategy[tuple[str, Plain]]:
    def conjunction(pair: tuple[tuple[str, Plain], tuple[str, Plain]]) -> tuple[str, Plain]:
        (one, p), (other, q) = pair
        return f"({one}) and ({other})", lambda item: both(p(item), q(item))

    def disjunction(pair: tuple[tuple[str, Plain], tuple[str, Plain]]) -> tuple[str, Plain]:
        (one, p), (other, q) = pair
        return f"({one} or {other})", lambda item: opposite(both(opposite(p(item)), opposite(q(item))))

    def negation(one: tuple[str, Plain]) -> tuple[str, Plain]:
        text, p = one
        return f"not ({text})", lambda item: opposite(p(item))

    pairs = st.tuples(inner, inner)
    return st.one_of(pairs.map(conjunction), pairs.map(disjunction), inner.map(negation))


CONDITIONS = st.recursive(st.one_of(comparisons(), memberships(), others()), combined, max_leaves=6)
WITNESSES: list[Metadata] = [{"a": 9, "b": "witness", "mixed": 9}, {"mixed": "w"}, {"mixed": True}]


@given(CONDITIONS, ITEMS)
def test_a_mask_is_what_a_plain_evaluation_says(condition: tuple[str, Plain], items: list[Metadata]) -> None:
    text, plain = condition
    items = [*items, *WITNESSES]  # every column has every kind of value that it is compared with
    assert found(text, items) == [place for place, item in enumerate(items) if plain(item) is True]
