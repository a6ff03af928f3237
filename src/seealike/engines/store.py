"""What an engine gives to those who ask: the seam that every engine keeps."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

from seealike.errors import ReplacedCatalogError, UsageError
from seealike.protocols import Proposer
from seealike.recommend import ItemStore, SearchOptions
from seealike.recommend.view import Keys, StoreState, VectorStore
from seealike.store import NewItem, StoredItem
from seealike.store.manifest import Manifest
from seealike.types import EncoderIdentity, Int64Array


class EngineStore(ItemStore, VectorStore, Protocol):
    """The rows of a catalogue in an engine. Safe to use from several threads."""

    @property
    def identity(self) -> EncoderIdentity:
        """The embedding space that its vectors are in."""

    @property
    def encoder_spec(self) -> str:
        """How its encoder is asked for."""

    @property
    def catalog_id(self) -> str:
        """What tells this copy from every other: keys of one mean nothing in another."""

    def calibration(self) -> str | None:
        """What its scores are worth, if that has been learnt."""

    def known_item(self, item_id: str) -> StoredItem:
        """The item with this id.

        Raises:
            UnknownItemError: there is none.
        """

    def item(self, item_id: str) -> StoredItem | None:
        """The item with this id, if there is one."""

    def picture_of(self, key: int) -> bytes | None:
        """The picture of an item that came without a file, as it came."""

    def proposer(self, state: StoreState, living: Keys, *, exact: bool) -> Proposer:
        """What proposes the items of one generation; an ``exact`` one misses none.

        It raises ``StaleViewError`` where the engine has another generation by now.
        """

    def among(self, options: SearchOptions, liked: Sequence[int]) -> Hashable:
        """What the hits of a list are among whose liked items have some keys: a condition of the engine's.

        Raises:
            UsageError, UnknownNameError: see ``seealike.recommend.filters.Among``.
        """

    def groups(self, *, after_key: int = 0) -> tuple[StoreState, Sequence[tuple[int, str]]]:
        """See ``KnownStore``; only of items with keys greater than ``after_key``."""

    def note_matching(self, among: Hashable, keys: Int64Array) -> None:
        """Learn that a proposer which is given this very array may ask the engine for the condition."""

    def matching(self, among: Hashable, generation: int, *, after_key: int = 0) -> Int64Array:
        """The keys of the items that keep a condition of ``among``, ascending, of one generation.

        ``after_key``: only those that are greater.

        Raises:
            StaleViewError: the engine has another generation by now.
        """


class EngineWriter(Protocol):
    """Changes of a catalogue in an engine, each of which is made whole or not at all."""

    def add(self, items: Sequence[NewItem], pictures: Mapping[str, bytes] | None = None) -> int:
        """Add items, each replacing the one with its id; the number that were replaced.

        ``pictures`` are kept with those items, by their ids, that have no file.

        Raises:
            ReplacedCatalogError: another encoder's vectors are there by now.
        """

    def remove(self, ids: Sequence[str]) -> int:
        """Remove the items with these ids; the number that existed."""


class EnginePublisher(Protocol):
    """The only one who copies a catalogue to an engine, in steps that can be cut off anywhere.

    A copy that is made beside the live one takes rows by ``append`` until ``go_live``. Rows of the catalogue
    are known by ``origin``, their key there.
    """

    def live(self) -> Manifest | None:
        """Which catalogue the engine holds."""

    def begin(self, manifest: Manifest) -> int:
        """Make a copy beside the live one, or go on with one that was cut off: the last origin it has."""

    def append(self, rows: Sequence[PublishedRow]) -> None:
        """Add rows with greater origins to the copy, for good."""

    def contents(self) -> Iterator[Held]:
        """What the copy under way, or without one the live one, has of the catalogue; origins ascend."""

    def keys_of(self, origins: Sequence[int]) -> list[int]:
        """The keys, in the same one, of those of some origins that it has."""

    def apply(self, changes: Changes, *, at: int | None = None) -> int:
        """Change the same one, all at once. The generation afterwards.

        Raises:
            StaleViewError: it has another generation than ``at``; nothing is changed.
        """

    def keep_calibration(self, calibration: str | None) -> None:
        """Keep with the same one what scores are worth."""

    def go_live(self) -> int:
        """Index the copy and put it in the place of the live one, with what only that one has.

        Of another catalogue's, or another encoder's, nothing is taken over: how many items that loses.
        """

    def drop_unfinished(self) -> None:
        """Drop copies beside the live one that were cut off."""


class Engine(Protocol):
    """One address of an engine. Safe to use from several threads."""

    @property
    def name(self) -> str:
        """How people call it; without what must stay secret."""

    def opened(self, held: EngineStore | None = None) -> EngineStore:
        """The live copy, as it is now: ``held`` itself where that is still it.

        Raises:
            NoCatalogError: it holds none.
            NewerFormatError: a newer seealike made it.
            UnreachableError: it cannot be reached.
        """

    def written(self) -> EngineStore:
        """``opened``, as it is where it is changed: replicas may not have that yet."""

    def changing(self, identity: EncoderIdentity | None = None) -> AbstractContextManager[EngineWriter]:
        """Who changes the live copy; ``identity``: whose vectors it adds."""

    def publishing(self) -> AbstractContextManager[EnginePublisher]:
        """Who copies a catalogue.

        Raises:
            CatalogBusyError: another process does.
        """

    def close(self) -> None:
        """Close connections; nothing can be asked afterwards."""


class PublishedRow(NamedTuple):
    """An item to be stored, with an absolute path, and its key in the catalogue; none: it is not there."""

    item: NewItem
    origin: int | None

    @property
    def content(self) -> int:
        """What tells it from every other row, in 63 bits: its vector too.

        Keys are no proof of a picture: a catalogue that came out of a backup uses its own again.
        """
        item = self.item
        said = (item.id, item.path, item.size_bytes, item.mtime_ns, item.sha256, item.group)
        shown = (item.metadata_json, item.width_px, item.height_px)
        signed = None if item.signature is None else (item.signature.colour, item.signature.hash)
        told = repr((said, shown, signed)).encode(errors="surrogatepass")
        digest = hashlib.blake2b(told + item.vector, digest_size=8)
        return int.from_bytes(digest.digest()) >> 1


class Held(NamedTuple):
    """A row of a copy: its origin, its key in the copy, and its content."""

    origin: int
    key: int
    content: int


def check_storable(item: NewItem) -> None:
    """Refuse what no engine has a place for.

    Raises:
        UsageError: its id or group has a NUL.
    """
    if any("\0" in text for text in (item.id, item.group or "")):
        raise UsageError(f"the item {item.id!r} has a NUL in its id or group, which no engine stores")


def check_encoder(there: Manifest, given: EncoderIdentity | None, name: str) -> None:
    """Refuse vectors of another encoder than those that are there.

    Raises:
        ReplacedCatalogError: that is so.
    """
    if given is not None and there.encoder != given:
        raise ReplacedCatalogError(name)


class Changes(NamedTuple):
    """Rows to remove, by their keys in the copy; blocks of rows in the place of some, and of new ones."""

    removed: Sequence[int]
    updated: Iterator[Sequence[tuple[int, PublishedRow]]]
    added: Iterator[Sequence[PublishedRow]]
