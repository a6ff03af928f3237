"""How quick an encoder is on this machine: measured once by a short run, and kept."""

from __future__ import annotations

import os
import platform
import time
from collections import deque
from typing import TYPE_CHECKING

import numpy as np

from seealike.encoders.cache import BlobCache, default_cache_dir, key_of

if TYPE_CHECKING:
    from concurrent.futures import Future

    from seealike.protocols import Encoder
    from seealike.types import EncoderIdentity, Float32Array, PixelArray


def machine() -> str:
    """What a speed belongs to beside the encoder."""
    return f"{platform.machine()} {platform.processor()} {os.cpu_count()}"


def throughput(encoder: Encoder, for_s: float) -> float:
    """How many prepared pictures an encoder takes a second, in batches, as long as ``for_s`` seconds go."""
    side = encoder.preprocessing.crop_px
    shape = (encoder.batch_size, side, side, 3)
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    encoder.submit(pixels).result()
    under_way: deque[Future[Float32Array]] = deque()
    started, done = time.perf_counter(), 0
    while time.perf_counter() - started < for_s:
        under_way.append(encoder.submit(pixels))
        if len(under_way) >= max(1, encoder.concurrency):
            under_way.popleft().result()
            done += len(pixels)
    while under_way:
        under_way.popleft().result()
        done += len(pixels)
    return done / (time.perf_counter() - started)


def trial_pictures(n: int, side_px: int) -> PixelArray:
    """Draw ``n`` different pictures of coarse squares, to try a network on."""
    coarse = np.random.default_rng(0).integers(0, 256, (n, 5, 5, 3), np.uint8)
    places = np.arange(side_px) * 5 // side_px
    return coarse[:, places][:, :, places]


def kept_speed(identity: EncoderIdentity, cache_dir: str | None = None) -> float | None:
    """Images a second, as they were measured here once; None where they were not."""
    kept = BlobCache(cache_dir or default_cache_dir()).get(_key(identity))
    return None if kept is None else float(kept)


def keep_speed(identity: EncoderIdentity, images_per_s: float, cache_dir: str | None = None) -> None:
    """Keep what was measured, if the cache can be written."""
    BlobCache(cache_dir or default_cache_dir()).put(_key(identity), f"{images_per_s:.6g}".encode())


def _key(identity: EncoderIdentity) -> str:
    return key_of("speed", (identity, machine()))
