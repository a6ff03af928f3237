"""One writer at a time, across processes; the operating system frees a dead holder's lock."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from collections.abc import Iterator

from seealike.errors import CatalogBusyError, StorageError

LOCK_NAME = "writer.lock"
HOLDER_NAME = "writer.json"
BUILDER_LOCK_NAME = "builder.lock"


class WriterLock:
    """An advisory lock on the catalogue's directory that says who holds it."""

    def __init__(self, directory: str) -> None:
        """Nothing is locked yet."""
        from filelock import FileLock

        self._directory = directory
        self._holder_path = os.path.join(directory, HOLDER_NAME)
        self._lock = FileLock(os.path.join(directory, LOCK_NAME), thread_local=False)

    def acquire(self, wait_s: float) -> None:
        """Take the lock, waiting at most ``wait_s`` seconds.

        Raises:
            CatalogBusyError: somebody else holds it; the message names them.
            StorageError: the directory cannot be written.
        """
        from filelock import Timeout

        try:
            self._lock.acquire(timeout=wait_s, poll_interval=0.05)
        except Timeout:
            raise CatalogBusyError(self._directory, self._holder()) from None
        except OSError as exc:
            raise StorageError(self._directory, exc.strerror or str(exc)) from exc
        with contextlib.suppress(OSError), open(self._holder_path, "w", encoding="utf-8") as file:
            json.dump({"pid": os.getpid(), "host": socket.gethostname(), "since": time.time()}, file)

    def release(self) -> None:
        """Give the lock back."""
        with contextlib.suppress(OSError):
            os.unlink(self._holder_path)
        self._lock.release()

    def _holder(self) -> str:
        try:
            with open(self._holder_path, encoding="utf-8") as file:
                holder = json.load(file)
            since = time.strftime("%H:%M:%S", time.localtime(holder["since"]))
            return f"process {holder['pid']} on {holder['host']} since {since}"
        except (OSError, ValueError, KeyError, TypeError):
            return "another process"


@contextlib.contextmanager
def builder_lock(directory: str) -> Iterator[bool]:
    """Be the one who makes derived files and removes left-over ones, if nobody else is; yields whether."""
    from filelock import FileLock, Timeout

    lock = FileLock(os.path.join(directory, BUILDER_LOCK_NAME), thread_local=False)
    try:
        lock.acquire(timeout=0)
    except (Timeout, OSError):
        yield False
        return
    try:
        yield True
    finally:
        lock.release()
