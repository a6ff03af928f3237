"""The approximate index of a catalogue: when it is made, where it lies, when it is dropped.

The file is a cache. It is built aside, made durable, named after its content, and recorded in the database;
it is checked against the record before it is used, and exact search answers while there is none.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from seealike.catalog.options import AnnInfo
from seealike.indexes import SnapshotDamagedError, SnapshotRecord, build_snapshot, load_snapshot
from seealike.recommend import LoadedAnn
from seealike.store import FileSystem, SqliteStore, State, StoreWriter
from seealike.types import Progress

THRESHOLD = 30_000  # items; below, exact search is quick enough (docs/benchmarks.md)
STALE_SHARE = 0.2  # of the snapshot: so many newer or deleted items call for a new one
PREFIX, SUFFIX = "ann-", ".faiss"


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


def load(directory: str, record: str) -> LoadedAnn | None:
    """Open the snapshot that ``record`` names, or ``None`` where it is missing or damaged."""
    try:
        named = _Named.from_text(record)
        index = load_snapshot(os.path.join(directory, named.file), named.snapshot)
    except SnapshotDamagedError:
        return None
    return LoadedAnn(index, named.snapshot.last_key)


def damage(directory: str, record: str) -> str | None:
    """What is wrong with the snapshot, or ``None``."""
    try:
        named = _Named.from_text(record)
        load_snapshot(os.path.join(directory, named.file), named.snapshot)
    except SnapshotDamagedError as exc:
        return exc.what
    return None


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


def refresh(
    store: SqliteStore, writer: StoreWriter, files: FileSystem, progress: Callable[[Progress], None]
) -> None:
    """Make the snapshot if the catalogue needs one and has none, or a stale or damaged one.

    The caller holds the writer lock.
    """
    remove_orphans(store, files)
    state = store.state()
    if state.count <= THRESHOLD:
        if state.ann is not None:
            drop(store, writer, files)
        return
    if state.ann is not None and _is_fresh(store.directory, state):
        return
    progress(Progress("ann", 0, state.count))
    _build(store, writer, files, state)
    progress(Progress("ann", state.count, state.count))


def drop(store: SqliteStore, writer: StoreWriter, files: FileSystem) -> None:
    """Forget the snapshot and remove its file."""
    writer.set_ann(None)
    remove_orphans(store, files)


def remove_orphans(store: SqliteStore, files: FileSystem) -> None:
    """Remove snapshot files that no record names (left by a crash between the file and its record)."""
    record = store.state().ann
    current = None if record is None else record.partition("\n")[0]
    for name in os.listdir(store.directory):
        if name.startswith(PREFIX) and name.endswith(SUFFIX) and name != current:
            files.remove(os.path.join(store.directory, name))


def _is_fresh(directory: str, state: State) -> bool:
    """Whether the file is what was written, and covers most of what is in the catalogue."""
    if state.ann is None or damage(directory, state.ann) is not None:
        return False
    snapshot = _Named.from_text(state.ann).snapshot
    newer = state.last_key - snapshot.last_key
    dead = snapshot.count + newer - state.count
    return newer + max(0, dead) <= STALE_SHARE * snapshot.count


def _build(store: SqliteStore, writer: StoreWriter, files: FileSystem, state: State) -> None:
    built: list[SnapshotRecord] = []
    generation = state.generation

    def final_name() -> str:
        return os.path.join(store.directory, f"{PREFIX}{generation}-{built[0].sha256[:16]}{SUFFIX}")

    target = os.path.join(store.directory, f"{PREFIX}new")
    with files.replacing(target, final_name, follow=False) as temporary:
        built.append(
            build_snapshot(
                store.vector_blocks, count=state.count, dimension=store.identity.dimension, path=temporary
            )
        )
    writer.set_ann(_Named(os.path.basename(final_name()), built[0]).to_text())
    remove_orphans(store, files)
