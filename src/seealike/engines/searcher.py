"""The ranking over an engine: the engine proposes and filters, exact scores decide as everywhere."""

from __future__ import annotations

import os
import threading
from collections.abc import Hashable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from seealike.engines.store import EngineStore
from seealike.recommend import ItemRow, Searcher, SearchOptions, View
from seealike.recommend.columns import GROUP
from seealike.recommend.products import Products
from seealike.recommend.searcher import Part, StaleViewError
from seealike.recommend.view import VectorReader
from seealike.types import Int64Array

_REMEMBERED = 16  # conditions


def stored_path(row: ItemRow) -> str | None:
    """The absolute path of an item, as an engine stores it."""
    return None if row.path is None else os.fsdecode(row.path)


class EngineSearcher(Searcher):
    """Ranks over an engine. In memory are keys, ranks and product codes; vectors and columns are not."""

    def __init__(self, store: EngineStore, dimension: int) -> None:
        """Nothing is read yet."""
        super().__init__(store, dimension, lambda _: None, lambda: stored_path)
        self._engine = store
        self._filtering = threading.Lock()
        self._filtered: dict[Hashable, _Filtered] = {}
        self._grouped: tuple[int, Products] | None = None

    def _refreshed(self, old: View | None) -> View | None:
        state, living, _ = self._read_keys(old)
        ann = self._engine.proposer(state, living, exact=False)
        return View(state.generation, living, self._dimension, state.ann, ann, None, None)

    def _parts(
        self, view: View, reader: VectorReader | None, allowed: Int64Array | None, *, exact: bool
    ) -> Iterator[Part]:
        if reader is not None:  # it is in memory, and quicker
            yield from super()._parts(view, reader, allowed, exact=True)
            return
        keys = view.keys if allowed is None else allowed
        proposer = view.ann
        if exact or proposer is None:
            proposer = self._engine.proposer(self._engine.state(), view.living, exact=True)
        if len(keys):
            yield Part(proposer, [self._store], len(keys), allowed)

    def narrowing(self, view: View) -> object:  # noqa: ARG002
        """Nothing is read for conditions: the engine has it."""
        return None

    def among(self, view: View, options: SearchOptions, liked: Sequence[int]) -> Hashable:  # noqa: ARG002
        """See ``Searcher.among``: a condition of the engine's."""
        return self._engine.among(options, liked)

    def allowed(self, view: View, among: Hashable) -> Int64Array:
        """See ``Searcher.allowed``: the engine evaluates it, for the items that came since the last time."""
        with self._filtering:
            known = self._filtered.get(among)
        if known is not None and known.generation == view.generation:
            return known.keys
        after, found = 0, np.empty(0, dtype=np.int64)
        if known is not None and self._is_since(known.generation, view):
            after, found = known.last_key, known.keys[view.alive(known.keys)]
        found = np.concatenate([found, self._engine.matching(among, view.generation, after_key=after)])
        found.flags.writeable = False
        self._engine.note_matching(among, found)
        with self._filtering:
            while len(self._filtered) >= _REMEMBERED:
                del self._filtered[next(iter(self._filtered))]
            self._filtered[among] = _Filtered(view.generation, _last_key(view), found)
        return found

    def _products_of(self, view: View, column: str) -> Products:
        """Which items show the same product: read at the first call, later only of items that are new."""
        if column != GROUP:
            return super()._products_of(view, column)
        generation, known = self._grouped or (-1, None)
        if known is None or not self._is_since(generation, view):
            found = super()._products_of(view, column)
        else:
            after = int(known.keys[-1]) if len(known.keys) else 0
            state, pairs = self._engine.groups(after_key=after)
            if state.generation != view.generation:
                raise StaleViewError
            found = known.later(view.keys, pairs)
        self._grouped = view.generation, found
        return found

    def _is_since(self, generation: int, view: View) -> bool:
        """Whether items came and went since a generation, and none that stayed was rewritten."""
        return generation <= view.generation and self._engine.state().rewritten <= generation


class _Filtered(NamedTuple):
    """What kept a condition: of which generation, and what its greatest key was."""

    generation: int
    last_key: int
    keys: Int64Array


def _last_key(view: View) -> int:
    return int(view.keys[-1]) if len(view) else 0
