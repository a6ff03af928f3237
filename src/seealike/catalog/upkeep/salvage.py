"""Making a new database from what can still be read of a broken one."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Iterable, Iterator

from seealike.errors import DamagedCatalogError, NewerFormatError, UnknownNameError
from seealike.files import check_own_file
from seealike.store import (
    DATABASE_NAME,
    FileSystem,
    NewItem,
    SqliteStore,
    State,
    StoredItem,
    StoreWriter,
    read_manifest,
    schema,
    succeed,
)
from seealike.store.manifest import Manifest, birth_from_json, databases_in
from seealike.store.records import SIGNATURE_COLUMNS, is_whole_text, is_whole_vector, signature_from_row
from seealike.types import Signature

BATCH = 500
KEPT_NAME = f"{DATABASE_NAME}.damaged"
FAR_KEY = 1 << 27
_DAMAGED = (sqlite3.Error, UnicodeDecodeError)  # SQLite's complaint of a damaged schema may be no text itself


def salvage(directory: str, files: FileSystem) -> None:
    """Let a sound database, with every row that is still whole, take the place of a broken one.

    That stays beside it as ``catalog.sqlite.damaged``. Cut off at any moment, the catalogue is as
    it was or repaired; others see one or the other. The caller holds the writer lock.

    Raises:
        DamagedCatalogError: neither the manifest nor the database says which encoder it was.
        NewerFormatError: a newer seealike wrote it; nothing is changed.
        ForeignFileError: one of them is a link or no plain file; nothing is changed.
    """
    path = _database_path(directory)
    check_own_file(path)
    written = int(_state_text(path, "format") or 0)
    if written > schema.FORMAT_VERSION:  # what cannot be read here would look lost
        raise NewerFormatError(path, written, schema.FORMAT_VERSION)
    birth = _birth(directory, path)
    fresh = os.path.join(directory, ".salvage")
    _clear(fresh, files)
    try:
        _fill(fresh, path, birth, files)
        _keep_aside(path, files)
        succeed(directory, fresh, files)
    finally:
        _clear(fresh, files)


def _fill(fresh: str, path: str, birth: Manifest, files: FileSystem) -> None:
    """Make a catalogue of what is still whole in the database at ``path``."""
    store = SqliteStore.create(
        fresh, birth.encoder, files, encoder_spec=birth.encoder_spec, vectors=birth.vectors
    )
    writer = StoreWriter(store.database_path)
    try:
        batch: list[NewItem] = []
        for item in _whole_items(path, birth):
            batch.append(item)
            if len(batch) >= BATCH:
                writer.add(batch)
                batch = []
        writer.add(batch)
        state = _state(path)
        if state is not None and state.sources:
            writer.set_sources(state.sources)
    finally:
        writer.close()
        store.close()


def _keep_aside(path: str, files: FileSystem) -> None:
    """Give the broken database a second name, always the same; under its first one it is removed later."""
    if not os.path.exists(path):
        return
    aside = os.path.join(os.path.dirname(path), KEPT_NAME)
    files.remove(aside)
    try:
        os.link(path, aside)
    except OSError:  # a file system without links
        with files.replacing(aside, follow=False) as temporary:
            shutil.copyfile(path, temporary)


def _database_path(directory: str) -> str:
    """The database that the manifest names, or where nobody knows, the first that says whose it is."""
    with contextlib.suppress(DamagedCatalogError):
        return os.path.join(directory, read_manifest(directory).database)
    paths = [os.path.join(directory, name) for name in databases_in(directory)]
    told = [path for path in paths if _state_text(path, "birth") is not None]
    return (told or paths or [os.path.join(directory, DATABASE_NAME)])[0]


def _birth(directory: str, path: str) -> Manifest:
    """Which encoder made the vectors: the database knows best."""
    text = _state_text(path, "birth")
    if text is not None:
        try:
            return birth_from_json(text)
        except UnknownNameError as exc:
            raise DamagedCatalogError(directory, path, str(exc), remedy="upgrade seealike") from exc
    try:
        return read_manifest(directory)
    except DamagedCatalogError as exc:
        raise DamagedCatalogError(
            directory,
            exc.file,
            f"{exc.what}, and the database is damaged too",
            remedy="remove the catalogue and index again",
        ) from exc


def _state(path: str) -> State | None:
    text = _state_text(path, "catalog")
    return None if text is None else State.from_json(text)


def _state_text(path: str, name: str) -> str | None:
    if not os.path.exists(path):
        return None
    with contextlib.suppress(*_DAMAGED, OSError), contextlib.closing(_raw(path)) as connection:
        row = connection.execute("SELECT value, crc FROM state NOT INDEXED WHERE name=?", (name,)).fetchone()
        if row is not None and is_whole_text(*row):
            return str(row[0])
    return None


def _whole_items(path: str, birth: Manifest) -> Iterator[NewItem]:
    """Every item whose row and vector are what was written; unreadable pages are stepped over."""
    if not os.path.exists(path):
        return
    state = _state(path)
    last_key = state.last_key if state is not None else 0
    with contextlib.closing(_raw(path)) as connection:
        seen: set[str] = set()
        for key in _keys(connection, last_key):
            item = _one(connection, key, birth)
            if item is not None and item.id not in seen:
                seen.add(item.id)
                yield item


def _keys(connection: sqlite3.Connection, last_key: int) -> Iterable[int]:
    """Every key that may exist: those that a table lists; all there ever were where one cannot be listed."""
    found: set[int] = set()
    complete = True
    for table in ("items", "vectors"):
        try:
            found.update(row[0] for row in connection.execute(f"SELECT key FROM {table} NOT INDEXED"))
        except _DAMAGED:
            complete = False
            with contextlib.suppress(*_DAMAGED):
                found.update(connection.execute(f"SELECT coalesce(max(key), 0) FROM {table}").fetchone())
    if complete:
        return sorted(found)
    sane = [key for key in found if key <= FAR_KEY]  # a damaged key may be any number
    return range(1, (last_key or max(sane, default=0)) + 1)


def _one(connection: sqlite3.Connection, key: int, birth: Manifest) -> NewItem | None:
    try:
        row = connection.execute("SELECT * FROM items WHERE key=?", (key,)).fetchone()  # of any format
        vector = connection.execute("SELECT data, crc FROM vectors WHERE key=?", (key,)).fetchone()
    except _DAMAGED:
        return None
    item = StoredItem.from_row(row) if row is not None else None
    if item is None or vector is None:
        return None
    kept, dimension = birth.vectors, birth.encoder.dimension
    if not is_whole_vector(key, vector[0], vector[1], kept.bytes_of(dimension)):
        return None
    return item.as_new(kept.read(vector[0], dimension).tobytes(), _signature(connection, key))


def _signature(connection: sqlite3.Connection, key: int) -> Signature | None:
    """The signature of an item; ``None`` where there is none that is whole: the next ``index`` makes it."""
    with contextlib.suppress(sqlite3.Error):  # no such table in earlier formats
        row = connection.execute(f"SELECT {SIGNATURE_COLUMNS} FROM signatures WHERE key=?", (key,)).fetchone()
        return None if row is None else signature_from_row(row)
    return None


def _raw(path: str) -> sqlite3.Connection:
    return schema.opened(path, "rw")


def _clear(folder: str, files: FileSystem) -> None:
    """Remove what an earlier repair left; of a link, the link alone."""
    if os.path.islink(folder):
        files.remove(folder)
    elif os.path.isdir(folder):
        for name in os.listdir(folder):
            files.remove(os.path.join(folder, name))
        with contextlib.suppress(OSError):
            os.rmdir(folder)
