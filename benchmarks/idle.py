"""``index`` when there is nothing to do: 100,000 small files, already indexed."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.report import Row, median_of

TITLE = "Nothing to do"
FILES = 100_000


def rows(data: Path, work: Path) -> list[Row]:
    del data
    folder = work / "small"
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        _draw(folder)
        subprocess.run([sys.executable, "-m", "seealike", "index", str(folder), "--quiet"], check=True)
        (folder / "complete").touch()
        subprocess.run([sys.executable, "-m", "seealike", "index", str(folder), "--quiet"], check=True)
    seconds, spread = median_of(5, lambda: _index(folder))
    note = f"whole process; {spread}"
    return [
        Row(f"`seealike index`, {FILES:,} small files already indexed", f"{seconds:.2f} s", "< 5 s", note)
    ]


def _index(folder: Path) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", "seealike", "index", str(folder), "--quiet"], check=True)
    return time.perf_counter() - started


def _draw(folder: Path) -> None:
    from PIL import Image

    for number in range(FILES):
        part = folder / f"{number // 1000:03}"
        part.mkdir(parents=True, exist_ok=True)
        colour = (number % 256, number // 256 % 256, number // 65536 * 80)
        Image.new("RGB", (16, 16), colour).save(part / f"{number:06}.png")
