"""Retrieval quality on the sets at hand, leave-one-out, and what the pipeline's shortcuts cost.

P@1: the share of queries whose nearest other item has their class. mAP@R: Musgrave et al., "A metric learning
reality check", 2020: the mean over the first R results, R the number of other items of the query's class, of
precision@i where result i is right.
"""

from __future__ import annotations

import csv
import re
import shutil
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

import seealike
from benchmarks.report import Row
from seealike.encoders.models import record_of
from seealike.types import Float32Array

TITLE = "Quality, leave-one-out"
NO_CLASS = {"Not sure", "Skip", "Other"}
NAME = "efficientnet-lite0"


def rows(data: Path, work: Path) -> list[Row]:
    found = []
    for name, goal in (("places", 1.0), ("steakhouse", 0.97)):
        folder = data / name / "train" if name == "steakhouse" else data / name
        ids, vectors = _indexed(folder, work / f"{name}.catalog")
        labels = np.array([re.match(r"[a-z]+", Path(item_id).name).group() for item_id in ids])  # type: ignore[union-attr]
        precision, _ = leave_one_out(vectors, labels)
        found.append(Row(f"{name}, P@1", f"{precision:.3f}", f">= {goal}", f"{len(ids)} photos"))
    return found + _clothing(data / "clothing", work)


def _clothing(folder: Path, work: Path) -> list[Row]:
    with open(folder / "catalogue.csv", encoding="utf-8") as file:
        table = {row["id"]: row for row in csv.DictReader(file)}
    ids, vectors = _indexed(folder / "catalogue.csv", work / "clothing.catalog")
    named = [place for place, item_id in enumerate(ids) if table[item_id]["label"] not in NO_CLASS]
    labels = np.array([table[ids[place]]["label"] for place in named])
    precision, average = leave_one_out(vectors[named], labels)
    reference = _reference([folder / table[ids[place]]["path"] for place in named], work / "reference.npy")
    reference_precision, reference_average = leave_one_out(reference, labels)
    note = f"{len(named):,} photos of {len(set(labels))} classes"
    return [
        Row("clothing, P@1", f"{precision:.3f}", ">= 0.72", note),
        Row("clothing, mAP@R", f"{average:.4f}", ">= 0.310", note),
        Row(
            "the float32 reference: P@1, mAP@R",
            f"{reference_precision:.3f}, {reference_average:.4f}",
            "",
            "Pillow full decode, bicubic, centre crop, ONNX Runtime float32",
        ),
        Row("what the shortcuts cost in mAP@R", f"{reference_average - average:+.4f}", "<= 0.005", ""),
    ]


def _indexed(source: Path, target: Path) -> tuple[list[str], Float32Array]:
    shutil.rmtree(target, ignore_errors=True)
    with seealike.create(target, encoder=NAME) as catalog:
        catalog.index(source)
        return catalog.vectors()


def leave_one_out(vectors: Float32Array, labels: np.ndarray) -> tuple[float, float]:
    """P@1 and mAP@R, every item a query among all others."""
    right, averages = [], []
    for row in range(len(vectors)):
        scores = vectors @ vectors[row]
        scores[row] = -np.inf
        same = labels == labels[row]
        relevant = int(same.sum()) - 1
        order = np.argsort(-scores, kind="stable")[: max(relevant, 1)]
        hits = same[order]
        right.append(bool(hits[0]))
        if relevant:
            precisions = np.cumsum(hits) / np.arange(1, len(hits) + 1)
            averages.append(float((precisions * hits).sum() / relevant))
    return float(np.mean(right)), float(np.mean(averages))


def _reference(paths: list[Path], cache: Path) -> Float32Array:
    """Float32 vectors of the same weights with no shortcut anywhere."""
    if cache.exists():
        cached: Float32Array = np.load(cache, allow_pickle=False)
        if len(cached) == len(paths):
            return cached
    import onnxruntime

    session = onnxruntime.InferenceSession(record_of(NAME).file, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    rows = []
    for path in paths:
        pixels = np.asarray(_prepared(path))[None]
        rows.append(session.run(None, {name: pixels})[0][0])
    vectors = np.array(rows, dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    np.save(cache, vectors)
    return vectors


def _prepared(path: Path, side: int = 224, shorter: int = 256) -> Image.Image:
    image = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    scale = shorter / min(image.size)
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BICUBIC)
    left, top = round((image.width - side) / 2), round((image.height - side) / 2)
    return image.crop((left, top, left + side, top + side))
