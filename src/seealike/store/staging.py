"""What a source offers against what the catalogue holds: the difference, worked out inside SQLite.

The scan is written to temporary tables of the writer's connection, so a million files cost no memory here.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from seealike.errors import SourceError
from seealike.objects import place_in
from seealike.store import schema
from seealike.store.records import (
    BY_HAND,
    ITEM_COLUMNS,
    SourceRecord,
    StoredItem,
    checked_text,
    metadata_to_json,
)
from seealike.types import TRANSIENT_REASONS, Skipped, SkipReason, SourceItem, Unseen

BLOCK = 1000  # rows held in memory at a time

_TABLES = """
CREATE TEMP TABLE scan (
    id TEXT PRIMARY KEY, path BLOB, size INTEGER, mtime INTEGER, grp TEXT, metadata TEXT, place INTEGER
) WITHOUT ROWID;
CREATE TEMP TABLE refused (
    id TEXT, path BLOB, reason TEXT, detail TEXT, size INTEGER, mtime INTEGER, PRIMARY KEY (id, path)
) WITHOUT ROWID;
CREATE TEMP TABLE this (source INTEGER PRIMARY KEY);
CREATE TEMP TABLE again (reason TEXT PRIMARY KEY);
CREATE TEMP TABLE others (source INTEGER PRIMARY KEY);
CREATE TEMP TABLE unseen (id TEXT, below INTEGER);
CREATE TEMP TABLE moved (id TEXT PRIMARY KEY, old_id TEXT UNIQUE);
CREATE TEMP TABLE gone (id TEXT PRIMARY KEY, size INTEGER, sha256 BLOB);
CREATE INDEX temp.gone_content ON gone (size, sha256);
"""


@dataclass(frozen=True, slots=True)
class StagedItem:
    """One picture to decode: new, or changed (then with the old content's hash)."""

    id: str
    path: str
    size_bytes: int
    mtime_ns: int
    group: str | None
    metadata_json: str
    known: StoredItem | None


@dataclass(frozen=True, slots=True)
class ScanDiff:
    """Counts of what a run has to do.

    ``offered`` pictures and ``refused`` entries are what the source has. ``looked_for`` are its items that
    are offered or gone: all but those that nobody can look at now.
    """

    offered: int
    refused: int
    unchanged: int
    relabelled: int
    gone: int
    looked_for: int
    to_read: int


class Staging:
    """One scan of one source, staged beside the catalogue; no other source's items are looked at."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        database_path: str,
        source: SourceRecord,
        tried_again: Iterable[SkipReason] = TRANSIENT_REASONS,
        others: Iterable[int] = (),
    ) -> None:
        """Make the temporary tables; they vanish with the connection.

        Args:
            connection: the writer's.
            database_path: for messages.
            source: whose scan it is.
            tried_again: files that were skipped for these reasons are to be read although they are unchanged.
            others: the numbers of the other sources. An item of none of them, whose record is lost, is this
                one's if it offers its id, once the picture has been read.
        """
        self._connection = connection
        self._path = database_path
        self._source = source
        self._root = source.root
        self._inside = self._root if self._root.endswith(os.sep) else self._root + os.sep
        with schema.translated(database_path):
            self._check_index()
            for table in ("scan", "refused", "unseen", "moved", "gone", "todo", "this", "again", "others"):
                connection.execute(f"DROP TABLE IF EXISTS temp.{table}")
            for statement in filter(str.strip, _TABLES.split(";")):
                connection.execute(statement)
            connection.execute("INSERT INTO temp.this VALUES (?)", (source.number,))
            reasons = [(reason.value,) for reason in tried_again]
            connection.executemany("INSERT INTO temp.again VALUES (?)", reasons)
            owners = [(number,) for number in {BY_HAND, *others} - {source.number}]
            connection.executemany("INSERT INTO temp.others VALUES (?)", owners)

    def load(self, entries: Iterable[SourceItem | Skipped], *, block: int = 5000) -> Iterator[int]:
        """Stage every entry; yields the number staged so far, now and then."""
        entries = iter(entries)
        done = 0
        while chunk := list(islice(entries, block)):
            with schema.translated(self._path):
                self._connection.execute("BEGIN")
                offered = [
                    (*self._scan_row(entry), place)
                    for place, entry in enumerate(chunk, done)
                    if isinstance(entry, SourceItem)
                ]
                staged = self._connection.executemany(
                    "INSERT OR IGNORE INTO temp.scan VALUES (?, ?, ?, ?, ?, ?, ?)", offered
                ).rowcount
                if offered and staged < len(offered):
                    raise SourceError(f"the source {self._source.label} offers two pictures under one id")
                self._connection.executemany(
                    "INSERT OR IGNORE INTO temp.refused VALUES (?, ?, ?, ?, ?, ?)",
                    [self._refused_row(entry) for entry in chunk if isinstance(entry, Skipped)],
                )
                self._connection.executemany(
                    "INSERT INTO temp.unseen VALUES (?, ?)",
                    [(entry.id, entry.below) for entry in chunk if isinstance(entry, Unseen)],
                )
                self._connection.execute("COMMIT")
            done += len(chunk)
            yield done
        with schema.translated(self._path):
            self._refuse_taken_ids()
            self._connection.execute(f"INSERT INTO temp.gone SELECT i.id, i.size, i.sha256 FROM {_GONE}")
            self._keep_unseen()

    def _refuse_taken_ids(self) -> None:
        """An id belongs to whoever had it first: to a call that added it, or to another source."""
        taken = (
            "FROM temp.scan s JOIN items i ON i.id=s.id WHERE i.source IN (SELECT source FROM temp.others)"
        )
        detail = (
            f"CASE i.source WHEN {BY_HAND} THEN 'an item added by hand has this id' "
            "ELSE 'an item of another source has this id; --prefix tells them apart' END"
        )
        self._connection.execute(
            f"INSERT OR IGNORE INTO temp.refused SELECT s.id, s.path, ?, {detail}, s.size, s.mtime {taken}",
            (SkipReason.DUPLICATE_ID.value,),
        )
        self._connection.execute(f"DELETE FROM temp.scan WHERE id IN (SELECT s.id {taken})")

    def _keep_unseen(self) -> None:
        """What could not be looked at is not gone: a file, or all that lies in a folder."""
        self._connection.execute("DELETE FROM temp.gone WHERE id IN (SELECT id FROM temp.unseen)")
        for (folder,) in self._rows("SELECT DISTINCT id FROM temp.unseen WHERE below"):
            bounds = (f"{folder}/", f"{folder}0")  # "0" is the character after "/"
            self._connection.execute("DELETE FROM temp.gone WHERE id > ? AND id < ?", bounds)

    def relative(self, path: str) -> bytes:
        """A path as it is stored: relative to the root where it lies in it, in file system bytes."""
        return os.fsencode(path.removeprefix(self._inside))

    def absolute(self, path: bytes) -> str:
        """The path a stored one stands for."""
        return place_in(self._root, os.fsdecode(path))

    def diff(self) -> ScanDiff:
        """Count what there is to do."""
        return ScanDiff(
            offered=self._count("SELECT count(*) FROM temp.scan"),
            refused=self._count("SELECT count(*) FROM temp.refused"),
            unchanged=self._count(f"SELECT count(*) FROM {_UNCHANGED} AND {_SAME_LABELS}"),
            relabelled=self._count(f"SELECT count(*) FROM {_UNCHANGED} AND NOT {_SAME_LABELS}"),
            gone=self._count("SELECT count(*) FROM temp.gone"),
            looked_for=self._count(f"SELECT count(*) FROM {_JOINED}")
            + self._count("SELECT count(*) FROM temp.gone"),
            to_read=self._count(f"SELECT count(*) FROM {_CHANGED}")
            + self._count(f"SELECT count(*) FROM {_NEW}"),
        )

    def move_candidates(self) -> Iterator[StagedItem]:
        """New files of the same size as a gone item: the only ones that can be moves."""
        for row in self._blocks(f"SELECT {_SCANNED} FROM {_MOVABLE}", "s.id"):
            yield self._staged(row, None)

    def count_move_candidates(self) -> int:
        """How many there are."""
        return self._count(f"SELECT count(*) FROM {_MOVABLE}")

    def claim_move(self, staged: StagedItem, sha256: bytes) -> None:
        """If a gone item has this content, the new file is that item under another name."""
        with schema.translated(self._path):
            self._connection.execute(
                "INSERT OR IGNORE INTO temp.moved SELECT ?, id FROM temp.gone WHERE size=? AND sha256=? "
                "AND id NOT IN (SELECT old_id FROM temp.moved) ORDER BY id LIMIT 1",
                (staged.id, staged.size_bytes, sha256),
            )

    def count_moved(self) -> int:
        """How many moves have been decided so far."""
        return self._count("SELECT count(*) FROM temp.moved")

    def moves(self) -> Iterator[tuple[StagedItem, StoredItem]]:
        """The moves decided so far."""
        joined = "temp.moved m JOIN temp.scan s ON s.id=m.id JOIN items i ON i.id=m.old_id WHERE true"
        return self._pairs(joined)

    def relabelled(self) -> Iterator[tuple[StagedItem, StoredItem]]:
        """Items whose picture is the same but whose group or metadata changed."""
        return self._pairs(f"{_UNCHANGED} AND NOT {_SAME_LABELS}")

    def items(self) -> Iterator[StoredItem]:
        """Every item of the source."""
        statement = f"SELECT {_prefixed('i')} FROM items i WHERE {_ours('i')}"
        return filter(None, (StoredItem.from_row(row) for row in self._blocks(statement, "i.key")))

    def gone_ids(self) -> Iterator[str]:
        """Ids of items that the source no longer offers, moves left out."""
        gone = "temp.gone g WHERE NOT EXISTS (SELECT 1 FROM temp.moved m WHERE m.old_id=g.id)"
        return (row[0] for row in self._blocks(f"SELECT g.id FROM {gone}", "g.id"))

    def to_read(self) -> Iterator[StagedItem]:
        """Every picture to decode, changed ones first, in the order of the source; fetched in blocks."""
        columns = "(id, path, size, mtime, grp, metadata, key)"
        with schema.translated(self._path):
            self._connection.execute("DROP TABLE IF EXISTS temp.todo")
            self._connection.execute(
                "CREATE TEMP TABLE todo (n INTEGER PRIMARY KEY, id TEXT, path BLOB, size INTEGER, "
                "mtime INTEGER, grp TEXT, metadata TEXT, key INTEGER)"
            )
            self._connection.execute(
                f"INSERT INTO temp.todo {columns} SELECT {_SCANNED}, i.key FROM {_CHANGED} ORDER BY s.place"
            )
            self._connection.execute(
                f"INSERT INTO temp.todo {columns} SELECT {_SCANNED}, NULL FROM {_NEW} "
                "AND s.id NOT IN (SELECT id FROM temp.moved) ORDER BY s.place"
            )
        last = 0
        while rows := self._rows("SELECT * FROM temp.todo WHERE n > ? ORDER BY n LIMIT 1000", (last,)):
            last = int(rows[-1][0])
            for row in rows:
                yield self._staged(row[1:7], self._known(row[7]))

    def stale_skips(self) -> Iterator[tuple[str, bytes]]:
        """Entries of the skipped list that no longer hold: their file is gone, changed, or refused anew."""
        stale = (
            f"SELECT k.id, k.path FROM skipped k WHERE {_ours('k')} "
            f"AND NOT EXISTS (SELECT 1 FROM temp.scan s WHERE {_STILL_SKIPPED}) AND (k.origin='decode' "
            "OR NOT EXISTS (SELECT 1 FROM temp.refused r WHERE r.id=k.id AND r.path=k.path))"
        )
        return ((row[0], row[1]) for row in self._blocks(stale, "k.id, k.path", by=2))

    def refused_anew(self) -> Iterator[Skipped]:
        """What the scan refused and the skipped list does not say yet."""
        columns = "r.id, r.path, r.reason, r.detail, r.size, r.mtime"
        anew = (
            f"SELECT {columns} FROM temp.refused r WHERE NOT EXISTS (SELECT 1 FROM skipped k WHERE "
            f"{_ours('k')} AND k.id=r.id AND k.path=r.path AND k.reason=r.reason "
            "AND k.detail=r.detail AND k.size IS r.size AND k.mtime IS r.mtime AND k.origin='scan')"
        )
        for row in self._blocks(anew, "r.id, r.path", by=2):
            yield Skipped(row[0], os.fsdecode(row[1]), SkipReason(row[2]), *row[3:6])

    # -- inside ------------------------------------------------------------------------------------

    def _check_index(self) -> None:
        """Comparing by id trusts the index of ids: where it is damaged, known items would be added again."""
        (found,) = self._connection.execute("PRAGMA integrity_check('items')").fetchone()
        if found != "ok":
            raise sqlite3.DatabaseError(found)

    def _known(self, key: int | None) -> StoredItem | None:
        if key is None:
            return None
        rows = self._rows(f"SELECT {ITEM_COLUMNS} FROM items WHERE key=?", (key,))
        return StoredItem.from_row(rows[0]) if rows else None

    def _scan_row(self, item: SourceItem) -> tuple[object, ...]:
        metadata = metadata_to_json(item.metadata) if item.metadata else "{}"
        item_id = checked_text(item.id, "an id")
        group = None if item.group is None else checked_text(item.group, "a group")
        return (item_id, self.relative(item.path), item.size_bytes, item.mtime_ns, group, metadata)

    def _refused_row(self, row: Skipped) -> tuple[object, ...]:
        detail = row.detail.encode("utf-8", "backslashreplace").decode()
        return (row.id, self.relative(row.path), row.reason.value, detail, row.size_bytes, row.mtime_ns)

    def _staged(self, row: tuple, known: StoredItem | None) -> StagedItem:  # type: ignore[type-arg]
        return StagedItem(row[0], self.absolute(row[1]), row[2], row[3], row[4], row[5], known)

    def _count(self, statement: str) -> int:
        return int(self._rows(statement)[0][0])

    def _pairs(self, joined: str) -> Iterator[tuple[StagedItem, StoredItem]]:
        for row in self._blocks(f"SELECT {_SCANNED}, {_prefixed('i')} FROM {joined}", "s.id"):
            item = StoredItem.from_row(row[6:])
            if item is not None:
                yield self._staged(row[:6], None), item

    def _blocks(self, statement: str, order: str, *, by: int = 1) -> Iterator[tuple]:  # type: ignore[type-arg]
        """All rows of a statement in the order of its first ``by`` columns, which tell the rows apart.

        Fetched in blocks, each by a statement of its own: what has been yielded may be changed meanwhile.
        """
        rows = self._rows(f"{statement} ORDER BY {order} LIMIT {BLOCK}")
        after = f"{statement} AND ({order}) > ({','.join('?' * by)}) ORDER BY {order} LIMIT {BLOCK}"
        while rows:
            yield from rows
            rows = self._rows(after, rows[-1][:by]) if len(rows) == BLOCK else []

    def _rows(self, statement: str, parameters: tuple[object, ...] = ()) -> list[tuple]:  # type: ignore[type-arg]
        with schema.translated(self._path):
            return self._connection.execute(statement, parameters).fetchall()


def _prefixed(alias: str) -> str:
    return ", ".join(f"{alias}.{name.strip()}" for name in ITEM_COLUMNS.split(","))


def _ours(alias: str) -> str:
    return f"{alias}.source=(SELECT source FROM temp.this)"


_SCANNED = "s.id, s.path, s.size, s.mtime, s.grp, s.metadata"
_JOINED = "temp.scan s JOIN items i ON i.id=s.id"
_SAME_FILE = f"{_ours('i')} AND i.size IS s.size AND i.mtime IS s.mtime AND i.path IS s.path"
_SAME_LABELS = "(i.grp IS s.grp AND i.metadata=s.metadata)"
_UNCHANGED = f"{_JOINED} WHERE {_SAME_FILE}"
_STILL_SKIPPED = (
    "k.id=s.id AND k.path=s.path AND k.size IS s.size AND k.mtime IS s.mtime AND k.origin='decode' "
    "AND k.reason NOT IN (SELECT reason FROM temp.again)"
)
_NOT_STILL_SKIPPED = f"NOT EXISTS (SELECT 1 FROM skipped k WHERE {_ours('k')} AND {_STILL_SKIPPED})"
_CHANGED = f"{_JOINED} WHERE NOT ({_SAME_FILE}) AND {_NOT_STILL_SKIPPED}"
_NEW = f"temp.scan s LEFT JOIN items i ON i.id=s.id WHERE i.key IS NULL AND {_NOT_STILL_SKIPPED}"
_MOVABLE = f"{_NEW} AND s.size IN (SELECT size FROM temp.gone)"
_GONE = f"items i LEFT JOIN temp.scan s ON s.id=i.id WHERE {_ours('i')} AND s.id IS NULL"
