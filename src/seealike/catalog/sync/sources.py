"""The sources a catalogue is kept equal to: found again, told apart, and resolved to places on the disk.

A source that the catalogue lies in, or beside, may move together with it: then it is known by where it lies
seen from the catalogue, otherwise by its absolute place.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING

from seealike.catalog.options import SKIPPED_REPORTED, IndexOptions
from seealike.catalog.sync.shards import ShardSource
from seealike.errors import SourceError, UnreadSourcesError, UsageError
from seealike.objects import is_address, place_in
from seealike.protocols import Source
from seealike.shards import is_shards
from seealike.sources import AS_USUAL, TableLayout, has_wildcard, is_table_name, open_source
from seealike.store import SourceRecord, SqliteStore, State, StoreWriter
from seealike.store.records import BY_HAND
from seealike.store.writer import PART_EDITS, Change
from seealike.types import IndexReport, SkipReason

if TYPE_CHECKING:
    from seealike.recommend import ItemRow
    from seealike.types import PathInput

_SUMMED = ("added", "updated", "moved", "removed", "unchanged", "missing", "offered", "signed")


@dataclass(frozen=True, slots=True)
class AskedSource:
    """A source as a caller names it, opened. ``spec`` is its absolute place, empty for an object."""

    source: Source
    spec: str = ""
    layout: TableLayout = AS_USUAL


def resolved(record: SourceRecord, directory: str) -> SourceRecord:
    """The record with its places as they are now, seen from the catalogue in ``directory``."""
    here = os.path.abspath(directory)
    moved_alone = record.inside and not here.endswith(f"{os.sep}{record.inside}")
    if record.relative_root is None or moved_alone:
        return record

    def place(relative: str) -> str:
        return os.path.normpath(os.path.join(here, relative))

    spec = place(record.relative_spec) if record.relative_spec is not None else record.spec
    return replace(record, root=place(record.relative_root), spec=spec)


def known_sources(directory: str, state: State) -> tuple[SourceRecord, ...]:
    """All sources of the catalogue in ``directory``, their places as they are now."""
    return tuple(resolved(record, directory) for record in state.sources)


def source_roots(store: SqliteStore) -> dict[int, str]:
    """What stored paths are relative to, by the number of their source."""
    roots = {record.number: record.root for record in known_sources(store.directory, store.state())}
    return {**roots, BY_HAND: os.path.abspath(store.directory)}


def absolute_paths(store: SqliteStore) -> Callable[[ItemRow], str | None]:
    """What gives the absolute path of an item."""
    roots = source_roots(store)

    def absolute(row: ItemRow) -> str | None:
        root = roots.get(row.source)  # none where damage took the record of the source
        return None if row.path is None or root is None else place_in(root, os.fsdecode(row.path))

    return absolute


def asked_source(
    source: PathInput | Source, options: IndexOptions, known: Sequence[SourceRecord]
) -> AskedSource:
    """Open what a caller names; a known source from the same root and laid out as before, unless told else.

    Raises:
        SourceError: it cannot be read.
        UsageError: columns or an encoding for what is no table.
    """
    if not isinstance(source, str | os.PathLike):
        if options.columns or options.encoding:
            raise UsageError("columns and an encoding are for tables, which are named by their paths")
        return AskedSource(source)
    spec, root = absolute_spec(source), options.root
    before = next((record for record in known if _same_place(record.spec, spec)), None)
    layout = _layout(options, layout_of(before) if before else AS_USUAL)
    if before is not None:
        spec, root = before.spec, before.root if root is None else root
    if is_shards(spec):
        if layout != AS_USUAL:
            raise UsageError("columns and an encoding are for tables, not for shards")
        return AskedSource(ShardSource(os.fspath(source), root=root), spec)
    return AskedSource(open_source(before.spec if before else source, root=root, layout=layout), spec, layout)


def layout_of(record: SourceRecord) -> TableLayout:
    """How the table of a known source is to be read."""
    return TableLayout(**json.loads(record.layout)) if record.layout else AS_USUAL


def _layout(options: IndexOptions, before: TableLayout) -> TableLayout:
    """What was known of a table's layout, and what is told now, which wins."""
    encoding = before.encoding if options.encoding is None else options.encoding
    return TableLayout({**before.columns, **(options.columns or {})}, encoding)


def absolute_spec(source: PathInput) -> str:
    """The absolute place of a folder, table or pattern."""
    if not isinstance(source, str | os.PathLike):
        raise UsageError(f"a source is named by a text or a path, not {type(source).__name__}")
    named = os.fspath(source)
    if "\0" in named:
        raise SourceError("the name of a source cannot hold a NUL")
    return os.path.abspath(named) if named and not is_address(named) else named.rstrip("/")


def found_again(asked: AskedSource, known: Sequence[SourceRecord]) -> SourceRecord | None:
    """The record of a source, if the catalogue knows it.

    One that an early catalogue knows without its place is known by where its root and name say it lies, or
    where they do not say, by both together.
    """
    for record in known:
        if asked.spec and _same_place(_place_of(record), asked.spec):
            return record
    for record in known:
        placed = _place_of(record) if asked.spec else record.spec
        if not placed and (record.label, record.root) == (label_of(asked.source), asked.source.root):
            return record
    return None


def recorded(asked: AskedSource, directory: str, before: SourceRecord | None, number: int) -> SourceRecord:
    """What the catalogue in ``directory`` is to remember of a source from now on."""
    root, place = os.path.abspath(asked.source.root), os.path.abspath(directory)
    # What is reached through a link does not move together.
    inside = _holds(root, place) and _holds(os.path.realpath(root), os.path.realpath(place))
    relative_root = os.path.relpath(root, place) if inside else None
    relative_spec = os.path.relpath(asked.spec, place) if inside and _holds(root, asked.spec) else None
    return replace(
        before or SourceRecord(number, "", ""),
        label=before.label if before else label_of(asked.source),
        root=root,
        relative_root=relative_root,
        inside=os.path.relpath(place, root) if inside else "",
        spec=asked.spec,
        relative_spec=relative_spec,
        layout="" if asked.layout == AS_USUAL else json.dumps(asdict(asked.layout)),
    )


def named_source(name: PathInput, known: Sequence[SourceRecord]) -> SourceRecord:
    """The known source that people call ``name``: by its place, or by its label.

    Raises:
        SourceError: there is none, or several; the message lists them.
    """
    spec, label = absolute_spec(name), os.fspath(name)
    labels = {label, label.rstrip("/" + os.sep) + "/"}
    found = [record for record in known if _same_place(_place_of(record), spec)]
    if not found and not os.path.lexists(spec):  # what lies there is another one
        found = [record for record in known if record.label in labels]
    if len(found) == 1:
        return found[0]
    listed = ", ".join(record.spec or record.label for record in known) or "it has none"
    what = "several sources are" if found else "no source of the catalogue is"
    raise SourceError(f"{what} called {label}; its sources: {listed}")


def place_to_open(record: SourceRecord) -> str:
    """What opens a known source again.

    Raises:
        SourceError: it was an object, or its place is not known.
    """
    if place := _place_of(record):
        return place
    raise SourceError(
        f"where the source {record.label} lies is not known; name it, `seealike index SOURCE`, or drop it, "
        f"`seealike index --forget {record.label}`"
    )


def _place_of(record: SourceRecord) -> str:
    """Where a source lies: as recorded, or else by its root and name; empty where they do not say."""
    if record.spec:
        return record.spec
    if record.label.endswith("/") and os.path.isdir(record.root):
        return record.root
    beside = os.path.join(record.root, os.path.basename(record.label))
    table = not has_wildcard(record.label) and is_table_name(beside) and os.path.isfile(beside)
    return beside if table else ""


def index_all(
    sources: Sequence[SourceRecord], index: Callable[[str], IndexReport], options: IndexOptions
) -> IndexReport:
    """Run ``index`` on every source, also where one of them fails, and add the reports up.

    Raises:
        UsageError: there is none, or an option is meant for one of them only.
        UnreadSourcesError: some of them cannot be read; the others are up to date.
    """
    if not sources:
        raise UsageError("the catalogue has no source yet; name one")
    if (options.root, options.prefix, options.columns, options.encoding) != (None, None, None, None):
        raise UsageError("a root, a prefix, columns and an encoding are for one source; name it")
    reports: list[IndexReport] = []
    failed: list[SourceError] = []
    for record in sources:
        try:
            reports.append(index(place_to_open(record)))
        except SourceError as exc:
            failed.append(exc)
    if not failed:
        return summed(reports)
    if len(sources) == 1:
        raise failed[0]
    raise UnreadSourcesError([str(exc) for exc in failed], summed(reports) if reports else None)


def summed(reports: Sequence[IndexReport]) -> IndexReport:
    """The reports of several sources as one."""
    reasons: Counter[SkipReason] = Counter()
    for report in reports:
        reasons.update(report.skipped_by_reason)
    skipped = [row for report in reports for row in report.skipped]
    return IndexReport(
        **{name: sum(getattr(report, name) for report in reports) for name in _SUMMED},
        skipped=tuple(sorted(skipped, key=attrgetter("id", "path"))[:SKIPPED_REPORTED]),
        skipped_by_reason=dict(sorted(reasons.items())),
        generation=reports[-1].generation,
        took_s=sum(report.took_s for report in reports),
        dry_run=reports[-1].dry_run,
        ann_refused=reports[-1].ann_refused,
    )


def forget_source(store: SqliteStore, writer: StoreWriter, number: int) -> int:
    """Remove a source with all that belongs to it, in small transactions; the number of items removed."""
    removed = 0
    while ids := store.ids_of_source(number, PART_EDITS):
        writer.remove(ids)
        removed += len(ids)
    skips = ((row.id, os.fsencode(row.path)) for source, row in store.skipped() if source == number)
    writer.in_parts(partial(Change.unskip, source=number, names=[name]) for name in skips)
    writer.rewrite(lambda change: change.drop_source(number))
    return removed


def label_of(source: Source) -> str:
    """How people call a source, as text that can be stored."""
    return os.fsencode(source.label).decode("utf-8", "backslashreplace")


def _same_place(one: str, other: str) -> bool:
    return bool(one) and (one == other or os.path.realpath(one) == os.path.realpath(other))


def _holds(root: str, place: str) -> bool:
    """Whether ``place`` lies in ``root``, so that both may move together; what lies in ``/`` cannot."""
    if not place:
        return False
    if (
        os.path.dirname(root) == root
        or os.path.splitdrive(root)[0].lower() != os.path.splitdrive(place)[0].lower()
    ):
        return False
    return os.path.commonpath([root, place]) == root
