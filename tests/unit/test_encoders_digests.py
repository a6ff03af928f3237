"""Digests that are remembered: the right one in every case, and computed only where it must be."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from seealike.encoders import cache as cache_module
from seealike.encoders.cache import remembered_sha256
from seealike.errors import EncoderError

OLD_NS = 10**18


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that were hashed, in order."""
    done: list[str] = []

    def counted(path: str) -> str:
        done.append(path)
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()

    monkeypatch.setattr(cache_module, "file_sha256", counted)
    return done


def written(path: Path, content: bytes, mtime_ns: int = OLD_NS) -> str:
    path.write_bytes(content)
    os.utime(path, ns=(mtime_ns, mtime_ns))
    return hashlib.sha256(content).hexdigest()


def test_a_file_that_lies_still_is_hashed_once(tmp_path: Path, hashed: list[str]) -> None:
    file, cache = tmp_path / "weights", str(tmp_path / "cache")
    wanted = written(file, b"one")
    assert [remembered_sha256(str(file), cache) for _ in range(3)] == [wanted] * 3
    assert hashed == [str(file)]


@pytest.mark.parametrize(("content", "mtime_ns"), [(b"two", OLD_NS + 1), (b"longer", OLD_NS)])
def test_a_file_of_another_size_or_time_is_hashed_again(
    content: bytes, mtime_ns: int, tmp_path: Path
) -> None:
    file, cache = tmp_path / "weights", str(tmp_path / "cache")
    written(file, b"one")
    remembered_sha256(str(file), cache)
    wanted = written(file, content, mtime_ns)
    assert remembered_sha256(str(file), cache) == wanted


def test_a_file_that_was_just_written_is_hashed_again_for_its_time_may_be_coarse(
    tmp_path: Path, hashed: list[str]
) -> None:
    file, cache = tmp_path / "weights", str(tmp_path / "cache")
    file.write_bytes(b"one")
    for _ in range(2):
        remembered_sha256(str(file), cache)
    assert len(hashed) == 2


def test_a_link_to_another_file_is_that_file(tmp_path: Path) -> None:
    cache = str(tmp_path / "cache")
    first, second = (written(tmp_path / name, name.encode()) for name in ("a", "b"))
    for name, wanted in (("a", first), ("b", second)):
        (tmp_path / "link").unlink(missing_ok=True)
        try:
            (tmp_path / "link").symlink_to(tmp_path / name)
        except OSError:
            pytest.skip("no links here")
        assert remembered_sha256(str(tmp_path / "link"), cache) == wanted


def test_a_file_that_is_not_there_is_an_error_of_one_line(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="cannot be read: No such file"):
        remembered_sha256(str(tmp_path / "weights"), str(tmp_path / "cache"))


@pytest.mark.parametrize("damage", [b"", b"no digest", b"[]"])
def test_a_damaged_memory_is_no_trouble(damage: bytes, tmp_path: Path) -> None:
    file, cache = tmp_path / "weights", tmp_path / "cache"
    wanted = written(file, b"one")
    remembered_sha256(str(file), str(cache))
    (kept,) = cache.iterdir()
    kept.write_bytes(hashlib.sha256(damage).digest() + damage)
    assert remembered_sha256(str(file), str(cache)) == wanted
    kept.write_bytes(damage)
    assert remembered_sha256(str(file), str(cache)) == wanted
    kept.unlink()
    cache.rmdir()
    cache.write_bytes(b"in the way")
    assert remembered_sha256(str(file), str(cache)) == wanted
