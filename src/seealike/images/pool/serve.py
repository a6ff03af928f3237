"""What runs in a decoding process: reads jobs from a pipe, writes pixels into shared memory.

Knows nothing of the pool but the frames of :mod:`seealike.images.pool.wire`.
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

from seealike.images.cost import Announce
from seealike.images.decode import DecodedPixels, decode
from seealike.images.guard import EXIT_OUT_OF_MEMORY, Guard, memory_bytes
from seealike.images.limits import DecodeError, DecodeLimits
from seealike.images.pool import wire
from seealike.images.pool.shared import FAILURE, PICTURE, SAME, Record, SharedSlots
from seealike.images.reading import FileContent, FileReadError, read_file
from seealike.images.thumbnail import thumbnail
from seealike.types import Crop, Preprocessing, SkipReason

if TYPE_CHECKING:
    from seealike.images.pool.batch import DecodeTask

Decoder: TypeAlias = Callable[[bytes, Preprocessing, DecodeLimits, Announce, Crop | None], DecodedPixels]

TIDY_ABOVE_BYTES = 64_000_000
_FRAME_BYTES = 4  # a pixel, in the largest piece that decoders ask for at once
_PERHAPS_MEMORY = frozenset({SkipReason.CORRUPT, SkipReason.TRUNCATED, SkipReason.UNSUPPORTED_FORMAT})


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
        wire.send(replies, *_answer(worker, requests))


def _answer(worker: _Worker, requests: BinaryIO) -> tuple[wire.Kind, bytes]:
    """Do what is asked next. Pictures that come as bytes are kept once, and no longer than that takes."""
    kind, payload = wire.receive(requests)
    if kind is wire.Kind.JOB:
        job = wire.unpack_job(payload)
        del payload
        return wire.Kind.DONE, wire.pack_done(worker.run(job))
    if kind is wire.Kind.THUMBNAIL:
        task, side_px = wire.unpack_thumbnail(payload)
        del payload
        return worker.thumbnail(task, side_px)
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
        self._fresh, self._pixels = True, 0
        _try_out(hello.preprocessing, hello.limits)
        self._guard = Guard(hello.limits)

    def run(self, job: wire.Job) -> wire.Done:
        """Do every task of a job; what each became is in its record."""
        row = job.row
        for task in job.tasks:
            self._exit_if_orphaned()
            self._shared.set_progress(job.slot, task.token)
            self._begin()
            record = self._one(task, job.slot, row)
            self._end()
            self._shared.write(job.slot, task.token, record)
            row += record.kind == PICTURE
        self._shared.set_progress(job.slot, job.index + len(job.tasks))
        return wire.Done(job.slot, row, self._tidied())

    def thumbnail(self, task: DecodeTask, side_px: int) -> tuple[wire.Kind, bytes]:
        """Make a thumbnail, or say why not."""
        self._begin()
        try:
            small = thumbnail(self._content(task).data, side_px, self._limits, self._announce)
        except (DecodeError, MemoryError) as exc:
            error = self._judged(exc)
            return wire.Kind.REFUSED, json.dumps([error.reason.value, error.detail]).encode()
        else:
            return wire.Kind.ENCODED, small
        finally:
            self._end()
            self._tidied()

    def _begin(self) -> None:
        self._pixels = 0
        self._guard.begin()

    def _end(self) -> None:
        self._guard.end()
        self._fresh = False

    def _announce(self, pixels: int) -> None:
        self._pixels = pixels
        self._guard.grant(pixels)

    def _judged(self, error: DecodeError | MemoryError) -> DecodeError:
        """The error, named after its cause.

        Want of memory is only believed of a process that has done nothing before: others may hold what
        earlier pictures left. Such a one ends, and the pool gives the picture to a fresh process.
        """
        if isinstance(error, MemoryError):
            error = DecodeError(SkipReason.OUT_OF_MEMORY, "the decoder ran out of memory")
        elif error.reason in _PERHAPS_MEMORY and self._guard.was_short(_FRAME_BYTES * self._pixels):
            error = DecodeError(SkipReason.OUT_OF_MEMORY, f"the decoder ran out of memory ({error.detail})")
        if error.reason is SkipReason.OUT_OF_MEMORY and not self._fresh:
            os._exit(EXIT_OUT_OF_MEMORY)
        return error

    def _one(self, task: DecodeTask, slot: int, row: int) -> Record:
        content = None
        try:
            content = self._content(task)
            digest = hashlib.sha256(content.data).digest()
            if digest == task.known_sha256:
                return Record(SAME, size_bytes=content.size_bytes, mtime_ns=content.mtime_ns, sha256=digest)
            decoded = self._decoder(
                content.data, self._preprocessing, self._limits, self._announce, task.crop
            )
            self._shared.pixels(slot, row + 1)[row] = decoded.pixels
        except FileReadError as exc:
            return _failure(exc, exc)
        except (DecodeError, MemoryError) as exc:
            return _failure(self._judged(exc), content)
        return Record(
            PICTURE,
            width_px=decoded.width_px,
            height_px=decoded.height_px,
            size_bytes=content.size_bytes,
            mtime_ns=content.mtime_ns,
            sha256=digest,
            signature=decoded.signature,
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
    """Decode a picture made here: a process whose libraries do not work must not blame a file.

    At its first large product BLAS fetches its buffers, and ends the process where it gets none. They are no
    picture's memory, so that is done here.
    """
    import numpy as np
    import simplejpeg

    grey = np.full((16, 16, 3), 128, np.uint8)
    decode(simplejpeg.encode_jpeg(grey, 90), preprocessing, limits)
    square = np.ones((512, 512), np.float32)
    np.matmul(square, square)
