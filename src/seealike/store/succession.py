"""A catalogue takes over the database of another one: how it moves to a new embedding space.

The manifest names the database, and is replaced in one step: whoever opens the catalogue, after whatever
crash, finds the old space or the new one, whole. The old database is removed afterwards; whoever still reads
it goes on reading it until the catalogue is opened anew.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import replace

from seealike.errors import CatalogBusyError
from seealike.files import FileSystem
from seealike.store import schema
from seealike.store.lock import WriterLock
from seealike.store.manifest import MANIFEST_NAME, databases_in, read_manifest, write_manifest
from seealike.store.records import SKIPPED_COLUMNS, SourceRecord
from seealike.store.sqlite import SqliteStore
from seealike.store.writer import Change, StoreWriter
from seealike.types import Skipped, SkipReason


def inherit(old: SqliteStore, successor: SqliteStore) -> None:
    """Give the successor what is the old catalogue's own, not its vectors'.

    These are: where the pictures come from, which item belongs to which source, which files were skipped, and
    a generation that is greater than the old one. The caller holds the writer locks of both.
    """
    state = old.state()
    connection = StoreWriter(old.database_path)
    try:
        skipped = connection.connection.execute(f"SELECT {SKIPPED_COLUMNS} FROM skipped").fetchall()
    finally:
        connection.close()

    def apply(change: Change) -> None:
        change.sources = state.sources
        change.least_generation = state.generation + 1
        _forget_skips(successor, change)
        for item in old.items():
            known = successor.item(item.id)
            if known is not None and (known.source, known.path) != (item.source, item.path):
                change.update(replace(known, source=item.source, path=item.path))
        for source, *row in skipped:
            known_as = Skipped(row[0], os.fsdecode(row[1]), SkipReason(row[2]), *row[3:6])
            change.skip(source, [known_as], row[6])

    writer = StoreWriter(successor.database_path)
    try:
        writer.rewrite(apply)
    finally:
        writer.close()


def disinherit(successor: SqliteStore, source: SourceRecord) -> None:
    """Undo ``inherit`` where no succession followed: every item is of the one ``source`` again.

    Their paths stay those of the old catalogue, so each file is read again when the source is indexed.
    """
    strangers = [item for item in successor.items() if item.source != source.number]

    def apply(change: Change) -> None:
        change.sources = (source,)
        _forget_skips(successor, change)
        for item in strangers:
            change.update(replace(item, source=source.number))

    lock = WriterLock(successor.directory)
    lock.acquire(0.0)
    try:
        writer = StoreWriter(successor.database_path)
        try:
            writer.rewrite(apply)
        finally:
            writer.close()
    finally:
        lock.release()


def _forget_skips(store: SqliteStore, change: Change) -> None:
    for source, row in list(store.skipped()):  # all of them before the first change: it may lock out readers
        change.unskip(source, [(row.id, os.fsencode(row.path))])


def succeed(directory: str, successor: str, files: FileSystem) -> None:
    """Make the successor's database that of the catalogue in ``directory``.

    The caller holds the writer locks of both. The successor's own directory is no catalogue any more; the
    caller removes it.

    Raises:
        CatalogBusyError: somebody reads the successor, so that part of it may be in its log.
        StorageError: the disk refused; the catalogue is as it was.
    """
    manifest = read_manifest(successor)
    _into_one_file(successor, os.path.join(successor, manifest.database))
    name = f"catalog-{manifest.catalog_id[:16]}.sqlite"
    for entry in os.listdir(successor):
        if entry.startswith("ann-"):
            _second_name(os.path.join(successor, entry), os.path.join(directory, entry), files)
    _second_name(os.path.join(successor, manifest.database), os.path.join(directory, name), files)
    write_manifest(files, directory, replace(manifest, database=name))
    files.remove(os.path.join(successor, MANIFEST_NAME))  # or a late writer would write into both
    remove_other_databases(directory, files)


def remove_other_databases(directory: str, files: FileSystem) -> None:
    """Remove the databases that the manifest does not name: a succession left them.

    The caller holds the writer lock.
    """
    current = read_manifest(directory).database
    for name in databases_in(directory):
        if name != current:
            for suffix in ("", *schema.SIDE_SUFFIXES):
                files.remove(os.path.join(directory, name + suffix))


def _into_one_file(directory: str, database: str) -> None:
    """Bring everything that is committed into the database's own file."""
    connection = schema.connect(database)
    try:
        with schema.translated(database):
            mode = connection.execute("PRAGMA journal_mode=DELETE").fetchone()[0]
    except CatalogBusyError:
        mode = "busy"
    finally:
        connection.close()
    if mode != "delete":
        raise CatalogBusyError(directory, "a process that reads it")


def _second_name(path: str, other: str, files: FileSystem) -> None:
    """Let a complete file be found under another name as well; a copy where links are not known."""
    files.remove(other)
    try:
        os.link(path, other)
    except OSError:
        with files.replacing(other, follow=False) as temporary, contextlib.suppress(shutil.SameFileError):
            shutil.copyfile(path, temporary)
        return
    files.sync_directory(os.path.dirname(other))
