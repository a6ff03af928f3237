"""Frames and records: what goes in comes out, and nonsense is called nonsense."""

from __future__ import annotations

import io

import pytest

from seealike.images import DecodeLimits, DecodeTask
from seealike.images.pool import wire
from seealike.images.pool.shared import FAILURE, PICTURE, Layout, Record, SharedSlots
from seealike.types import Crop, Preprocessing, SkipReason

LAYOUT = Layout(slots=2, batch_size=3, crop_px=4)


def test_a_frame_arrives_as_it_was_sent() -> None:
    pipe = io.BytesIO()
    wire.send(pipe, wire.Kind.ENCODED, b"abc")
    pipe.seek(0)
    assert wire.receive(pipe) == (wire.Kind.ENCODED, b"abc")
    with pytest.raises(wire.WireError, match="gone"):
        wire.receive(pipe)


@pytest.mark.parametrize("garbage", [b"Corrupt JPEG data: premature end", b"slk1\xff" + bytes(40)])
def test_what_is_no_frame_is_nonsense(garbage: bytes) -> None:
    with pytest.raises(wire.NonsenseError):
        wire.receive(io.BytesIO(garbage))


def test_a_job_keeps_its_tasks() -> None:
    tasks = (
        DecodeTask(5, path="/a/\udce9 \n.jpg", known_sha256=bytes(range(32))),
        DecodeTask(6, data=b"\0\1\2"),
        DecodeTask(7, path="x", known_sha256=b"too short to be a hash"),
        DecodeTask(8, data=b"\3", known_sha256=bytes(32), crop=Crop(1, 2, 3, 4)),
        DecodeTask(9, path="y", crop=Crop(0.1, 0.0, 1 / 3, 1.0)),
    )
    job = wire.unpack_job(wire.pack_job(wire.Job(1, 5, 4, tasks)))
    assert (job.slot, job.index, job.row) == (1, 5, 4)
    assert job.tasks == (*tasks[:2], DecodeTask(7, path="x"), *tasks[3:])
    assert [task.crop.is_share for task in job.tasks if task.crop] == [False, True]


def test_a_greeting_keeps_what_decoding_needs() -> None:
    preprocessing = Preprocessing(5, 4, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), "bilinear")
    hello = wire.Hello(LAYOUT, "fd:7", preprocessing, DecodeLimits(cpu_s=0.5))
    assert wire.unpack_hello(wire.pack_hello(hello)) == hello


def test_records_and_pixels_do_not_overlap() -> None:
    shared = SharedSlots.create(LAYOUT)
    records = {}
    for slot in range(3):
        for index in range(LAYOUT.capacity(slot)):
            text = f"{slot}.{index} " + "é" * 400
            records[slot, index] = Record(FAILURE, SkipReason.CORRUPT, text, size_bytes=slot, mtime_ns=index)
            shared.write(slot, index, records[slot, index])
        shared.pixels(slot, LAYOUT.capacity(slot))[:] = 100 + slot
        shared.set_progress(slot, 40 + slot)
    for (slot, index), record in records.items():
        found = shared.read(slot, index)
        assert (found.kind, found.reason, found.size_bytes, found.mtime_ns) == (
            FAILURE,
            SkipReason.CORRUPT,
            slot,
            index,
        )
        detail = found.detail.rstrip("\ufffd")
        assert detail
        assert record.detail.startswith(detail)
        assert shared.progress(slot) == 40 + slot
        assert (shared.pixels(slot, LAYOUT.capacity(slot)) == 100 + slot).all()
    shared.close()


def test_memory_that_holds_no_record_is_not_taken_for_one() -> None:
    shared = SharedSlots.create(LAYOUT)
    with pytest.raises(ValueError, match="no outcome"):
        shared.read(0, 0)
    shared.write(0, 0, Record(PICTURE, width_px=0, height_px=5))
    with pytest.raises(ValueError, match="no outcome"):
        shared.read(0, 0)
    with pytest.raises(ValueError, match="no picture"):
        shared.read(0, 3)
    shared.close()
