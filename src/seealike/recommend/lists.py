"""The top-k list of every item, streamed in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from seealike.indexes import exact_scores
from seealike.recommend.answers import Wanted, converted
from seealike.recommend.view import Ranked, Searcher, StaleViewError, VectorStore, View, joined
from seealike.types import Float16Array, Float32Array, Int64Array

BLOCK = 1024
MATRIX_BYTES = 3 << 29  # 1.5 GiB: up to here all float16 vectors are held in memory, beyond they are read


@dataclass(frozen=True, slots=True)
class SimilarList:
    """The items most like one item, closest first. ``scores`` belong to ``similar_ids``, one each."""

    id: str
    similar_ids: tuple[str, ...]
    scores: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Names:
    """The ids of all items, in id order, and their keys."""

    ids: Sequence[str]
    keys: Int64Array


def similar_lists(
    store: VectorStore,
    searcher: Searcher,
    names: Names,
    wanted: Wanted,
    *,
    exact: bool,
    progress: Callable[[int, int], None],
) -> Iterator[SimilarList]:
    """Yield the list of every item, in the order of ``names``.

    Raises:
        StaleViewError: the catalogue changed between the reading of ``names`` and the first list.
    """
    view = searcher.view()
    if not np.array_equal(np.sort(names.keys), view.keys):
        raise StaleViewError
    job = _ListJob(store, searcher, view, names, wanted, exact=exact)
    for start in range(0, len(names.ids), BLOCK):
        yield from job.block(start)
        progress(min(start + BLOCK, len(names.ids)), len(names.ids))


class _ListJob:
    """What all blocks share: the vectors where they fit, and every key's place in id order."""

    def __init__(
        self, store: VectorStore, searcher: Searcher, view: View, names: Names, wanted: Wanted, *, exact: bool
    ) -> None:
        self._store, self._searcher, self._view = store, searcher, view
        self._names, self._wanted, self._exact = names, wanted, exact
        self._id_rank = np.empty(len(view.keys), dtype=np.int64)
        self._id_rank[np.searchsorted(view.keys, names.keys)] = np.arange(len(names.keys))
        self._matrix = self._load_matrix()

    def block(self, start: int) -> Iterator[SimilarList]:
        keys = self._names.keys[start : start + BLOCK]
        queries = self._vectors(keys).astype(np.float32)
        queries /= np.linalg.norm(queries, axis=1, keepdims=True)
        for row, ranked in enumerate(self._rank(queries, self._wanted.k + 1)):
            yield self._list(self._names.ids[start + row], int(keys[row]), ranked)

    def _list(self, item_id: str, key: int, ranked: Ranked) -> SimilarList:
        found, scores = ranked
        other = found != key
        found, scores = found[other], scores[other]
        rank = self._id_rank[np.searchsorted(self._view.keys, found)]
        best = np.lexsort((rank, -scores))[: self._wanted.k]
        pairs = [
            (self._names.ids[int(rank[place])], score)
            for place, score in zip(best, converted(scores[best], self._wanted.metric), strict=True)
            if self._wanted.min_score is None or score >= self._wanted.min_score
        ]
        return SimilarList(item_id, tuple(pair[0] for pair in pairs), tuple(pair[1] for pair in pairs))

    def _rank(self, queries: Float32Array, k: int) -> Iterator[Ranked]:
        ann, tail = self._view.ann, self._view.memory
        if self._exact or ann is None or self._matrix is None:
            yield from self._searcher.rank(self._view, queries, k, exact=self._exact)
            return
        newest = tail.candidates(queries, k) if tail is not None and len(tail) else None
        for row, alive in enumerate(self._view.proposed(ann, queries, k)):
            if alive is None:
                yield from self._searcher.rank(self._view, queries[row : row + 1], k)
                continue
            ranked = alive, exact_scores(queries[row : row + 1], self._vectors(alive))[0]
            yield ranked if newest is None else joined(ranked, newest[row])

    def _vectors(self, keys: Int64Array) -> Float16Array:
        """The vectors of alive keys, in the order of ``keys``."""
        if self._matrix is not None:
            rows: Float16Array = self._matrix[np.searchsorted(self._view.keys, keys)]
            return rows
        found, vectors = self._store.vectors_of([int(key) for key in keys])
        self._searcher.check_all_there(self._view, len(found), len(keys))
        return vectors[np.searchsorted(found, keys)]

    def _load_matrix(self) -> Float16Array | None:
        view = self._view
        if view.ann is None and view.memory is not None:
            return view.memory.vectors
        if len(view) * view.dimension * 2 > MATRIX_BYTES:
            return None
        matrix = np.empty((len(view), view.dimension), dtype=np.float16)
        filled = 0
        for keys, vectors in self._store.vector_blocks():
            alive = view.alive(keys)
            matrix[np.searchsorted(view.keys, keys[alive])] = vectors[alive]
            filled += int(alive.sum())
        self._searcher.check_all_there(view, filled, len(view))
        return matrix
