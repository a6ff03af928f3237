"""What bfloat16 and 8 bits do to retrieval: the bundled encoder in each precision over labelled pictures.

    python -m benchmarks.precision CATALOGUE.csv [FOLDER]

The CSV has the columns ``path`` (relative to FOLDER, by default the CSV's own) and ``label``. Pictures are
prepared as the encoder's record says, by Pillow alone. Every picture of a named class is a query against all
the others.
"""

from __future__ import annotations

import argparse
import csv
import os
import tempfile
import time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from seealike.encoders.cache import BlobCache
from seealike.encoders.models import EFFICIENTNET_LITE0, EncoderMode
from seealike.encoders.onnx.openvino import OpenVinoEncoder
from seealike.errors import EncoderError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seealike.encoders.onnx.openvino import Precision
    from seealike.types import Float32Array, PixelArray, Preprocessing

NO_CLASS = frozenset({"Not sure", "Skip", "Other", ""})
BLOCK = 256


class Quality(NamedTuple):
    """Retrieval among labelled pictures, leave-one-out."""

    precision_at_1: float
    map_at_r: float


def prepare(path: str, how: Preprocessing) -> PixelArray:
    """Decode a picture, resize its shorter side, cut out the centre."""
    with Image.open(path) as image:
        rgb = image.convert("RGB")
    scale = how.resize_px / min(rgb.size)
    rgb = rgb.resize((round(rgb.width * scale), round(rgb.height * scale)), Image.Resampling.BICUBIC)
    left, top = (rgb.width - how.crop_px) // 2, (rgb.height - how.crop_px) // 2
    return np.asarray(rgb.crop((left, top, left + how.crop_px, top + how.crop_px)))


def blocks(paths: list[str], how: Preprocessing) -> Iterator[PixelArray]:
    """Prepared pictures, a few hundred at a time."""
    for start in range(0, len(paths), BLOCK):
        yield np.stack([prepare(path, how) for path in paths[start : start + BLOCK]])


def quality(vectors: Float32Array, labels: list[str]) -> Quality:
    """Precision at 1, and mean average precision at R, the number of a query's class mates.

    Source: Musgrave, Belongie, Lim, "A Metric Learning Reality Check" (2020), section 3.2.
    """
    classes = np.unique(labels, return_inverse=True)[1]
    scores = vectors @ vectors.T
    np.fill_diagonal(scores, -np.inf)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :-1]
    same = classes[order] == classes[:, None]
    relevant = same.sum(axis=1)
    ranks = np.arange(1, same.shape[1] + 1)
    within = ranks[None, :] <= relevant[:, None]
    gains = np.where(same & within, np.cumsum(same, axis=1) / ranks, 0.0).sum(axis=1)
    average = gains / np.maximum(relevant, 1)
    return Quality(float(same[:, 0].mean()), float(average[relevant > 0].mean()))


def read(table: str, folder: str) -> tuple[list[str], list[str]]:
    """Paths and labels of the pictures that have a class."""
    with open(table, encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["label"] not in NO_CLASS]
    return [os.path.join(folder, row["path"]) for row in rows], [row["label"] for row in rows]


def main() -> None:
    parser = argparse.ArgumentParser(description="What bfloat16 and 8 bits do to retrieval.")
    parser.add_argument("table")
    parser.add_argument("folder", nargs="?")
    options = parser.parse_args()
    paths, labels = read(options.table, options.folder or os.path.dirname(options.table))
    record = EFFICIENTNET_LITE0
    precisions: tuple[Precision, ...] = ("f32", "bf16", "i8")
    parts: dict[Precision, list[Float32Array]] = {p: [] for p in precisions}
    seconds = dict.fromkeys(precisions, 0.0)
    with tempfile.TemporaryDirectory() as folder:
        encoders = {p: load(p, BlobCache(folder)) for p in precisions}
        for pixels in blocks(paths, record.preprocessing):
            for name, encoder in encoders.items():
                started = time.perf_counter()
                parts[name].append(encoder.encode(pixels))
                seconds[name] += time.perf_counter() - started
        for encoder in encoders.values():
            encoder.close()
    vectors = {p: np.concatenate(rows) for p, rows in parts.items()}
    print(f"{len(paths)} pictures, {len(set(labels))} classes, {record.name}")
    for p in precisions:
        found = quality(vectors[p], labels)
        rate = len(paths) / seconds[p]
        print(f"{p:5} P@1 {found.precision_at_1:.4f}  mAP@R {found.map_at_r:.4f}  {rate:.0f} images/s")
    for p in precisions[1:]:
        mixed = quality_between(vectors[p], vectors["f32"], labels)
        cosine = np.einsum("nd,nd->n", vectors["f32"].astype(np.float64), vectors[p].astype(np.float64))
        low, one, half = np.quantile(cosine, [0.0, 0.01, 0.5])
        print(f"queries in {p}, catalogue in f32: P@1 {mixed:.4f}")
        print(
            f"cosine of the two: least {low:.5f}, 1 % {one:.5f}, median {half:.5f}, mean {cosine.mean():.5f}"
        )


def quality_between(queries: Float32Array, catalogue: Float32Array, labels: list[str]) -> float:
    """Precision at 1 of queries from one precision among vectors of the other, leave-one-out."""
    scores = queries @ catalogue.T
    np.fill_diagonal(scores, -np.inf)
    names = np.array(labels)
    return float((names[scores.argmax(axis=1)] == names).mean())


def load(precision: Precision, cache: BlobCache) -> OpenVinoEncoder:
    """The bundled encoder in a given precision."""
    try:
        return OpenVinoEncoder(
            EFFICIENTNET_LITE0, mode=EncoderMode.THROUGHPUT, cache=cache, precision=precision
        )
    except EncoderError as exc:
        raise SystemExit(f"{precision} does not run here: {exc}") from exc


if __name__ == "__main__":
    main()
