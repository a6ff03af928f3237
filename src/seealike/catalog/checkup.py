"""Looking after a catalogue: what is in it, whether it is sound, and putting it right."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator

import numpy as np

from seealike.catalog import ann
from seealike.catalog.known_sources import known_sources
from seealike.catalog.options import AnnInfo, CatalogInfo, Finding, SourceInfo, VerifyReport
from seealike.errors import DamagedCatalogError
from seealike.recommend import Searcher
from seealike.store import FileSystem, SqliteStore, State, StoredItem, StoreWriter, schema
from seealike.store.records import ITEM_COLUMNS, SKIPPED_COLUMNS, is_whole_vector, skipped_checksum
from seealike.store.writer import counted, read_state
from seealike.types import Float32Array

RECALL_K = 10


def describe(store: SqliteStore) -> CatalogInfo:
    """Gather what ``info`` tells; reads no vectors."""
    state = store.state()
    reasons = store.skip_counts()
    sources = described_sources(store)
    return CatalogInfo(
        path=store.directory,
        items=state.count,
        skipped=sum(reasons.values()),
        generation=state.generation,
        encoder=store.identity,
        sources=sources,
        by_hand=state.count - sum(source.items for source in sources),
        size_bytes=_directory_size(store.directory),
        ann=_ann_info(store, state),
        skipped_by_reason=reasons,
    )


def described_sources(store: SqliteStore) -> tuple[SourceInfo, ...]:
    """The sources, in the order in which they came, with counts."""
    items, skipped = store.counts_by_source(), store.skipped_by_source()
    return tuple(
        SourceInfo(
            label=source.label,
            place=source.spec,
            root=source.root,
            prefix=source.prefix,
            items=items.get(source.number, 0),
            skipped=skipped.get(source.number, 0),
            missing=source.missing,
        )
        for source in known_sources(store.directory, store.state())
    )


def verify(store: SqliteStore, searcher: Searcher, sample: int) -> VerifyReport:
    """Check everything, change nothing."""
    findings = [
        *_page_findings(store),
        *(finding for finding, _ in _row_findings(store)),
        *(finding for finding, _ in _bad_skips(store)),
        *_ann_findings(store),
    ]
    recall, measured = (None, 0) if findings else _measured_recall(store, searcher, sample)
    return VerifyReport(store.state().count, tuple(findings), recall, measured)


def ann_recall(directory: str, sample: int) -> tuple[float | None, int]:
    """Recall@10 of approximate search in a catalogue, and on how many items; ``None``, 0: it is exact.

    Unlike ``verify`` it looks for no damage; a sample's neighbours are all that is compared.
    """
    store = SqliteStore(directory)
    try:
        searcher = Searcher(store, store.identity.dimension, lambda record: ann.load(directory, record))
        return _measured_recall(store, searcher, sample)
    finally:
        store.close()


def repair(
    store: SqliteStore, searcher: Searcher, writer: StoreWriter, files: FileSystem, sample: int
) -> VerifyReport:
    """Check everything and put right what can be. The caller holds the writer lock."""
    ann.remove_leftovers(store, files)
    findings = _page_findings(store)
    for finding, keys in list(_row_findings(store)):
        writer.rewrite(lambda change, keys=keys: change.remove_keys(keys))  # type: ignore[misc]
        findings.append(Finding(finding.file, finding.what, repaired=True))
    for finding, (source, *name) in _bad_skips(store):
        writer.rewrite(lambda change, source=source, name=name: change.unskip(source, [name]))  # type: ignore[misc]
        findings.append(Finding(finding.file, finding.what, repaired=True))
    writer.recount()
    broken = _ann_findings(store)
    if broken:
        ann.drop(store, writer, files)
        findings += [Finding(finding.file, finding.what, repaired=True) for finding in broken]
    ann.refresh(store, files, lambda: contextlib.nullcontext(writer), lambda _: None)
    recall, measured = _measured_recall(store, searcher, sample)
    return VerifyReport(store.state().count, tuple(findings), recall, measured)


def _page_findings(store: SqliteStore) -> list[Finding]:
    """What SQLite itself finds wrong with its file."""
    connection = schema.connect(store.database_path)
    try:
        with schema.translated(store.database_path):
            rows = connection.execute("PRAGMA integrity_check(5)").fetchall()
    except DamagedCatalogError as exc:
        return [Finding(store.database_path, exc.what)]
    finally:
        connection.close()
    return [Finding(store.database_path, str(row[0])) for row in rows if row[0] != "ok"]


def _row_findings(store: SqliteStore) -> Iterator[tuple[Finding, list[int]]]:
    """Rows that are not what was written, and rows without their other half, with the keys to remove."""
    connection = schema.connect(store.database_path)
    path = store.database_path
    try:
        with schema.translated(path):
            yield from _bad_rows(connection, path, store.identity.dimension)
    finally:
        connection.close()


def _bad_rows(
    connection: sqlite3.Connection, path: str, dimension: int
) -> Iterator[tuple[Finding, list[int]]]:
    for row in connection.execute(f"SELECT {ITEM_COLUMNS} FROM items ORDER BY key"):
        if StoredItem.from_row(row) is None:
            yield Finding(path, f"checksum of the row of item {row[1]!r}"), [row[0]]
    for key, data, crc in connection.execute("SELECT key, data, crc FROM vectors ORDER BY key"):
        if not is_whole_vector(key, data, crc, 2 * dimension):
            yield Finding(path, f"checksum of the vector with key {key}"), [key]
    for one, other in (("items", "vectors"), ("vectors", "items")):
        statement = f"SELECT key FROM {one} WHERE key NOT IN (SELECT key FROM {other}) ORDER BY key"
        for (key,) in connection.execute(statement):
            yield Finding(path, f"orphan in {one}: key {key} is not in {other}"), [key]
    state = read_state(connection)
    true = counted(connection, state)
    if true != state:
        found = f"{true.count} vectors and {true.skipped} skipped files"
        yield Finding(path, f"{found} where {state.count} and {state.skipped} were written, or others"), []


def _bad_skips(store: SqliteStore) -> list[tuple[Finding, tuple[int, str, bytes]]]:
    """Rows of the skipped list that are not what was written, with the names to take off it."""
    connection = schema.connect(store.database_path)
    try:
        with schema.translated(store.database_path):
            rows = connection.execute(f"SELECT {SKIPPED_COLUMNS} FROM skipped").fetchall()
    finally:
        connection.close()
    return [
        (Finding(store.database_path, f"checksum of the skipped file {row[1]!r}"), row[:3])
        for row in rows
        if skipped_checksum(row[:-1]) != row[-1]
    ]


def _ann_findings(store: SqliteStore) -> list[Finding]:
    record = store.state().ann
    if record is None:
        return []
    damage = ann.damage(store.directory, record)
    return [] if damage is None else [Finding(ann.file_of(store.directory, record), damage)]


def _measured_recall(store: SqliteStore, searcher: Searcher, sample: int) -> tuple[float | None, int]:
    """Recall@10 of what a search answers against exhaustive search, on items drawn evenly."""
    view = searcher.view()
    if view.ann is None or not sample or not len(view):
        return None, 0
    keys = view.keys[np.unique(np.linspace(0, len(view) - 1, min(sample, len(view))).astype(np.int64))]
    _, vectors = store.vectors_of([int(key) for key in keys])
    queries: Float32Array = vectors.astype(np.float32)
    k = min(RECALL_K, len(view))
    exact = searcher.rank(view, queries, k, exact=True)
    approximate = searcher.rank(view, queries, k)
    found = 0
    for (_, truth), (_, answer) in zip(exact, approximate, strict=True):
        worst = np.sort(truth)[-k]
        found += min(k, int((answer >= worst).sum()))
    return found / (k * len(queries)), len(queries)


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
