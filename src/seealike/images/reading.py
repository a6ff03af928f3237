"""Reads one file, whatever it turns out to be, without ever waiting for a pipe or a device."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass

from seealike.images.limits import DecodeError, DecodeLimits, too_large
from seealike.types import SkipReason, storable_ns

_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)


@dataclass(frozen=True, slots=True)
class FileContent:
    """A file as it was at one moment."""

    data: bytes
    size_bytes: int
    mtime_ns: int


class FileReadError(DecodeError):
    """A file cannot be read; ``status`` is what is known of it."""

    def __init__(self, reason: SkipReason, detail: str, status: os.stat_result | None = None) -> None:
        super().__init__(reason, detail)
        self.size_bytes = status.st_size if status else None
        self.mtime_ns = storable_ns(status.st_mtime_ns) if status else None


def read_file(path: str, limits: DecodeLimits) -> FileContent:
    """Read a regular file.

    Raises:
        FileReadError: it cannot be read, is empty, too large, or was changed meanwhile.
    """
    try:
        fd = os.open(path, _FLAGS)
    except (OSError, ValueError) as exc:
        raise FileReadError(SkipReason.UNREADABLE, _cause(exc)) from exc
    try:
        return _read(fd, limits)
    except OSError as exc:
        raise FileReadError(SkipReason.UNREADABLE, _cause(exc)) from exc
    finally:
        os.close(fd)


def _read(fd: int, limits: DecodeLimits) -> FileContent:
    before = os.fstat(fd)
    if not stat.S_ISREG(before.st_mode):
        raise FileReadError(SkipReason.UNREADABLE, f"a {_kind(before.st_mode)}, not a file", before)
    if before.st_size == 0:
        raise FileReadError(SkipReason.EMPTY_FILE, "the file has no content", before)
    if before.st_size > limits.file_bytes:
        refusal = too_large(before.st_size, limits)
        raise FileReadError(refusal.reason, refusal.detail, before)
    data = _read_up_to(fd, before.st_size + 1)
    after = os.fstat(fd)
    if len(data) != before.st_size or (after.st_size, after.st_mtime_ns) != (
        before.st_size,
        before.st_mtime_ns,
    ):
        raise FileReadError(SkipReason.CHANGED_WHILE_READING, "the file was changed while it was read", after)
    return FileContent(data, after.st_size, storable_ns(after.st_mtime_ns))


def _read_up_to(fd: int, length: int) -> bytes:
    data = os.read(fd, length)
    if not data or len(data) == length:
        return data
    parts = [data]
    missing = length - len(data)
    while missing and (part := os.read(fd, missing)):
        parts.append(part)
        missing -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _kind(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "directory"
    if stat.S_ISFIFO(mode):
        return "named pipe"
    return "socket" if stat.S_ISSOCK(mode) else "device"


def _cause(exc: Exception) -> str:
    return (exc.strerror if isinstance(exc, OSError) else None) or str(exc) or type(exc).__name__
