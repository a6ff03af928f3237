"""Exact search against the snapshot for catalogues of several sizes: where the approximate begins to pay."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from benchmarks import synthetic
from benchmarks.report import Row
from seealike.indexes import ExactIndex, build_snapshot, exact_scores, load_snapshot
from seealike.types import Float16Array, Float32Array, Int64Array

TITLE = "Where approximate pays: one query, ten results"
SIZES = (5_000, 10_000, 20_000, 30_000, 50_000, 100_000)
QUERIES = 60
BLOCK = 8192


def rows(data: Path, work: Path) -> list[Row]:
    everything, queries = synthetic.make(data, work), synthetic.queries(data, work)[:QUERIES]
    rng = np.random.default_rng(0)
    return [
        _row(everything[np.sort(rng.choice(len(everything), n, replace=False))], queries, work) for n in SIZES
    ]


def _row(vectors: Float16Array, queries: Float32Array, work: Path) -> Row:
    n, d = vectors.shape
    keys = np.arange(1, n + 1)
    exact = ExactIndex(keys, vectors)
    path = str(work / "threshold.faiss")
    started = time.perf_counter()
    record = build_snapshot(lambda: _blocks(keys, vectors), count=n, dimension=d, path=path)
    build_s = time.perf_counter() - started
    snapshot, _ = load_snapshot(path, record)

    def approximate(query: Float32Array) -> Float32Array:
        return exact_scores(query, vectors[snapshot.candidates(query, 10)[0].keys - 1])

    exact_ms = _median_ms(lambda query: exact.candidates(query, 10), queries)
    approximate_ms = _median_ms(approximate, queries)
    held = n * d * 6 / 1e6
    return Row(
        f"{n:,} items",
        f"exact {exact_ms:.1f} ms, approximate {approximate_ms:.2f} ms",
        "",
        f"exact holds {held:.0f} MB; building takes {build_s:.1f} s; recall@10 {record.recall_at_10:.4f}",
    )


def _blocks(keys: Int64Array, vectors: Float16Array) -> Iterator[tuple[Int64Array, Float16Array]]:
    for start in range(0, len(keys), BLOCK):
        yield keys[start : start + BLOCK], vectors[start : start + BLOCK]


def _median_ms(ask: Callable[[Float32Array], object], queries: Float32Array) -> float:
    times = []
    for query in queries:
        started = time.perf_counter()
        ask(query[np.newaxis])
        times.append(time.perf_counter() - started)
    return statistics.median(times) * 1e3
