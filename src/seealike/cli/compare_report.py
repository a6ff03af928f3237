"""What ``seealike compare`` prints."""

from __future__ import annotations

from seealike.cli.echo import echo
from seealike.cli.eval_report import interval
from seealike.cli.tables import Columns, print_columns, print_csv
from seealike.evaluation import (
    CompareReport,
    EncoderResult,
    Estimate,
    cost_cells,
    decisive,
    shown_metrics,
)
from seealike.wording import counted


def print_table(report: CompareReport) -> None:
    """Print a comparison for people."""
    echo(f"{report.catalog}: {counted(report.items, 'item')}, {counted(report.queries, 'query', 'queries')}")
    for note in report.notes:
        echo(note)
    for result in report.encoders:
        if result.name != result.encoder:
            echo(f"{result.name}: {result.encoder}")
    shown = shown_metrics(report)
    headings = ["encoder"]
    for name in shown:
        headings += [name, "95 % interval"]
    echo("")
    print_columns(
        Columns(
            (*headings, "images/s", "ms/query", "MB vectors", "MB model", "dimension"),
            [(result.name, *_quality(result, shown), *cost_cells(result)) for result in report.encoders],
        )
    )
    print_columns(
        Columns(
            ("encoder", f"{decisive(report)}, difference", "95 % interval", "verdict", "in common"),
            [
                (result.name, *_difference(result.differences[decisive(report)]), f"{result.overlap:.0%}")
                for result in report.encoders[1:]
            ],
        ),
        f"against {report.encoders[0].name}, on the same queries",
    )


def print_rows(report: CompareReport) -> None:
    """Print a comparison as CSV: one row a figure."""
    rows: list[tuple[str | float | int | None, ...]] = []
    for result in report.encoders:
        for name, estimate in result.metrics.items():
            apart = result.differences.get(name)
            rows.append((result.encoder, name, *_bounds(estimate), *_bounds(apart)))
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
    headings = (
        "encoder",
        "metric",
        "value",
        "low",
        "high",
        "difference",
        "difference_low",
        "difference_high",
    )
    print_csv(headings, rows)


def _quality(result: EncoderResult, shown: tuple[str, ...]) -> list[str]:
    cells = []
    for name in shown:
        estimate = result.metrics[name]
        cells += [f"{estimate.value:.3f}", interval(estimate)]
    return cells


def _difference(estimate: Estimate) -> tuple[str, str, str]:
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:+.3f}", "unknown", estimate.verdict
    return (
        f"{estimate.value:+.3f}",
        f"{estimate.low:+.3f} to {estimate.high:+.3f}",
        estimate.verdict,
    )


def _bounds(estimate: Estimate | None) -> tuple[float | None, float | None, float | None]:
    if estimate is None:
        return None, None, None
    low, high = (None if bound is None else round(bound, 6) for bound in (estimate.low, estimate.high))
    return round(estimate.value, 6), low, high
