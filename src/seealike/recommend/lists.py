"""The top-k list of every item, streamed in bounded memory, all of one generation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from seealike.errors import UsageError
from seealike.indexes import ExactIndex
from seealike.recommend.answers import answer
from seealike.recommend.products import NO_PRODUCT
from seealike.recommend.query import Example, Examples, Query, SearchOptions
from seealike.recommend.searcher import ATTEMPTS, Searcher, StaleViewError
from seealike.recommend.view import VectorReader, VectorStore, View
from seealike.types import Progress, ProgressCallback

BLOCK = 1024
MATRIX_BYTES = 3 << 29  # 1.5 GiB: up to here all float16 vectors are held in memory, beyond they are read


@dataclass(frozen=True, slots=True)
class SimilarList:
    """The items most like one item, closest first. ``scores`` belong to ``similar_ids``, one each."""

    id: str
    similar_ids: tuple[str, ...]
    scores: tuple[float, ...]


class NamedRow(Protocol):
    """What is read of an item for the lists."""

    @property
    def id(self) -> str:
        """The caller's id."""

    @property
    def key(self) -> int:
        """Its key."""


class ListStore(VectorStore, Protocol):
    """Where vectors and ids are read from."""

    def items(self) -> Iterator[NamedRow]:
        """Every item, in id order."""

    def items_of(self, keys: Sequence[int]) -> Mapping[int, NamedRow]:
        """Those of ``keys`` that are alive, by key."""


def similar_lists(
    store: ListStore, searcher: Searcher, k: int, options: SearchOptions, progress: ProgressCallback
) -> Iterator[SimilarList]:
    """Yield the list of every item, in id order.

    Everything is read before the first list; only vectors that do not fit into memory are read on the way.

    Raises:
        StaleViewError: the catalogue changes faster than it can be read, or vectors that did not fit into
            memory are gone.
        DamagedCatalogError: items have no vector.
    """
    view, gathered = _newest(store, searcher)
    keys = view.keys[np.argsort(view.living.ranks)].tolist()
    wanted = [(gathered.ids[key], Example(gathered.ids[key])) for key in keys]
    yield from _listed(view, gathered, searcher, wanted, (k, options, progress), gathered.ids.__getitem__)


def product_lists(
    store: ListStore, searcher: Searcher, k: int, options: SearchOptions, progress: ProgressCallback
) -> Iterator[SimilarList]:
    """Yield the list of every product, in the order of their names: the products most like all its pictures.

    An item of no product is one of its own, under its id.

    Raises:
        UsageError: an item has the name of a product for an id, and is of none.
        StaleViewError, DamagedCatalogError: see ``similar_lists``.
    """
    view, gathered = _newest(store, searcher)
    products = searcher.products(view, options.group_by)
    names = list(products.code_of)

    def name_of(key: int) -> str:
        code = int(products.of(np.array([key]))[0])
        return gathered.ids[key] if code == NO_PRODUCT else names[code]

    single = [gathered.ids[key] for key in view.keys[products.codes == NO_PRODUCT].tolist()]
    if both := products.code_of.keys() & set(single):
        name = min(both)
        raise UsageError(
            f"{name!r} is a product and an item of no product; change its id, or its {products.column}"
        )
    there = [name for name, count in zip(names, products.counts.tolist(), strict=True) if count]
    wanted = sorted(
        [*((n, Example(product=n)) for n in there), *((n, Example(n)) for n in single)], key=_name
    )
    yield from _listed(view, gathered, searcher, wanted, (k, options, progress), name_of)


def _name(wanted: tuple[str, Example]) -> str:
    return wanted[0]


def _newest(store: ListStore, searcher: Searcher) -> tuple[View, _Gathered]:
    gathering, after = _Gathering(store), -1
    for _ in range(ATTEMPTS):
        view = searcher.view(after=after)
        gathered, after = gathering.complete(view), view.generation
        if gathered is not None:
            return view, gathered
        if store.state().generation == after:  # nobody wrote
            raise store.damaged("items without a vector")
    raise StaleViewError


def _listed(
    view: View,
    gathered: _Gathered,
    searcher: Searcher,
    wanted: Sequence[tuple[str, Example]],
    how: tuple[int, SearchOptions, ProgressCallback],
    name_of: Callable[[int], str],
) -> Iterator[SimilarList]:
    k, options, progress = how
    for start in range(0, len(wanted), BLOCK):
        part = wanted[start : start + BLOCK]
        query = Query([Examples((example,)) for _, example in part], k, options)
        found = answer(view, gathered, searcher, query, gathered.in_memory)
        for (name, _), results in zip(part, found, strict=True):
            similar = tuple(name_of(one.key) for one in results)
            yield SimilarList(name, similar, tuple(one.score for one in results))
        progress(Progress("lists", start + len(part), len(wanted)))


class _Gathered:
    """What belongs to one generation, as a query's items are read: ids by key, keys by id, and vectors."""

    def __init__(self, ids: Mapping[int, str], store: VectorReader, in_memory: VectorReader | None) -> None:
        self.ids, self.in_memory = ids, in_memory
        self._keys = {item_id: key for key, item_id in ids.items()}
        self.vectors_of = (store if in_memory is None else in_memory).vectors_of

    def keys_of(self, ids: Sequence[str]) -> list[int]:
        """The key of each id."""
        return [self._keys[item_id] for item_id in ids]


class _Gathering:
    """Ids and vectors, read once; what another generation has more is read in addition."""

    def __init__(self, store: ListStore) -> None:
        self._store = store
        self._ids: dict[int, str] = {}
        self._ids_from = -1  # the generation at which their reading began
        self._held: ExactIndex | None = None

    def complete(self, view: View) -> _Gathered | None:
        """Everything that belongs to ``view``; ``None`` where part of it is gone: go on with a newer one."""
        fits = len(view) * view.dimension * 2 <= MATRIX_BYTES
        memory = self._memory(view) if fits else None
        ids = self._ids_of(view) if memory is not None or not fits else None
        return None if ids is None else _Gathered(ids, self._store, memory)

    def _ids_of(self, view: View) -> dict[int, str] | None:
        store, keys = self._store, view.keys.tolist()
        if not self._ids:
            self._ids_from = store.state().generation
            self._ids = {item.key: item.id for item in store.items()}
        unknown = store.items_of([key for key in keys if key not in self._ids])
        self._ids.update((key, item.id) for key, item in unknown.items())
        renamed = store.state().renamed
        if renamed > self._ids_from:
            self._ids = {}
        if renamed > view.generation or not all(key in self._ids for key in keys):
            return None
        return {key: self._ids[key] for key in keys}

    def _memory(self, view: View) -> ExactIndex | None:
        """The vectors of the view; ``None`` where some are gone."""
        if view.ann is None and view.memory is not None:
            return view.memory
        nothing = ExactIndex(np.empty(0, np.int64), np.empty((0, view.dimension), np.float16))
        held = self._held or nothing
        new = view.keys[np.searchsorted(view.keys, held.last_key, side="right") :]
        matrix, filled = np.empty((len(new), view.dimension), dtype=np.float16), 0
        found = np.empty(len(new), dtype=np.int64)
        for keys, vectors in self._store.vector_blocks(after_key=held.last_key) if len(new) else ():
            alive = view.alive(keys)
            end = filled + int(alive.sum())
            found[filled:end], matrix[filled:end] = keys[alive], vectors[alive]
            filled = end
            if keys[-1] >= new[-1]:
                break
        self._held = held.extended(found[:filled], matrix[:filled])
        whole = len(np.intersect1d(view.keys, self._held.keys, assume_unique=True)) == len(view)
        return self._held if whole else None
