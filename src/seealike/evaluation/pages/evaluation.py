"""A report of ``evaluate`` as a page: the figures, then the worst mistakes with their pictures."""

from __future__ import annotations

from seealike.evaluation.pages.pictures import (
    SIDE_PX,
    PagePictures,
    Thumbnailer,
    difference_cell,
    estimate_cell,
)
from seealike.evaluation.statistics.intervals import Estimate
from seealike.evaluation.values import (
    ApartReport,
    Confusion,
    CopyReport,
    EvalReport,
    Example,
    LabelReport,
    LostCopy,
)
from seealike.evaluation.words import (
    apart_from,
    apart_remarks,
    describe,
    meaning,
    own_share,
    remarks,
    seen_note,
    sentence,
)
from seealike.gallery import Cell, Fact, GalleryPage, GalleryPicture, GallerySection, GalleryTable, PageKind
from seealike.wording import counted

CLASSES = 200
CONFUSIONS = 20


def eval_page(report: EvalReport, thumbnail: Thumbnailer) -> GalleryPage:
    """Make the page. ``thumbnail`` makes a small picture of a file, at most so many pixels a side."""
    pictures = PagePictures(thumbnail, SIDE_PX)
    tables: list[GalleryTable] = []
    sections: list[GallerySection] = []
    if report.labels is not None:
        tables += _label_tables(report.labels, report.k)
        sections += [
            _mistake(pair, example, number, pictures)
            for pair in report.labels.confusions
            for number, example in enumerate(pair.examples)
        ]
    if report.copies is not None:
        tables.append(_copy_table(report.copies))
        sections += [_lost(copy, report.copies, pictures) for copy in report.copies.worst]
    return GalleryPage(
        kind=PageKind.EVALUATION,
        title="How well does it see?",
        subtitle=_subtitle(report),
        facts=_facts(report),
        tables=tuple(tables),
        sections=tuple(sections),
        items=report.items,
        encoder=report.encoder.name,
        took_s=report.took_s,
        note=_note(report),
    )


def _subtitle(report: EvalReport) -> str:
    if report.labels is not None:
        labels = report.labels
        return f"{describe(labels)}. Does each find others of its own {labels.label}?"
    count = report.copies.pictures if report.copies is not None else 0
    copied = counted(count, "picture")
    return f"Copies of {copied} were cut, turned, bleached and squeezed. Do they find their originals?"


def _facts(report: EvalReport) -> tuple[Fact, ...]:
    facts = []
    if report.labels is not None:
        metrics = report.labels.metrics
        facts += [
            _fact(metrics["precision@1"], "nearest is right (P@1)"),
            _fact(metrics["mAP@R"], "mAP@R"),
        ]
        if report.labels.apart is not None:
            apart = report.labels.apart
            facts += [
                _fact(apart.metrics["precision@1"], f"P@1 among items of another {apart.column}"),
                _fact(apart.same, f"of the nearest {report.k} are of the query's own {apart.column}"),
                Fact(f"{apart.chance.value:.3f}", "of them would be if they were drawn at random"),
            ]
    if report.copies is not None:
        facts.append(_fact(report.copies.overall, "copies that find their original first"))
    if report.ann_recall_at_10 is not None:
        facts.append(Fact(f"{report.ann_recall_at_10:.4f}", "recall@10 of approximate search"))
    return tuple(facts)


def _fact(estimate: Estimate, label: str) -> Fact:
    if estimate.low is None or estimate.high is None:
        return Fact(f"{estimate.value:.3f}", label)
    return Fact(f"{estimate.value:.3f}", f"{label}, {estimate.low:.3f} to {estimate.high:.3f}")


def _label_tables(labels: LabelReport, k: int) -> list[GalleryTable]:
    metrics = GalleryTable(
        "How well classes find each other",
        ("metric", "mean and 95 % interval"),
        tuple((Cell(name, meaning(name)), estimate_cell(e)) for name, e in labels.metrics.items()),
        note=" ".join(map(sentence, remarks(labels))),
    )
    classes = GalleryTable(
        "Classes, the worst first",
        ("class", "mistaken for", "items", "queries", "P@1", f"P@{k}", "mAP@R"),
        tuple(
            (
                result.label,
                result.mistaken_for or "–",
                f"{result.items:,}",
                f"{result.queries:,}",
                _share(result.precision_at_1),
                _share(result.precision_at_k),
                _share(result.map_at_r),
            )
            for result in labels.classes[:CLASSES]
        ),
        note=_unlisted(len(labels.classes) - CLASSES),
        texts=2,
    )
    figures = [metrics, *_apart_tables(labels.apart, k)]
    if not labels.confusions:
        return [*figures, classes]
    confusions = GalleryTable(
        "Most frequent confusions",
        ("a query that is", "finds first", "times", "of its queries"),
        tuple(
            (pair.label, pair.found, f"{pair.count:,}", _share(pair.share, f"{pair.share:.0%}"))
            for pair in labels.confusions[:CONFUSIONS]
        ),
        texts=2,
    )
    return [*figures, classes, confusions]


def _apart_tables(apart: ApartReport | None, k: int) -> list[GalleryTable]:
    if apart is None:
        return []
    metrics = GalleryTable(
        f"Among items of another {apart.column}",
        ("metric", "mean and 95 % interval", "against all items"),
        tuple(
            (Cell(name, meaning(name)), estimate_cell(e), difference_cell(apart.changes[name]))
            for name, e in apart.metrics.items()
        ),
        note=" ".join(map(sentence, (apart_from(apart), *apart_remarks(apart)))),
    )
    share = GalleryTable(
        sentence(own_share(apart, k)).rstrip("."),
        ("share", "of as many drawn at random", "more than that"),
        ((estimate_cell(apart.same), estimate_cell(apart.chance), difference_cell(apart.excess)),),
    )
    return [metrics, share]


def _share(value: float, text: str = "") -> Cell:
    """A share, drawn as a bar from zero."""
    return Cell(text or f"{value:.3f}", bar=(0.0, value, value))


def _unlisted(count: int) -> str:
    return f"{count:,} more are in the JSON." if count > 0 else ""


def _copy_table(copies: CopyReport) -> GalleryTable:
    return GalleryTable(
        "Does a copy find its original?",
        ("the copy is", "comes first", "among the first ten", "median place", "worst place"),
        tuple(
            (
                result.description,
                estimate_cell(result.recall_at_1),
                estimate_cell(result.recall_at_10),
                f"{result.median_rank:g}",
                f"{result.worst_rank:,}",
            )
            for result in copies.results
        ),
        note=f"{counted(copies.pictures, 'picture')}, each copy among {counted(copies.searched, 'item')}.",
    )


def _mistake(pair: Confusion, example: Example, number: int, pictures: PagePictures) -> GallerySection:
    times = "query finds" if pair.count == 1 else "queries find"
    note = f"{pair.count:,} {times} one of those first, {pair.share:.0%} of the class."
    return GallerySection(
        (pictures.query(example),),
        tuple(map(pictures.answer, example.nearest)),
        title=f"{pair.label}, taken for {pair.found}",
        note=note if number == 0 else "Another one.",
    )


def _lost(copy: LostCopy, copies: CopyReport, pictures: PagePictures) -> GallerySection:
    described = {result.name: result.description for result in copies.results}
    original = copy.original
    return GallerySection(
        (
            GalleryPicture(original.id, original.id, label="copy", thumbnail=copy.picture),
            GalleryPicture(
                original.id, "the original", label="original", thumbnail=pictures.of(original.path)
            ),
        ),
        tuple(map(pictures.answer, original.nearest)),
        title=f"A copy: {described.get(copy.disturbance, copy.disturbance)}",
        note=f"Its original stands at place {copy.rank:,}, with a score of {copy.score:.3f}.",
    )


def _note(report: EvalReport) -> str:
    exact = "Search is exact. " if report.ann_recall_at_10 is None else ""
    new = " ".join([*map(sentence, seen_note(report)), ""])
    return (
        f"{new}{exact}An interval holds the mean over all such queries 19 times in 20. "
        "✓ is what was sought, ✕ is not."
    )
