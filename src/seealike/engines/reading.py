"""What every engine's store does alike, whatever language its rows are asked for in."""

from __future__ import annotations

import weakref
from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Generic, TypeVar

from seealike.engines.columns import EngineAmong
from seealike.engines.facts import facts_of
from seealike.errors import DamagedCatalogError, UnknownItemError, check_id
from seealike.recommend import SearchOptions
from seealike.store import State, StoredItem
from seealike.store.manifest import Manifest
from seealike.types import Int64Array, Skipped, SkipReason
from seealike.vectors import VectorType

Said = TypeVar("Said")
NEAR = 50  # ids before a wrong one, and after it, that it is compared with


class StoredCopy(ABC, Generic[Said]):
    """A copy of a catalogue, for readers. ``Said`` is a condition in the engine's language."""

    def __init__(self, directory: str, manifest: Manifest, number: int) -> None:
        """Nothing is read yet; ``number`` tells this copy from the others of the catalogue."""
        self.directory = directory
        self.identity, self.encoder_spec = manifest.encoder, manifest.encoder_spec
        self.catalog_id = f"{manifest.catalog_id}/{number}"
        self._conditions: list[tuple[weakref.ref[Int64Array], Said]] = []

    @abstractmethod
    def state(self) -> State:
        """The committed state of this copy."""

    @abstractmethod
    def item(self, item_id: str) -> StoredItem | None:
        """The item with this id, if there is one."""

    @abstractmethod
    def items_of(self, keys: Sequence[int]) -> Mapping[int, StoredItem]:
        """Those of ``keys`` that are alive, by key."""

    @abstractmethod
    def _keys_by_id(self, ids: Sequence[str]) -> Mapping[str, int]:
        """The keys of those of some ids that are there."""

    @abstractmethod
    def _ids_near(self, item_id: str) -> Sequence[str]:
        """Ids that come before one and after it, at most ``NEAR`` each."""

    @abstractmethod
    def _stored_name(self, name: str) -> str:
        """Under which name a column is stored; see ``Columns.column``.

        Raises:
            UnknownNameError: there is no such column.
        """

    @abstractmethod
    def _condition(self, among: EngineAmong) -> Said:
        """What keeps the items that hits are among."""

    @property
    def vector_type(self) -> VectorType:
        """In which numbers vectors are kept."""
        return VectorType.FLOAT16

    def damaged(self, what: str) -> DamagedCatalogError:
        """The error that says what is damaged."""
        remedy = "publish it anew: `seealike publish --rebuild`"
        return DamagedCatalogError(self.directory, self.directory, what, remedy)

    def _whole(self, state: State, keys: Int64Array) -> tuple[State, Int64Array]:
        """Both, where those are all keys that were written."""
        if len(keys) != state.count or int(keys.sum()) != state.key_sum:
            raise self.damaged(f"{len(keys)} items where {state.count} were written, or others")
        return state, keys

    def known_item(self, item_id: str) -> StoredItem:
        """The item with this id.

        Raises:
            UnknownItemError: there is none.
            UsageError: it is no text.
        """
        check_id(item_id)
        item = self.item(item_id)
        if item is None:
            raise UnknownItemError.among(item_id, list(self._ids_near(comparable(item_id))))
        return item

    def keys_of(self, ids: Sequence[str]) -> list[int]:
        """The keys of items, in the order of ``ids``. Raises as ``known_item``."""
        found = self._keys_by_id([one for one in ids if comparable(one) == one])
        return [found[one] if one in found else self.known_item(one).key for one in ids]

    def skipped(self) -> Iterator[tuple[int, Skipped]]:
        """No file is skipped here: that is on record in the catalogue."""
        return iter(())

    def skipped_after(
        self,
        place: tuple[int, str, bytes],  # noqa: ARG002
        count: int,  # noqa: ARG002
        reason: SkipReason | None,  # noqa: ARG002
    ) -> tuple[int, int, list[tuple[int, Skipped]]]:
        """See ``skipped``."""
        return self.state().generation, 0, []

    def among(self, options: SearchOptions, liked: Sequence[int]) -> EngineAmong:
        """See ``EngineStore``."""
        wanted = liked if options.same or options.other else ()
        facts = [dict(facts_of(item)) for item in self.items_of(wanted).values()] if len(liked) else None
        return EngineAmong.of(options, facts, self._stored_name)

    def note_matching(self, among: Hashable, keys: Int64Array) -> None:
        """See ``EngineStore``."""
        assert isinstance(among, EngineAmong)
        alive = [pair for pair in self._conditions if pair[0]() is not None]
        self._conditions = [*alive, (weakref.ref(keys), self._condition(among))]

    def condition_of(self, keys: Int64Array) -> Said | None:
        """The condition that gave this very array of keys, if one did."""
        return next((condition for held, condition in self._conditions if held() is keys), None)


def comparable(text: str) -> str:
    """A text as far as an engine can compare with it: only what stays the same can be an id."""
    return text.encode("utf-8", "replace").decode().replace("\0", "")
