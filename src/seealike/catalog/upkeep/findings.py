"""What is wrong in a catalogue's files, found while others may write.

Whatever is compared with something else is read in one transaction; where WAL is not safe, a transaction that
reads holds up the writer's commit, so each is short. What was compared is right at its moment, and no later
change makes it wrong: so the parts need no common moment.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from seealike.catalog import ann
from seealike.catalog.options import Finding
from seealike.errors import DamagedCatalogError
from seealike.store import SqliteStore, StoredItem, schema
from seealike.store.records import (
    ITEM_COLUMNS,
    SIGNATURE_COLUMNS,
    SKIPPED_COLUMNS,
    is_whole_vector,
    signature_from_row,
    skipped_checksum,
)
from seealike.store.writer import counted, read_state

BLOCK = 1000
_FIRST_KEY, _LAST_KEY = -(1 << 63), (1 << 63) - 1  # damage may have made any number of a key


def of_pages(store: SqliteStore) -> list[Finding]:
    """What SQLite itself finds wrong with its file: one statement, which cannot be divided."""
    try:
        with _connected(store) as connection:
            rows = connection.execute("PRAGMA integrity_check(5)").fetchall()
    except DamagedCatalogError as exc:
        return [Finding(store.database_path, exc.what)]
    return [Finding(store.database_path, str(row[0])) for row in rows if row[0] != "ok"]


def of_rows(store: SqliteStore) -> Iterator[tuple[Finding, list[int]]]:
    """Rows that are not what was written, and rows without their other half, with the keys to remove."""
    path, size = store.database_path, store.vector_type.bytes_of(store.identity.dimension)
    with _connected(store) as connection:
        for items, vectors in _blocks(connection):
            for row in items:
                if StoredItem.from_row(row) is None:
                    yield Finding(path, f"checksum of the row of item {row[1]!r}"), [row[0]]
            for key, data, crc in vectors:
                if not is_whole_vector(key, data, crc, size):
                    yield Finding(path, f"checksum of the vector with key {key}"), [key]
            keys = {"items": {row[0] for row in items}, "vectors": {row[0] for row in vectors}}
            for one, other in (("items", "vectors"), ("vectors", "items")):
                for key in sorted(keys[one] - keys[other]):
                    yield Finding(path, f"orphan in {one}: key {key} is not in {other}"), [key]
        yield from _wrong_sums(connection, path)


def of_signatures(store: SqliteStore) -> Iterator[tuple[Finding, int]]:
    """Signatures that are not what was written, or of no item, with the keys to forget them by."""
    path, last = store.database_path, _FIRST_KEY
    columns = ", ".join(f"s.{name}" for name in SIGNATURE_COLUMNS.split(", "))
    with _connected(store) as connection:
        while rows := connection.execute(
            f"SELECT {columns}, i.key FROM signatures s LEFT JOIN items i ON i.key=s.key "
            "WHERE s.key > ? ORDER BY s.key LIMIT ?",
            (last, BLOCK),
        ).fetchall():
            for *row, item in rows:
                if signature_from_row(tuple(row)) is None:
                    yield Finding(path, f"checksum of the signature with key {row[0]}"), row[0]
                elif item is None:
                    yield Finding(path, f"orphan in signatures: key {row[0]} is not in items"), row[0]
            if rows[-1][0] <= last:
                raise sqlite3.DatabaseError("the signatures are not in order")
            last = rows[-1][0]


def of_skips(store: SqliteStore) -> list[tuple[Finding, tuple[int, str, bytes]]]:
    """Rows of the skipped list that are not what was written, with the names to take off it."""
    with _connected(store) as connection:
        rows = connection.execute(f"SELECT {SKIPPED_COLUMNS} FROM skipped").fetchall()
    return [
        (Finding(store.database_path, f"checksum of the skipped file {row[1]!r}"), row[:3])
        for row in rows
        if skipped_checksum(row[:-1]) != row[-1]
    ]


def of_calibration(store: SqliteStore) -> list[Finding]:
    """Whether what was learnt about scores is what was written."""
    try:
        store.calibration()
    except DamagedCatalogError as exc:
        return [Finding(store.database_path, exc.what)]
    return []


def of_snapshot(store: SqliteStore) -> list[Finding]:
    """What is wrong with the file of the approximate index that the database names."""
    while True:
        record = store.state().ann
        damage = None if record is None else ann.damage(store.directory, record)
        if record is None or damage is None:
            return []
        if store.state().ann == record:  # else a writer has put another in its place meanwhile
            return [Finding(ann.file_of(store.directory, record), damage)]


def _blocks(connection: sqlite3.Connection) -> Iterator[tuple[list[tuple], list[tuple]]]:  # type: ignore[type-arg]
    """Items and vectors, each time all of both from one key to another.

    What is newer than this call is left out. Else it might never end: whatever is written gets a greater key.
    """
    newest, first = read_state(connection).last_key, _FIRST_KEY
    while first <= _LAST_KEY:
        with _snapshot(connection):
            if first > newest:  # go on with keys that nobody has given yet: damage
                first = max(first, read_state(connection).last_key + 1)
            items, vectors = (
                connection.execute(
                    f"SELECT {columns} FROM {table} WHERE key >= ? ORDER BY key LIMIT ?", (first, BLOCK)
                ).fetchall()
                for table, columns in (("items", ITEM_COLUMNS), ("vectors", "key, data, crc"))
            )
        last = min((rows[-1][0] for rows in (items, vectors) if len(rows) == BLOCK), default=_LAST_KEY)
        if last < first:
            raise sqlite3.DatabaseError("the rows are not in order")
        yield [row for row in items if row[0] <= last], [row for row in vectors if row[0] <= last]
        first = last + 1


def _wrong_sums(connection: sqlite3.Connection, path: str) -> Iterator[tuple[Finding, list[int]]]:
    """Whether there are other rows than were written."""
    with _snapshot(connection):
        state = read_state(connection)
        true = counted(connection, state)
    if true != state:
        found = f"{true.count} items, {true.signed} signatures and {true.skipped} skipped files"
        written = f"{state.count}, {state.signed} and {state.skipped}"
        yield Finding(path, f"{found} where {written} were written, or others"), []


@contextmanager
def _connected(store: SqliteStore) -> Iterator[sqlite3.Connection]:
    connection = schema.connect(store.database_path)
    try:
        with schema.translated(store.database_path):
            yield connection
    finally:
        connection.close()


@contextmanager
def _snapshot(connection: sqlite3.Connection) -> Iterator[None]:
    """Whatever the block reads is of one generation."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("COMMIT")
