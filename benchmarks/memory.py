"""The peak memory of all processes of one ``index`` run, for two sizes of folder."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil

from benchmarks.photos import repeated
from benchmarks.report import Row

TITLE = "Peak memory while indexing"
SIZES = (3_000, 30_000)
SAMPLE_S = 0.1


def rows(data: Path, work: Path) -> list[Row]:
    peaks = [_peak_mb(repeated(data, work / f"photos-{size}", size), work) for size in SIZES]
    found = [
        Row(
            f"{size:,} files",
            f"{peak:.0f} MB",
            "< 900 MB",
            "sum of the proportional set sizes of all processes",
        )
        for size, peak in zip(SIZES, peaks, strict=True)
    ]
    return [*found, Row("the two", f"{abs(peaks[1] / peaks[0] - 1) * 100:.1f} % apart", "<= 10 %")]


def _peak_mb(folder: Path, work: Path) -> float:
    catalog = work / "memory.catalog"
    shutil.rmtree(catalog, ignore_errors=True)
    process = psutil.Popen(
        [sys.executable, "-m", "seealike", "index", str(folder), "--catalog", str(catalog), "--quiet"]
    )
    peak = 0
    while process.poll() is None:
        peak = max(peak, _together(process))
        time.sleep(SAMPLE_S)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, "seealike index")
    return peak / 1e6


def _together(process: psutil.Popen) -> int:
    """Proportional set size where the system tells it (shared pages count once), else resident size."""
    total = 0
    try:
        family = [process, *process.children(recursive=True)]
    except psutil.Error:
        return 0
    for member in family:
        try:
            memory = member.memory_full_info()
            total += getattr(memory, "pss", memory.rss)
        except psutil.Error:
            continue
    return total
