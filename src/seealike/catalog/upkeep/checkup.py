"""Looking after a catalogue: what is in it, whether it is sound, and putting it right."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Mapping

import numpy as np

from seealike.catalog import ann
from seealike.catalog.encoder.at_hand import remembered_spec
from seealike.catalog.encoder.copies import EncoderCopies
from seealike.catalog.options import AnnInfo, CatalogInfo, Finding, SourceInfo, VerifyReport
from seealike.catalog.session import Current, reading_of, scale_of
from seealike.catalog.sync.sources import known_sources, layout_of
from seealike.catalog.upkeep import findings
from seealike.recommend import ATTEMPTS, Searcher, SearchOptions, StaleViewError, View
from seealike.store import FileSystem, SqliteStore, State, StoreWriter
from seealike.store.records import BY_HAND
from seealike.types import Float32Array, SkipReason

RECALL_K = 10


def describe(store: SqliteStore) -> CatalogInfo:
    """Gather what ``info`` tells; reads no vectors."""
    state = store.state()
    skips = store.skip_counts()
    reasons: Counter[SkipReason] = Counter()
    for (_, reason), count in skips.items():
        reasons[reason] += count
    sources = _sources(store, state, skips)
    calibration = scale_of(store)
    return CatalogInfo(
        path=store.directory,
        items=state.count,
        skipped=sum(reasons.values()),
        generation=state.generation,
        encoder=store.identity,
        sources=sources,
        by_hand=dict(state.counts).get(BY_HAND, 0),
        size_bytes=_directory_size(store.directory),
        vectors=store.vector_type,
        vector_bytes=store.vector_type.bytes_of(store.identity.dimension),
        ann=_ann_info(store, state),
        encoder_place=EncoderCopies(store.directory).place_of(store.identity, store.encoder_spec),
        skipped_by_reason=dict(sorted(reasons.items())),
        calibration=calibration,
        changed_since=0 if calibration is None else calibration.changes_since(state.count, state.last_key),
    )


def described_sources(store: SqliteStore) -> tuple[SourceInfo, ...]:
    """The sources, in the order in which they came, with counts."""
    return _sources(store, store.state(), store.skip_counts())


def _sources(
    store: SqliteStore, state: State, skips: Mapping[tuple[int, SkipReason], int]
) -> tuple[SourceInfo, ...]:
    items = dict(state.counts)
    return tuple(
        SourceInfo(
            label=source.label,
            place=source.spec,
            root=source.root,
            prefix=source.prefix,
            columns=layout.columns,
            encoding=layout.encoding,
            items=items.get(source.number, 0),
            skipped=sum(count for (number, _), count in skips.items() if number == source.number),
            missing=source.missing,
        )
        for source in known_sources(store.directory, state)
        for layout in [layout_of(source)]
    )


def verify(current: Current, sample: int) -> VerifyReport:
    """Check everything, change nothing. Others may write meanwhile: what they do is no damage."""
    while True:
        store, searcher = current.reading()
        found = [
            *findings.of_pages(store),
            *(finding for finding, _ in findings.of_rows(store)),
            *(finding for finding, _ in findings.of_signatures(store)),
            *(finding for finding, _ in findings.of_skips(store)),
            *findings.of_calibration(store),
            *findings.of_snapshot(store),
            *EncoderCopies(store.directory).findings(store.identity),
        ]
        if not found or store.is_current():  # or half of them are of another database
            break
    recall, measured = (None, 0) if found else _measured_recall(store, searcher, sample)
    return VerifyReport(store.state().count, tuple(found), recall, measured)


def ann_recall(directory: str, sample: int) -> tuple[float | None, int]:
    """Recall@10 of approximate search in a catalogue, and on how many items; ``None``, 0: it is exact.

    Unlike ``verify`` it looks for no damage; a sample's neighbours are all that is compared.
    """
    store = SqliteStore(directory)
    try:
        return _measured_recall(*reading_of(store), sample)
    finally:
        store.close()


def repair(
    store: SqliteStore, searcher: Searcher, writer: StoreWriter, files: FileSystem, sample: int
) -> VerifyReport:
    """Check everything and put right what can be. The caller holds the writer lock."""
    ann.remove_leftovers(store, files)
    found = findings.of_pages(store)
    for finding, keys in list(findings.of_rows(store)):
        writer.rewrite(lambda change, keys=keys: change.remove_keys(keys))  # type: ignore[misc]
        found.append(Finding(finding.file, finding.what, repaired=True))
    for finding, key in list(findings.of_signatures(store)):
        writer.rewrite(lambda change, key=key: change.unsign(key))  # type: ignore[misc]
        found.append(Finding(finding.file, finding.what, repaired=True))
    for finding, (source, *name) in findings.of_skips(store):
        writer.rewrite(lambda change, source=source, name=name: change.unskip(source, [name]))  # type: ignore[misc]
        found.append(Finding(finding.file, finding.what, repaired=True))
    for finding in findings.of_calibration(store):
        writer.set_calibration(None)
        found.append(Finding(finding.file, f"{finding.what}: forgotten", repaired=True))
    writer.recount()
    broken = findings.of_snapshot(store)
    if broken:
        ann.drop(store, writer, files)
        found += [Finding(finding.file, finding.what, repaired=True) for finding in broken]
    copies = EncoderCopies(store.directory, files)
    found += copies.repair(store.identity, remembered_spec(store))
    copies.remove_unneeded()
    ann.refresh(store, files, lambda: contextlib.nullcontext(writer), lambda _: None)
    recall, measured = _measured_recall(store, searcher, sample)
    return VerifyReport(store.state().count, tuple(found), recall, measured)


def _measured_recall(store: SqliteStore, searcher: Searcher, sample: int) -> tuple[float | None, int]:
    """Recall@10 of what a search answers against exhaustive search, on items drawn evenly."""
    after = -1
    for _ in range(ATTEMPTS):
        view = searcher.view(after=after)
        after = view.generation
        with contextlib.suppress(StaleViewError):
            return _measured_once(store, searcher, view, sample)
    raise StaleViewError


def _measured_once(
    store: SqliteStore, searcher: Searcher, view: View, sample: int
) -> tuple[float | None, int]:
    if view.ann is None or not sample or not len(view):
        return None, 0
    keys = view.keys[np.unique(np.linspace(0, len(view) - 1, min(sample, len(view))).astype(np.int64))]
    found, vectors = store.vectors_of([int(key) for key in keys])
    searcher.check_all_there(view, len(found), len(keys))
    queries: Float32Array = vectors.astype(np.float32)
    k = min(RECALL_K, len(view))
    exact = searcher.rank(view, queries, k, options=SearchOptions(exact=True))
    approximate = searcher.rank(view, queries, k)
    hits = 0
    for (_, truth), (_, answer) in zip(exact, approximate, strict=True):
        worst = np.sort(truth)[-k]
        hits += min(k, int((answer >= worst).sum()))
    return hits / (k * len(queries)), len(queries)


def _ann_info(store: SqliteStore, state: State) -> AnnInfo:
    if state.ann is None:
        return AnnInfo("none" if state.count <= ann.THRESHOLD else "missing")
    return ann.describe(store, state)


def _directory_size(directory: str) -> int:
    total = 0
    for folder, _, names in os.walk(directory):
        for name in names:
            try:
                total += os.stat(os.path.join(folder, name), follow_symlinks=False).st_size
            except OSError:
                continue
    return total
