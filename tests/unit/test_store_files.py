"""Durable files and the catalogue's manifest."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from seealike.errors import DamagedCatalogError, NewerFormatError, NoCatalogError, StorageError
from seealike.files import TEMPORARY_PREFIX
from seealike.store import MANIFEST_NAME, FileSystem, Manifest, read_manifest, write_manifest
from seealike.store.records import text_checksum
from seealike.testing import FakeEncoder

IDENTITY = FakeEncoder().identity


class RefusingFileSystem(FileSystem):
    """Cannot flush a file."""

    def _sync_file(self, path: str) -> None:
        raise OSError(28, "No space left on device")


def test_a_file_is_replaced_whole_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    FileSystem().write(str(path), b"new")
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["file"]


def test_a_refused_write_leaves_the_old_file_and_says_why_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(StorageError, match="No space left on device; what was committed before is safe"):
        RefusingFileSystem().write(str(path), b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def interrupted() -> None:
        with FileSystem().replacing(str(path)) as temporary:
            Path(temporary).write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.skipif(os.name == "nt", reason="there are no such permissions")
def test_a_written_file_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "usual").touch()
    FileSystem().write(str(tmp_path / "ours"), b"")
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("usual", "ours")]
    assert modes[0] == modes[1]


@pytest.mark.skipif(os.name == "nt", reason="there are no such pipes")
def test_a_pipe_is_written_to_and_stays(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        FileSystem().write(str(pipe), b"new")
        assert os.read(reader, 10) == b"new"
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert os.listdir(tmp_path) == ["pipe"]


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
@pytest.mark.parametrize("exists", [True, False])
def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path: Path, exists: bool) -> None:
    target, link = tmp_path / "elsewhere" / "file", tmp_path / "link"
    target.parent.mkdir()
    if exists:
        target.write_bytes(b"old")
    link.symlink_to(target)
    FileSystem().write(str(link), b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    assert not target.is_symlink()
    assert os.listdir(target.parent) == ["file"]


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
def test_a_link_to_a_device_stays(tmp_path: Path) -> None:
    link = tmp_path / "nothing"
    link.symlink_to(os.devnull)
    FileSystem().write(str(link), b"new")
    assert os.readlink(link) == os.devnull
    assert os.listdir(tmp_path) == ["nothing"]


def test_a_folder_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        FileSystem().write(str(tmp_path), b"new")
    assert tmp_path.is_dir()


def test_leftovers_of_interrupted_writes_are_removed_and_nothing_else(tmp_path: Path) -> None:
    for name in (TEMPORARY_PREFIX + "abc", "manifest.json", "mine"):
        (tmp_path / name).touch()
    FileSystem().remove_leftovers(str(tmp_path))
    FileSystem().remove_leftovers(str(tmp_path / "nowhere"))
    assert sorted(os.listdir(tmp_path)) == ["manifest.json", "mine"]


def test_a_directory_is_made_with_its_parents_and_may_exist(tmp_path: Path) -> None:
    for _ in range(2):
        FileSystem().make_directory(str(tmp_path / "a" / "b" / "c"))
    assert (tmp_path / "a" / "b" / "c").is_dir()


def test_a_directory_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        FileSystem().make_directory(str(tmp_path / "file" / "below"))


def test_removing_what_is_not_there_is_fine(tmp_path: Path) -> None:
    FileSystem().remove(str(tmp_path / "nothing"))


def test_the_manifest_comes_back_as_it_was_written(tmp_path: Path) -> None:
    manifest = Manifest(IDENTITY)
    write_manifest(FileSystem(), str(tmp_path), manifest)
    assert read_manifest(str(tmp_path)) == manifest


def test_every_manifest_has_its_own_id() -> None:
    assert Manifest(IDENTITY).catalog_id != Manifest(IDENTITY).catalog_id


def test_no_manifest_is_no_catalogue(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place in (tmp_path, tmp_path / "nowhere", tmp_path / "file"):
        with pytest.raises(NoCatalogError, match="seealike index FOLDER"):
            read_manifest(str(place))


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b'"text"', b"{}", b"\xff\xfe", b"[" * 100_000, b'{"format_version": "x"}'],
)
def test_a_manifest_that_is_none_is_damaged(tmp_path: Path, content: bytes) -> None:
    (tmp_path / MANIFEST_NAME).write_bytes(content)
    with pytest.raises(DamagedCatalogError) as caught:
        read_manifest(str(tmp_path))
    assert caught.value.file == str(tmp_path / MANIFEST_NAME)
    assert str(caught.value).isprintable()


def test_a_changed_value_is_damage(tmp_path: Path) -> None:
    path = tmp_path / MANIFEST_NAME
    path.write_bytes(Manifest(IDENTITY).to_bytes().replace(b'"fake"', b'"cake"'))
    with pytest.raises(DamagedCatalogError, match="checksum"):
        read_manifest(str(tmp_path))


def test_a_newer_manifest_is_refused_and_a_flipped_bit_is_not_taken_for_one(tmp_path: Path) -> None:
    path = tmp_path / MANIFEST_NAME
    content = json.loads(Manifest(IDENTITY, format_version=9).to_bytes())
    path.write_text(json.dumps(content))
    with pytest.raises(NewerFormatError, match="format 9, this seealike reads up to 3"):
        read_manifest(str(tmp_path))
    path.write_text(json.dumps({**content, "format_version": 1}))
    with pytest.raises(DamagedCatalogError):
        read_manifest(str(tmp_path))


def test_a_manifest_that_says_vectors_are_kept_in_unknown_numbers_is_damaged(tmp_path: Path) -> None:
    content = json.loads(Manifest(IDENTITY).to_bytes())
    del content["crc32"]
    content["vectors"] = "int4"
    checksum = text_checksum(json.dumps(content, sort_keys=True))
    (tmp_path / MANIFEST_NAME).write_text(json.dumps({**content, "crc32": checksum}))
    with pytest.raises(
        DamagedCatalogError, match="unknown type of vectors 'int4'; known: float16, int8"
    ) as told:
        read_manifest(str(tmp_path))
    assert str(told.value).isprintable()


def test_the_checksum_is_that_of_the_canonical_content() -> None:
    content = json.loads(Manifest(IDENTITY).to_bytes())
    checksum = content.pop("crc32")
    assert checksum == text_checksum(json.dumps(content, sort_keys=True))
