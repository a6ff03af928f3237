"""What ``seealike calibrate`` prints."""

from __future__ import annotations

from seealike.calibration import CalibrateReport, held_out, learnt_from, population, remarks, worth
from seealike.cli.printing.tables import print_columns
from seealike.cli.printing.text import echo
from seealike.wording import counted


def print_report(report: CalibrateReport) -> None:
    """Print a report for people."""
    echo(f"{report.catalog}: {counted(report.items, 'item')}, encoder {report.encoder.name}")
    for line in remarks(report):
        echo(line)
    calibration = report.calibration
    if calibration is None:
        return
    print_columns(
        ("relation", "learnt from", "from score", "pairs", "of them so", "error", "95 % interval"),
        [
            (
                curve.relation.words,
                learnt_from(curve),
                "-" if curve.least_score is None else f"{curve.least_score:.3f}",
                f"{curve.pairs:,}",
                f"{curve.right:,}",
                f"{curve.error:.3f}",
                f"{curve.error_low:.3f} to {curve.error_high:.3f}",
            )
            for curve in calibration.curves
        ],
        "what scores say, and by how much that is wrong on pairs that were held out",
        texts=2,
    )
    for curve in calibration.curves:
        echo(f"{curve.relation.words}: {held_out(curve)}")
    print_columns(
        ("score", "means", *(f"{curve.relation.words} or more" for curve in calibration.curves)),
        [
            (f"{score:.2f}", meaning or "-", *(f"{share:.0%}" for share in shares))
            for score, meaning, shares in worth(calibration)
        ],
        "what a score is worth",
        texts=2,
    )
    echo(population(calibration))
