"""What training makes of the clothing photos: learnt on ``train``, judged among the photos of ``test``.

The head is trained here, in seconds. The whole encoder takes most of an hour; its rows are those of its last
run, which writes its report where they are read from:

    seealike train -C .bench/train.catalog --label label --ignore-label 'Not sure' --ignore-label Skip \\
        --ignore-label Other --split split --split-by sender --method full --log .bench/full.jsonl \\
        -o .bench/full.onnx --format json > .bench/full-training.json
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import TypeAlias

import seealike
from benchmarks.report import Row
from seealike.training import Labelling, Loss, Recipe, Splitting, TrainOptions, TrainReport, train

TITLE = "Training, on photos of people who took none of the photos learnt from"
Metrics: TypeAlias = dict[str, dict[str, dict[str, float]]]
NO_CLASS = ("Not sure", "Skip", "Other")
FULL_REPORT = "full-training.json"


def rows(data: Path, work: Path) -> list[Row]:
    folder = work / "train.catalog"
    shutil.rmtree(folder, ignore_errors=True)
    found = []
    with seealike.create(folder) as catalog:
        catalog.index(data / "clothing" / "catalogue.csv")
        for loss in Loss:
            dimension = 512 if loss is Loss.SOFTMAX else None
            recipe = Recipe(loss=loss, dimension=dimension)
            options = TrainOptions(Labelling("label", NO_CLASS), Splitting("split", "sender"), recipe)
            report = train(catalog, str(work / f"head-{loss}.onnx"), options)
            if loss is Loss.PROXY:
                found += _before(report)
            found += _head(loss, report)
    return found + _full(work / FULL_REPORT)


def _before(report: TrainReport) -> list[Row]:
    figures = {figure.name: figure.before for figure in report.verdict.compared}
    known = (figures[name] for name in ("precision@1", "mAP@R"))
    said = ", ".join(f"{figure.value:.3f}" for figure in known if figure is not None)
    return [Row("before: P@1, mAP@R", said, "", f"{len(report.split.test)} photos, {report.base}")]


def _head(loss: Loss, report: TrainReport) -> list[Row]:
    goals = ("P@1 >= 0.628, mAP@R >= 0.45", "<= 90 s") if loss is Loss.PROXY else ("", "")
    note = f"{report.dimension}-d, the best of {len(report.curve)} passes was {report.best_epoch}"
    found = [Row(f"head, {loss}: P@1, mAP@R", _figures(_metrics(report)), goals[0], note)]
    if loss is Loss.PROXY or loss is Loss.SOFTMAX:
        found.append(Row(f"head, {loss}: top-1, 3, 5", _tops(_metrics(report)), "", "by the classifier"))
    if loss is Loss.PROXY:
        found.append(Row("head: training and measuring", f"{report.took_s:.1f} s", goals[1], ""))
    return found


def _metrics(report: TrainReport) -> Metrics:
    """The figures as the command's JSON has them."""
    return {figure.name: {"after": asdict(figure.after)} for figure in report.verdict.compared}


def _full(path: Path) -> list[Row]:
    if not path.exists():
        return [Row("the whole encoder", "not measured", "", f"there is no {path.name}; see this module")]
    with open(path, encoding="utf-8") as file:
        report = json.load(file)
    passes = f"{len(report['curve'])} passes, the best was {report['best_epoch']}"
    return [
        Row("full: P@1, mAP@R", _figures(report["metrics"]), "mAP@R >= 0.55", passes),
        Row(
            "full: top-1, 3, 5", _tops(report["metrics"]), "top-3 >= 0.94, top-5 >= 0.97", "by the classifier"
        ),
        Row(
            "full: in all",
            f"{report['took_s'] / 60:.0f} min",
            "<= 60 min",
            f"{report['resumed']} passes before",
        ),
    ]


def _figures(metrics: Metrics) -> str:
    return ", ".join(_interval(metrics[name]["after"]) for name in ("precision@1", "mAP@R"))


def _interval(estimate: dict[str, float]) -> str:
    return f"{estimate['value']:.3f} ({estimate['low']:.3f} to {estimate['high']:.3f})"


def _tops(metrics: Metrics) -> str:
    return ", ".join(f"{metrics[f'top-{top} by the classifier']['after']['value']:.3f}" for top in (1, 3, 5))
