"""An immutable picture of the catalogue's keys and vectors at one generation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np

from seealike.errors import DamagedCatalogError
from seealike.indexes import ExactIndex
from seealike.protocols import Proposer
from seealike.types import Float16Array, Int64Array, Metadata, Signature

KEY_BITS = 48  # of the keys of one catalogue; those above say which of several it is
_NEWEST = 200


class StoreState(Protocol):
    """What a view must know of the committed state."""

    @property
    def generation(self) -> int:
        """Grows with every committed change."""

    @property
    def count(self) -> int:
        """The number of items."""

    @property
    def key_sum(self) -> int:
        """The sum of their keys."""

    @property
    def renamed(self) -> int:
        """The last generation in which an item got another id under its key."""

    @property
    def rewritten(self) -> int:
        """The last generation in which a row changed under its key."""

    @property
    def ann(self) -> str | None:
        """The record of the ANN snapshot, if there is one."""


class ItemRow(Protocol):
    """What a hit needs to know of an item."""

    @property
    def key(self) -> int:
        """Its key."""

    @property
    def id(self) -> str:
        """The caller's id."""

    @property
    def path(self) -> bytes | None:
        """The stored path."""

    @property
    def source(self) -> int:
        """The number of the source it belongs to."""

    @property
    def group(self) -> str | None:
        """The caller's group."""

    @property
    def metadata(self) -> Metadata:
        """The caller's columns."""


class DescribedRow(ItemRow, Protocol):
    """What is read of an item for the columns."""

    @property
    def width_px(self) -> int:
        """Upright."""

    @property
    def height_px(self) -> int:
        """Upright."""

    @property
    def size_bytes(self) -> int | None:
        """Of the file."""

    @property
    def mtime_ns(self) -> int | None:
        """Of the file."""


class StoreChanges(Protocol):
    """What became of an older generation's keys."""

    @property
    def state(self) -> StoreState:
        """The state now."""

    @property
    def removed(self) -> Sequence[int]:
        """Keys that are gone."""

    @property
    def added(self) -> Sequence[tuple[int, int | None]]:
        """New keys, the greatest id first, each with the key whose id follows."""


class RowReader(Protocol):
    """Where single vectors are read from."""

    def vectors_of(self, keys: Sequence[int]) -> tuple[Int64Array, Float16Array]:
        """The vectors of those keys that are there, ascending."""


class VectorReader(RowReader, Protocol):
    """Where vectors are read from."""

    def vector_blocks(self, *, after_key: int = 0) -> Iterator[tuple[Int64Array, Float16Array]]:
        """Every vector after a key, ascending, in blocks."""


class KnownStore(VectorReader, Protocol):
    """The truth of what is known of items."""

    def state(self) -> StoreState:
        """The committed state."""

    def items_after(self, key: int) -> Iterator[DescribedRow]:
        """Every item with a greater key, ascending."""

    def signature_blocks(self, *, after_key: int = 0) -> Iterator[tuple[Int64Array, list[Signature]]]:
        """Every signature whose key is greater, ascending, in blocks; items may have none."""

    def groups(self) -> tuple[StoreState, Sequence[tuple[int, str]]]:
        """The state, and the key and the group of every item that has one, of the same generation."""

    def damaged(self, what: str) -> DamagedCatalogError:
        """The error that says what is damaged."""


class VectorStore(KnownStore, Protocol):
    """The truth that views are made of."""

    def state_and_keys(self) -> tuple[StoreState, Int64Array]:
        """The state and all keys of the same generation, in the order of their ids."""

    def key_changes(self, generation: int, last_key: int) -> StoreChanges | None:
        """What became of an older generation's keys, or ``None``: read all."""


class NamedVectors(RowReader, Protocol):
    """Where the items that a query names are looked up."""

    def keys_of(self, ids: Sequence[str]) -> list[int]:
        """The key of each id.

        Raises:
            UnknownItemError: there is no such item.
        """


@dataclass(frozen=True)
class Keys:
    """All living keys, ascending, and what orders them as their ids do: ``ranks``. Shapes: both are (n,)."""

    keys: Int64Array
    ranks: Int64Array

    @classmethod
    def in_id_order(cls, by_id: Int64Array) -> Keys:
        """From all keys in the order of their ids."""
        order = np.argsort(by_id)
        return cls(by_id[order], order)

    @cached_property
    def id_order(self) -> Int64Array:
        """The places in ``keys`` of the items, in the order of their ids. Shapes: (n,)."""
        return np.argsort(self.ranks)

    def changed(self, changes: StoreChanges) -> Keys | None:
        """With what has changed since; ``None`` where that is not what the state says."""
        gone = _places(self.keys, np.array(changes.removed, dtype=np.int64))
        keys, ranks = self.keys, self.ranks
        if len(gone):
            keys, ranks = np.delete(keys, gone), np.delete(ranks, gone)
        if changes.added:
            before = _ranks_before(keys, ranks, changes.added)
            if before is None:
                return None
            new = np.array([key for key, _ in reversed(changes.added)], dtype=np.int64)
            new_ranks = before + np.arange(len(before))
            order = np.argsort(new)
            ranks = np.concatenate([ranks + np.searchsorted(before, ranks, side="right"), new_ranks[order]])
            keys = np.concatenate([keys, new[order]])
        state = changes.state
        whole = len(keys) == state.count and int(keys.sum()) == state.key_sum
        return Keys(keys, ranks) if whole and (np.diff(keys) > 0).all() else None


@dataclass(frozen=True, slots=True)
class View:
    """One generation. ``memory`` holds the vectors that no snapshot covers.

    ``memory`` is ``None`` where there is neither a snapshot nor room for the vectors: then they are streamed.
    ``ann_record`` is the snapshot the store names, also where it could not be loaded. ``rows`` has vectors of
    what ``ann`` proposes, each checked as it is read; what it does not have is read from the store.
    ``parts`` are the views of several catalogues, of whose items it consists, in their order. ``described``
    are rows of it that have been read, as long as it is the newest: see ``answers``.
    """

    generation: int
    living: Keys
    dimension: int
    ann_record: str | None
    ann: Proposer | None
    rows: RowReader | None
    memory: ExactIndex | None
    parts: tuple[View, ...] = ()
    described: dict[int, tuple[DescribedRow, Metadata]] = field(default_factory=dict, compare=False)

    @property
    def keys(self) -> Int64Array:
        """All living keys, ascending."""
        return self.living.keys

    @property
    def covered_to(self) -> int:
        """The last key that the snapshot answers for; ``memory`` holds the ones after it."""
        return self.ann.last_key if self.ann is not None else 0

    def __len__(self) -> int:
        """The number of items."""
        return len(self.keys)

    def alive(self, keys: Int64Array) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Which of ``keys`` exist at this generation."""
        if not len(self.keys):
            return np.zeros(len(keys), dtype=bool)
        positions = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.asarray(self.keys[positions] == keys)

    def ranks_of(self, keys: Int64Array) -> Int64Array:
        """Numbers that order living keys as their ids do."""
        ranks: Int64Array = self.living.ranks[np.searchsorted(self.keys, keys)]
        return ranks


def newest_of_each(keys: Int64Array) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which of ``keys``, ascending, are the last of their catalogue.

    A catalogue that was put back to what it once was gives keys a second time, and to other items. A key that
    was given twice is among its greatest.
    """
    catalogs = keys >> KEY_BITS
    return np.asarray(np.searchsorted(catalogs, catalogs, side="right") - np.arange(len(keys)) <= _NEWEST)


def _places(keys: Int64Array, wanted: Int64Array) -> Int64Array:
    """Where those of ``wanted`` are that are among ``keys``, which ascend."""
    if not len(keys):
        return np.empty(0, dtype=np.int64)
    places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.asarray(places[keys[places] == wanted])


def _ranks_before(
    keys: Int64Array, ranks: Int64Array, added: Sequence[tuple[int, int | None]]
) -> Int64Array | None:
    """For every added key, the least id first, the rank of the old key that follows it in id order."""
    before: dict[int, int] = {}
    last = int(ranks.max()) + 1 if len(ranks) else 0
    for key, follows in added:
        if follows is None:
            before[key] = last
        elif follows in before:
            before[key] = before[follows]
        else:
            row = int(np.searchsorted(keys, follows))
            if row == len(keys) or keys[row] != follows:
                return None
            before[key] = int(ranks[row])
    return np.array([before[key] for key, _ in reversed(added)], dtype=np.int64)
