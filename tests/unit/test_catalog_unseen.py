"""What a source could not look at stays in the catalogue; what it looked at and refused goes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.pictures import write_pictures

import seealike
from seealike.testing import FakeEncoder
from seealike.types import SkipReason


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[seealike.Catalog]:
    with seealike.create(tmp_path / "catalog", encoder=FakeEncoder()) as made:
        yield made


def ids_of(catalog: seealike.Catalog) -> list[str]:
    return [item.id for item in catalog.items()]


def refusing(real: Callable[..., object], error: type[OSError], *names: str) -> Callable[..., object]:
    """A function of the file system that refuses paths which end in one of the names."""

    def call(path: str, *arguments: object, **options: object) -> object:
        if os.fspath(path).endswith(names):
            raise error(13 if error is PermissionError else 2, "refused", path)
        return real(path, *arguments, **options)

    return call


def write_rows(folder: Path, **paths: str) -> Path:
    table = folder / "t.csv"
    rows = "".join(f"{name.replace('__', '/')},{path}\n" for name, path in paths.items())
    table.write_text(f"id,path\n{rows}", encoding="utf-8")
    return table


def test_a_row_that_now_names_a_folder_loses_its_picture_and_shields_nothing_below_it(
    catalog: seealike.Catalog, tmp_path: Path
) -> None:
    write_pictures(tmp_path / "p", range(6))
    rest = {f"rest{number}": f"p/00{number}.jpg" for number in range(2, 6)}
    catalog.index(write_rows(tmp_path, p="p/000.jpg", p__001="p/001.jpg", **rest))
    assert set(ids_of(catalog)) == {"p", "p/001", *rest}
    report = catalog.index(write_rows(tmp_path, p="p", **rest))
    assert set(ids_of(catalog)) == set(rest)
    assert report.removed == 2
    (skipped,) = catalog.skipped()
    assert (skipped.id, skipped.reason) == ("p", SkipReason.NOT_AN_IMAGE)
    assert skipped.detail == "line 2: a folder, not a file"


def test_a_row_that_could_not_be_looked_at_keeps_its_picture_and_no_other(
    catalog: seealike.Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pictures(tmp_path / "p", range(6))
    rest = {f"rest{number}": f"p/00{number}.jpg" for number in range(2, 6)}
    catalog.index(write_rows(tmp_path, p="p/000.jpg", p__001="p/001.jpg", **rest))
    monkeypatch.setattr(os, "lstat", refusing(os.lstat, PermissionError, "000.jpg"))
    catalog.index(write_rows(tmp_path, p="p/000.jpg", **rest))
    assert set(ids_of(catalog)) == {"p", *rest}
    (skipped,) = catalog.skipped()
    assert (skipped.id, skipped.reason) == ("p", SkipReason.UNREADABLE)
    assert skipped.detail == f"line 2: refused: {tmp_path / 'p' / '000.jpg'}"
    monkeypatch.undo()
    catalog.index(tmp_path / "t.csv")
    assert catalog.skipped() == []


def test_what_lies_in_a_folder_that_cannot_be_read_stays(
    catalog: seealike.Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("a", "locked", "locked too"):
        write_pictures(tmp_path / "photos" / folder, range(2))
    catalog.index(tmp_path / "photos")
    before = ids_of(catalog)
    (tmp_path / "photos" / "locked too" / "000.jpg").unlink()
    monkeypatch.setattr(os, "scandir", refusing(os.scandir, PermissionError, "locked"))
    catalog.index(tmp_path / "photos")
    assert ids_of(catalog) == [name for name in before if name != "locked too/000.jpg"]
    assert [(row.id, row.reason) for row in catalog.skipped()] == [("locked", SkipReason.UNREADABLE)]


@pytest.mark.skipif(os.name == "nt", reason="a listing tells all there")
def test_what_vanishes_while_a_folder_is_walked_is_settled_by_the_next_run(
    catalog: seealike.Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = tmp_path / "photos"
    write_pictures(photos / "a", range(4))
    write_pictures(photos / "nas", range(2))
    catalog.index(photos)
    before = ids_of(catalog)
    monkeypatch.setattr(os, "scandir", refusing(os.scandir, FileNotFoundError, "nas"))
    catalog.index(photos)
    assert ids_of(catalog) == before
    monkeypatch.undo()
    for path in (photos / "nas").iterdir():
        path.unlink()
    (photos / "nas").rmdir()
    assert catalog.index(photos).removed == 2
    assert catalog.skipped() == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_picture_that_became_a_named_pipe_or_a_link_to_nothing_leaves(
    catalog: seealike.Catalog, tmp_path: Path
) -> None:
    paths = write_pictures(tmp_path / "photos", range(6))
    catalog.index(tmp_path / "photos")
    for path in paths[:2]:
        path.unlink()
    os.mkfifo(paths[0])
    paths[1].symlink_to("nowhere")
    report = catalog.index(tmp_path / "photos")
    assert (report.removed, report.missing) == (2, 0)
    assert {row.id: row.reason for row in catalog.skipped()} == {
        "000.jpg": SkipReason.NOT_AN_IMAGE,
        "001.jpg": SkipReason.UNREADABLE,
    }
