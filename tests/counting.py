"""A store that counts what is read of it, and short ways to fill one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from seealike.recommend import Searcher
from seealike.store import FileSystem, KeyChanges, NewItem, SqliteStore, State, StoredItem, StoreWriter
from seealike.store.records import BY_HAND
from seealike.store.writer import Change
from seealike.testing import FakeEncoder
from seealike.types import Float16Array, Int64Array

D = 8


class CountingStore(SqliteStore):
    """``calls`` counts the readings of keys, ``rows`` the rows that were read."""

    def __init__(self, directory: str) -> None:
        super().__init__(directory)
        self.calls: Counter[str] = Counter()
        self.rows = 0

    def state_and_keys(self) -> tuple[State, Int64Array]:
        state, keys = super().state_and_keys()
        self.calls["all"] += 1
        self.rows += len(keys)
        return state, keys

    def key_changes(self, generation: int, last_key: int) -> KeyChanges | None:
        changes = super().key_changes(generation, last_key)
        self.calls["changes"] += 1
        self.rows += len(changes.removed) + len(changes.added) if changes else 0
        return changes

    def vector_blocks(
        self, *, after_key: int = 0, block: int = 2048
    ) -> Iterator[tuple[Int64Array, Float16Array]]:
        for keys, vectors in super().vector_blocks(after_key=after_key, block=block):
            self.rows += len(keys)
            yield keys, vectors

    def vectors_of(self, keys: Sequence[int]) -> tuple[Int64Array, Float16Array]:
        found, vectors = super().vectors_of(keys)
        self.rows += len(found)
        return found, vectors

    def items_of(self, keys: Sequence[int]) -> dict[int, StoredItem]:
        items = super().items_of(keys)
        self.rows += len(items)
        return items


def vector(number: int) -> Float16Array:
    """The vector with this number: the same for ever. Those below zero hardly differ from number 1."""
    row = np.random.default_rng(max(number, 1)).standard_normal(D)
    unit = (row / np.linalg.norm(row)).astype(np.float16)
    if number < 0:
        unit[-number] = np.nextafter(unit[-number], np.float16(2))
    return unit


def new_item(item_id: str, number: int) -> NewItem:
    return NewItem(item_id, None, None, None, None, None, "{}", 3, 4, BY_HAND, vector(number).tobytes())


def made_store(path: Path) -> CountingStore:
    SqliteStore.create(str(path), FakeEncoder(dimension=D).identity, FileSystem()).close()
    return CountingStore(str(path))


def searcher_of(store: SqliteStore) -> Searcher:
    return Searcher(store, D, lambda _: None)


def commit(store: SqliteStore, items: Sequence[NewItem] = (), *, remove: Sequence[str] = ()) -> None:
    """One commit, as another process would make it."""

    def apply(change: Change) -> None:
        change.remove_ids([*remove, *(row.id for row in items)])
        change.insert(items)

    writer = StoreWriter(store.database_path)
    try:
        writer.rewrite(apply)
    finally:
        writer.close()
