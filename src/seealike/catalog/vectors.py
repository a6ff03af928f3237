"""The vectors of all items, held or in a file, or of a sample where the catalogue is too large for either."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import numpy as np

from seealike.recommend import ATTEMPTS, StaleViewError
from seealike.rows import VectorFile
from seealike.types import Progress, unwatched
from seealike.vectors import unit_rows

if TYPE_CHECKING:
    from seealike.rows import Rows
    from seealike.store import SqliteStore
    from seealike.types import Float16Array, Float32Array, Int64Array, ProgressCallback

BLOCK = 4096
HELD_BYTES = 1 << 29
"""Up to so much all vectors are held, as float32; more lie in a file."""

_Put: TypeAlias = "Callable[[Int64Array, Float16Array], None]"  # vectors, as they are kept, in their places
_All = TypeVar("_All")


def all_vectors(store: SqliteStore, progress: ProgressCallback = unwatched) -> tuple[list[str], Float32Array]:
    """All ids, in id order, and their unit vectors, all of one generation. Shapes: the array is (n, d).

    Nothing but the result is ever as large as the catalogue.
    """

    def begun(count: int) -> tuple[Float32Array, _Put]:
        rows = np.empty((count, store.identity.dimension), dtype=np.float32)

        def put(places: Int64Array, vectors: Float16Array) -> None:
            rows[places] = unit_rows(vectors)

        return rows, put

    return _all(store, begun, progress)


def all_rows(store: SqliteStore, progress: ProgressCallback = unwatched) -> tuple[list[str], Rows]:
    """The same, to be read some at a time: in a temporary file where they would take more than is held.

    Raises:
        StorageError: there is no room for the file.
    """

    def begun(count: int) -> tuple[VectorFile, _Put]:
        rows = VectorFile(count, store.identity.dimension)
        return rows, rows.write

    if store.state().count * store.identity.dimension * np.dtype(np.float32).itemsize <= HELD_BYTES:
        return all_vectors(store, progress)
    return _all(store, begun, progress)


def _all(
    store: SqliteStore, begun: Callable[[int], tuple[_All, _Put]], progress: ProgressCallback
) -> tuple[list[str], _All]:
    """All ids and what ``begun``, with their number, has made for their vectors, all put in their places."""
    for _ in range(ATTEMPTS):
        state, by_id = store.state_and_keys()
        keys = np.sort(by_id)
        named = [(item.id, item.key) for item in store.items()]
        place_of = np.empty(len(named), dtype=np.int64)  # where the vector of the n-th key goes
        order = np.searchsorted(keys, np.fromiter((key for _, key in named), np.int64, len(named)))
        if len(named) == len(keys) and (np.bincount(order, minlength=len(keys)) == 1).all():
            place_of[order] = np.arange(len(named))
            rows, put = begun(len(keys))
            whole = _placed(store, keys, place_of, put, progress)
            if whole and store.state().generation == state.generation:
                return [item_id for item_id, _ in named], rows
        if store.state().generation == state.generation:  # nobody wrote: vectors are missing
            raise store.damaged("items without a vector")
    raise StaleViewError


def _placed(
    store: SqliteStore, keys: Int64Array, place_of: Int64Array, put: _Put, progress: ProgressCallback
) -> bool:
    """Put the vectors of ``keys`` in their places; false where there are others by now."""
    done = 0
    for found, vectors in store.vector_blocks():
        end = done + len(found)
        if not np.array_equal(found, keys[done:end]):
            return False
        put(place_of[done:end], vectors)
        done = end
        progress(Progress("read", done, len(keys)))
    return done == len(keys)


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
