"""The approximate index of a catalogue: when it is made, where it lies, when it is dropped.

The file is a cache. It is built aside, made durable, named after its content, and recorded in the database;
it is checked against the record before it is used, and exact search answers while there is none.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np

from seealike.catalog.options import AnnInfo
from seealike.errors import StorageError
from seealike.indexes import (
    FaissProposer,
    SnapshotDamagedError,
    SnapshotRecord,
    VectorRows,
    build_snapshot,
    load_snapshot,
)
from seealike.store import FileSystem, SqliteStore, State, StoreWriter, builder_lock
from seealike.types import Float16Array, Int64Array, Progress, ProgressCallback

ATTEMPTS = 3  # to read one generation while others write; then the next change tries again
THRESHOLD = 20_000  # items; below, exact search is quick enough (docs/benchmarks.md)
STALE_SHARE = 0.2  # of the snapshot: so many newer or deleted items call for a new one
ROWS_LOOKED_AT = 1000  # of the snapshot, by every ``index``; ``verify`` looks at all
PREFIX, SUFFIX = "ann-", ".faiss"
Writing = Callable[[], AbstractContextManager[StoreWriter]]


class _ChangedError(Exception):
    """Items that were to be in the snapshot are gone."""


@dataclass(frozen=True, slots=True)
class _Named:
    """A snapshot's record and the file it speaks of."""

    file: str
    snapshot: SnapshotRecord

    def to_text(self) -> str:
        return f"{self.file}\n{self.snapshot.to_json()}"

    @classmethod
    def from_text(cls, text: str) -> _Named:
        file, _, record = text.partition("\n")
        if os.path.basename(file) != file or not file.startswith(PREFIX):
            raise SnapshotDamagedError("the snapshot's record", "no file name")
        return cls(file, SnapshotRecord.from_json(record))


def load(directory: str, record: str) -> tuple[FaissProposer, VectorRows | None] | None:
    """Open the snapshot that ``record`` names; ``None`` where it is missing or damaged."""
    try:
        named = _Named.from_text(record)
        return load_snapshot(os.path.join(directory, named.file), named.snapshot)
    except SnapshotDamagedError:
        return None


def damage(directory: str, record: str, *, rows: int | None = None, turn: int = 0) -> str | None:
    """What is wrong with the snapshot, or ``None``. Reads all, or fewer ``rows``: see ``VectorRows``."""
    try:
        named = _Named.from_text(record)
        _, vectors = load_snapshot(os.path.join(directory, named.file), named.snapshot)
        key = None if vectors is None else vectors.damaged(rows=rows, turn=turn)
    except SnapshotDamagedError as exc:
        return exc.what
    except OSError as exc:
        return exc.strerror or str(exc)
    return None if key is None else f"checksum of the vector with key {key}"


def file_of(directory: str, record: str) -> str:
    """The path of the snapshot's file."""
    return os.path.join(directory, record.partition("\n")[0])


def describe(store: SqliteStore, state: State) -> AnnInfo:
    """What ``info`` tells; reads only the record, the file's size and the number of newer items."""
    try:
        named = _Named.from_text(state.ann or "")
        size = os.lstat(os.path.join(store.directory, named.file)).st_size
    except (SnapshotDamagedError, OSError):
        return AnnInfo("missing")
    covered = named.snapshot.count
    tail = store.count_after(named.snapshot.last_key)
    ready = "ready" if size == named.snapshot.size_bytes else "missing"
    return AnnInfo(ready, covered, tail, named.snapshot.recall_at_10, size)


def is_due(store: SqliteStore) -> bool:
    """Whether ``refresh`` would do something, as far as the record and the file's size tell."""
    state = store.state()
    if state.count <= THRESHOLD:
        return state.ann is not None
    return not _covers_most(store.directory, state)


def refresh(store: SqliteStore, files: FileSystem, writing: Writing, progress: ProgressCallback) -> None:
    """Make the snapshot if the catalogue needs one and has none, or a stale or damaged one.

    It is built while others write: only the record needs the writer's lock, which ``writing`` takes. Nothing
    happens where another process is building already.
    """
    with builder_lock(store.directory) as alone:
        if not alone:
            return
        _remove_orphans(store, files)
        state = store.state()
        if state.count <= THRESHOLD:
            if state.ann is not None:
                with writing() as writer:
                    writer.set_ann(None)
                _remove_orphans(store, files)
            return
        if _covers_most(store.directory, state) and _looks_whole(store.directory, state):
            return
        for _ in range(ATTEMPTS):
            with contextlib.suppress(_ChangedError):
                _build(store, files, writing, progress)
                return


def _looks_whole(directory: str, state: State) -> bool:
    """Whether what is trusted is what was written; of the rows, which are checked when read, a few."""
    return damage(directory, state.ann or "", rows=ROWS_LOOKED_AT, turn=state.generation) is None


def drop(store: SqliteStore, writer: StoreWriter, files: FileSystem) -> None:
    """Forget the snapshot and remove its file."""
    writer.set_ann(None)
    remove_leftovers(store, files)


def remove_leftovers(store: SqliteStore, files: FileSystem) -> None:
    """Remove what writes and builds that were cut off have left, unless somebody is building right now.

    The caller holds the writer lock.
    """
    with builder_lock(store.directory) as alone:
        if alone:
            files.remove_leftovers(store.directory)
            _remove_orphans(store, files)


def _remove_orphans(store: SqliteStore, files: FileSystem) -> None:
    """Remove snapshot files that no record names (left by a crash between the file and its record)."""
    record = store.state().ann
    current = None if record is None else record.partition("\n")[0]
    for name in os.listdir(store.directory):
        if name.startswith(PREFIX) and name.endswith(SUFFIX) and name != current:
            files.remove(os.path.join(store.directory, name))


def _covers_most(directory: str, state: State) -> bool:
    """Whether there is a snapshot, of the right size, that covers most of what is in the catalogue."""
    try:
        named = _Named.from_text(state.ann or "")
        size = os.lstat(os.path.join(directory, named.file)).st_size
    except (SnapshotDamagedError, OSError):
        return False
    snapshot = named.snapshot
    newer = state.last_key - snapshot.last_key
    dead = snapshot.count + newer - state.count
    return size == snapshot.size_bytes and newer + max(0, dead) <= STALE_SHARE * snapshot.count


def _build(store: SqliteStore, files: FileSystem, writing: Writing, progress: ProgressCallback) -> None:
    """Build the snapshot of one generation, and record it unless somebody else has recorded one meanwhile.

    Raises:
        _ChangedError: items of that generation went away before they could be read as often as needed.
        StorageError: the disk refused; there is no more on it than before.
    """
    state, by_id = store.state_and_keys()
    keys = np.sort(by_id)
    built: list[SnapshotRecord] = []

    def final_name() -> str:
        return os.path.join(store.directory, f"{PREFIX}{state.generation}-{built[0].sha256[:16]}{SUFFIX}")

    progress(Progress("ann", 0, state.count))
    target = os.path.join(store.directory, f"{PREFIX}new")
    with files.replacing(target, final_name, follow=False) as temporary:
        built.append(
            build_snapshot(
                lambda: _blocks(store, keys),
                count=len(keys),
                dimension=store.identity.dimension,
                path=temporary,
                kept=store.vector_type,
            )
        )
    try:
        with writing() as writer:
            now = store.state()
            if now.ann == state.ann and now.generation >= state.generation:
                writer.set_ann(_Named(os.path.basename(final_name()), built[0]).to_text())
    except StorageError:
        files.remove(final_name())  # a full disk is to get back what a cache took
        raise
    _remove_orphans(store, files)
    progress(Progress("ann", state.count, state.count))


def _blocks(store: SqliteStore, keys: Int64Array) -> Iterator[tuple[Int64Array, Float16Array]]:
    """The vectors of ``keys``, ascending; others, which have come since, are left out."""
    done = 0
    for found, vectors in store.vector_blocks():
        keep = np.isin(found, keys[done : done + len(found)], assume_unique=True)
        end = done + int(keep.sum())
        if not np.array_equal(found[keep], keys[done:end]):
            raise _ChangedError
        if end > done:
            yield found[keep], vectors[keep]
        done = end
        if done == len(keys):
            return
    raise _ChangedError
