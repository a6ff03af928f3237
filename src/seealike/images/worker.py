"""What runs in a decoding process: reads jobs from a pipe, writes pixels into shared memory.

Knows nothing of the pool but the frames of :mod:`seealike.images.wire`.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

from seealike.images import wire
from seealike.images.decode import DecodedPixels, decode
from seealike.images.guard import EXIT_OUT_OF_MEMORY, Guard, memory_bytes
from seealike.images.limits import DecodeError, DecodeLimits
from seealike.images.reading import FileContent, FileReadError, read_file
from seealike.images.shared import FAILURE, PICTURE, SAME, Record, SharedSlots
from seealike.images.thumbnail import thumbnail
from seealike.types import Preprocessing, SkipReason

if TYPE_CHECKING:
    from seealike.images.batch import DecodeTask

Decoder: TypeAlias = Callable[[bytes, Preprocessing, DecodeLimits], DecodedPixels]

TIDY_ABOVE_BYTES = 64_000_000


def main(stdin_fd: int, stdout_fd: int, decoder: Decoder = decode) -> None:
    """Serve jobs until the pipe ends, that is until the pool has gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    warnings.simplefilter("ignore")
    _binary(stdin_fd, stdout_fd)
    with open(stdin_fd, "rb", buffering=0) as requests, open(stdout_fd, "wb", buffering=0) as replies:
        try:
            _serve(requests, replies, decoder)
        except wire.WireError:
            return
        except MemoryError:
            os._exit(EXIT_OUT_OF_MEMORY)


def _binary(*descriptors: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        for descriptor in descriptors:
            msvcrt.setmode(descriptor, os.O_BINARY)


def _serve(requests: BinaryIO, replies: BinaryIO, decoder: Decoder) -> None:
    _, payload = wire.receive(requests)
    hello = wire.unpack_hello(payload)
    worker = _Worker(hello, decoder)
    wire.send(replies, wire.Kind.READY, b"")
    _silence_stderr()
    while True:
        kind, payload = wire.receive(requests)
        if kind is wire.Kind.JOB:
            wire.send(replies, wire.Kind.DONE, wire.pack_done(worker.run(wire.unpack_job(payload))))
        elif kind is wire.Kind.THUMBNAIL:
            wire.send(replies, *worker.thumbnail(*wire.unpack_thumbnail(payload)))
        else:
            raise wire.WireError(f"a process is not asked for {kind.name}")


def _silence_stderr() -> None:
    """From now on, what C libraries print goes nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)


class _Worker:
    def __init__(self, hello: wire.Hello, decoder: Decoder) -> None:
        self._shared = SharedSlots.attach(hello.layout, hello.handle)
        self._preprocessing, self._limits = hello.preprocessing, hello.limits
        self._decoder = decoder
        self._parent = os.getppid() if hasattr(os, "getppid") else 0
        _try_out(hello.preprocessing, hello.limits)
        self._guard = Guard(hello.limits.cpu_s, hello.limits.wall_s, hello.limits.memory_bytes)

    def run(self, job: wire.Job) -> wire.Done:
        """Do every task of a job; what each became is in its record."""
        row = job.row
        for task in job.tasks:
            self._exit_if_orphaned()
            self._shared.set_progress(job.slot, task.token)
            self._guard.begin()
            record = self._one(task, job.slot, row)
            self._guard.end()
            self._shared.write(job.slot, task.token, record)
            row += record.kind == PICTURE
        self._shared.set_progress(job.slot, job.index + len(job.tasks))
        return wire.Done(job.slot, row, self._tidied())

    def thumbnail(self, task: DecodeTask, side_px: int) -> tuple[wire.Kind, bytes]:
        """Make a thumbnail, or say why not."""
        self._guard.begin()
        try:
            return wire.Kind.ENCODED, thumbnail(self._content(task).data, side_px, self._limits)
        except DecodeError as exc:
            return wire.Kind.REFUSED, json.dumps([exc.reason.value, exc.detail]).encode()
        finally:
            self._guard.end()
            self._tidied()

    def _one(self, task: DecodeTask, slot: int, row: int) -> Record:
        content = None
        try:
            content = self._content(task)
            digest = hashlib.sha256(content.data).digest()
            if digest == task.known_sha256:
                return Record(SAME, size_bytes=content.size_bytes, mtime_ns=content.mtime_ns, sha256=digest)
            decoded = self._decoder(content.data, self._preprocessing, self._limits)
            self._shared.pixels(slot, row + 1)[row] = decoded.pixels
        except FileReadError as exc:
            return _failure(exc, exc)
        except DecodeError as exc:
            return _failure(exc, content)
        except MemoryError:
            error = DecodeError(SkipReason.OUT_OF_MEMORY, "the decoder ran out of memory")
            return _failure(error, content)
        return Record(
            PICTURE,
            width_px=decoded.width_px,
            height_px=decoded.height_px,
            size_bytes=content.size_bytes,
            mtime_ns=content.mtime_ns,
            sha256=digest,
        )

    def _content(self, task: DecodeTask) -> FileContent:
        if task.path is not None:
            return read_file(task.path, self._limits)
        data = task.data or b""
        return FileContent(data, len(data), 0)

    def _exit_if_orphaned(self) -> None:
        if sys.platform != "win32" and os.getppid() != self._parent:
            os._exit(0)

    def _tidied(self) -> int:
        held = memory_bytes()
        if held > TIDY_ABOVE_BYTES:
            self._guard.tidy()
            held = memory_bytes()
        return held


def _failure(error: DecodeError, file: FileContent | FileReadError | None) -> Record:
    size = file.size_bytes if file else None
    mtime = file.mtime_ns if file else None
    return Record(
        FAILURE,
        reason=error.reason,
        detail=error.detail,
        size_bytes=-1 if size is None else size,
        mtime_ns=-1 if mtime is None else mtime,
    )


def _try_out(preprocessing: Preprocessing, limits: DecodeLimits) -> None:
    """Decode a picture made here: a process whose libraries do not work must not blame a file."""
    import numpy as np
    import simplejpeg

    grey = np.full((16, 16, 3), 128, np.uint8)
    decode(simplejpeg.encode_jpeg(grey, 90), preprocessing, limits)
