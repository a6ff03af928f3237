"""A comparison as a page: the table, then the same queries under each encoder, disagreements first."""

from __future__ import annotations

from collections.abc import Sequence

from seealike.evaluation.comparison.values import CompareReport, Contested, EncoderResult
from seealike.evaluation.pages.pictures import PagePictures, Thumbnailer, difference_cell, estimate_cell
from seealike.evaluation.statistics.intervals import Estimate
from seealike.evaluation.values import Neighbour
from seealike.evaluation.words import apart_from, apart_remarks, own_share, sentence
from seealike.gallery import (
    Cell,
    Fact,
    GalleryList,
    GalleryPage,
    GalleryPicture,
    GallerySection,
    GalleryTable,
    PageKind,
)
from seealike.gallery.text import shortened
from seealike.wording import counted

SIDE_PX = 160


def compare_page(report: CompareReport, thumbnail: Thumbnailer) -> GalleryPage:
    """Make the page. ``thumbnail`` makes a small picture of a file, at most so many pixels a side."""
    pictures = PagePictures(thumbnail, SIDE_PX)
    names = [result.name for result in report.encoders]
    right = "an item of the query's own class" if report.label else "the original of a disturbed copy"
    return GalleryPage(
        kind=PageKind.COMPARISON,
        title="Which encoder sees best?",
        subtitle=(
            f"{len(names)} encoders on the same {counted(report.items, 'picture')}. What is right: {right}. "
            "Below, the queries that they disagree about most."
        ),
        facts=_facts(report),
        tables=(_quality(report), *_apart(report), _costs(report)),
        sections=tuple(
            _section(query, number, names, report.label, pictures)
            for number, query in enumerate(report.contested, 1)
        ),
        items=report.items,
        took_s=report.took_s,
        note=(
            "An interval holds the mean over all such queries 19 times in 20; differences are between "
            "answers to the same queries."
        ),
    )


def shown_metrics(report: CompareReport) -> tuple[str, ...]:
    """The metrics that stand in the table; all are in the JSON."""
    names = tuple(report.encoders[0].metrics)
    wanted = ("precision@1", f"precision@{report.k}", "mAP@R")
    return tuple(name for name in names if name in wanted) or names


def decisive(report: CompareReport) -> str:
    """The metric that encoders are ordered by: mAP@R, or without a label whether originals come first."""
    return shown_metrics(report)[-1 if report.label else 0]


def _facts(report: CompareReport) -> tuple[Fact, ...]:
    metric = decisive(report)
    best, second, *_ = sorted(report.encoders, key=lambda result: -result.metrics[metric].value)
    facts = [
        Fact(f"{best.metrics[metric].value:.3f}", f"the best {metric}, of {shortened(best.name, 40)}"),
        Fact(f"{second.metrics[metric].value:.3f}", f"the next, of {shortened(second.name, 40)}"),
    ]
    if len(report.encoders) == 2:
        facts.append(Fact(f"{report.encoders[1].overlap:.0%}", f"of the nearest {report.k} in common"))
    return tuple(facts)


def _quality(report: CompareReport) -> GalleryTable:
    shown = shown_metrics(report)
    first = report.encoders[0].name
    asked = counted(report.queries, "query", "queries")
    return GalleryTable(
        "Quality",
        ("encoder", *shown, f"{decisive(report)}, against the first", "in common with the first"),
        tuple(
            (
                result.name,
                *(estimate_cell(result.metrics[name]) for name in shown),
                _against(result.differences.get(decisive(report))),
                f"{result.overlap:.0%}",
            )
            for result in report.encoders
        ),
        note=" ".join(
            map(
                sentence,
                (f"{asked}, the first is {first}", *report.notes),
            )
        ),
    )


def _apart(report: CompareReport) -> tuple[GalleryTable, ...]:
    shown, first, metric = shown_metrics(report), report.encoders[0].apart, decisive(report)
    if first is None:
        return ()
    return (
        GalleryTable(
            f"Quality among items of another {first.column}",
            ("encoder", *shown, f"{metric}, against the first", f"own {first.column}", "at random"),
            tuple(
                (
                    result.name,
                    *(estimate_cell(result.apart.metrics[name]) for name in shown),
                    _against(result.apart_differences.get(metric)),
                    estimate_cell(result.apart.same),
                    f"{result.apart.chance.value:.3f}",
                )
                for result in report.encoders
                if result.apart is not None
            ),
            note=" ".join(
                map(
                    sentence,
                    (
                        apart_from(first),
                        *apart_remarks(first),
                        f"own {first.column}: {own_share(first, report.k)}",
                    ),
                )
            ),
        ),
    )


def _against(difference: Estimate | None) -> Cell:
    return Cell("–") if difference is None else difference_cell(difference, verdict=True)


def _costs(report: CompareReport) -> GalleryTable:
    whole = [f"{r.name} is {r.encoder}." for r in report.encoders if r.name != r.encoder]
    return GalleryTable(
        "Cost, on this machine",
        ("encoder", "images/s", "ms a query", "MB of vectors", "MB of model", "dimension"),
        tuple((result.name, *cost_cells(result)) for result in report.encoders),
        note=" ".join(
            ("images/s: the encoder alone, in batches. A query: decoded, encoded, searched.", *whole)
        ),
    )


def cost_cells(result: EncoderResult) -> tuple[str, str, str, str, str]:
    """What an encoder costs, as texts; a dash where it cannot be said."""
    cost = result.cost
    return (
        _number(cost.images_per_s, 0),
        _number(cost.query_ms, 1),
        _number(cost.vectors_bytes / 1e6, 1),
        _number(None if cost.model_bytes is None else cost.model_bytes / 1e6, 1),
        f"{result.dimension:,}",
    )


def _number(value: float | None, decimals: int) -> str:
    return "–" if value is None else f"{value:,.{decimals}f}"


def _section(
    query: Contested, number: int, names: Sequence[str], label: str, pictures: PagePictures
) -> GallerySection:
    lists = tuple(
        GalleryList(
            name, _right(answers, label), tuple(pictures.answer(a, judged=bool(label)) for a in answers)
        )
        for name, answers in zip(names, query.answers, strict=True)
    )
    return GallerySection(
        (GalleryPicture(query.id, query.id, label="query", thumbnail=pictures.of(query.path)),),
        (),
        title=f"{number}. {query.label or query.id}",
        note=f"{query.overlap:.0%} of the nearest in common",
        lists=lists,
    )


def _right(answers: Sequence[Neighbour], label: str) -> str:
    if not label:
        return ""
    return f"{sum(answer.right for answer in answers)} of {len(answers)} right"
