"""One query among the items that match a condition: time, and recall against exact search, at every share.

By chance: a number in the metadata that has nothing to do with the pictures. Another kind: whole clusters of
the vectors, asked with queries of none of them, so that everything close to the query is left out.

All but the most alike, and of the rest a tenth: no condition that a person has, for it is made of the
similarity itself; it shows where the index ends.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

import seealike
from benchmarks import synthetic
from benchmarks.large import catalog_of, share_of
from benchmarks.report import Row, spread
from seealike import SearchOptions
from seealike.types import Float16Array, Float32Array, Int64Array

TITLE = "Filters among 289,222 vectors of 1280"
SHARES = (0.5, 0.1, 0.01, 0.001, 0.0001, 0.00001)
K, ASKED, CLUSTERS, EXACT_TIMED, SEED = 10, 100, 50, 5, 4
LEFT_OUT = 2_000
GOAL = "<= 5 ms, recall@10 >= 0.99"
_ROWS_AT_ONCE = 8192

Mask = npt.NDArray[np.bool_]
Rank = Callable[[Float32Array, Int64Array], Int64Array]


class Asked(NamedTuple):
    """A query, the rows that match, and how similar it is to every row."""

    query: Float32Array
    allowed: Int64Array
    scores: Float32Array


def rows(data: Path, work: Path) -> list[Row]:
    vectors, queries = synthetic.make(data, work), synthetic.queries(data, work)[:ASKED]
    scores, clusters, own = _scores_and_clusters(vectors, queries)
    path, _ = catalog_of(vectors, work)
    shares = np.array([share_of(row) for row in range(len(vectors))])
    found: list[Row] = []
    with seealike.open(path) as catalog:
        reading = catalog._session.reading()  # noqa: SLF001 - what takes the keys that match
        view = reading.searcher.view()

        def rank(query: Float32Array, allowed: Int64Array) -> Int64Array:
            keys: Int64Array = reading.searcher.rank(view, query[np.newaxis], K, allowed=allowed)[0][0]
            return keys - 1

        def whole(query: Float32Array, where: str) -> None:
            catalog.search_vectors(query[np.newaxis], K, options=SearchOptions(pictures=True, where=where))

        started = time.perf_counter()
        whole(queries[0], "share < 2")
        read_s = time.perf_counter() - started
        for share in SHARES:
            where = f"share < {share}"
            keys = np.flatnonzero(shares < share) + 1
            asked = [Asked(query, keys, row) for query, row in zip(queries, scores, strict=True)]
            whole_ms = _median_ms(lambda query: whole(query, where), queries)  # noqa: B023
            found.append(
                _row(f"{100 * share:g} % match, by chance", rank, asked, f"whole call {whole_ms:.2f} ms")
            )
        for share in SHARES[:4]:
            asked = list(_of_another_kind(queries, scores, clusters, own, share))
            found.append(_row(f"{100 * share:g} % match, another kind", rank, asked, ""))
        for share in (0.1, 0.01):
            asked = list(_without_the_closest(queries, scores, share))
            what = f"{100 * share:g} % of all but the {LEFT_OUT:,} most alike (not for people)"
            found.append(_row(what, rank, asked, "", goal=""))
        plain_ms = _median_ms(lambda query: reading.searcher.rank(view, query[np.newaxis], K), queries)
    found.append(Row("no condition", f"{plain_ms:.2f} ms"))
    exact_ms = _exact_ms(vectors, queries, shares < SHARES[1])
    found.append(Row("numpy, exact, all vectors in memory, whatever matches", f"{exact_ms:.0f} ms"))
    found.append(Row("reading what all items say, at the first condition", f"{read_s:.1f} s"))
    return found


def _row(what: str, rank: Rank, asked: Sequence[Asked], note: str, goal: str = GOAL) -> Row:
    """Every query twice: the first time with an array of keys that is new, the second time counts."""
    first, second, recalls = [], [], []
    for one in asked:
        keys = one.allowed.copy()
        times = []
        for _ in range(2):
            started = time.perf_counter()
            found = rank(one.query, keys)
            times.append((time.perf_counter() - started) * 1000)
        first.append(times[0])
        second.append(times[1])
        own = one.scores[one.allowed - 1]
        k = min(K, len(own))
        least = np.partition(own, len(own) - k)[len(own) - k]
        recalls.append(float(np.mean(one.scores[found] >= least - 2e-6)) * len(found) / k)
    value = f"{statistics.median(second):.2f} ms, recall@10 {np.mean(recalls):.4f}"
    notes = [f"{spread(second)}; a condition that is new {statistics.median(first):.1f} ms", note]
    return Row(what, value, goal, "; ".join(filter(None, notes)))


def _of_another_kind(
    queries: Float32Array, scores: Float32Array, clusters: Int64Array, own: Int64Array, share: float
) -> Iterator[Asked]:
    """Of clusters in random order, without the query's own, as many items as the share says."""
    rng = np.random.default_rng(SEED)
    for query, row, cluster in zip(queries, scores, own, strict=True):
        others = rng.permutation([other for other in range(CLUSTERS) if other != cluster])
        rank_of = np.full(CLUSTERS, CLUSTERS)
        rank_of[others] = np.arange(len(others))
        eligible = np.flatnonzero(clusters != cluster)
        wanted = min(round(share * len(clusters)), len(eligible))
        sizes = np.cumsum(np.bincount(rank_of[clusters[eligible]], minlength=CLUSTERS))
        some = eligible[rank_of[clusters[eligible]] <= np.searchsorted(sizes, wanted)]
        yield Asked(query, np.sort(rng.permutation(some)[:wanted]) + 1, row)


def _without_the_closest(queries: Float32Array, scores: Float32Array, share: float) -> Iterator[Asked]:
    rng = np.random.default_rng(SEED)
    for query, row in zip(queries, scores, strict=True):
        rest = np.argpartition(-row, LEFT_OUT)[LEFT_OUT:]
        yield Asked(query, np.sort(rng.permutation(rest)[: round(share * len(row))]) + 1, row)


def _scores_and_clusters(
    vectors: Float16Array, queries: Float32Array
) -> tuple[Float32Array, Int64Array, Int64Array]:
    """Every query's similarity to every vector, and the clusters of vectors and queries."""
    import faiss

    sample = np.random.default_rng(SEED).choice(len(vectors), 256 * CLUSTERS, replace=False)
    kmeans = faiss.Kmeans(vectors.shape[1], CLUSTERS, niter=8, seed=SEED)
    kmeans.train(np.array(vectors[np.sort(sample)]).astype(np.float32))
    scores = np.empty((len(queries), len(vectors)), dtype=np.float32)
    clusters = np.empty(len(vectors), dtype=np.int64)
    for start in range(0, len(vectors), _ROWS_AT_ONCE):
        block = np.array(vectors[start : start + _ROWS_AT_ONCE]).astype(np.float32)
        clusters[start : start + len(block)] = kmeans.index.search(block, 1)[1][:, 0]
        block /= np.linalg.norm(block, axis=1, keepdims=True)
        scores[:, start : start + len(block)] = queries @ block.T
    return scores, clusters, kmeans.index.search(queries, 1)[1][:, 0]


def _exact_ms(vectors: Float16Array, queries: Float32Array, matching: Mask) -> float:
    held = np.array(vectors).astype(np.float32)

    def ask(query: Float32Array) -> None:
        own = np.where(matching, held @ query, -np.inf)
        np.argpartition(-own, K)

    return _median_ms(ask, queries[:EXACT_TIMED])


def _median_ms(ask: Callable[[Float32Array], object], queries: Float32Array) -> float:
    times = []
    for again in (False, True):
        for query in queries:
            started = time.perf_counter()
            ask(query)
            if again:
                times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)
