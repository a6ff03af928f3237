"""What items are called: one reading of columns, folders, groups and names for all that sort by it."""

from __future__ import annotations

import pytest

from seealike.catalog.labels import check_conditions, labels_of, matching, numbered, text_of
from seealike.errors import UnknownNameError, UsageError
from seealike.types import Item, Metadata, MetadataValue


def item(name: str, metadata: Metadata | None = None, group: str | None = None) -> Item:
    return Item(name, f"/photos/{name}", group, metadata or {}, 10, 10)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "true"),
        (False, "false"),
        (12, "12"),
        (-3, "-3"),
        (12.0, "12"),
        (-0.0, "0"),
        (0.1, "0.1"),
        (1234567.0, "1234567"),
        (1234568.0, "1234568"),
        (1234567.25, "1234567.25"),
        (1e300, "1e+300"),
        ("12.0", "12.0"),
        ("  red shoes\t", "red shoes"),
        ("   ", ""),
        ("", ""),
    ],
)
def test_a_value_reads_as_people_write_it(value: MetadataValue, text: str) -> None:
    assert text_of(value) == text


def test_different_numbers_are_different_labels() -> None:
    values = [1234567.0, 1234568.0, 0.1, 0.1 + 2**-55, 2.0**53, 2.0**53 + 2, 1e16, 1e17, 16777217, 3]
    labels = labels_of([item(str(row), {"price": value}) for row, value in enumerate(values)], "price")
    assert len(set(labels)) == len(set(values))


def test_a_label_is_a_column_a_folder_a_group_or_the_beginning_of_a_name() -> None:
    items = [
        item("shoes/camper12.jpg", {"price": 12.0, "sold": True, "note": " "}, "S1"),
        item("bags/7.jpg", {"price": None}),
    ]
    assert labels_of(items, "price") == ["12", None]
    assert labels_of(items, "sold") == ["true", None]
    assert labels_of(items, "folder") == ["shoes", "bags"]
    assert labels_of(items, "group") == ["S1", None]
    assert labels_of(items, "prefix") == ["camper", None]
    assert labels_of([], "anything") == []
    assert labels_of(iter(items), "price") == ["12", None]
    with pytest.raises(UnknownNameError, match=r"known: price, sold, note, folder, group, prefix$"):
        labels_of(items, "colour")
    with pytest.raises(UnknownNameError, match=r"unknown label 'group'; known: price, folder, prefix$"):
        labels_of(items[1:], "group")
    for empty in ("price", "prefix"):
        with pytest.raises(UsageError, match=f"the label '{empty}' is empty for every item"):
            labels_of(items[1:], empty)
    with pytest.raises(UsageError, match="empty for every item"):
        labels_of(items[:1], "note")


def test_without_a_file_the_id_says_the_folder_and_bytes_that_are_no_text_show() -> None:
    assert labels_of([Item("shop/shoe-1", None, None, {}, 1, 1)], "folder") == ["shop"]
    assert labels_of([item("caf\udce9/x.jpg")], "folder") == ["caf\\udce9"]


def test_numbers_of_labels_are_in_alphabetical_order() -> None:
    names, numbers = numbered(["b", None, "a", "b"])
    assert (names, numbers.tolist()) == (["a", "b"], [1, -1, 0, 1])


def test_conditions_hold_for_items_as_they_do_in_a_catalogue() -> None:
    items = [item("a/1.jpg", {"kids": True, "price": 3}), item("b/2.jpg", {"kids": False, "split": "test"})]
    assert matching(items, []) == [True, True]
    assert matching(items, ["kids=true"]) == [True, False]
    assert matching(items, ["split=test", "price is null"]) == [False, True]
    assert matching(items, ["folder = 'a' and prefix is null"]) == [True, False]
    assert matching([], ["split=test"]) == []
    with pytest.raises(UsageError, match="unknown column 'spilt'"):
        matching(items, ["spilt=test"])


@pytest.mark.parametrize("text", ["=test", "", "split=test set"])
def test_what_is_no_condition_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="condition"):
        check_conditions(["split=test", text])
