"""The frames that the pool and its processes exchange over pipes. No pickle; all lengths bounded."""

from __future__ import annotations

import json
import os
import struct
from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import BinaryIO

from seealike.images.limits import DecodeLimits
from seealike.images.pool.batch import DecodeTask
from seealike.images.pool.shared import Layout
from seealike.types import Crop, Fit, Preprocessing

_HEAD = struct.Struct("<4sBQ")
_MAGIC = b"slk1"
_MOST_BYTES = 1 << 33
_JOB = struct.Struct("<IIII")
_TASK = struct.Struct("<BQ")
_DONE = struct.Struct("<IIQ")
_THUMBNAIL = struct.Struct("<I")
_CROP = struct.Struct("<4d")
_PATH, _KNOWN, _CROPPED, _SHARES = 1, 2, 4, 8
_SHA256_BYTES = 32


class Kind(IntEnum):
    """What a frame says."""

    HELLO = 1
    READY = 2
    JOB = 3
    DONE = 4
    THUMBNAIL = 5
    ENCODED = 6
    REFUSED = 7


class WireError(Exception):
    """The two sides cannot talk: the other one has gone, or :class:`NonsenseError`."""


class NonsenseError(WireError):
    """The other side says what it cannot mean."""


@dataclass(frozen=True, slots=True)
class Hello:
    """What a process must know before its first job."""

    layout: Layout
    handle: str
    preprocessing: Preprocessing
    limits: DecodeLimits


@dataclass(frozen=True, slots=True)
class Job:
    """Some tasks of a batch: the one at ``index`` first, its pixels in ``row`` of the slot."""

    slot: int
    index: int
    row: int
    tasks: tuple[DecodeTask, ...]


@dataclass(frozen=True, slots=True)
class Done:
    """A job is finished. ``memory_bytes`` is what the process itself holds now, 0 where unknown."""

    slot: int
    rows: int
    memory_bytes: int


def send(stream: BinaryIO, kind: Kind, payload: bytes) -> None:
    """Write one frame.

    Raises:
        WireError: the other side has gone.
    """
    try:
        _write_all(stream, _HEAD.pack(_MAGIC, kind, len(payload)))
        _write_all(stream, payload)
    except (OSError, ValueError) as exc:
        raise WireError(f"cannot write: {exc}") from exc


def receive(stream: BinaryIO) -> tuple[Kind, bytes]:
    """Read one frame.

    Raises:
        WireError: the other side has gone.
        NonsenseError: what it wrote is no frame.
    """
    magic, kind, length = _HEAD.unpack(_read_all(stream, _HEAD.size))
    if magic != _MAGIC or length > _MOST_BYTES or kind not in Kind.__members__.values():
        raise NonsenseError("what was received is no frame")
    return Kind(kind), _read_all(stream, length)


def _write_all(stream: BinaryIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[stream.write(view) :]


def _read_all(stream: BinaryIO, length: int) -> bytes:
    parts = []
    while length:
        try:
            part = stream.read(min(length, 1 << 20))
        except (OSError, ValueError) as exc:
            raise WireError(f"cannot read: {exc}") from exc
        if not part:
            raise WireError("the other side has gone")
        parts.append(part)
        length -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def pack_hello(hello: Hello) -> bytes:
    """Encode a greeting."""
    layout, preprocessing, limits = hello.layout, hello.preprocessing, hello.limits
    return json.dumps(
        {
            "handle": hello.handle,
            "layout": [layout.slots, layout.batch_size, layout.crop_px],
            "preprocessing": asdict(preprocessing),
            "limits": {name: getattr(limits, name) for name in limits.__dataclass_fields__},
        }
    ).encode()


def unpack_hello(payload: bytes) -> Hello:
    """Decode a greeting."""
    fields = json.loads(payload)
    preprocessing = fields["preprocessing"]
    for name in ("mean", "std"):
        preprocessing[name] = tuple(preprocessing[name])
    preprocessing["fit"] = Fit(preprocessing["fit"])
    return Hello(
        layout=Layout(*fields["layout"]),
        handle=fields["handle"],
        preprocessing=Preprocessing(**preprocessing),
        limits=DecodeLimits(**fields["limits"]),
    )


def pack_job(job: Job) -> bytes:
    """Encode a job."""
    parts = [_JOB.pack(job.slot, job.index, job.row, len(job.tasks))]
    for task in job.tasks:
        parts += _task_parts(task)
    return b"".join(parts)


def unpack_job(payload: bytes) -> Job:
    """Decode a job. The tasks' tokens are their indexes in the batch."""
    slot, index, row, count = _JOB.unpack_from(payload)
    tasks, at = [], _JOB.size
    for token in range(index, index + count):
        task, at = _unpack_task(payload, at, token)
        tasks.append(task)
    return Job(slot, index, row, tuple(tasks))


def pack_thumbnail(task: DecodeTask, side_px: int) -> bytes:
    """Encode the wish for a thumbnail."""
    return b"".join([_THUMBNAIL.pack(side_px), *_task_parts(task)])


def unpack_thumbnail(payload: bytes) -> tuple[DecodeTask, int]:
    """Decode the wish for a thumbnail."""
    (side_px,) = _THUMBNAIL.unpack_from(payload)
    return _unpack_task(payload, _THUMBNAIL.size, 0)[0], side_px


def pack_done(done: Done) -> bytes:
    """Encode a job's end."""
    return _DONE.pack(done.slot, done.rows, done.memory_bytes)


def unpack_done(payload: bytes) -> Done:
    """Decode a job's end.

    Raises:
        NonsenseError: it is none.
    """
    if len(payload) != _DONE.size:
        raise NonsenseError("what was received is no end of a job")
    return Done(*_DONE.unpack(payload))


def _task_parts(task: DecodeTask) -> list[bytes]:
    body = os.fsencode(task.path) if task.path is not None else task.data or b""
    known = task.known_sha256 if task.known_sha256 and len(task.known_sha256) == _SHA256_BYTES else b""
    flags = (_PATH if task.path is not None else 0) | (_KNOWN if known else 0)
    crop, cut = b"", task.crop
    if cut is not None:
        flags |= _CROPPED | (_SHARES if cut.is_share else 0)
        crop = _CROP.pack(cut.left, cut.top, cut.width, cut.height)
    return [_TASK.pack(flags, len(body)), known, crop, body]


def _unpack_task(payload: bytes, at: int, token: int) -> tuple[DecodeTask, int]:
    flags, length = _TASK.unpack_from(payload, at)
    at += _TASK.size
    known, crop = None, None
    if flags & _KNOWN:
        known, at = payload[at : at + _SHA256_BYTES], at + _SHA256_BYTES
    if flags & _CROPPED:
        kind = float if flags & _SHARES else int
        crop, at = Crop(*map(kind, _CROP.unpack_from(payload, at))), at + _CROP.size
    body, at = payload[at : at + length], at + length
    if flags & _PATH:
        return DecodeTask(token, path=os.fsdecode(body), known_sha256=known, crop=crop), at
    return DecodeTask(token, data=body, known_sha256=known, crop=crop), at
