"""Moving a catalogue to another encoder: the new space is built beside the old one, then takes its place."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass

from seealike.catalog.encoder.copies import EncoderCopies
from seealike.catalog.facade import Catalog
from seealike.catalog.opening import open
from seealike.catalog.options import IndexOptions
from seealike.catalog.spaces.space import found_encoder, in_space, space_path
from seealike.errors import LostItemsError
from seealike.store import FileSystem, SqliteStore, WriterLock, inherit, succeed
from seealike.types import EncoderIdentity, PathInput, ProgressCallback, Skipped, SkipReason

REINDEX_WAIT_S = 60.0  # for another writer, at the end: hours of work should not be for nothing
LAST_WAIT_S = 10.0


@dataclass(frozen=True, slots=True)
class ReindexReport:
    """What ``reindex`` did. ``lost`` are the items whose pictures could not be encoded again.

    ``swapped`` is false where the catalogue had this encoder already.
    """

    items: int
    before: EncoderIdentity
    after: EncoderIdentity
    lost: tuple[Skipped, ...]
    generation: int
    took_s: float
    swapped: bool


def reindex(
    path: PathInput,
    encoder: str,
    *,
    drop_lost: bool = False,
    options: IndexOptions = IndexOptions(wait_s=REINDEX_WAIT_S),
    progress: ProgressCallback | None = None,
) -> ReindexReport:
    """Give every item of a catalogue a vector of another encoder, and make it the catalogue's.

    The old vectors answer until the last step. May be interrupted at any moment: the next call goes on. Ids,
    metadata, groups, the list of skipped files and the source stay; the generation grows. A ``Catalog`` that
    was opened before finishes what it is at, and then raises ``ReplacedCatalogError``: open it again.
    Of the ``options`` those count that say how pictures are read, how long to wait for another writer at the
    end, and whether to do without a copy of the encoder (None: as the catalogue has its own now).

    Raises:
        NoCatalogError: there is no catalogue.
        LostItemsError: some pictures cannot be read any more, and ``drop_lost`` was not given.
        CatalogBusyError: another process is writing.
        StorageError: the disk refused; the catalogue is as it was.
        UnknownNameError, UsageError, MissingExtraError, EncoderError: the encoder cannot be used.
    """
    return move(path, encoder, options, files=FileSystem(), drop_lost=drop_lost, progress=progress)


def move(
    path: PathInput,
    encoder: str,
    options: IndexOptions,
    *,
    files: FileSystem,
    drop_lost: bool = False,
    progress: ProgressCallback | None = None,
) -> ReindexReport:
    """``reindex``, whose last steps are written by ``files``."""
    started = time.perf_counter()
    with open(path) as catalog:
        before, (encoder, after) = catalog.encoder, found_encoder(catalog, encoder)
        if before != after:
            with in_space(catalog, encoder, options, progress=progress):
                pass  # the long part, while others may still write
    lost: tuple[Skipped, ...] = ()
    swapped = False
    lock = WriterLock(catalog.path)
    lock.acquire(options.wait_s)
    try:
        with open(path) as catalog:  # anew: meanwhile it may have changed, or moved to yet another encoder
            if catalog.encoder != after:
                lost = _swap(catalog, encoder, options, drop_lost=drop_lost, files=files)
                swapped = True
        EncoderCopies(catalog.path, files).remove_unneeded()
    finally:
        lock.release()
    with open(path) as moved:
        took_s = time.perf_counter() - started
        return ReindexReport(len(moved), before, after, lost, moved.generation, took_s, swapped)


def _swap(
    catalog: Catalog, encoder: str, options: IndexOptions, *, drop_lost: bool, files: FileSystem
) -> tuple[Skipped, ...]:
    """Encode what has come since, and let the space take the catalogue's place."""
    place = space_path(catalog, found_encoder(catalog, encoder)[1])
    with in_space(catalog, encoder, options) as space:
        lost = tuple(_lost(catalog, space))
    if lost and not drop_lost:
        raise LostItemsError(catalog.path, lost)
    guard = WriterLock(place)
    guard.acquire(LAST_WAIT_S)
    try:
        old, new = SqliteStore(catalog.path), SqliteStore(place)
        try:
            inherit(old, new)
        finally:
            old.close()
            new.close()
        succeed(catalog.path, place, files)
    finally:
        guard.release()
    shutil.rmtree(place, ignore_errors=True)
    return lost


def _lost(catalog: Catalog, space: Catalog) -> Iterator[Skipped]:
    """The items that are not in the space, each with the reason why."""
    there = {item.id for item in space.items()}
    reasons = {row.id: row for row in space.skipped()}
    detail = "it was added without a file, so there is nothing to encode again"
    for item in catalog.items():
        if item.id not in there:
            unknown = Skipped(item.id, item.path or "", SkipReason.UNREADABLE, detail)
            yield reasons.get(item.id, unknown)
