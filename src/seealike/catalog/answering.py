"""Asking the catalogue: queries become hits, all of one committed generation."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import numpy as np

from seealike.catalog.known_sources import absolute_paths
from seealike.catalog.options import SearchOptions
from seealike.errors import CatalogBusyError, UnknownItemError, UsageError
from seealike.indexes.scoring import unit_rows
from seealike.recommend import (
    ATTEMPTS,
    ItemRow,
    Searcher,
    StaleViewError,
    View,
    Wanted,
    are_in_order,
    hits,
    keys_needed,
    taste_query,
)
from seealike.store import SqliteStore, StoredItem
from seealike.types import Float32Array, Hit, Int64Array, Item
from seealike.wording import closest

QUERY_BATCH = 64
Value = TypeVar("Value")
Queries = tuple[Float32Array, Sequence[Sequence[int]]]


def check_k(k: int) -> None:
    """Refuse a number of results that makes no sense."""
    check_count(k, "k")


def check_count(value: object, name: str) -> None:
    """Refuse what is no whole number of at least 1."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise UsageError(f"{name} must be a whole number of at least 1, not {value!r}")


def as_vectors(queries: object) -> Float32Array:
    """Numbers in rows, as an array.

    Raises:
        UsageError: they are something else.
    """
    try:
        return np.asarray(queries, dtype=np.float32)
    except (TypeError, ValueError, OverflowError):
        raise UsageError(f"queries must be an array of numbers, not {type(queries).__name__}") from None


def listed(values: Iterable[Value], kind: str) -> list[Value]:
    """Several of a kind, as a list; one text would be taken for several letters.

    Raises:
        UsageError: it is one value, or none.
    """
    if isinstance(values, str | bytes | os.PathLike) or not isinstance(values, Iterable):
        raise UsageError(f"{kind} are a list, not {type(values).__name__}")
    return list(values)


def listed_ids(ids: Iterable[str]) -> list[str]:
    """Ids as a list.

    Raises:
        UsageError: they are no list of texts.
    """
    found = listed(ids, "ids")
    for item_id in found:
        if not isinstance(item_id, str):
            raise UsageError(f"an id is a text, not {type(item_id).__name__}")
    return found


def stored_item(store: SqliteStore, item_id: str) -> StoredItem:
    """The item with this id.

    Raises:
        UnknownItemError: there is none.
        UsageError: it is no text.
    """
    listed_ids([item_id])
    item = store.item(item_id)
    if item is None:
        near = store.ids_near(item_id)
        namesakes = [name for name in near if _basename(name) == _basename(item_id)]
        raise UnknownItemError(item_id, dict.fromkeys((*namesakes[:1], *closest(item_id, near))))
    return item


def _basename(item_id: str) -> str:
    return item_id.rpartition("/")[2].casefold()


def public_item(item: StoredItem, absolute: Callable[[ItemRow], str | None]) -> Item:
    """An item as callers see it."""
    return Item(item.id, absolute(item), item.group, item.metadata, item.width_px, item.height_px)


def all_vectors(store: SqliteStore) -> tuple[list[str], Float32Array]:
    """All ids, in id order, and their unit vectors, all of one generation. Shapes: the array is (n, d).

    Nothing but the result is ever as large as the catalogue.
    """
    for _ in range(ATTEMPTS):
        state, by_id = store.state_and_keys()
        keys = np.sort(by_id)
        named = [(item.id, item.key) for item in store.items()]
        place_of = np.empty(len(named), dtype=np.int64)  # where the vector of the n-th key goes
        order = np.searchsorted(keys, np.fromiter((key for _, key in named), np.int64, len(named)))
        if len(named) == len(keys) and (np.bincount(order, minlength=len(keys)) == 1).all():
            place_of[order] = np.arange(len(named))
            rows = _placed(store, keys, place_of)
            if rows is not None and store.state().generation == state.generation:
                return [item_id for item_id, _ in named], rows
        if store.state().generation == state.generation:  # nobody wrote: vectors are missing
            raise store.damaged("items without a vector")
    raise StaleViewError


def _placed(store: SqliteStore, keys: Int64Array, place_of: Int64Array) -> Float32Array | None:
    """The unit vectors of ``keys``, each in its place; ``None`` where there are others by now."""
    rows = np.empty((len(keys), store.identity.dimension), dtype=np.float32)
    done = 0
    for found, vectors in store.vector_blocks():
        end = done + len(found)
        if not np.array_equal(found, keys[done:end]):
            return None
        rows[place_of[done:end]] = unit_rows(vectors)
        done = end
    return rows if done == len(keys) else None


def queries_of_items(store: SqliteStore, ids: Sequence[str]) -> Queries:
    """Items as queries, none of which is to find itself. Raises as ``vectors_of_ids``."""
    keys, vectors = vectors_of_ids(store, ids)
    return vectors, [(key,) for key in keys]


def query_of_taste(
    store: SqliteStore, like: Sequence[str], dislike: Sequence[str], pictures: Float32Array
) -> Queries:
    """One query for liked items and pictures, and disliked items. Shapes: pictures is (n, d), unit norm.

    Raises:
        UsageError: nothing is liked, or the dislikes cancel the likes.
        UnknownItemError, StaleViewError: as ``vectors_of_ids``.
    """
    liked_keys, liked = vectors_of_ids(store, like)
    disliked_keys, disliked = vectors_of_ids(store, dislike)
    liked = np.concatenate([unit_rows(liked), pictures])
    return taste_query(liked, unit_rows(disliked)), [(*liked_keys, *disliked_keys)]


def vectors_of_ids(store: SqliteStore, ids: Sequence[str]) -> tuple[list[int], Float32Array]:
    """Keys and vectors of items, as they are stored (of any norm), in the order of ``ids``.

    Raises:
        UnknownItemError: one of them is not in the catalogue.
        StaleViewError: one of them has just been replaced.
    """
    ids = listed_ids(ids)
    keys = [stored_item(store, item_id).key for item_id in ids]
    found, vectors = store.vectors_of(keys)
    position = {int(key): row for row, key in enumerate(found)}
    missing = [item_id for item_id, key in zip(ids, keys, strict=True) if key not in position]
    if missing:
        if stored_item(store, missing[0]).key in keys:
            raise store.damaged(f"the item {missing[0]!r} has no vector")
        raise StaleViewError  # replaced in between
    return keys, vectors[[position[key] for key in keys]].astype(np.float32)


def answer(
    store: SqliteStore,
    searcher: Searcher,
    make_queries: Callable[[], Queries],
    k: int,
    options: SearchOptions,
) -> list[list[Hit]]:
    """Rank, read the items and order them, again if the catalogue changed in between.

    Args:
        store: where items are read.
        searcher: ranks.
        make_queries: gives vectors (q, d) and, for each, the keys that must not be among its hits.
        k: how many hits for each query.
        options: how to search.
    """
    check_k(k)
    wanted = Wanted(k, options.min_score, options.metric)
    after = -1
    for _ in range(ATTEMPTS):
        view = searcher.view(after=after)
        try:
            return _answered(store, searcher, view, make_queries(), wanted, exact=options.exact)
        except StaleViewError:
            after = view.generation
    raise CatalogBusyError(store.directory, "a process that changes it faster than it can be read")


def _answered(
    store: SqliteStore, searcher: Searcher, view: View, asked: Queries, wanted: Wanted, *, exact: bool
) -> list[list[Hit]]:
    """The answer of one generation.

    Raises:
        StaleViewError: it cannot be read any more.
    """
    queries, excluded = asked
    if not view.alive(np.array([key for keys in excluded for key in keys], dtype=np.int64)).all():
        raise StaleViewError  # the items asked for are of another generation
    k = wanted.k + max((len(keys) for keys in excluded), default=0)
    found: list[list[tuple[int, float]]] = []
    for start in range(0, len(queries), QUERY_BATCH):
        part = queries[start : start + QUERY_BATCH]
        ranked = searcher.rank(view, part, k, metric=wanted.metric, exact=exact)
        found += [wanted.of(row, excluded[start + place]) for place, row in enumerate(ranked)]
    rows = store.items_of(keys_needed(found))
    absolute = absolute_paths(store)
    answers = [hits(pairs, rows, absolute) for pairs in found]
    if store.state().rewritten > view.generation:
        raise StaleViewError  # the rows may be of a newer generation
    if not all(map(are_in_order, answers)):
        raise store.damaged("the order of the ids")
    return answers
