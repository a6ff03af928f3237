"""Before and after as a page: the figures, the curve, and the same queries side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from seealike.evaluation.statistics.metrics import metric_names
from seealike.gallery import (
    Cell,
    Command,
    Fact,
    GalleryChart,
    GalleryList,
    GalleryPage,
    GalleryPicture,
    GallerySection,
    GalleryTable,
    Mark,
    PageKind,
    Thumbnails,
    render_gallery,
)
from seealike.gallery.text import duration
from seealike.training.chart import curve_chart
from seealike.training.judge import K
from seealike.wording import counted

if TYPE_CHECKING:
    from seealike.evaluation.statistics.intervals import Estimate
    from seealike.training.judge import Compared
    from seealike.training.report import TrainReport
    from seealike.types import Int64Array, Item

Thumbnailer: TypeAlias = Callable[[str, int], bytes]

QUERIES = 12
_SHOWN = 6
_SIDE_PX = 200
_PER_CLASS = 3


def train_page(report: TrainReport, thumbnail: Thumbnailer) -> str:
    """The page as HTML that loads nothing. ``thumbnail`` makes a small picture of a file."""
    pictures = Thumbnails(thumbnail, _SIDE_PX)
    page = GalleryPage(
        kind=PageKind.TRAINING,
        title="Before and after",
        subtitle=_subtitle(report),
        facts=_facts(report),
        charts=(
            GalleryChart(
                "How it learnt",
                _curve_note(report),
                curve_chart(report.curve, report.best_epoch, report.start_score),
            ),
        ),
        tables=(_table(report),),
        sections=tuple(_section(report, row, pictures) for row in chosen_queries(report)),
        commands=_commands(report),
        items=len(report.split.test),
        encoder=report.base,
        note=_note(report),
    )
    return render_gallery(page)


def chosen_queries(report: TrainReport) -> list[int]:
    """Rows of the queries to show: those that improved most, then those that worsened most.

    No class has more than a few of either, where there are others.
    """
    place = metric_names(K).index(f"precision@{K}")
    change = report.after.ranking.values[:, place] - report.before.ranking.values[:, place]
    order = np.argsort(-change, kind="stable")
    classes = report.lesson.targets[report.split.test[report.before.ranking.asked]]
    worse = _mixed([int(row) for row in order[::-1] if change[row] < 0], classes)[: QUERIES // 3]
    better = _mixed([int(row) for row in order if change[row] > 0], classes)[: QUERIES - len(worse)]
    return better + worse


def _mixed(rows: list[int], classes: Int64Array) -> list[int]:
    """The rows in their order, but those beyond the first few of a class at the end."""
    seen: Counter[int] = Counter()
    first: list[int] = []
    later: list[int] = []
    for row in rows:
        seen[int(classes[row])] += 1
        (first if seen[int(classes[row])] <= _PER_CLASS else later).append(row)
    return first + later


def _subtitle(report: TrainReport) -> str:
    parts, lesson = report.split, report.lesson
    column = report.options.labelling.column
    verdict = (
        "It is better."
        if report.verdict.better
        else f"It is not better: {'; '.join(report.verdict.objections)}."
    )
    return (
        f"{counted(len(parts.train), 'item')} taught the encoder what {column} means; {len(parts.test):,} "
        f"that it never saw judged it; no {lesson.unit_name} is on both sides ({parts.said}). {verdict}"
    )


def _facts(report: TrainReport) -> tuple[Fact, ...]:
    found = []
    for name, said in (
        ("precision@1", "the nearest item is of the same class"),
        ("mAP@R", "mAP@R: how far ahead its own class stands"),
    ):
        figure = report.verdict.figure(name)
        before = "-" if figure.before is None else f"{figure.before.value:.3f}"
        found.append(Fact(f"{before} → {figure.after.value:.3f}", said))
    tops = [figure for figure in report.verdict.compared if figure.name == "top-3 by the classifier"]
    found += [
        Fact(f"{figure.after.value:.1%}", "the right class is among the first three") for figure in tops
    ]
    found.append(Fact(duration(report.train_s), f"of training, {len(report.curve)} passes"))
    return tuple(found)


def _table(report: TrainReport) -> GalleryTable:
    return GalleryTable(
        title="On items that nobody learnt from",
        headings=("metric", "before", "after", "change"),
        rows=tuple(_row(figure) for figure in report.verdict.compared),
        note="Each mean with an interval that holds that of all such items 19 times in 20. "
        f"Items of one {report.lesson.unit_name} are drawn together.",
    )


def _row(figure: Compared) -> tuple[Cell | str, ...]:
    return (
        figure.name,
        _cell(figure.before, signed=False),
        _cell(figure.after, signed=False),
        _cell(figure.change, signed=True),
    )


def _cell(estimate: Estimate | None, *, signed: bool) -> Cell | str:
    if estimate is None:
        return "-"
    form = "+.3f" if signed else ".3f"
    low, high = estimate.low, estimate.high
    if low is None or high is None:
        return Cell(f"{estimate.value:{form}}", estimate.verdict if signed else "interval unknown")
    bar = None if signed else (low, estimate.value, high)
    return Cell(f"{estimate.value:{form}}", f"{low:{form}} to {high:{form}}", bar)


def _section(report: TrainReport, row: int, pictures: Thumbnails[str]) -> GallerySection:
    place = metric_names(K).index(f"precision@{K}")
    asked = int(report.before.ranking.asked[row])
    sought = int(report.lesson.targets[report.split.test[asked]])
    query = _item(report, asked)
    lists = []
    for title, evidence in (("before", report.before), ("after", report.after)):
        right = round(float(evidence.ranking.values[row, place]) * K)
        hits = _hits(
            report, evidence.ranking.nearest[row], evidence.ranking.scores[row].tolist(), sought, pictures
        )
        lists.append(GalleryList(title, f"{right} of the first {K} are right", hits))
    name = report.lesson.classes[sought]
    picture = GalleryPicture(query.id, name, detail=query.id, thumbnail=pictures.of(query.path))
    values = [evidence.ranking.values[row, place] for evidence in (report.before, report.after)]
    note = "improved" if values[1] > values[0] else "worsened"
    return GallerySection((picture,), (), title=name, note=note, lists=tuple(lists))


def _hits(
    report: TrainReport, nearest: Int64Array, scores: list[float], sought: int, pictures: Thumbnails[str]
) -> tuple[GalleryPicture, ...]:
    hits = []
    for place, score in list(zip(nearest.tolist(), scores, strict=True))[:_SHOWN]:
        if place < 0:
            continue
        item, target = _item(report, place), int(report.lesson.targets[report.split.test[place]])
        hits.append(
            GalleryPicture(
                item.id,
                report.lesson.classes[target],
                score=score,
                thumbnail=pictures.of(item.path),
                mark=Mark.RIGHT if target == sought else Mark.WRONG,
            )
        )
    return tuple(hits)


def _item(report: TrainReport, place: int) -> Item:
    return report.lesson.items[int(report.split.test[place])]


def _commands(report: TrainReport) -> tuple[Command, ...]:
    if report.encoder is None:
        return ()
    return (
        Command(f"seealike reindex --encoder onnx:{report.encoder}", "Put the new encoder to use."),
        Command(
            f"seealike eval --label {report.options.labelling.column} --page quality.html",
            "Measure it class by class, on what it has not seen.",
        ),
    )


def _curve_note(report: TrainReport) -> str:
    return (
        f"mAP@R among {counted(len(report.split.validation), 'item')} that decided when to stop. Dashed: the "
        f"encoder before ({report.start_score:.3f}); the pass that was kept is marked ({report.best_epoch})."
    )


def _note(report: TrainReport) -> str:
    before, after = report.verdict.before, report.verdict.after
    return (
        f"Different items in all top-{K} lists: {before.distinct:,} before, {after.distinct:,} after. "
        f"Mean cosine of all pairs: {before.mean_cosine:.3f}, {after.mean_cosine:.3f}."
    )
