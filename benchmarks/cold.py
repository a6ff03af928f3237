"""One search from the command line, whole process, with what takes the time."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.photos import repeated
from benchmarks.report import Row, spread

TITLE = "`seealike search photo.jpg`, whole process"
ITEMS = 3000
RUNS = 9

_BREAKDOWN = """
import sys, time
t = [("start", time.perf_counter())]
import seealike
from seealike.encoders import EncoderMode, load_encoder
t.append(("imports", time.perf_counter()))
catalog = seealike.open(sys.argv[1])
pictures = catalog._pictures
t.append(("open", time.perf_counter()))
pictures.start_decoding()
encoder = pictures._query_encoder()
t.append(("model", time.perf_counter()))
pixels = pictures.prepared(sys.argv[2]).pixels
t.append(("decode", time.perf_counter()))
vector = encoder.encode(pixels[None])
t.append(("encode", time.perf_counter()))
hits = catalog.search_vectors(vector)[0]
t.append(("search", time.perf_counter()))
print(*(f"{name} {(b - a) * 1000:.0f}" for (_, a), (name, b) in zip(t, t[1:])), sep=", ")
"""


def rows(data: Path, work: Path) -> list[Row]:
    folder = repeated(data, work / "photos-3000", ITEMS)
    command = [sys.executable, "-m", "seealike"]
    subprocess.run([*command, "index", str(folder), "--quiet"], check=True)
    photo = next(folder.glob("*.jpg"))
    call = [*command, "search", str(photo), "--catalog", str(folder), "--format", "json"]
    seconds = [_timed(call) for _ in range(RUNS + 1)][1:]
    parts = subprocess.run(
        [sys.executable, "-c", _BREAKDOWN, str(folder / ".seealike"), str(photo)],
        check=True,
        capture_output=True,
        text=True,
        env=os.environ,
    ).stdout.strip()
    return [
        Row(
            f"second run, {ITEMS:,} items", f"{statistics.median(seconds):.2f} s", "< 1.5 s", spread(seconds)
        ),
        Row(
            "breakdown, ms",
            parts,
            "",
            "decode includes waiting for the decoding process that started beside the model",
        ),
    ]


def _timed(call: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(call, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started
