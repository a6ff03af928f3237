"""The pool of decoding processes: pictures in, batches of pixels out, whatever the pictures do.

The pool's threads only wait and pass on: pixels travel through shared memory, and one exchange with
a process covers a whole batch.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np

from seealike.errors import PictureError, SeealikeError, UsageError
from seealike.forking import tell_of_forks
from seealike.images.decode import check
from seealike.images.limits import DecodeLimits, too_large
from seealike.images.pool.batch import DecodedBatch, DecodeTask
from seealike.images.pool.jobs import BatchJob, ThumbnailJob, gathered
from seealike.images.pool.process import worker_command as usual_command
from seealike.images.pool.shared import Layout, SharedSlots
from seealike.images.pool.wire import Hello
from seealike.images.pool.workers import Workers
from seealike.types import Refused

if TYPE_CHECKING:
    from seealike.types import PathInput, Preprocessing


class DecodePool:
    """Decodes pictures in ``workers`` processes of their own.

    A picture that crashes its process, spins or eats memory is listed with its reason; all others
    are decoded. Processes are started when there is work for them.
    """

    def __init__(
        self,
        preprocessing: Preprocessing,
        *,
        workers: int,
        batch_size: int,
        buffers: int,
        limits: DecodeLimits = DecodeLimits(),
        worker_command: Sequence[str] | None = None,
    ) -> None:
        """Start nothing yet.

        Args:
            preprocessing: what the pictures are decoded for.
            workers: how many processes.
            batch_size: the most pictures in a batch.
            buffers: how many batches can be under way or in the caller's hands at once; at least
                one more than the caller holds.
            limits: what one picture may cost.
            worker_command: starts another decoding process than seealike's; for tests.

        Raises:
            UsageError: a number is not positive, or the preprocessing cannot be done.
        """
        check(preprocessing)
        if min(workers, batch_size, buffers) < 1:
            raise UsageError("workers, batch_size and buffers must each be at least 1")
        self._layout = Layout(slots=buffers, batch_size=batch_size, crop_px=preprocessing.crop_px)
        self._preprocessing, self._limits = preprocessing, limits
        self._workers = workers
        self._command = worker_command
        self._processes: Workers | None = None
        self._guard = threading.Lock()
        self._buffers = _Buffers(buffers)
        self._single = threading.Lock()
        self._last_single: BatchJob | None = None
        tell_of_forks(self, DecodePool._after_fork)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def process_ids(self) -> tuple[int, ...]:
        """The decoding processes that run now, for those who want to watch them."""
        with self._guard:
            return self._processes.process_ids if self._processes else ()

    def start(self) -> None:
        """Start one process now, without waiting for it."""
        self._ready_workers().start_one()

    def close(self) -> None:
        """End all processes, whatever they do. Batches in the caller's hands stay valid."""
        with self._guard:
            workers, self._processes = self._processes, None
        if workers is not None:
            workers.close()

    def _after_fork(self) -> None:
        """In a forked child: leave the processes to the parent, and start others when it is used."""
        workers, self._processes = self._processes, None
        self._guard, self._single, self._last_single = threading.Lock(), threading.Lock(), None
        self._buffers = _Buffers(self._layout.slots)
        if workers is not None:
            workers.disown()

    def decode(self, tasks: Iterable[DecodeTask]) -> Iterator[DecodedBatch]:
        """Decode pictures, in batches of at most ``batch_size``, as they get done.

        Every task comes back exactly once. Batches are in no particular order; ``tasks`` is read at
        most one batch further than there are buffers. A caller that keeps all of them waits for itself.

        Raises:
            SeealikeError: decoding processes cannot be run on this machine.
        """
        run = _Run(self._ready_workers(), self._buffers, self._layout.batch_size, 2 * self._workers)
        try:
            yield from run.batches(iter(tasks))
        finally:
            run.abandon()

    def decode_one(self, task: DecodeTask) -> DecodedBatch:
        """Decode one picture while its caller waits, before all others. Result is a batch of one."""
        refusal = _refusal(task, self._limits)
        if refusal is not None:
            side = self._layout.crop_px
            nothing = np.empty((0, side, side, 3), np.uint8)
            return DecodedBatch(nothing, (), (), (refusal,), lambda: None)
        workers = self._ready_workers()
        with self._single:
            if self._last_single is not None:
                self._last_single.settle()  # it was left by Ctrl-C, and its pixels are still to come
            job = self._last_single = BatchJob(slot=self._layout.slots, tasks=(task,), urgent=True)
            try:
                workers.submit(job)
            except SeealikeError:
                self._last_single = None
                raise
            job.wait()
            batch = gathered(workers.shared, job, lambda: None)
            return replace(batch, pixels=batch.pixels.copy())

    def thumbnail(self, picture: PathInput | bytes, side_px: int) -> bytes:
        """Make a small JPEG without metadata, its longer side at most ``side_px``.

        Raises:
            PictureError: the picture cannot be used.
        """
        if isinstance(picture, bytes):
            task, name = DecodeTask(0, data=picture), "the given bytes"
        else:
            task, name = DecodeTask(0, path=os.path.abspath(picture)), os.fspath(picture)
        refusal = _refusal(task, self._limits)
        if refusal is not None:
            raise PictureError(name, refusal.reason, refusal.detail)
        job = ThumbnailJob(task, side_px)
        self._ready_workers().submit(job)
        job.wait()
        if job.refused is not None:
            raise PictureError(name, *job.refused)
        return job.encoded

    def _ready_workers(self) -> Workers:
        with self._guard:
            if self._processes is None:
                shared = SharedSlots.create(self._layout)
                hello = Hello(self._layout, shared.handle, self._preprocessing, self._limits)
                self._processes = Workers(self._command or usual_command(), hello, shared, self._workers)
            return self._processes


class _Buffers:
    """The slots nobody uses. ``changed`` is notified when one comes back, or a batch is done."""

    def __init__(self, count: int) -> None:
        self.changed = threading.Condition()
        self.free = deque(range(count))

    def take(self) -> int | None:
        """Take a slot if there is one: the last that was used, whose memory is there already."""
        with self.changed:
            return self.free.pop() if self.free else None

    def give_back(self, slot: int) -> None:
        """Return a slot."""
        with self.changed:
            self.free.append(slot)
            self.changed.notify_all()


class _Loan:
    """A slot in a caller's hands, to be given back once."""

    def __init__(self, buffers: _Buffers, slot: int) -> None:
        self._buffers, self._slot = buffers, slot
        self._guard = threading.Lock()
        self._returned = False

    def give_back(self) -> None:
        """Return the slot, unless it has been returned already."""
        with self._guard:
            first, self._returned = not self._returned, True
        if first:
            self._buffers.give_back(self._slot)


class _Run:
    """One call of ``decode``: keeps ``most`` batches under way while there are buffers for them."""

    def __init__(self, workers: Workers, buffers: _Buffers, batch_size: int, most: int) -> None:
        self._processes, self._buffers = workers, buffers
        self._batch_size, self._most = batch_size, most
        self._under_way = 0
        self._ended: deque[BatchJob] = deque()
        self._abandoned = False
        self._waiting: tuple[DecodeTask, ...] = ()
        self._all_submitted = False

    def batches(self, tasks: Iterator[DecodeTask]) -> Iterator[DecodedBatch]:
        """Submit all tasks and yield what became of them."""
        while True:
            while not self._all_submitted and self._submit_next(tasks):
                continue
            if self._all_submitted and not self._under_way:
                return
            job = self._next_ended()
            if job is None:
                continue
            loan = _Loan(self._buffers, job.slot)
            if job.error is not None:
                loan.give_back()
                raise job.error
            yield gathered(self._processes.shared, job, loan.give_back)

    def abandon(self) -> None:
        """Let batches that are still under way come to nothing."""
        with self._buffers.changed:
            self._abandoned = True
            ended, self._ended = self._ended, deque()
        for job in ended:
            self._buffers.give_back(job.slot)

    def _submit_next(self, tasks: Iterator[DecodeTask]) -> bool:
        """Submit one batch if there is a buffer for it."""
        if not self._waiting:
            self._waiting = tuple(itertools.islice(tasks, self._batch_size))
            self._all_submitted = not self._waiting
        if self._all_submitted or self._under_way >= self._most:
            return False
        slot = self._buffers.take()
        if slot is None:
            return False
        job = BatchJob(slot, self._waiting, on_end=lambda: self._end(job))
        try:
            self._processes.submit(job)
        except SeealikeError:
            self._buffers.give_back(slot)
            raise
        self._waiting = ()
        self._under_way += 1
        return True

    def _end(self, job: BatchJob) -> None:
        with self._buffers.changed:
            if not self._abandoned:
                self._ended.append(job)
                self._buffers.changed.notify_all()
                return
        self._buffers.give_back(job.slot)

    def _next_ended(self) -> BatchJob | None:
        """Wait for a batch's end; ``None`` when a buffer came back first."""

        def submittable() -> bool:
            return not self._all_submitted and self._under_way < self._most and bool(self._buffers.free)

        with self._buffers.changed:
            while not self._ended and not submittable():
                self._buffers.changed.wait(1.0)  # in slices, so that Ctrl-C gets through on every system
            if not self._ended:
                return None
            self._under_way -= 1
            return self._ended.popleft()


def _refusal(task: DecodeTask, limits: DecodeLimits) -> Refused | None:
    """Why no process need see some bytes."""
    if task.data is None or len(task.data) <= limits.file_bytes:
        return None
    refusal = too_large(len(task.data), limits)
    return Refused(task.token, refusal.reason, refusal.detail)
