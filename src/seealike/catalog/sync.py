"""Make the catalogue equal to its source: scan, compare, decode, encode, commit.

Every commit is durable and complete in itself, so a run may die at any moment: the next one compares again
and does what is left.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field, replace

import numpy as np

from seealike.catalog.options import IndexOptions
from seealike.catalog.pipeline import BATCHES_HELD, submitted
from seealike.errors import EncoderError
from seealike.images import DecodedBatch, DecodedPicture, DecodePool, DecodeTask
from seealike.protocols import Encoder, Source
from seealike.store import NewItem, SourceRecord, SqliteStore, Staging, StoredItem, StoreWriter
from seealike.store.staging import TRANSIENT_REASONS, ScanDiff, StagedItem
from seealike.store.writer import Change
from seealike.types import Float32Array, IndexReport, Progress, Skipped, SkipReason

ProgressCallback = Callable[[Progress], None]
COMMIT_ITEMS = 512
COMMIT_S = 2.0
MISSING_SHARE = 0.5
_HASH_BLOCK = 1 << 20


@dataclass(slots=True)
class _Counts:
    added: int = 0
    updated: int = 0
    moved: int = 0
    removed: int = 0
    unchanged: int = 0
    missing: int = 0


@dataclass(slots=True)
class _Pending:
    """What has been worked out since the last commit."""

    items: list[NewItem] = field(default_factory=list)
    touched: list[StoredItem] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    kept: list[Skipped] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.items) + len(self.touched) + len(self.skipped) + len(self.kept)


class SyncJob:
    """One run of ``index``."""

    def __init__(
        self,
        store: SqliteStore,
        writer: StoreWriter,
        source: Source,
        options: IndexOptions,
        progress: ProgressCallback,
    ) -> None:
        """Nothing is read or written yet."""
        self._store = store
        self._writer = writer
        self._source = source
        self._options = options
        self._progress = progress
        self._staging = Staging(writer.connection, store.database_path, source.root)
        self._counts = _Counts()
        self._pending = _Pending()
        self._staged: dict[int, StagedItem] = {}
        self._done = 0
        self._total = 0
        self._last_commit = 0.0

    def run(self, open_pipeline: Callable[[], tuple[DecodePool, Encoder]]) -> IndexReport:
        """Do it.

        Args:
            open_pipeline: called once, only if there are pictures to decode.

        Raises:
            SourceError: the source cannot be read.
            StorageError: the disk refused; what was committed before stays.
        """
        started = time.perf_counter()
        for count in self._staging.load(self._source.scan()):
            self._progress(Progress("scan", count, None))
        self._find_moves()
        diff = self._staging.diff()
        gone = self._settle_counts(diff)
        if self._options.dry_run:
            return self._report(started, self._forecast(diff))
        self._apply_known(gone)
        self._total = diff.to_read - self._counts.moved
        if self._total:
            self._read_pictures(*open_pipeline())
        return self._report(started, self._store.skipped())

    # -- comparing ---------------------------------------------------------------------------------

    def _find_moves(self) -> None:
        for staged in self._staging.move_candidates():
            digest = _hash_file(staged.path)
            if digest is not None:
                self._staging.claim_move(staged, digest)

    def _settle_counts(self, diff: ScanDiff) -> list[str]:
        gone = self._staging.gone_ids()
        self._counts.moved = diff.gone - len(gone)
        self._counts.unchanged = diff.unchanged
        self._counts.updated = diff.relabelled
        if gone and len(gone) > MISSING_SHARE * diff.managed and not self._options.prune_missing:
            self._counts.missing = len(gone)
            return []
        self._counts.removed = len(gone)
        return gone

    def _forecast(self, diff: ScanDiff) -> list[Skipped]:
        changed = sum(1 for staged in self._staging.to_read() if staged.known)
        self._counts.updated += changed
        self._counts.added = diff.to_read - changed - self._counts.moved
        stale = {(item_id, os.fsdecode(path)) for item_id, path in self._staging.stale_skips()}
        kept = [row for row in self._store.skipped() if (row.id, row.path) not in stale]
        return sorted({*kept, *self._staging.refused_anew()}, key=lambda row: (row.id, row.path))

    def _apply_known(self, gone: list[str]) -> None:
        """Everything that needs no picture, in one transaction; none at all where nothing changed."""
        moves = self._staging.moves()
        relabelled = self._staging.relabelled()
        stale, refused = self._staging.stale_skips(), self._staging.refused_anew()
        source = self._source_record()
        known_source = self._store.state().source
        stranded = self._stranded(known_source) if self._counts.missing else []
        if not (moves or relabelled or gone or stale or refused or source != known_source):
            return

        def apply(change: Change) -> None:
            change.remove_ids(gone)
            for item in stranded:
                change.update(item)
            for staged, item in (*moves, *relabelled):
                change.update(_as_staged(item, staged, self._staging.relative(staged.path)))
            change.unskip(stale)
            change.skip(refused, "scan")
            change.source = source

        self._writer.rewrite(apply)

    def _stranded(self, old: SourceRecord | None) -> list[StoredItem]:
        """Items that stay although the source is another one now, with paths that still lead somewhere."""
        if old is None or old.root == self._source.root:
            return []
        items = filter(None, map(self._store.item, self._staging.gone_ids()))
        old_root = os.fsencode(old.root)
        return [
            replace(item, path=os.path.join(old_root, item.path)) for item in items if item.path is not None
        ]

    def _source_record(self) -> SourceRecord:
        root, directory = self._source.root, os.path.abspath(self._store.directory)
        inside = os.path.commonpath([root, directory]) == root if _same_drive(root, directory) else False
        relative = os.path.relpath(root, directory) if inside else None
        label = os.fsencode(self._source.label).decode("utf-8", "backslashreplace")
        return SourceRecord(label=label, root=root, relative_root=relative)

    # -- reading pictures --------------------------------------------------------------------------

    def _read_pictures(self, pool: DecodePool, encoder: Encoder) -> None:
        under_way: deque[tuple[DecodedBatch, list[Future[Float32Array]]]] = deque()
        self._last_commit = time.monotonic()
        self._progress(Progress("index", 0, self._total))
        try:
            for batch in pool.decode(self._tasks()):
                self._take_undecoded(batch)
                under_way.append((batch, submitted(encoder, batch)))
                while under_way and (
                    len(under_way) > BATCHES_HELD or all(future.done() for future in under_way[0][1])
                ):
                    self._take_vectors(encoder, *under_way.popleft())
                self._commit_if_due()
            while under_way:
                self._take_vectors(encoder, *under_way.popleft())
        finally:  # also when interrupted: what is encoded is worth keeping
            self._commit()

    def _tasks(self) -> Iterator[DecodeTask]:
        for token, staged in enumerate(self._staging.to_read()):
            self._staged[token] = staged
            known = staged.known.sha256 if staged.known else None
            yield DecodeTask(token=token, path=staged.path, known_sha256=known)

    def _take_undecoded(self, batch: DecodedBatch) -> None:
        for same in batch.same:
            staged = self._staged.pop(same.token)
            if staged.known is None:  # never: a hash is only compared with a known item's
                raise AssertionError(staged.id)
            item = _as_staged(staged.known, staged, self._staging.relative(staged.path))
            relabelled = (item.group, item.metadata_json) != (staged.known.group, staged.known.metadata_json)
            self._counts.updated += relabelled
            self._counts.unchanged += not relabelled
            item = replace(item, size_bytes=same.size_bytes, mtime_ns=same.mtime_ns)
            self._pending.touched.append(item)
        for failure in batch.failures:
            staged = self._staged.pop(failure.token)
            self._refuse(staged, failure.reason, failure.detail)

    def _take_vectors(
        self, encoder: Encoder, batch: DecodedBatch, futures: list[Future[Float32Array]]
    ) -> None:
        if not futures:
            batch.release()
            return
        try:
            vectors = np.concatenate([future.result() for future in futures])
        except EncoderError:
            vectors = self._one_by_one(encoder, batch)
        finite = np.atleast_1d(np.isfinite(vectors).all(axis=1))
        packed = vectors.astype(np.float16)
        for row, picture in enumerate(batch.pictures):
            staged = self._staged.pop(picture.token, None)
            if staged is None:  # refused one by one
                continue
            if not finite[row]:
                self._refuse(
                    staged, SkipReason.NON_FINITE_VECTOR, "the encoder gave a vector with NaN or infinity"
                )
                continue
            self._counts.added += staged.known is None
            self._counts.updated += staged.known is not None
            self._pending.items.append(self._new_item(staged, picture, packed[row].tobytes()))
        batch.release()

    def _one_by_one(self, encoder: Encoder, batch: DecodedBatch) -> Float32Array:
        """After a failed batch: find the pictures that the encoder cannot take, and keep the others."""
        vectors = np.zeros((len(batch.pictures), encoder.identity.dimension), dtype=np.float32)
        for row, picture in enumerate(batch.pictures):
            try:
                vectors[row] = encoder.encode(batch.pixels[row : row + 1])[0]
            except EncoderError as exc:
                self._refuse(self._staged.pop(picture.token), SkipReason.ENCODER_FAILED, str(exc))
        return vectors

    def _new_item(self, staged: StagedItem, picture: DecodedPicture, vector: bytes) -> NewItem:
        return NewItem(
            id=staged.id,
            path=self._staging.relative(staged.path),
            size_bytes=picture.size_bytes,
            mtime_ns=picture.mtime_ns,
            sha256=picture.sha256,
            group=staged.group,
            metadata_json=staged.metadata_json,
            width_px=picture.width_px,
            height_px=picture.height_px,
            managed=True,
            vector=vector,
        )

    def _refuse(self, staged: StagedItem, reason: SkipReason, detail: str) -> None:
        path = os.fsdecode(self._staging.relative(staged.path))
        row = Skipped(staged.id, path, reason, detail, staged.size_bytes, staged.mtime_ns)
        if staged.known is not None and reason in TRANSIENT_REASONS:
            self._pending.kept.append(row)
        else:
            self._pending.skipped.append(row)
            self._counts.removed += staged.known is not None

    # -- committing --------------------------------------------------------------------------------

    def _commit_if_due(self) -> None:
        due = time.monotonic() - self._last_commit > COMMIT_S
        if len(self._pending) >= COMMIT_ITEMS or (due and len(self._pending)):
            self._commit()

    def _commit(self) -> None:
        pending, self._pending = self._pending, _Pending()
        self._last_commit = time.monotonic()
        if not len(pending):
            return

        def apply(change: Change) -> None:
            change.remove_ids([item.id for item in pending.items] + [row.id for row in pending.skipped])
            change.insert(pending.items)
            for item in pending.touched:
                change.update(item)
            change.unskip([(item.id, item.path) for item in pending.items], origin="decode")
            change.unskip([(item.id, item.path) for item in pending.touched], origin="decode")
            change.skip((*pending.skipped, *pending.kept), "decode")

        self._writer.rewrite(apply)
        self._done += len(pending)
        self._progress(Progress("index", self._done, self._total))

    def _report(self, started: float, skipped: list[Skipped]) -> IndexReport:
        counts = self._counts
        return IndexReport(
            added=counts.added,
            updated=counts.updated,
            moved=counts.moved,
            removed=counts.removed,
            unchanged=counts.unchanged,
            missing=counts.missing,
            skipped=tuple(replace(row, path=os.path.join(self._source.root, row.path)) for row in skipped),
            generation=self._store.state().generation,
            took_s=time.perf_counter() - started,
            dry_run=self._options.dry_run,
        )


def _as_staged(item: StoredItem, staged: StagedItem, path: bytes) -> StoredItem:
    """The stored item with everything the scan says about it; its picture, vector and key stay."""
    return replace(
        item,
        id=staged.id,
        path=path,
        size_bytes=staged.size_bytes,
        mtime_ns=staged.mtime_ns,
        group=staged.group,
        metadata_json=staged.metadata_json,
    )


def _same_drive(one: str, other: str) -> bool:
    return os.path.splitdrive(one)[0].lower() == os.path.splitdrive(other)[0].lower()


def _hash_file(path: str) -> bytes | None:
    """SHA-256 of a regular file, or ``None`` where it cannot be read."""
    digest = hashlib.sha256()
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return None
            while block := file.read(_HASH_BLOCK):
                digest.update(block)
    except OSError:
        return None
    return digest.digest()
