"""Columns: what is said of the items of a generation, compared with the items themselves, one by one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.counting import CountingStore, commit, made_store, new_item

from seealike.errors import DamagedCatalogError, UnknownNameError, UsageError
from seealike.recommend import Columns, Searcher, StaleViewError
from seealike.store import NewItem, StoredItem, StoreWriter
from seealike.types import Metadata, MetadataValue

SAID: list[Metadata] = [
    {"kind": "shoe", "price": 10, "new": True, "size": '{"eu": 40}'},
    {"kind": "shoe", "price": 10.0, "new": False},
    {"kind": "hat", "price": None, "mixed": 1},
    {"kind": "", "mixed": True},
    {"kind": "hat", "mixed": "1", "path": "hidden", "size": '{"eu": 41, "us": {"men": 8}}'},
]


def item(number: int, said: Metadata, group: str | None = None, path: str | None = None) -> NewItem:
    return replace(
        new_item(f"item {number}", number),
        metadata_json=json.dumps(said),
        group=group,
        path=None if path is None else path.encode(),
        size_bytes=None if path is None else 100 + number,
        mtime_ns=None if path is None else number * 10**9,
    )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[CountingStore]:
    made = made_store(tmp_path / "catalog")
    rows = [item(number, said) for number, said in enumerate(SAID)]
    rows[0] = item(0, SAID[0], "G", "hats/red12.jpg")
    rows[3] = item(3, SAID[3], "G", "hats/blue3.jpg")
    commit(made, rows)
    yield made
    made.close()


def searcher_of(store: CountingStore) -> Searcher:
    def absolute(row: object) -> str | None:
        assert isinstance(row, StoredItem)
        return None if row.path is None else "/shop/" + row.path.decode()

    return Searcher(store, store.identity.dimension, lambda _: None, lambda: absolute)


def read(store: CountingStore) -> Columns:
    searcher = searcher_of(store)
    return searcher.columns(searcher.view())


def values(columns: Columns, name: str) -> list[MetadataValue]:
    column = columns.column(name)
    return [None if code < 0 else column.values[code] for code in column.codes.tolist()]


def assert_equal_to_the_items(columns: Columns, store: CountingStore) -> None:
    items = sorted(store.items(), key=lambda one: one.key)
    assert columns.keys.tolist() == [one.key for one in items]
    for name in ("kind", "price", "new", "mixed"):
        said = [one.metadata.get(name) for one in items]
        found = values(columns, name)
        assert found == said
        assert [isinstance(value, bool) for value in found] == [isinstance(value, bool) for value in said]
    assert values(columns, "group") == [one.group for one in items]
    assert values(columns, "id") == [one.id for one in items]
    assert values(columns, "size_bytes") == [one.size_bytes for one in items]


def test_every_column_says_what_the_items_say(store: CountingStore) -> None:
    assert_equal_to_the_items(read(store), store)


def test_equal_values_have_equal_codes_and_nothing_has_none(store: CountingStore) -> None:
    columns = read(store)
    price, mixed = columns.codes("price").tolist(), columns.codes("mixed").tolist()
    assert price[0] == price[1] != -1  # 10 and 10.0
    assert price[2:] == [-1, -1, -1]
    assert len(set(mixed[2:])) == 3  # 1, true and "1"
    assert columns.codes("kind").dtype == np.int64


def test_numbers_are_numbers_and_text_is_refused(store: CountingStore) -> None:
    columns = read(store)
    assert columns.numbers("price").tolist()[:2] == [10.0, 10.0]
    assert np.isnan(columns.numbers("price")[2:]).all()
    assert columns.numbers("new").tolist()[:2] == [1.0, 0.0]
    assert columns.numbers("width_px").tolist() == [3.0] * 5
    with pytest.raises(UsageError, match="'kind' holds text, such as 'shoe'"):
        columns.numbers("kind")


def test_a_name_that_is_none_is_refused_with_those_there_are(store: CountingStore) -> None:
    with pytest.raises(UnknownNameError, match=r"unknown column 'knid'; known: .*kind.*did you mean kind"):
        read(store).codes("knid")
    assert "metadata.path" in read(store).names


def test_a_column_of_ours_hides_one_of_the_metadata_which_has_a_longer_name(store: CountingStore) -> None:
    columns = read(store)
    assert values(columns, "path") == ["/shop/hats/red12.jpg", None, None, "/shop/hats/blue3.jpg", None]
    assert values(columns, "metadata.path") == [None] * 4 + ["hidden"]
    assert values(columns, "metadata.kind") == values(columns, "kind")


def test_folders_and_prefixes_are_of_the_file_or_the_id(store: CountingStore) -> None:
    columns = read(store)
    assert values(columns, "folder") == ["hats", None, None, "hats", None]
    assert values(columns, "prefix") == ["red", "item", "item", "blue", "item"]
    assert values(columns, "modified") == [
        "1970-01-01 00:00:00Z",
        None,
        None,
        "1970-01-01 00:00:03Z",
        None,
    ]


def test_objects_are_read_by_their_keys(store: CountingStore) -> None:
    columns = read(store)
    assert values(columns, "size.eu") == [40, None, None, None, 41]
    assert values(columns, "size.us.men") == [None, None, None, None, 8]
    assert values(columns, "metadata.size.eu") == values(columns, "size.eu")
    for name in ("size.uk", "kind.eu", "size.us.women", "metadata.nothing"):
        with pytest.raises(UnknownNameError):
            columns.codes(name)


def test_a_newer_generation_reads_only_what_is_new(store: CountingStore) -> None:
    searcher = searcher_of(store)
    before = searcher.columns(searcher.view())
    commit(store, [item(9, {"kind": "scarf", "price": 10, "mixed": 2.5})], remove=["item 1"])
    reads = []
    inner = store.items_after

    def counted(key: int, *, block: int = 2048) -> Iterator[StoredItem]:
        for one in inner(key, block=block):
            reads.append(one.id)
            yield one

    store.items_after = counted  # type: ignore[method-assign]
    after = searcher.columns(searcher.view())
    assert reads == ["item 9"]
    assert searcher.columns(searcher.view()) is after
    assert_equal_to_the_items(after, store)
    assert len(before) == 5


def test_a_newer_generation_takes_the_places_over_and_reads_those_of_new_items(store: CountingStore) -> None:
    searcher = searcher_of(store)
    values(searcher.columns(searcher.view()), "folder")
    commit(store, [item(9, {}, path="scarves/long7.jpg")], remove=["item 0"])
    commit(store, [item(8, {})])
    reads = list[int]()
    inner = store.items_after

    def noted(key: int, *, block: int = 2048) -> Iterator[StoredItem]:
        reads.append(key)
        return inner(key, block=block)

    store.items_after = noted  # type: ignore[method-assign]
    after = searcher.columns(searcher.view())
    assert values(after, "folder") == [None, None, "hats", None, "scarves", None]
    assert values(after, "prefix") == ["item", "item", "blue", "item", "long", "item"]
    assert set(reads) == {5}
    assert values(after, "folder") == values(read(store), "folder")
    assert values(after, "path")[2:5] == ["/shop/hats/blue3.jpg", None, "/shop/scarves/long7.jpg"]


def test_an_older_view_gets_its_own_columns_while_its_rows_are_there(store: CountingStore) -> None:
    searcher = searcher_of(store)
    old = searcher.view()
    commit(store, [item(9, {"kind": "scarf"})])
    assert len(searcher.columns(searcher.view())) == 6
    assert len(searcher.columns(old)) == 5
    commit(store, remove=["item 1"])
    searcher.columns(searcher.view())
    with pytest.raises(StaleViewError):
        searcher.columns(old)


def rewrite(store: CountingStore, item_id: str, group: str) -> None:
    writer = StoreWriter(store.database_path)
    try:
        known = store.known_item(item_id)
        writer.rewrite(lambda change: change.update(replace(known, group=group)))
    finally:
        writer.close()


def test_what_changed_under_its_key_is_read_anew(store: CountingStore) -> None:
    searcher = searcher_of(store)
    old = searcher.view()
    columns = searcher.columns(old)
    rewrite(store, "item 1", "other")
    assert values(searcher.columns(searcher.view()), "group") == ["G", "other", None, "G", None]
    with pytest.raises(StaleViewError):
        values(columns, "id")


def test_a_damaged_row_is_noticed(store: CountingStore) -> None:
    with store._guard:
        store._connection.execute("UPDATE items SET grp='x' WHERE id='item 2'")
    with pytest.raises(DamagedCatalogError, match="item 2"):
        read(store)


def test_an_empty_catalogue_has_columns_without_items(tmp_path: Path) -> None:
    store = made_store(tmp_path / "empty")
    columns = read(store)
    assert len(columns) == 0
    assert columns.codes("group").tolist() == columns.codes("modified").tolist() == []
    commit(store, [item(1, SAID[1])])
    assert values(read(store), "kind") == ["shoe"]
    store.close()
