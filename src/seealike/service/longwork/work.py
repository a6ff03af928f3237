"""Work on the whole catalogue that takes long: done by another process, one at a time, and kept.

A thread would share the interpreter with all requests, and could not be stopped; the process has the least
priority, and is ended at once where nobody can use any more what it would find.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import orjson

from seealike.catalog import is_address
from seealike.errors import CatalogBusyError, CatalogError
from seealike.service.kept.lru import LruCache

if TYPE_CHECKING:
    from seealike.types import PathInput

MOST_BYTES = 128 * 2**20
WORKER = "seealike.service.longwork.worker"
ENDING_S = 5.0  # that a process that was killed may take
USUAL_S = {"map": 0.004}  # that each item takes, before it is known here: 100,000 on two cores were 399 s
TELLING = 0.02  # so much of a stage is done before it tells how long the rest takes


class Found(NamedTuple):
    """What work has found: ``about`` all of it, and the ``parts`` it consists of, as JSON already.

    ``generation`` and ``places`` say of which state of the catalogue; see ``LongWork.ask``.
    """

    generation: int
    about: Mapping[str, object]
    parts: Sequence[bytes]
    places: Hashable = None

    @property
    def size_bytes(self) -> int:
        """How much memory it takes."""
        return sum(map(len, self.parts))


class UnderWay(NamedTuple):
    """Where work is that has found nothing yet, and about how long it will take where that can be told."""

    stage: str = ""
    done: int = 0
    total: int | None = None
    left_s: float | None = None


class Pace:
    """How fast work goes on. Units: seconds."""

    def __init__(self, an_item_s: float | None) -> None:
        """It begins now.

        Args:
            an_item_s: how long the whole of it took for each item before, if that is known.
        """
        self._an_item_s = an_item_s
        self._began_s = self._stage_s = self._told_s = time.monotonic()
        self._stage = ""

    def told(self, stage: str) -> None:
        """It has said where it is."""
        self._told_s = time.monotonic()
        if stage != self._stage:
            self._stage, self._stage_s = stage, self._told_s

    def whole_s(self) -> float:
        """How long it has gone on."""
        return time.monotonic() - self._began_s

    def left_s(self, at: UnderWay) -> float | None:
        """How long the stage goes on if it does so as it did; before that is known, by what was before."""
        if not at.total:
            return None
        if TELLING <= at.done / at.total < 1 and self._told_s > self._stage_s:
            left_s = (self._told_s - self._stage_s) * (at.total / at.done - 1) - (
                time.monotonic() - self._told_s
            )
        elif self._an_item_s is not None:
            left_s = self._an_item_s * at.total - self.whole_s()
        else:
            return None
        return round(left_s, 1) if left_s > 0 else None


class LongWork:
    """Work by its name, as the worker knows it. Safe to use from several threads."""

    def __init__(self, path: PathInput) -> None:
        """Nothing is done yet.

        Args:
            path: the catalogue's directory.
        """
        self._path = str(path) if is_address(path) else os.path.abspath(os.fsdecode(path))
        self._guard = threading.Lock()
        self._found = LruCache[Found](MOST_BYTES, lambda found: found.size_bytes)
        self._failed: dict[str, Exception] = {}
        self._an_item_s = dict(USUAL_S)
        self._run: _Run | None = None
        self._closed = False

    def ask(
        self, name: str, generation: int, *, places: Hashable = None, stale: bool = False
    ) -> Found | UnderWay:
        """What work has found at a generation, or where it is; begun if nothing else is done now.

        Args:
            name: of the work.
            generation: of the catalogue now.
            places: see ``Service.places``: what was found in others is of another history.
            stale: what was found at an older one will do: it is answered while a newer one is made, and what
                is under way is not begun anew.

        Raises:
            SeealikeError: the work has failed; it is begun anew when it is asked for again.
        """
        with self._guard:
            if (failed := self._failed.pop(name, None)) is not None:
                raise failed
            found: Found | None = self._found.get(name)
            if found is not None and (found.generation, found.places) == (generation, places):
                return found
            run = self._run
            if (
                run is not None
                and run.name == name
                and run.generation not in (None, generation)
                and not stale
            ):
                run.stop()
                run = None
            if run is None and not self._closed:
                run = self._run = _Run(self, self._path, name, places, self._an_item_s.get(name))
            if stale and found is not None:
                return found
            return run.at() if run is not None and run.name == name else UnderWay()

    def under_way(self) -> tuple[str, UnderWay] | None:
        """What is done now, by its name, and where it is."""
        with self._guard:
            return None if self._run is None else (self._run.name, self._run.at())

    def ended(self, run: _Run, found: Found | None, error: Exception | None) -> None:
        """A run tells what it has found, or why it has not."""
        with self._guard:
            if self._run is not run:  # it was stopped
                return
            self._run = None
            if found is not None:
                self._found.put(run.name, found)
                self._an_item_s |= run.an_item_s()
            if error is not None:
                self._failed[run.name] = error

    def close(self) -> None:
        """Stop what is under way; nothing is begun any more."""
        with self._guard:
            self._closed = True
            run, self._run = self._run, None
        if run is not None:
            run.stop()
            run.join()


class _Run:
    """A process that works, and the thread that hears it."""

    def __init__(
        self, work: LongWork, path: str, name: str, places: Hashable, an_item_s: float | None
    ) -> None:
        self.name, self._places = name, places
        self.generation: int | None = None
        self._at, self._pace = UnderWay(), Pace(an_item_s)
        self._work, self._path = work, path
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", WORKER, name],  # nothing is imported from where it runs
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self._process.stdin is not None
        with suppress(OSError), self._process.stdin as told:  # `ps` would show a password
            told.write(os.fsencode(path))
        self._thread = threading.Thread(target=self._hear, name=f"seealike-{name}", daemon=True)
        self._thread.start()

    def at(self) -> UnderWay:
        """Where it is."""
        return self._at._replace(left_s=self._pace.left_s(self._at))

    def an_item_s(self) -> Mapping[str, float]:
        """How long it has taken by now for each item, by its name; nothing where that is not known."""
        return {self.name: self._pace.whole_s() / self._at.total} if self._at.total else {}

    def stop(self) -> None:
        """End it at once."""
        self._process.kill()

    def join(self) -> None:
        """Wait until it has ended."""
        self._thread.join(ENDING_S)

    def _hear(self) -> None:
        found, error = None, None
        try:
            with self._process:
                assert self._process.stdout is not None
                found, error = self._heard(self._process.stdout)
        except Exception as exc:  # noqa: BLE001 - whoever asks must hear of it
            error = exc
        self._work.ended(self, found, error)

    def _heard(self, lines: Iterator[bytes]) -> tuple[Found | None, Exception | None]:
        for line in lines:
            said = orjson.loads(line)
            if "generation" in said:
                self.generation = said["generation"]
            elif "stage" in said:
                self._at = UnderWay(said["stage"], said["done"], said["total"])
                self._pace.told(said["stage"])
            elif "error" in said:
                busy = said["error"] == CatalogBusyError.__name__
                told = f"{self.name}: {said['error']}: {said['detail']}"
                other = "another process"
                return None, CatalogBusyError(self._path, other) if busy else CatalogError(self._path, told)
            else:
                parts = [next(lines).rstrip(b"\n") for _ in range(said["parts"])]
                assert self.generation is not None
                return Found(self.generation, said["about"], parts, self._places), None
        return None, CatalogError(self._path, f"{self.name} ended without a result")
