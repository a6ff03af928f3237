"""Smaller vectors: what they cost in quality, and what they save, on photos of clothes.

    python -m benchmarks smaller

The vectors are kept below .bench.
"""

from __future__ import annotations

from pathlib import Path

import seealike
from benchmarks.report import Row
from seealike.evaluation import Estimate, EvalOptions, SmallerVectors, evaluate

TITLE = "Smaller vectors"
SIZES = ("640", "320", "160", "80", "int8", "320:int8")
MODEL, HOW = "efficientnet-b4-trunk.onnx", "size=320&resize=366&norm=imagenet&layer=t461"


def rows(data: Path, work: Path) -> list[Row]:
    specs = {"efficientnet-lite0": "efficientnet-lite0"}
    model = data.parent / "models" / MODEL
    if model.is_file():
        specs[MODEL] = f"onnx:{model}?{HOW}"
    return [row for name, spec in specs.items() for row in _rows(name, spec, data, work)]


def _rows(name: str, spec: str, data: Path, work: Path) -> list[Row]:
    place = work / f"smaller-{name}.catalog"
    with seealike.open(place) if place.exists() else seealike.create(place, encoder=spec) as catalog:
        catalog.index(data / "clothing" / "catalogue.csv")
        options = EvalOptions(label="label", resample_by="sender", vectors=SIZES)
        labels, dimension = evaluate(catalog, options).labels, catalog.encoder.dimension
    if labels is None:
        raise RuntimeError("nothing was measured")
    whole = (
        f"precision@10 {labels.metrics['precision@10'].value:.3f}, mAP@R {labels.metrics['mAP@R'].value:.3f}"
    )
    first = Row(f"`{name}`, {dimension:,} numbers", whole, "", f"{2 * dimension:,} bytes each")
    return [first, *(_row(smaller) for smaller in labels.vectors)]


def _row(smaller: SmallerVectors) -> Row:
    changes = [f"{name} {_said(smaller.changes[name])}" for name in ("precision@10", "mAP@R")]
    note = f"{smaller.bytes:,} bytes each, {smaller.overlap:.1%} of the nearest ten in common"
    return Row(f"`{smaller.name}`", ", ".join(changes), "", note)


def _said(change: Estimate) -> str:
    return f"{change.value:+.4f} ({change.low:+.4f} to {change.high:+.4f})"
