"""One query among 289,222, opening, and the lists of all items: against exact search and other libraries.

Every library is tuned on these very queries to the least effort that reaches recall@10 0.995, and to the
least that reaches what seealike reaches; then each is asked the same queries alone, one at a time. seealike
also cold: the system drops the catalogue's files from its memory before every query.

`python -m benchmarks.rivals` builds the other libraries' indexes beforehand, which takes minutes.
"""

from __future__ import annotations

import functools
import os
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
COLD_TIMED = 100
LISTED = 2_000


@dataclass(frozen=True, slots=True)
class Contestant:
    name: str
    ask: Callable[[Float32Array], Sequence[int]]
    recall: float
    note: str


def rows(data: Path, work: Path) -> list[Row]:
    vectors, queries = synthetic.make(data, work), synthetic.queries(data, work)
    truth = truth_of(vectors, queries[: max(TIMED, TUNED_ON)])
    path, build_s = catalog_of(vectors, work)
    found: list[Row] = []
    with seealike.open(path) as catalog:
        reading = catalog._session.reading()  # noqa: SLF001 - the part that the other libraries do

        def whole(query: Float32Array) -> list[int]:
            return [int(hit.id) for hit in catalog.search_vectors(query[np.newaxis], 10)[0]]

        def ranked(query: Float32Array) -> Sequence[int]:
            keys, _ = reading.searcher.rank(reading.searcher.view(), query[np.newaxis], 10)[0]
            return [int(key) - 1 for key in keys]

        reached = _recall(ranked, queries[:TUNED_ON], truth)
        built = _needs(build_s, measured("open", str(path))["memory_bytes"])
        contestants = [
            Contestant("seealike, keys and exact scores", ranked, reached, built),
            Contestant("seealike, whole call with the items' rows", whole, reached, ""),
        ]
        tuned: list[list[Contestant]] = []
        for rival in rivals(vectors, work):
            if isinstance(rival, str):
                found.append(Row(rival, "-"))
            else:
                tuned.append(_tuned(rival, queries[:TUNED_ON], truth, (RECALL, reached)))
        contestants += [contestant for both in zip(*tuned, strict=True) for contestant in both]
        warm = [_alone(contestant.ask, queries[:TIMED]) for contestant in contestants]
        cold = [
            _cold(contestant.ask, queries[TIMED : TIMED + COLD_TIMED], path) for contestant in contestants[:2]
        ]
    same = [
        time_s
        for contestant, time_s in zip(contestants[2:], warm[2:], strict=True)
        if "same" in contestant.name
    ]
    fastest = min(same, default=warm[0])
    for place, (contestant, median) in enumerate(zip(contestants, warm, strict=True)):
        goal = "<= 1.1 x, recall@10 >= 0.995" if place == 0 else ""
        value = f"{median * 1e3:.3f} ms ({median / fastest:.1f} x), recall@10 {contestant.recall:.4f}"
        found.append(Row(f"one query: {contestant.name}", value, goal, contestant.note))
    note = f"median of {COLD_TIMED}; before each, the system forgets the catalogue's files"
    for contestant, median in zip(contestants[:2], cold, strict=True):
        found.append(Row(f"cold: {contestant.name}", f"{median * 1e3:.2f} ms", "<= 2 ms", note))
    exact_s, exact_list_s = _numpy(vectors, queries)
    found.append(Row("one query: numpy, exact", f"{exact_s * 1e3:.1f} ms ({exact_s / fastest:.0f} x)"))
    found += _opening(path)
    annoy_s = next(
        (m for c, m in zip(contestants, warm, strict=True) if "Annoy" in c.name and "same" in c.name), None
    )
    return found + _lists(path, vectors, work, annoy_s, exact_list_s * len(vectors))


def truth_of(vectors: Float16Array, queries: Float32Array, own: Int64Array | None = None) -> Int64Array:
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
            note = f"effort {effort}, {_needs(rival.build_s, rival.memory_bytes)}"
            ask = functools.partial(_asked, rival, effort)
            found.append(Contestant(name, ask, reached, note))
    return found


def _asked(rival: Rival, effort: int, query: Float32Array) -> Sequence[int]:
    return rival.ask(query, effort)


def _needs(build_s: float, memory_bytes: float) -> str:
    return f"built in {build_s:.0f} s, {memory_bytes / 1e6:.0f} MB of memory"


def _alone(ask: Callable[[Float32Array], object], queries: Float32Array) -> float:
    """The median over queries that nobody asks in between; every query is asked twice, the second one counts.

    So the pages that an answer is read from are in memory, but not in the processor's cache.
    """
    times = np.empty((2, len(queries)))
    for turn in times:
        for column, query in enumerate(queries):
            started = time.perf_counter()
            ask(query)
            turn[column] = time.perf_counter() - started
    return float(np.median(times[1]))


def _cold(ask: Callable[[Float32Array], object], queries: Float32Array, path: Path) -> float:
    """The median where the system has dropped the catalogue's files from its memory before every query.

    SQLite's own cache stays: it is emptied by whoever else writes, and holds the trees' upper pages.
    """
    files = [os.open(file, os.O_RDONLY) for file in path.iterdir() if file.stat().st_size]
    times = []
    try:
        for query in queries:
            for file in files:
                os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
            started = time.perf_counter()
            ask(query)
            times.append(time.perf_counter() - started)
    finally:
        for file in files:
            os.close(file)
    return float(np.median(times))


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


def _opening(path: Path) -> list[Row]:
    """Fresh processes: the files in the system's memory, and dropped from it."""
    warm, cold = (
        sorted((measured(how, str(path)) for _ in range(3)), key=lambda run: run["answer_s"])[1]
        for how in ("open", "open-cold")
    )
    total = sum(file.stat().st_size for file in path.iterdir())
    note = f"{warm['open_s']:.2f} s until open; {total / 1e6:.0f} MB on disk"
    return [
        Row("opening it, to the first answer", f"{warm['answer_s']:.2f} s", "< 1.5 s", note),
        Row("the same, cold", f"{cold['answer_s']:.2f} s"),
    ]


def _lists(path: Path, vectors: Float16Array, work: Path, annoy_s: float | None, exact_s: float) -> list[Row]:
    out = work / "lists.npy"
    run = measured("lists", str(path), str(out))
    own = np.random.default_rng(0).choice(len(vectors), LISTED, replace=False)
    queries = np.array(vectors[np.sort(own)]).astype(np.float32)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    truth = truth_of(vectors, queries, np.sort(own))
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
