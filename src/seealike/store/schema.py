"""How the SQLite file is made and opened: schema, migrations, pragmas, errors translated."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Literal

from seealike.errors import (
    CatalogBusyError,
    CatalogError,
    DamagedCatalogError,
    ForeignFileError,
    NewerFormatError,
    StorageError,
    UsageError,
)
from seealike.files import check_own_file, read_own_file
from seealike.store.records import (
    SKIPPED_COLUMNS,
    State,
    is_whole_text,
    skipped_checksum,
    text_checksum,
)

APPLICATION_ID = 0x5345414C  # "SEAL"
BUSY_TIMEOUT_S = 5.0
OLDEST_SQLITE = (3, 37)  # the first with STRICT tables

Migration = str | Callable[[sqlite3.Connection], None]


def _several_sources(connection: sqlite3.Connection) -> None:
    """Items and skipped files belong to one of several sources; until then there was one, now number 1.

    What was ``managed`` by the one source is of number 1 now: the rows, and so their checksums, are the same.
    """
    connection.execute("ALTER TABLE items RENAME COLUMN managed TO source")
    connection.execute("CREATE INDEX items_of_source ON items (source)")
    connection.execute("ALTER TABLE skipped RENAME TO skipped_of_one")
    connection.execute(
        "CREATE TABLE skipped (source INTEGER NOT NULL, id TEXT NOT NULL, path BLOB NOT NULL, "
        "reason TEXT NOT NULL, detail TEXT NOT NULL, size INTEGER, mtime INTEGER, origin TEXT NOT NULL, "
        "crc INTEGER NOT NULL, PRIMARY KEY (source, id, path)) STRICT, WITHOUT ROWID"
    )
    change = 0
    for row in connection.execute(
        "SELECT id, path, reason, detail, size, mtime, origin, crc FROM skipped_of_one"
    ):
        whole = skipped_checksum(row[:-1]) == row[-1]
        crc = skipped_checksum((1, *row[:-1])) if whole else row[-1]  # what is damaged stays so
        change += crc - row[-1]
        connection.execute(
            f"INSERT INTO skipped ({SKIPPED_COLUMNS}) VALUES (1,?,?,?,?,?,?,?,?)", (*row[:-1], crc)
        )
    connection.execute("DROP TABLE skipped_of_one")
    row = connection.execute("SELECT value, crc FROM state WHERE name='catalog'").fetchone()
    if row is not None and is_whole_text(*row):
        state = State.from_json(row[0])
        counts = tuple(
            connection.execute("SELECT source, count(*) FROM items GROUP BY source ORDER BY source")
        )
        state = replace(state, skip_sum=state.skip_sum + change, counts=counts)
        put_state(connection, "catalog", state.to_json())


# One entry a format version; applied in order inside one transaction. Never edit a released entry.
MIGRATIONS: tuple[Migration, ...] = (
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
        crc INTEGER NOT NULL,
        PRIMARY KEY (id, path)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE state (name TEXT PRIMARY KEY, value TEXT NOT NULL, crc INTEGER NOT NULL) STRICT;
    """,
    _several_sources,
    """
    CREATE TABLE tombstones (
        generation INTEGER NOT NULL,
        key INTEGER NOT NULL,
        PRIMARY KEY (generation, key)
    ) STRICT, WITHOUT ROWID;
    """,
    "-- Sources have a layout, which earlier versions cannot read.",
    """
    CREATE TABLE signatures (
        key INTEGER PRIMARY KEY,
        colour BLOB NOT NULL,
        hash BLOB NOT NULL,
        crc INTEGER NOT NULL
    ) STRICT;
    """,
    "-- Vectors may be bytes, which earlier versions cannot read.",
)
FORMAT_VERSION = len(MIGRATIONS)

# Our statements are constants, so "no such column" and the like (SQLITE_ERROR) come from damage alone; so
# does text that is no UTF-8, which Python reports without a code (0).
_DAMAGE_CODES = frozenset(
    (0, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT)
)

# A log or a journal is there, or must be, and cannot be written.
_NEEDS_WRITING_CODES = frozenset(
    (
        sqlite3.SQLITE_READONLY_CANTINIT,
        sqlite3.SQLITE_READONLY_DIRECTORY,
        sqlite3.SQLITE_READONLY_RECOVERY,
        sqlite3.SQLITE_READONLY_ROLLBACK,
    )
)
SIDE_SUFFIXES = ("-wal", "-shm", "-journal")
_JOURNAL_MAGIC = bytes.fromhex("d9d505f920a163d7")  # begins a journal, and ends the name of a super-journal

# The disk refused to give, not to take.
_READING_CODES = frozenset(
    (
        sqlite3.SQLITE_IOERR_READ,
        sqlite3.SQLITE_IOERR_SHORT_READ,
        sqlite3.SQLITE_IOERR_FSTAT,
        sqlite3.SQLITE_IOERR_ACCESS,
    )
)

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
        ForeignFileError: the file, or one beside it that SQLite writes, is a link or no plain file.
        StorageError: Python's SQLite is too old, or the file cannot be read.
    """
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise StorageError(path, f"SQLite {sqlite3.sqlite_version} is too old, 3.37 is the least")
    with translated(path):
        connection = opened(path, "rwc" if create else "rw")
        try:
            _version(connection, path, create=create)  # before anything is set in a file that is not ours
            _configure(connection, create=create)
            _migrate(connection, path, create=create)
        except BaseException:
            connection.close()
            raise
    return connection


def is_blank(path: str) -> bool:
    """Whether the database holds no item: all that a creation which was cut off can have left."""
    try:
        with contextlib.closing(opened(path, "rw")) as connection:
            tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master")]
            ours = connection.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID
            if ours and "items" in tables:
                return not connection.execute("SELECT count(*) FROM items").fetchone()[0]
            return not tables
    except (sqlite3.Error, UnicodeDecodeError, CatalogError):
        return False


@contextlib.contextmanager
def translated(path: str) -> Iterator[None]:
    """Turn SQLite's errors into ours, by what the caller can do about them."""
    try:
        yield
    except sqlite3.ProgrammingError as exc:
        if "closed database" not in str(exc):
            raise
        raise UsageError("the catalogue has been closed") from exc
    except sqlite3.OperationalError as exc:
        raise _translated_operational(path, exc) from exc
    except (sqlite3.DatabaseError, OverflowError, UnicodeDecodeError) as exc:
        raise DamagedCatalogError(path, path, _one_line(exc)) from exc


def _translated_operational(path: str, exc: sqlite3.OperationalError) -> CatalogError:
    whole = getattr(exc, "sqlite_errorcode", None) or 0
    code = whole & 0xFF
    if _is_busy(exc):
        return CatalogBusyError(path, "a process whose commit takes long, or waits for a paused reader")
    if code in _DAMAGE_CODES:
        return DamagedCatalogError(path, path, _one_line(exc))
    if whole == sqlite3.SQLITE_READONLY_DBMOVED:
        return CatalogError(path, f"{path} was removed or replaced while it was written; do it again")
    if whole in _NEEDS_WRITING_CODES:
        cause = f"{_one_line(exc)}; SQLite must write beside it even to read it as it is"
        return StorageError(path, cause, doing="read")
    unreadable = whole in _READING_CODES or (code == sqlite3.SQLITE_CANTOPEN and not _is_readable(path))
    doing: Literal["read", "write"] = "read" if unreadable else "write"
    return StorageError(path, _one_line(exc), doing=doing)


def _is_busy(exc: sqlite3.OperationalError) -> bool:
    code = getattr(exc, "sqlite_errorcode", None) or 0
    return code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _is_readable(path: str) -> bool:
    """Whether the database and what SQLite must read beside it may be read. Nothing is opened."""
    paths = [path, *(path + suffix for suffix in SIDE_SUFFIXES)]
    effective = os.access in os.supports_effective_ids
    return all(os.access(name, os.R_OK, effective_ids=effective) for name in paths if os.path.lexists(name))


def _one_line(exc: BaseException) -> str:
    text = " ".join(str(exc).split())
    return "".join(mark if mark.isprintable() else ascii(mark)[1:-1] for mark in text)[:200]


def put_state(connection: sqlite3.Connection, name: str, value: str) -> None:
    """Write one row of ``state`` with its checksum, inside the caller's transaction."""
    connection.execute(
        "INSERT INTO state (name, value, crc) VALUES (?, ?, ?) "
        "ON CONFLICT (name) DO UPDATE SET value=excluded.value, crc=excluded.crc",
        (name, value, text_checksum(value)),
    )


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection, path: str) -> Iterator[None]:
    """Run the block in one write transaction: all of it is on the disk afterwards, or none.

    Raises:
        CatalogBusyError: another process writes; or, where WAL is not safe, one that reads does not end.
        StorageError: the disk refused.
    """
    with translated(path):
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            connection.execute("COMMIT")
        except BaseException as exc:
            if connection.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
            if isinstance(exc, sqlite3.OperationalError) and _is_busy(exc):  # nobody else can be writing now
                raise CatalogBusyError(path, "a process that keeps it, perhaps paused", doing="read") from exc
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
    if _version(connection, path, create=create) == FORMAT_VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = _version(connection, path, create=create)  # another process may have been quicker
        for migration in MIGRATIONS[version:]:
            if isinstance(migration, str):
                for statement in filter(str.strip, migration.split(";")):
                    connection.execute(statement)
            else:
                migration(connection)
        connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version={FORMAT_VERSION}")
        put_state(connection, "format", str(FORMAT_VERSION))
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
        raise


def _version(connection: sqlite3.Connection, path: str, *, create: bool) -> int:
    """The format version of a database of ours; 0 for an empty one that is being created."""
    application = int(connection.execute("PRAGMA application_id").fetchone()[0])
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if application == APPLICATION_ID:
        if version > FORMAT_VERSION:
            if _stated_version(connection) == str(FORMAT_VERSION):
                raise DamagedCatalogError(path, path, f"format number {version} in its header")
            raise NewerFormatError(path, version, FORMAT_VERSION)
        return version
    if not create or connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise DamagedCatalogError(path, path, "not a database of seealike")
    return 0


def _stated_version(connection: sqlite3.Connection) -> str | None:
    """The format version as the guarded row says it, if it is readable."""
    with contextlib.suppress(sqlite3.Error):
        row = connection.execute("SELECT value, crc FROM state WHERE name='format'").fetchone()
        if row is not None and is_whole_text(*row):
            return str(row[0])
    return None


def opened(path: str, mode: str) -> sqlite3.Connection:
    """Open the file with SQLite alone, once it has proved to be nobody else's. Sets nothing.

    SQLite itself follows links, also those of the files that it makes beside the database.

    Raises:
        ForeignFileError, StorageError: see ``check_own_file``.
        DamagedCatalogError: its journal is not of a catalogue.
    """
    check_own_file(path)
    for suffix in SIDE_SUFFIXES:
        check_own_file(path + suffix, alone=True)
    _check_journal(path)
    how = "mode=ro&immutable=1" if _cannot_change(path) else f"mode={mode}"
    return sqlite3.connect(
        f"file:{_uri_path(path)}?{how}",
        uri=True,
        timeout=BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,
    )


def _cannot_change(path: str) -> bool:
    """Whether the database is all in its own file, on a medium that nobody can write.

    SQLite otherwise wants to make files beside a database in WAL mode, even to read it.
    """
    try:
        read_only = os.statvfs(os.path.dirname(path) or ".").f_flag & os.ST_RDONLY
        return bool(read_only) and not any(_size(path + suffix) for suffix in SIDE_SUFFIXES)
    except (OSError, AttributeError):  # Windows cannot tell
        return False


def _size(path: str) -> int:
    try:
        return os.lstat(path).st_size
    except FileNotFoundError:
        return 0


def part_from_copies(path: str) -> None:
    """Let a copy that was made of hard links keep its empty journal: SQLite would write into both.

    The caller holds the writer lock; nobody has anything in the journal then.
    """
    for name in (path + suffix for suffix in SIDE_SUFFIXES):
        with contextlib.suppress(FileNotFoundError):
            status = os.lstat(name)
            if status.st_nlink > 1 and not status.st_size:
                os.unlink(name)


def _check_journal(path: str) -> None:
    """Refuse a journal that names another file: rolling it back may remove that file, whatever it is.

    SQLite ends a journal so where a transaction spans several databases; a catalogue's never does.
    """
    journal = path + "-journal"
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        if read_own_file(journal, len(_JOURNAL_MAGIC), at_end=True) == _JOURNAL_MAGIC:
            raise ForeignFileError(journal, "a journal that belongs to several databases")


def _uri_path(path: str) -> str:
    from urllib.parse import quote

    absolute = os.path.abspath(path).replace(os.sep, "/")
    return quote(os.fsencode(absolute if absolute.startswith("/") else "/" + absolute))
