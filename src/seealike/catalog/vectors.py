"""The vectors of all items, or of a sample where the catalogue is too large to load."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from seealike.recommend import ATTEMPTS, StaleViewError
from seealike.vectors import unit_rows

if TYPE_CHECKING:
    from seealike.store import SqliteStore
    from seealike.types import Float32Array, Int64Array

BLOCK = 4096


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


def vectors_of_items(store: SqliteStore, ids: Sequence[str]) -> Float32Array:
    """The vectors of items, in the order of ``ids``, all of one generation.

    Only these vectors are read, in blocks; nothing but the result is as large as the sample.

    Shapes: the array is (m, d), one row an id. Units: rows have norm 1.

    Raises:
        UnknownItemError: there is no such item.
        StaleViewError: the catalogue changes faster than it can be read.
    """
    for _ in range(ATTEMPTS):
        generation = store.state().generation
        rows = _rows(store, np.array(store.keys_of(ids), np.int64))
        if store.state().generation == generation:
            if rows is None:
                raise store.damaged("items without a vector")
            return rows
    raise StaleViewError


def _rows(store: SqliteStore, keys: Int64Array) -> Float32Array | None:
    """The unit vectors of ``keys``, each in its place; ``None`` where one is missing by now."""
    rows = np.empty((len(keys), store.identity.dimension), dtype=np.float32)
    order = np.argsort(keys)  # as they lie on the disk
    for start in range(0, len(order), BLOCK):
        places = order[start : start + BLOCK]
        wanted, row_of = np.unique(keys[places], return_inverse=True)
        found, vectors = store.vectors_of(wanted.tolist())
        if not np.array_equal(found, wanted):
            return None
        rows[places] = unit_rows(vectors)[row_of]
    return rows
