"""The store: what is written comes back, whatever the names; what is refused changes nothing."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import tracemalloc
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.kept import as_kept, codes_of

from seealike.errors import CatalogExistsError, DamagedCatalogError, NoCatalogError, UsageError
from seealike.store import (
    DATABASE_NAME,
    MANIFEST_NAME,
    FileSystem,
    Manifest,
    NewItem,
    SourceRecord,
    SqliteStore,
    StoreWriter,
    is_catalog,
    read_manifest,
    schema,
    write_manifest,
)
from seealike.store.records import text_checksum
from seealike.store.writer import Change
from seealike.testing import FakeEncoder
from seealike.types import Skipped, SkipReason
from seealike.vectors import VectorType

IDENTITY = FakeEncoder(dimension=8).identity
ODD_NAMES = (
    "",
    "a",
    "a b",
    "'quoted'",
    'say "x"',
    "two\nlines",
    "nul\0inside",
    "ünï ☃",
    "x" * 5000,
    "-- ;",
    "%_",
)


@pytest.fixture
def directory(tmp_path: Path) -> str:
    path = str(tmp_path / "catalog")
    SqliteStore.create(path, IDENTITY, FileSystem()).close()
    return path


@pytest.fixture
def store(directory: str) -> Iterator[SqliteStore]:
    store = SqliteStore(directory)
    yield store
    store.close()


@pytest.fixture
def writer(store: SqliteStore) -> Iterator[StoreWriter]:
    writer = StoreWriter(store.database_path)
    yield writer
    writer.close()


def item(item_id: str, number: int = 0, path: bytes | None = b"x.jpg") -> NewItem:
    vector = np.arange(number, number + 8).astype(np.float16).tobytes()
    return NewItem(item_id, path, 10, 20, b"\0" * 32, "group", '{"a":1}', 3, 4, 1, vector)


def skip(writer: StoreWriter, row: Skipped) -> None:
    """List a file as ``index`` does: the item that it may have had goes."""

    def apply(change: Change) -> None:
        change.remove_ids([row.id])
        change.skip(1, [row], "decode")

    writer.rewrite(apply)


def ids(store: SqliteStore) -> list[str]:
    return [found.id for found in store.items()]


def test_items_come_back_as_they_were_written_in_the_order_of_code_points(
    store: SqliteStore, writer: StoreWriter
) -> None:
    writer.add([item(name, number) for number, name in enumerate(ODD_NAMES)])
    assert ids(store) == sorted(ODD_NAMES)
    for number, name in enumerate(ODD_NAMES):
        found = store.item(name)
        assert found == item(name).stored(number + 1)
        _, vectors = store.vectors_of([number + 1])
        assert vectors.tobytes() == item(name, number).vector


def test_bytes_are_kept_of_a_vector_and_halves_of_norm_one_are_read(tmp_path: Path) -> None:
    path = str(tmp_path / "bytes")
    store = SqliteStore.create(path, IDENTITY, FileSystem(), vectors=VectorType.INT8)
    writer = StoreWriter(store.database_path)
    writer.add([item(f"{number}", number) for number in range(5)])
    writer.close()
    given = np.stack([np.frombuffer(item("", number).vector, np.float16) for number in range(5)])
    with contextlib.closing(sqlite3.connect(store.database_path)) as connection:
        rows = connection.execute("SELECT key, data, crc FROM vectors ORDER BY key").fetchall()
    assert [list(np.frombuffer(data, np.int8)) for _, data, _ in rows] == [codes_of(row) for row in given]
    assert [crc for _, _, crc in rows] == [zlib.crc32(data, key) for key, data, _ in rows]
    expected = as_kept(given, "int8")
    assert np.array_equal(store.vectors_of([1, 2, 3, 4, 5])[1], expected)
    assert np.array_equal(next(store.vector_blocks())[1], expected)
    assert np.array_equal(next(store.items_and_vectors())[1], expected)
    store.close()
    assert (SqliteStore(path).vector_type, read_manifest(path).vectors) == ("int8", "int8")


def test_a_manifest_that_says_other_numbers_than_the_database_is_noticed(directory: str) -> None:
    manifest = read_manifest(directory)
    write_manifest(FileSystem(), directory, replace(manifest, vectors=VectorType.INT8))
    with pytest.raises(DamagedCatalogError, match="does not belong to"):
        SqliteStore(directory)


def test_a_catalogue_of_the_second_format_keeps_halves(directory: str) -> None:
    """Neither its manifest nor its database says in which numbers vectors are kept."""
    path = Path(directory) / MANIFEST_NAME
    content = json.loads(path.read_bytes())
    for name in ("vectors", "crc32"):
        del content[name]
    content["format_version"] = 2
    checksum = text_checksum(json.dumps(content, sort_keys=True))
    path.write_text(json.dumps({**content, "crc32": checksum}))
    with (
        contextlib.closing(sqlite3.connect(os.path.join(directory, DATABASE_NAME))) as connection,
        connection,
    ):
        (text,) = connection.execute("SELECT value FROM state WHERE name='birth'").fetchone()
        birth = json.loads(text)
        del birth["vectors"]
        schema.put_state(connection, "birth", json.dumps(birth, sort_keys=True))
    store = SqliteStore(directory)
    writer = StoreWriter(store.database_path)
    writer.add([item("a", 3)])
    writer.close()
    assert store.vector_type == "float16"
    assert store.vectors_of([1])[1].tobytes() == item("a", 3).vector
    store.close()


def test_listing_in_small_blocks_gives_the_same(store: SqliteStore, writer: StoreWriter) -> None:
    writer.add([item(f"{number:03}", number) for number in range(50)])
    for block in (1, 7, 50, 2048):
        assert [found.id for found in store.items(block=block)] == [f"{number:03}" for number in range(50)]
        blocks = list(store.vector_blocks(block=block))
        assert np.concatenate([keys for keys, _ in blocks]).tolist() == list(range(1, 51))
        assert b"".join(rows.tobytes() for _, rows in blocks) == b"".join(
            item("", number).vector for number in range(50)
        )


@pytest.mark.skipif(os.name == "nt", reason="there are no such names")
def test_paths_that_are_no_utf8_come_back(store: SqliteStore, writer: StoreWriter) -> None:
    path = os.fsdecode(b"caf\xe9/\xff.jpg")
    writer.add([item("a", path=os.fsencode(path))])
    skip(writer, Skipped("b", path, SkipReason.CORRUPT, "de\udcfftail"))
    found = store.item("a")
    assert found is not None
    assert found.path == b"caf\xe9/\xff.jpg"
    (skipped,) = store.skipped()
    assert skipped == (1, Skipped("b", path, SkipReason.CORRUPT, "de\\udcfftail"))


def test_an_id_that_is_no_text_is_unknown(store: SqliteStore) -> None:
    assert store.item("\ud800") is None


def test_a_replaced_item_gets_a_new_key_and_the_old_one_is_gone(
    store: SqliteStore, writer: StoreWriter
) -> None:
    writer.add([item("a", 1), item("b", 2)])
    writer.add([item("a", 5)])
    state, keys = store.state_and_keys()
    assert (state.generation, state.count, state.last_key, keys.tolist()) == (2, 2, 3, [3, 2])
    assert sorted(store.items_of([1, 2, 3])) == [2, 3]


def test_keys_are_never_used_twice(store: SqliteStore, writer: StoreWriter) -> None:
    writer.add([item("a")])
    writer.remove(["a"])
    writer.add([item("a")])
    assert store.state_and_keys()[1].tolist() == [2]


def test_removing_counts_what_existed(store: SqliteStore, writer: StoreWriter) -> None:
    writer.add([item("a"), item("b")])
    assert writer.remove(["b", "nothing", "b"]) == 1
    assert ids(store) == ["a"]


def test_a_file_taken_off_the_skipped_list_is_listed_no_more(store: SqliteStore, writer: StoreWriter) -> None:
    skip(writer, Skipped("a", "a.jpg", SkipReason.TRUNCATED, "cut"))
    assert [(source, row.id) for source, row in store.skipped()] == [(1, "a")]
    assert store.skip_counts() == {(1, SkipReason.TRUNCATED): 1}
    for source, origin, left in ((2, None, 1), (1, "scan", 1), (1, "decode", 0)):  # the others leave it there
        writer.rewrite(
            lambda change, source=source, origin=origin: change.unskip(  # type: ignore[misc]
                source, [("a", b"a.jpg")], origin=origin
            )
        )
        assert len(list(store.skipped())) == left


def test_a_long_skipped_list_is_counted_and_read_without_being_held(
    store: SqliteStore, writer: StoreWriter
) -> None:
    n = 50_000
    reasons = (SkipReason.UNREADABLE, SkipReason.CORRUPT, SkipReason.UNREADABLE)
    detail = "no such file: /a/place/where/nobody/has/been"
    rows = [Skipped(f"{i:06}", f"img/{i:06}.jpg", reasons[i % 3], detail) for i in range(n)]
    writer.rewrite(lambda change: change.skip(1, rows, "scan"))
    tracemalloc.start()
    try:
        counts = store.skip_counts()
        listed = sum(row.id == f"{i:06}" for i, (_, row) in enumerate(store.skipped()))
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    expected = {(1, reason): sum(reasons[i % 3] is reason for i in range(n)) for reason in set(reasons)}
    assert (counts, listed) == (expected, n)
    assert peak_bytes < 60 * n  # a row alone takes 500


def test_reading_the_skipped_list_holds_nobody_up(store: SqliteStore, writer: StoreWriter) -> None:
    names = [f"{number:02}" for number in range(10)]
    for name in names:
        skip(writer, Skipped(name, f"{name}.jpg", SkipReason.CORRUPT, ""))
    reading = store.skipped(block=3)
    assert [next(reading)[1].id for _ in range(3)] == names[:3]
    writer.rewrite(lambda change: change.unskip(1, [("05", b"05.jpg")]))
    skip(writer, Skipped("z", "z.jpg", SkipReason.CORRUPT, ""))
    assert [row.id for _, row in reading] == [*names[3:5], *names[6:], "z"]


def test_a_file_skipped_again_for_another_reason_is_listed_once(
    store: SqliteStore, writer: StoreWriter
) -> None:
    for reason in (SkipReason.CORRUPT, SkipReason.EMPTY_FILE):
        skip(writer, Skipped("a", "a.jpg", reason, "", 1, 2))
    assert list(store.skipped()) == [(1, Skipped("a", "a.jpg", SkipReason.EMPTY_FILE, "", 1, 2))]


def test_a_change_that_is_broken_off_leaves_everything_as_it_was(
    store: SqliteStore, writer: StoreWriter
) -> None:
    writer.add([item("a", 1)])
    skip(writer, Skipped("s", "s.jpg", SkipReason.CORRUPT, ""))
    before = (store.state(), ids(store), list(store.skipped()))

    def apply(change: Change) -> None:
        change.remove_ids(["a"])
        change.insert([item("b")])
        change.skip(1, [Skipped("c", "c.jpg", SkipReason.CORRUPT, "")], "scan")
        change.unskip(1, [("s", b"s.jpg")])
        change.put_source(SourceRecord(1, "x", "/x"))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        writer.rewrite(apply)
    assert (store.state(), ids(store), list(store.skipped())) == before


def test_an_id_that_is_taken_refuses_the_whole_change(store: SqliteStore, writer: StoreWriter) -> None:
    writer.add([item("a", 1)])
    with pytest.raises(DamagedCatalogError):
        writer.rewrite(lambda change: change.insert([item("b"), item("a")]))
    assert ids(store) == ["a"]
    writer.add([item("b")])
    assert ids(store) == ["a", "b"]


def test_an_updated_item_keeps_key_and_vector(store: SqliteStore, writer: StoreWriter) -> None:
    writer.add([item("a", 1), item("b", 2)])
    known = store.item("a")
    assert known is not None
    writer.rewrite(lambda change: change.update(replace(known, id="c", group=None, path=b"other")))
    assert ids(store) == ["b", "c"]
    found = store.item("c")
    assert found is not None
    assert (found.key, found.group, found.path) == (known.key, None, b"other")
    assert store.vectors_of([known.key])[1].tobytes() == item("a", 1).vector


def test_the_sources_and_the_derived_file_are_remembered(store: SqliteStore, writer: StoreWriter) -> None:
    sources = (
        SourceRecord(1, "photos/", "/albums/photos", ".."),
        SourceRecord(3, "more.csv", "/", missing=2),
    )
    writer.set_sources(sources)
    generation = store.state().generation
    writer.set_ann("a record\nof two lines")
    state = store.state()
    assert (state.sources, state.ann, state.generation) == (sources, "a record\nof two lines", generation)


def test_a_reader_does_not_see_a_change_before_it_is_committed(
    store: SqliteStore, writer: StoreWriter
) -> None:
    writer.add([item("a")])

    def apply(change: Change) -> None:
        change.remove_ids(["a"])
        assert ids(store) == ["a"]

    writer.rewrite(apply)
    assert ids(store) == []


def test_a_catalogue_is_made_only_where_nothing_else_is(tmp_path: Path, directory: str) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("mine")
    for place in (tmp_path / "file", tmp_path / "full", Path(directory)):
        with pytest.raises(CatalogExistsError):
            SqliteStore.create(str(place), IDENTITY, FileSystem())
    assert os.listdir(tmp_path / "full") == ["file"]


def test_a_creation_that_was_cut_off_is_no_catalogue_and_can_be_done_again(tmp_path: Path) -> None:
    path = tmp_path / "catalog"
    SqliteStore.create(str(path), IDENTITY, FileSystem()).close()
    (path / MANIFEST_NAME).unlink()
    (path / ".writing-abc").touch()
    assert not is_catalog(str(path))
    with pytest.raises(NoCatalogError):
        SqliteStore(str(path))
    SqliteStore.create(str(path), IDENTITY, FileSystem()).close()
    assert is_catalog(str(path))
    assert not (path / ".writing-abc").exists()


def test_items_without_a_manifest_are_never_overwritten(directory: str, writer: StoreWriter) -> None:
    writer.add([item("a")])
    (Path(directory) / MANIFEST_NAME).unlink()
    with pytest.raises(DamagedCatalogError, match=r"manifest\.json is damaged \(missing\)"):
        SqliteStore(directory)
    with pytest.raises(CatalogExistsError):
        SqliteStore.create(directory, IDENTITY, FileSystem())


def test_another_catalogues_manifest_or_database_is_noticed(tmp_path: Path, directory: str) -> None:
    other = str(tmp_path / "other")
    SqliteStore.create(other, IDENTITY, FileSystem()).close()
    shutil.copy(os.path.join(other, DATABASE_NAME), os.path.join(directory, DATABASE_NAME))
    with pytest.raises(DamagedCatalogError, match="does not belong to"):
        SqliteStore(directory)
    write_manifest(FileSystem(), other, Manifest(IDENTITY))
    with pytest.raises(DamagedCatalogError, match="does not belong to"):
        SqliteStore(other)


def test_a_catalogue_of_the_first_format_is_read(directory: str) -> None:
    """It had neither a name for its database, nor a spec, nor the newer fields of the preprocessing."""
    path = Path(directory) / MANIFEST_NAME
    content = json.loads(path.read_bytes())
    for name in ("encoder_spec", "database", "crc32"):
        del content[name]
    for name in ("fit", "bgr"):
        del content["encoder"]["preprocessing"][name]
    content["format_version"] = 1
    checksum = text_checksum(json.dumps(content, sort_keys=True))
    path.write_text(json.dumps({**content, "crc32": checksum}))
    birth = json.dumps({"catalog_id": content["catalog_id"], "encoder": content["encoder"]}, sort_keys=True)
    with (
        contextlib.closing(sqlite3.connect(os.path.join(directory, DATABASE_NAME))) as connection,
        connection,
    ):
        schema.put_state(connection, "birth", birth)
    store = SqliteStore(directory)
    assert (store.identity, store.encoder_spec) == (IDENTITY, IDENTITY.name)
    store.close()


def test_rows_whose_checksum_is_lost_can_be_removed(directory: str, writer: StoreWriter) -> None:
    """A flipped bit in a page can make every column of its rows NULL."""
    writer.add([item("a", 1), item("b", 2)])
    skip(writer, Skipped("s", "s.jpg", SkipReason.CORRUPT, "detail"))
    path = os.path.join(directory, DATABASE_NAME)
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA writable_schema=ON")
        loose = "replace(replace(sql, 'crc INTEGER NOT NULL', 'crc INTEGER'), 'STRICT', '')"
        connection.execute(f"UPDATE sqlite_schema SET sql={loose}")
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE items SET crc=NULL WHERE key=2")
        connection.execute("UPDATE skipped SET crc=NULL")
    damaged = StoreWriter(path)
    damaged.rewrite(lambda change: change.remove_keys([2]))
    damaged.rewrite(lambda change: change.unskip(1, [("s", b"s.jpg")]))
    damaged.recount()
    damaged.close()
    store = SqliteStore(directory)
    assert [found.id for found in store.items()] == ["a"]
    assert list(store.skipped()) == []
    store.close()


def test_a_missing_database_is_named(directory: str) -> None:
    os.unlink(os.path.join(directory, DATABASE_NAME))
    with pytest.raises(DamagedCatalogError, match=r"catalog\.sqlite is damaged \(missing\)"):
        SqliteStore(directory)


def test_a_closed_store_says_so(directory: str) -> None:
    store = SqliteStore(directory)
    store.close()
    with pytest.raises(UsageError, match="closed"):
        store.item("a")


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("UPDATE vectors SET data=x'00' WHERE key=2", "checksum of the vector of item 'b'"),
        ("UPDATE vectors SET crc=crc+1 WHERE key=2", "checksum of the vector of item 'b'"),
        ("UPDATE items SET path=x'00' WHERE key=2", "checksum of the row of item 'b'"),
        ("UPDATE items SET id='c' WHERE key=2", "checksum of the row of item 'c'"),
        ("UPDATE items SET grp=NULL WHERE key=2", "checksum of the row of item 'b'"),
        ("UPDATE skipped SET detail='other'", "checksum of the skipped file 's'"),
        ("DELETE FROM skipped", "0 skipped files where 1 were written"),
        ("DELETE FROM items WHERE key=2", "items where 3 were written"),
        ("UPDATE state SET value=replace(value, '3', '2') WHERE name='catalog'", "checksum of the state"),
        ("DELETE FROM state", "checksum of the state"),
    ],
)
def test_whatever_is_not_as_it_was_written_is_named_by_whoever_reads_it(
    directory: str, writer: StoreWriter, statement: str, what: str
) -> None:
    writer.add([item("a", 1), item("b", 2), item("d", 3)])
    skip(writer, Skipped("s", "s.jpg", SkipReason.CORRUPT, "detail"))
    connection = sqlite3.connect(os.path.join(directory, DATABASE_NAME))
    connection.execute(statement)
    connection.commit()
    connection.close()
    with pytest.raises(DamagedCatalogError) as caught:
        read_all(directory)
    assert what in str(caught.value)
    assert DATABASE_NAME in str(caught.value)


def read_all(directory: str) -> None:
    store = SqliteStore(directory)
    try:
        list(store.items())
        list(store.vector_blocks())
        list(store.skipped())
        store.state_and_keys()
    finally:
        store.close()
