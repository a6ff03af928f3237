"""Exhaustive search: the oracle, the answer for small catalogues, and for what no snapshot covers yet."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from seealike.indexes.scoring import exact_scores, unit_rows

if TYPE_CHECKING:
    from seealike.types import Float16Array, Float32Array, Int64Array

    Ranked = tuple[Int64Array, Float32Array]

_SCORES_AT_ONCE = 1 << 22  # 16 MiB of float32 scores, whatever the number of queries
_CONVERTED_AT_ONCE = 4096
# Scores that are equal after rounding differ by 1e-6 at most; the rest is what float32 sums lose.
_SHORTLIST_MARGIN = np.float32(2e-5)


class ExactIndex:
    """Every vector in memory, every query compared with all of them. Safe to use from several threads."""

    def __init__(self, keys: Int64Array, vectors: Float16Array) -> None:
        """Hold ``vectors`` under ``keys``. Shapes: keys is (n,), without repetition; vectors is (n, d)."""
        if keys.ndim != 1 or vectors.ndim != 2 or len(keys) != len(vectors):
            raise ValueError(f"keys {keys.shape} do not fit vectors {vectors.shape}")
        self.keys = keys
        self.vectors = vectors
        self._preparing = threading.Lock()
        self._unit: Float32Array | None = None

    def __len__(self) -> int:
        """The number of vectors."""
        return len(self.keys)

    def candidates(self, queries: Float32Array, k: int) -> list[Ranked]:
        """For every query, each key whose score is at least the k-th best one; unordered.

        These are ``min(k, n)`` keys and whatever ties with the last of them, so that the caller can break
        ties by something keys do not know.

        Shapes: queries is (q, d), unit norm.
        """
        k = min(k, len(self))
        if k <= 0:
            return [(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)) for _ in queries]
        return [self._best(query, rough, k) for query, rough in self._rough_scores(queries)]

    def search(self, queries: Float32Array, k: int) -> tuple[Int64Array, Float32Array]:
        """See ``Index.search``. Equal scores are in the order of their keys."""
        keys = np.full((len(queries), k), -1, dtype=np.int64)
        scores = np.full((len(queries), k), -np.inf, dtype=np.float32)
        for row, (found, found_scores) in enumerate(self.candidates(queries, k)):
            order = np.lexsort((found, -found_scores))[:k]
            keys[row, : len(order)] = found[order]
            scores[row, : len(order)] = found_scores[order]
        return keys, scores

    def _best(self, query: Float32Array, rough: Float32Array, k: int) -> Ranked:
        place = len(rough) - k
        near = np.flatnonzero(rough >= np.partition(rough, place)[place] - _SHORTLIST_MARGIN)
        scores = exact_scores(query[np.newaxis], self.vectors[near])[0]
        place = len(scores) - k
        keep = scores >= np.partition(scores, place)[place]
        return self.keys[near[keep]], scores[keep]

    def _rough_scores(self, queries: Float32Array) -> Iterator[tuple[Float32Array, Float32Array]]:
        """Every query with its float32 scores: good enough for a shortlist, not for people."""
        unit = self._unit_matrix()
        if len(queries) == 1:
            yield queries[0], unit @ queries[0]
            return
        at_once = max(1, _SCORES_AT_ONCE // len(unit))
        for start in range(0, len(queries), at_once):
            part = queries[start : start + at_once]
            yield from zip(part, part @ unit.T, strict=True)

    def _unit_matrix(self) -> Float32Array:
        unit = self._unit
        if unit is not None:
            return unit
        with self._preparing:
            if self._unit is None:
                unit = np.empty(self.vectors.shape, dtype=np.float32)
                for start in range(0, len(unit), _CONVERTED_AT_ONCE):
                    end = start + _CONVERTED_AT_ONCE
                    unit[start:end] = unit_rows(self.vectors[start:end])
                self._unit = unit
            return self._unit
