"""Reading: regular files only, and never a wait."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from seealike.images import DecodeLimits
from seealike.images.reading import FileReadError, read_file
from seealike.types import SkipReason

LIMITS = DecodeLimits(file_bytes=1000)
posix = pytest.mark.skipif(os.name == "nt", reason="POSIX files")


def reason_of(path: object, limits: DecodeLimits = LIMITS) -> SkipReason:
    with pytest.raises(FileReadError) as refused:
        read_file(os.fspath(path), limits)  # type: ignore[call-overload]
    assert refused.value.detail
    return refused.value.reason


def test_a_file_comes_with_its_size_and_time(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"content")
    os.utime(path, ns=(5, 1_700_000_000_123_456_700))
    content = read_file(str(path), LIMITS)
    assert (content.data, content.size_bytes) == (b"content", 7)
    assert content.mtime_ns == path.stat().st_mtime_ns


def test_what_is_no_file_is_unreadable(tmp_path: Path) -> None:
    assert reason_of(tmp_path / "absent") is SkipReason.UNREADABLE
    assert reason_of(tmp_path) is SkipReason.UNREADABLE
    assert reason_of(f"{tmp_path}/nul\0byte") is SkipReason.UNREADABLE
    assert reason_of(tmp_path / ("x" * 300)) is SkipReason.UNREADABLE


@posix
def test_pipes_devices_and_sockets_are_unreadable_and_nobody_waits_for_them(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert reason_of(pipe) is SkipReason.UNREADABLE
    assert reason_of("/dev/zero") is SkipReason.UNREADABLE
    with socket.socket(socket.AF_UNIX) as server:
        os.chdir(tmp_path)
        server.bind("s")
        assert reason_of(tmp_path / "s") is SkipReason.UNREADABLE


@posix
def test_a_file_one_may_not_read_is_unreadable(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes(b"x")
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    assert reason_of(path) is SkipReason.UNREADABLE


def test_empty_and_too_large_files_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"")
    assert reason_of(path) is SkipReason.EMPTY_FILE
    path.write_bytes(bytes(1000))
    assert len(read_file(str(path), LIMITS).data) == 1000
    path.write_bytes(bytes(1001))
    assert reason_of(path) is SkipReason.FILE_TOO_LARGE


@pytest.mark.parametrize("change", [b"longer than before", b"less", b"same"])
def test_a_file_changed_while_it_is_read_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: bytes
) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"1234" if change == b"same" else b"123456")
    os.utime(path, ns=(0, 10**18))
    read = os.read

    def read_and_change(fd: int, length: int) -> bytes:
        data = read(fd, length)
        path.write_bytes(change)
        return data

    monkeypatch.setattr("seealike.images.reading.os.read", read_and_change)
    assert reason_of(path) is SkipReason.CHANGED_WHILE_READING


def test_a_file_that_comes_in_pieces_is_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes(range(200)))
    read = os.read
    monkeypatch.setattr("seealike.images.reading.os.read", lambda fd, length: read(fd, min(length, 7)))
    assert read_file(str(path), LIMITS).data == bytes(range(200))
