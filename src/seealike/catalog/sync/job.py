"""Make the catalogue equal to its source: scan, compare, decode, encode, commit.

Every commit is durable and complete in itself, so a run may die at any moment: the next one compares again
and does what is left.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from itertools import chain
from operator import attrgetter

import numpy as np

from seealike.catalog.encoder.embedder import default_workers
from seealike.catalog.options import SKIPPED_REPORTED, IndexOptions
from seealike.catalog.sync.moves import digests
from seealike.catalog.sync.sources import (
    AskedSource,
    found_again,
    known_sources,
    recorded,
    resolved,
)
from seealike.images import DecodeLimits
from seealike.objects import place_in
from seealike.protocols import Embedder
from seealike.store import NewItem, SourceRecord, SqliteStore, Staging, StoredItem, StoreWriter
from seealike.store.staging import ScanDiff, StagedItem
from seealike.store.writer import Change, Edit
from seealike.types import (
    LIMIT_REASONS,
    TRANSIENT_REASONS,
    Embedded,
    IndexReport,
    Picture,
    Progress,
    ProgressCallback,
    Refused,
    SameFile,
    Skipped,
    SkipReason,
    SourceItem,
)

COMMIT_ITEMS = 512
COMMIT_S = 2.0
MISSING_SHARE = 0.5


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
    """One run of ``index`` over one source."""

    def __init__(
        self,
        store: SqliteStore,
        writer: StoreWriter,
        asked: AskedSource,
        options: IndexOptions,
        limits: DecodeLimits,
        progress: ProgressCallback,
    ) -> None:
        """Nothing is read or written yet."""
        self._store = store
        self._writer = writer
        self._asked = asked
        self._options = options
        self._progress = progress
        self._limits = limits
        self._source, self._known = self._recorded(asked)
        self._old_root = resolved(self._known, store.directory).root if self._known else None
        then = _limits_of(self._source)
        raised = any(getattr(self._limits, name) > before for name, before in asdict(then).items())
        again = TRANSIENT_REASONS | (LIMIT_REASONS if raised else frozenset())
        # While it is under way files are refused by the new limits or were by the old ones: the lower tell.
        self._source = replace(self._source, limits=_said(_lower(then, self._limits)))
        others = [source.number for source in store.state().sources]
        self._staging = Staging(writer.connection, store.database_path, self._source, again, others)
        self._counts = _Counts()
        self._pending = _Pending()
        self._staged: dict[int, StagedItem] = {}
        self._done = 0
        self._total = 0
        self._last_commit = 0.0

    @property
    def source(self) -> int:
        """The number of the source."""
        return self._source.number

    def run(self, embedder: Embedder) -> IndexReport:
        """Do it.

        Args:
            embedder: used only if there are pictures to read.

        Raises:
            SourceError: the source cannot be read.
            StorageError: the disk refused; what was committed before stays.
        """
        started = time.perf_counter()
        for count in self._staging.load(self._entries()):
            self._progress(Progress("scan", count, None))
        self._find_moves()
        diff = self._staging.diff()
        self._settle_counts(diff)
        if self._options.dry_run:
            self._foresee(diff)
            return self._report(started, diff, self._foreseen_skips())
        self._apply_known()
        self._total = diff.to_read - self._counts.moved
        if self._total:
            self._read_pictures(embedder)
        self._note_limits()
        skipped = (row for source, row in self._store.skipped() if source == self._source.number)
        return self._report(started, diff, skipped)

    # -- comparing ---------------------------------------------------------------------------------

    def _recorded(self, asked: AskedSource) -> tuple[SourceRecord, SourceRecord | None]:
        """What is to be remembered of the source, and what was."""
        directory, state = self._store.directory, self._store.state()
        before = found_again(asked, known_sources(directory, state))
        used = {0, *(source.number for source in state.sources), *dict(state.counts)}  # or its record is lost
        number = before.number if before else 1 + max(used)
        record = recorded(asked, directory, before, number)
        if self._options.prefix is not None:
            record = replace(record, prefix=self._options.prefix)
        return record, state.source(number)

    def _note_limits(self) -> None:
        """Remember what pictures could cost, now that all of them were tried."""
        if _said(self._limits) != self._source.limits:
            self._source = replace(self._source, limits=_said(self._limits))
            self._writer.rewrite(lambda change: change.put_source(self._source))

    def _entries(self) -> Iterable[SourceItem | Skipped]:
        entries, prefix = self._asked.source.scan(), self._source.prefix
        return (replace(entry, id=prefix + entry.id) for entry in entries) if prefix else entries

    def _find_moves(self) -> None:
        total = self._staging.count_move_candidates()
        workers = self._options.workers or default_workers()
        pairs = digests(self._staging.move_candidates(), lambda staged: staged.path, workers)
        for done, (staged, digest) in enumerate(pairs, 1):
            if digest is not None:
                self._staging.claim_move(staged, digest)
            self._progress(Progress("compare", done, total))

    def _settle_counts(self, diff: ScanDiff) -> None:
        """Decide what becomes of the items that are gone: they go, or all of them stay."""
        self._counts.moved = self._staging.count_moved()
        self._counts.unchanged = diff.unchanged
        self._counts.updated = diff.relabelled
        gone = diff.gone - self._counts.moved
        many = gone > MISSING_SHARE * diff.looked_for
        if gone and (many or self._source.missing) and not self._options.prune_missing:
            self._counts.missing = gone
        else:
            self._counts.removed = gone
        self._source = replace(self._source, missing=self._counts.missing)

    def _foresee(self, diff: ScanDiff) -> None:
        """Count what a run would do, as far as that can be told without opening a picture."""
        changed = sum(1 for staged in self._staging.to_read() if staged.known)
        self._counts.updated += changed
        self._counts.added = diff.to_read - changed - self._counts.moved

    def _foreseen_skips(self) -> Iterator[Skipped]:
        number, stale = self._source.number, set(self._staging.stale_skips())
        for source, row in self._store.skipped():
            if source == number and (row.id, os.fsencode(row.path)) not in stale:
                yield row
        yield from self._staging.refused_anew()

    def _apply_known(self) -> None:
        """Everything that needs no picture; no transaction at all where nothing changed.

        One transaction, or several small ones: each leaves a catalogue that the next run can go on from.
        """
        self._writer.in_parts(self._known_changes())

    def _known_changes(self) -> Iterator[Edit]:
        number, staging = self._source.number, self._staging
        if self._old_root not in (None, self._source.root):
            yield from map(self._unrooted, staging.items())
        if self._source != self._known:
            yield lambda change: change.put_source(self._source)
        if self._counts.removed:
            yield from (partial(Change.remove_ids, ids=[item_id]) for item_id in staging.gone_ids())
        for staged, item in chain(staging.moves(), staging.relabelled()):
            yield partial(Change.update, item=_as_staged(item, staged, staging.relative(staged.path), number))
        for name in staging.stale_skips():
            yield partial(Change.unskip, source=number, names=[name])
        for row in staging.refused_anew():
            yield partial(Change.skip, source=number, skipped=[row], origin="scan")

    def _unrooted(self, item: StoredItem) -> Edit:
        """What keeps a path leading where it led, whichever root it will be relative to."""
        if item.path is not None and self._old_root is not None:
            item = replace(item, path=os.path.join(os.fsencode(self._old_root), item.path))
        return partial(Change.update, item=item)

    # -- reading pictures --------------------------------------------------------------------------

    def _read_pictures(self, embedder: Embedder) -> None:
        self._last_commit = time.monotonic()
        self._progress(Progress("index", 0, self._total))
        try:
            with closing(embedder.embed(self._pictures())) as outcomes:
                for outcome in outcomes:
                    self._take(self._staged.pop(outcome.token), outcome)
                    self._commit_if_due()
        finally:  # also when interrupted: what is encoded is worth keeping
            self._commit()

    def _pictures(self) -> Iterator[Picture]:
        for token, staged in enumerate(self._staging.to_read()):
            self._staged[token] = staged
            yield Picture(token, staged.path, known_sha256=staged.known.sha256 if staged.known else None)

    def _take(self, staged: StagedItem, outcome: Embedded | SameFile | Refused) -> None:
        if isinstance(outcome, Refused):
            self._refuse(staged, outcome.reason, outcome.detail)
        elif isinstance(outcome, SameFile):
            self._take_same(staged, outcome)
        else:
            self._counts.added += staged.known is None
            self._counts.updated += staged.known is not None
            self._pending.items.append(self._new_item(staged, outcome))

    def _take_same(self, staged: StagedItem, same: SameFile) -> None:
        if staged.known is None:  # never: a hash is only compared with a known item's
            raise AssertionError(staged.id)
        place = self._staging.relative(staged.path)
        item = _as_staged(staged.known, staged, place, self._source.number)
        relabelled = (item.group, item.metadata_json) != (staged.known.group, staged.known.metadata_json)
        self._counts.updated += relabelled
        self._counts.unchanged += not relabelled
        self._pending.touched.append(replace(item, size_bytes=same.size_bytes, mtime_ns=same.mtime_ns))

    def _new_item(self, staged: StagedItem, picture: Embedded) -> NewItem:
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
            source=self._source.number,
            vector=picture.vector.astype(np.float16).tobytes(),
            signature=picture.signature,
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
            number = self._source.number
            change.unskip(number, [(item.id, item.path) for item in pending.items], origin="decode")
            change.unskip(number, [(item.id, item.path) for item in pending.touched], origin="decode")
            change.skip(number, (*pending.skipped, *pending.kept), "decode")

        self._writer.rewrite(apply)
        self._done += len(pending)
        self._progress(Progress("index", self._done, self._total))

    def _report(self, started: float, diff: ScanDiff, skipped: Iterable[Skipped]) -> IndexReport:
        counts = self._counts
        reasons: Counter[SkipReason] = Counter()
        first: list[Skipped] = []
        for row in skipped:
            reasons[row.reason] += 1
            if len(first) < SKIPPED_REPORTED:
                first.append(replace(row, path=place_in(self._source.root, row.path)))
        return IndexReport(
            added=counts.added,
            updated=counts.updated,
            moved=counts.moved,
            removed=counts.removed,
            unchanged=counts.unchanged,
            missing=counts.missing,
            offered=diff.offered + diff.refused,
            skipped=tuple(sorted(first, key=attrgetter("id", "path"))),
            skipped_by_reason=dict(sorted(reasons.items())),
            generation=self._store.state().generation,
            took_s=time.perf_counter() - started,
            dry_run=self._options.dry_run,
        )


def _limits_of(source: SourceRecord) -> DecodeLimits:
    return DecodeLimits(**json.loads(source.limits)) if source.limits else DecodeLimits()


def _said(limits: DecodeLimits) -> str:
    return "" if limits == DecodeLimits() else json.dumps(asdict(limits))


def _lower(one: DecodeLimits, other: DecodeLimits) -> DecodeLimits:
    least = {name: min(value, getattr(other, name)) for name, value in asdict(one).items()}
    return DecodeLimits(**least)


def _as_staged(item: StoredItem, staged: StagedItem, path: bytes, source: int) -> StoredItem:
    """The stored item with everything the scan says about it; its picture, vector and key stay."""
    return replace(
        item,
        id=staged.id,
        path=path,
        size_bytes=staged.size_bytes,
        mtime_ns=staged.mtime_ns,
        group=staged.group,
        metadata_json=staged.metadata_json,
        source=source,
    )
