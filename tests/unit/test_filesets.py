"""Sets of files under the digest of what is in them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from seealike import filesets
from seealike.errors import StorageError
from seealike.files import FileSystem
from seealike.filesets import ChangedFileError, FileSets

KEY = "0f" * 32


@pytest.fixture
def sources(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "a").write_bytes(b"first")
    (tmp_path / "b").write_bytes(b"second")
    return {"model.onnx": str(tmp_path / "a"), "deep/er/weights": str(tmp_path / "b")}


def test_a_set_is_called_by_what_is_in_it(sources: dict[str, str], tmp_path: Path) -> None:
    sets = FileSets(str(tmp_path / "kept"))
    digests = sets.keep(sources)
    first, second = (hashlib.sha256(content).hexdigest() for content in (b"first", b"second"))
    assert digests == {"model.onnx": first, "deep/er/weights": second}
    listed = f"{second}  deep/er/weights\n{first}  model.onnx\n"  # as sha256sum would list it
    place = tmp_path / "kept" / hashlib.sha256(listed.encode()).hexdigest()
    assert sets.place(digests) == str(place)
    assert (place / "deep" / "er" / "weights").read_bytes() == b"second"
    assert sets.size_bytes(digests) == 11
    assert sets.damage(digests) is None


def test_a_whole_set_is_not_written_again_and_a_damaged_one_is(
    sources: dict[str, str], tmp_path: Path
) -> None:
    sets = FileSets(str(tmp_path / "kept"))
    digests = sets.keep(sources)
    file = Path(sets.place(digests)) / "model.onnx"
    before = file.stat()
    assert sets.keep(sources) == digests
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    file.write_bytes(b"First")
    assert sets.damage(digests) == (str(file), "checksum")
    sets.keep(sources)
    assert (sets.damage(digests), file.read_bytes()) == (None, b"first")
    file.unlink()
    assert sets.damage(digests) == (str(file), "missing")


def test_when_somebody_is_quicker_with_the_same_files_theirs_stay(
    sources: dict[str, str], tmp_path: Path
) -> None:
    class Slower(FileSystem):
        def rename(self, source: str, target: str) -> None:
            FileSets(os.path.dirname(target)).keep(sources)
            super().rename(source, target)

    sets = FileSets(str(tmp_path / "kept"), Slower())
    digests = sets.keep(sources)
    assert sets.damage(digests) is None
    assert os.listdir(sets.folder) == [os.path.basename(sets.place(digests))]


def test_a_file_that_changes_while_it_is_copied_is_not_kept(
    sources: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sets = FileSets(str(tmp_path / "kept"))
    real = FileSets.damage

    def changing(self: FileSets, digests: dict[str, str]) -> tuple[str, str] | None:
        (tmp_path / "a").write_bytes(b"later")
        return real(self, digests)

    monkeypatch.setattr(FileSets, "damage", changing)
    with pytest.raises(ChangedFileError, match="a"):
        sets.keep(sources)
    assert os.listdir(tmp_path / "kept") == []


def test_notes_are_replaced_and_what_is_not_named_is_removed(sources: dict[str, str], tmp_path: Path) -> None:
    sets = FileSets(str(tmp_path / "kept"))
    assert (sets.note(KEY), sets.notes(), sets.present) == (None, [], False)
    digests = sets.keep(sources)
    sets.write_note(KEY, b"old")
    sets.write_note(KEY, b"new")
    sets.write_note("1f" * 32, b"another")
    assert (sets.note(KEY), sets.notes()) == (b"new", [KEY, "1f" * 32])
    (tmp_path / "kept" / "readme").write_text("not ours")
    assert not filesets.is_ours(sets.folder)
    assert filesets.is_ours(sets.folder, ("readme",))
    sets.remove_all_but([KEY], [])
    assert sorted(os.listdir(sets.folder)) == [f"{KEY}.json", "readme"]
    assert sets.damage(digests) is not None


@pytest.mark.skipif(os.name == "nt", reason="making links needs a privilege there")
def test_a_linked_folder_is_neither_written_nor_emptied(sources: dict[str, str], tmp_path: Path) -> None:
    real = FileSets(str(tmp_path / "real"))
    digests = real.keep(sources)
    real.write_note(KEY, b"a note")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    linked = FileSets(str(tmp_path / "link"))
    assert (linked.notes(), linked.present, filesets.is_ours(linked.folder)) == ([], False, False)
    with pytest.raises(OSError, match="is a link"):
        linked.note(KEY)
    for change in (lambda: linked.keep(sources), lambda: linked.write_note(KEY, b"x")):
        with pytest.raises(StorageError, match="it is a link"):
            change()
    linked.remove_all_but([], [])
    assert (real.notes(), real.damage(digests)) == ([KEY], None)


@pytest.mark.skipif(os.name == "nt", reason="there are no such pipes there")
def test_a_note_takes_the_place_of_a_pipe_a_link_or_a_second_name(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"a user's file")
    sets = FileSets(str(tmp_path / "kept"))
    sets.make_folder()
    place = Path(sets.note_path(KEY))
    plants: list[Callable[[], None]] = [
        lambda: os.mkfifo(place),
        lambda: place.symlink_to(victim),
        lambda: os.link(victim, place),
    ]
    for plant in plants:
        plant()
        sets.write_note(KEY, b"a note")
        assert sets.note(KEY) == b"a note"
        place.unlink()
    assert victim.read_bytes() == b"a user's file"
