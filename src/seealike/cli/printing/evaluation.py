"""What ``seealike eval`` and ``seealike compare`` print."""

from __future__ import annotations

from collections.abc import Sequence

from seealike.cli.printing.rows import print_csv
from seealike.cli.printing.tables import print_columns
from seealike.cli.printing.text import echo
from seealike.evaluation import (
    ApartReport,
    CompareReport,
    CopyReport,
    Estimate,
    EvalReport,
    LabelReport,
    SmallerVectors,
    apart_from,
    apart_remarks,
    cost_cells,
    decisive,
    describe,
    own_share,
    remarks,
    seen_note,
    shown_metrics,
)
from seealike.wording import counted

CLASSES = 30
CONFUSIONS = 10
AN_HOUR = 40_000_000_000
"""Comparisons of a query with an item: of vectors of 1280 numbers two cores do so many in an hour."""


def print_report(report: EvalReport) -> None:
    """Print a report for people."""
    echo(f"{report.catalog}: {counted(report.items, 'item')}, encoder {report.encoder.name}")
    for line in seen_note(report):
        echo(line)
    if report.labels is not None:
        _print_labels(report.labels, report.k)
    if report.copies is not None:
        _print_copies(report.copies)
    if report.ann_recall_at_10 is None:
        echo("")
        echo("search is exact: there is no approximate index to compare with")
    else:
        echo("")
        sample = counted(report.ann_sample, "item")
        echo(f"approximate search: recall@10 {report.ann_recall_at_10:.4f} on {sample}")


def print_report_rows(report: EvalReport) -> None:
    """Print a report as CSV: one row a figure."""
    rows: list[tuple[str | float | int | None, ...]] = []
    if report.labels is not None:
        labels = report.labels
        rows += [("label", "", name, *_bounds(e), labels.queries) for name, e in labels.metrics.items()]
        for result in labels.classes:
            for name, value in (
                ("precision@1", result.precision_at_1),
                (f"precision@{report.k}", result.precision_at_k),
                ("mAP@R", result.map_at_r),
            ):
                rows.append(("class", result.label, name, round(value, 6), None, None, result.queries))
        rows += _vector_rows(labels, report.k)
        if labels.apart is not None:
            rows += _apart_rows(labels.apart, report.k)
    if report.copies is not None:
        for copy in report.copies.results:
            rows.append(("copy", copy.name, "recall@1", *_bounds(copy.recall_at_1), copy.copies))
            rows.append(("copy", copy.name, "recall@10", *_bounds(copy.recall_at_10), copy.copies))
    if report.ann_recall_at_10 is not None:
        rows.append(("ann", "", "recall@10", report.ann_recall_at_10, None, None, report.ann_sample))
    print_csv(("what", "name", "metric", "value", "low", "high", "queries"), rows)


def warn_of_hours(items: int, max_queries: int, *, quiet: bool) -> None:
    """Say before it begins that comparing so many with so many takes hours, and what takes less."""
    if items * min(items, max_queries or items) > AN_HOUR and not quiet:
        all_of_them = counted(items, "item")
        echo(
            f"up to {all_of_them} ask among {items:,}, which takes hours; --max-queries 10000 draws some",
            err=True,
        )


def warn_of_unmatched(labels: Sequence[str], *, quiet: bool) -> None:
    """Say which labels to ignore nothing has; they may be misspelt."""
    if labels and not quiet:
        echo(f"--ignore-label: no item has the label {' or '.join(map(repr, labels))}", err=True)


def interval(estimate: Estimate, *, signed: bool = False) -> str:
    """An interval for people, such as ``0.709 to 0.742``, or ``+0.021 to +0.060``."""
    if estimate.low is None or estimate.high is None:
        return "unknown"
    form = "+.3f" if signed else ".3f"
    return f"{estimate.low:{form}} to {estimate.high:{form}}"


def _bounds(estimate: Estimate | None) -> tuple[float | None, float | None, float | None]:
    if estimate is None:
        return None, None, None
    low, high = (None if bound is None else round(bound, 6) for bound in (estimate.low, estimate.high))
    return round(estimate.value, 6), low, high


def _apart_rows(apart: ApartReport, k: int) -> list[tuple[str | float | int | None, ...]]:
    shares = {f"same@{k}": apart.same, f"chance@{k}": apart.chance, f"excess@{k}": apart.excess}
    return [
        (what, apart.column, name, *_bounds(estimate), apart.queries)
        for what, estimates in (("apart", apart.metrics | shares), ("apart, change", apart.changes))
        for name, estimate in estimates.items()
    ]


def _vector_rows(labels: LabelReport, k: int) -> list[tuple[str | float | int | None, ...]]:
    rows: list[tuple[str | float | int | None, ...]] = []
    for smaller in labels.vectors:
        for what, estimates in (("vectors", smaller.metrics), ("vectors, change", smaller.changes)):
            rows += [(what, smaller.name, name, *_bounds(e), labels.queries) for name, e in estimates.items()]
        for name, value in ((f"overlap@{k}", smaller.overlap), ("bytes", smaller.bytes)):
            rows.append(("vectors", smaller.name, name, value, None, None, labels.queries))
    return rows


def _print_labels(labels: LabelReport, k: int) -> None:
    echo(f"{labels.label}: {describe(labels)}")
    for line in remarks(labels):
        echo(line)
    rows = [(name, f"{e.value:.3f}", interval(e)) for name, e in labels.metrics.items()]
    print_columns(("metric", "mean", "95 % interval"), rows, "how well classes find each other")
    if labels.apart is not None:
        _print_apart(labels.apart, k)
    if labels.vectors:
        _print_vectors(labels.vectors, k)
    print_columns(
        ("class", "mistaken for", "items", "queries", "P@1", f"P@{k}", "mAP@R"),
        [
            (
                result.label,
                result.mistaken_for or "-",
                f"{result.items:,}",
                f"{result.queries:,}",
                f"{result.precision_at_1:.3f}",
                f"{result.precision_at_k:.3f}",
                f"{result.map_at_r:.3f}",
            )
            for result in labels.classes[:CLASSES]
        ],
        "classes, worst first",
        texts=2,
    )
    if len(labels.classes) > CLASSES:
        echo(f"and {len(labels.classes) - CLASSES:,} more; --format json lists them all")
    if labels.confusions:
        print_columns(
            ("a query that is", "finds first", "times", "of its queries"),
            [
                (pair.label, pair.found, f"{pair.count:,}", f"{pair.share:.0%}")
                for pair in labels.confusions[:CONFUSIONS]
            ],
            "most frequent confusions",
            texts=2,
        )


def _print_apart(apart: ApartReport, k: int) -> None:
    print_columns(
        ("metric", "mean", "95 % interval", "against all items", "95 % interval"),
        [
            (name, *_mean(e), f"{apart.changes[name].value:+.3f}", interval(apart.changes[name], signed=True))
            for name, e in apart.metrics.items()
        ],
        f"apart: {apart_from(apart)}",
    )
    for line in apart_remarks(apart):
        echo(line)
    print_columns(
        ("share", "95 % interval", "drawn at random", "more than that", "95 % interval"),
        [
            (
                *_mean(apart.same),
                f"{apart.chance.value:.3f}",
                f"{apart.excess.value:+.3f}",
                interval(apart.excess, signed=True),
            )
        ],
        own_share(apart, k),
        texts=0,
    )


def _print_vectors(tried: Sequence[SmallerVectors], k: int) -> None:
    shown = (f"precision@{k}", "mAP@R")
    print_columns(
        (
            "vectors",
            "bytes each",
            *(cell for name in shown for cell in (name, "against whole ones")),
            "in common",
        ),
        [
            (
                smaller.name,
                f"{smaller.bytes:,}",
                *(
                    cell
                    for name in shown
                    for cell in (f"{smaller.metrics[name].value:.3f}", _change(smaller.changes[name]))
                ),
                f"{smaller.overlap:.1%}",
            )
            for smaller in tried
        ],
        f"smaller vectors of the same encoder, on the same queries; in common: of the nearest {k}",
    )


def _change(estimate: Estimate) -> str:
    return f"{estimate.value:+.4f} ({interval(estimate, signed=True)})"


def _mean(estimate: Estimate) -> tuple[str, str]:
    return f"{estimate.value:.3f}", interval(estimate)


def _print_copies(copies: CopyReport) -> None:
    print_columns(
        (
            "the copy is",
            *("recall@1", "95 % interval"),
            *("recall@10", "95 % interval"),
            "median rank",
            "worst",
        ),
        [
            (
                result.description,
                f"{result.recall_at_1.value:.3f}",
                interval(result.recall_at_1),
                f"{result.recall_at_10.value:.3f}",
                interval(result.recall_at_10),
                f"{result.median_rank:g}",
                f"{result.worst_rank:,}",
            )
            for result in copies.results
        ],
        f"does a copy find its original? {counted(copies.pictures, 'picture')}, each among "
        f"{counted(copies.searched, 'item')}",
    )
    echo(f"all copies: recall@1 {copies.overall.value:.3f}, {interval(copies.overall)}")


def print_comparison(report: CompareReport) -> None:
    """Print a comparison for people."""
    echo(f"{report.catalog}: {counted(report.items, 'item')}, {counted(report.queries, 'query', 'queries')}")
    for note in report.notes:
        echo(note)
    for result in report.encoders:
        if result.name != result.encoder:
            echo(f"{result.name}: {result.encoder}")
    shown = shown_metrics(report)
    echo("")
    print_columns(
        (*_headings(shown), "images/s", "ms/query", "MB vectors", "MB model", "dimension"),
        [(r.name, *_quality(r.metrics, shown), *cost_cells(r)) for r in report.encoders],
    )
    first, metric = report.encoders[0], decisive(report)
    against = f"against {first.name}, on the same queries"
    headings = ("encoder", f"{metric}, difference", "95 % interval", "verdict")
    print_columns(
        (*headings, "in common"),
        [(r.name, *_difference(r.differences[metric]), f"{r.overlap:.0%}") for r in report.encoders[1:]],
        against,
    )
    if first.apart is None:
        return
    print_columns(
        (*_headings((*shown, f"own {first.apart.column}")), "at random"),
        [
            (r.name, *_quality(r.apart.metrics, shown), *_mean(r.apart.same), f"{r.apart.chance.value:.3f}")
            for r in report.encoders
            if r.apart is not None
        ],
        f"apart: {apart_from(first.apart)}; {own_share(first.apart, report.k)}",
    )
    for line in apart_remarks(first.apart):
        echo(line)
    print_columns(
        (*headings, f"own {first.apart.column}, difference", "95 % interval"),
        [
            (
                r.name,
                *_difference(r.apart_differences[metric]),
                *_difference(r.apart_differences[f"same@{report.k}"])[:2],
            )
            for r in report.encoders[1:]
        ],
        f"apart, {against}",
    )


def print_comparison_rows(report: CompareReport) -> None:
    """Print a comparison as CSV: one row a figure."""
    rows: list[tuple[str | float | int | None, ...]] = []
    for result in report.encoders:
        for name, estimate in result.metrics.items():
            rows.append((result.encoder, name, *_bounds(estimate), *_bounds(result.differences.get(name))))
        if result.apart is not None:
            for name, estimate in (result.apart.metrics | {f"same@{report.k}": result.apart.same}).items():
                against = _bounds(result.apart_differences.get(name))
                rows.append((result.encoder, f"apart {name}", *_bounds(estimate), *against))
            rows.append(
                (result.encoder, f"apart chance@{report.k}", *_bounds(result.apart.chance), *[None] * 3)
            )
        cost = result.cost
        for name, value in (
            ("images_per_s", cost.images_per_s),
            ("query_ms", cost.query_ms),
            ("vectors_bytes", cost.vectors_bytes),
            ("model_bytes", cost.model_bytes),
            ("dimension", result.dimension),
            ("overlap", round(result.overlap, 6)),
        ):
            rows.append((result.encoder, name, value, None, None, None, None, None))
    differences = ("difference", "difference_low", "difference_high")
    print_csv(("encoder", "metric", "value", "low", "high", *differences), rows)


def _headings(names: Sequence[str]) -> list[str]:
    """Of a table of means with their intervals, an encoder a row."""
    return ["encoder", *(cell for name in names for cell in (name, "95 % interval"))]


def _quality(metrics: dict[str, Estimate], shown: tuple[str, ...]) -> list[str]:
    return [cell for name in shown for cell in _mean(metrics[name])]


def _difference(estimate: Estimate) -> tuple[str, str, str]:
    return f"{estimate.value:+.3f}", interval(estimate, signed=True), estimate.verdict
