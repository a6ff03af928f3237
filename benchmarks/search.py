"""One query among 289,222, opening, and the lists of all items: against exact search and other libraries.

Every library is tuned on these very queries to the least effort that reaches recall@10 0.995, and to the
least that reaches what seealike reaches; then all are asked the same queries in turn, one at a time, so that
whatever disturbs the machine disturbs all of them.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import seealike
from benchmarks import synthetic
from benchmarks.large import catalog_of, measured
from benchmarks.report import Row
from benchmarks.rivals import Rival, rivals
from seealike.types import Float16Array, Float32Array, Int64Array

TITLE = "Search among 289,222 vectors of 1280"
RECALL = 0.995
TIMED = 1_000
TUNED_ON = 1_000
EXACT_TIMED = 50
LISTED = 2_000


@dataclass(frozen=True, slots=True)
class Contestant:
    name: str
    ask: Callable[[Float32Array], Sequence[int]]
    recall: float
    note: str


def rows(data: Path, work: Path) -> list[Row]:
    vectors, queries = synthetic.make(data, work), synthetic.queries(data, work)
    truth = _truth(vectors, queries[: max(TIMED, TUNED_ON)])
    path, build_s = catalog_of(vectors, work)
    found: list[Row] = []
    with seealike.open(path) as catalog:
        size = sum(file.stat().st_size for file in path.glob("ann-*"))

        def ours(query: Float32Array) -> list[int]:
            return [int(hit.id) for hit in catalog.search_vectors(query[np.newaxis], 10)[0]]

        reached = _recall(ours, queries[:TUNED_ON], truth)
        searcher = catalog._session.reading().searcher  # noqa: SLF001 - the part that the other libraries do

        def ranked(query: Float32Array) -> Sequence[int]:
            keys, _ = searcher.rank(searcher.view(), query[np.newaxis], 10)[0]
            return [int(key) for key in keys]

        contestants = [
            Contestant("seealike, keys and exact scores", ranked, reached, _built(build_s, size)),
            Contestant("seealike, whole call with the items' rows", ours, reached, ""),
        ]
        tuned: list[list[Contestant]] = []
        for rival in rivals(vectors, work):
            if isinstance(rival, str):
                found.append(Row(rival, "-"))
            else:
                tuned.append(_tuned(rival, queries[:TUNED_ON], truth, (RECALL, reached)))
        # Never the same library twice in a row: the second answer would find the data in the cache.
        contestants += [contestant for both in zip(*tuned, strict=True) for contestant in both]
        medians = _interleaved(contestants, queries[:TIMED])
    own = medians[0]
    for contestant, median in zip(contestants, medians, strict=True):
        goal = (
            "<= 1/5 of Annoy's time at the same recall, recall@10 >= 0.995"
            if contestant is contestants[0]
            else ""
        )
        value = f"{median * 1e3:.3f} ms ({median / own:.1f} x), recall@10 {contestant.recall:.4f}"
        found.append(Row(f"one query: {contestant.name}", value, goal, contestant.note))
    exact_s, exact_list_s = _numpy(vectors, queries)
    found.append(Row("one query: numpy, exact", f"{exact_s * 1e3:.1f} ms ({exact_s / own:.0f} x)"))
    found.append(_opening(path))
    annoy_s = next(
        (m for c, m in zip(contestants, medians, strict=True) if "Annoy" in c.name and "same" in c.name), None
    )
    return found + _lists(path, vectors, work, annoy_s, exact_list_s * len(vectors))


def _truth(vectors: Float16Array, queries: Float32Array, own: Int64Array | None = None) -> Int64Array:
    """Positions of the ten closest by exhaustive search, leaving out ``own``. Shapes: (q, 10)."""
    scores = np.concatenate([queries @ _unit(vectors, start).T for start in range(0, len(vectors), 8192)], 1)
    if own is not None:
        scores[np.arange(len(queries)), own] = -np.inf
    best: Int64Array = np.argpartition(scores, -10, axis=1)[:, -10:]
    return best


def _unit(vectors: Float16Array, start: int, rows: int = 8192) -> Float32Array:
    part = vectors[start : start + rows].astype(np.float32)
    part /= np.linalg.norm(part, axis=1, keepdims=True)
    return part


def _recall(ask: Callable[[Float32Array], Sequence[int]], queries: Float32Array, truth: Int64Array) -> float:
    shares = [np.isin(wanted, ask(query)).mean() for query, wanted in zip(queries, truth, strict=False)]
    return float(np.mean(shares))


def _tuned(
    rival: Rival, queries: Float32Array, truth: Int64Array, wanted: Sequence[float]
) -> list[Contestant]:
    """The rival with the least effort that reaches each of these recalls, ascending, or its greatest."""
    found: list[Contestant] = []
    for effort in rival.efforts:
        reached = _recall(lambda query, effort=effort: rival.ask(query, effort), queries, truth)  # type: ignore[misc]
        last = effort == rival.efforts[-1]
        while len(found) < len(wanted) and (reached >= wanted[len(found)] or last):
            name = f"{rival.name}, {'same recall' if found else f'recall {RECALL}'}"
            note = f"effort {effort}, {_built(rival.build_s, rival.size_bytes)}"
            ask = functools.partial(_asked, rival, effort)
            found.append(Contestant(name, ask, reached, note))
    return found


def _asked(rival: Rival, effort: int, query: Float32Array) -> Sequence[int]:
    return rival.ask(query, effort)


def _built(build_s: float, size_bytes: int) -> str:
    return f"built in {build_s:.0f} s, {size_bytes / 1e6:.0f} MB"


def _interleaved(contestants: Sequence[Contestant], queries: Float32Array) -> list[float]:
    times = np.empty((len(contestants), len(queries)))
    for column, query in enumerate(queries):
        for row, contestant in enumerate(contestants):
            started = time.perf_counter()
            contestant.ask(query)
            times[row, column] = time.perf_counter() - started
    return [float(median) for median in np.median(times, axis=1)]


def _numpy(vectors: Float16Array, queries: Float32Array) -> tuple[float, float]:
    """Seconds for one query, and for one of many in a block, with all vectors as float32 in memory."""
    matrix = np.concatenate([_unit(vectors, start) for start in range(0, len(vectors), 8192)])
    times = []
    for query in queries[:EXACT_TIMED]:
        started = time.perf_counter()
        scores = matrix @ query
        best = np.argpartition(scores, -10)[-10:]
        best[np.argsort(-scores[best])]
        times.append(time.perf_counter() - started)
    started = time.perf_counter()
    block = queries[:200] @ matrix.T
    np.argpartition(block, -10, axis=1)
    return float(np.median(times)), (time.perf_counter() - started) / 200


def _opening(path: Path) -> Row:
    measured("open", str(path))
    runs = [measured("open", str(path)) for _ in range(3)]
    middle = sorted(runs, key=lambda run: run["answer_s"])[1]
    total = sum(file.stat().st_size for file in path.iterdir())
    note = f"{middle['open_s']:.2f} s until open; {total / 1e6:.0f} MB on disk"
    return Row("opening it, to the first answer", f"{middle['answer_s']:.2f} s", "< 1.5 s", note)


def _lists(path: Path, vectors: Float16Array, work: Path, annoy_s: float | None, exact_s: float) -> list[Row]:
    out = work / "lists.npy"
    run = measured("lists", str(path), str(out))
    own = np.random.default_rng(0).choice(len(vectors), LISTED, replace=False)
    queries = np.array(vectors[np.sort(own)]).astype(np.float32)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    truth = _truth(vectors, queries, np.sort(own))
    lists = np.load(out)[np.sort(own)]
    reached = np.mean([np.isin(wanted, row).mean() for wanted, row in zip(truth, lists, strict=True)])
    versus = f"exact in blocks {exact_s:.0f} s"
    if annoy_s is not None:
        versus += f", Annoy's queries one after the other {annoy_s * len(vectors):.0f} s (both extrapolated)"
    return [
        Row("lists of all items", f"{run['took_s']:.0f} s", "", versus),
        Row("recall@10 of the lists", f"{reached:.4f}", ">= 0.995", f"on {LISTED:,} of them"),
        Row("peak memory of the lists", f"{run['peak_bytes'] / 1e6:.0f} MB", "< 2,500 MB", "one process"),
    ]
