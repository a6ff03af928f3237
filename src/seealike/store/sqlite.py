"""Reading the catalogue: short statements on one guarded connection, every row checked against its CRC.

Statements are short because, where WAL is not safe (see ``schema``), a reader in the middle of a statement
holds up the writer's commit.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from seealike.errors import CatalogError, CatalogExistsError, DamagedCatalogError
from seealike.store import schema
from seealike.store.files import TEMPORARY_PREFIX, FileSystem
from seealike.store.lock import HOLDER_NAME, LOCK_NAME, WriterLock
from seealike.store.manifest import (
    DATABASE_NAME,
    MANIFEST_NAME,
    Manifest,
    birth_from_json,
    birth_to_json,
    is_catalog,
    read_manifest,
    write_manifest,
)
from seealike.store.records import (
    ITEM_COLUMNS,
    SKIPPED_COLUMNS,
    KeyChanges,
    State,
    StoredItem,
    is_whole_text,
    is_whole_vector,
    skipped_checksum,
)
from seealike.types import EncoderIdentity, Float16Array, Int64Array, Skipped, SkipReason

CREATION_WAIT_S = 10.0
MOST_NEW_KEYS = 4096  # beyond, looking at every key is quicker than asking where each new one belongs
_PARAMETERS_AT_ONCE = 500


class SqliteStore:
    """What is in a catalogue, for readers. Safe to use from several threads."""

    def __init__(self, directory: str) -> None:
        """Open the database of the catalogue in ``directory``.

        Raises:
            NoCatalogError, DamagedCatalogError, NewerFormatError: see ``read_manifest``.
        """
        self.directory = directory
        self._guard = threading.Lock()
        self._known_state: tuple[int, State] | None = None
        manifest = read_manifest(directory)
        while True:
            try:
                self._open(manifest)
                break
            except DamagedCatalogError:
                before, manifest = manifest, read_manifest(directory)
                if manifest.catalog_id == before.catalog_id:  # it did not move to another database meanwhile
                    raise

    def _open(self, manifest: Manifest) -> None:
        self.database_path = os.path.join(self.directory, manifest.database)
        self.identity = manifest.encoder
        self.encoder_spec = manifest.encoder_spec
        if not os.path.isfile(self.database_path):
            raise DamagedCatalogError(self.directory, self.database_path, "missing")
        self._connection = schema.connect(self.database_path)
        try:
            self._check_birth(manifest)
        except BaseException:
            self._connection.close()
            raise

    @classmethod
    def create(
        cls, directory: str, identity: EncoderIdentity, files: FileSystem, *, encoder_spec: str = ""
    ) -> SqliteStore:
        """Make an empty catalogue; the manifest, written last, makes it one.

        ``encoder_spec`` is how the encoder was asked for, empty where it is an object of the caller's.

        Raises:
            CatalogExistsError: there is a catalogue, or a file, or a folder with other things in it.
            CatalogBusyError: somebody else is making one there.
            StorageError: the disk refused.
        """
        _check_place(directory)
        files.make_directory(directory)
        lock = WriterLock(directory)
        lock.acquire(CREATION_WAIT_S)
        try:
            _check_place(directory)  # somebody else may have been quicker
            files.remove_leftovers(directory)
            manifest = Manifest(identity, encoder_spec=encoder_spec)
            _make_database(os.path.join(directory, DATABASE_NAME), manifest)
            try:
                write_manifest(files, directory, manifest)
            except BaseException:
                files.remove(os.path.join(directory, MANIFEST_NAME))
                raise
        finally:
            lock.release()
        return cls(directory)

    def check_current(self) -> None:
        """Refuse to write into a database that is not the catalogue's any more.

        Raises:
            CatalogError: the catalogue has moved to another encoder since it was opened.
        """
        if read_manifest(self.directory).database != os.path.basename(self.database_path):
            what = "has moved to another encoder since it was opened; open it again"
            raise CatalogError(self.directory, f"{self.directory} {what}")

    def close(self) -> None:
        """Close the connection; the store cannot be used afterwards."""
        with self._guard:
            self._connection.close()

    # -- the catalogue as a whole ------------------------------------------------------------------

    def state(self) -> State:
        """The committed state: generation, counts, source."""
        with self._guard, schema.translated(self.database_path):
            version = self._connection.execute("PRAGMA data_version").fetchone()[0]
            if self._known_state is None or self._known_state[0] != version:
                self._known_state = (version, State.from_json(self._state_value("catalog")))
            return self._known_state[1]

    def state_and_keys(self) -> tuple[State, Int64Array]:
        """The state and, of the very same generation, every item's key, in the order of the ids.

        Keys come from the index of ids, which is a hundredth of the vectors' size.

        Raises:
            DamagedCatalogError: rows are missing or the state does not match its checksum.
        """
        with self._snapshot() as state:
            rows = self._connection.execute(
                "SELECT key FROM items INDEXED BY sqlite_autoindex_items_1 ORDER BY id"
            )
            keys = np.fromiter((row[0] for row in rows), dtype=np.int64)
        self._check_keys(state, np.sort(keys))
        return state, keys

    def key_changes(self, generation: int, last_key: int) -> KeyChanges | None:
        """What became of the keys of ``generation``, whose last one is ``last_key``; reads only what changed.

        ``None`` where that is not on record, or is not less than reading every key.
        """
        with self._snapshot() as state:
            known = state.generation >= generation >= max(state.recorded_from, state.renamed)
            if not known or state.last_key - last_key > MOST_NEW_KEYS:
                return None
            execute = self._connection.execute
            removed = execute("SELECT key FROM tombstones WHERE generation > ?", (generation,)).fetchall()
            new = execute("SELECT id, key FROM items NOT INDEXED WHERE key > ?", (last_key,)).fetchall()
            new.sort(reverse=True)
            follows = "SELECT key FROM items WHERE id > ? ORDER BY id LIMIT 1"
            after = [execute(follows, (item_id,)).fetchone() for item_id, _ in new]
        added = [(key, None if row is None else row[0]) for (_, key), row in zip(new, after, strict=True)]
        return KeyChanges(state, [key for (key,) in removed], added)

    @contextlib.contextmanager
    def _snapshot(self) -> Iterator[State]:
        """The state; whatever the block reads is of the same generation."""
        with self._guard, schema.translated(self.database_path):
            self._connection.execute("BEGIN")
            try:
                yield State.from_json(self._state_value("catalog"))
            finally:
                self._connection.execute("COMMIT")

    def _check_birth(self, manifest: Manifest) -> None:
        with schema.translated(self.database_path):
            birth = birth_from_json(self._state_value("birth"))
        if (birth.catalog_id, birth.encoder) != (manifest.catalog_id, manifest.encoder):
            path = os.path.join(self.directory, MANIFEST_NAME)
            raise DamagedCatalogError(self.directory, path, f"does not belong to {self.database_path}")

    def _check_keys(self, state: State, keys: Int64Array) -> None:
        if len(keys) != state.count:
            raise self.damaged(f"{len(keys)} items where {state.count} were written")
        if int(keys.sum()) != state.key_sum or (np.diff(keys) <= 0).any():
            raise self.damaged("the keys of the items are not those that were written")

    def _state_value(self, name: str) -> str:
        row = self._connection.execute("SELECT value, crc FROM state WHERE name=?", (name,)).fetchone()
        if row is None or not is_whole_text(*row):
            raise self.damaged(f"checksum of the state {name!r}")
        return str(row[0])

    # -- vectors -----------------------------------------------------------------------------------

    def vector_blocks(
        self, *, after_key: int = 0, block: int = 2048
    ) -> Iterator[tuple[Int64Array, Float16Array]]:
        """Yield every vector whose key is greater than ``after_key``, ascending, in blocks.

        Raises:
            DamagedCatalogError: a vector does not match its checksum; the message names the item.
        """
        while True:
            rows = self._fetch(
                "SELECT key, data, crc FROM vectors WHERE key > ? ORDER BY key LIMIT ?", (after_key, block)
            )
            if not rows:
                return
            keys, vectors = self._checked_vectors(rows)
            if keys[0] <= after_key or (np.diff(keys) <= 0).any():
                raise self.damaged("the vectors are not in order")
            yield keys, vectors
            after_key = int(keys[-1])

    def vectors_of(self, keys: Sequence[int]) -> tuple[Int64Array, Float16Array]:
        """The vectors of those of ``keys`` that are alive, ascending by key; result is ((m,), (m, d))."""
        rows: list[tuple[int, bytes, int]] = []
        for start in range(0, len(keys), _PARAMETERS_AT_ONCE):
            part = [int(key) for key in keys[start : start + _PARAMETERS_AT_ONCE]]
            marks = ",".join("?" * len(part))
            rows += self._fetch(f"SELECT key, data, crc FROM vectors WHERE key IN ({marks})", part)
        rows.sort()
        return self._checked_vectors(rows)

    def _checked_vectors(self, rows: list[tuple[int, bytes, int]]) -> tuple[Int64Array, Float16Array]:
        dimension = self.identity.dimension
        size = dimension * 2
        for key, data, crc in rows:
            if not is_whole_vector(key, data, crc, size):
                raise self.damaged(f"checksum of the vector of item {self._name_of(key)}")
        keys = np.fromiter((row[0] for row in rows), dtype=np.int64, count=len(rows))
        joined = b"".join(row[1] for row in rows)
        return keys, np.frombuffer(joined, dtype=np.float16).reshape(len(rows), dimension)

    def _name_of(self, key: int) -> str:
        rows = self._fetch("SELECT id FROM items WHERE key=?", (key,))
        return repr(rows[0][0]) if rows else f"with key {key}"

    # -- items -------------------------------------------------------------------------------------

    def items_of(self, keys: Sequence[int]) -> dict[int, StoredItem]:
        """Those of ``keys`` that are alive, by key."""
        items: dict[int, StoredItem] = {}
        for start in range(0, len(keys), _PARAMETERS_AT_ONCE):
            part = [int(key) for key in keys[start : start + _PARAMETERS_AT_ONCE]]
            marks = ",".join("?" * len(part))
            for row in self._fetch(f"SELECT {ITEM_COLUMNS} FROM items WHERE key IN ({marks})", part):
                item = self._checked_item(row)
                items[item.key] = item
        return items

    def item(self, item_id: str) -> StoredItem | None:
        """The item with this id, if there is one."""
        try:
            item_id.encode()
        except UnicodeEncodeError:
            return None
        rows = self._fetch(f"SELECT {ITEM_COLUMNS} FROM items WHERE id=?", (item_id,))
        if rows:
            return self._checked_item(rows[0])
        # Not found may mean that the way there is damaged: only looking at every row tells.
        if self._fetch("SELECT 1 FROM items NOT INDEXED WHERE id=?", (item_id,)):
            raise self.damaged(f"the item {item_id!r} cannot be found by its id")
        return None

    def items(self, *, block: int = 2048) -> Iterator[StoredItem]:
        """Every item, ordered by id (code points), fetched in blocks.

        Raises:
            DamagedCatalogError: an item is not what was written, or is missing.
        """
        before, found, item_sum, last = self.state(), 0, 0, None
        statement = f"SELECT {ITEM_COLUMNS} FROM items WHERE id > ? ORDER BY id LIMIT ?"
        rows = self._fetch(statement.replace("id >", "id >="), ("", block))
        while rows:
            for row in rows:
                item = self._checked_item(row)
                if last is not None and item.id <= last:
                    raise self.damaged("the items are not in order")
                last, item_sum = item.id, item_sum + row[-1]
                yield item
            found += len(rows)
            rows = self._fetch(statement, (rows[-1][1], block))
        after = self.state()
        if after.generation == before.generation and (found, item_sum) != (after.count, after.item_sum):
            raise self.damaged(f"{found} items where {after.count} were written, or others")

    def _checked_item(self, row: tuple) -> StoredItem:  # type: ignore[type-arg]
        item = StoredItem.from_row(row)
        if item is None:
            raise self.damaged(f"checksum of the row of item {row[1]!r}")
        return item

    def count_after(self, key: int) -> int:
        """How many items have a greater key."""
        return int(self._fetch("SELECT count(*) FROM items WHERE key > ?", (key,))[0][0])

    def counts_by_source(self) -> dict[int, int]:
        """How many items each source has, by its number; reads an index only."""
        return dict(self._fetch("SELECT source, count(*) FROM items GROUP BY source", ()))

    def ids_of_source(self, number: int, most: int) -> list[str]:
        """The ids of at most so many items of a source."""
        return [row[0] for row in self._fetch("SELECT id FROM items WHERE source=? LIMIT ?", (number, most))]

    def skipped_by_source(self) -> dict[int, int]:
        """How many skipped files each source has, by its number."""
        return dict(self._fetch("SELECT source, count(*) FROM skipped GROUP BY source", ()))

    # -- skipped files -----------------------------------------------------------------------------

    def skipped(self) -> list[tuple[int, Skipped]]:
        """Every file that is not in the catalogue, after the number of its source; ordered by source and id.

        Paths are relative to the source's root.

        Raises:
            DamagedCatalogError: an entry is not what was written, or is missing.
        """
        with self._snapshot() as state:
            rows = self._connection.execute(
                f"SELECT {SKIPPED_COLUMNS} FROM skipped ORDER BY source, id, path"
            ).fetchall()
        for row in rows:
            if skipped_checksum(row[:-1]) != row[-1]:
                raise self.damaged(f"checksum of the skipped file {row[1]!r}")
        if (len(rows), sum(row[-1] for row in rows)) != (state.skipped, state.skip_sum):
            raise self.damaged(f"{len(rows)} skipped files where {state.skipped} were written")
        return [(row[0], Skipped(row[1], os.fsdecode(row[2]), SkipReason(row[3]), *row[4:7])) for row in rows]

    def skip_counts(self) -> dict[SkipReason, int]:
        """How many files were skipped for each reason that occurs."""
        return dict(sorted(Counter(row.reason for _, row in self.skipped()).items()))

    # -- inside ------------------------------------------------------------------------------------

    def _fetch(self, statement: str, parameters: Sequence[object]) -> list[tuple]:  # type: ignore[type-arg]
        with self._guard, schema.translated(self.database_path):
            return self._connection.execute(statement, parameters).fetchall()

    def damaged(self, what: str) -> DamagedCatalogError:
        """The error that says what is damaged in the database."""
        return DamagedCatalogError(self.directory, self.database_path, what)


def _check_place(directory: str) -> None:
    """Raise unless a catalogue can be made here; what a creation that was cut off left is no obstacle."""
    if os.path.lexists(directory) and not os.path.isdir(directory):
        raise CatalogExistsError(directory, "is a file; name a folder for the catalogue")
    if is_catalog(directory):
        raise CatalogExistsError(directory)
    if os.path.isdir(directory) and not all(map(_is_ours, os.listdir(directory))):
        raise CatalogExistsError(
            directory, "holds other files; name an empty or new folder for the catalogue"
        )


def _is_ours(name: str) -> bool:
    return name.startswith((TEMPORARY_PREFIX, DATABASE_NAME)) or name in (LOCK_NAME, HOLDER_NAME)


def _make_database(path: str, manifest: Manifest) -> None:
    connection = schema.connect(path, create=True)
    try:
        with schema.transaction(connection, path):
            schema.put_state(connection, "birth", birth_to_json(manifest))
            schema.put_state(connection, "catalog", State().to_json())
    finally:
        connection.close()
