"""The records of a finished batch as the values that the pool gives out."""

from __future__ import annotations

from collections.abc import Callable

from seealike.images.batch import DecodedBatch, DecodedPicture
from seealike.images.jobs import BatchJob
from seealike.images.shared import PICTURE, SAME, SharedSlots
from seealike.types import Refused, SameFile, SkipReason


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
                task.token, record.sha256, record.width_px, record.height_px, size, mtime
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
