from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from seealike.encoders import cache
from seealike.encoders.cache import BlobCache, default_cache_dir, key_of, model_key_of


def test_what_was_put_is_found_again(tmp_path: Path) -> None:
    cache = BlobCache(str(tmp_path / "made" / "on demand"))
    assert cache.get("a") is None
    assert cache.put("a", b"content")
    assert cache.get("a") == b"content"
    assert cache.get("b") is None


def test_a_second_put_replaces_the_first_and_leaves_nothing_else(tmp_path: Path) -> None:
    cache = BlobCache(str(tmp_path))
    cache.put("a", b"old")
    cache.put("a", b"new")
    assert cache.get("a") == b"new"
    assert os.listdir(tmp_path) == ["a.blob"]


@pytest.mark.parametrize("position", [0, 31, 32, 40, -1])
def test_a_flipped_bit_makes_the_content_absent(position: int, tmp_path: Path) -> None:
    cache = BlobCache(str(tmp_path))
    cache.put("a", bytes(range(64)))
    content = bytearray(Path(cache.path("a")).read_bytes())
    content[position] ^= 0x10
    Path(cache.path("a")).write_bytes(content)
    assert cache.get("a") is None


@pytest.mark.parametrize("size", [0, 1, 31, 32, 95])
def test_a_cut_file_is_absent(size: int, tmp_path: Path) -> None:
    cache = BlobCache(str(tmp_path))
    cache.put("a", bytes(range(64)))
    os.truncate(cache.path("a"), size)
    assert cache.get("a") is None


def test_a_directory_that_cannot_be_made_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    cache = BlobCache(str(tmp_path / "file" / "below"))
    assert not cache.put("a", b"content")
    assert cache.get("a") is None


def test_a_file_that_cannot_be_replaced_is_no_error_and_leaves_nothing_behind(tmp_path: Path) -> None:
    cache = BlobCache(str(tmp_path))
    (tmp_path / "a.blob").mkdir()
    assert not cache.put("a", b"content")
    assert cache.get("a") is None
    assert os.listdir(tmp_path) == ["a.blob"]


def test_the_environment_names_the_cache_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEEALIKE_CACHE", "/somewhere/else")
    assert default_cache_dir() == "/somewhere/else"


@pytest.mark.parametrize(
    ("platform", "variable", "below"),
    [
        ("linux", "XDG_CACHE_HOME", ""),
        ("linux", None, ".cache"),
        ("darwin", None, os.path.join("Library", "Caches")),
        ("win32", "LOCALAPPDATA", ""),
        ("win32", None, os.path.join("AppData", "Local")),
    ],
)
def test_the_cache_lies_where_the_platform_keeps_caches(
    platform: str, variable: str | None, below: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SEEALIKE_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    if variable is not None:
        monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.setattr(sys, "platform", platform)
    assert default_cache_dir() == os.path.join(str(tmp_path), *([below] if below else []), "seealike")


@pytest.mark.parametrize(("limit", "most"), [("MOST_FILES", 3), ("MOST_BYTES", 3 * 42)])
def test_beyond_so_many_files_or_bytes_what_was_not_used_for_longest_goes(
    limit: str, most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = BlobCache(str(tmp_path))
    (tmp_path / "exports").mkdir()
    a, b, c, d, e = (key_of("graph", letter) for letter in "abcde")
    for age, key in enumerate((a, b, c, d)):
        store.put(key, b"ten bytes.")  # and the 32 of its digest
        os.utime(store.path(key), (1_000_000 + age, 1_000_000 + age))
    assert store.get(a) == b"ten bytes."  # the oldest, and used now
    monkeypatch.setattr(cache, limit, most)
    store.put(e, b"ten bytes.")
    assert set(os.listdir(tmp_path)) == {f"{a}.blob", f"{d}.blob", f"{e}.blob", "exports"}


def test_what_is_larger_than_the_cache_may_be_is_kept_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "MOST_BYTES", 20)
    store = BlobCache(str(tmp_path))
    small, large = (model_key_of("onnx:model?pool=gem", size) for size in ("small", "large"))
    store.put(small, b"a compiled model")
    store.put(large, b"another, larger compiled model")
    assert os.listdir(tmp_path) == [f"{large}.blob"]


def test_what_others_keep_in_a_shared_folder_is_neither_counted_nor_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "MOST_FILES", 2)
    others = ["azure-7.blob", "notes.txt", f"photo-{'0' * 32}.blob", f"{'a' * 40}.blob", "folder.blob"]
    for name in others[:-1]:
        (tmp_path / name).write_text("mine")
        os.utime(tmp_path / name, (1_000_000, 1_000_000))
    (tmp_path / "folder.blob").mkdir()
    (tmp_path / "dangling.blob").symlink_to("nowhere")
    (tmp_path / f"{key_of('speed', 'a link')}.blob").symlink_to("nowhere")
    before = set(os.listdir(tmp_path))
    store = BlobCache(str(tmp_path))
    keys = [key_of("speed", number) for number in range(5)]
    for age, key in enumerate(keys):
        assert store.put(key, b"content")
        os.utime(store.path(key), (1_000_000 + age, 1_000_000 + age))
    left = {f"{key}.blob" for key in keys[-2:]}
    assert set(os.listdir(tmp_path)) == before | left


def test_one_file_that_cannot_be_removed_does_not_keep_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = BlobCache(str(tmp_path))
    keys = [key_of("places", number) for number in range(4)]
    for age, key in enumerate(keys):
        store.put(key, b"content")
        os.utime(store.path(key), (1_000_000 + age, 1_000_000 + age))
    unlink = os.unlink

    def refusing(path: str) -> None:
        if path == store.path(keys[1]):
            raise PermissionError(path)
        unlink(path)

    monkeypatch.setattr(os, "unlink", refusing)
    monkeypatch.setattr(cache, "MOST_FILES", 1)
    store.put(new := key_of("places", "new"), b"content")
    assert set(os.listdir(tmp_path)) == {f"{keys[1]}.blob", f"{new}.blob"}


def test_what_a_killed_put_left_goes_after_a_day_and_what_is_being_written_stays(tmp_path: Path) -> None:
    hours = {".writing-lately": 23, ".writing-killed": 25, "writing-other": 1000}
    for name, age in hours.items():
        (tmp_path / name).write_bytes(b"half a compiled model")
        os.utime(tmp_path / name, (time.time() - age * 3600,) * 2)
    (tmp_path / ".writing-folder").mkdir()
    os.utime(tmp_path / ".writing-folder", (1_000_000, 1_000_000))
    BlobCache(str(tmp_path)).put("a", b"content")
    assert set(os.listdir(tmp_path)) == {"a.blob", ".writing-lately", ".writing-folder", "writing-other"}
