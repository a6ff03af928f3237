"""timm models through seealike against torch itself: the same network, the same weights, in one run.

The weights are random, but for the batch norms, which are fitted to pictures: speed does not depend on them,
and the arithmetic is compared. Turns alternate, so that a busy machine slows everybody.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.report import Row, spread
from seealike.encoders import EncoderMode, load_encoder, parse_spec
from seealike.encoders.cache import BlobCache
from seealike.encoders.onnx.openvino import OpenVinoEncoder
from seealike.encoders.timm.record import timm_record
from seealike.protocols import Encoder
from seealike.testing import sample_pixels
from seealike.types import Float32Array, PixelArray

if TYPE_CHECKING:
    import torch

    from seealike.encoders.onnx.openvino import Precision

TITLE = "timm models: OpenVINO through seealike, against torch"
NAMES = ("resnet18", "mobilenetv2_100", "resnet50", "vgg16")
BATCH = 16
TURNS = 3
TURN_S = 2.0


def rows(data: Path, work: Path) -> list[Row]:  # noqa: ARG001 - no picture is read
    if any(importlib.util.find_spec(name) is None for name in ("torch", "timm")):
        return [Row("timm models", "not measured", "", "torch or timm is not installed")]
    return [row for name in NAMES for row in _rows(name, work / "timm")]


def _rows(name: str, work: Path) -> list[Row]:
    network, weights = network_with_weights(name, work)
    spec, cache = f"timm:{name}?weights={weights}", str(work / f"cache-{name}")
    shutil.rmtree(cache, ignore_errors=True)
    first = _seconds(lambda: load_encoder(spec, cache_dir=cache, mode=EncoderMode.THROUGHPUT).close())
    second = _seconds(lambda: load_encoder(spec, cache_dir=cache, mode=EncoderMode.THROUGHPUT).close())
    encoder = OpenVinoEncoder(
        timm_record(parse_spec(spec), cache), mode=EncoderMode.THROUGHPUT, cache=BlobCache(cache)
    )
    pixels = sample_pixels(4 * BATCH, encoder.preprocessing.crop_px)
    ways: dict[str, Callable[[], int]] = {
        "seealike": lambda: len(encoder.encode(pixels)),
        "torch, one by one": lambda: len(_torch(network, encoder, pixels[:1])),
        f"torch, batches of {BATCH}": lambda: len(_torch(network, encoder, pixels[:BATCH])),
    }
    rates: dict[str, list[float]] = {way: [] for way in ways}
    for call in ways.values():
        call()
    for _ in range(TURNS):
        for way, call in ways.items():
            rates[way].append(_rate(call))
    ours = statistics.median(rates["seealike"])
    found = [
        Row(f"{name}, {way}", f"{statistics.median(values):.1f} images/s", "", _note(way, values, ours))
        for way, values in rates.items()
    ]
    encoder.close()
    wanted = _torch(network, encoder, pixels[:BATCH])
    precisions: tuple[Precision, ...] = ("f32", encoder.precision)
    for precision in dict.fromkeys(precisions):
        cosine = _cosines(_encoded(spec, cache, precision, pixels[:BATCH]), wanted).min()
        what = f"{name}, least cosine with torch, {precision}"
        found.append(Row(what, f"{cosine:.5f}", ">= 0.999" if precision == "f32" else ""))
    found.append(
        Row(f"{name}, start", f"{second:.2f} s", "", f"{first:.1f} s the first time, with the export")
    )
    return found


def _encoded(spec: str, cache: str, precision: Precision, pixels: PixelArray) -> Float32Array:
    record = timm_record(parse_spec(spec), cache)
    encoder = OpenVinoEncoder(record, mode=EncoderMode.LATENCY, cache=BlobCache(cache), precision=precision)
    vectors = encoder.encode(pixels)
    encoder.close()
    return vectors


def _note(way: str, values: list[float], ours: float) -> str:
    if way == "seealike":
        return spread(values)
    return f"{spread(values)}; seealike is {ours / statistics.median(values):.1f} times as fast"


def network_with_weights(name: str, work: Path) -> tuple[torch.nn.Module, str]:
    """A network with random weights that tell pictures apart, and a file with them."""
    import timm
    import torch
    from safetensors.torch import save_file

    work.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    network = timm.create_model(name, pretrained=False)
    norms = [module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
        torch.nn.init.uniform_(norm.weight, 0.4, 0.9)
        torch.nn.init.uniform_(norm.bias, -0.25, 0.25)
    if norms:
        planes = torch.from_numpy(sample_pixels(8, 224).transpose(0, 3, 1, 2).astype(np.float32))
        with torch.no_grad():
            network.train()(planes / 58 - 2)
    path = os.path.join(work, f"{name}.safetensors")
    save_file(network.state_dict(), path)
    return network.eval(), path


def _torch(network: torch.nn.Module, encoder: Encoder, pixels: PixelArray) -> Float32Array:
    """The penultimate features as torch gives them, normalisation included, as for seealike."""
    import torch

    how = encoder.preprocessing
    with torch.inference_mode():
        planes = torch.from_numpy(pixels).permute(0, 3, 1, 2).float()
        mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (how.mean, how.std))
        features = network.forward_features((planes - mean) / std)
        answer: Float32Array = network.forward_head(features, pre_logits=True).numpy()
    return answer


def _cosines(a: Float32Array, b: Float32Array) -> Float32Array:
    b = b / np.linalg.norm(b, axis=1, keepdims=True)
    found: Float32Array = np.einsum("nd,nd->n", a, b)
    return found


def _seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def _rate(call: Callable[[], int]) -> float:
    """Pictures a second over about ``TURN_S`` seconds."""
    done, started = 0, time.perf_counter()
    while (took := time.perf_counter() - started) < TURN_S:
        done += call()
    return done / took
