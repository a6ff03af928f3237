"""Signatures for items that have none: those of an earlier version, or of an embedder that makes none.

Their pictures are decoded, and not encoded. Every commit is complete in itself, so a run may die at any
moment.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from itertools import chain

from seealike.catalog.encoder.embedder import DECODE_BATCH, default_workers
from seealike.catalog.options import IndexOptions
from seealike.catalog.sync.job import COMMIT_ITEMS, COMMIT_S
from seealike.catalog.sync.sources import absolute_paths
from seealike.images import DecodedPicture, DecodeLimits, DecodePool, DecodeTask
from seealike.store import SqliteStore, StoredItem, StoreWriter
from seealike.store.writer import Change
from seealike.types import Progress, ProgressCallback, Signature


def sign_items(
    store: SqliteStore,
    writer: StoreWriter,
    sources: Sequence[int],
    options: IndexOptions,
    limits: DecodeLimits,
    progress: ProgressCallback,
) -> int:
    """Give the items of some sources, by their numbers, the signatures that they lack; how many got one.

    A picture that cannot be decoded now, or is not the one that was encoded, changes nothing: the next run
    tries it again.

    Raises:
        StorageError: the disk refused; what was committed before stays.
    """
    items = store.unsigned_items(sources)
    first = next(items, None)
    if first is None:
        return 0
    signing = _Signing(store, writer, progress)
    workers = options.workers or default_workers()
    with DecodePool(
        store.identity.preprocessing,
        workers=workers,
        batch_size=DECODE_BATCH,
        buffers=2 * workers + 1,
        limits=limits,
    ) as pool:
        try:
            for batch in pool.decode(signing.tasks(chain([first], items))):
                batch.release()
                signing.take(batch.pictures)
        finally:  # also when interrupted: what is decoded is worth keeping
            signing.commit()
    return signing.signed


class _Signing:
    """What has been signed in one run."""

    def __init__(self, store: SqliteStore, writer: StoreWriter, progress: ProgressCallback) -> None:
        state = store.state()
        self._writer, self._progress = writer, progress
        self._absolute = absolute_paths(store)
        self._asked: dict[int, StoredItem] = {}
        self._pending: list[tuple[int, Signature]] = []
        self._total = state.count - state.signed
        self._last_commit = time.monotonic()
        self.signed = 0

    def tasks(self, items: Iterator[StoredItem]) -> Iterator[DecodeTask]:
        """What is to be decoded for the items."""
        for item in items:
            path = self._absolute(item)
            if path is not None:
                self._asked[item.key] = item
                yield DecodeTask(item.key, path=path)

    def take(self, pictures: Sequence[DecodedPicture]) -> None:
        """Keep the signatures of pictures that are those of their items."""
        for picture in pictures:
            if _is_of(self._asked.pop(picture.token), picture):
                self._pending.append((picture.token, picture.signature))
        if len(self._pending) >= COMMIT_ITEMS or time.monotonic() - self._last_commit > COMMIT_S:
            self.commit()

    def commit(self) -> None:
        """Write what is kept."""
        pending, self._pending = self._pending, []
        self._last_commit = time.monotonic()
        if not pending:
            return

        def apply(change: Change) -> None:
            for key, signature in pending:
                change.sign(key, signature)

        self._writer.rewrite(apply)
        self.signed += len(pending)
        self._progress(Progress("signatures", self.signed, self._total))


def _is_of(item: StoredItem, picture: DecodedPicture) -> bool:
    """Whether a file is still the picture that an item was made of; of those added by hand its size tells."""
    if item.sha256 is not None:
        return item.sha256 == picture.sha256
    return (item.width_px, item.height_px) == (picture.width_px, picture.height_px)
