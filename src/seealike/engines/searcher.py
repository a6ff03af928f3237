"""The ranking over an engine: the engine proposes and filters, exact scores decide as everywhere."""

from __future__ import annotations

import os
import threading
from collections.abc import Hashable, Iterator, Sequence

from seealike.engines.store import EngineStore
from seealike.recommend import ItemRow, Searcher, SearchOptions, View
from seealike.recommend.searcher import Part
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
        self._filtered: dict[tuple[int, Hashable], Int64Array] = {}

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
        """See ``Searcher.allowed``: the engine evaluates it, once a generation."""
        with self._filtering:
            known = self._filtered.get((view.generation, among))
        if known is not None:
            return known
        found = self._engine.matching(among, view.generation)
        found.flags.writeable = False
        with self._filtering:
            while len(self._filtered) >= _REMEMBERED:
                del self._filtered[next(iter(self._filtered))]
            self._filtered[view.generation, among] = found
        return found
