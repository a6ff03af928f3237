"""Several sources in one catalogue: each sync touches its own items, and none is taken for another."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.pictures import picture, write_pictures

import seealike
from seealike import IndexOptions, IndexReport, SkipReason
from seealike.catalog.sync import sources as known_sources
from seealike.errors import SourceError, UnreadSourcesError, UsageError
from seealike.images import DecodeLimits
from seealike.store import SqliteStore, schema
from seealike.testing import FakeEncoder
from seealike.types import Progress, Skipped, SourceItem, Unseen


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[seealike.Catalog]:
    with seealike.create(tmp_path / "c", encoder=FakeEncoder()) as catalog:
        yield catalog


def counts(report: IndexReport) -> dict[str, int]:
    names = ("added", "updated", "moved", "removed", "unchanged", "missing")
    return {name: getattr(report, name) for name in names if getattr(report, name)}


def files_of(*folders: Path) -> list[str]:
    return sorted(str(path) for folder in folders for path in folder.iterdir())


def test_a_second_source_adds_its_items_and_touches_no_other(
    catalog: seealike.Catalog, tmp_path: Path
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    write_pictures(one, range(4))
    write_pictures(two, range(10, 12))
    assert counts(catalog.index(one)) == {"added": 4}
    for _ in range(3):
        catalog.index(two)
        assert sorted(item.path or "" for item in catalog.items()) == files_of(one, two)
    (one / "001.jpg").unlink()
    (two / "010.jpg").unlink()
    assert counts(catalog.index(one)) == {"removed": 1, "unchanged": 3}
    assert "010.jpg" in catalog  # its source has not been looked at
    assert counts(catalog.index()) == {"removed": 1, "unchanged": 4}
    assert sorted(item.path or "" for item in catalog.items()) == files_of(one, two)
    assert [(source.place, source.items) for source in catalog.sources()] == [(str(one), 3), (str(two), 1)]


def test_an_id_that_another_source_uses_is_reported_or_told_apart_with_a_prefix(
    catalog: seealike.Catalog, tmp_path: Path
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    write_pictures(one, range(2))
    write_pictures(two, range(1, 3))
    catalog.index(one)
    before = dict(zip(*catalog.vectors(), strict=True))
    report = catalog.index(two)
    assert counts(report) == {"added": 1}
    (refused,) = report.skipped
    assert (refused.id, refused.reason, refused.path) == (
        "001.jpg",
        SkipReason.DUPLICATE_ID,
        str(two / "001.jpg"),
    )
    np.testing.assert_array_equal(dict(zip(*catalog.vectors(), strict=True))["001.jpg"], before["001.jpg"])
    report = catalog.index(two, options=IndexOptions(prefix="two/"))
    assert counts(report) == {"added": 1, "moved": 1}
    assert report.skipped == ()
    assert [item.id for item in catalog.items()] == ["000.jpg", "001.jpg", "two/001.jpg", "two/002.jpg"]
    assert counts(catalog.index(two)) == {"unchanged": 2}  # the prefix is remembered
    assert [source.prefix for source in catalog.sources()] == ["", "two/"]


def test_an_id_is_free_again_when_its_source_gives_it_up(catalog: seealike.Catalog, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    write_pictures(one, range(3))
    write_pictures(two, range(1))
    catalog.index(one)
    catalog.index(two)
    (one / "000.jpg").unlink()
    catalog.index(one)
    assert counts(catalog.index(two)) == {"added": 1}
    assert catalog.item("000.jpg").path == str(two / "000.jpg")


def test_two_versions_of_a_folder_with_equal_names_sizes_and_times_are_two_sources(
    catalog: seealike.Catalog, tmp_path: Path
) -> None:
    for version, number in (("v1", 3), ("v2", 5)):
        path = tmp_path / version / "a.bmp"
        path.parent.mkdir()
        picture(number).save(path)
        os.utime(path, ns=(1, 1))
    assert (tmp_path / "v1" / "a.bmp").stat().st_size == (tmp_path / "v2" / "a.bmp").stat().st_size
    catalog.index(tmp_path / "v1", options=IndexOptions(prefix="v1/"))
    assert counts(catalog.index(tmp_path / "v2", options=IndexOptions(prefix="v2/"))) == {"added": 1}
    for version in ("v1", "v2"):
        hit = catalog.search(tmp_path / version / "a.bmp", 1)[0]
        assert (hit.id, hit.path) == (f"{version}/a.bmp", str(tmp_path / version / "a.bmp"))
        assert hit.score == pytest.approx(1.0, abs=1e-4)


def test_items_that_were_kept_are_not_removed_later_without_being_told_to(
    catalog: seealike.Catalog, tmp_path: Path
) -> None:
    photos, aside = tmp_path / "photos", tmp_path / "aside"
    write_pictures(photos, range(10))
    catalog.index(photos)
    aside.mkdir()
    for number in range(8):
        shutil.move(photos / f"{number:03}.jpg", aside)
    for _ in range(3):
        assert counts(catalog.index(photos)) == {"unchanged": 2, "missing": 8}
    for number in range(6):  # most come back, two do not
        shutil.move(aside / f"{number:03}.jpg", photos)
    for _ in range(2):
        assert counts(catalog.index(photos)) == {"unchanged": 8, "missing": 2}
    assert catalog.sources()[0].missing == 2
    shutil.move(aside / "006.jpg", photos)
    shutil.move(aside / "007.jpg", photos)
    assert counts(catalog.index(photos)) == {"unchanged": 10}
    (photos / "000.jpg").unlink()  # whole again: what goes now, goes
    assert counts(catalog.index(photos)) == {"removed": 1, "unchanged": 9}


def test_a_share_is_of_what_could_be_looked_for(catalog: seealike.Catalog, tmp_path: Path) -> None:
    """Nine of ten items below a folder that cannot be read must not hide that all the others are gone."""

    class Shielded:
        root, label = str(tmp_path / "photos"), "shielded"

        def scan(self) -> Iterator[SourceItem | Skipped]:
            path = str(tmp_path / "photos" / "dir")
            yield Unseen("dir", path, SkipReason.UNREADABLE, "no permission", below=True)

    class Everything(Shielded):
        def scan(self) -> Iterator[SourceItem | Skipped]:
            for path in sorted((tmp_path / "photos").rglob("*.jpg")):
                status = path.stat()
                name = path.relative_to(tmp_path / "photos").as_posix()
                yield SourceItem(name, str(path), status.st_size, status.st_mtime_ns)

    write_pictures(tmp_path / "photos" / "dir", range(9))
    write_pictures(tmp_path / "photos", range(10, 12))
    assert counts(catalog.index(Everything())) == {"added": 11}
    assert counts(catalog.index(Shielded())) == {"missing": 2}


def test_a_forgotten_source_takes_its_items_along_and_no_others(
    catalog: seealike.Catalog, tmp_path: Path
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    write_pictures(one, range(3))
    write_pictures(two, range(3, 5))
    (two / "broken.jpg").write_bytes(b"no picture")
    catalog.index(one)
    catalog.index(two)
    catalog.add("by hand", picture(9))
    with pytest.raises(SourceError, match="no source of the catalogue is called"):
        catalog.forget(tmp_path / "three")
    assert catalog.forget(two) == 2
    assert [item.id for item in catalog.items()] == ["000.jpg", "001.jpg", "002.jpg", "by hand"]
    assert catalog.skipped() == []
    assert [source.place for source in catalog.sources()] == [str(one)]
    assert len(files_of(two)) == 3  # on the disk nothing is touched
    assert catalog.verify().ok
    assert counts(catalog.index(two)) == {"added": 2}


def test_bringing_all_sources_up_to_date_goes_on_after_one_that_cannot_be_read(
    catalog: seealike.Catalog, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="no source yet"):
        catalog.index()
    one, two = tmp_path / "one", tmp_path / "two"
    write_pictures(one, range(2))
    write_pictures(two, range(2, 4))
    catalog.index(one)
    catalog.index(two)
    shutil.move(one, tmp_path / "elsewhere")
    write_pictures(two, range(4, 5))
    with pytest.raises(UnreadSourcesError, match="there is no") as failed:
        catalog.index()
    assert failed.value.report is not None
    assert counts(failed.value.report) == {"added": 1, "unchanged": 2}
    assert [item.id for item in catalog.items()] == [f"{number:03}.jpg" for number in range(5)]
    with pytest.raises(UsageError, match="for one source"):
        catalog.index(options=IndexOptions(prefix="x"))


def test_the_root_and_the_table_of_a_source_are_remembered(catalog: seealike.Catalog, tmp_path: Path) -> None:
    write_pictures(tmp_path / "images", range(3))
    table = tmp_path / "lists" / "products.csv"
    table.parent.mkdir()
    table.write_text("path\n000.jpg\n001.jpg\n", "utf-8")
    assert catalog.index(table).usable == 0
    assert counts(catalog.index(table, options=IndexOptions(root=tmp_path / "images"))) == {"added": 2}
    table.write_text("path\n000.jpg\n001.jpg\n002.jpg\n", "utf-8")
    assert counts(catalog.index(table)) == {"added": 1, "unchanged": 2}
    assert counts(catalog.index()) == {"unchanged": 3}
    assert len(catalog.sources()) == 1


def test_another_root_leads_kept_items_where_they_were(catalog: seealike.Catalog, tmp_path: Path) -> None:
    write_pictures(tmp_path / "images", range(3))
    table = tmp_path / "products.csv"
    table.write_text("path\nimages/000.jpg\nimages/001.jpg\nimages/002.jpg\n", "utf-8")
    catalog.index(table)
    table.write_text("path\n000.jpg\n", "utf-8")
    report = catalog.index(table, options=IndexOptions(root=tmp_path / "images"))
    assert counts(report) == {"moved": 1, "missing": 2}
    assert all(os.path.isfile(item.path or "") for item in catalog.items())


def test_a_catalogue_inside_its_source_moves_along_with_it(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    write_pictures(photos, range(3))
    write_pictures(tmp_path / "more", range(3, 5))
    with seealike.create(photos / ".seealike", encoder=FakeEncoder()) as catalog:
        catalog.index(photos)
        catalog.index(tmp_path / "more")
    photos.rename(tmp_path / "moved")
    with seealike.open(tmp_path / "moved" / ".seealike", encoder=FakeEncoder()) as catalog:
        assert all(os.path.isfile(item.path or "") for item in catalog.items())
        assert counts(catalog.index()) == {"unchanged": 5}
        assert counts(catalog.index(tmp_path / "moved")) == {"unchanged": 3}


def test_a_source_reached_by_a_link_is_the_same_source(catalog: seealike.Catalog, tmp_path: Path) -> None:
    write_pictures(tmp_path / "photos", range(2))
    catalog.index(tmp_path / "photos")
    (tmp_path / "link").symlink_to(tmp_path / "photos")
    assert counts(catalog.index(tmp_path / "link")) == {"unchanged": 2}
    assert len(catalog.sources()) == 1


def test_a_catalogue_of_the_first_format_is_migrated(tmp_path: Path) -> None:
    """It is made here as that format was: one source, ``managed`` items, a list of skipped files."""
    photos = tmp_path / "photos"
    write_pictures(photos, range(3))
    (photos / "broken.jpg").write_bytes(b"no picture")
    with seealike.create(tmp_path / "c", encoder=FakeEncoder()) as catalog:
        catalog.index(photos)
        catalog.add("by hand", picture(7))
        before = (list(catalog.items()), catalog.skipped(), catalog.vectors()[1].tobytes())
    make_first_format(tmp_path / "c", label="photos/", root=str(photos))
    with seealike.open(tmp_path / "c", encoder=FakeEncoder()) as catalog:
        assert (list(catalog.items()), catalog.skipped(), catalog.vectors()[1].tobytes()) == before
        assert catalog.verify().ok
        assert [(source.label, source.items, source.skipped) for source in catalog.sources()] == [
            ("photos/", 3, 1)
        ]
        write_pictures(tmp_path / "more", range(10, 11))
        assert counts(catalog.index(tmp_path / "more")) == {"added": 1}
        assert counts(catalog.index()) == {"unchanged": 4}  # its place was guessed from root and label
        assert counts(catalog.index(photos)) == {"unchanged": 3}
        assert [source.place for source in catalog.sources()] == [str(photos), str(tmp_path / "more")]


def make_first_format(directory: Path, *, label: str, root: str) -> None:
    import json
    import sqlite3
    import zlib

    def crc(fields: tuple[object, ...]) -> int:
        return zlib.crc32(json.dumps(fields, default=bytes.hex, separators=(",", ":")).encode())

    connection = sqlite3.connect(directory / "catalog.sqlite", isolation_level=None)
    state = json.loads(connection.execute("SELECT value FROM state WHERE name='catalog'").fetchone()[0])
    rows = connection.execute("SELECT id, path, reason, detail, size, mtime, origin FROM skipped").fetchall()
    connection.execute("DROP INDEX items_of_source")
    connection.execute("ALTER TABLE items RENAME COLUMN source TO managed")
    connection.execute("DROP TABLE skipped")
    connection.execute("DROP TABLE tombstones")
    connection.execute("DROP TABLE signatures")
    connection.execute(
        "CREATE TABLE skipped (id TEXT NOT NULL, path BLOB NOT NULL, reason TEXT NOT NULL, "
        "detail TEXT NOT NULL, size INTEGER, mtime INTEGER, origin TEXT NOT NULL, crc INTEGER NOT NULL, "
        "PRIMARY KEY (id, path)) STRICT, WITHOUT ROWID"
    )
    for row in rows:
        connection.execute("INSERT INTO skipped VALUES (?,?,?,?,?,?,?,?)", (*row, crc(row)))
    for later in ("sources", "counts", "tombstones", "recorded_from", "rewritten", "renamed", "signed"):
        del state[later]
    state |= {
        "source": {"label": label, "root": root, "relative_root": None},
        "skip_sum": sum(crc(row) for row in rows),
    }
    text = json.dumps(state, sort_keys=True)
    for name, value in (("catalog", text), ("format", "1")):
        connection.execute(
            "UPDATE state SET value=?, crc=? WHERE name=?", (value, zlib.crc32(value.encode()), name)
        )
    connection.execute("PRAGMA user_version=1")
    connection.close()


def test_damage_in_an_old_list_of_skipped_files_is_still_found_after_the_migration(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    write_pictures(photos, range(1))
    (photos / "broken.jpg").write_bytes(b"no picture")
    with seealike.create(tmp_path / "c", encoder=FakeEncoder()) as catalog:
        catalog.index(photos)
    make_first_format(tmp_path / "c", label="photos/", root=str(photos))
    import sqlite3

    connection = sqlite3.connect(tmp_path / "c" / "catalog.sqlite", isolation_level=None)
    connection.execute("UPDATE skipped SET detail='forged'")
    connection.close()
    with seealike.open(tmp_path / "c", encoder=FakeEncoder()) as catalog:
        assert not catalog.verify().ok
        assert catalog.verify(repair=True).ok
        assert counts(catalog.index(photos)) == {"unchanged": 1}
        assert [row.id for row in catalog.skipped()] == ["broken.jpg"]


def test_a_change_of_many_rows_is_many_small_transactions(
    catalog: seealike.Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is no write-ahead log, nobody can read while one is written to the disk."""
    from seealike.store import writer

    monkeypatch.setattr(writer, "PART_EDITS", 3)
    monkeypatch.setattr("seealike.store.staging.BLOCK", 2)
    write_pictures(tmp_path, range(10))
    table = tmp_path / "t.csv"

    def write(price: int, missing: int) -> None:
        rows = [f"{number:03}.jpg,{price}" for number in range(10)]
        rows += [f"gone{number}.jpg,{price}" for number in range(missing)]
        table.write_text("path,price\n" + "\n".join(rows), "utf-8")

    write(1, 0)
    catalog.index(table)
    sizes: list[int] = []
    transaction = schema.transaction

    def watched(connection: object, path: str) -> object:
        sizes.append(0)
        return transaction(connection, path)  # type: ignore[arg-type]

    monkeypatch.setattr(schema, "transaction", watched)
    write(2, 7)
    report = catalog.index(table)
    assert (report.updated, report.skipped_count) == (10, 7)
    assert len(sizes) == 6  # ten items and seven files, three at a time
    assert [item.metadata for item in catalog.items()] == [{"price": 2}] * 10
    assert len(catalog.skipped()) == 7
    write(2, 1)
    assert catalog.index(table).skipped_count == 1
    assert catalog.verify().ok


def test_moves_are_found_by_content_with_progress(catalog: seealike.Catalog, tmp_path: Path) -> None:
    paths = write_pictures(tmp_path / "photos", range(20))
    catalog.index(tmp_path / "photos")
    contents = {path.name: path.read_bytes() for path in paths}
    (tmp_path / "photos" / "new").mkdir()
    for path in paths:
        path.rename(tmp_path / "photos" / "new" / f"renamed {path.name}")
    told: list[Progress] = []
    report = catalog.index(tmp_path / "photos", options=IndexOptions(workers=4), progress=told.append)
    assert counts(report) == {"moved": 20}
    for item in catalog.items():
        assert Path(item.path or "").read_bytes() == contents[item.id.removeprefix("new/renamed ")]
    compared = [step for step in told if step.stage == "compare"]
    assert [step.done for step in compared] == list(range(1, 21))
    assert {step.total for step in compared} == {20}


def test_a_report_lists_some_of_very_many_skipped_files_and_counts_all(
    catalog: seealike.Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seealike.catalog.sync.job.SKIPPED_REPORTED", 3)
    monkeypatch.setattr(known_sources, "SKIPPED_REPORTED", 3)
    (tmp_path / "t.csv").write_text("path\n" + "\n".join(f"{number}.jpg" for number in range(8)), "utf-8")
    report = catalog.index(tmp_path / "t.csv")
    assert (report.offered, report.usable, report.skipped_count, len(report.skipped)) == (8, 0, 8, 3)
    assert report.skipped_by_reason == {SkipReason.UNREADABLE: 8}
    assert len(catalog.skipped()) == 8
    assert len(catalog.index().skipped) == 3


def test_a_source_keeps_its_number_and_a_new_one_never_gets_a_used_one(
    catalog: seealike.Catalog, tmp_path: Path
) -> None:
    for name in ("a", "b", "e"):
        write_pictures(tmp_path / name, range(1))
        catalog.index(tmp_path / name, options=IndexOptions(prefix=f"{name}/"))
    catalog.forget(tmp_path / "b")
    write_pictures(tmp_path / "d", range(1))
    catalog.index(tmp_path / "d", options=IndexOptions(prefix="d/"))
    store = SqliteStore(catalog.path)
    assert [source.number for source in store.state().sources] == [1, 3, 4]
    assert store.state().counts == ((1, 1), (3, 1), (4, 1))
    store.close()


def test_what_was_too_large_is_tried_again_where_more_is_allowed_now(
    catalog: seealike.Catalog, tmp_path: Path
) -> None:
    write_pictures(tmp_path / "photos", range(2))
    picture(5, (400, 300)).save(tmp_path / "photos" / "large.png")
    low, high = DecodeLimits(pixels=50_000), DecodeLimits(pixels=500_000)

    def index(limits: DecodeLimits | None) -> dict[str, int]:
        return counts(catalog.index(tmp_path / "photos", options=IndexOptions(limits=limits)))

    assert index(low) == {"added": 2}
    assert [row.reason for row in catalog.skipped()] == [SkipReason.TOO_MANY_PIXELS]
    generation = catalog.generation
    assert index(low) == {"unchanged": 2}
    assert catalog.generation == generation
    assert index(high) == {"added": 1, "unchanged": 2}
    assert catalog.skipped() == []
    assert index(low) == {"unchanged": 3}  # what is known stays: nobody has to open it
    (tmp_path / "photos" / "large2.png").write_bytes((tmp_path / "photos" / "large.png").read_bytes())
    assert index(low) == {"unchanged": 3}
    assert index(None) == {"added": 1, "unchanged": 3}


def test_a_catalogue_of_the_first_format_takes_no_other_source_for_its_own(tmp_path: Path) -> None:
    write_pictures(tmp_path / "a" / "photos", range(3))
    write_pictures(tmp_path / "b" / "photos", range(3))
    with seealike.create(tmp_path / "c", encoder=FakeEncoder()) as catalog:
        catalog.index(tmp_path / "a" / "photos")
    make_first_format(tmp_path / "c", label="photos/", root=str(tmp_path / "a" / "photos"))
    (tmp_path / "a" / "photos" / "t.csv").write_text("path\n000.jpg\n", "utf-8")
    with seealike.open(tmp_path / "c", encoder=FakeEncoder()) as catalog:
        before = catalog.vectors()[1].tobytes()
        assert counts(catalog.index(tmp_path / "b" / "photos")) == {}  # their ids are taken
        report = catalog.index(tmp_path / "a" / "photos" / "t.csv")
        assert (counts(report), report.skipped_by_reason) == ({}, {SkipReason.DUPLICATE_ID: 1})
        assert catalog.vectors()[1].tobytes() == before
        assert [source.items for source in catalog.sources()] == [3, 0, 0]


def test_items_whose_source_is_lost_are_taken_over_by_who_offers_them(tmp_path: Path) -> None:
    """Damage can take the row that lists the sources; repair keeps the items."""
    import sqlite3

    one, two = tmp_path / "one", tmp_path / "two"
    write_pictures(one, range(4))
    write_pictures(two, range(10, 13))
    with seealike.create(tmp_path / "c", encoder=FakeEncoder()) as catalog:
        catalog.index(one)
        catalog.index(two, options=IndexOptions(prefix="b/"))
        before = catalog.vectors()
    connection = sqlite3.connect(tmp_path / "c" / "catalog.sqlite", isolation_level=None)
    connection.execute("UPDATE state SET crc=crc+1 WHERE name='catalog'")
    connection.close()
    assert seealike.catalog.verify(tmp_path / "c", repair=True).items == 7
    with seealike.open(tmp_path / "c", encoder=FakeEncoder()) as catalog:
        assert [item.path for item in catalog.items()] == [None] * 7  # rather than another's
        assert counts(catalog.index(two, options=IndexOptions(prefix="b/"))) == {"unchanged": 3}
        assert counts(catalog.index(one)) == {"unchanged": 4}
        assert [source.items for source in catalog.sources()] == [3, 4]
        assert sorted(item.path or "" for item in catalog.items()) == files_of(one, two)
        assert catalog.vectors()[0] == before[0]
        assert catalog.vectors()[1].tobytes() == before[1].tobytes()
        assert catalog.verify().ok


def test_what_an_interrupted_run_refused_for_its_cost_is_tried_again(
    catalog: seealike.Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seealike.catalog.sync.job.COMMIT_ITEMS", 4)
    write_pictures(tmp_path / "photos", range(60))

    def stop(progress: Progress) -> None:
        if progress.stage == "index" and progress.done:
            raise KeyboardInterrupt

    tiny = IndexOptions(limits=DecodeLimits(pixels=1000), workers=1)
    with pytest.raises(KeyboardInterrupt):
        catalog.index(tmp_path / "photos", options=tiny, progress=stop)
    assert 0 < len(catalog.skipped()) < 60
    catalog.index(tmp_path / "photos")
    assert (len(catalog), catalog.skipped()) == (60, [])


def test_a_name_that_lies_elsewhere_is_not_forgotten_by_its_label(
    catalog: seealike.Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("a", "b"):
        write_pictures(tmp_path / folder / "photos", range(2))
    monkeypatch.chdir(tmp_path / "a")
    catalog.index("photos")
    monkeypatch.chdir(tmp_path / "b")
    with pytest.raises(SourceError, match="no source of the catalogue is called photos"):
        catalog.forget("photos")
    monkeypatch.chdir(tmp_path)
    assert catalog.forget("photos") == 2


def test_a_catalogue_that_moves_without_its_source_still_looks_at_the_old_place(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    write_pictures(photos, range(3))
    write_pictures(tmp_path, range(20, 22))
    with seealike.create(photos / ".seealike", encoder=FakeEncoder()) as catalog:
        catalog.index(photos)
    (photos / ".seealike").rename(tmp_path / "moved.catalog")
    with seealike.open(tmp_path / "moved.catalog", encoder=FakeEncoder()) as catalog:
        assert counts(catalog.index()) == {"unchanged": 3}
        assert [item.path for item in catalog.items()] == files_of(photos)


def test_a_catalogue_behind_a_link_is_not_taken_for_part_of_what_lies_around_it(tmp_path: Path) -> None:
    photos, big = tmp_path / "photos", tmp_path / "big"
    write_pictures(photos, range(3))
    write_pictures(big / "secret", range(20, 22))
    (big / "c").mkdir()
    (photos / ".seealike").symlink_to(big / "c")
    with seealike.create(photos / ".seealike", encoder=FakeEncoder()) as catalog:
        catalog.index(photos)
    with seealike.open(big / "c", encoder=FakeEncoder()) as catalog:
        assert counts(catalog.index()) == {"unchanged": 3}


def test_a_source_that_offers_an_id_twice_is_an_error_of_the_source(
    catalog: seealike.Catalog, tmp_path: Path
) -> None:
    (path,) = write_pictures(tmp_path, range(1))

    class Twice:
        root, label = str(tmp_path), "twice"

        def scan(self) -> Iterator[SourceItem | Skipped]:
            status = path.stat()
            for _ in range(2):
                yield SourceItem("a", str(path), status.st_size, status.st_mtime_ns)

    with pytest.raises(SourceError, match="twice offers two pictures under one id"):
        catalog.index(Twice())
    assert catalog.verify().ok


def test_what_a_source_cannot_be_called_is_said_in_one_line(catalog: seealike.Catalog) -> None:
    with pytest.raises(SourceError, match="NUL"):
        catalog.index("a\0b")
    with pytest.raises(UsageError, match="text or a path"):
        catalog.forget(None)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="prefix"):
        IndexOptions(prefix=3)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="workers"):
        IndexOptions(workers=0)
