"""Where a run of ``index`` is, for whoever looks: a small file in the catalogue's folder while it goes on."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from seealike.errors import CatalogError
from seealike.files import read_own_file
from seealike.store import PROGRESS_NAME, FileSystem, WriterLock, is_being_built
from seealike.types import Progress, ProgressCallback

EVERY_S = 1.0
ANN = "ann"  # the stage in which the approximate index is built
_MOST_BYTES = 10_000


@dataclass(frozen=True, slots=True)
class Indexing:
    """Where a run is that makes a catalogue equal to a source now.

    Args:
        stage: what it is at.
        done, total: of that; ``total`` is ``None`` while it is not known yet.
        rate: how many a second, where that can be said.
        left_s: how long the rest of the stage will take.
    """

    stage: str
    done: int
    total: int | None
    rate: float | None
    left_s: float | None


class NotedProgress:
    """Passes progress on, and notes it at most once a second. Where the disk refuses, nobody is told.

    Used in a ``with`` block by the one who holds the writer's lock, or then builds the approximate index.
    """

    def __init__(self, directory: str, files: FileSystem, told: ProgressCallback) -> None:
        """Nothing is noted yet."""
        self._path, self._files, self._told = os.path.join(directory, PROGRESS_NAME), files, told
        self._stage, self._started_s, self._noted_s = "", 0.0, -EVERY_S

    def __enter__(self) -> Self:
        """Forget what a run that was killed had noted."""
        self._files.remove(self._path)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the note."""
        self._files.remove(self._path)

    def __call__(self, progress: Progress) -> None:
        """See ``ProgressCallback``."""
        self._told(progress)
        now_s = time.monotonic()
        if progress.stage != self._stage:
            self._stage, self._started_s = progress.stage, now_s
        if now_s - self._noted_s < EVERY_S:
            return
        self._noted_s = now_s
        note = {
            "pid": os.getpid(),
            "stage": progress.stage,
            "done": progress.done,
            "total": progress.total,
            "took_s": now_s - self._started_s,
        }
        with suppress(CatalogError, OSError):
            self._files.write(self._path, json.dumps(note).encode(), follow=False, durable=False)


def indexing_in(directory: str) -> Indexing | None:
    """Where the run is that changes the catalogue of a directory, in whatever process, if there is one.

    Of a run that was killed there is a note, but nobody who holds the lock that it needs.
    """
    try:
        note = json.loads(read_own_file(os.path.join(directory, PROGRESS_NAME), _MOST_BYTES))
        stage, done, total, took_s = (note[name] for name in ("stage", "done", "total", "took_s"))
        rate = done / took_s if done and took_s > 0 else None
        left_s = None if rate is None or total is None else max(0.0, (total - done) / rate)
        found = Indexing(str(stage), int(done), None if total is None else int(total), rate, left_s)
        indexes = found.stage == ANN  # by then others may write
        held = is_being_built(directory) if indexes else WriterLock(directory).is_held_by(note["pid"])
    except (CatalogError, OSError, ValueError, LookupError, TypeError, RecursionError, OverflowError):
        return None
    return found if held else None
