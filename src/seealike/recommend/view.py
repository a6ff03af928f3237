"""An immutable picture of the catalogue at one generation, and the ranking over it.

Whatever answers (the exact index, or the ANN snapshot with an exact tail), every score is computed by
``exact_scores`` from the stored vectors: the same pair always has the same score.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from seealike.errors import CatalogBusyError, DamagedCatalogError
from seealike.indexes import AnnIndex, ExactIndex, exact_scores
from seealike.types import Float16Array, Float32Array, Int64Array

Ranked = tuple[Int64Array, Float32Array]
ATTEMPTS = 20
IN_MEMORY_BYTES = 1 << 30


class StoreState(Protocol):
    """What a view must know of the committed state."""

    @property
    def generation(self) -> int:
        """Grows with every committed change."""

    @property
    def last_key(self) -> int:
        """The greatest key ever used."""

    @property
    def ann(self) -> str | None:
        """The record of the ANN snapshot, if there is one."""


class VectorStore(Protocol):
    """Where vectors are read from."""

    def state(self) -> StoreState:
        """The committed state."""

    def state_and_keys(self) -> tuple[StoreState, Int64Array]:
        """The state and all keys of the same generation, ascending."""

    def vector_blocks(self, *, after_key: int = 0) -> Iterator[tuple[Int64Array, Float16Array]]:
        """Every vector after a key, ascending, in blocks."""

    def vectors_of(self, keys: Sequence[int]) -> tuple[Int64Array, Float16Array]:
        """The vectors of those keys that are alive, ascending."""

    def damaged(self, what: str) -> DamagedCatalogError:
        """The error that says what is damaged."""


@dataclass(frozen=True, slots=True)
class LoadedAnn:
    """An ANN snapshot in memory; it covers the keys up to ``last_key``."""

    index: AnnIndex
    last_key: int


@dataclass(frozen=True, slots=True)
class View:
    """One generation. ``keys`` are all alive keys; ``memory`` holds the vectors that no snapshot covers.

    ``memory`` is ``None`` where there is neither a snapshot nor room for the vectors: then they are streamed.
    ``ann_record`` is the snapshot the store names, also where it could not be loaded.
    """

    generation: int
    keys: Int64Array
    dimension: int
    ann_record: str | None
    ann: LoadedAnn | None
    memory: ExactIndex | None
    covered: int = field(init=False)

    def __post_init__(self) -> None:
        """Count the living keys that the snapshot covers."""
        covered = int(np.searchsorted(self.keys, self.covered_to, side="right"))
        object.__setattr__(self, "covered", covered)

    @property
    def covered_to(self) -> int:
        """The last key that the snapshot answers for; ``memory`` holds the ones after it."""
        return self.ann.last_key if self.ann is not None else 0

    def __len__(self) -> int:
        """The number of items."""
        return len(self.keys)

    def alive(self, keys: Int64Array) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Which of ``keys`` exist at this generation."""
        if not len(self.keys):
            return np.zeros(len(keys), dtype=bool)
        positions = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.asarray(self.keys[positions] == keys)

    def proposed(self, ann: LoadedAnn, queries: Float32Array, k: int) -> list[Int64Array | None]:
        """For every query, living keys that hold the ``k`` closest of those the snapshot covers.

        The more of the snapshot's items were deleted since, the more are asked for. ``None`` where too few
        of them are left all the same.
        """
        covered = self.covered
        if not covered:
            return [np.empty(0, dtype=np.int64)] * len(queries)
        wanted = min(k, covered)
        if covered == len(ann.index):  # nothing was deleted
            return list(ann.index.candidates(queries, wanted))
        asked = math.ceil(wanted * len(ann.index) / covered)
        living = (keys[self.alive(keys)] for keys in ann.index.candidates(queries, asked))
        return [keys if len(keys) >= wanted else None for keys in living]


class StaleViewError(CatalogBusyError):
    """An item went away between ranking and reading it; rank again."""

    def __init__(self) -> None:
        super().__init__("the catalogue", "a process that changes it faster than it can be read")


class Searcher:
    """Ranks keys for query vectors over the newest committed generation. Safe to use from several threads."""

    def __init__(
        self,
        store: VectorStore,
        dimension: int,
        load_ann: Callable[[str], LoadedAnn | None],
    ) -> None:
        """``load_ann`` opens a snapshot from its record, or gives ``None`` where it is not usable."""
        self._store = store
        self._dimension = dimension
        self._load_ann = load_ann
        self._refreshing = threading.Lock()
        self._view: View | None = None

    def view(self) -> View:
        """The newest generation; loads what changed since the last call."""
        view = self._view
        state = self._store.state()
        if view is not None and view.generation == state.generation and view.ann_record == state.ann:
            return view
        with self._refreshing:
            for _ in range(ATTEMPTS):
                fresh = self._refreshed(self._view)
                if fresh is not None:
                    self._view = fresh
                    return fresh
        if self._store.state().generation == state.generation:  # nobody wrote: vectors are missing
            raise self._store.damaged("items without a vector")
        raise StaleViewError

    def rank(self, view: View, queries: Float32Array, k: int, *, exact: bool = False) -> list[Ranked]:
        """Rank the items of ``view`` for every query.

        Shapes: queries is (q, d), unit norm. Each result holds at least the ``k`` best keys, and every
        other key whose score equals the k-th one, so that the caller can break ties by id; unordered.

        Raises:
            StaleViewError: items of the view are gone by now; take a new one.
            DamagedCatalogError: items have no vector.
        """
        k = min(k, len(view))
        if k == 0:
            empty: Ranked = (np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32))
            return [empty] * len(queries)
        if view.ann is not None and not exact:
            return self._rank_with_ann(view, view.ann, queries, k)
        if view.ann is None and view.memory is not None:
            return view.memory.candidates(queries, k)
        return self._rank_streaming(view, queries, k)

    def _rank_streaming(self, view: View, queries: Float32Array, k: int) -> list[Ranked]:
        best: list[Ranked] | None = None
        seen = 0
        for keys, vectors in self._store.vector_blocks():
            alive = view.alive(keys)
            if not alive.any():
                continue
            seen += int(alive.sum())
            found = ExactIndex(keys[alive], vectors[alive]).candidates(queries, k)
            best = (
                found
                if best is None
                else [best_of(joined(*pair), k) for pair in zip(best, found, strict=True)]
            )
        self.check_all_there(view, seen, len(view))
        return best or []

    def check_all_there(self, view: View, found: int, wanted: int) -> None:
        """Refuse to answer over fewer vectors than the view has: that would be the answer of no generation.

        Raises:
            StaleViewError: items of the view are gone by now.
            DamagedCatalogError: items have no vector.
        """
        if found == wanted:
            return
        if self._store.state().generation == view.generation:
            raise self._store.damaged("items without a vector")
        raise StaleViewError

    def _rank_with_ann(self, view: View, ann: LoadedAnn, queries: Float32Array, k: int) -> list[Ranked]:
        tail = view.memory.candidates(queries, k) if view.memory is not None and len(view.memory) else None
        results: list[Ranked] = []
        for row, alive in enumerate(view.proposed(ann, queries, k)):
            query = queries[row : row + 1]
            if alive is None:  # too few of the proposed exist any more: ask the truth
                results += self._rank_streaming(view, query, k)
                continue
            found, vectors = self._store.vectors_of(alive.tolist())
            self.check_all_there(view, len(found), len(alive))
            ranked: Ranked = (found, exact_scores(query, vectors)[0])
            results.append(best_of(ranked if tail is None else joined(ranked, tail[row]), k))
        return results

    def _refreshed(self, old: View | None) -> View | None:
        """A view of the newest generation, or ``None`` if it changed while being read."""
        state, keys = self._store.state_and_keys()
        ann = None
        if state.ann is not None:
            known = old is not None and old.ann_record == state.ann
            ann = old.ann if known and old is not None else self._load_ann(state.ann)
        after = ann.last_key if ann is not None else 0
        wanted = keys[np.searchsorted(keys, after, side="right") :]
        if ann is None and len(wanted) * self._dimension * 2 > IN_MEMORY_BYTES:
            return View(state.generation, keys, self._dimension, state.ann, None, None)
        memory = self._memory(old, wanted, after)
        if memory is None:
            return None
        return View(state.generation, keys, self._dimension, state.ann, ann, memory)

    def _memory(self, old: View | None, wanted: Int64Array, after: int) -> ExactIndex | None:
        """The vectors of the ``wanted`` keys, reusing what the old view holds in memory."""
        keys = np.empty(0, dtype=np.int64)
        parts: list[Float16Array] = [np.empty((0, self._dimension), dtype=np.float16)]
        if old is not None and old.memory is not None and old.covered_to <= after and len(old.memory):
            keep = np.isin(old.memory.keys, wanted, assume_unique=True)
            keys, parts = old.memory.keys[keep], [old.memory.vectors[keep]]
            after = max(after, int(old.memory.keys[-1]))
        last = int(wanted[-1]) if len(wanted) else 0
        if last > after:
            for block_keys, vectors in self._store.vector_blocks(after_key=after):
                keep = np.isin(block_keys, wanted, assume_unique=True)
                keys = np.concatenate([keys, block_keys[keep]])
                parts.append(vectors[keep])
                if block_keys[-1] >= last:
                    break
        if not np.array_equal(keys, wanted):
            return None
        return ExactIndex(keys, np.concatenate(parts))


def best_of(ranked: Ranked, k: int) -> Ranked:
    """The best ``k`` and whatever ties with the last of them."""
    keys, scores = ranked
    if len(scores) <= k:
        return ranked
    keep = scores >= np.partition(scores, len(scores) - k)[len(scores) - k]
    return keys[keep], scores[keep]


def joined(one: Ranked, other: Ranked) -> Ranked:
    """Two rankings of different items as one, unordered."""
    return np.concatenate([one[0], other[0]]), np.concatenate([one[1], other[1]])
