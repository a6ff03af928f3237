"""Exhaustive search: the oracle, the answer for small catalogues, and for what no snapshot covers yet."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from seealike.indexes.scoring import exact_scores, unit_rows
from seealike.indexes.twins import first_twins

if TYPE_CHECKING:
    from seealike.types import Float16Array, Float32Array, Int64Array

    Ranked = tuple[Int64Array, Float32Array]

SMALL_BLOCK = 256  # rows that are copied rather than compared in a block of their own
_ROWS_AT_ONCE = 2048
_SCORES_AT_ONCE = 1 << 22  # 16 MiB of float32 scores, whatever the number of queries
_CONVERTED_AT_ONCE = 4096
# Scores that are equal after rounding differ by 1e-6 at most; the rest is what float32 sums lose.
_SHORTLIST_MARGIN = np.float32(2e-5)
# Cosines that differ by 2e-6 may be equal as rounded Euclidean distances; the rest is float32.
_TIE_MARGIN = np.float32(3e-6)
_FEW = 64  # candidates beyond those asked for: so many may be scored without looking for equal ones


class _Block:
    """Rows that never change, and what is derived from them at first use."""

    def __init__(self, keys: Int64Array, vectors: Float16Array) -> None:
        self.keys, self.vectors = keys, vectors
        self._preparing = threading.Lock()
        self._unit: Float32Array | None = None
        self._twins: Int64Array | None = None

    def __len__(self) -> int:
        return len(self.keys)

    def unit(self) -> Float32Array:
        """The rows as float32 with norm 1."""
        with self._preparing:
            if self._unit is None:
                unit = np.empty(self.vectors.shape, dtype=np.float32)
                for start in range(0, len(unit), _CONVERTED_AT_ONCE):
                    end = start + _CONVERTED_AT_ONCE
                    unit[start:end] = unit_rows(self.vectors[start:end])
                self._unit = unit
            return self._unit

    def twins(self) -> Int64Array:
        """For every row, the first one that is equal to it. Shapes: (n,)."""
        with self._preparing:
            if self._twins is None:
                self._twins = first_twins(self.vectors)
            return self._twins

    def scores(self, query: Float32Array, rows: Int64Array, *, look_for_twins: bool) -> Float32Array:
        """The exact scores of some rows; with ``look_for_twins`` equal ones are scored once."""
        place: slice | Int64Array = slice(None)
        if look_for_twins:
            rows, place = np.unique(self.twins()[rows], return_inverse=True)
        scores: Float32Array = exact_scores(query[np.newaxis], self.vectors[rows])[0][place]
        return scores


class _Part:
    """A block without some of its rows. ``dead`` are their places, ascending."""

    def __init__(self, block: _Block, dead: Int64Array) -> None:
        self.block, self.dead = block, dead

    def __len__(self) -> int:
        return len(self.block) - len(self.dead)

    def alive(self) -> tuple[Int64Array, Float16Array]:
        """Keys and vectors of the rows that are left."""
        if not len(self.dead):
            return self.block.keys, self.block.vectors
        return np.delete(self.block.keys, self.dead), np.delete(self.block.vectors, self.dead, axis=0)

    def places(self, keys: Int64Array) -> Int64Array:
        """Where those of ``keys`` lie that are left, in the order of ``keys``, which ascend."""
        low, high = np.searchsorted(keys, (self.block.keys[0], self.block.keys[-1] + 1))
        near = keys[low:high]
        places: Int64Array = np.searchsorted(self.block.keys, near)
        places = places[self.block.keys[places] == near]
        return places[~np.isin(places, self.dead, assume_unique=True)] if len(self.dead) else places

    def without(self, keys: Int64Array) -> _Part:
        """The part without some keys; what is mostly dead is copied."""
        gone = self.places(keys)
        if not len(gone):
            return self
        part = _Part(self.block, np.sort(np.concatenate([self.dead, gone])))
        return part if len(part.dead) < len(part) else _whole(*part.alive())


class ExactIndex:
    """Vectors in memory, every query compared with all of them.

    Immutable, and safe to use from several threads. What ``extended`` and ``without`` give shares its rows
    with this one: their cost is in proportion to what they add and remove.
    """

    def __init__(self, keys: Int64Array, vectors: Float16Array, before: Sequence[_Part] = ()) -> None:
        """Hold ``vectors`` under ``keys``, behind the parts of another index, if there are some.

        Shapes: keys is (n,), ascending; vectors is (n, d).
        """
        if keys.ndim != 1 or vectors.ndim != 2 or len(keys) != len(vectors):
            raise ValueError(f"keys {keys.shape} do not fit vectors {vectors.shape}")
        self._dimension = vectors.shape[1]
        self._parts = tuple(part for part in (*before, _whole(keys, vectors)) if len(part))
        self._count = sum(map(len, self._parts))
        self._starts = np.cumsum([0, *(len(part.block) for part in self._parts)])

    def _made_of(self, parts: Sequence[_Part]) -> ExactIndex:
        return ExactIndex(np.empty(0, np.int64), np.empty((0, self._dimension), np.float16), parts)

    def __len__(self) -> int:
        """The number of vectors."""
        return self._count

    @property
    def keys(self) -> Int64Array:
        """All keys, ascending."""
        keys = [np.delete(part.block.keys, part.dead) for part in self._parts]
        return np.concatenate([np.empty(0, dtype=np.int64), *keys])

    @property
    def last_key(self) -> int:
        """The greatest key that it has held; 0 if there is none."""
        return int(self._parts[-1].block.keys[-1]) if self._parts else 0

    # -- changing ----------------------------------------------------------------------------------

    def extended(self, keys: Int64Array, vectors: Float16Array) -> ExactIndex:
        """This one with more vectors, whose keys are greater than all there are.

        Blocks grow geometrically: a row is copied as often as its number can be halved, at most.
        """
        parts = [*self._parts, _whole(keys, vectors)] if len(keys) else list(self._parts)
        while len(parts) > 1 and len(parts[-2]) < 2 * max(len(parts[-1]), SMALL_BLOCK // 2):
            (one_keys, one), (other_keys, other) = parts[-2].alive(), parts[-1].alive()
            parts[-2:] = [_whole(np.concatenate([one_keys, other_keys]), np.concatenate([one, other]))]
        return self._made_of(parts)

    def without(self, keys: Int64Array) -> ExactIndex:
        """This one without those of ``keys`` that it holds."""
        ascending = np.sort(keys)
        return self._made_of([part.without(ascending) for part in self._parts]) if len(keys) else self

    def after(self, key: int) -> ExactIndex:
        """Only what has a greater key."""
        return self._made_of(self._parts_after(key))

    def _parts_after(self, key: int) -> list[_Part]:
        parts = [part for part in self._parts if part.block.keys[-1] > key]
        if parts and parts[0].block.keys[0] <= key:
            keys, vectors = parts[0].alive()
            first = int(np.searchsorted(keys, key, side="right"))
            parts[0] = _whole(keys[first:], vectors[first:])
        return parts

    # -- reading -----------------------------------------------------------------------------------

    def vector_blocks(self, *, after_key: int = 0) -> Iterator[tuple[Int64Array, Float16Array]]:
        """Yield every vector whose key is greater than ``after_key``, ascending, in blocks."""
        for part in self._parts_after(after_key):
            keys, vectors = part.alive()
            for start in range(0, len(keys), _ROWS_AT_ONCE):
                yield keys[start : start + _ROWS_AT_ONCE], vectors[start : start + _ROWS_AT_ONCE]

    def vectors_of(self, keys: Sequence[int] | Int64Array) -> tuple[Int64Array, Float16Array]:
        """The vectors of those of ``keys`` that it holds, ascending by key; result is ((m,), (m, d))."""
        ascending = np.sort(np.asarray(keys, dtype=np.int64))
        found = [(part, part.places(ascending)) for part in self._parts]
        return (
            np.concatenate([np.empty(0, np.int64), *(part.block.keys[rows] for part, rows in found)]),
            np.concatenate(
                [
                    np.empty((0, self._dimension), np.float16),
                    *(part.block.vectors[rows] for part, rows in found),
                ]
            ),
        )

    # -- comparing ---------------------------------------------------------------------------------

    def candidates(self, queries: Float32Array, k: int) -> list[Ranked]:
        """For every query, each key whose score is at least the k-th best one, with its score; unordered.

        These are ``min(k, n)`` keys and whatever ties with the last of them, by any metric, so that the
        caller can break ties by something keys do not know.

        Shapes: queries is (q, d), of any norm.
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
        keys, scores = [], []
        many = len(near) > 2 * k + _FEW
        cuts = np.searchsorted(near, self._starts)
        for part, start, low, high in zip(self._parts, self._starts, cuts, cuts[1:], strict=False):
            if high > low:
                rows = near[low:high] - start
                keys.append(part.block.keys[rows])
                scores.append(part.block.scores(query, rows, look_for_twins=many))
        joined = np.concatenate(scores)
        place = len(joined) - k
        keep = joined >= np.partition(joined, place)[place] - _TIE_MARGIN
        return np.concatenate(keys)[keep], joined[keep]

    def _rough_scores(self, queries: Float32Array) -> Iterator[tuple[Float32Array, Float32Array]]:
        """Every query with float32 scores of all rows: good enough for a shortlist, not for people."""
        total = int(self._starts[-1])
        at_once = max(1, _SCORES_AT_ONCE // total)
        for first in range(0, len(queries), at_once):
            part = queries[first : first + at_once]
            unit = unit_rows(part)
            rough = np.empty((len(part), total), dtype=np.float32)
            for held, start in zip(self._parts, self._starts, strict=False):
                rows = rough[:, start : start + len(held.block)]
                if len(part) == 1:
                    rows[0] = held.block.unit() @ unit[0]
                else:
                    rows[:] = unit @ held.block.unit().T
                rows[:, held.dead] = -np.inf
            yield from zip(part, rough, strict=True)


def _whole(keys: Int64Array, vectors: Float16Array) -> _Part:
    return _Part(_Block(keys, vectors), np.empty(0, dtype=np.int64))
