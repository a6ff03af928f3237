"""One writer at a time, across processes; the operating system frees a dead holder's lock."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from collections.abc import Iterator

from seealike.errors import CatalogBusyError, CatalogError, NoCatalogError, StorageError
from seealike.files import check_own_file, read_own_file

LOCK_NAME = "writer.lock"
HOLDER_NAME = "writer.json"
LOCK_NAMES = frozenset({LOCK_NAME, HOLDER_NAME})
BUILDER_LOCK_NAME = "builder.lock"
_NO_NOTE = (OSError, CatalogError, ValueError, KeyError, TypeError, OverflowError, RecursionError)


class WriterLock:
    """An advisory lock on the catalogue's directory that says who holds it."""

    def __init__(self, directory: str) -> None:
        """Nothing is locked yet."""
        from filelock import FileLock

        self._directory = directory
        self._holder_path = os.path.join(directory, HOLDER_NAME)
        self._lock_path = os.path.join(directory, LOCK_NAME)
        self._lock = FileLock(self._lock_path, thread_local=False)

    def acquire(self, wait_s: float) -> None:
        """Take the lock, waiting at most ``wait_s`` seconds.

        Raises:
            CatalogBusyError: somebody else holds it; the message names them.
            NoCatalogError: there is no such directory (any more).
            ForeignFileError: the lock is a link or no plain file.
            StorageError: the directory cannot be written.
        """
        from filelock import Timeout

        if not os.path.isdir(self._directory):
            raise NoCatalogError(self._directory)
        check_own_file(self._lock_path, alone=True)  # some versions of filelock empty the file
        try:
            self._lock.acquire(timeout=wait_s, poll_interval=0.05)
        except Timeout:
            raise CatalogBusyError(self._directory, self._holder()) from None
        except OSError as exc:
            raise StorageError(self._lock_path, exc.strerror or str(exc)) from exc
        self._say_who()

    def release(self) -> None:
        """Give the lock back."""
        with contextlib.suppress(OSError):
            os.unlink(self._holder_path)
        self._lock.release()

    def _say_who(self) -> None:
        """Make the note about the holder anew: what lay under its name is neither followed nor written."""
        holder = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.time()}
        with contextlib.suppress(OSError):
            os.unlink(self._holder_path)
        with contextlib.suppress(OSError), open(self._holder_path, "x", encoding="utf-8") as file:
            json.dump(holder, file)

    def is_held_by(self, pid: int) -> bool:
        """Whether a process holds the lock, as it says itself; one that has died does not."""
        try:
            if json.loads(read_own_file(self._holder_path, 10_000))["pid"] != pid:
                return False
            self.acquire(0)
        except CatalogBusyError:
            return True
        except _NO_NOTE:
            return False
        self.release()
        return False

    def _holder(self) -> str:
        try:
            holder = json.loads(read_own_file(self._holder_path, 10_000))
            since = time.strftime("%H:%M:%S", time.localtime(holder["since"]))
            return f"process {holder['pid']} on {holder['host']} since {since}"
        except _NO_NOTE:
            return "another process"


@contextlib.contextmanager
def builder_lock(directory: str) -> Iterator[bool]:
    """Be the one who makes derived files and removes left-over ones, if nobody else is; yields whether."""
    path = os.path.join(directory, BUILDER_LOCK_NAME)
    check_own_file(path, alone=True)
    with held_if_free(path) as alone:
        yield alone


@contextlib.contextmanager
def held_if_free(path: str) -> Iterator[bool]:
    """Hold the lock of a file, if nobody else does; yields whether."""
    from filelock import FileLock, Timeout

    lock = FileLock(path, thread_local=False)
    try:
        lock.acquire(timeout=0)
    except (Timeout, OSError):
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def is_being_built(directory: str) -> bool:
    """Whether somebody makes derived files now."""
    with builder_lock(directory) as alone:
        return not alone
