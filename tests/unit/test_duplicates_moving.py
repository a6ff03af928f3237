"""Acting on duplicates: moved, never lost, whatever files are called and whatever fails on the way."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.pictures import picture, write_pictures

import seealike
from seealike.duplicates import (
    DuplicateGroup,
    DuplicateOptions,
    Level,
    duplicates_script,
    find_duplicates,
    move_back,
    move_duplicates,
)
from seealike.errors import StorageError, UsageError
from seealike.files import FileSystem
from seealike.testing import FakeEncoder

HOSTILE = [
    "plain.jpg",
    "it's.jpg",
    'a "quoted" $(touch owned) `touch owned`.jpg',
    "-rf.jpg",
    "line\nbreak.jpg",
    "ends in a line break\n",
    "back\\slash\\.jpg",
    "sp ace * ?.jpg",
    "ünï ☃.jpg",
]
EXACT = DuplicateOptions(Level.EXACT)


def contents(folder: Path) -> dict[bytes, str]:
    """Every file by its path, with what it holds."""
    found = {}
    for parent, _, names in os.walk(os.fsencode(folder)):
        for name in names:
            path = os.path.join(parent, name)
            if b".catalog" not in path and b"seealike-moved" not in path:
                with open(path, "rb") as file:
                    found[os.path.relpath(path, os.fsencode(folder))] = hashlib.sha256(
                        file.read()
                    ).hexdigest()
    return found


@pytest.fixture
def twice(tmp_path: Path) -> Iterator[tuple[Path, seealike.Catalog]]:
    """Pictures with hostile names, each in ``a`` and in ``b``."""
    names = [os.fsencode(name) for name in HOSTILE] + (
        [b"not utf-8 \xff\xfe.jpg"] if sys.platform == "linux" else []
    )
    for number, name in enumerate(names):
        for folder in ("a", "b"):
            (tmp_path / "photos" / folder).mkdir(parents=True, exist_ok=True)
            with open(os.path.join(os.fsencode(tmp_path / "photos" / folder), name), "wb") as file:
                picture(number).save(file, "JPEG")
    with seealike.create(tmp_path / "test.catalog", encoder=FakeEncoder()) as catalog:
        catalog.index(tmp_path / "photos")
        yield tmp_path, catalog


def found(catalog: seealike.Catalog) -> tuple[DuplicateGroup, ...]:
    return find_duplicates(catalog, EXACT).groups


def test_whatever_files_are_called_they_move_with_their_folders_and_back(
    twice: tuple[Path, seealike.Catalog],
) -> None:
    folder, catalog = twice
    before = contents(folder)
    groups = found(catalog)
    assert len(groups) == len(before) / 2
    report = move_duplicates(catalog, groups, str(folder / "out"))
    assert (len(report.moved), report.left, report.gone) == (len(groups), (), 0)
    moved = {name.replace(b"photos/b", b"out/b"): digest for name, digest in before.items()}
    assert contents(folder) == moved
    assert report.undo is not None
    back = move_back(report.undo)
    assert (len(back.moved), back.left) == (len(groups), ())
    assert contents(folder) == before
    again = move_back(report.undo)
    assert (again.moved, again.left, again.gone, again.back) == ((), (), 0, len(groups))


def test_a_second_run_moves_nothing_and_index_then_forgets_what_was_moved(
    twice: tuple[Path, seealike.Catalog],
) -> None:
    folder, catalog = twice
    groups = found(catalog)
    move_duplicates(catalog, groups, str(folder / "out"))
    after = contents(folder)
    second = move_duplicates(catalog, found(catalog), str(folder / "out"))
    assert (second.moved, second.left, second.gone) == ((), (), len(groups))
    assert contents(folder) == after
    catalog.index(folder / "photos", options=seealike.IndexOptions(prune_missing=True))
    assert found(catalog) == ()


def test_a_dry_run_says_the_same_and_touches_nothing(twice: tuple[Path, seealike.Catalog]) -> None:
    folder, catalog = twice
    before = contents(folder)
    said = move_duplicates(catalog, found(catalog), str(folder / "out"), dry_run=True)
    assert contents(folder) == before
    assert not (folder / "out").exists()
    assert said.moved == move_duplicates(catalog, found(catalog), str(folder / "out")).moved


def test_a_changed_file_or_a_changed_original_stays_and_is_named(
    twice: tuple[Path, seealike.Catalog],
) -> None:
    folder, catalog = twice
    groups = found(catalog)
    (folder / "photos" / "b" / "plain.jpg").write_bytes(b"changed")
    (folder / "photos" / "a" / "it's.jpg").write_bytes(b"changed")
    report = move_duplicates(catalog, groups, str(folder / "out"))
    assert {os.path.basename(left.path): left.why for left in report.left} == {
        "plain.jpg": "it has changed since it was indexed; run `seealike index`",
        "it's.jpg": "no kept picture of its group is as it was indexed",
    }
    assert (folder / "photos" / "b" / "it's.jpg").exists()


def test_nothing_is_overwritten(twice: tuple[Path, seealike.Catalog]) -> None:
    folder, catalog = twice
    (folder / "out" / "b").mkdir(parents=True)
    (folder / "out" / "b" / "plain.jpg").write_bytes(b"mine")
    report = move_duplicates(catalog, found(catalog), str(folder / "out"))
    assert [os.path.basename(left.path) for left in report.left] == ["plain.jpg"]
    assert (folder / "out" / "b" / "plain.jpg").read_bytes() == b"mine"
    assert (folder / "photos" / "b" / "plain.jpg").exists()


@pytest.mark.parametrize("place", ["photos", "photos/b", "test.catalog/x", "photos/new/deep", "file"])
def test_a_folder_whose_files_would_come_back_or_harm_is_refused(
    place: str, twice: tuple[Path, seealike.Catalog]
) -> None:
    folder, catalog = twice
    (folder / "file").write_text("x")
    before = contents(folder)
    with pytest.raises(UsageError):
        move_duplicates(catalog, found(catalog), str(folder / place))
    assert contents(folder) == before


def test_links_and_second_names_of_the_kept_file_stay(tmp_path: Path) -> None:
    (path,) = write_pictures(tmp_path / "photos", range(1))
    os.link(path, tmp_path / "photos" / "second name.jpg")
    with seealike.create(tmp_path / "test.catalog", encoder=FakeEncoder()) as catalog:
        catalog.index(tmp_path / "photos")
        report = move_duplicates(catalog, found(catalog), str(tmp_path / "out"))
    assert [left.why for left in report.left] == ["it is the kept file itself, under another name"]
    assert len(list((tmp_path / "photos").iterdir())) == 2


def test_an_original_that_changes_while_others_are_moved_keeps_its_copy(
    twice: tuple[Path, seealike.Catalog], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, catalog = twice
    groups, real = found(catalog), os.link

    def changing(source: str, target: str, **more: bool) -> None:
        real(source, target, **more)
        (folder / "photos" / "a" / "plain.jpg").write_bytes(b"changed")

    monkeypatch.setattr(os, "link", changing)
    last = sorted(groups, key=lambda group: "plain" in group.centre)
    report = move_duplicates(catalog, last, str(folder / "out"))
    assert [os.path.basename(left.path) for left in report.left] == ["plain.jpg"]
    assert (folder / "photos" / "b" / "plain.jpg").exists()


def test_a_folder_beside_a_table_is_fine(tmp_path: Path) -> None:
    for path in write_pictures(tmp_path / "photos", range(1)):
        shutil.copy(path, tmp_path / "photos" / "again.jpg")
    (tmp_path / "items.csv").write_text("path\nphotos/000.jpg\nphotos/again.jpg\n")
    with seealike.create(tmp_path / "test.catalog", encoder=FakeEncoder()) as catalog:
        catalog.index(tmp_path / "items.csv")
        report = move_duplicates(catalog, found(catalog), str(tmp_path / "out"))
    assert [target for _, target in report.moved] == [str(tmp_path / "out" / "photos" / "again.jpg")]


class FailingDisk(FileSystem):
    """Refuses the list, or new folders."""

    def __init__(self, refused: str) -> None:
        self._refused = refused

    def write(self, path: str, data: bytes, *, follow: bool = True, durable: bool = True) -> None:
        if self._refused == "list":
            raise StorageError(path, os.strerror(errno.ENOSPC))
        super().write(path, data, follow=follow, durable=durable)

    def make_directory(self, path: str) -> None:
        if self._refused == "folders" and os.path.basename(path) == "b":
            raise StorageError(path, os.strerror(errno.ENOSPC))
        super().make_directory(path)


def test_a_full_disk_before_the_list_is_written_moves_nothing(twice: tuple[Path, seealike.Catalog]) -> None:
    folder, catalog = twice
    before = contents(folder)
    with pytest.raises(StorageError, match="No space left"):
        move_duplicates(catalog, found(catalog), str(folder / "out"), files=FailingDisk("list"))
    assert contents(folder) == before


def test_what_the_disk_refuses_later_stays_and_is_named(twice: tuple[Path, seealike.Catalog]) -> None:
    folder, catalog = twice
    before = contents(folder)
    report = move_duplicates(catalog, found(catalog), str(folder / "out"), files=FailingDisk("folders"))
    assert report.moved == ()
    assert len(report.left) == len(before) / 2
    assert contents(folder) == before


@pytest.mark.parametrize("refused", [errno.EACCES, errno.ENOSPC, errno.EIO])
def test_a_file_that_cannot_be_unlinked_is_there_twice_rather_than_not_at_all(
    refused: int, twice: tuple[Path, seealike.Catalog], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, catalog = twice
    before = contents(folder)
    real = os.unlink

    def failing(path: str, **more: int) -> None:
        if os.path.basename(os.path.dirname(os.fspath(path))) == "b":
            raise OSError(refused, os.strerror(refused), path)
        real(path, **more)

    with monkeypatch.context() as patched:
        patched.setattr(os, "unlink", failing)
        report = move_duplicates(catalog, found(catalog), str(folder / "out"))
    assert report.moved == ()
    assert before.items() <= contents(folder).items()
    ended = move_duplicates(catalog, found(catalog), str(folder / "out"))  # where it was cut off, it goes on
    assert (len(ended.moved), ended.left) == (len(before) / 2, ())
    assert set(contents(folder).values()) == set(before.values())


@pytest.mark.parametrize("after", [0, 1, 4, 9])
def test_an_interruption_loses_nothing_and_the_list_moves_back_what_moved(
    after: int, twice: tuple[Path, seealike.Catalog], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, catalog = twice
    before, real, calls = contents(folder), os.link, []

    def interrupted(source: str, target: str, **more: bool) -> None:
        calls.append(source)
        if len(calls) > after:
            raise KeyboardInterrupt
        real(source, target, **more)

    monkeypatch.setattr(os, "link", interrupted)
    with pytest.raises(KeyboardInterrupt):
        move_duplicates(catalog, found(catalog), str(folder / "out"))
    monkeypatch.undo()
    assert sorted(contents(folder).values()) == sorted(before.values())
    (undo,) = (folder / "out").glob("*.jsonl")
    assert len(move_back(str(undo)).moved) == after
    assert contents(folder) == before


def test_where_a_file_cannot_have_two_names_it_is_copied_and_then_removed(
    twice: tuple[Path, seealike.Catalog], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: str, **__: bool) -> None:
        raise PermissionError(errno.EPERM, "no links here")

    folder, catalog = twice
    before = contents(folder)
    monkeypatch.setattr(os, "link", refused)
    report = move_duplicates(catalog, found(catalog), str(folder / "out"))
    assert (len(report.moved), report.left) == (len(before) / 2, ())
    assert sorted(contents(folder).values()) == sorted(before.values())


# -- links that lead back ----------------------------------------------------------------------------


@pytest.fixture
def table(tmp_path: Path) -> Iterator[tuple[Path, seealike.Catalog]]:
    """A table beside its pictures: photos/000.jpg, and a copy photos/shirts/again.jpg."""
    (path,) = write_pictures(tmp_path / "photos", range(1))
    (tmp_path / "photos" / "shirts").mkdir()
    shutil.copy(path, tmp_path / "photos" / "shirts" / "again.jpg")
    (tmp_path / "photos" / "items.csv").write_text("path\n000.jpg\nshirts/again.jpg\n")
    with seealike.create(tmp_path / "test.catalog", encoder=FakeEncoder()) as catalog:
        catalog.index(tmp_path / "photos" / "items.csv")
        yield tmp_path, catalog


def linked_folder(path: Path, target: Path) -> Path:
    """A folder with a link ``shirts`` that leads elsewhere."""
    path.mkdir()
    (path / "shirts").symlink_to(target, target_is_directory=True)
    return path


def test_a_folder_where_pictures_are_already_is_refused_and_loses_none(
    table: tuple[Path, seealike.Catalog], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, catalog = table
    (folder / "again").symlink_to(folder / "photos", target_is_directory=True)
    before = contents(folder / "photos")
    monkeypatch.chdir(folder / "photos")
    for place in (".", "", str(folder / "photos"), "../photos", str(folder / "again")):
        with pytest.raises(UsageError):
            move_duplicates(catalog, found(catalog), place)
    assert contents(folder / "photos") == before


@pytest.mark.parametrize("leads_to", ["photos/shirts", "elsewhere", "photos"])
def test_a_link_below_the_folder_is_refused_wherever_it_leads(
    leads_to: str, table: tuple[Path, seealike.Catalog]
) -> None:
    folder, catalog = table
    (folder / "elsewhere").mkdir()
    place = linked_folder(folder / "out", folder / leads_to)
    before = contents(folder)
    for dry_run in (True, False):
        with pytest.raises(UsageError):
            move_duplicates(catalog, found(catalog), str(place), dry_run=dry_run)
    assert contents(folder) == before


def test_a_link_that_appears_while_files_are_moved_loses_nothing(
    table: tuple[Path, seealike.Catalog],
) -> None:
    folder, catalog = table

    class LinkingDisk(FileSystem):
        def write(self, path: str, data: bytes, *, follow: bool = True, durable: bool = True) -> None:
            super().write(path, data, follow=follow, durable=durable)
            (folder / "out" / "shirts").symlink_to(folder / "photos" / "shirts", target_is_directory=True)

    before = contents(folder / "photos")
    report = move_duplicates(catalog, found(catalog), str(folder / "out"), files=LinkingDisk())
    assert (report.moved, len(report.left)) == ((), 1)
    assert contents(folder / "photos") == before


@pytest.mark.parametrize("names", [1, 2])
def test_a_link_that_leads_back_is_no_move_that_was_cut_off_when_it_is_undone(
    names: int, table: tuple[Path, seealike.Catalog]
) -> None:
    folder, catalog = table
    report = move_duplicates(catalog, found(catalog), str(folder / "out"))
    assert report.undo is not None
    (folder / "photos" / "shirts").rmdir()
    (folder / "photos" / "shirts").symlink_to(folder / "out" / "shirts", target_is_directory=True)
    if names == 2:
        os.link(folder / "out" / "shirts" / "again.jpg", folder / "second name.jpg")
    back = move_back(report.undo)
    assert (back.moved, len(back.left)) == ((), 1)
    assert (folder / "out" / "shirts" / "again.jpg").exists()


# -- file systems without second names ---------------------------------------------------------------


def no_links(*_: str, **__: bool) -> None:
    """What exFAT and some network disks say."""
    raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))


class EditingDisk(FileSystem):
    """Appends to a file once the list is written."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def write(self, path: str, data: bytes, *, follow: bool = True, durable: bool = True) -> None:
        super().write(path, data, follow=follow, durable=durable)
        self._file.write_bytes(b"edited")


@pytest.mark.parametrize("edited", ["photos/shirts/again.jpg", "photos/000.jpg"])
@pytest.mark.parametrize("links", [True, False])
def test_what_is_edited_after_the_check_stays(
    links: bool, edited: str, table: tuple[Path, seealike.Catalog], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, catalog = table
    if not links:
        monkeypatch.setattr(os, "link", no_links)
    disk = EditingDisk(folder / edited)
    report = move_duplicates(catalog, found(catalog), str(folder / "out"), files=disk)
    assert (report.moved, len(report.left)) == ((), 1)
    assert (folder / edited).read_bytes() == b"edited"
    assert [path.suffix for path in (folder / "out").rglob("*.*")] == [".jsonl"]


def test_an_edit_while_a_file_is_copied_is_not_lost(
    table: tuple[Path, seealike.Catalog], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, catalog = table
    real = shutil.copystat

    def editing(source: str, target: str) -> None:
        real(source, target)
        Path(source).write_bytes(b"edited")

    monkeypatch.setattr(os, "link", no_links)
    monkeypatch.setattr(shutil, "copystat", editing)
    report = move_duplicates(catalog, found(catalog), str(folder / "out"))
    assert report.moved == ()
    assert (folder / "photos" / "shirts" / "again.jpg").read_bytes() == b"edited"


def test_without_second_names_a_file_that_appears_meanwhile_is_not_overwritten(
    table: tuple[Path, seealike.Catalog], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, catalog = table
    mine = folder / "out" / "shirts" / "again.jpg"

    def appearing(*_: str, **__: bool) -> None:
        mine.write_bytes(b"mine")
        no_links()

    before = contents(folder / "photos")
    monkeypatch.setattr(os, "link", appearing)
    report = move_duplicates(catalog, found(catalog), str(folder / "out"))
    assert [left.why for left in report.left] == [f"there is a {mine} already"]
    assert mine.read_bytes() == b"mine"
    assert contents(folder / "photos") == before


def test_an_interrupted_copy_leaves_no_part_of_a_file(
    table: tuple[Path, seealike.Catalog], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, catalog = table
    before = contents(folder / "photos")

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(os, "link", no_links)
        patched.setattr(shutil, "copyfileobj", interrupted)
        with pytest.raises(KeyboardInterrupt):
            move_duplicates(catalog, found(catalog), str(folder / "out"))
    assert contents(folder / "photos") == before
    assert len(move_duplicates(catalog, found(catalog), str(folder / "out")).moved) == 1


@pytest.mark.parametrize("links", [True, False])
def test_an_edited_file_is_not_moved_back_and_is_named(
    links: bool, table: tuple[Path, seealike.Catalog], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, catalog = table
    if not links:
        monkeypatch.setattr(os, "link", no_links)
    report = move_duplicates(catalog, found(catalog), str(folder / "out"))
    assert report.undo is not None
    moved = folder / "out" / "shirts" / "again.jpg"
    moved.write_bytes(b"edited")
    back = move_back(report.undo)
    assert [(left.path, left.why) for left in back.left] == [
        (str(moved), "it has changed since it was moved")
    ]
    assert moved.read_bytes() == b"edited"
    assert not (folder / "photos" / "shirts" / "again.jpg").exists()


def test_a_list_that_is_none_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "list.jsonl"
    for wrong in (
        "no json",
        "[]",
        json.dumps({"from": "a"}),
        json.dumps({"from": "a", "to": "b", "sha256": "x"}),
    ):
        file.write_text(wrong)
        with pytest.raises(UsageError, match="no list of moved files"):
            move_back(str(file))


# -- the script --------------------------------------------------------------------------------------

needs_shell = pytest.mark.skipif(shutil.which("sh") is None, reason="no sh here")


def run_script(
    catalog: seealike.Catalog, folder: Path, *arguments: str
) -> subprocess.CompletedProcess[bytes]:
    script = folder / "move.sh"
    script.write_bytes(duplicates_script(catalog, found(catalog), str(script)))
    return subprocess.run(["sh", script, *arguments], cwd=folder, capture_output=True, check=False)


@needs_shell
def test_the_script_moves_whatever_files_are_called(twice: tuple[Path, seealike.Catalog]) -> None:
    folder, catalog = twice
    before = contents(folder)
    said = run_script(catalog, folder)
    assert (said.returncode, said.stderr) == (0, b"")
    assert said.stdout.count(b"would move: ") == len(before) / 2
    (folder / "move.sh").unlink()
    assert contents(folder) == before
    done = run_script(catalog, folder, "-out dir")
    assert (done.returncode, done.stderr) == (0, b"")
    assert f"{len(before) // 2} moved, 0 left".encode() in done.stdout
    (folder / "move.sh").unlink()
    assert contents(folder) == {n.replace(b"photos/b", b"-out dir/b"): digest for n, digest in before.items()}


@needs_shell
def test_the_script_leaves_what_has_changed_or_would_be_overwritten(
    twice: tuple[Path, seealike.Catalog],
) -> None:
    folder, catalog = twice
    script = folder / "move.sh"
    script.write_bytes(duplicates_script(catalog, found(catalog), str(script)))
    (folder / "photos" / "b" / "plain.jpg").write_bytes(b"changed")
    (folder / "photos" / "a" / "it's.jpg").write_bytes(b"changed")
    (folder / "photos" / "a" / "-rf.jpg").unlink()
    (folder / "out" / "b").mkdir(parents=True)
    (folder / "out" / "b" / "sp ace * ?.jpg").write_bytes(b"mine")
    done = subprocess.run(["sh", script, "out"], cwd=folder, capture_output=True, check=False)
    assert done.returncode == 1
    assert b"4 left" in done.stdout
    for name in ("plain.jpg", "it's.jpg", "-rf.jpg", "sp ace * ?.jpg"):
        assert (folder / "photos" / "b" / name).exists()
    assert (folder / "out" / "b" / "sp ace * ?.jpg").read_bytes() == b"mine"


@needs_shell
@pytest.mark.parametrize("leads_to", ["photos/shirts", "elsewhere"])
def test_the_script_follows_no_link_in_the_folder(
    leads_to: str, table: tuple[Path, seealike.Catalog]
) -> None:
    folder, catalog = table
    (folder / "elsewhere").mkdir()
    linked_folder(folder / "out", folder / leads_to)
    before = contents(folder)
    done = run_script(catalog, folder, "out/")
    (folder / "move.sh").unlink()
    assert (done.returncode, b"0 moved, 1 left" in done.stdout) == (1, True)
    assert contents(folder) == before


@needs_shell
@pytest.mark.parametrize("place", ["photos", "./photos/", ""])
def test_the_script_loses_nothing_in_the_folder_of_its_pictures(
    place: str, table: tuple[Path, seealike.Catalog]
) -> None:
    folder, catalog = table
    before = contents(folder / "photos")
    run_script(catalog, folder, place)
    assert contents(folder / "photos") == before
