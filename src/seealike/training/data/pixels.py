"""The pictures of a lesson, decoded once and kept as bytes in a file that the system pages in and out."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import numpy as np

from seealike.catalog import DECODE_BATCH, default_workers
from seealike.errors import PictureError
from seealike.files import check_room
from seealike.images import DecodeLimits, DecodePool, DecodeTask
from seealike.types import Progress, unwatched

if TYPE_CHECKING:
    from seealike.types import PixelArray, Preprocessing, ProgressCallback, Refused


@contextmanager
def decoded(
    paths: Sequence[str],
    preprocessing: Preprocessing,
    folder: str,
    progress: ProgressCallback,
    limits: DecodeLimits = DecodeLimits(),
) -> Iterator[PixelArray]:
    """Decode pictures into one array, in a file of ``folder`` that is gone afterwards.

    Raises:
        PictureError: one of them cannot be read any more.
        StorageError: there is no room for them.

    Shapes: the array is (n, crop_px, crop_px, 3) uint8, RGB.
    """
    side = preprocessing.crop_px
    path = os.path.join(folder, f"pixels-{side}.bin")
    shape = (max(1, len(paths)), side, side, 3)
    check_room(folder, shape[0] * side * side * 3, "the decoded pictures")  # full, a map ends the process
    pixels = np.memmap(path, dtype=np.uint8, mode="w+", shape=shape)
    try:
        workers = default_workers()
        with closing(
            _fill(pixels, paths, preprocessing, limits, workers=workers, progress=progress)
        ) as refused:
            for failure in refused:
                raise PictureError(paths[failure.token], failure.reason, failure.detail)
        yield pixels[: len(paths)]
    finally:
        del pixels
        with contextlib.suppress(OSError):  # Windows keeps it while somebody looks at it
            os.unlink(path)


def readable(
    paths: Sequence[str], preprocessing: Preprocessing, limits: DecodeLimits = DecodeLimits()
) -> PixelArray:
    """Those of a few pictures that can be read. Shapes: the result is (n, crop_px, crop_px, 3) uint8, RGB."""
    side = preprocessing.crop_px
    pixels = np.empty((len(paths), side, side, 3), np.uint8)
    refused = [failure.token for failure in _fill(pixels, paths, preprocessing, limits, workers=1)]
    return np.delete(pixels, refused, axis=0)


def _fill(
    pixels: PixelArray,
    paths: Sequence[str],
    preprocessing: Preprocessing,
    limits: DecodeLimits,
    *,
    workers: int,
    progress: ProgressCallback = unwatched,
) -> Generator[Refused, None, None]:
    """Decode every picture into its row; those that cannot be read are yielded, and their rows left alone."""
    done, buffers = 0, 2 * workers + 2
    with DecodePool(
        preprocessing, workers=workers, batch_size=DECODE_BATCH, buffers=buffers, limits=limits
    ) as pool:
        for batch in pool.decode(DecodeTask(number, path) for number, path in enumerate(paths)):
            pixels[[picture.token for picture in batch.pictures]] = batch.pixels
            batch.release()
            yield from batch.refused
            done += len(batch.pictures)
            progress(Progress(f"decode at {preprocessing.crop_px} px", done, len(paths)))
