"""What grows how, from 100,000 items to a million and beyond: every step in a process of its own.

python -m benchmarks.growth                        100,000, 300,000 and 1,000,000 vectors
python -m benchmarks.growth 100000 3000000         other sizes
python -m benchmarks.growth --step ask CATALOG     one step on one catalogue, as JSON

The vectors are those of ``benchmarks.synthetic``, written straight into the catalogue: nothing but the
catalogue is as large as they are. The exponent is that of the growth from the size before: 1 is linear.
"""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import numpy as np

import seealike
from benchmarks import synthetic
from benchmarks.large import item_of, share_of
from benchmarks.report import Row
from seealike import SearchOptions
from seealike.catalog import ann
from seealike.evaluation import EvalOptions, evaluate
from seealike.store import FileSystem, NewItem, SqliteStore, StoreWriter
from seealike.store.writer import Change
from seealike.training import Labelling, Splitting, TrainOptions
from seealike.training.data.lesson import read_lesson
from seealike.training.data.split import split
from seealike.training.run import fingerprint
from seealike.types import Float32Array

TITLE = "Growth to a million items of 1280"
SIZES = (100_000, 300_000, 1_000_000)
K, QUERIES, TRUTHS, CHANGED, LISTED, EVALUATED, KINDS = 10, 1_000, 200, 0.01, 1_000, 1_000, 1_000
SHARES = (0.5, 0.1, 0.01, 0.001)
GRAPH_LINKS, GRAPH_LISTED, GRAPH_RECALL, GRAPH_EFFORTS = 32, 20_000, 0.9955, (32, 48, 64, 96, 128, 192, 256)
MB = 1e6
Figures = dict[str, float]


def rows(data: Path, work: Path, sizes: Sequence[int] = SIZES) -> list[Row]:
    synthetic.embeddings(data, work)
    figures: dict[int, Figures] = {}
    for size in sizes:
        catalog, own = work / f"growth-{size}.catalog", Figures()
        shutil.rmtree(catalog, ignore_errors=True)
        for step in STEPS:
            own |= _in_a_process(step, str(catalog), str(size), str(work))
            print(f"{size:,} {step}: {own}", file=sys.stderr, flush=True)
        figures[size] = own
        shutil.rmtree(catalog)
    return rows_of(figures)


def rows_of(figures: Mapping[int, Figures]) -> list[Row]:
    """A row for every figure: its values for all sizes, and with which exponent it grew from size to size."""
    found = [Row("items", " · ".join(f"{size:,}" for size in figures))]
    for name, (what, unit, goal) in ROWS.items():
        values = {size: own[name] for size, own in figures.items()}
        exponents = [
            f"{math.log(value / before) / math.log(size / smaller):.2f}"
            for (smaller, before), (size, value) in pairwise(values.items())
            if unit
        ]
        note = f"exponents {', '.join(exponents)}" if exponents else ""
        told = " · ".join(f"{value:,.4g}" for value in values.values())
        found.append(Row(what, f"{told} {unit}".rstrip(), goal, note))
    return found


ROWS = {
    "import_s": ("import of vectors", "s", ""),
    "build_s": ("building the approximate index", "s", "linear x log"),
    "build_mb": ("peak memory of that", "MB", "< 4,000"),
    "disk_bytes": ("on disk, an item", "bytes", ""),
    "open_s": ("open to first answer", "s", "< 1.5"),
    "memory_mb": ("memory after it", "MB", ""),
    "query_ms": ("one query, median", "ms", "twice that at 289,222"),
    "query_p99_ms": ("one query, 99 of 100", "ms", ""),
    "recall": ("recall@10", "", ">= 0.995"),
    **{f"filter_{share}_ms": (f"one query, {share:.1%} match", "ms", "") for share in SHARES},
    **{f"filter_{share}_recall": (f"recall@10, {share:.1%} match", "", ">= 0.99") for share in SHARES},
    "columns_s": ("the first condition in a process", "s", ""),
    "change_s": ("1 % changed: writing it", "s", ""),
    "changed_query_s": ("1 % changed: the next query, same process", "s", ""),
    "lists_s": ("top-10 lists of all items", "s", "< 600"),
    "lists_mb": ("peak memory of that", "MB", "< 3,000"),
    "lists_recall": ("recall@10 of the lists", "", ">= 0.995"),
    "graph_build_s": ("FAISS' graph (HNSW, float16): building", "s", ""),
    "graph_lists_s": ("FAISS' graph: building and all lists", "s", ""),
    "graph_recall": ("FAISS' graph: recall@10", "", ""),
    "graph_mb": ("FAISS' graph: peak memory", "MB", ""),
    "exact_lists_s": ("all lists by comparing all with all", "s", ""),
    "verify_s": ("verify", "s", ""),
    "verify_mb": ("peak memory of that", "MB", ""),
    "eval_s": (f"eval --label, {EVALUATED:,} queries", "s", ""),
    "eval_mb": ("peak memory of that", "MB", "< 3,000"),
    "train_s": ("train: reading and dividing the items", "s", ""),
    "train_mb": ("peak memory of that", "MB", "< 3,000"),
}


def _in_a_process(step: str, *arguments: str) -> Figures:
    command = [sys.executable, "-m", "benchmarks.growth", "--step", step, *arguments]
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    found: Figures = json.loads(printed)
    return found


def peak_mb() -> float:
    """The most memory this process has held: ``getrusage`` would begin with what its parent held."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    (peak,) = (line.split()[1] for line in lines if line.startswith("VmHWM"))
    return int(peak) * 1024 / MB


# -- steps -------------------------------------------------------------------------------------------------


def _import(catalog: str, size: int, work: Path) -> Figures:
    seealike.create(catalog).close()
    writer = StoreWriter(str(Path(catalog) / "catalog.sqlite"))
    took, row = 0.0, 0
    for vectors in synthetic.mixed(synthetic.embeddings(work, work), size):
        started = time.perf_counter()
        halves = vectors.astype(np.float16)
        writer.add([_item(row + place, vector.tobytes()) for place, vector in enumerate(halves)])
        took += time.perf_counter() - started
        row += len(vectors)
    writer.close()
    return {"import_s": took, "import_mb": peak_mb()}


def _item(row: int, vector: bytes) -> NewItem:
    """With a label that says nothing: what it costs to measure one does not depend on that."""
    metadata = {"share": share_of(row), "kind": f"k{row % KINDS}"}
    return replace(item_of(row, vector), metadata_json=json.dumps(metadata))


def _build(catalog: str, *_unused: object) -> Figures:
    store, writer = SqliteStore(catalog), StoreWriter(str(Path(catalog) / "catalog.sqlite"))
    started = time.perf_counter()
    ann.refresh(store, FileSystem(), lambda: nullcontext(writer), lambda _: None)
    took, count = time.perf_counter() - started, store.state().count
    writer.close()
    store.close()
    size = sum(file.stat().st_size for file in Path(catalog).iterdir() if file.is_file())
    return {"build_s": took, "build_mb": peak_mb(), "disk_bytes": size / count}


def _open(catalog: str, *_unused: object) -> Figures:
    query = np.ones((1, 1280), dtype=np.float32) / math.sqrt(1280)
    started = time.perf_counter()
    with seealike.open(catalog) as opened:
        opened.search_vectors(query)
        return {"open_s": time.perf_counter() - started, "memory_mb": peak_mb()}


def _ask(catalog: str, size: int, work: Path) -> Figures:
    queries = next(synthetic.mixed(synthetic.embeddings(work, work), QUERIES, seed=2))
    shares = np.array([share_of(row) for row in range(size)])
    with seealike.open(catalog) as opened:
        store = SqliteStore(catalog)
        scores = _scores(store, queries[:TRUTHS], size)
        store.close()

        def ask(query: Float32Array, where: str | None = None) -> list[int]:
            hits = opened.search_vectors(
                query[np.newaxis], K, options=SearchOptions(pictures=True, where=where)
            )
            return [int(hit.id) for hit in hits[0]]

        times = _times(ask, queries)
        figures = {
            "query_ms": float(np.median(times)) * 1e3,
            "query_p99_ms": float(np.percentile(times, 99)) * 1e3,
            "recall": _recall(ask, queries, scores, np.ones(size, dtype=bool)),
        }
        started = time.perf_counter()
        ask(queries[0], "share < 2")
        figures["columns_s"] = time.perf_counter() - started
        for share in SHARES:

            def filtered(query: Float32Array, share: float = share) -> list[int]:
                return ask(query, f"share < {share}")

            figures[f"filter_{share}_ms"] = float(np.median(_times(filtered, queries[:TRUTHS]))) * 1e3
            figures[f"filter_{share}_recall"] = _recall(filtered, queries, scores, shares < share)
    return figures


def _times(ask: Callable[[Float32Array], object], queries: Float32Array) -> list[float]:
    """Every query twice; the second time counts."""
    for query in queries:
        ask(query)
    found = []
    for query in queries:
        started = time.perf_counter()
        ask(query)
        found.append(time.perf_counter() - started)
    return found


def _scores(store: SqliteStore, queries: Float32Array, size: int) -> Float32Array:
    """Every query's similarity to every item, by comparing with all. Shapes: (q, n)."""
    found = np.empty((len(queries), size), dtype=np.float32)
    for keys, vectors in store.vector_blocks():
        block = vectors.astype(np.float32)
        block /= np.linalg.norm(block, axis=1, keepdims=True)
        found[:, keys - 1] = queries @ block.T
    return found


def _recall(
    ask: Callable[[Float32Array], list[int]], queries: Float32Array, scores: Float32Array, matches: np.ndarray
) -> float:
    """The share of answers that are as similar as the tenth best that matches."""
    recalls = []
    for query, own in zip(queries, scores, strict=False):
        among = own[matches]
        least = np.partition(among, -K)[-K] - 2e-6
        found = np.array(ask(query))
        recalls.append(float((own[found] >= least).sum()) / K)
    return float(np.mean(recalls))


def _change(catalog: str, size: int, work: Path) -> Figures:
    """A third of a hundredth of the items goes, a third comes, a third gets another picture."""
    third = round(CHANGED * size / 3)
    gone = np.random.default_rng(7).permutation(size)[: 2 * third].tolist()
    vectors = np.concatenate(list(synthetic.mixed(synthetic.embeddings(work, work), 2 * third, seed=3)))
    rows = [*gone[third:], *range(size, size + third)]
    new = [_item(row, vector.tobytes()) for row, vector in zip(rows, vectors.astype(np.float16), strict=True)]
    query = next(synthetic.mixed(synthetic.embeddings(work, work), 1, seed=2))

    def apply(change: Change) -> None:
        change.remove_ids([f"{row:06}" for row in gone])
        change.insert(new)

    with seealike.open(catalog) as opened:
        opened.search_vectors(query)
        writer = StoreWriter(str(Path(catalog) / "catalog.sqlite"))
        started = time.perf_counter()
        writer.rewrite(apply)
        written = time.perf_counter()
        writer.close()
        asked = time.perf_counter()
        opened.search_vectors(query)
        return {"change_s": written - started, "changed_query_s": time.perf_counter() - asked}


def _lists(catalog: str, size: int, *_unused: object) -> Figures:
    step = max(1, size // LISTED)
    started = time.perf_counter()
    with seealike.open(catalog) as opened:
        lists = {entry.id: entry.scores for entry in opened.recommend_all(K) if int(entry.id) % step == 0}
        took, peak = time.perf_counter() - started, peak_mb()
        sample = list(lists)
        _, queries = opened.vectors(sample)
    store = SqliteStore(catalog)
    place_of = {item.key: item.id for item in store.items()}
    best = np.full((len(sample), K), -np.inf, dtype=np.float32)
    own_of = {item_id: row for row, item_id in enumerate(sample)}
    for keys, vectors in store.vector_blocks():
        block = vectors.astype(np.float32)
        block /= np.linalg.norm(block, axis=1, keepdims=True)
        scores = queries @ block.T
        for place, key in enumerate(keys.tolist()):
            if (row := own_of.get(place_of[key])) is not None:
                scores[row, place] = -np.inf
        both = np.concatenate([best, scores], axis=1)
        best = np.partition(both, -K, axis=1)[:, -K:]
    store.close()
    least = best.min(axis=1) - 2e-6
    reached = np.mean(
        [(np.array(lists[item]) >= low).mean() for item, low in zip(sample, least, strict=True)]
    )
    return {"lists_s": took, "lists_mb": peak, "lists_recall": float(reached)}


def _rival_lists(catalog: str, size: int, *_unused: object) -> Figures:
    """The same lists by FAISS alone: its graph over float16 vectors, and all with all; both of a sample."""
    import faiss

    store, untyped = SqliteStore(catalog), cast("Any", faiss)
    kind = untyped.ScalarQuantizer.QT_fp16
    graph = untyped.IndexHNSWSQ(1280, kind, GRAPH_LINKS, untyped.METRIC_INNER_PRODUCT)
    sample: list[Float32Array] = []
    exact_s, started = 0.0, time.perf_counter()
    for keys, vectors in store.vector_blocks():
        block = vectors.astype(np.float32)
        block /= np.linalg.norm(block, axis=1, keepdims=True)
        if not graph.is_trained:
            graph.train(block)
        graph.add(block)
        sample.append(block[keys % max(1, size // GRAPH_LISTED) == 0])
    built_s, queries = time.perf_counter() - started, np.concatenate(sample)
    best = np.full((LISTED, K + 1), -np.inf, dtype=np.float32)
    for _, vectors in store.vector_blocks():
        block = vectors.astype(np.float32)
        block /= np.linalg.norm(block, axis=1, keepdims=True)
        started = time.perf_counter()
        both = np.concatenate([best, queries[:LISTED] @ block.T], axis=1)
        best = np.partition(both, -K - 1, axis=1)[:, -K - 1 :]
        exact_s += time.perf_counter() - started
    store.close()
    least = best.min(axis=1) - 2e-4  # float16 codes: its own scores are rounded
    for effort in GRAPH_EFFORTS:
        graph.hnsw.efSearch = effort
        found, _ = graph.search(queries[:LISTED], K + 1)
        recall = float((found >= least[:, np.newaxis]).mean())
        if recall >= GRAPH_RECALL:
            break
    started = time.perf_counter()
    graph.search(queries, K + 1)
    graph_s = (time.perf_counter() - started) * size / len(queries)
    return {
        "graph_build_s": built_s,
        "graph_lists_s": built_s + graph_s,
        "graph_recall": recall,
        "graph_mb": peak_mb(),
        "exact_lists_s": exact_s * size / LISTED,
    }


def _verify(catalog: str, *_unused: object) -> Figures:
    started = time.perf_counter()
    with seealike.open(catalog) as opened:
        report = opened.verify()
    assert not report.findings, report.findings
    return {"verify_s": time.perf_counter() - started, "verify_mb": peak_mb()}


def _evaluate(catalog: str, *_unused: object) -> Figures:
    options = EvalOptions(label="kind", max_queries=EVALUATED)
    with seealike.open(catalog) as opened:
        report = evaluate(opened, options)
    assert report.labels is not None
    assert report.labels.queries == EVALUATED
    return {"eval_s": report.took_s, "eval_mb": peak_mb()}


def _read_to_train(catalog: str, *_unused: object) -> Figures:
    labelling, started = Labelling("kind"), time.perf_counter()
    with seealike.open(catalog) as opened:
        lesson = read_lesson(opened, labelling, Splitting())
    fingerprint(lesson, split(lesson, None, 0), TrainOptions(labelling), "")
    return {"train_s": time.perf_counter() - started, "train_mb": peak_mb()}


STEPS: dict[str, Callable[[str, int, Path], Figures]] = {
    "import": _import,
    "build": _build,
    "open": _open,
    "ask": _ask,
    "change": _change,
    "lists": _lists,
    "rivals": _rival_lists,
    "verify": _verify,
    "eval": _evaluate,
    "train": _read_to_train,
}


def main() -> None:
    arguments = sys.argv[1:]
    if arguments[:1] == ["--step"]:
        _, step, catalog, size, folder = arguments
        print(json.dumps(STEPS[step](catalog, int(size), Path(folder))))
        return
    data, work = Path("../shared/data").resolve(), Path(".bench").resolve()
    for row in rows(data, work, [*map(int, arguments)] or SIZES):
        print(f"| {row.what} | {row.value} | {row.goal} | {row.note} |", flush=True)


if __name__ == "__main__":
    main()
