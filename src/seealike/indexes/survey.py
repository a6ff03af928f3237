"""The two passes over all vectors that a build needs: which are equal, a sample, and some true neighbours.

Equal vectors (the same picture under several names) enter the approximate index once: ten thousand copies
cost it nothing, cannot crowd out the others, and are always proposed together.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from seealike.vectors import unit_rows

if TYPE_CHECKING:
    from seealike.indexes.reduction import Reduction
    from seealike.types import Float16Array, Float32Array, Int64Array

    Block: TypeAlias = tuple[Int64Array, Float16Array]
    Blocks: TypeAlias = Callable[[], Iterator[Block]]

SEED = 20_240_229
_SAMPLE_ROWS = 20_000
_SAMPLE_VALUES = 1 << 25  # 128 MiB of float32
_ROWS_AT_ONCE = 8192


@dataclass(frozen=True, slots=True)
class Survey:
    """What the first pass found.

    Equal vectors share a label; labels count the ``distinct`` vectors in the order of their first appearance.
    Shapes: keys and labels are (n,), ascending by key; sample is (s, d), unit norm, no two rows equal;
    sample_labels is (s,).
    """

    keys: Int64Array
    labels: Int64Array
    distinct: int
    sample: Float32Array
    sample_labels: Int64Array

    def members(self) -> tuple[Int64Array, Int64Array]:
        """``(keys, starts)``: the keys of label ``i`` are ``keys[starts[i]:starts[i + 1]]``, ascending."""
        starts = np.zeros(self.distinct + 1, dtype=np.int64)
        np.cumsum(np.bincount(self.labels, minlength=self.distinct), out=starts[1:])
        return self.keys[np.argsort(self.labels, kind="stable")], starts


@dataclass(frozen=True, slots=True)
class Truth:
    """Exact answers for a sample of the catalogue's vectors, and after them for mixtures of two.

    Shapes: queries is (q, d); own, their labels, -1 for a mixture, is (q,); neighbours is (q, k).
    """

    queries: Float32Array
    own: Int64Array
    neighbours: Int64Array


def survey(blocks: Iterator[Block], count: int, dimension: int) -> Survey:
    """Read everything once.

    Raises:
        ValueError: the blocks do not hold ``count`` vectors of ``dimension`` under ascending keys.
    """
    keys = np.empty(count, dtype=np.int64)
    prints = np.empty(count, dtype=np.uint64)
    rows = min(count, _SAMPLE_ROWS, max(256, _SAMPLE_VALUES // max(1, dimension)))
    places = np.sort(np.random.default_rng(SEED).choice(count, rows, replace=False))
    sample = np.empty((rows, dimension), dtype=np.float32)
    done = 0
    for block_keys, vectors in blocks:
        end = done + len(block_keys)
        if end > count or vectors.shape != (len(block_keys), dimension):
            raise ValueError(
                f"vectors {vectors.shape} up to number {end}; promised were {(count, dimension)}"
            )
        keys[done:end] = block_keys
        prints[done:end] = [_fingerprint(row) for row in np.ascontiguousarray(vectors)]
        low, high = np.searchsorted(places, (done, end))
        sample[low:high] = unit_rows(vectors[places[low:high] - done])
        done = end
    if done != count or (np.diff(keys) <= 0).any():
        raise ValueError(f"{done} vectors where {count} were promised, or keys that do not ascend")
    labels = _labels(prints)
    sample_labels, kept = np.unique(labels[places], return_index=True)
    distinct = int(labels.max()) + 1 if count else 0
    return Survey(keys, labels, distinct, sample if len(kept) == rows else sample[kept], sample_labels)


def reduce_all(
    blocks: Blocks, found: Survey, reduction: Reduction, queries: int, k: int
) -> tuple[Float16Array, Truth]:
    """Read everything again: every distinct vector reduced, and the exact answers for some of the sample.

    Shapes: the array is (u, r), in the order of the labels.

    Raises:
        ValueError: the blocks give other vectors than the first time.
    """
    search = _TruthSearch(*_queries(found, queries), min(k, found.distinct - 1))
    reduced = np.empty((found.distinct, len(reduction.offset)), dtype=np.float16)
    done = 0
    for rows in _distinct_rows(blocks, found):
        reduced[done : done + len(rows)] = reduction.apply(rows)
        search.add(done, rows)
        done += len(rows)
    return reduced, search.truth()


def _queries(found: Survey, count: int) -> tuple[Float32Array, Int64Array]:
    """``count`` vectors of the sample with their labels, then a third as many mixtures, labelled -1."""
    rng = np.random.default_rng(SEED + 1)
    like = rng.choice(len(found.sample), min(count, len(found.sample)), replace=False)
    pairs = rng.choice(len(found.sample), (2, len(like) // 3))
    mixtures = unit_rows((found.sample[pairs[0]] + found.sample[pairs[1]]).astype(np.float16))
    return np.concatenate([found.sample[like], mixtures]), np.concatenate(
        [found.sample_labels[like], np.full(len(mixtures), -1)]
    )


class _TruthSearch:
    """Exhaustive search over vectors that come in parts."""

    def __init__(self, queries: Float32Array, own: Int64Array, k: int) -> None:
        self._queries, self._own, self._k = queries, own, k
        self._labels = np.empty((len(queries), 0), dtype=np.int64)
        self._scores = np.empty((len(queries), 0), dtype=np.float32)

    def add(self, first_label: int, rows: Float32Array) -> None:
        """Compare the queries with the vectors of the labels from ``first_label`` on."""
        scores = self._queries @ rows.T
        mine = np.flatnonzero((self._own >= first_label) & (self._own < first_label + len(rows)))
        scores[mine, self._own[mine] - first_label] = -np.inf
        labels = np.broadcast_to(np.arange(first_label, first_label + len(rows)), scores.shape)
        scores = np.concatenate([self._scores, scores], axis=1)
        labels = np.concatenate([self._labels, labels], axis=1)
        if scores.shape[1] > self._k + 1:
            best = np.argpartition(scores, scores.shape[1] - self._k - 1, axis=1)[:, -self._k - 1 :]
            scores, labels = (
                np.take_along_axis(scores, best, axis=1),
                np.take_along_axis(labels, best, axis=1),
            )
        self._scores, self._labels = scores, labels

    def truth(self) -> Truth:
        """The closest of all that were added, closest first; never the query itself."""
        order = np.argsort(-self._scores, axis=1, kind="stable")[:, : self._k]
        return Truth(self._queries, self._own, np.take_along_axis(self._labels, order, axis=1))


def _distinct_rows(blocks: Blocks, found: Survey) -> Iterator[Float32Array]:
    """One vector a label, in the order of the labels, unit norm, in blocks worth a matrix product."""
    is_first = np.zeros(len(found.keys), dtype=bool)
    is_first[np.unique(found.labels, return_index=True)[1]] = True
    waiting: list[Float16Array] = []
    done = 0
    for keys, vectors in blocks():
        if not np.array_equal(keys, found.keys[done : done + len(keys)]):
            raise ValueError("the second reading gives other keys than the first")
        waiting.append(vectors[is_first[done : done + len(keys)]])
        done += len(keys)
        if sum(map(len, waiting)) >= _ROWS_AT_ONCE:
            yield unit_rows(np.concatenate(waiting))
            waiting = []
    if done != len(found.keys):
        raise ValueError(f"the second reading gives {done} vectors, the first gave {len(found.keys)}")
    if waiting:
        yield unit_rows(np.concatenate(waiting))


def _fingerprint(row: Float16Array) -> int:
    return int.from_bytes(hashlib.blake2b(row.data, digest_size=8).digest(), "little")


def _labels(prints: np.ndarray[tuple[int], np.dtype[np.uint64]]) -> Int64Array:
    """Equal numbers get equal labels, counted in the order of first appearance."""
    _, first, inverse = np.unique(prints, return_index=True, return_inverse=True)
    label_of = np.empty(len(first), dtype=np.int64)
    label_of[np.argsort(first)] = np.arange(len(first))
    return label_of[inverse]
