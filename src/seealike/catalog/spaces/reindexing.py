"""Moving a catalogue to another encoder, or its vectors to other numbers.

The new space is built beside the old one, then takes its place.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial

from seealike.catalog import ann
from seealike.catalog.encoder.copies import SPACES, EncoderCopies
from seealike.catalog.engine import refuse_address
from seealike.catalog.facade import Catalog
from seealike.catalog.opening import open
from seealike.catalog.options import IndexOptions
from seealike.catalog.session import opened_writer
from seealike.catalog.spaces.space import found_encoder, in_space, space_path
from seealike.errors import CatalogError, LostItemsError, StorageError, UsageError, known_member
from seealike.files import check_own_folder
from seealike.store import FileSystem, SqliteStore, WriterLock, inherit, read_manifest, succeed
from seealike.types import (
    EncoderIdentity,
    PathInput,
    Progress,
    ProgressCallback,
    Skipped,
    SkipReason,
    unwatched,
)
from seealike.vectors import VectorType

REINDEX_WAIT_S = 60.0  # for another writer, at the end: hours of work should not be for nothing
LAST_WAIT_S = 10.0
COPY = "copy"  # among the spaces; no space is called so, and none is opened under this name


@dataclass(frozen=True, slots=True)
class ReindexReport:
    """What ``reindex`` did. ``lost`` are the items whose pictures could not be encoded again.

    ``vectors_before`` and ``vectors`` are the numbers in which they were and are kept. ``swapped`` is false
    where the catalogue had this encoder and these numbers already.
    """

    items: int
    before: EncoderIdentity
    after: EncoderIdentity
    vectors_before: VectorType
    vectors: VectorType
    lost: tuple[Skipped, ...]
    generation: int
    took_s: float
    swapped: bool

    @property
    def encoded(self) -> bool:
        """Whether pictures were encoded again: else the vectors were made of those that there were."""
        return self.swapped and not _is_copied(self.before, self.after, self.vectors)


def reindex(
    path: PathInput,
    encoder: str | None = None,
    *,
    vectors: str | VectorType | None = None,
    drop_lost: bool = False,
    options: IndexOptions = IndexOptions(wait_s=REINDEX_WAIT_S),
    progress: ProgressCallback | None = None,
) -> ReindexReport:
    """Give every item of a catalogue a vector of another encoder, or keep its vectors in other numbers.

    Without an ``encoder`` it keeps its own, without ``vectors`` its numbers. From ``float16`` to ``int8`` no
    picture is read, and whoever writes waits. In every other case the pictures are encoded again, the old
    vectors answer until the last step, and it may be interrupted at any moment: the next call goes on.

    Ids, metadata, groups, the list of skipped files and the source stay; the generation grows. A ``Catalog``
    that was opened before finishes what it is at. Where the encoder is the same it goes on; otherwise it then
    raises ``ReplacedCatalogError``: open it again. Of the ``options`` those count that say how pictures are
    read, how long to wait for another writer at the end, and whether to do without a copy of the encoder
    (None: as the catalogue has its own now).

    Raises:
        NoCatalogError: there is no catalogue.
        UsageError: pictures must be encoded again, and the encoder is an object of yours.
        LostItemsError: some pictures cannot be read any more, and ``drop_lost`` was not given.
        CatalogBusyError: another process is writing.
        StorageError: the disk refused; the catalogue is as it was.
        UnknownNameError, UsageError, MissingExtraError, EncoderError: the encoder cannot be used.
    """
    refuse_address(path, "reindex the catalogue in its directory")
    kept = None if vectors is None else known_member(VectorType, vectors, "type of vectors")
    return move(
        path, encoder, options, files=FileSystem(), vectors=kept, drop_lost=drop_lost, progress=progress
    )


def move(
    path: PathInput,
    encoder: str | None,
    options: IndexOptions,
    *,
    files: FileSystem,
    vectors: VectorType | None = None,
    drop_lost: bool = False,
    progress: ProgressCallback | None = None,
) -> ReindexReport:
    """``reindex``, whose last steps are written by ``files``."""
    started = time.perf_counter()
    with open(path) as catalog:
        aim, before = _aim(catalog, encoder, vectors), (catalog.encoder, catalog.vector_type)
        if aim.needs_pictures(catalog):
            with in_space(catalog, aim.spec, options, vectors=aim.vectors, progress=progress):
                pass  # the long part, while others may still write
    lost: tuple[Skipped, ...] = ()
    lock = WriterLock(catalog.path)
    lock.acquire(options.wait_s)
    try:
        with open(path) as catalog:  # anew: meanwhile it may have changed, or moved to yet another encoder
            swapped = not aim.is_met_by(catalog)
            if swapped:
                lost = _swap(catalog, aim, options, drop_lost=drop_lost, files=files, progress=progress)
        _remove_unneeded(catalog.path, aim.vectors if swapped else None, files)
        EncoderCopies(catalog.path, files).remove_unneeded()
    finally:
        lock.release()
    with open(path) as moved:
        return ReindexReport(
            items=len(moved),
            before=before[0],
            after=aim.identity,
            vectors_before=before[1],
            vectors=aim.vectors,
            lost=lost,
            generation=moved.generation,
            took_s=time.perf_counter() - started,
            swapped=swapped,
        )


@dataclass(frozen=True, slots=True)
class _Aim:
    """What a catalogue is to have: an encoder, asked for by ``spec``, and numbers for its vectors."""

    spec: str
    identity: EncoderIdentity
    vectors: VectorType

    def is_met_by(self, catalog: Catalog) -> bool:
        return (self.identity, self.vectors) == (catalog.encoder, catalog.vector_type)

    def needs_pictures(self, catalog: Catalog) -> bool:
        copied = _is_copied(catalog.encoder, self.identity, self.vectors)
        return not copied and not self.is_met_by(catalog)


def _is_copied(before: EncoderIdentity, after: EncoderIdentity, vectors: VectorType) -> bool:
    """Whether the vectors that there are can become the new ones, as halves can become bytes."""
    return before == after and vectors is VectorType.INT8


def _aim(catalog: Catalog, encoder: str | None, vectors: VectorType | None) -> _Aim:
    vectors = vectors or catalog.vector_type
    if encoder is not None:
        return _Aim(*found_encoder(catalog, encoder), vectors)
    aim = _Aim(catalog.encoder_spec, catalog.encoder, vectors)
    if not aim.spec and aim.needs_pictures(catalog):
        raise UsageError(
            "the pictures must be encoded again, by an object of yours: make a new catalogue with it"
        )
    return aim


def _swap(
    catalog: Catalog,
    aim: _Aim,
    options: IndexOptions,
    *,
    drop_lost: bool,
    files: FileSystem,
    progress: ProgressCallback | None,
) -> tuple[Skipped, ...]:
    """Make the new vectors complete, and let them take the old ones' place."""
    if not aim.needs_pictures(catalog):
        with _copied(catalog.path, aim.vectors, files, progress or unwatched) as place:
            _take_over(catalog.path, place, files)
        return ()
    with in_space(catalog, aim.spec, options, vectors=aim.vectors) as space:  # what has come since
        lost = tuple(_lost(catalog, space))
    if lost and not drop_lost:
        raise LostItemsError(catalog.path, lost)
    place = space_path(catalog, aim.identity, aim.vectors)
    _take_over(catalog.path, place, files)
    shutil.rmtree(place, ignore_errors=True)
    return lost


def _take_over(directory: str, place: str, files: FileSystem) -> None:
    """Let the catalogue in ``directory`` have the database of the one at ``place``."""
    guard = WriterLock(place)
    guard.acquire(LAST_WAIT_S)
    try:
        with closing(SqliteStore(directory)) as old, closing(SqliteStore(place)) as new:
            inherit(old, new)
        succeed(directory, place, files)
        with closing(SqliteStore(directory)) as moved:
            ann.remove_leftovers(moved, files)  # the old database's approximate index
    finally:
        guard.release()


def _remove_unneeded(directory: str, vectors: VectorType | None, files: FileSystem) -> None:
    """Remove a copy that was cut off and, if ``vectors`` are given, the spaces that keep other numbers.

    Only folders, and none that somebody is writing. The caller holds the writer lock.
    """
    folder = os.path.join(directory, SPACES)
    try:
        check_own_folder(folder)
        places = [os.path.join(folder, name) for name in os.listdir(folder)]
    except (CatalogError, OSError):
        return
    for place in places:
        with suppress(CatalogError):
            check_own_folder(place)
            if os.path.basename(place) != COPY:
                if vectors in (None, read_manifest(place).vectors):
                    continue
                lock = WriterLock(place)
                lock.acquire(0.0)
                lock.release()
            files.remove_tree(place)


@contextmanager
def _copied(
    directory: str, vectors: VectorType, files: FileSystem, progress: ProgressCallback
) -> Iterator[str]:
    """The same items and vectors in a catalogue that keeps them in other numbers; it is gone afterwards.

    The caller holds the writer lock of the catalogue in ``directory``.
    """
    place = os.path.join(directory, SPACES, COPY)
    check_own_folder(os.path.dirname(place))
    files.make_directory(os.path.dirname(place))
    files.remove_tree(place)  # what was cut off
    try:
        with closing(SqliteStore(directory)) as old:
            spec = old.encoder_spec
            created = SqliteStore.create(place, old.identity, files, encoder_spec=spec, vectors=vectors)
            with closing(created) as new:
                _copy_rows(old, new, progress)
                with suppress(StorageError):  # a cache may be absent; the next change tries again
                    ann.refresh(new, files, partial(opened_writer, new), progress)
        yield place
    finally:
        files.remove_tree(place)


def _copy_rows(old: SqliteStore, new: SqliteStore, progress: ProgressCallback) -> None:
    done, total = 0, old.state().count
    with opened_writer(new) as writer:
        for items, rows in old.items_and_vectors():
            known = old.signatures_of([item.key for item in items])
            writer.add(
                [
                    item.as_new(row.tobytes(), known.get(item.key))
                    for item, row in zip(items, rows, strict=True)
                ]
            )
            done += len(items)
            progress(Progress("copy", done, total))


def _lost(catalog: Catalog, space: Catalog) -> Iterator[Skipped]:
    """The items that are not in the space, each with the reason why."""
    there = {item.id for item in space.items()}
    reasons = {row.id: row for row in space.skipped()}
    detail = "it was added without a file, so there is nothing to encode again"
    for item in catalog.items():
        if item.id not in there:
            unknown = Skipped(item.id, item.path or "", SkipReason.UNREADABLE, detail)
            yield reasons.get(item.id, unknown)
