"""The top-k list of every item, streamed in bounded memory, all of one generation."""

from __future__ import annotations

import contextlib
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import NamedTuple, Protocol

import numpy as np

from seealike.errors import UsageError
from seealike.indexes import ExactIndex, FaissProposer
from seealike.recommend.answers import answer
from seealike.recommend.lists.kept import (
    NOTHING,
    SPARE,
    KeptLists,
    Now,
    are_of,
    brought_up_to_date,
    scores_of,
)
from seealike.recommend.mixing.weighing import weights_of
from seealike.recommend.products import NO_PRODUCT, fingerprints
from seealike.recommend.query import Example, Examples, Query, SearchOptions
from seealike.recommend.searcher import ATTEMPTS, Searcher, StaleViewError
from seealike.recommend.view import KnownStore, VectorReader, View
from seealike.types import Float16Array, Float32Array, Int64Array, Progress, ProgressCallback, unwatched

BLOCK = 1024
_KEPT = ("min_score", "exact", "metric", "pictures", "group_by")  # wishes with which lists are kept
COMPARED_BLOCK = 16 * BLOCK  # of lists that are narrowed by what an item says: those of a value go together
HELD_BYTES = 1 << 28  # of lists that wait until it is their turn
MATRIX_BYTES = 3 << 29  # 1.5 GiB: up to here all float16 vectors are held in memory, beyond they are read


@dataclass(frozen=True, slots=True)
class SimilarList:
    """The items most like one item, closest first. ``scores`` belong to ``similar_ids``, one each."""

    id: str
    similar_ids: tuple[str, ...]
    scores: tuple[float, ...]


class Wanted(NamedTuple):
    """The lists that are wanted, and who watches them being made."""

    k: int
    options: SearchOptions
    progress: ProgressCallback
    by_product: bool = False
    spare: int = 0


class NamedRow(Protocol):
    """What is read of an item for the lists."""

    @property
    def id(self) -> str:
        """The caller's id."""

    @property
    def key(self) -> int:
        """Its key."""


class ListStore(KnownStore, Protocol):
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
    view, gathered = _newest(store, searcher, options)
    keys = view.keys[np.argsort(view.living.ranks)].tolist()
    wanted = [(gathered.ids[key], Example(gathered.ids[key])) for key in keys]
    yield from _listed(
        view, gathered, searcher, wanted, Wanted(k, options, progress), gathered.ids.__getitem__
    )


def product_lists(
    store: ListStore, searcher: Searcher, k: int, options: SearchOptions, progress: ProgressCallback
) -> Iterator[SimilarList]:
    """Yield the list of every product, in the order of their names: the products most like all its pictures.

    An item of no product is one of its own, under its id.

    Raises:
        UsageError: an item has the name of a product for an id, and is of none.
        StaleViewError, DamagedCatalogError: see ``similar_lists``.
    """
    view, gathered = _newest(store, searcher, options)
    products = searcher.products(view, options.group_by)

    def name_of(key: int) -> str:
        return products.name_of(key, gathered.ids[key]) or ""

    single = [gathered.ids[key] for key in view.keys[products.codes == NO_PRODUCT].tolist()]
    if both := products.code_of.keys() & set(single):
        name = min(both)
        raise UsageError(
            f"{name!r} is a product and an item of no product; change its id, or its {products.column}"
        )
    there = filter(products.__contains__, products.names)
    wanted = sorted(
        [*((n, Example(product=n)) for n in there), *((n, Example(n)) for n in single)], key=_name
    )
    yield from _listed(view, gathered, searcher, wanted, Wanted(k, options, progress), name_of)


def _name(wanted: tuple[str, Example]) -> str:
    return wanted[0]


def _newest(store: ListStore, searcher: Searcher, options: SearchOptions) -> tuple[View, _Gathered]:
    gathering, after = _Gathering(store), -1
    for _ in range(ATTEMPTS):
        view = searcher.view(after=after)
        gathered, after = gathering.complete(view), view.generation
        if gathered is None:
            gathering.check(view)
            continue
        with contextlib.suppress(StaleViewError):
            gathered.hold(view, searcher, options)
            return view, gathered
    raise StaleViewError


def _listed(
    view: View,
    gathered: _Gathered,
    searcher: Searcher,
    named: Sequence[tuple[str, Example]],
    wanted: Wanted,
    name_of: Callable[[int], str],
) -> Iterator[SimilarList]:
    examples = [example for _, example in named]
    answers = _answered(view, gathered, searcher, examples, wanted)
    for (name, _), (keys, scores) in zip(named, answers, strict=True):
        yield SimilarList(name, tuple(map(name_of, keys)), tuple(scores))


def _answered(
    view: View, gathered: _Gathered, searcher: Searcher, examples: Sequence[Example], wanted: Wanted
) -> Iterator[tuple[list[int], list[float]]]:
    """The list of every one of ``examples``, keys and scores, best first.

    Items that are near each other are asked for together: much of what is read for one is read for all.
    """
    depth = min(wanted.k + wanted.spare, len(view))
    block = COMPARED_BLOCK if wanted.options.same or wanted.options.other else BLOCK
    stretch, done = max(block, HELD_BYTES // (16 * max(1, depth))), 0
    for start in range(0, len(examples), stretch):
        part = examples[start : start + stretch]
        keys, scores = np.zeros((len(part), depth), np.int64), np.zeros((len(part), depth), np.float64)
        counts = np.zeros(len(part), np.int64)
        for rows in _together(view, gathered, part, block):
            query = Query(
                [Examples((part[row],)) for row in rows], wanted.k, wanted.options, spare=wanted.spare
            )
            for row, found in zip(
                rows, answer(view, gathered, searcher, query, gathered.in_memory), strict=True
            ):
                counts[row] = len(found)
                keys[row, : len(found)] = [one.key for one in found]
                scores[row, : len(found)] = [one.score for one in found]
            done += len(rows)
            wanted.progress(Progress("lists", done, len(examples)))
        for row, count in enumerate(counts.tolist()):
            yield keys[row, :count].tolist(), scores[row, :count].tolist()


def _together(
    view: View, gathered: _Gathered, examples: Sequence[Example], block: int
) -> Iterator[list[int]]:
    """The numbers of all ``examples``, in blocks of some that are near each other."""
    order = np.arange(len(examples))
    ids = [example.id for example in examples if example.id is not None]
    if isinstance(view.ann, FaissProposer) and len(ids) == len(examples):
        keys = np.array(gathered.keys_of(ids), dtype=np.int64)
        order = np.argsort(view.ann.neighbourhoods(keys), kind="stable")
    for start in range(0, len(order), block):
        yield order[start : start + block].tolist()


# -- lists of what is no item -----------------------------------------------------------------------------


class Found(NamedTuple):
    """An entry of a list: an item, the name of the product it shows, if any, and its score."""

    id: str
    product: str | None
    score: float


class ListsForVectors:
    """Makes lists for vectors from elsewhere, in any number of calls, all of one generation.

    Raises:
        StaleViewError, DamagedCatalogError: see ``similar_lists``.
    """

    def __init__(self, store: ListStore, searcher: Searcher, options: SearchOptions) -> None:
        """Read everything that lists with ``options`` take."""
        self._searcher, self._options = searcher, options
        self._view, self._gathered = _newest(store, searcher, options)
        self._products = None if options.pictures else searcher.products(self._view, options.group_by)

    def of(self, vectors: Float32Array, k: int) -> Iterator[list[Found]]:
        """The list of each vector, closest first. Shapes: vectors is (q, d), unit norm."""
        wanted = Wanted(k, self._options, unwatched)
        examples = [Example(vector=row) for row in vectors]
        for found in _answered(self._view, self._gathered, self._searcher, examples, wanted):
            yield [self._found(key, score) for key, score in zip(*found, strict=True)]

    def products_of(self, ids: Sequence[str]) -> list[str | None]:
        """The names of the products that items show; ``None`` for those of none, or where none matters.

        Raises:
            KeyError: there is no such item.
        """
        return [self._product_of(key) for key in self._gathered.keys_of(ids)]

    def _found(self, key: int, score: float) -> Found:
        return Found(self._gathered.ids[key], self._product_of(key), score)

    def _product_of(self, key: int) -> str | None:
        return None if self._products is None else self._products.name_at(key)


# -- bringing lists up to date -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class UpdatedLists:
    """The lists of all items, of one generation, most of them as they were kept from the last time.

    Args:
        changed: how many lists are new, or other than they were kept; all, where none had been.
        remade: for how many that took a search, because not enough of them was known.
        always_whole: the wishes for which lists are not kept, because they look at whole lists.
        lists: the list of every item, in id order; they can be gone through once.
    """

    changed: int
    remade: int
    always_whole: tuple[str, ...]
    lists: Iterable[SimilarList]

    def __iter__(self) -> Iterator[SimilarList]:
        """The list of every item, in id order."""
        return iter(self.lists)


class Keeper(Protocol):
    """Where lists are kept between two runs."""

    def read(self, depth: int, options: SearchOptions) -> KeptLists | None:
        """What was kept of lists so long, with the same options."""

    def write(self, lists: KeptLists, options: SearchOptions) -> None:
        """Keep lists in the place of those from before."""


def updated_lists(store: ListStore, searcher: Searcher, keeper: Keeper, wanted: Wanted) -> UpdatedLists:
    """The lists that ``similar_lists`` gives, made from those that were kept; what they are now is kept.

    Raises: see ``similar_lists``.
    """
    unkept = tuple(
        field.name
        for field in fields(SearchOptions)
        if field.name not in _KEPT and getattr(wanted.options, field.name) != field.default
    )
    asked = store, searcher, wanted.k, wanted.options, wanted.progress
    if wanted.by_product:
        everyone = len(searcher.answered(lambda view: searcher.products(view, wanted.options.group_by)))
        return UpdatedLists(everyone, everyone, ("by product", *unkept), product_lists(*asked))
    if unkept:
        everyone = store.state().count
        return UpdatedLists(everyone, everyone, unkept, similar_lists(*asked))
    options = replace(wanted.options, min_score=None)
    kept = keeper.read(wanted.k + SPARE, options)
    gathering, after = _Gathering(store), -1
    for _ in range(ATTEMPTS):
        view = searcher.view(after=after)
        gathered, after = gathering.complete(view, in_memory=kept is None), view.generation
        if gathered is None:
            gathering.check(view)
            continue
        with contextlib.suppress(StaleViewError):
            lists, remade = _updated(view, gathered, searcher, kept, wanted._replace(options=options))
            keeper.write(lists, options)
            changed = len(lists.owners) - (0 if kept is None else lists.as_in(kept, wanted.k))
            return UpdatedLists(changed, remade, (), _shown(lists, view, gathered.ids, wanted))
    raise StaleViewError


def _updated(
    view: View, gathered: _Gathered, searcher: Searcher, kept: KeptLists | None, wanted: Wanted
) -> tuple[KeptLists, int]:
    options, depth = wanted.options, wanted.k + SPARE
    gathered.hold(view, searcher, options)
    products = np.zeros(len(view), dtype=np.int64)
    if not options.pictures:
        products = searcher.products(view, options.group_by).fingerprints()

    def vectors_of(keys: Int64Array) -> Float16Array:
        distinct, places = np.unique(keys, return_inverse=True)
        return searcher.vectors(view, distinct, gathered.in_memory)[places]

    names = fingerprints(gathered.ids[key] for key in view.keys.tolist())
    now = Now(view.keys, names, products, view.ranks_of, vectors_of, options.metric)
    if kept is not None and are_of(kept, now):
        lists, rows = brought_up_to_date(kept, now, wanted.k)
    else:
        lists, rows = KeptLists.empty(now, depth), np.arange(len(view))
    examples = [Example(gathered.ids[key]) for key in view.keys[rows].tolist()]
    answers = _answered(view, gathered, searcher, examples, wanted._replace(spare=SPARE))
    for row, found in zip(rows.tolist(), answers, strict=True):
        lists.put(row, *found)
    return lists, len(rows)


def _shown(lists: KeptLists, view: View, ids: Mapping[int, str], wanted: Wanted) -> Iterator[SimilarList]:
    least = -math.inf if wanted.options.min_score is None else wanted.options.min_score
    order, id_of = np.argsort(view.living.ranks), ids.__getitem__
    for start in range(0, len(order), BLOCK):
        rows = order[start : start + BLOCK]
        scores = scores_of(lists.scores[rows, : wanted.k])
        shown = ((lists.similar[rows, : wanted.k] != NOTHING) & (scores >= least)).sum(axis=1).tolist()
        owners, similar = lists.owners[rows].tolist(), lists.similar[rows].tolist()
        for own, keys, own_scores, count in zip(owners, similar, scores.tolist(), shown, strict=True):
            yield SimilarList(ids[own], tuple(map(id_of, keys[:count])), tuple(own_scores[:count]))


class _Gathered:
    """What belongs to one generation, as a query's items are read: ids by key, keys by id, and vectors."""

    def __init__(self, ids: Mapping[int, str], store: VectorReader, in_memory: VectorReader | None) -> None:
        self.ids, self.in_memory = ids, in_memory
        self._keys = {item_id: key for key, item_id in ids.items()}
        if len(self._keys) < len(ids):
            twice = next(item_id for item_id, count in Counter(ids.values()).items() if count > 1)
            raise UsageError(f"two of the catalogues have an item {twice!r}; make the lists of one alone")
        self.vectors_of = (store if in_memory is None else in_memory).vectors_of
        self._held: tuple[object, ...] = ()

    def keys_of(self, ids: Sequence[str]) -> list[int]:
        """The key of each id."""
        return [self._keys[item_id] for item_id in ids]

    def hold(self, view: View, searcher: Searcher, options: SearchOptions) -> None:
        """Keep what lists with ``options`` ask the searcher for: meanwhile others want newer generations.

        Raises:
            StaleViewError: that generation cannot be read any more.
        """
        self._held = (
            searcher.narrowing(view) if options.narrows else None,
            None if options.pictures else searcher.products(view, options.group_by),
            searcher.colours(view) if options.colour_share else None,
            weights_of(view, searcher, options),
        )


class _Gathering:
    """Ids and vectors, read once; what another generation has more is read in addition."""

    def __init__(self, store: ListStore) -> None:
        self._store = store
        self._ids: dict[int, str] = {}
        self._ids_from = -1  # the generation at which their reading began
        self._held: ExactIndex | None = None

    def complete(self, view: View, *, in_memory: bool = True) -> _Gathered | None:
        """Everything that belongs to ``view``; ``None`` where part of it is gone: go on with a newer one.

        Vectors only where all are worth holding ``in_memory``.
        """
        fits = in_memory and not view.parts and len(view) * view.dimension * 2 <= MATRIX_BYTES
        memory = self._memory(view) if fits else None
        ids = self._ids_of(view) if memory is not None or not fits else None
        return None if ids is None else _Gathered(ids, self._store, memory)

    def check(self, view: View) -> None:
        """Refuse to go on where nobody has written, and all the same something of ``view`` is gone.

        Raises:
            DamagedCatalogError: items have no vector.
        """
        if self._store.state().generation == view.generation:
            raise self._store.damaged("items without a vector")

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
