"""What is in a catalogue, and whether it is sound."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

from seealike.catalog.encoder.copies import SPACES
from seealike.catalog.items import listed_ids, public_item
from seealike.catalog.options import CatalogInfo, SourceInfo, VerifyReport
from seealike.catalog.session import SMALL_CHANGE_WAIT_S, Session, scale_of
from seealike.catalog.sync.progress import Indexing, indexing_in
from seealike.catalog.sync.sources import absolute_paths, source_roots
from seealike.catalog.upkeep import checkup
from seealike.catalog.vectors import all_rows, all_vectors, vectors_of_items
from seealike.errors import UsageError, check_count
from seealike.images import DecodeLimits
from seealike.objects import place_in
from seealike.recommend import Calibration
from seealike.rows import Rows
from seealike.store.records import checked_text
from seealike.types import (
    EncoderIdentity,
    Float32Array,
    Item,
    ProgressCallback,
    Signature,
    Skipped,
    SkipReason,
    unwatched,
)
from seealike.vectors import VectorType


class SkippedFrom(NamedTuple):
    """Some skipped files of one generation, of ``total`` in all. ``next`` goes on after them."""

    generation: int
    total: int
    skipped: list[Skipped]
    next: str | None


class Reader:
    """The part of ``Catalog`` that says what is in it."""

    _session: Session

    @property
    def path(self) -> str:
        """The catalogue's directory."""
        return self._session.path

    @property
    def encoder(self) -> EncoderIdentity:
        """The embedding space all vectors live in."""
        return self._session.identity

    @property
    def encoder_spec(self) -> str:
        """How its encoder was asked for, as ``create`` takes it; empty for an object of yours."""
        return self._session.encoder_spec

    @property
    def placed_spec(self) -> str:
        """How its encoder is asked for where it is now: a copy of its own, or where it came from."""
        encoder = self._session.encoder
        return "" if encoder.given is not None else str(encoder.spec())

    @property
    def vector_type(self) -> VectorType:
        """In which numbers it keeps its vectors."""
        return self._session.store.vector_type

    @property
    def limits(self) -> DecodeLimits:
        """What one picture may cost that is decoded for it."""
        return self._session.encoder.limits

    @property
    def generation(self) -> int:
        """Grows with every committed change."""
        return self._session.store.state().generation

    def __len__(self) -> int:
        """The number of items."""
        return self._session.store.state().count

    def __contains__(self, item_id: object) -> bool:
        """Whether there is an item with this id."""
        return isinstance(item_id, str) and self._session.store.item(item_id) is not None

    def item(self, item_id: str) -> Item:
        """The item with this id.

        Raises:
            UnknownItemError: there is none.
        """
        return public_item(self._session.store.known_item(item_id), absolute_paths(self._session.store))

    def items(self) -> Iterator[Item]:
        """Every item, in id order."""
        store = self._session.store
        absolute = absolute_paths(store)
        return (public_item(item, absolute) for item in store.items())

    def items_from(self, item_id: str, count: int) -> list[Item]:
        """At most ``count`` items in id order, from ``item_id`` on, or from what would come after it."""
        check_count(count, "count")
        (item_id,) = listed_ids([item_id])
        absolute = absolute_paths(self._session.store)
        return [public_item(item, absolute) for item in self._session.store.items_from(item_id, count)]

    def digests(self) -> Iterator[tuple[str, bytes | None]]:
        """Every item's id, in id order, and the SHA-256 of its file; None where its picture was no file's."""
        return ((item.id, item.sha256) for item in self._session.store.items())

    @property
    def unsigned(self) -> int:
        """How many items have no signature; see ``signatures``."""
        state = self._session.store.state()
        return state.count - state.signed

    def signatures(self) -> Iterator[tuple[str, Signature | None]]:
        """Every item's id, in id order, and its colours and coarse shape; see ``seealike.signatures``.

        None for those that an earlier version, or an embedder that makes none, has added since the last
        ``index``, and for those whose picture could not be read again.
        """
        return self._session.store.ids_and_signatures()

    def skipped(self) -> list[Skipped]:
        """Every file of the sources that is not in the catalogue, with the reason."""
        return list(self.iter_skipped())

    def iter_skipped(self) -> Iterator[Skipped]:
        """``skipped``, one at a time: there may be a million."""
        store = self._session.store
        roots = source_roots(store)
        for number, row in store.skipped():
            yield replace(row, path=place_in(roots.get(number, self.path), row.path))

    def skipped_from(
        self, start: str = "", count: int = 100, *, reason: SkipReason | None = None
    ) -> SkippedFrom:
        """At most ``count`` of the skipped files, in the order of their sources and ids.

        Args:
            start: ``next`` of the part before; empty: from the beginning.
            count: how many.
            reason: only those with this reason.

        Raises:
            UsageError: ``start`` is nobody's ``next``.
        """
        check_count(count, "count")
        store, roots = self._session.store, source_roots(self._session.store)
        generation, total, rows = store.skipped_after(_place_of(start), count + 1, reason)
        found = [replace(row, path=place_in(roots.get(n, self.path), row.path)) for n, row in rows]
        following = _name_of(*rows[count - 1]) if len(rows) > count else None
        return SkippedFrom(generation, total, found[:count], following)

    def indexing(self) -> Indexing | None:
        """Where a run of ``index`` or ``reindex`` is that goes on now, in whatever process."""
        spaces = os.path.join(self.path, SPACES)
        folders = [os.path.join(spaces, name) for name in os.listdir(spaces)] if os.path.isdir(spaces) else []
        return next(filter(None, map(indexing_in, (self.path, *folders))), None)

    def sources(self) -> tuple[SourceInfo, ...]:
        """The sources that the catalogue is kept equal to, in the order in which they came."""
        return checkup.described_sources(self._session.store)

    def vectors(self, ids: Iterable[str] | None = None) -> tuple[list[str], Float32Array]:
        """All ids, in id order, and their vectors; or ``ids`` and theirs, in that order.

        An id that is named twice has two rows. Nothing but the result is as large as what is asked for.

        Shapes: the array is (n, d). Units: rows have norm 1.

        Raises:
            UnknownItemError: one of ``ids`` is no item.
            CatalogBusyError: the catalogue changes faster than it can be read.
        """
        if ids is None:
            return all_vectors(self._session.store)
        listed = listed_ids(ids)
        return listed, vectors_of_items(self._session.store, listed)

    def vector_rows(self, *, progress: ProgressCallback | None = None) -> tuple[list[str], Rows]:
        """All ids, in id order, and their vectors, to be read some at a time: ``rows[start:end]``.

        Those of a large catalogue, of more than 512 MiB as float32, are copied to a temporary file and stay
        what they were, whatever becomes of the items. It is gone with the last who uses them.

        Shapes: the rows are (n, d), what is read of them (m, d). Units: rows have norm 1.

        Raises:
            StorageError: there is no room for the file.
            CatalogBusyError: the catalogue changes faster than it can be read.
        """
        return all_rows(self._session.store, progress or unwatched)

    @property
    def calibration(self) -> Calibration | None:
        """What scores are worth here, where ``seealike.calibration`` has learnt it; ``None``: nobody has."""
        return scale_of(self._session.store)

    def info(self) -> CatalogInfo:
        """Counts, sizes, generation, encoder and the state of the approximate index."""
        return checkup.describe(self._session.store)

    def verify(self, *, repair: bool = False, sample: int = 200) -> VerifyReport:
        """Check every checksum, orphans, and the approximate index against exact search.

        Args:
            repair: put right what can be: damaged items are removed (the next ``index`` reads their
                pictures again), derived files are made anew.
            sample: how many items' neighbours to compare for the recall.
        """
        if not repair:
            return checkup.verify(self._session.current, sample)
        with self._session.writing(SMALL_CHANGE_WAIT_S) as (reading, writer):
            return checkup.repair(*reading, writer, self._session.files, sample)


def _name_of(source: int, row: Skipped) -> str:
    """The place of a skipped file in their order, as a text for an address."""
    place = json.dumps([source, row.id, os.fsencode(row.path).hex()])
    return base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")


def _place_of(name: str) -> tuple[int, str, bytes]:
    """What ``_name_of`` has named; what comes before all where that is empty.

    Raises:
        UsageError: it has not.
    """
    if not name:
        return -1, "", b""
    try:
        source, item_id, path = json.loads(base64.urlsafe_b64decode(name + "=" * (-len(name) % 4)))
        return max(-1, min(int(source), 2**62)), checked_text(item_id, "an id"), bytes.fromhex(path)
    except (ValueError, TypeError, OverflowError, RecursionError, UsageError):
        raise UsageError("that is no place in the list of skipped files; leave it out to begin") from None
