"""Who may change a catalogue: one thread of a ``Catalog`` at a time, and of all processes one."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from seealike.errors import CatalogBusyError, UsageError
from seealike.store import WriterLock


class Turn:
    """The writer's lock for the threads of a ``Catalog``. A thread that waits for itself is told so."""

    def __init__(self, directory: str) -> None:
        """Nobody has it yet."""
        self._directory = directory
        self._lock = threading.Lock()
        self._holder: int | None = None

    @contextmanager
    def taken(self, wait_s: float) -> Iterator[None]:
        """Hold it for the block, having waited at most ``wait_s`` for other threads and processes.

        Raises:
            CatalogBusyError: another one holds it all the time; the message names it.
            UsageError: this thread holds it.
            StorageError: the directory cannot be written.
        """
        if self._holder == threading.get_ident():
            raise UsageError(
                f"{self._directory} is being changed by the very call that leads here (a source's scan, an "
                "iterator of pictures, a report of progress); change it before that call or after it"
            )
        if math.isnan(wait_s):
            raise UsageError("wait_s must be a number of seconds, not nan")
        started = time.monotonic()
        if not self._lock.acquire(timeout=min(max(wait_s, 0.0), threading.TIMEOUT_MAX)):
            raise CatalogBusyError(self._directory, "another thread of this process")
        lock = WriterLock(self._directory)
        try:
            lock.acquire(max(0.0, wait_s - (time.monotonic() - started)))
            self._holder = threading.get_ident()
            try:
                yield
            finally:
                self._holder = None
                lock.release()
        finally:
            self._lock.release()
