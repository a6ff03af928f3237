"""Signatures of items: made while indexing, or later without encoding, and kept with the item."""

from __future__ import annotations

import json
import shutil
import sqlite3
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.pictures import picture, write_pictures

import seealike
from seealike.catalog import verify
from seealike.catalog.sync import signing
from seealike.errors import DamagedCatalogError
from seealike.images import DecodeLimits, decode, prepare
from seealike.testing import FakeEncoder
from seealike.types import Float32Array, PixelArray, Progress, Signature

PREPROCESSING = FakeEncoder().preprocessing


class Unwilling(FakeEncoder):
    """Encodes nothing."""

    def _project(self, pixels: PixelArray) -> Float32Array:
        raise AssertionError(f"{len(pixels)} pictures were encoded anew")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    write_pictures(folder, range(12))
    return folder


@pytest.fixture
def catalog(tmp_path: Path, photos: Path) -> Iterator[seealike.Catalog]:
    with seealike.create(tmp_path / "c", encoder=FakeEncoder()) as made:
        made.index(photos)
        yield made


def truth(folder: Path) -> dict[str, Signature]:
    """What the pictures of a folder have by themselves."""
    found = {}
    for path in sorted(folder.iterdir()):
        found[path.name] = decode(path.read_bytes(), PREPROCESSING, DecodeLimits()).signature
    return found


def change(directory: Path, *statements: str) -> None:
    connection = sqlite3.connect(directory / "catalog.sqlite", isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    connection.close()


def make_fourth_format(directory: Path) -> None:
    """As a catalogue was before there were signatures."""
    change(directory, "DROP TABLE signatures", "PRAGMA user_version=4")
    connection = sqlite3.connect(directory / "catalog.sqlite", isolation_level=None)
    state = json.loads(connection.execute("SELECT value FROM state WHERE name='catalog'").fetchone()[0])
    del state["signed"]
    for name, value in (("catalog", json.dumps(state, sort_keys=True)), ("format", "4")):
        row = (value, zlib.crc32(value.encode()), name)
        connection.execute("UPDATE state SET value=?, crc=? WHERE name=?", row)
    connection.close()


def test_every_indexed_picture_has_the_signature_of_its_file(catalog: seealike.Catalog, photos: Path) -> None:
    assert dict(catalog.signatures()) == truth(photos)
    image = picture(33)
    catalog.add("by hand", image)
    assert dict(catalog.signatures())["by hand"] == prepare(image, PREPROCESSING).signature
    assert catalog.verify().ok


def test_a_signature_follows_its_item_and_no_other(catalog: seealike.Catalog, photos: Path) -> None:
    (photos / "003.jpg").rename(photos / "moved.jpg")
    picture(77).save(photos / "004.jpg")
    (photos / "005.jpg").unlink()
    catalog.index()
    catalog.remove(["007.jpg"])
    known = truth(photos)
    del known["007.jpg"]
    assert dict(catalog.signatures()) == known
    assert catalog.verify().ok


def test_a_catalogue_of_before_gets_signatures_by_the_next_index_and_encodes_nothing(
    tmp_path: Path, photos: Path
) -> None:
    with seealike.create(tmp_path / "c", encoder=FakeEncoder()) as made:
        made.index(photos)
        made.add("by hand", picture(50))
        made.add("a file", photos / "002.jpg")
        before = made.vectors()
    make_fourth_format(tmp_path / "c")
    with seealike.open(tmp_path / "c", encoder=Unwilling()) as catalog:
        assert set(dict(catalog.signatures()).values()) == {None}
        assert catalog.verify().ok
        stages: list[Progress] = []
        report = catalog.index(progress=stages.append)
        assert (report.signed, report.unchanged, report.changed) == (13, 12, 0)
        assert stages[-1] == Progress("signatures", 13, 14)
        known = truth(photos)
        assert dict(catalog.signatures()) == {**known, "a file": known["002.jpg"], "by hand": None}
        ids, vectors = catalog.vectors()
        assert (ids, vectors.tobytes()) == (before[0], before[1].tobytes())
        assert catalog.index().signed == 0
        assert catalog.verify().ok


def test_a_file_that_is_no_longer_the_picture_of_its_item_changes_nothing(
    tmp_path: Path, catalog: seealike.Catalog, photos: Path
) -> None:
    catalog.add("broken", photos / "001.jpg")
    catalog.add("other size", photos / "002.jpg")
    catalog.add("gone", photos / "003.jpg")
    catalog.close()
    make_fourth_format(tmp_path / "c")
    kept = truth(photos)
    hand = tmp_path / "hand"
    shutil.copytree(photos, hand)
    (photos / "001.jpg").write_bytes(b"no picture")
    picture(2, size=(50, 60)).save(photos / "002.jpg")
    (photos / "003.jpg").unlink()
    with seealike.open(tmp_path / "c", encoder=FakeEncoder()) as opened:
        report = opened.index()
        assert (report.signed, report.updated, report.removed) == (9, 1, 2)
        found = dict(opened.signatures())
        assert [found[name] for name in ("broken", "other size", "gone")] == [None] * 3
        assert found["004.jpg"] == kept["004.jpg"]
        assert opened.verify().ok


def test_an_interrupted_run_keeps_what_it_has_signed_and_the_next_one_goes_on(
    tmp_path: Path, catalog: seealike.Catalog, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog.close()
    make_fourth_format(tmp_path / "c")
    monkeypatch.setattr(signing, "COMMIT_ITEMS", 1)
    monkeypatch.setattr(signing, "DECODE_BATCH", 2)

    def interrupt(progress: Progress) -> None:
        if progress.stage == "signatures":
            raise KeyboardInterrupt

    with seealike.open(tmp_path / "c", encoder=Unwilling()) as opened:
        with pytest.raises(KeyboardInterrupt):
            opened.index(progress=interrupt)
        first = sum(signature is not None for _, signature in opened.signatures())
        assert 0 < first < 12
        assert opened.verify().ok
        assert opened.index().signed == 12 - first
        assert dict(opened.signatures()) == truth(photos)


def test_a_damaged_signature_is_named_removed_by_repair_and_made_anew(
    tmp_path: Path, catalog: seealike.Catalog, photos: Path
) -> None:
    catalog.close()
    change(tmp_path / "c", "UPDATE signatures SET colour=zeroblob(87) WHERE key=3")
    with seealike.open(tmp_path / "c", encoder=FakeEncoder()) as opened:
        with pytest.raises(DamagedCatalogError, match=r"signature of item '002\.jpg'"):
            dict(opened.signatures())
        assert not opened.verify().ok
        assert len(opened.search(photos / "002.jpg", k=3)) == 3  # nothing else is concerned
        report = opened.verify(repair=True)
        assert (report.items, report.ok) == (12, True)
        assert opened.index().signed == 1
        assert dict(opened.signatures()) == truth(photos)


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM signatures WHERE key=5",
        "INSERT INTO signatures SELECT 99, colour, hash, crc FROM signatures LIMIT 1",
    ],
)
def test_signatures_that_are_lost_or_too_many_are_noticed(
    tmp_path: Path, catalog: seealike.Catalog, photos: Path, damage: str
) -> None:
    catalog.close()
    change(tmp_path / "c", damage)
    assert not verify(tmp_path / "c").ok
    assert verify(tmp_path / "c", repair=True).ok
    with seealike.open(tmp_path / "c", encoder=FakeEncoder()) as opened:
        opened.index()
        assert dict(opened.signatures()) == truth(photos)
        assert opened.verify().ok


def test_a_repair_that_makes_the_database_anew_keeps_signatures(
    tmp_path: Path, catalog: seealike.Catalog, photos: Path
) -> None:
    catalog.close()
    change(tmp_path / "c", "UPDATE state SET crc=crc+1 WHERE name='catalog'")
    assert verify(tmp_path / "c", repair=True).items == 12
    with seealike.open(tmp_path / "c", encoder=FakeEncoder()) as opened:
        assert dict(opened.signatures()) == truth(photos)
        assert opened.verify().ok
