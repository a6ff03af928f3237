"""What every encoder does alike: batches wait for a free slot, threads compute them, pixels are checked.

Knows nothing of what computes.
"""

from __future__ import annotations

import contextlib
import os
import queue
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np

from seealike.errors import EncoderError
from seealike.forking import keep_for_ever, tell_of_forks
from seealike.vectors import have_directions, unit_rows

if TYPE_CHECKING:
    from seealike.types import EncoderIdentity, Float32Array, PixelArray, Preprocessing

Slot = TypeVar("Slot")


class SlotEncoder(Generic[Slot]):
    """An encoder with as many slots as batches can be under way.

    A slot is whatever one batch needs meanwhile. Each batch has a thread, which sleeps in the runtime until
    the answer is there: unlike a callback it also hears of a failure.
    """

    def __init__(
        self,
        identity: EncoderIdentity,
        batch_size: int,
        slots: Sequence[Slot],
        infer: Callable[[Slot, PixelArray], Float32Array],
    ) -> None:
        """``infer`` gives the unit vectors of at most ``batch_size`` pictures, and frees no slot itself."""
        self._identity, self._batch_size, self._concurrency = identity, batch_size, len(slots)
        self._infer = infer
        self._closed = False
        self._process_id = os.getpid()
        # The slots that are free; after close() only None, which tells everybody who waits for one.
        self._idle: queue.SimpleQueue[Slot | None] = queue.SimpleQueue()
        for slot in slots:
            self._idle.put(slot)
        self._threads = ThreadPoolExecutor(len(slots), thread_name_prefix="seealike-encoder")
        tell_of_forks(self, SlotEncoder._after_fork)

    @property
    def identity(self) -> EncoderIdentity:
        """The embedding space's name."""
        return self._identity

    @property
    def preprocessing(self) -> Preprocessing:
        """How pictures must be prepared."""
        return self._identity.preprocessing

    @property
    def batch_size(self) -> int:
        """The number of pictures that are computed at once."""
        return self._batch_size

    @property
    def concurrency(self) -> int:
        """The number of batches that can be under way."""
        return self._concurrency

    def encode(self, pixels: PixelArray) -> Float32Array:
        """Encode any number of pictures, now."""
        self._check(pixels)
        step = self._batch_size
        futures = [self.submit(pixels[start : start + step]) for start in range(0, len(pixels), step)]
        vectors = [future.result() for future in futures]
        return np.concatenate(vectors) if vectors else np.empty((0, self._identity.dimension), np.float32)

    def submit(self, pixels: PixelArray) -> Future[Float32Array]:
        """Start to encode at most ``batch_size`` pictures; fewer may cost as much."""
        self._check(pixels)
        if len(pixels) > self._batch_size:
            raise EncoderError(f"at most {self._batch_size} pictures fit into one batch, not {len(pixels)}")
        slot = self._idle.get()
        if slot is None:
            self._idle.put(None)
            raise EncoderError("the encoder is closed")
        try:
            return self._threads.submit(self._in_slot, slot, pixels)
        except RuntimeError as exc:
            self._idle.put(slot)
            raise EncoderError("the encoder is closed") from exc

    def close(self) -> None:
        """Wait for what is under way, then release the runtime."""
        if self._closed or os.getpid() != self._process_id:
            return
        self._closed = True
        self._threads.shutdown(wait=True)
        # Not as many as were made: Ctrl-C in the middle of ``submit`` may have lost one.
        with contextlib.suppress(queue.Empty):
            while True:
                self._idle.get_nowait()
        self._idle.put(None)
        self._release()

    def _after_fork(self) -> None:
        """In a forked child, where it can compute no more."""
        keep_for_ever(self)

    def _release(self) -> None:
        """Give back what is not a slot; nothing runs any more."""

    def _check(self, pixels: PixelArray) -> None:
        side = self._identity.preprocessing.crop_px
        if self._closed:
            raise EncoderError("the encoder is closed")
        if os.getpid() != self._process_id:
            raise EncoderError("the encoder was made before this process was forked; make one in the child")
        if pixels.dtype != np.uint8 or pixels.shape[1:] != (side, side, 3):
            raise EncoderError(
                f"{self._identity.name} takes uint8 pictures of shape (n, {side}, {side}, 3), "
                f"not {pixels.dtype} of shape {pixels.shape}"
            )

    def _in_slot(self, slot: Slot, pixels: PixelArray) -> Float32Array:
        try:
            return self._infer(slot, pixels)
        finally:
            self._idle.put(slot)


def checked_unit_rows(features: Float32Array, whose: str = "the encoder") -> Float32Array:
    """Features scaled to norm 1. Shapes: (n, d).

    Raises:
        EncoderError: one of them has no direction.
    """
    if not have_directions(features):
        raise EncoderError(f"{whose} returned a vector that has no direction: not finite, or zero")
    return unit_rows(features)
