"""The ranking over the newest view, and how views are kept up to date.

Whatever answers (the exact index, or the ANN snapshot with an exact tail), every score is computed by
``exact_scores`` from the stored vectors: the same pair always has the same score.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np

from seealike.errors import CatalogBusyError
from seealike.indexes import ExactIndex, Proposal, exact_scores
from seealike.indexes.scoring import unit_rows
from seealike.recommend.ranking import NOTHING, Ranked, best_of, converted, joined
from seealike.recommend.view import Keys, LoadedAnn, StoreState, VectorReader, VectorStore, View
from seealike.types import Float32Array, Int64Array, Metric

ATTEMPTS = 20
IN_MEMORY_BYTES = 1 << 30


class StaleViewError(CatalogBusyError):
    """An item went away between ranking and reading it; rank again over a newer view."""

    def __init__(self) -> None:
        super().__init__("the catalogue", "a process that changes it faster than it can be read")


class Searcher:
    """Ranks keys for query vectors over a committed generation. Safe to use from several threads.

    One thread at a time loads what has changed; meanwhile the others go on with the generation there is,
    unless it is older than what they must see.
    """

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
        self._least = 0
        self._view: View | None = None

    # -- views -------------------------------------------------------------------------------------

    def require(self, generation: int) -> None:
        """From now on no view is older: so that whoever has changed something sees the change."""
        self._least = max(self._least, generation)

    def view(self, *, after: int = -1) -> View:
        """The newest generation; while another thread loads that, the one there is.

        Args:
            after: a generation that will not do, because it could not be read to the end.
        """
        state = self._store.state()
        least = min(max(self._least, after + 1), state.generation)
        view = self._view
        if view is not None and _shows(view, state):
            return view
        waits = view is None or view.generation < least
        if not self._refreshing.acquire(blocking=waits):
            assert view is not None
            return view
        try:
            view = self._view
            if view is not None and view.generation >= least and (waits or _shows(view, state)):
                return view  # another thread has just loaded it
            return self._newest(state.generation)
        finally:
            self._refreshing.release()

    def _newest(self, generation: int) -> View:
        for _ in range(ATTEMPTS):
            fresh = self._refreshed(self._view)
            if fresh is not None:
                self._view = fresh
                return fresh
        if self._store.state().generation == generation:  # nobody wrote: vectors are missing
            raise self._store.damaged("items without a vector")
        raise StaleViewError

    def _refreshed(self, old: View | None) -> View | None:
        """A view of the newest generation, or ``None`` if it changed while being read."""
        state, living, gone = self._read_keys(old)
        ann = None
        if state.ann is not None:
            known = old is not None and old.ann_record == state.ann
            ann = old.ann if known and old is not None else self._load_ann(state.ann)
        after = ann.last_key if ann is not None else 0
        wanted = living.keys[np.searchsorted(living.keys, after, side="right") :]
        if ann is None and len(wanted) * self._dimension * 2 > IN_MEMORY_BYTES:
            return View(state.generation, living, self._dimension, state.ann, None, None)
        memory = self._memory(old, gone, wanted, after)
        if memory is None:
            return None
        return View(state.generation, living, self._dimension, state.ann, ann, memory)

    def _read_keys(self, old: View | None) -> tuple[StoreState, Keys, Int64Array]:
        """The state, its keys, and those of the old view that are gone.

        Only what changed since the old view is read, or everything where that is not on record.
        """
        if old is not None:
            last = int(old.keys[-1]) if len(old) else 0
            changes = self._store.key_changes(old.generation, last)
            living = old.living.changed(changes) if changes is not None else None
            if changes is not None and living is not None:
                return changes.state, living, np.array(changes.removed, dtype=np.int64)
        state, by_id = self._store.state_and_keys()
        living = Keys.in_id_order(by_id)
        return state, living, np.setdiff1d(old.keys if old is not None else [], living.keys)

    def _memory(
        self, old: View | None, gone: Int64Array, wanted: Int64Array, after: int
    ) -> ExactIndex | None:
        """The vectors of the ``wanted`` keys, sharing with the old view what that holds in memory."""
        memory = ExactIndex(np.empty(0, dtype=np.int64), np.empty((0, self._dimension), dtype=np.float16))
        if old is not None and old.memory is not None and old.covered_to <= after:
            memory = old.memory.after(after).without(gone)
        last = int(wanted[-1]) if len(wanted) else 0
        held = max(after, memory.last_key)
        if last > held:
            keys, vectors = [], []
            for block_keys, block in self._store.vector_blocks(after_key=held):
                keep = _among(block_keys, wanted)
                keys.append(block_keys[keep])
                vectors.append(block[keep])
                if block_keys[-1] >= last:
                    break
            if keys:
                memory = memory.extended(np.concatenate(keys), np.concatenate(vectors))
        return memory if len(memory) == len(wanted) else None

    # -- ranking -----------------------------------------------------------------------------------

    def rank(
        self,
        view: View,
        queries: Float32Array,
        k: int,
        *,
        metric: Metric = Metric.COSINE,
        exact: bool = False,
        reader: VectorReader | None = None,
    ) -> list[Ranked]:
        """The ``k`` best items of ``view`` for every query, highest score first, equal scores in id order.

        Args:
            view: what is searched.
            queries: vectors of any norm; (q, d).
            k: how many; fewer where there are fewer items.
            metric: the units of the scores.
            exact: compare with everything.
            reader: where vectors that the view does not hold are read; the store, if it is not given.

        Raises:
            StaleViewError: items of the view are gone by now; take a newer one.
            DamagedCatalogError: items have no vector.
        """
        k = min(k, len(view))
        if k == 0:
            return [NOTHING] * len(queries)
        ranking = _Ranking(self, view, metric, reader or self._store)
        if view.ann is not None and not exact:
            return ranking.approximate(view.ann, queries, k)
        if view.ann is None and view.memory is not None:
            return ranking.of_index(view.memory, queries, k)
        return ranking.streamed(queries, k)

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


class _Ranking:
    """One call of ``rank``: what all ways to answer share."""

    def __init__(self, searcher: Searcher, view: View, metric: Metric, reader: VectorReader) -> None:
        self._searcher, self._view, self._metric, self._reader = searcher, view, metric, reader

    def of_index(self, index: ExactIndex, queries: Float32Array, k: int) -> list[Ranked]:
        """By comparing with everything in memory."""
        found = index.candidates(queries, k)
        return [self._best((keys, converted(scores, self._metric)), k) for keys, scores in found]

    def streamed(self, queries: Float32Array, k: int) -> list[Ranked]:
        """By comparing with everything, read in blocks."""
        best: list[Ranked] = [NOTHING] * len(queries)
        seen = 0
        for keys, vectors in self._reader.vector_blocks():
            alive = self._view.alive(keys)
            if not alive.any():
                continue
            seen += int(alive.sum())
            found = self.of_index(ExactIndex(keys[alive], vectors[alive]), queries, k)
            best = [self._best(joined(pair), k) for pair in zip(best, found, strict=True)]
        self._searcher.check_all_there(self._view, seen, len(self._view))
        return best

    def approximate(self, ann: LoadedAnn, queries: Float32Array, k: int) -> list[Ranked]:
        """By scoring what the snapshot proposes, and what it does not cover."""
        tail = self._view.memory
        newest = self.of_index(tail, queries, k) if tail is not None else [NOTHING] * len(queries)
        results: list[Ranked] = []
        proposals = self._view.proposed(ann, unit_rows(queries), k)
        for row, (proposal, new) in enumerate(zip(proposals, newest, strict=True)):
            query = queries[row : row + 1]
            if proposal is None:  # too few of the proposed exist any more: ask the truth
                results += self.streamed(query, k)
            else:
                results.append(self._best(joined([self._scored(query, proposal), new]), k))
        return results

    def _scored(self, query: Float32Array, proposal: Proposal) -> Ranked:
        """The proposed keys with their scores; of equal vectors only one is read and scored."""
        leaders, place = proposal.leaders()
        found, vectors = self._reader.vectors_of(leaders.tolist())
        self._searcher.check_all_there(self._view, len(found), len(leaders))
        scores = converted(exact_scores(query, vectors)[0], self._metric)
        return proposal.keys, scores[np.searchsorted(found, leaders)][place]

    def _best(self, ranked: Ranked, k: int) -> Ranked:
        return best_of(ranked, self._view.ranks_of(ranked[0]), k)


def _shows(view: View, state: StoreState) -> bool:
    return (view.generation, view.ann_record) == (state.generation, state.ann)


def _among(some: Int64Array, keys: Int64Array) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which of ``some`` are among ``keys``, which ascend."""
    if not len(keys):
        return np.zeros(len(some), dtype=bool)
    places = np.minimum(np.searchsorted(keys, some), len(keys) - 1)
    return np.asarray(keys[places] == some)
