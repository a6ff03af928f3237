"""The ranking over the newest view, and how views are kept up to date.

Whatever proposes (the exact index, or the approximate one with an exact tail), every score is computed by
``exact_scores`` from the stored vectors: the same pair always has the same score.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from seealike.errors import CatalogBusyError
from seealike.indexes import ExactIndex, exact_scores
from seealike.protocols import Proposer
from seealike.recommend.columns import GROUP, Columns, Facts
from seealike.recommend.filters import Among
from seealike.recommend.mixing.colour import Colours
from seealike.recommend.mixing.components import PerItem
from seealike.recommend.mixing.hubness import Hubness, HubnessKeeper, hubness_of
from seealike.recommend.products import Products
from seealike.recommend.query import SearchOptions
from seealike.recommend.ranking import NOTHING, Ranked, Scores, best_of, converted, down_to, joined
from seealike.recommend.view import ItemRow, Keys, RowReader, StoreState, VectorReader, VectorStore, View
from seealike.types import Float16Array, Float32Array, Int64Array, Metric, Proposal
from seealike.vectors import unit_rows

ATTEMPTS = 20
IN_MEMORY_BYTES = 1 << 30
_FEW_SHARE = 0.2  # of all vectors: fewer are read one by one
_ROWS_AT_ONCE, _SCORED_AT_ONCE = 2048, 8192


Answer = TypeVar("Answer")
PathOf = Callable[[ItemRow], str | None]


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
        open_ann: Callable[[str], tuple[Proposer, RowReader | None] | None],
        path_of: Callable[[], PathOf] = lambda: lambda _: None,
        hubness_keeper: HubnessKeeper | None = None,
    ) -> None:
        """Nothing is read yet.

        Args:
            store: the truth.
            dimension: of its vectors.
            open_ann: gives the approximate index from its record, and who reads stored vectors quicker than
                the store, where there is one; or ``None`` where that record is of no use.
            path_of: gives what knows the absolute path of an item.
            hubness_keeper: keeps what took time to measure.
        """
        self._store = store
        self._dimension = dimension
        self._open_ann = open_ann
        self.path_of = path_of
        self._refreshing = threading.Lock()
        self.required = 0  # no view is older
        self._view: View | None = None
        self._reading_columns = threading.Lock()
        self._columns: tuple[int, Columns] | None = None
        self._columns_in_use: weakref.WeakValueDictionary[int, Columns] = weakref.WeakValueDictionary()
        self._reading_colours = threading.Lock()
        self._colours: tuple[int, Colours] | None = None
        self._colours_in_use: weakref.WeakValueDictionary[int, Colours] = weakref.WeakValueDictionary()
        self._products: Products | None = None
        self._products_in_use: weakref.WeakValueDictionary[tuple[int, str], Products] = (
            weakref.WeakValueDictionary()
        )
        self._hubness_keeper = hubness_keeper
        self._weighing = threading.Lock()
        self._weights: PerItem | None = None
        self._weights_in_use: weakref.WeakValueDictionary[Hashable, PerItem] = weakref.WeakValueDictionary()
        self._closed = False

    def close(self) -> None:
        """Let go of the view. Its memory and its file are free when those who are using it have ended."""
        self._closed = True
        self._view = self._columns = self._products = self._weights = self._colours = None

    # -- views -------------------------------------------------------------------------------------

    def catalog_of(self, key: int) -> str | None:  # noqa: ARG002  of several catalogues it matters
        """The directory of an item's catalogue, where several are searched."""
        return None

    def require(self, generation: int) -> None:
        """From now on no view is older: so that whoever has changed something sees the change."""
        self.required = max(self.required, generation)

    def view(self, *, after: int = -1) -> View:
        """The newest generation; while another thread loads that, the one there is.

        Args:
            after: a generation that will not do, because it could not be read to the end.
        """
        state = self._store.state()
        least = min(max(self.required, after + 1), state.generation)
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

    def answered(self, ask: Callable[[View], Answer]) -> Answer:
        """What ``ask`` tells of the newest view; asked again where the catalogue changed in between.

        Raises:
            StaleViewError: it changes faster than it can be read.
        """
        after = -1
        for _ in range(ATTEMPTS):
            view = self.view(after=after)
            try:
                return ask(view)
            except StaleViewError:
                after = view.generation
        raise StaleViewError

    def _newest(self, generation: int) -> View:
        for _ in range(ATTEMPTS):
            fresh = self._refreshed(self._view)
            if fresh is not None:
                self._view = fresh
                if self._closed:  # meanwhile
                    self._view = None
                return fresh
        if self._store.state().generation == generation:  # nobody wrote: vectors are missing
            raise self._store.damaged("items without a vector")
        raise StaleViewError

    def _refreshed(self, old: View | None) -> View | None:
        """A view of the newest generation, or ``None`` if it changed while being read."""
        state, living, gone = self._read_keys(old)
        ann, rows = None, None
        if old is not None and old.ann_record == state.ann:
            ann, rows = old.ann, old.rows
        elif state.ann is not None:
            ann, rows = self._open_ann(state.ann) or (None, None)
        after = ann.last_key if ann is not None else 0
        wanted = living.keys[np.searchsorted(living.keys, after, side="right") :]
        if ann is None and len(wanted) * self._dimension * 2 > IN_MEMORY_BYTES:
            return View(state.generation, living, self._dimension, state.ann, None, None, None)
        memory = self._memory(old, gone, wanted, after)
        if memory is None:
            return None
        return View(state.generation, living, self._dimension, state.ann, ann, rows, memory)

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
        before = np.empty(0, dtype=np.int64) if old is None else old.keys
        return state, living, before[~_among(before, living.keys)]

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

    # -- what is known of the items ----------------------------------------------------------------

    def columns(self, view: View) -> Columns:
        """What is said of the view's items; read at the first call, later only of those that are new.

        Of an older view they are there as long as somebody has them.

        Raises:
            StaleViewError: rows of the view are gone or changed by now; take a newer one.
            DamagedCatalogError: a row is not what was written, or missing.
        """
        with self._reading_columns:
            if (known := self._columns_in_use.get(view.generation)) is not None:
                return known
            generation, held = self._columns or (-1, None)
            if self._store.state().rewritten > min(generation, view.generation):
                held = None
            found = Columns.of(view.keys, partial(self._rows, view), held)
            self._columns_in_use[view.generation] = found
            if view.generation > generation and not self._closed:
                self._columns = view.generation, found
            return found

    def _rows(self, view: View, after: int, with_paths: bool) -> Iterator[Facts]:
        """What is said of the view's items with greater keys."""
        wanted = view.keys[np.searchsorted(view.keys, after, side="right") :].tolist()
        path_of, seen = self.path_of(), 0
        for row in self._store.items_after(after) if wanted else ():
            if row.key == wanted[seen]:
                yield Facts(
                    row.id,
                    path_of(row) if with_paths else None,
                    row.group,
                    row.metadata,
                    row.width_px,
                    row.height_px,
                    row.size_bytes,
                    row.mtime_ns,
                )
                seen += 1
                if seen == len(wanted):
                    break
            elif row.key > wanted[seen]:
                break
        self.check_all_there(view, seen, len(wanted))
        if self._store.state().rewritten > view.generation:
            raise StaleViewError

    def narrowing(self, view: View) -> object:
        """What conditions on ``view`` are evaluated with: while somebody has it, it is not read again."""
        return self.columns(view)

    def among(self, view: View, options: SearchOptions, liked: Sequence[int]) -> Hashable:
        """What the hits of a list are among, whose liked items have these keys; equal for the same items.

        Raises:
            UsageError, UnknownNameError: see ``Among.of``.
            StaleViewError: that generation cannot be read any more.
        """
        return Among.of(options, self.columns(view), np.array(liked, dtype=np.int64))

    def allowed(self, view: View, among: Hashable) -> Int64Array:
        """The keys of the items that ``among`` says, ascending; the same array for equal ones.

        Raises:
            UsageError: the condition does not fit the columns.
            StaleViewError: that generation cannot be read any more.
        """
        assert isinstance(among, Among)
        return among.keys(self.columns(view))

    def products(self, view: View, column: str) -> Products:
        """Which items of ``view`` show the same product, as ``column`` says.

        Of an older view this is there as long as somebody has it.

        Raises:
            StaleViewError: that generation cannot be read any more.
        """
        known = self._products_in_use.get((view.generation, column))
        if known is None:
            known = self._products_of(view, column)
            self._products_in_use[view.generation, column] = self._products = known
        return known

    def _products_of(self, view: View, column: str) -> Products:
        if column != GROUP:
            said = self.columns(view).column(column)
            return Products.of_values(column, view.keys, said.codes, said.values)
        state, pairs = self._store.groups()  # a tenth of the time that all columns take
        if state.generation != view.generation:
            raise StaleViewError
        return Products.of_pairs(column, view.keys, pairs)

    def colours(self, view: View) -> Colours:
        """The colours of the view's items; read at the first call, later only of those that are new.

        Of an older view they are there as long as somebody has them.

        Raises:
            StaleViewError: that generation cannot be read any more.
            DamagedCatalogError: a signature is not what was written, or missing.
        """
        with self._reading_colours:
            if (known := self._colours_in_use.get(view.generation)) is not None:
                return known
            generation, held = self._colours or (-1, None)
            if self._store.state().rewritten > min(generation, view.generation):
                held = None
            found = Colours.of(view.keys, lambda key: self._store.signature_blocks(after_key=key), held)
            state = self._store.state()
            removed = found.unknown and state.generation != view.generation
            if removed or state.rewritten > view.generation:
                raise StaleViewError
            self._colours_in_use[view.generation] = found
            if view.generation > generation and not self._closed:
                self._colours = view.generation, found
            return found

    def vectors(self, view: View, keys: Int64Array, reader: VectorReader | None = None) -> Float16Array:
        """The stored vectors of living keys, in their order; ``reader`` as for ``rank``. Shapes: (m, d).

        Raises:
            StaleViewError, DamagedCatalogError: see ``rank``.
        """
        readers = [*filter(None, [view.memory, view.rows]), self._store] if reader is None else [reader]
        found, vectors = _vectors_of(keys, readers)
        self.check_all_there(view, len(found), len(keys))
        return np.asarray(vectors[np.searchsorted(found, keys)])

    def scores(
        self,
        view: View,
        query: Float32Array,
        keys: Int64Array,
        *,
        metric: Metric = Metric.COSINE,
        reader: VectorReader | None = None,
    ) -> Scores:
        """How similar some living items are to a query; ``reader`` as for ``rank``. Shapes: query is (d,).

        Raises:
            StaleViewError, DamagedCatalogError: see ``rank``.
        """
        vectors = self.vectors(view, keys, reader)
        return converted(exact_scores(unit_rows(query[np.newaxis]), vectors)[0], metric)

    def hubness(self, view: View) -> Hubness:
        """How much every item of ``view`` is everybody's neighbour; takes time where nothing is kept.

        Raises:
            StaleViewError, DamagedCatalogError: see ``rank``.
        """
        return hubness_of(view.keys, partial(self.vectors, view), self._hubness_keeper)

    def per_item(self, view: View, what: Hashable, make: Callable[[], PerItem]) -> PerItem:
        """A number for every item of ``view``, made once for all questions that want the same.

        Of an older view it is there as long as somebody has it.
        """
        with self._weighing:
            known = self._weights_in_use.get((view.generation, what))
            if known is None:
                known = make()
                self._weights_in_use[view.generation, what] = self._weights = known
            return known

    # -- ranking -----------------------------------------------------------------------------------

    def rank(
        self,
        view: View,
        queries: Float32Array,
        k: int,
        *,
        options: SearchOptions = SearchOptions(),
        reader: VectorReader | None = None,
        allowed: Int64Array | None = None,
        more: bool = False,
    ) -> list[Ranked]:
        """The ``k`` best items of ``view`` for every query, highest score first, equal scores in id order.

        Args:
            view: what is searched.
            queries: vectors of any norm; (q, d).
            k: how many; fewer where there are fewer items.
            options: the units of the scores, and whether to compare with everything.
            reader: has the vectors of all items, and quicker than the store and the approximate index.
            allowed: keys of the view, ascending: only these are ranked. What is derived from the array is
                kept: give the same one again.
            more: up to twice as many, where they are known anyway. Of those beyond ``k`` the approximate
                index misses a few more.

        Raises:
            StaleViewError: items of the view are gone by now; take a newer one.
            DamagedCatalogError: items have no vector.
        """
        k, best = min(k, len(view) if allowed is None else len(allowed)), [NOTHING] * len(queries)
        if not k or not best:
            return best
        unit, most = unit_rows(queries), 2 * k if more else k
        known_to = [-np.inf] * len(queries)
        for part in self._parts(view, reader, allowed, exact=options.exact):
            least = min(k, part.size)
            asked = least if part.proposer is view.ann else min(most, part.size)
            proposals = part.proposer.candidates(unit, asked, part.allowed)
            for row, cosines in enumerate(self._scores(view, queries, proposals, part.readers)):
                proposal = proposals[row]
                if len(proposal.keys) < least:  # too few of what it holds exist any more: ask the truth
                    query, all_of_it = queries[row : row + 1], replace(options, exact=True)
                    best[row] = self.rank(view, query, k, options=all_of_it, reader=reader, allowed=allowed)[
                        0
                    ]
                    continue
                scores = converted(cosines, options.metric)
                found = joined(best[row], (proposal.keys, scores))
                best[row] = best_of(found, view.ranks_of, most)
                if more and len(proposal.keys) < part.size:
                    known_to[row] = max(known_to[row], scores.min())
        return [down_to(*pair) for pair in zip(best, known_to, strict=True)] if more else best

    def _parts(
        self, view: View, reader: VectorReader | None, allowed: Int64Array | None, *, exact: bool
    ) -> Iterator[Part]:
        """What together proposes every item of ``view``; the approximate index last, if it is to be asked."""
        memory, ann = view.memory, view.ann
        keys = view.keys if allowed is None else allowed
        if ann is not None and not exact:
            covered = int(np.searchsorted(keys, ann.last_key, side="right"))
            if memory is not None and covered < len(keys):
                yield Part(memory, (memory,), len(keys) - covered, allowed)
            if covered:
                readers = [*filter(None, [view.rows]), self._store] if reader is None else [reader]
                yield Part(ann, readers, covered, None if covered == len(ann) else keys)
        elif ann is None and memory is not None:
            yield Part(memory, (memory,), len(keys), allowed)
        else:
            seen = 0
            for found, vectors in self._blocks(view, reader, keys):
                here = _among(found, keys)
                if here.any():
                    seen += int(here.sum())
                    block = ExactIndex(found[here], vectors[here])
                    yield Part(block, (block,), len(block))
            self.check_all_there(view, seen, len(keys))

    def _blocks(
        self, view: View, reader: VectorReader | None, keys: Int64Array
    ) -> Iterator[tuple[Int64Array, Float16Array]]:
        """Blocks that hold the vectors of ``keys``; of a few of the view's, no others."""
        if len(keys) > _FEW_SHARE * len(view):
            yield from (self._store if reader is None else reader).vector_blocks()
            return
        readers = [*filter(None, [view.rows]), self._store] if reader is None else [reader]
        for start in range(0, len(keys), _ROWS_AT_ONCE):
            yield _vectors_of(keys[start : start + _ROWS_AT_ONCE], readers)

    def _scores(
        self,
        view: View,
        queries: Float32Array,
        proposals: Sequence[Proposal],
        readers: Sequence[RowReader],
    ) -> Iterator[Float32Array]:
        """For every query the scores of what is proposed for it; vectors are read for many queries at once.

        Of equal vectors only one is read and scored. Shapes: queries is (q, d), each result (m,).
        """
        firsts = [_is_first(one.groups) for one in proposals]
        leaders = [one.keys[first] for one, first in zip(proposals, firsts, strict=True)]
        ends = np.cumsum([len(keys) for keys in leaders])
        start = 0
        while start < len(leaders):
            before = int(ends[start - 1]) if start else 0
            end = max(start + 1, int(np.searchsorted(ends, before + _SCORED_AT_ONCE, side="right")))
            wanted = np.unique(np.concatenate(leaders[start:end]))
            found, vectors = _vectors_of(wanted, readers)
            self.check_all_there(view, len(found), len(wanted))
            for row in range(start, end):
                places = np.searchsorted(found, leaders[row])
                scores = exact_scores(queries[row : row + 1], vectors[places])[0]
                first = firsts[row]
                yield scores if len(first) == len(scores) else scores[np.cumsum(first) - 1]
            start = end

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


class Part(NamedTuple):
    """Who proposes some of a view's items, and who is asked for the vectors of what it proposes, in turn.

    ``size`` of what it holds are in the view: those that are ``allowed``, or all.
    """

    proposer: Proposer
    readers: Sequence[RowReader]
    size: int
    allowed: Int64Array | None = None


def _is_first(groups: Int64Array) -> npt.NDArray[np.bool_]:
    """Which begin a group. Shapes: groups, which ascend, and the result are (m,)."""
    first = np.ones(len(groups), dtype=bool)
    np.not_equal(groups[1:], groups[:-1], out=first[1:])
    return first


def _vectors_of(keys: Int64Array, readers: Sequence[RowReader]) -> tuple[Int64Array, Float16Array]:
    """What the first reader has, and of the rest what the next one has; ascending by key."""
    found, vectors = readers[0].vectors_of(keys.tolist())
    for reader in readers[1:]:
        if len(found) < len(keys):
            more, others = reader.vectors_of(np.setdiff1d(keys, found).tolist())
            found, vectors = np.concatenate([found, more]), np.concatenate([vectors, others])
            order = np.argsort(found)
            found, vectors = found[order], vectors[order]
    return found, vectors


def _shows(view: View, state: StoreState) -> bool:
    return (view.generation, view.ann_record) == (state.generation, state.ann)


def _among(some: Int64Array, keys: Int64Array) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which of ``some`` are among ``keys``, which ascend."""
    if not len(keys):
        return np.zeros(len(some), dtype=bool)
    places = np.minimum(np.searchsorted(keys, some), len(keys) - 1)
    return np.asarray(keys[places] == some)
