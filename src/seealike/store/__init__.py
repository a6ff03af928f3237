"""The catalogue on disk: one SQLite file that is the only truth, and derived files that may go at any time.

What is here knows rows, bytes and durability; it does not know what a picture or a neighbour is.
"""

from seealike.files import FileSystem
from seealike.store import schema
from seealike.store.lock import LOCK_NAMES, WriterLock, builder_lock, is_being_built
from seealike.store.manifest import (
    DATABASE_NAME,
    ENCODERS_NAME,
    MANIFEST_NAME,
    PROGRESS_NAME,
    Manifest,
    is_catalog,
    read_manifest,
    write_manifest,
)
from seealike.store.records import KeyChanges, NewItem, SourceRecord, State, StoredItem
from seealike.store.sqlite import SqliteStore
from seealike.store.staging import ScanDiff, Staging
from seealike.store.succession import disinherit, inherit, remove_other_databases, succeed
from seealike.store.writer import StoreWriter

__all__ = [
    "DATABASE_NAME",
    "ENCODERS_NAME",
    "LOCK_NAMES",
    "MANIFEST_NAME",
    "PROGRESS_NAME",
    "FileSystem",
    "KeyChanges",
    "Manifest",
    "NewItem",
    "ScanDiff",
    "SourceRecord",
    "SqliteStore",
    "Staging",
    "State",
    "StoreWriter",
    "StoredItem",
    "WriterLock",
    "builder_lock",
    "disinherit",
    "inherit",
    "is_being_built",
    "is_catalog",
    "read_manifest",
    "remove_other_databases",
    "schema",
    "succeed",
    "write_manifest",
]
