"""The threads that each keep one decoding process at work, and what they do when it dies."""

from __future__ import annotations

import contextlib
import itertools
import queue
import threading
import time
from collections.abc import Callable, Sequence

from seealike.errors import SeealikeError
from seealike.images.limits import DecodeLimits
from seealike.images.pool.jobs import PoolJob
from seealike.images.pool.process import DecodeProcess, ProcessDiedError
from seealike.images.pool.shared import SharedSlots
from seealike.images.pool.wire import Hello, Kind

MOST_IDLE_BYTES = 150_000_000
"""A process that holds more than this after a job, tidied up, is replaced by a fresh one."""

_START_PAUSES_S = (0.0, 0.1, 0.5)
_START_S = 60.0


class Workers:
    """Takes jobs from any thread; urgent ones first, otherwise in order."""

    def __init__(self, command: Sequence[str], hello: Hello, shared: SharedSlots, workers: int) -> None:
        self.command, self.hello, self.shared = command, hello, shared
        self._workers = workers
        self._jobs: queue.PriorityQueue[tuple[int, int, PoolJob | None]] = queue.PriorityQueue()
        self._order = itertools.count()
        self._guard = threading.Lock()
        self._running: list[_Worker] = []
        self._unfinished = 0
        self._closed = threading.Event()
        self._watcher: threading.Thread | None = None

    @property
    def closed(self) -> bool:
        """Whether nothing is started any more."""
        return self._closed.is_set()

    @property
    def process_ids(self) -> tuple[int, ...]:
        """The decoding processes that run now."""
        with self._guard:
            return tuple(worker.process_id for worker in self._running if worker.process_id)

    def start_one(self) -> None:
        """Get one process ready if there is none yet."""
        with self._guard:
            if not self._running:
                self._add_worker()

    def submit(self, job: PoolJob) -> None:
        """Have a job done.

        Raises:
            SeealikeError: the pool has been closed.
        """
        with self._guard:
            if self.closed:
                raise SeealikeError("the decoding pool is closed")
            self._unfinished += 1
            if self._unfinished > len(self._running) and len(self._running) < self._workers:
                self._add_worker()
            self._jobs.put((0 if job.urgent else 1, next(self._order), job))

    def next_job(self) -> PoolJob | None:
        """Wait for a job; ``None`` when there will be none."""
        return self._jobs.get()[2]

    def finished(self) -> None:
        """Note that a job is done with."""
        with self._guard:
            self._unfinished -= 1

    def close(self) -> None:
        """End all processes and fail all jobs that are not done."""
        with self._guard:
            self._closed.set()
            running = list(self._running)
        for worker in running:
            worker.kill()
            self._jobs.put((-1, next(self._order), None))
        for worker in running:
            _wait_for(worker.join)
        while not self._jobs.empty():
            job = self.next_job()
            if job is not None:
                job.fail(SeealikeError("the decoding pool was closed"))
        if self._watcher is not None:
            _wait_for(self._watcher.join)
        self.shared.close()

    def disown(self) -> None:
        """In a forked child, which has none of the threads: let go of the processes, but do not end them."""
        self._closed.set()
        for worker in self._running:
            worker.disown()

    def _add_worker(self) -> None:
        worker = _Worker(self, self.hello.limits)
        self._running.append(worker)
        if self._watcher is None:
            self._watcher = threading.Thread(target=self._watch, name="seealike-decode-watch", daemon=True)
            self._watcher.start()
        worker.start()

    def _watch(self) -> None:
        wall_s = self.hello.limits.wall_s
        while not self._closed.wait(min(1.0, wall_s / 4)):
            with self._guard:
                running = list(self._running)
            for worker in running:
                worker.check(wall_s)


def _wait_for(join: Callable[[], object]) -> None:
    with contextlib.suppress(RuntimeError):  # Ctrl-C came before the thread had started
        join()


class _Worker:
    """One thread and its process. The thread alone starts and asks the process; any may end it."""

    def __init__(self, pool: Workers, limits: DecodeLimits) -> None:
        self._pool, self._limits = pool, limits
        self._guard = threading.Lock()
        self._process: DecodeProcess | None = None
        self._start_error: SeealikeError | None = None
        self._thread = threading.Thread(target=self._work, name="seealike-decode", daemon=True)
        self.start, self.join = self._thread.start, self._thread.join

    @property
    def process_id(self) -> int:
        """The process's id, 0 while there is none."""
        process = self._process
        return process.process_id if process else 0

    @property
    def shared(self) -> SharedSlots:
        """The memory that the process writes to."""
        return self._pool.shared

    def ask(self, kind: Kind, payload: bytes, progress: Callable[[], int]) -> tuple[Kind, bytes]:
        """Ask the process, a fresh one where there is none.

        Raises:
            ProcessDiedError: it died of the request.
            SeealikeError: none can be started, or the pool is closed.
        """
        error, self._start_error = self._start_error, None
        if error is not None:
            raise error
        process = self._process or self._started()
        try:
            return process.ask(kind, payload, progress)
        except ProcessDiedError:
            self.replace()
            if self._pool.closed:
                raise SeealikeError("the decoding pool was closed") from None
            raise

    def replace(self) -> None:
        """End the process; the next request starts a fresh one."""
        with self._guard:
            process, self._process = self._process, None
        if process is not None:
            process.end()

    def note_memory(self, held_bytes: int) -> None:
        """Replace a process that has grown."""
        if held_bytes > MOST_IDLE_BYTES:
            self.replace()

    def check(self, wall_s: float) -> None:
        """End the process if it stands still."""
        with self._guard:
            if self._process is not None:
                self._process.check(wall_s, _START_S)

    def disown(self) -> None:
        """Let go of the process, which is the parent's."""
        if self._process is not None:
            self._process.disown()

    def kill(self) -> None:
        """Kill the process; its thread notices."""
        with self._guard:
            if self._process is not None:
                self._process.kill()

    def _work(self) -> None:
        try:
            self._get_ready()
            while not self._pool.closed and (job := self._pool.next_job()) is not None:
                try:
                    job.perform(self)
                except SeealikeError as exc:
                    job.fail(exc)
                except Exception as exc:  # noqa: BLE001 - whoever waits for the job must hear of it
                    job.fail(SeealikeError(f"decoding cannot go on: {type(exc).__name__}: {exc}"))
                finally:
                    self._pool.finished()
        finally:
            self.replace()

    def _get_ready(self) -> None:
        """Start the process while nobody waits; if that fails, the first job says so."""
        try:
            self._started()
        except SeealikeError as exc:
            self._start_error = exc

    def _started(self) -> DecodeProcess:
        for attempt, pause_s in enumerate(_START_PAUSES_S, 1):
            time.sleep(pause_s)
            try:
                return self._start()
            except SeealikeError:
                self.replace()
                if attempt == len(_START_PAUSES_S) or self._pool.closed:
                    raise
        raise AssertionError("unreachable")

    def _start(self) -> DecodeProcess:
        process = DecodeProcess(self._pool.command, self._pool.hello, self._pool.shared.fd)
        with self._guard:
            self._process = process
        if self._pool.closed:
            raise SeealikeError("the decoding pool was closed")
        process.handshake()
        return process
