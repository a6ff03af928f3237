"""Moving a catalogue to another encoder: the new space is built beside the old one, then takes its place."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass

from seealike.catalog.facade import Catalog
from seealike.catalog.opening import open
from seealike.catalog.spaces import in_space, space_path
from seealike.catalog.sync import ProgressCallback
from seealike.encoders import identity_of
from seealike.errors import LostItemsError
from seealike.store import FileSystem, SqliteStore, WriterLock, inherit, succeed
from seealike.types import EncoderIdentity, PathInput, Skipped


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
    workers: int | None = None,
    wait_s: float = 0.0,
    progress: ProgressCallback | None = None,
    files: FileSystem | None = None,
) -> ReindexReport:
    """Give every item of a catalogue a vector of another encoder, and make it the catalogue's.

    The old vectors answer until the last step. May be interrupted at any moment: the next call goes on. Ids,
    metadata, groups, the list of skipped files and the source stay; the generation grows. A ``Catalog`` that
    was opened before goes on with the old vectors until it is opened again.

    Raises:
        NoCatalogError: there is no catalogue.
        LostItemsError: some pictures cannot be read any more, and ``drop_lost`` was not given.
        CatalogBusyError: another process is writing.
        UnknownNameError, UsageError, MissingExtraError, EncoderError: the encoder cannot be used.
    """
    started = time.perf_counter()
    with open(path) as catalog:
        before, after = catalog.encoder, identity_of(encoder)
        if before == after:
            took_s = time.perf_counter() - started
            return ReindexReport(len(catalog), before, after, (), catalog.generation, took_s, swapped=False)
        with in_space(catalog, encoder, progress=progress, workers=workers):
            pass  # the long part, while others may still write
        lock = WriterLock(catalog.path)
        lock.acquire(wait_s)
        try:
            lost = _swap(catalog, encoder, drop_lost=drop_lost, files=files or FileSystem())
        finally:
            lock.release()
        directory = catalog.path
    with open(directory, encoder=encoder) as moved:
        took_s = time.perf_counter() - started
        return ReindexReport(len(moved), before, after, lost, moved.generation, took_s, swapped=True)


def _swap(catalog: Catalog, encoder: str, *, drop_lost: bool, files: FileSystem) -> tuple[Skipped, ...]:
    """Encode what has come since, and let the space take the catalogue's place."""
    identity = identity_of(encoder)
    place = space_path(catalog, identity)
    with in_space(catalog, encoder) as space:
        lost = tuple(row for row in space.skipped() if row.id in catalog)
    if lost and not drop_lost:
        raise LostItemsError(catalog.path, lost)
    guard = WriterLock(place)
    guard.acquire(0.0)
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
