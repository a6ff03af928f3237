"""Encoders that run in OpenVINO on the CPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from seealike.encoders._runtime import compile_record, reason_of
from seealike.encoders.slots import SlotEncoder, unit_norm
from seealike.errors import EncoderError

if TYPE_CHECKING:
    from openvino import InferRequest

    from seealike.encoders._runtime import Precision
    from seealike.encoders.blobs import BlobCache
    from seealike.encoders.models import EncoderMode, EncoderRecord
    from seealike.types import Float32Array, PixelArray


class OpenVinoEncoder(SlotEncoder["InferRequest"]):
    """A model compiled for this machine's CPU.

    In throughput mode it works on ``concurrency`` batches at a time, in latency mode on one picture. Fewer
    pictures than ``batch_size`` cost as much. Memory that is writable and contiguous is read where it lies.
    """

    def __init__(
        self,
        record: EncoderRecord,
        *,
        mode: EncoderMode,
        cache: BlobCache,
        precision: Precision | None = None,
    ) -> None:
        """Compile ``record``, or take it from ``cache``.

        ``precision`` None is the fastest that the CPU offers and the record allows.
        """
        compiled = compile_record(record, mode=mode, cache=cache, precision=precision)
        self.precision = compiled.precision
        requests = [compiled.model.create_infer_request() for _ in range(compiled.concurrency)]
        super().__init__(record.identity, compiled.batch_size, requests, self._encoded)

    def _encoded(self, request: InferRequest, pixels: PixelArray) -> Float32Array:
        return unit_norm(_features(request, pixels, self.batch_size))


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
