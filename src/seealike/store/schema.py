"""How the SQLite file is made and opened: schema, migrations, pragmas, errors translated."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator

from seealike.errors import CatalogBusyError, DamagedCatalogError, NewerFormatError, StorageError

APPLICATION_ID = 0x5345414C  # "SEAL"
BUSY_TIMEOUT_S = 5.0

# One entry a format version; applied in order inside one transaction. Never edit a released entry.
MIGRATIONS = (
    """
    CREATE TABLE items (
        key INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        path BLOB,
        size INTEGER,
        mtime INTEGER,
        sha256 BLOB,
        grp TEXT,
        metadata TEXT NOT NULL,
        width INTEGER NOT NULL,
        height INTEGER NOT NULL,
        managed INTEGER NOT NULL,
        crc INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE vectors (key INTEGER PRIMARY KEY, data BLOB NOT NULL, crc INTEGER NOT NULL) STRICT;
    CREATE TABLE skipped (
        id TEXT NOT NULL,
        path BLOB NOT NULL,
        reason TEXT NOT NULL,
        detail TEXT NOT NULL,
        size INTEGER,
        mtime INTEGER,
        origin TEXT NOT NULL,
        PRIMARY KEY (id, path)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE state (name TEXT PRIMARY KEY, value TEXT NOT NULL, crc INTEGER NOT NULL) STRICT;
    """,
)
FORMAT_VERSION = len(MIGRATIONS)

_FIXED_WAL_VERSIONS = ((3, 44, 6), (3, 50, 7))


def wal_is_safe(version: tuple[int, int, int]) -> bool:
    """Whether this SQLite lacks the WAL-reset corruption bug (3.7.0 to 3.51.2; back-ported fixes exist)."""
    if version >= (3, 51, 3):
        return True
    return any(version[:2] == fixed[:2] and version >= fixed for fixed in _FIXED_WAL_VERSIONS)


def connect(path: str, *, create: bool = False) -> sqlite3.Connection:
    """Open the database with every safety on.

    Raises:
        DamagedCatalogError: the file is missing, or is no SQLite database of ours.
        NewerFormatError: a newer seealike wrote it.
    """
    with translated(path):
        mode = "rwc" if create else "rw"
        connection = sqlite3.connect(
            f"file:{_uri_path(path)}?mode={mode}",
            uri=True,
            timeout=BUSY_TIMEOUT_S,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            _configure(connection, create=create)
            _migrate(connection, path, create=create)
        except BaseException:
            connection.close()
            raise
    return connection


@contextlib.contextmanager
def translated(path: str) -> Iterator[None]:
    """Turn SQLite's errors into ours, by what the caller can do about them."""
    try:
        yield
    except sqlite3.OperationalError as exc:
        code = (getattr(exc, "sqlite_errorcode", None) or 0) & 0xFF
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise CatalogBusyError(path, "another process") from exc
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise DamagedCatalogError(path, path, str(exc)) from exc
        if code == sqlite3.SQLITE_ERROR and "no such table" in str(exc):
            raise DamagedCatalogError(path, path, str(exc)) from exc
        raise StorageError(path, str(exc)) from exc
    except sqlite3.DatabaseError as exc:
        raise DamagedCatalogError(path, path, str(exc)) from exc
    except (OverflowError, UnicodeDecodeError) as exc:  # text that is no UTF-8: only damage makes it
        raise DamagedCatalogError(path, path, str(exc)) from exc


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection, path: str) -> Iterator[None]:
    """Run the block in one write transaction: all of it is on the disk afterwards, or none."""
    with translated(path):
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
            raise


def _configure(connection: sqlite3.Connection, *, create: bool) -> None:
    if create:
        connection.execute("PRAGMA page_size=8192")
    journal = "WAL" if wal_is_safe(sqlite3.sqlite_version_info[:3]) else "TRUNCATE"
    connection.execute(f"PRAGMA busy_timeout={int(BUSY_TIMEOUT_S * 1000)}")
    current = str(connection.execute("PRAGMA journal_mode").fetchone()[0])
    if current.upper() != journal:
        # Somebody reading at this moment keeps the old mode alive; it is switched at a later opening.
        with contextlib.suppress(sqlite3.OperationalError):
            connection.execute(f"PRAGMA journal_mode={journal}")
    for pragma in (
        "synchronous=FULL",
        "fullfsync=ON",
        "foreign_keys=ON",
        "trusted_schema=OFF",
        "cell_size_check=ON",
        "cache_size=-16384",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _migrate(connection: sqlite3.Connection, path: str, *, create: bool) -> None:
    application = int(connection.execute("PRAGMA application_id").fetchone()[0])
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > FORMAT_VERSION:
        raise NewerFormatError(path, version, FORMAT_VERSION)
    if version == FORMAT_VERSION and application == APPLICATION_ID:
        return
    if application != APPLICATION_ID and not create:
        raise DamagedCatalogError(path, path, "not a database of seealike")
    connection.execute("BEGIN IMMEDIATE")
    try:
        for script in MIGRATIONS[version:]:
            for statement in filter(str.strip, script.split(";")):
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version={FORMAT_VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _uri_path(path: str) -> str:
    import os
    from urllib.parse import quote

    absolute = os.path.abspath(path).replace(os.sep, "/")
    return quote(os.fsencode(absolute if absolute.startswith("/") else "/" + absolute))
