"""The thing, or the cloth it lies on: encoders on photos of clothes, among all and among others' alone.

    python -m benchmarks apart

Beside the bundled encoder those of ../shared/models, where they are. The vectors are kept below .bench.
"""

from __future__ import annotations

from pathlib import Path

import seealike
from benchmarks.report import Row
from seealike.evaluation import CompareOptions, EncoderResult, Estimate, EvalOptions, Timing, compare

TITLE = "The thing or the cloth"
OWN, FOCUSED = "efficientnet-lite0", "efficientnet-lite0?focus=1"
MODELS = (
    ("mobilenet-v2.onnx", "size=224&norm=imagenet"),
    ("efficientnet-b4-trunk.onnx", "size=320&resize=366&norm=imagenet&layer=t461"),
)
SHOWN = ("precision@1", "precision@10", "mAP@R")


def rows(data: Path, work: Path) -> list[Row]:
    models = [(data.parent / "models" / name, how) for name, how in MODELS]
    specs = [OWN, *(f"onnx:{path}?{how}" for path, how in models if path.is_file()), FOCUSED]
    place = work / "apart.catalog"
    with seealike.open(place) if place.exists() else seealike.create(place) as catalog:
        catalog.index(data / "clothing" / "catalogue.csv")
        options = CompareOptions(EvalOptions(label="label", apart="sender"), timing=Timing.OFF, show=0)
        report = compare(catalog, specs, options)
    return [_row(result) for result in report.encoders]


def _row(result: EncoderResult) -> Row:
    apart = result.apart
    if apart is None:
        raise RuntimeError("nothing was set apart")
    figures = [f"{name} {result.metrics[name].value:.3f} → {apart.metrics[name].value:.3f}" for name in SHOWN]
    notes = [f"own sender {_said(apart.same)}, at random {apart.chance.value:.3f}"]
    if result.apart_differences:
        change = result.apart_differences["mAP@R"]
        notes.append(f"mAP@R among others {_said(change, '+.3f')} against the first: {change.verdict}")
    return Row(f"`{result.name}`", ", ".join(figures), "", "; ".join(notes))


def _said(estimate: Estimate, form: str = ".3f") -> str:
    return f"{estimate.value:{form}} ({estimate.low:{form}} to {estimate.high:{form}})"
