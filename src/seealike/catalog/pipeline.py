"""The two halves of ``index`` that compute: decoding processes, and the encoder they feed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager

from seealike.catalog.pictures import EncoderAtHand
from seealike.encoders import EncoderMode
from seealike.errors import EncoderError
from seealike.images import DecodedBatch, DecodeLimits, DecodePool
from seealike.protocols import Encoder
from seealike.types import Float32Array

DECODE_BATCH = 16  # pictures a process decodes in one go: the more, the less the hand-over costs
BATCHES_HELD = 2  # decoded batches that wait for the encoder, the one it works on included
MOST_WORKERS = 12  # by default; each takes 30 to 80 MB


@contextmanager
def pipeline(
    at_hand: EncoderAtHand, workers: int | None, limits: DecodeLimits
) -> Iterator[Callable[[], tuple[DecodePool, Encoder]]]:
    """A factory for the decoding processes and the encoder; what it made is closed at the end."""
    with ExitStack() as made:

        def start() -> tuple[DecodePool, Encoder]:
            encoder = made.enter_context(at_hand.loaded(EncoderMode.THROUGHPUT))
            return made.enter_context(decode_pool(at_hand, workers, limits)), encoder

        yield start


def decode_pool(at_hand: EncoderAtHand, workers: int | None, limits: DecodeLimits) -> DecodePool:
    """Decoding processes for many pictures."""
    processes = workers or default_workers()
    return DecodePool(
        at_hand.identity.preprocessing,
        workers=processes,
        batch_size=DECODE_BATCH,
        buffers=2 * processes + BATCHES_HELD + 1,
        limits=limits,
    )


def default_workers() -> int:
    """One decoding process for each core this process may use, up to a number that memory allows."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(usable, MOST_WORKERS)


def submitted(encoder: Encoder, batch: DecodedBatch) -> list[Future[Float32Array]]:
    """Hand a decoded batch to the encoder, in parts of the size it likes best."""
    step = encoder.batch_size
    futures: list[Future[Float32Array]] = []
    for start in range(0, len(batch.pixels), step):
        try:
            futures.append(encoder.submit(batch.pixels[start : start + step]))
        except EncoderError as exc:
            refused: Future[Float32Array] = Future()
            refused.set_exception(exc)
            futures.append(refused)
    return futures
