"""Asking the catalogue: queries become hits, all of one committed generation."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

import numpy as np

from seealike.catalog import checkup
from seealike.catalog.options import SearchOptions
from seealike.catalog.pictures import encoded_unit
from seealike.errors import CatalogBusyError, UnknownItemError, UsageError
from seealike.recommend import ATTEMPTS, Ranked, Searcher, StaleViewError, Wanted, hits, keys_needed
from seealike.store import SqliteStore, StoredItem
from seealike.types import Float32Array, Hit

QUERY_BATCH = 64
Queries = tuple[Float32Array, Sequence[Sequence[int]]]


def check_k(k: int) -> None:
    """Refuse a number of results that makes no sense."""
    if k < 1:
        raise UsageError(f"k must be at least 1, not {k}")


def stored_item(store: SqliteStore, item_id: str) -> StoredItem:
    """The item with this id.

    Raises:
        UnknownItemError: there is none.
    """
    item = store.item(item_id)
    if item is None:
        raise UnknownItemError(item_id)
    return item


def absolute_path(store: SqliteStore) -> Callable[[bytes | None], str | None]:
    """What turns stored paths into absolute ones."""
    root = checkup.source_root(store.directory, store.state())

    def absolute(path: bytes | None) -> str | None:
        return None if path is None else os.path.join(root, os.fsdecode(path))

    return absolute


def vectors_of_ids(store: SqliteStore, ids: Sequence[str]) -> tuple[list[int], Float32Array]:
    """Keys and unit vectors of items, in the order of ``ids``.

    Raises:
        UnknownItemError: one of them is not in the catalogue.
        StaleViewError: one of them has just been replaced.
    """
    keys = [stored_item(store, item_id).key for item_id in ids]
    found, vectors = store.vectors_of(keys)
    position = {int(key): row for row, key in enumerate(found)}
    missing = [item_id for item_id, key in zip(ids, keys, strict=True) if key not in position]
    if missing:
        if stored_item(store, missing[0]).key in keys:
            raise store.damaged(f"the item {missing[0]!r} has no vector")
        raise StaleViewError  # replaced in between
    rows = vectors[[position[key] for key in keys]].astype(np.float32)
    return keys, encoded_unit(rows) if len(rows) else rows


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
        make_queries: gives unit vectors (q, d) and, for each, the keys that must not be among its hits.
        k: how many hits for each query.
        options: how to search.
    """
    check_k(k)
    wanted = Wanted(k, options.min_score, options.metric)
    for _ in range(ATTEMPTS):
        try:
            view = searcher.view()
            queries, excluded = make_queries()
            spare = max((len(keys) for keys in excluded), default=0)
            ranked: list[Ranked] = []
            for start in range(0, len(queries), QUERY_BATCH):
                part = queries[start : start + QUERY_BATCH]
                ranked += searcher.rank(view, part, k + spare, exact=options.exact)
            rows = store.items_of(keys_needed(ranked))
            absolute = absolute_path(store)
            return [
                hits(row, wanted, set(keys), rows, absolute)
                for row, keys in zip(ranked, excluded, strict=True)
            ]
        except StaleViewError:
            continue
    raise CatalogBusyError(store.directory, "a process that changes it faster than it can be read")
