"""What the pool asks of its processes: a batch, or a thumbnail; and who is blamed for a death."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Protocol

from seealike.errors import SeealikeError
from seealike.images.pool.batch import DecodedBatch, DecodedPicture, DecodeTask
from seealike.images.pool.process import ProcessDiedError, senseless_reply
from seealike.images.pool.shared import FAILURE, PICTURE, SAME, Record, SharedSlots
from seealike.images.pool.wire import Job, Kind, WireError, pack_job, pack_thumbnail, unpack_done
from seealike.types import Refused, SameFile, SkipReason


class Worker(Protocol):
    """Somebody who keeps a decoding process."""

    @property
    def shared(self) -> SharedSlots:
        """The memory that the process writes to."""

    def ask(self, kind: Kind, payload: bytes, progress: Callable[[], int]) -> tuple[Kind, bytes]:
        """Ask the process, a fresh one where there is none; raises ProcessDiedError."""

    def replace(self) -> None:
        """End the process; the next request starts a fresh one."""

    def note_memory(self, held_bytes: int) -> None:
        """Replace a process that has grown."""


class PoolJob:
    """Something to be done once. ``error`` says why it could not be, for no fault of a picture."""

    def __init__(self, *, urgent: bool, on_end: Callable[[], None] | None = None) -> None:
        self.urgent = urgent
        self.error: SeealikeError | None = None
        self._on_end = on_end
        self._ended = threading.Event()

    def perform(self, worker: Worker) -> None:
        """Do it."""
        raise NotImplementedError

    def fail(self, error: SeealikeError) -> None:
        """Give it up."""
        self.error = error
        self.end()

    def end(self) -> None:
        """Tell everybody that it is done."""
        self._ended.set()
        if self._on_end is not None:
            self._on_end()

    def settle(self) -> None:
        """Wait until it is done, or cannot be done."""
        while not self._ended.wait(1.0):  # in slices, so that Ctrl-C gets through on every system
            continue

    def wait(self) -> None:
        """Wait until it is done.

        Raises:
            SeealikeError: it could not be done.
        """
        self.settle()
        if self.error is not None:
            raise self.error


class BatchJob(PoolJob):
    """Decode some pictures into a slot.

    When the process dies, the pictures that it had finished are kept, and the one it was on is tried
    once more in a fresh process. If that dies there too, the picture is to blame. CPU time is the
    picture's own, so running out of it needs no second look.
    """

    def __init__(
        self,
        slot: int,
        tasks: tuple[DecodeTask, ...],
        *,
        urgent: bool = False,
        on_end: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(urgent=urgent, on_end=on_end)
        self.slot, self.tasks = slot, tasks
        self._index = 0
        self._row = 0
        self._suspect = -1
        self._one_by_one = False

    def perform(self, worker: Worker) -> None:
        """Have every picture decoded, or know why not."""
        while self._index < len(self.tasks):
            try:
                self._ask(worker)
            except ProcessDiedError as death:
                self._note_death(worker.shared, death)
        self.end()

    def _ask(self, worker: Worker) -> None:
        shared = worker.shared
        shared.set_progress(self.slot, self._index)
        end = self._index + 1 if self._one_by_one else len(self.tasks)
        job = Job(self.slot, self._index, self._row, self.tasks[self._index : end])
        kind, payload = worker.ask(Kind.JOB, pack_job(job), lambda: shared.progress(self.slot))
        finished = self._finished(shared, end)
        try:
            done = unpack_done(payload)
        except WireError:
            done = None
        row = self._row + sum(record.kind == PICTURE for record in finished)
        complete = kind is Kind.DONE and len(finished) == end - self._index
        if done is None or not complete or (done.slot, done.rows) != (self.slot, row):
            worker.replace()
            raise senseless_reply()
        self._index, self._row = end, row
        worker.note_memory(done.memory_bytes)

    def _finished(self, shared: SharedSlots, end: int) -> list[Record]:
        """Read the sound records from the present picture up to the one under work."""
        records = []
        for index in range(self._index, min(shared.progress(self.slot), end)):
            try:
                records.append(shared.read(self.slot, index))
            except ValueError:
                break
        return records

    def _note_death(self, shared: SharedSlots, death: ProcessDiedError) -> None:
        """Keep what was finished, and find out which picture is to blame."""
        if death.broke_protocol and not self._one_by_one:
            # It may have gone on after it broke_protocol: who did can only be told one by one.
            self._one_by_one = True
            return
        if not death.broke_protocol:
            finished = self._finished(shared, len(self.tasks))
            self._index += len(finished)
            self._row += sum(record.kind == PICTURE for record in finished)
        if self._index == len(self.tasks):
            return
        if death.reason is SkipReason.DECODER_TIMEOUT or self._suspect == self._index:
            record = Record(FAILURE, reason=death.reason, detail=death.detail)
            shared.write(self.slot, self._index, record)
            self._index += 1
        else:
            self._suspect = self._index


class ThumbnailJob(PoolJob):
    """Make a thumbnail: afterwards either ``encoded`` is one, or ``refused`` says why not."""

    def __init__(self, task: DecodeTask, side_px: int) -> None:
        super().__init__(urgent=True)
        self._task, self._side_px = task, side_px
        self.encoded = b""
        self.refused: tuple[SkipReason, str] | None = None

    def perform(self, worker: Worker) -> None:
        """Ask for it; a process that dies of it is tried a second time."""
        for last in (False, True):
            try:
                self._ask(worker)
                break
            except ProcessDiedError as death:
                if last or death.reason is SkipReason.DECODER_TIMEOUT:
                    self.refused = death.reason, death.detail
                    break
        self.end()

    def _ask(self, worker: Worker) -> None:
        kind, payload = worker.ask(Kind.THUMBNAIL, pack_thumbnail(self._task, self._side_px), lambda: 0)
        if kind is Kind.ENCODED:
            self.encoded = payload
            return
        try:
            reason, detail = json.loads(payload if kind is Kind.REFUSED else b"")
            self.refused = SkipReason(reason), str(detail)
        except (ValueError, TypeError):
            worker.replace()
            raise senseless_reply() from None


def gathered(shared: SharedSlots, job: BatchJob, give_back: Callable[[], None]) -> DecodedBatch:
    """Read what became of a job that has ended."""
    pictures: list[DecodedPicture] = []
    same: list[SameFile] = []
    refused: list[Refused] = []
    for index, task in enumerate(job.tasks):
        record = shared.read(job.slot, index)
        size, mtime = record.size_bytes, record.mtime_ns
        if record.kind == PICTURE:
            picture = DecodedPicture(
                task.token,
                record.sha256,
                record.width_px,
                record.height_px,
                size,
                mtime,
                record.signature,
            )
            pictures.append(picture)
        elif record.kind == SAME:
            same.append(SameFile(task.token, size, mtime))
        else:
            reason = record.reason or SkipReason.DECODER_CRASHED
            known = (size, mtime) if size >= 0 else (None, None)
            refused.append(Refused(task.token, reason, record.detail, *known))
    pixels = shared.pixels(job.slot, len(pictures))
    return DecodedBatch(pixels, tuple(pictures), tuple(same), tuple(refused), give_back)
