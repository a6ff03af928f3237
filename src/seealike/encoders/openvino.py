"""Encoders that run in OpenVINO on the CPU."""

from __future__ import annotations

import contextlib
import queue
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from seealike.encoders._runtime import compile_record, reason_of
from seealike.errors import EncoderError

if TYPE_CHECKING:
    from openvino import InferRequest

    from seealike.encoders._runtime import Precision
    from seealike.encoders.blobs import BlobCache
    from seealike.encoders.models import EncoderMode, EncoderRecord
    from seealike.types import EncoderIdentity, Float32Array, PixelArray, Preprocessing


class OpenVinoEncoder:
    """A model compiled for this machine's CPU.

    In throughput mode it works on ``concurrency`` batches at a time, in latency mode on one picture. Each
    batch under way has a thread, which sleeps in the runtime until the answer is there: unlike a callback
    it also hears of a failure.
    """

    def __init__(
        self,
        record: EncoderRecord,
        *,
        mode: EncoderMode,
        cache: BlobCache,
        precision: Precision | None = None,
    ) -> None:
        """Compile ``record``, or take it from ``cache``; ``precision`` None is the fastest the CPU offers."""
        compiled = compile_record(record, mode=mode, cache=cache, precision=precision)
        self.precision = compiled.precision
        self._identity = record.identity
        self._batch_size = compiled.batch_size
        self._concurrency = compiled.concurrency
        self._closed = False
        # The requests that are free; after close() only None, which tells everybody who waits for one.
        self._idle: queue.SimpleQueue[InferRequest | None] = queue.SimpleQueue()
        for _ in range(compiled.concurrency):
            self._idle.put(compiled.model.create_infer_request())
        self._threads = ThreadPoolExecutor(compiled.concurrency, thread_name_prefix="seealike-encoder")

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
        """Start to encode at most ``batch_size`` pictures.

        Fewer cost as much as ``batch_size``. Memory that is writable and contiguous is read where it lies.
        """
        self._check(pixels)
        if len(pixels) > self._batch_size:
            raise EncoderError(f"at most {self._batch_size} pictures fit into one batch, not {len(pixels)}")
        request = self._idle.get()
        if request is None:
            self._idle.put(None)
            raise EncoderError("the encoder is closed")
        try:
            return self._threads.submit(self._infer, request, pixels)
        except RuntimeError as exc:
            self._idle.put(request)
            raise EncoderError("the encoder is closed") from exc

    def close(self) -> None:
        """Wait for what is under way, then release the runtime."""
        if self._closed:
            return
        self._closed = True
        self._threads.shutdown(wait=True)
        # Not as many as were made: Ctrl-C in the middle of ``submit`` may have lost one.
        with contextlib.suppress(queue.Empty):
            while True:
                self._idle.get_nowait()
        self._idle.put(None)

    def _check(self, pixels: PixelArray) -> None:
        side = self._identity.preprocessing.crop_px
        if self._closed:
            raise EncoderError("the encoder is closed")
        if pixels.dtype != np.uint8 or pixels.shape[1:] != (side, side, 3):
            raise EncoderError(
                f"{self._identity.name} takes uint8 pictures of shape (n, {side}, {side}, 3), "
                f"not {pixels.dtype} of shape {pixels.shape}"
            )

    def _infer(self, request: InferRequest, pixels: PixelArray) -> Float32Array:
        try:
            return _unit_norm(_features(request, pixels, self._batch_size))
        finally:
            self._idle.put(request)


def _features(request: InferRequest, pixels: PixelArray, batch_size: int) -> Float32Array:
    """Return a copy of the model's output for at most ``batch_size`` pictures."""
    import openvino

    n = len(pixels)
    batch = pixels
    if n < batch_size or not (pixels.flags.c_contiguous and pixels.flags.writeable):
        batch = np.zeros((batch_size, *pixels.shape[1:]), np.uint8)
        batch[:n] = pixels
    try:
        request.set_input_tensor(openvino.Tensor(batch, shared_memory=True))
        request.start_async()
        request.wait()
        return np.array(request.get_output_tensor().data[:n], np.float32)
    except (RuntimeError, ValueError, MemoryError) as exc:
        raise EncoderError(f"OpenVINO could not run the encoder: {reason_of(exc)}") from exc


def _unit_norm(features: Float32Array) -> Float32Array:
    norms = np.linalg.norm(features, axis=1, keepdims=True)
    if not np.all(np.isfinite(norms) & (norms > 0)):
        raise EncoderError("the encoder returned a vector that has no direction: not finite, or zero")
    features /= norms
    return features
