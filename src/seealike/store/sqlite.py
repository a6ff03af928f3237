"""Reading the catalogue: short statements on one guarded connection, every row checked against its CRC.

Statements are short because, where WAL is not safe (see ``schema``), a reader in the middle of a statement
holds up the writer's commit.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence

import numpy as np

from seealike.errors import CatalogExistsError, DamagedCatalogError
from seealike.store import schema
from seealike.store.files import FileSystem
from seealike.store.manifest import Manifest, identity_to_json, is_catalog, read_manifest, write_manifest
from seealike.store.records import ITEM_COLUMNS, State, StoredItem, text_checksum, vector_checksum
from seealike.types import EncoderIdentity, Float16Array, Int64Array, Skipped, SkipReason

DATABASE_NAME = "catalog.sqlite"
_PARAMETERS_AT_ONCE = 500


class SqliteStore:
    """What is in a catalogue, for readers. Safe to use from several threads."""

    def __init__(self, directory: str) -> None:
        """Open the database of the catalogue in ``directory``.

        Raises:
            NoCatalogError, DamagedCatalogError, NewerFormatError: see ``read_manifest``.
        """
        self.directory = directory
        self.database_path = os.path.join(directory, DATABASE_NAME)
        self.identity = read_manifest(directory).encoder
        if not os.path.isfile(self.database_path):
            raise DamagedCatalogError(directory, self.database_path, "missing")
        self._guard = threading.Lock()
        self._connection = schema.connect(self.database_path)

    @classmethod
    def create(cls, directory: str, identity: EncoderIdentity, files: FileSystem) -> SqliteStore:
        """Make an empty catalogue; the manifest, written last, makes it one.

        Raises:
            CatalogExistsError: there is a catalogue, or a file, or a folder with other things in it.
            StorageError: the disk refused.
        """
        if os.path.lexists(directory) and not os.path.isdir(directory):
            raise CatalogExistsError(directory, "is a file; name a folder for the catalogue")
        database_path = os.path.join(directory, DATABASE_NAME)
        if is_catalog(directory) and not _is_unfinished(directory):
            raise CatalogExistsError(directory)
        if not is_catalog(directory) and os.path.isdir(directory) and os.listdir(directory):
            raise CatalogExistsError(
                directory, "holds other files; name an empty or new folder for the catalogue"
            )
        files.make_directory(directory)
        connection = schema.connect(database_path, create=True)
        try:
            with schema.transaction(connection, database_path):
                put_state(connection, "encoder", identity_to_json(identity))
                put_state(connection, "catalog", State().to_json())
        finally:
            connection.close()
        write_manifest(files, directory, Manifest(identity))
        return cls(directory)

    def close(self) -> None:
        """Close the connection; the store cannot be used afterwards."""
        with self._guard:
            self._connection.close()

    # -- the catalogue as a whole ------------------------------------------------------------------

    def state(self) -> State:
        """The committed state: generation, counts, source."""
        return self.state_and_keys(with_keys=False)[0]

    def state_and_keys(self, *, with_keys: bool = True) -> tuple[State, Int64Array]:
        """The state and, of the very same generation, every item's key, ascending.

        Raises:
            DamagedCatalogError: rows are missing or the state does not match its checksum.
        """
        with self._guard, schema.translated(self.database_path):
            self._connection.execute("BEGIN")
            try:
                state = State.from_json(self._state_value("catalog"))
                rows = (
                    self._connection.execute("SELECT key FROM vectors ORDER BY key").fetchall()
                    if with_keys
                    else []
                )
            finally:
                self._connection.execute("COMMIT")
        keys = np.array([row[0] for row in rows], dtype=np.int64)
        if with_keys and (len(keys) != state.count or (len(keys) and keys[-1] > state.last_key)):
            raise self._damaged(f"{len(keys)} vectors where {state.count} were written")
        return state, keys

    def _state_value(self, name: str) -> str:
        row = self._connection.execute("SELECT value, crc FROM state WHERE name=?", (name,)).fetchone()
        if row is None or text_checksum(row[0]) != row[1]:
            raise self._damaged(f"checksum of the state {name!r}")
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
            if len(data) != size or vector_checksum(key, data) != crc:
                raise self._damaged(f"checksum of the vector of item {self._name_of(key)}")
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
        rows = self._fetch(f"SELECT {ITEM_COLUMNS} FROM items WHERE id=?", (item_id,))
        return self._checked_item(rows[0]) if rows else None

    def items(self, *, block: int = 2048) -> Iterator[StoredItem]:
        """Every item, ordered by id (code points), fetched in blocks."""
        statement = f"SELECT {ITEM_COLUMNS} FROM items WHERE id > ? ORDER BY id LIMIT ?"
        rows = self._fetch(statement.replace("id >", "id >="), ("", block))
        while rows:
            for row in rows:
                yield self._checked_item(row)
            rows = self._fetch(statement, (rows[-1][1], block))

    def _checked_item(self, row: tuple) -> StoredItem:  # type: ignore[type-arg]
        item = StoredItem.from_row(row)
        if item is None:
            raise self._damaged(f"checksum of the row of item {row[1]!r}")
        return item

    # -- skipped files -----------------------------------------------------------------------------

    def skipped(self) -> list[Skipped]:
        """Every file that is not in the catalogue, ordered by id."""
        rows = self._fetch("SELECT id, path, reason, detail, size, mtime FROM skipped ORDER BY id, path", ())
        return [
            Skipped(row[0], os.fsdecode(row[1]), SkipReason(row[2]), row[3], row[4], row[5]) for row in rows
        ]

    def skip_counts(self) -> dict[SkipReason, int]:
        """How many files were skipped for each reason that occurs."""
        rows = self._fetch("SELECT reason, count(*) FROM skipped GROUP BY reason ORDER BY reason", ())
        return {SkipReason(reason): count for reason, count in rows}

    # -- inside ------------------------------------------------------------------------------------

    def _fetch(self, statement: str, parameters: Sequence[object]) -> list[tuple]:  # type: ignore[type-arg]
        with self._guard, schema.translated(self.database_path):
            return self._connection.execute(statement, parameters).fetchall()

    def _damaged(self, what: str) -> DamagedCatalogError:
        return DamagedCatalogError(self.directory, self.database_path, what)


def put_state(connection: object, name: str, value: str) -> None:
    """Write one row of ``state`` with its checksum, inside the caller's transaction."""
    connection.execute(  # type: ignore[attr-defined]
        "INSERT INTO state (name, value, crc) VALUES (?, ?, ?) "
        "ON CONFLICT (name) DO UPDATE SET value=excluded.value, crc=excluded.crc",
        (name, value, text_checksum(value)),
    )


def _is_unfinished(directory: str) -> bool:
    """Whether a creation was cut off before its manifest: a database without items and without manifest."""
    from seealike.store.manifest import MANIFEST_NAME

    if os.path.exists(os.path.join(directory, MANIFEST_NAME)):
        return False
    try:
        connection = schema.connect(os.path.join(directory, DATABASE_NAME), create=True)
    except DamagedCatalogError:
        return False
    try:
        return bool(connection.execute("SELECT count(*) = 0 FROM items").fetchone()[0])
    finally:
        connection.close()
