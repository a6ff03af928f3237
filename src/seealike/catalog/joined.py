"""Several catalogues of one encoder, read and ranked as if they were one.

A key is one of its catalogue's and has the catalogue's number in its high bits: keys ascend in the order of
the catalogues, and equal scores are in that order. Each catalogue keeps its own searcher and index; what is
said of items, their colours and what counts beside similarity is that of all of them together.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from heapq import merge
from itertools import chain, islice, zip_longest
from operator import attrgetter

import numpy as np

from seealike.catalog.derived import KeptHubness
from seealike.catalog.encoder.places import Places
from seealike.catalog.encoder.texts import TextQueries
from seealike.catalog.session import Reading, Session
from seealike.catalog.sync.sources import absolute_paths
from seealike.errors import AmbiguousItemError, DamagedCatalogError, UnknownItemError, check_id
from seealike.images import DecodePool
from seealike.protocols import Embedder
from seealike.recommend import ItemRow, Searcher, SearchOptions, View
from seealike.recommend.ranking import NOTHING, Ranked, best_of, down_to, joined
from seealike.recommend.view import KEY_BITS, Keys, VectorReader
from seealike.store import FileSystem, SqliteStore, State, StoredItem
from seealike.types import Float16Array, Float32Array, Int64Array, Signature

_SUGGESTED = 4  # ids that may be meant


class JoinedStore:
    """The rows of several stores. Safe to use from several threads."""

    def __init__(self, stores: Sequence[SqliteStore]) -> None:
        """Nothing is read yet."""
        self.stores = stores
        self.directory, self.identity = stores[0].directory, stores[0].identity
        self.catalog_id = "+".join(one.catalog_id for one in stores)
        self._reading = threading.Lock()
        self._states: list[State] = []
        self._rewritten = self._renamed = 0

    def state(self) -> State:
        """The state of all: its generation grows with every change of any.

        States are read one after the other under a lock, so none is older than one that was read before:
        equal generations are of equal states. What was rewritten counts as of the generation that saw it.
        """
        with self._reading:
            states = [one.state() for one in self.stores]
            generation = sum(one.generation for one in states)
            before, self._states = self._states, states
            if [one.rewritten for one in states] != [one.rewritten for one in before]:
                self._rewritten = generation
            if [one.renamed for one in states] != [one.renamed for one in before]:
                self._renamed = generation
            return State(
                generation,
                sum(one.count for one in states),
                ann=_joined_ann(one.ann for one in states),
                rewritten=self._rewritten,
                renamed=self._renamed,
                signed=sum(one.signed for one in states),
            )

    def calibration(self) -> str | None:
        """What scores are worth: as the first of them has learnt it that has."""
        return next(filter(None, (one.calibration() for one in self.stores)), None)

    def damaged(self, what: str) -> DamagedCatalogError:
        """The error that says what is damaged in one of them."""
        return self.stores[0].damaged(what)

    def catalog_of(self, key: int) -> str:
        """The directory of the catalogue that an item is in."""
        return self.stores[key >> KEY_BITS].directory

    # -- items -------------------------------------------------------------------------------------

    def known_item(self, item_id: str) -> StoredItem:
        """The item with this id.

        Raises:
            UnknownItemError: none of them has one.
            AmbiguousItemError: several have.
            UsageError: it is no text.
        """
        check_id(item_id)
        found = [(number, one.item(item_id)) for number, one in enumerate(self.stores)]
        known = [_item(number, item) for number, item in found if item is not None]
        if len(known) > 1:
            raise AmbiguousItemError(item_id, [self.catalog_of(item.key) for item in known])
        if not known:
            raise UnknownItemError(item_id, self._alike(item_id))
        return known[0]

    def _alike(self, item_id: str) -> Iterator[str]:
        """The few ids in any of them that may be meant: what each would say first, in turn."""
        each: list[tuple[str, ...]] = []
        for one in self.stores:
            try:
                one.known_item(item_id)
            except UnknownItemError as exc:
                each.append(exc.alike)
        alike = filter(None, chain.from_iterable(zip_longest(*each)))
        return islice(dict.fromkeys(alike), _SUGGESTED)

    def keys_of(self, ids: Sequence[str]) -> list[int]:
        """The keys of items, in the order of ``ids``. Raises as ``known_item``."""
        return [self.known_item(item_id).key for item_id in ids]

    def items(self) -> Iterator[StoredItem]:
        """Every item, ordered by id."""
        each = [map(_item_of(number), one.items()) for number, one in enumerate(self.stores)]
        return merge(*each, key=attrgetter("id"))

    def items_of(self, keys: Sequence[int]) -> dict[int, StoredItem]:
        """Those of ``keys`` that are alive, by key."""
        found: dict[int, StoredItem] = {}
        for number, own in self._split(keys):
            items = self.stores[number].items_of(own.tolist()).values()
            found.update((item.key, item) for item in map(_item_of(number), items))
        return found

    def items_after(self, key: int) -> Iterator[StoredItem]:
        """Every item with a greater key, ascending."""
        for number, after in self._after(key):
            yield from map(_item_of(number), self.stores[number].items_after(after))

    def groups(self) -> tuple[State, list[tuple[int, str]]]:
        """The state, and the key and the group of every item that has one, of the same generation."""
        each = [one.groups() for one in self.stores]
        pairs = [
            ((number << KEY_BITS) + key, name) for number, (_, rows) in enumerate(each) for key, name in rows
        ]
        return State(sum(state.generation for state, _ in each)), pairs

    # -- vectors and signatures --------------------------------------------------------------------

    def vectors_of(self, keys: Sequence[int]) -> tuple[Int64Array, Float16Array]:
        """The vectors of those of ``keys`` that are alive, ascending by key; result is ((m,), (m, d))."""
        found, vectors = [np.empty(0, np.int64)], [np.empty((0, self.identity.dimension), np.float16)]
        for number, own in self._split(keys):
            there, rows = self.stores[number].vectors_of(own.tolist())
            found.append(there + (number << KEY_BITS))
            vectors.append(rows)
        return np.concatenate(found), np.concatenate(vectors)

    def vector_blocks(self, *, after_key: int = 0) -> Iterator[tuple[Int64Array, Float16Array]]:
        """Yield every vector whose key is greater, ascending, in blocks."""
        for number, after in self._after(after_key):
            for keys, vectors in self.stores[number].vector_blocks(after_key=after):
                yield keys + (number << KEY_BITS), vectors

    def signature_blocks(self, *, after_key: int = 0) -> Iterator[tuple[Int64Array, list[Signature]]]:
        """Yield every signature whose key is greater, ascending, in blocks; items may have none."""
        for number, after in self._after(after_key):
            for keys, signatures in self.stores[number].signature_blocks(after_key=after):
                yield keys + (number << KEY_BITS), signatures

    def _split(self, keys: Sequence[int]) -> Iterator[tuple[int, Int64Array]]:
        """Keys by the number of their store, as they are there."""
        every = np.asarray(keys, dtype=np.int64)
        for number in np.unique(every >> KEY_BITS).tolist():
            yield number, own_keys(every, number)[1]

    def _after(self, key: int) -> Iterator[tuple[int, int]]:
        """The stores that have greater keys, and what their own are greater than."""
        first = key >> KEY_BITS
        for number in range(first, len(self.stores)):
            yield number, key - (number << KEY_BITS) if number == first else 0


def _joined_ann(records: Iterable[str | None]) -> str | None:
    """What tells the approximate indexes of several catalogues from others; ``None`` where none has one."""
    each = [*records]
    return repr(each) if any(each) else None


def own_keys(keys: Int64Array, number: int) -> tuple[np.ndarray[tuple[int], np.dtype[np.bool_]], Int64Array]:
    """Which keys are of one store, and what they are there."""
    here = keys >> KEY_BITS == number
    return here, keys[here] - (number << KEY_BITS)


def _item(number: int, item: StoredItem) -> StoredItem:
    return replace(item, key=(number << KEY_BITS) + item.key)


def _item_of(number: int) -> Callable[[StoredItem], StoredItem]:
    return lambda item: _item(number, item)


class JoinedSearcher(Searcher):
    """Ranks over several catalogues by the searcher of each. Safe to use from several threads."""

    def __init__(self, store: JoinedStore, parts: Sequence[Searcher]) -> None:
        """Nothing is read yet."""

        def paths() -> Callable[[ItemRow], str | None]:
            each = [absolute_paths(one) for one in store.stores]
            return lambda row: each[row.key >> KEY_BITS](row)

        kept = KeptHubness(store.directory, store.catalog_id, FileSystem())
        # Keys and what changed of them is read by the parts.
        super().__init__(store, store.identity.dimension, lambda _: None, paths, kept)  # type: ignore[arg-type]
        self._joined, self._parts_of = store, parts
        self._allowed: tuple[Int64Array, list[Int64Array]] | None = None
        self._required_of: list[int] = []

    def catalog_of(self, key: int) -> str | None:
        """The directory of an item's catalogue."""
        return self._joined.catalog_of(key)

    def view(self, *, after: int = -1) -> View:
        """See ``Searcher.view``."""
        required = [one.required for one in self._parts_of]
        if required != self._required_of:  # this process has changed one of them
            self.require(self._joined.state().generation)
            self._required_of = required
        return super().view(after=after)

    def _refreshed(self, old: View | None) -> View | None:  # noqa: ARG002  parts know their old ones
        views = [one.view(after=sys.maxsize) for one in self._parts_of]
        generation = sum(view.generation for view in views)
        if self._joined.state().generation != generation:
            return None
        # Ranks of a catalogue may have gaps: those of the next one come after all of them.
        firsts = np.cumsum([0, *(int(view.living.ranks.max(initial=-1)) + 1 for view in views)])
        keys = [view.keys + (number << KEY_BITS) for number, view in enumerate(views)]
        ranks = [view.living.ranks + first for view, first in zip(views, firsts, strict=False)]
        living = Keys(np.concatenate(keys), np.concatenate(ranks))
        ann = _joined_ann(view.ann_record for view in views)
        return View(generation, living, views[0].dimension, ann, None, None, None, tuple(views))

    def vectors(self, view: View, keys: Int64Array, reader: VectorReader | None = None) -> Float16Array:  # noqa: ARG002
        """See ``Searcher.vectors``."""
        found = np.empty((len(keys), view.dimension), dtype=np.float16)
        for number, (searcher, part) in enumerate(zip(self._parts_of, view.parts, strict=True)):
            here, own = own_keys(keys, number)
            if len(own):
                found[here] = searcher.vectors(part, own)
        return found

    def rank(
        self,
        view: View,
        queries: Float32Array,
        k: int,
        *,
        options: SearchOptions = SearchOptions(),
        reader: VectorReader | None = None,  # noqa: ARG002
        allowed: Int64Array | None = None,
        more: bool = False,
    ) -> list[Ranked]:
        """See ``Searcher.rank``. Every catalogue has a reader that is as quick as ``reader``."""
        best, known_to = [NOTHING] * len(queries), [-np.inf] * len(queries)
        for number, (searcher, part) in enumerate(zip(self._parts_of, view.parts, strict=True)):
            own = None if allowed is None else self._split(allowed)[number]
            found = searcher.rank(part, queries, k, options=options, allowed=own, more=more)
            size = len(part) if own is None else len(own)
            for row, (keys, scores) in enumerate(found):
                both = joined(best[row], (keys + (number << KEY_BITS), scores))
                best[row] = best_of(both, view.ranks_of, 2 * k if more else k)
                if more and len(keys) < size:
                    known_to[row] = max(known_to[row], scores[-1])
        return [down_to(*pair) for pair in zip(best, known_to, strict=True)] if more else best

    def _split(self, allowed: Int64Array) -> list[Int64Array]:
        """Allowed keys by catalogue: the same arrays for the same one, as indexes keep what they derive."""
        known = self._allowed
        if known is None or known[0] is not allowed:
            known = allowed, [own_keys(allowed, number)[1] for number in range(len(self._parts_of))]
            self._allowed = known
        return known[1]


class JoinedSession:
    """Several open catalogues, for those who ask them. The first one's encoder looks at what is asked."""

    def __init__(self, sessions: Sequence[Session]) -> None:
        """They belong to this one from now on."""
        self._sessions = sessions
        self.path, self.identity, self.files = sessions[0].path, sessions[0].identity, sessions[0].files
        self._joining = threading.Lock()
        self._stores: list[SqliteStore] = []
        self._reading: tuple[JoinedStore, JoinedSearcher] | None = None

    @property
    def embedder(self) -> Embedder:
        """See ``Session``."""
        return self._sessions[0].embedder

    @property
    def decoder(self) -> DecodePool:
        """See ``Session``."""
        return self._sessions[0].decoder

    @property
    def texts(self) -> TextQueries:
        """See ``Session``."""
        return self._sessions[0].texts

    @property
    def places(self) -> Places:
        """See ``Session``."""
        return self._sessions[0].places

    @property
    def closed(self) -> bool:
        """Whether they are closed."""
        return self._sessions[0].closed

    @property
    def store(self) -> JoinedStore:
        """The newest databases."""
        return self.reading()[0]

    def reading(self) -> tuple[JoinedStore, JoinedSearcher]:
        """The newest databases and what ranks over them: see ``Current.reading``."""
        each: list[Reading] = [one.reading() for one in self._sessions]
        stores = [store for store, _ in each]
        with self._joining:
            if self._reading is None or self._stores != stores:
                store = JoinedStore(stores)
                self._stores = stores
                self._reading = store, JoinedSearcher(store, [searcher for _, searcher in each])
            return self._reading

    def close(self) -> None:
        """Free processes, models and files."""
        for one in self._sessions:
            one.close()
        with self._joining:
            if self._reading is not None:
                self._reading[1].close()
            self._reading = None
