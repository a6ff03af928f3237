from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from seealike.encoders import cache
from seealike.encoders.cache import BlobCache, default_cache_dir


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
    for age, key in enumerate("abcd"):
        store.put(key, b"ten bytes.")  # and the 32 of its digest
        os.utime(store.path(key), (1_000_000 + age, 1_000_000 + age))
    assert store.get("a") == b"ten bytes."  # the oldest, and used now
    monkeypatch.setattr(cache, limit, most)
    store.put("e", b"ten bytes.")
    assert sorted(os.listdir(tmp_path)) == ["a.blob", "d.blob", "e.blob", "exports"]


def test_what_is_larger_than_the_cache_may_be_is_kept_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "MOST_BYTES", 20)
    store = BlobCache(str(tmp_path))
    store.put("a", b"a compiled model")
    store.put("b", b"another, larger compiled model")
    assert os.listdir(tmp_path) == ["b.blob"]
