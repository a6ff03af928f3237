"""The second version of the bundled encoder beside the first: scores of copies, what is found twice, limits.

    python -m benchmarks versions

What ``--focus`` finds with either: ``python -m benchmarks.focus``.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from benchmarks import calibration, copies, duplicates
from benchmarks.report import Row
from benchmarks.taught import AFTER, BEFORE

TITLE = "The second version beside the first"


def rows(data: Path, work: Path) -> list[Row]:
    found = []
    for encoder in (BEFORE, AFTER):
        place = work / f"versions-{encoder}"
        place.mkdir(exist_ok=True)
        measured = copies.rows(data, place, encoder)
        measured += calibration.errors(data, place, encoder) + duplicates.found_by(encoder, data, place)
        found += [replace(row, what=f"{encoder}: {row.what}") for row in measured]
    return found
