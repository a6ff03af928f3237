"""Making a new database from what can still be read of a broken one."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator

from seealike.errors import DamagedCatalogError
from seealike.store import DATABASE_NAME, FileSystem, Manifest, NewItem, SqliteStore, State, StoredItem, StoreWriter
from seealike.store import read_manifest, write_manifest
from seealike.store.manifest import identity_from_json
from seealike.store.records import ITEM_COLUMNS, text_checksum, vector_checksum
from seealike.types import EncoderIdentity

BATCH = 500


def salvage(directory: str, files: FileSystem) -> None:
    """Replace the database and the manifest by sound ones that hold every row which is still whole.

    The broken database stays beside them as ``catalog.sqlite.damaged``.

    Raises:
        DamagedCatalogError: neither the manifest nor the database says which encoder it was.
    """
    path = os.path.join(directory, DATABASE_NAME)
    identity = _identity(directory, path)
    fresh = os.path.join(directory, ".salvage")
    _clear(fresh, files)
    store = SqliteStore.create(fresh, identity, files)
    writer = StoreWriter(store.database_path)
    try:
        batch: list[NewItem] = []
        for item in _whole_items(path, identity.dimension):
            batch.append(item)
            if len(batch) >= BATCH:
                writer.add(batch)
                batch = []
        writer.add(batch)
        state = _state(path)
        if state is not None and state.source is not None:
            writer.set_source(state.source)
    finally:
        writer.close()
        store.close()
    if os.path.exists(path):
        os.replace(path, path + ".damaged")
        for suffix in ("-wal", "-shm", "-journal"):
            files.remove(path + suffix)
    os.replace(os.path.join(fresh, DATABASE_NAME), path)
    write_manifest(files, directory, Manifest(identity))
    _clear(fresh, files)


def _identity(directory: str, path: str) -> EncoderIdentity:
    with contextlib.suppress(DamagedCatalogError):
        return read_manifest(directory).encoder
    text = _state_text(path, "encoder")
    if text is None:
        raise DamagedCatalogError(
            directory, os.path.join(directory, "manifest.json"), "and the database is too; index into a new catalogue"
        )
    import json

    return identity_from_json(json.loads(text))


def _state(path: str) -> State | None:
    text = _state_text(path, "catalog")
    return None if text is None else State.from_json(text)


def _state_text(path: str, name: str) -> str | None:
    with contextlib.suppress(sqlite3.Error, OSError), contextlib.closing(_raw(path)) as connection:
        row = connection.execute("SELECT value, crc FROM state WHERE name=?", (name,)).fetchone()
        if row is not None and text_checksum(row[0]) == row[1]:
            return str(row[0])
    return None


def _whole_items(path: str, dimension: int) -> Iterator[NewItem]:
    """Every item whose row and vector are what was written; unreadable pages are stepped over."""
    if not os.path.exists(path):
        return
    with contextlib.closing(_raw(path)) as connection:
        seen: set[str] = set()
        for key in _keys(connection):
            item = _one(connection, key, dimension)
            if item is not None and item.id not in seen:
                seen.add(item.id)
                yield item


def _keys(connection: sqlite3.Connection) -> Iterator[int]:
    """Every key that may exist: the ones that can be listed, else all up to the greatest seen."""
    try:
        yield from [int(row[0]) for row in connection.execute("SELECT key FROM items ORDER BY key").fetchall()]
    except sqlite3.Error:
        greatest = 0
        for table in ("items", "vectors"):
            with contextlib.suppress(sqlite3.Error):
                greatest = max(greatest, connection.execute(f"SELECT max(key) FROM {table}").fetchone()[0] or 0)  # noqa: S608
        yield from range(1, greatest + 1)


def _one(connection: sqlite3.Connection, key: int, dimension: int) -> NewItem | None:
    try:
        row = connection.execute(f"SELECT {ITEM_COLUMNS} FROM items WHERE key=?", (key,)).fetchone()  # noqa: S608
        vector = connection.execute("SELECT data, crc FROM vectors WHERE key=?", (key,)).fetchone()
    except (sqlite3.Error, UnicodeDecodeError):
        return None
    item = StoredItem.from_row(row) if row is not None else None
    if item is None or vector is None:
        return None
    if len(vector[0]) != 2 * dimension or vector_checksum(key, vector[0]) != vector[1]:
        return None
    return NewItem(
        id=item.id,
        path=item.path,
        size_bytes=item.size_bytes,
        mtime_ns=item.mtime_ns,
        sha256=item.sha256,
        group=item.group,
        metadata_json=item.metadata_json,
        width_px=item.width_px,
        height_px=item.height_px,
        managed=item.managed,
        vector=vector[0],
    )


def _raw(path: str) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None)


def _clear(folder: str, files: FileSystem) -> None:
    if os.path.isdir(folder):
        for name in os.listdir(folder):
            files.remove(os.path.join(folder, name))
        with contextlib.suppress(OSError):
            os.rmdir(folder)
