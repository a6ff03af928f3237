"""What ``seealike eval`` prints."""

from __future__ import annotations

from collections.abc import Sequence

from seealike.cli.echo import echo
from seealike.cli.tables import Columns, print_columns, print_csv
from seealike.evaluation import CopyReport, Estimate, EvalReport, LabelReport, describe, remarks, seen_note
from seealike.wording import counted

CLASSES = 30
CONFUSIONS = 10


def print_table(report: EvalReport) -> None:
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


def print_rows(report: EvalReport) -> None:
    """Print a report as CSV: one row a figure."""
    rows: list[tuple[str | float | int | None, ...]] = []
    if report.labels is not None:
        found = report.labels
        rows += [("label", "", name, *_bounds(e), found.queries) for name, e in found.metrics.items()]
        for result in found.classes:
            for name, value in (
                ("precision@1", result.precision_at_1),
                (f"precision@{report.k}", result.precision_at_k),
                ("mAP@R", result.map_at_r),
            ):
                rows.append(("class", result.label, name, round(value, 6), None, None, result.queries))
    if report.copies is not None:
        for copy in report.copies.results:
            rows.append(("copy", copy.name, "recall@1", *_bounds(copy.recall_at_1), copy.copies))
            rows.append(("copy", copy.name, "recall@10", *_bounds(copy.recall_at_10), copy.copies))
    if report.ann_recall_at_10 is not None:
        rows.append(("ann", "", "recall@10", report.ann_recall_at_10, None, None, report.ann_sample))
    print_csv(("what", "name", "metric", "value", "low", "high", "queries"), rows)


def warn_of_unmatched(labels: Sequence[str], *, quiet: bool) -> None:
    """Say which labels to ignore nothing has; they may be misspelt."""
    if labels and not quiet:
        echo(f"--ignore-label: no item has the label {' or '.join(map(repr, labels))}", err=True)


def interval(estimate: Estimate) -> str:
    """An interval for people, such as ``0.709 to 0.742``."""
    if estimate.low is None or estimate.high is None:
        return "unknown"
    return f"{estimate.low:.3f} to {estimate.high:.3f}"


def _bounds(estimate: Estimate) -> tuple[float | None, float | None, float | None]:
    low, high = (None if bound is None else round(bound, 6) for bound in (estimate.low, estimate.high))
    return round(estimate.value, 6), low, high


def _print_labels(found: LabelReport, k: int) -> None:
    echo(f"{found.label}: {describe(found)}")
    for line in remarks(found):
        echo(line)
    rows = [(name, f"{e.value:.3f}", interval(e)) for name, e in found.metrics.items()]
    print_columns(Columns(("metric", "mean", "95 % interval"), rows), "how well classes find each other")
    print_columns(
        Columns(
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
                for result in found.classes[:CLASSES]
            ],
            texts=2,
        ),
        "classes, worst first",
    )
    if len(found.classes) > CLASSES:
        echo(f"and {len(found.classes) - CLASSES:,} more; --format json lists them all")
    if found.confusions:
        print_columns(
            Columns(
                ("a query that is", "finds first", "times", "of its queries"),
                [
                    (pair.label, pair.found, f"{pair.count:,}", f"{pair.share:.0%}")
                    for pair in found.confusions[:CONFUSIONS]
                ],
                texts=2,
            ),
            "most frequent confusions",
        )


def _print_copies(copies: CopyReport) -> None:
    print_columns(
        Columns(
            (
                "the copy is",
                "recall@1",
                "95 % interval",
                "recall@10",
                "95 % interval",
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
        ),
        f"does a copy find its original? {counted(copies.pictures, 'picture')}, each among "
        f"{counted(copies.searched, 'item')}",
    )
    echo(f"all copies: recall@1 {copies.overall.value:.3f}, {interval(copies.overall)}")
