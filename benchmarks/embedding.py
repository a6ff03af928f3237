"""Pictures to shards, here and on a Ray node of the same machine, against `index` of the same photos.

    python -m benchmarks embedding        with the extra `ray`; without it the rows of Ray are left out

In turn, so that a busy machine slows all. Everybody starts its processes and loads the model within the time;
Ray itself runs already, as a cluster does.
"""

from __future__ import annotations

import os
import shutil
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import psutil

import seealike
from benchmarks.indexing import index_rate
from benchmarks.photos import repeated, warm
from benchmarks.report import Row, spread
from seealike import EmbedOptions, Progress

TITLE = "Embedding to shards"
FILES = 3_000
TURNS = 2
LEAST_SHARE = 0.80
MOST_MEMORY_MB = 600


def rows(data: Path, work: Path) -> list[Row]:
    folder = repeated(data, work / f"photos-{FILES}", FILES)
    warm(folder)
    ways: dict[str, Callable[[], float]] = {
        "`index`": lambda: index_rate(folder, work / "embedding.catalog"),
        "`embed`": lambda: _embed_rate(folder, work, None),
    }
    memory = _Memory()
    started = _start_ray()
    if started:
        ways["`embed --on ray`, one node of 2 cores"] = lambda: _embed_rate(folder, work, memory)
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(TURNS):
        for name, way in ways.items():
            rates[name].append(way())
    first = rates["`index`"]
    found = []
    for name, measured in rates.items():
        share = statistics.median(one / other for one, other in zip(measured, first, strict=True))
        note = spread(measured) if name == "`index`" else f"{share:.2f} of `index`; {spread(measured)}"
        goal = f">= {LEAST_SHARE:.2f} of `index`" if started and name.endswith("cores") else ""
        found.append(Row(name, f"{statistics.median(measured):.0f} images/s", goal, note))
    size = sum(file.stat().st_size for file in (work / "embedding.shards").rglob("*.parquet"))
    found.append(
        Row("shards, an item", f"{size / FILES:,.0f} bytes", "", "1,280 halves, names and signature")
    )
    took_s = _taking_s(work)
    found.append(Row("`index` of those shards", f"{FILES / took_s:.0f} images/s", "", "nothing is decoded"))
    if started:
        note = "proportional set sizes of the actor and its decoding processes"
        found.append(Row("memory of the actor", f"{memory.most_mb:.0f} MB", f"< {MOST_MEMORY_MB} MB", note))
    return found


class _Memory:
    """The most that an actor took, looked at whenever a shard is done."""

    def __init__(self) -> None:
        self.most_mb = 0.0

    def __call__(self, _: Progress) -> None:
        for process in psutil.process_iter(["cmdline"]):
            if "ray::WorkActor" in " ".join(process.info["cmdline"] or ()):
                family = [process, *process.children(recursive=True)]
                total = sum(one.memory_full_info().pss for one in family if one.is_running())
                self.most_mb = max(self.most_mb, total / 1e6)


def _start_ray() -> bool:
    try:
        import ray
    except ImportError:
        return False
    os.environ.setdefault("RAY_worker_niceness", "0")  # else whatever runs beside goes before it
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    return True


def _embed_rate(folder: Path, work: Path, memory: _Memory | None) -> float:
    target = work / "embedding.shards"
    shutil.rmtree(target, ignore_errors=True)
    options = EmbedOptions(on="ray" if memory else None)
    report = seealike.embed(folder, target, options=options, progress=memory)
    return report.embedded / report.took_s


def _taking_s(work: Path) -> float:
    target = work / "embedding.catalog"
    shutil.rmtree(target, ignore_errors=True)
    with seealike.create(target) as catalog:
        started = time.perf_counter()
        catalog.index(work / "embedding.shards")
        return time.perf_counter() - started
