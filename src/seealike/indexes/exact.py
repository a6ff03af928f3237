"""Exhaustive search: the oracle, the answer for small catalogues, and for what no snapshot covers yet."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from seealike.indexes.twins import first_twins
from seealike.types import Proposal
from seealike.vectors import unit_rows

if TYPE_CHECKING:
    import numpy.typing as npt

    from seealike.types import Float16Array, Float32Array, Int64Array

SMALL_BLOCK = 256  # rows that are copied rather than compared in a block of their own
_ROWS_AT_ONCE = 2048
_SCORES_AT_ONCE = 1 << 22  # 16 MiB of float32 scores, whatever the number of queries
_CONVERTED_AT_ONCE = 4096
# Scores that are equal after rounding differ by 2e-6 at most (Euclidean distances); the rest is what float32
# sums lose.
_SHORTLIST_MARGIN = np.float32(2e-5)
_COPIED_SHARE = 0.05  # of a block: fewer rows are quicker converted than the whole block compared
_FEW = 64  # candidates beyond those asked for: so many may be scored without looking for equal ones
_STRIDES = 32  # of a row of scores, whose greatest are looked through first


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

    def only(self, keys: Int64Array) -> _Part:
        """The part with no others but ``keys``, which ascend; a few are copied."""
        here = self.places(keys)
        if len(here) < _COPIED_SHARE * len(self.block):
            return _whole(self.block.keys[here], self.block.vectors[here])
        gone = np.ones(len(self.block), dtype=bool)
        gone[here] = False
        return _Part(self.block, np.flatnonzero(gone))


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

    def candidates(self, queries: Float32Array, k: int, allowed: Int64Array | None = None) -> list[Proposal]:
        """See ``Proposer.candidates``: its ``k`` closest are always among them, whatever the metric.

        So is what ties with the last of them, so that the caller can break ties by something keys do not
        know. Where there are many, equal vectors are grouped.
        """
        if allowed is not None:
            return self._made_of([part.only(allowed) for part in self._parts]).candidates(queries, k)
        k = min(k, len(self))
        if k <= 0:
            nothing = np.empty(0, dtype=np.int64)
            return [Proposal(nothing, nothing)] * len(queries)
        return [self._closest(rough, k) for rough in self._rough_scores(queries)]

    def _closest(self, rough: Float32Array, k: int) -> Proposal:
        near = _at_least_kth(rough, k, _SHORTLIST_MARGIN)
        many = len(near) > 2 * k + _FEW
        keys: list[Int64Array] = []
        is_first: list[npt.NDArray[np.bool_]] = []  # of its group
        cuts = np.searchsorted(near, self._starts)
        for part, start, low, high in zip(self._parts, self._starts, cuts, cuts[1:], strict=False):
            rows = near[low:high] - start
            if many:
                twins = part.block.twins()[rows]
                order = np.argsort(twins, kind="stable")
                rows, twins = rows[order], twins[order]
                is_first.append(np.diff(twins, prepend=-1) > 0)
            keys.append(part.block.keys[rows])
        found = np.concatenate(keys)
        groups = np.cumsum(np.concatenate(is_first)) - 1 if many else np.arange(len(found))
        return Proposal(found, groups)

    def _rough_scores(self, queries: Float32Array) -> Iterator[Float32Array]:
        """For every query float32 scores of all rows: good enough for a shortlist, not for people."""
        total = int(self._starts[-1])
        at_once = max(1, _SCORES_AT_ONCE // total)
        for first in range(0, len(queries), at_once):
            unit = queries[first : first + at_once]
            rough = np.empty((len(unit), total), dtype=np.float32)
            for held, start in zip(self._parts, self._starts, strict=False):
                rows = rough[:, start : start + len(held.block)]
                if len(unit) == 1:
                    rows[0] = held.block.unit() @ unit[0]
                else:
                    rows[:] = unit @ held.block.unit().T
                rows[:, held.dead] = -np.inf
            yield from rough


def _at_least_kth(scores: Float32Array, k: int, margin: np.float32) -> Int64Array:
    """Where scores lie that are at most ``margin`` below the ``k``-th greatest. Shapes: scores is (n,).

    The ``k``-th greatest of the maxima of disjoint parts is no greater than that of all, and near it: what is
    below is passed over in one comparison, and only the rest is partitioned, an eighth of the time.
    """
    stride = len(scores) // _STRIDES
    least = -np.inf
    if stride > k:
        maxima = scores[: _STRIDES * stride].reshape(_STRIDES, stride).max(axis=0)
        least = np.partition(maxima, stride - k)[stride - k]
    near = np.flatnonzero(scores >= least - margin)
    few = scores[near]
    return np.asarray(near[few >= np.partition(few, len(few) - k)[len(few) - k] - margin])


def _whole(keys: Int64Array, vectors: Float16Array) -> _Part:
    return _Part(_Block(keys, vectors), np.empty(0, dtype=np.int64))
