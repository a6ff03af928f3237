"""What ``seealike train`` prints, and the log of its passes."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from typing import TYPE_CHECKING

from seealike.cli.printing.evaluation import interval
from seealike.cli.printing.rows import print_json
from seealike.cli.printing.tables import print_columns
from seealike.cli.printing.text import echo
from seealike.gallery.text import duration
from seealike.wording import counted

if TYPE_CHECKING:
    from seealike.catalog.outputs.places import OutputFile
    from seealike.evaluation import Estimate
    from seealike.training import Compared, Parity, Point, TrainReport


@contextmanager
def curve_log(
    log: OutputFile | None, catalog: str, most: int, *, quiet: bool
) -> Iterator[Callable[[Point], None]]:
    """Give what is told of every pass: a line on stderr, and one of JSON in the log where there is one.

    ``most`` is the number of passes it may take, which says how much time is left. ``catalog`` is the
    directory of what is learnt from.
    """
    before = time.monotonic()

    def passed(point: Point) -> None:
        nonlocal before
        took_s, before = time.monotonic() - before, time.monotonic()
        if not quiet:
            left = f", {duration((most - point.epoch) * took_s)} left" if point.epoch < most else ""
            said = f"loss {point.loss:.3f}, validation mAP@R {point.score:.3f}"
            echo(f"pass {point.epoch} of at most {most}: {said}{left}", err=True)
        if file is not None:
            file.write(json.dumps(asdict(point)) + "\n")
            file.flush()

    with log.appending(catalog) if log else nullcontext() as file:
        yield passed


def name_of(output: str) -> str:
    """What a space is called where nobody says it: the file's name without its ending."""
    return os.path.splitext(os.path.basename(output))[0] or "fine-tuned"


def print_report(report: TrainReport) -> None:
    """Print a report for people."""
    for line in summary(report):
        echo(line)
    print_columns(
        ("metric", "before", "after", "change", "95 % interval"),
        [_row(figure) for figure in report.verdict.compared],
        f"{counted(len(report.split.test), 'test item')}, each searched among the others",
    )
    before, after = report.verdict.before, report.verdict.after
    echo("")
    echo(
        f"different items in all top-10 lists: {before.distinct:,} before, {after.distinct:,} after; "
        f"mean cosine of all pairs: {before.mean_cosine:.3f}, {after.mean_cosine:.3f}"
    )
    if report.encoder is not None:
        if report.verdict.objections:
            echo(f"written although {'; '.join(report.verdict.objections)}")
        echo(f"wrote {report.encoder}; put it to use: seealike reindex --encoder onnx:{report.encoder}")


def summary(report: TrainReport) -> Iterator[str]:
    """What was done, in a few lines."""
    lesson, parts = report.lesson, report.split
    column = report.options.labelling.column
    left = f", {counted(lesson.left_out, 'item')} left out" if lesson.left_out else ""
    classes = counted(len(lesson.classes), "class", "classes")
    yield f"{counted(len(lesson), 'item')} in {classes} of {column}{left}"
    yield (
        f"{len(parts.train):,} to learn from, {len(parts.validation):,} to decide when to stop, "
        f"{len(parts.test):,} to judge; {parts.said}"
    )
    if lesson.unit_name == "picture":
        yield "photos of one person or product may be on both sides; --split-by names who must not"
    resumed = f", {report.resumed} of them before" if report.resumed else ""
    passes = counted(len(report.curve), "pass", "passes")
    yield (
        f"{report.options.recipe.method} on {report.base}: {passes}{resumed} in "
        f"{duration(report.train_s)}, the best was {report.best_epoch}; vectors of {report.dimension} numbers"
    )
    if report.parity is not None:
        yield agreement(report.parity, precise=report.precise)


def agreement(parity: Parity, *, precise: bool) -> str:
    """How well the file and the network agree, in one line."""
    said = f"the file and the network agree: cosine {parity.float32:.4f} at least in float32"
    if parity.fastest is not None and precise:
        return f"{said}, but {parity.fastest:.4f} in bfloat16, so it runs in float32"
    if parity.fastest is not None:
        return f"{said}, {parity.fastest:.4f} in bfloat16, in which it runs here"
    return said


def _row(figure: Compared) -> tuple[str, ...]:
    change = figure.change
    return (
        figure.name,
        "-" if figure.before is None else f"{figure.before.value:.3f}",
        f"{figure.after.value:.3f}",
        "-" if change is None else f"{change.value:+.3f}",
        interval(figure.after) if change is None else _change_interval(change),
    )


def _change_interval(change: Estimate) -> str:
    return change.verdict if change.low is None else interval(change, signed=True)


def print_json_report(report: TrainReport) -> None:
    """Print a report for programs."""
    lesson, parts, verdict = report.lesson, report.split, report.verdict
    print_json(
        {
            "encoder": report.encoder,
            "better": verdict.better,
            "objections": verdict.objections,
            "method": report.options.recipe.method,
            "base": report.base,
            "dimension": report.dimension,
            "classes": lesson.classes,
            "left_out": lesson.left_out,
            "split": {
                "said": parts.said,
                "unit": lesson.unit_name,
                "train": len(parts.train),
                "validation": len(parts.validation),
                "test": len(parts.test),
            },
            "metrics": {figure.name: figure for figure in verdict.compared},
            "spread": {"before": verdict.before, "after": verdict.after},
            "curve": report.curve,
            "best_epoch": report.best_epoch,
            "resumed": report.resumed,
            "start_score": report.start_score,
            "parity": report.parity,
            "precise": report.precise,
            "train_s": report.train_s,
            "took_s": report.took_s,
        }
    )
