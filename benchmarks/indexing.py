"""Files to committed vectors, against the bound of its two stages and against the usual ways to do it.

All in one run, in turn, so that a busy machine slows everybody. bound = 1 / (1/decode + 1/encode), where
decode and encode are the rates of seealike's own stages, each with the whole machine to itself.
"""

from __future__ import annotations

import shutil
import statistics
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

import numpy as np
from PIL import Image

import seealike
from benchmarks.photos import repeated, warm
from benchmarks.report import Row, spread
from seealike.catalog.encoder.embedder import DECODE_BATCH
from seealike.encoders import EncoderMode, identity_of, load_encoder
from seealike.images import DecodePool, DecodeTask

TITLE = "Indexing, files to committed vectors"
FILES = 12_000
STAGE_FILES = 6_000
LOOP_FILES = 300
TURNS = 3
WORKERS = 2
NAME = "efficientnet-lite0"


def rows(data: Path, work: Path) -> list[Row]:
    folder = repeated(data, work / f"photos-{FILES}", FILES)
    warm(folder)
    paths = sorted(str(path) for path in folder.glob("*.jpg"))
    index, decode, encode = [], [], []
    for _ in range(TURNS):
        decode.append(_decode_rate(paths[:STAGE_FILES]))
        encode.append(_encode_rate())
        index.append(index_rate(folder, work / "indexing.catalog"))
    bounds = [1 / (1 / one + 1 / other) for one, other in zip(decode, encode, strict=True)]
    ours = statistics.median(index)
    share = statistics.median(one / bound for one, bound in zip(index, bounds, strict=True))
    found = [
        Row("decode alone", f"{statistics.median(decode):.0f} images/s", "", spread(decode)),
        Row("encode alone", f"{statistics.median(encode):.0f} images/s", "", spread(encode)),
        Row("bound of the two", f"{statistics.median(bounds):.0f} images/s", "", spread(bounds)),
        Row(f"`index` of {FILES:,} photos", f"{ours:.0f} images/s", "", spread(index)),
        Row("share of the bound", f"{share:.3f}", ">= 0.90", "start of the processes and the model included"),
    ]
    loops = {
        "Pillow + ONNX Runtime, the same encoder, batches of 32": _onnxruntime_loop,
        "R0's own loop: Pillow + torch ResNet18, one by one": _torch_loop,
    }
    for what, loop in loops.items():
        rate = loop(paths[:LOOP_FILES])
        if isinstance(rate, str):
            found.append(Row(what, "not measured", "", rate))
        else:
            found.append(
                Row(what, f"{rate:.0f} images/s", "", f"seealike is {ours / rate:.1f} times as fast")
            )
    return found


def index_rate(folder: Path, target: Path) -> float:
    """Images a second of ``index`` into a new catalogue in the place of ``target``."""
    shutil.rmtree(target, ignore_errors=True)
    with seealike.create(target) as catalog:
        report = catalog.index(folder)
    return report.added / report.took_s


def _decode_rate(paths: list[str]) -> float:
    preprocessing = identity_of(NAME).preprocessing
    with DecodePool(preprocessing, workers=WORKERS, batch_size=DECODE_BATCH, buffers=8) as pool:
        tasks = (DecodeTask(token=number, path=path) for number, path in enumerate(paths))
        for batch in pool.decode(iter([DecodeTask(token=0, path=paths[0])])):
            batch.release()
        started = time.perf_counter()
        for batch in pool.decode(tasks):
            batch.release()
        return len(paths) / (time.perf_counter() - started)


def _encode_rate() -> float:
    encoder = load_encoder(NAME, mode=EncoderMode.THROUGHPUT)
    side = encoder.preprocessing.crop_px
    pixels = np.random.default_rng(0).integers(0, 256, (encoder.batch_size, side, side, 3), dtype=np.uint8)
    batches = max(1, STAGE_FILES // encoder.batch_size)
    encoder.encode(pixels)
    started = time.perf_counter()
    futures: list[Future[object]] = [encoder.submit(pixels) for _ in range(batches)]  # type: ignore[misc]
    for future in futures:
        future.result()
    rate = batches * encoder.batch_size / (time.perf_counter() - started)
    encoder.close()
    return rate


def _prepared(path: str, side: int = 224, shorter: int = 256) -> Image.Image:
    image = Image.open(path).convert("RGB")
    scale = shorter / min(image.size)
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BICUBIC)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side))


def _onnxruntime_loop(paths: list[str]) -> float | str:
    try:
        import onnxruntime
    except ImportError:
        return "onnxruntime is not installed"
    from seealike.encoders.models import record_of

    session = onnxruntime.InferenceSession(record_of(NAME).file, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def encode(part: list[str]) -> None:
        session.run(None, {name: np.stack([np.asarray(_prepared(path)) for path in part])})

    return _rate(paths, encode, 32)


def _torch_loop(paths: list[str]) -> float | str:
    try:
        import timm
        import torch
    except ImportError as exc:
        return f"{exc.name} is not installed"
    model = timm.create_model("resnet18", pretrained=False, num_classes=0).eval()

    def encode(part: list[str]) -> None:
        pixels = np.asarray(_prepared(part[0])).transpose(2, 0, 1)
        tensor = torch.from_numpy(np.ascontiguousarray(pixels)).float().div(255).sub(0.45).div(0.225)
        with torch.no_grad():
            model(tensor[None])

    return _rate(paths, encode, 1)


def _rate(paths: list[str], encode: Callable[[list[str]], None], batch: int) -> float:
    encode(paths[:batch])
    started = time.perf_counter()
    for start in range(0, len(paths), batch):
        encode(paths[start : start + batch])
    return len(paths) / (time.perf_counter() - started)
