"""Encoders that run in torch on a CUDA device, in half precision, transfers overlapped with computing."""

from __future__ import annotations

import ctypes
import os
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seealike.encoders.export import LEAST_COSINE, cosines
from seealike.encoders.models import EncoderMode
from seealike.encoders.slots import SlotEncoder, checked_unit_rows
from seealike.encoders.speed import trial_pictures
from seealike.encoders.timm.model import TimmModel, load_timm_model, require_timm
from seealike.errors import EncoderError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

    from seealike.encoders.spec import EncoderSpec
    from seealike.protocols import Encoder
    from seealike.types import EncoderIdentity, Float32Array, PixelArray

_CUDA = "cuda"
_BATCH_SIZES = (16, 32, 64, 128, 256)
# A larger batch costs memory and latency: it must be this much faster to be taken.
_GAIN = 1.05
# One computes, one is on its way to the device, one comes back.
_SLOTS = 3
_TRIALS = 4


def torch_encoder(spec: EncoderSpec, *, mode: EncoderMode) -> Encoder | None:
    """Load a timm model into torch where there is a CUDA device; None where there is none.

    torch is imported only where the driver of such a device answers.

    Raises:
        UsageError, EncoderError: see ``load_timm_model``.
    """
    if not has_cuda_driver() or (spec.weights and not os.path.exists(spec.weights)):
        return None  # without its weights, an earlier export may still run
    try:
        require_timm()
    except MissingExtraError:  # what was exported before runs without torch
        return None
    import torch

    if not torch.cuda.is_available():
        return None
    batch_size = 1 if mode is EncoderMode.LATENCY else None
    return TorchEncoder(load_timm_model(spec), device=_CUDA, batch_size=batch_size)


def has_cuda_driver() -> bool:
    """Ask the driver itself whether there is a CUDA device: a matter of milliseconds where there is none."""
    if sys.platform == "darwin":
        return False
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
        count = ctypes.c_int(0)
        answered = driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0
    except (OSError, AttributeError):
        return False
    return answered and count.value > 0


class TorchEncoder(SlotEncoder["_Slot"]):
    """A network in torch on one device.

    A batch has a slot while it is under way: page-locked memory both ways and a stream of its own, so one
    batch is computed while another travels.
    """

    def __init__(self, model: TimmModel, *, device: str, batch_size: int | None = None) -> None:
        """Move ``model`` to ``device``, in the least precision that keeps its vectors.

        ``batch_size`` None tries several and takes the quickest.

        Raises:
            EncoderError: torch cannot run it there.
        """
        self._device = device
        try:
            self._network, self.precision = _on_device(model, device)
            size = batch_size or _quickest(self._network, device, model.identity)
            slots = [_slot(device, size, model.identity) for _ in range(_SLOTS)]
        except (RuntimeError, MemoryError) as exc:
            raise EncoderError(f"torch cannot run {model.identity.name} on {device}: {_said(exc)}") from exc
        super().__init__(model.identity, size, slots, self._encoded)

    def _encoded(self, slot: _Slot, pixels: PixelArray) -> Float32Array:
        try:
            return checked_unit_rows(_features(self._network, slot, pixels))
        except (RuntimeError, MemoryError) as exc:
            raise EncoderError(f"torch could not run the encoder: {_said(exc)}") from exc

    def _release(self) -> None:
        """Give the device's memory back."""
        del self._network
        if self._device == _CUDA:
            import torch

            torch.cuda.empty_cache()


def _quickest(network: torch.nn.Module, device: str, identity: EncoderIdentity) -> int:
    """Try the batch sizes, the small ones first, until a larger one is no longer worth it."""
    best, best_rate = 1, 0.0
    for size, rate in _rates(network, device, identity):
        if rate < best_rate * _GAIN:
            break
        best, best_rate = size, rate
    return best


def _rates(network: torch.nn.Module, device: str, identity: EncoderIdentity) -> Iterator[tuple[int, float]]:
    """Images/s of every batch size that fits into the device's memory."""
    import torch

    for size in _BATCH_SIZES:
        try:
            slot = _slot(device, size, identity)
            pictures = trial_pictures(size, identity.preprocessing.crop_px)
            _features(network, slot, pictures)  # the first run plans, and is not measured
            started = time.perf_counter()
            for _ in range(_TRIALS):
                _features(network, slot, pictures)
        except torch.cuda.OutOfMemoryError:
            return
        yield size, _TRIALS * size / (time.perf_counter() - started)


@dataclass(frozen=True, slots=True)
class _Slot:
    """What one batch needs while it is under way; ``stream`` is None where the device has none."""

    sent: torch.Tensor
    received: torch.Tensor
    there: torch.Tensor
    stream: torch.cuda.Stream | None


def _slot(device: str, batch_size: int, identity: EncoderIdentity) -> _Slot:
    import torch

    side, pinned = identity.preprocessing.crop_px, device == _CUDA
    shape = (batch_size, side, side, 3)
    return _Slot(
        sent=torch.empty(shape, dtype=torch.uint8, pin_memory=pinned),
        received=torch.empty((batch_size, identity.dimension), dtype=torch.float32, pin_memory=pinned),
        there=torch.empty(shape, dtype=torch.uint8, device=device),
        stream=torch.cuda.Stream() if pinned else None,
    )


def _features(network: torch.nn.Module, slot: _Slot, pixels: PixelArray) -> Float32Array:
    """Send pictures to the device, run the network there, and wait for a copy of what it answers."""
    import torch

    n = len(pixels)
    slot.sent.numpy()[:n] = pixels
    with torch.inference_mode(), torch.cuda.stream(slot.stream):
        slot.there[:n].copy_(slot.sent[:n], non_blocking=True)
        slot.received[:n].copy_(network(slot.there[:n]), non_blocking=True)
    if slot.stream is not None:
        slot.stream.synchronize()
    answer: Float32Array = slot.received[:n].numpy().copy()
    return answer


def _on_device(model: TimmModel, device: str) -> tuple[torch.nn.Module, str]:
    """Move a network to its device, in half precision if its vectors stay what they are in float32.

    Some networks overflow float16; those run in bfloat16, or as they were.
    """
    import copy

    import torch

    identity = model.identity
    pictures = trial_pictures(_TRIALS, identity.preprocessing.crop_px)
    slot = _slot(device, _TRIALS, identity)
    network = copy.deepcopy(model.network).to(device)
    if device != _CUDA:
        return network, "float32"
    torch.cuda.synchronize()  # a slot's stream does not wait for what is still on its way to the device
    wanted = _features(network, slot, pictures)
    for kind in (torch.float16, torch.bfloat16):
        narrow = copy.deepcopy(network)
        narrow.network.to(kind, memory_format=torch.channels_last)  # what normalises stays in full
        torch.cuda.synchronize()
        if cosines(wanted, _features(narrow, slot, pictures)).min() >= LEAST_COSINE:
            return narrow, str(kind).removeprefix("torch.")
    return network, "float32"


def _said(exc: BaseException) -> str:
    return " ".join(str(exc).split())[:200] or type(exc).__name__
