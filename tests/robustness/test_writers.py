"""Two writers at once, and readers while one writes."""

from __future__ import annotations

import os
import random
import re
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE

import numpy as np
import pytest
from tests.robustness.commands import PATIENCE_S, ROOT, Command, seen, wait_for
from tests.robustness.herd import Herd
from tests.robustness.story import DIMENSION, entry, new_item

import seealike
from seealike import Catalog, IndexOptions, SearchOptions
from seealike.catalog import ann
from seealike.catalog.upkeep import findings
from seealike.errors import CatalogBusyError
from seealike.store import DATABASE_NAME, FileSystem, SqliteStore, StoredItem, StoreWriter, schema
from seealike.store.records import ItemRow
from seealike.testing import FakeEncoder

pytestmark = pytest.mark.skipif(os.name == "nt", reason="processes are started in groups of their own")


@pytest.fixture
def herd(tmp_path: Path) -> Herd:
    return Herd(tmp_path / "photos", random.Random(4), 60)


def start_slow_index(herd: Herd, catalog: Path, slow_s: float = 0.3, until: Path | None = None) -> Command:
    """An ``index`` in another process, in the midst of its work."""
    command = Command(
        "index", str(herd.folder), "--catalog", str(catalog), "--workers", "1", slow_s=slow_s, until=until
    )
    wait_for(lambda: len(seen(catalog)) > 0)
    return command


def test_the_second_writer_is_told_at_once_who_holds_the_catalogue(herd: Herd, tmp_path: Path) -> None:
    catalog = tmp_path / "catalog"
    go_on = tmp_path / "go on"
    first = start_slow_index(herd, catalog, slow_s=PATIENCE_S, until=go_on)
    with seealike.open(catalog, encoder=FakeEncoder()) as second:
        with pytest.raises(CatalogBusyError, match=rf"process {first.process_id} on .* since \d\d:\d\d:\d\d"):
            second.index(herd.folder)
        assert second.generation > 0  # reading goes on
    code, _, err = Command("index", str(herd.folder), "--catalog", str(catalog)).finish()
    assert code == 1
    assert re.fullmatch(rf"seealike: .* is being written by process {first.process_id} on .*\n", err)
    go_on.touch()
    assert first.finish()[0] == 0
    assert seen(catalog) == herd.tags()


def test_the_second_writer_waits_if_it_is_told_to(herd: Herd, tmp_path: Path) -> None:
    catalog = tmp_path / "catalog"
    first = start_slow_index(herd, catalog)
    herd.add()
    with seealike.open(catalog, encoder=FakeEncoder()) as second:
        report = second.index(herd.folder, options=IndexOptions(wait_s=500, workers=1))
    assert first.finish()[0] == 0
    assert report.added >= 1
    assert seen(catalog) == herd.tags()


def test_a_dead_holders_lock_is_free(herd: Herd, tmp_path: Path) -> None:
    catalog = tmp_path / "catalog"
    first = start_slow_index(herd, catalog)
    first.kill()
    with seealike.open(catalog, encoder=FakeEncoder()) as second:
        second.index(herd.folder, options=IndexOptions(workers=1))
    assert seen(catalog) == herd.tags()


def test_two_creations_at_once_make_one_sound_catalogue(tmp_path: Path) -> None:
    code = (
        "import sys, seealike; from seealike.testing import FakeEncoder\n"
        "encoder = FakeEncoder(); print('ready', flush=True); sys.stdin.readline()\n"
        "try: seealike.create(sys.argv[1], encoder=encoder).close()\n"
        "except seealike.errors.CatalogExistsError: sys.exit(7)\n"
    )
    path = tmp_path / "new" / "catalog"
    rivals = [
        subprocess.Popen([sys.executable, "-c", code, str(path)], stdin=PIPE, stdout=PIPE, cwd=ROOT)
        for _ in range(3)
    ]
    for rival in rivals:
        assert rival.stdout is not None
        assert rival.stdout.readline() == b"ready\n"
    for rival in rivals:
        assert rival.stdin is not None
        rival.stdin.write(b"\n")
        rival.stdin.flush()
    for rival in rivals:
        rival.communicate()
    assert sorted(rival.returncode for rival in rivals) == [0, 7, 7]
    seealike.open(path, encoder=FakeEncoder()).close()


def test_threads_of_one_process_write_one_after_the_other(tmp_path: Path) -> None:
    encoder = FakeEncoder()
    seealike.create(tmp_path / "catalog", encoder=encoder).close()
    pixels = np.random.default_rng(1).integers(0, 256, (16, 40, 40, 3)).astype(np.uint8)
    catalogs = [seealike.open(tmp_path / "catalog", encoder=encoder) for _ in range(2)]
    errors: list[BaseException] = []

    def work(catalog: Catalog, rows: range) -> None:
        try:
            for row in rows:
                catalog.add(f"item {row}", pixels[row])
        except BaseException as exc:
            errors.append(exc)

    ranges = (range(4), range(4, 8), range(8, 12), range(12, 16))
    threads = [
        threading.Thread(target=work, args=(catalogs[number % 2], rows)) for number, rows in enumerate(ranges)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(catalogs[0]) == len(catalogs[1]) == 16
    for catalog in catalogs:
        catalog.close()


def test_readers_see_whole_generations_while_another_process_writes(tmp_path: Path) -> None:
    """The other process replaces every item by its next version, again and again, in one step each."""
    encoder = FakeEncoder(dimension=DIMENSION)
    SqliteStore.create(str(tmp_path / "catalog"), encoder.identity, FileSystem()).close()
    writer = subprocess.Popen(
        [sys.executable, "-m", "tests.robustness.rewriting", str(tmp_path / "catalog")],
        cwd=ROOT,
        stdin=PIPE,
    )
    versions: list[set[int]] = [set(), set()]
    errors: list[BaseException] = []
    with seealike.open(tmp_path / "catalog", encoder=encoder) as catalog:
        wait_for(lambda: len(catalog) > 0)

        def read(found: set[int]) -> None:
            try:
                while len(found) < 4:
                    found.add(version_of(catalog))
            except BaseException as exc:
                errors.append(exc)

        threads = [threading.Thread(target=read, args=(found,)) for found in versions]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    writer.communicate()
    assert writer.returncode == 0
    assert errors == []


def version_of(catalog: Catalog) -> int:
    """The one version that everything belongs to, in a listing, in a search and in the vectors."""
    ids, vectors = catalog.vectors()
    labels = {item.group for item in catalog.items()}
    assert len(labels) == 1
    version = labels_of(ids, vectors)
    hits = catalog.search_vectors(vectors[:1], len(ids), options=SearchOptions(pictures=True))[0]
    assert len({hit.group for hit in hits}) == 1
    assert sorted(hit.id for hit in hits) == ids
    return version


def labels_of(ids: list[str], vectors: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> int:
    for version in range(1000):
        expected = [np.frombuffer(entry(name, version).vector, np.float16).astype(np.float32) for name in ids]
        if np.allclose(expected[0], vectors[0], atol=1e-3):
            assert np.allclose(expected, vectors, atol=1e-3)
            return version
    raise AssertionError("the vectors belong to no version")


def test_verify_finds_no_damage_in_what_others_write_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every item is replaced, and so gets a new key, whenever rows have been read."""
    encoder = FakeEncoder(dimension=DIMENSION)
    path = str(tmp_path / "catalog")
    SqliteStore.create(path, encoder.identity, FileSystem()).close()
    ids = [f"item {number:02}" for number in range(20)]
    writer, version = StoreWriter(os.path.join(path, DATABASE_NAME)), iter(range(1000))

    def write() -> None:
        now = next(version)
        writer.add([new_item(item_id, entry(item_id, now)) for item_id in (*ids, f"more {now}")])

    def from_row(row: ItemRow) -> StoredItem | None:
        write()
        return original(row)

    def damage(directory: str, record: str) -> str | None:
        """What is damaged in the snapshot: another has taken its place, the first time."""
        found = original_damage(directory, record)
        if record == "first":
            writer.set_ann(None)
        return found

    write()
    original, original_damage = StoredItem.from_row, ann.damage
    monkeypatch.setattr(StoredItem, "from_row", staticmethod(from_row))
    monkeypatch.setattr(ann, "damage", damage)
    monkeypatch.setattr(findings, "BLOCK", 7)
    writer.connection.execute("PRAGMA busy_timeout=1000")
    writer.set_ann("first")
    with seealike.open(path, encoder=encoder) as catalog:
        assert catalog.verify().findings == ()
    writer.close()
    assert next(version) > 5


def test_verify_holds_nobody_up_for_longer_than_a_block_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it reads of rows between two commits is bounded, however many there are."""
    encoder = FakeEncoder(dimension=DIMENSION)
    path = str(tmp_path / "catalog")
    SqliteStore.create(path, encoder.identity, FileSystem()).close()
    writer = StoreWriter(os.path.join(path, DATABASE_NAME))
    writer.add([new_item(f"{number:03}", entry(f"{number:03}", 0)) for number in range(100)])
    writer.close()
    monkeypatch.setattr(findings, "BLOCK", 10)
    read: list[int] = []
    original = findings._blocks

    def blocks(connection: sqlite3.Connection) -> Iterator[tuple[list[ItemRow], list[ItemRow]]]:
        for items, vectors in original(connection):
            assert not connection.in_transaction
            read.append(max(len(items), len(vectors)))
            yield items, vectors

    monkeypatch.setattr(findings, "_blocks", blocks)
    with seealike.open(path, encoder=encoder) as catalog:
        assert catalog.verify().ok
    assert sum(read) == 100
    assert max(read) == 10


@pytest.mark.skipif(schema.wal_is_safe(sqlite3.sqlite_version_info[:3]), reason="nobody waits with WAL")
def test_a_writer_says_that_a_reader_keeps_it_waiting_and_a_reader_that_a_commit_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "BUSY_TIMEOUT_S", 0.05)
    encoder = FakeEncoder(dimension=DIMENSION)
    path = str(tmp_path / "catalog")
    SqliteStore.create(path, encoder.identity, FileSystem()).close()
    database = os.path.join(path, DATABASE_NAME)
    writer = StoreWriter(database)
    writer.connection.execute("PRAGMA busy_timeout=50")
    reader = schema.connect(database)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM items").fetchone()
    with pytest.raises(
        CatalogBusyError, match=r"is being read by a process that keeps it, perhaps paused; try"
    ):
        writer.add([new_item("one", entry("one", 0))])
    reader.execute("COMMIT")
    writer.add([new_item("one", entry("one", 0))])
    with seealike.open(path, encoder=encoder) as catalog:
        writer.connection.execute("BEGIN EXCLUSIVE")
        with pytest.raises(
            CatalogBusyError, match=r"whose commit takes long, or waits for a paused reader; try"
        ):
            catalog.vectors()
        writer.connection.execute("ROLLBACK")
        assert catalog.vectors()[0] == ["one"]
    reader.close()
    writer.close()
