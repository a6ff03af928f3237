"""What callers give is checked here, and items become what callers see."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TypeVar

import numpy as np

from seealike.errors import UsageError
from seealike.recommend import ATTEMPTS, ItemRow, StaleViewError
from seealike.store import SqliteStore, StoredItem
from seealike.types import Float32Array, Int64Array, Item
from seealike.vectors import unit_rows

Value = TypeVar("Value")


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
