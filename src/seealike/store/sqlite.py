"""Reading the catalogue: short statements on one guarded connection, every row checked against its CRC.

Statements are short because, where WAL is not safe (see ``schema``), a reader in the middle of a statement
holds up the writer's commit.
"""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
import threading
import weakref
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import chain

import numpy as np

from seealike import filesets
from seealike.errors import (
    CatalogExistsError,
    DamagedCatalogError,
    UnknownItemError,
    UnknownNameError,
    check_id,
)
from seealike.files import TEMPORARY_PREFIX, FileSystem
from seealike.store import schema
from seealike.store.lock import BUILDER_LOCK_NAME, HOLDER_NAME, LOCK_NAME, WriterLock
from seealike.store.manifest import (
    DATABASE_NAME,
    ENCODERS_NAME,
    MANIFEST_NAME,
    PROGRESS_NAME,
    Manifest,
    birth_from_json,
    birth_to_json,
    is_catalog,
    read_manifest,
    write_manifest,
)
from seealike.store.records import (
    ITEM_COLUMNS,
    SIGNATURE_COLUMNS,
    SKIPPED_COLUMNS,
    KeyChanges,
    SignatureRow,
    State,
    StoredItem,
    is_whole_text,
    is_whole_vector,
    signature_from_row,
    skipped_checksum,
)
from seealike.types import EncoderIdentity, Float16Array, Int64Array, Signature, Skipped, SkipReason
from seealike.vectors import VectorType

CREATION_WAIT_S = 10.0
_FEW_KEYS, _FEW_SHARE = 4096, 0.05
_PARAMETERS_AT_ONCE = 500
_ITEM_WIDTH = len(ITEM_COLUMNS.split(", "))  # values in its row, the checksum last
_NEAR = 50  # ids that a wrong one is compared with, of each sort
_LONGEST = 1000  # letters of it that are looked at
_ROWS_LOOKED_THROUGH = 100_000  # by one statement
_MAY_BE_FILE = "(size = ? OR lower(CAST(substr(path, ?) AS TEXT)) = lower(CAST(? AS TEXT)))"


def is_on_record(state: State, generation: int, last_key: int) -> bool:
    """Whether what came and went since a generation is on record, and less than every key.

    With many new keys it is quicker to look at all than to ask where each belongs. ``last_key``: the greatest
    of that generation.
    """
    known = state.generation >= generation >= max(state.recorded_from, state.renamed)
    return known and state.last_key - last_key <= max(_FEW_KEYS, _FEW_SHARE * state.count)


class SqliteStore:
    """What is in one database of a catalogue, for readers. Safe to use from several threads.

    It goes on reading that database whatever becomes of the catalogue; ``is_current`` tells.
    """

    def __init__(self, directory: str) -> None:
        """Open the database of the catalogue in ``directory``.

        Raises:
            NoCatalogError, DamagedCatalogError, NewerFormatError, ForeignFileError, StorageError: see
                ``read_manifest``.
        """
        self.directory = directory
        self._process_id = os.getpid()
        self._guard = threading.Lock()
        self._known_state: tuple[int, State] | None = None
        self._known_calibration: tuple[int, str | None] | None = None
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
        self.vector_type = manifest.vectors
        self._catalog_id = manifest.catalog_id
        self._file = _file_at(self.database_path)
        if self._file is None:
            raise DamagedCatalogError(self.directory, self.database_path, "missing")
        self._connection = schema.connect(self.database_path)
        try:
            self.check_is_this(self._connection)
        except BaseException:
            self._connection.close()
            raise
        # Of a catalogue that was replaced nobody knows who reads the old store last.
        weakref.finalize(self, self._connection.close).atexit = False

    @classmethod
    def create(
        cls,
        directory: str,
        identity: EncoderIdentity,
        files: FileSystem,
        *,
        encoder_spec: str = "",
        vectors: VectorType = VectorType.FLOAT16,
        prepare: Callable[[], None] | None = None,
    ) -> SqliteStore:
        """Make an empty catalogue; the manifest, written last, makes it one.

        ``encoder_spec`` is how the encoder was asked for, empty where it is an object of the caller's.
        ``vectors`` says in which numbers they are kept. ``prepare`` puts into the directory, before the
        manifest, what must be there from the beginning.

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
            manifest = Manifest(identity, encoder_spec=encoder_spec, vectors=vectors)
            _make_database(os.path.join(directory, DATABASE_NAME), manifest)
            try:
                if prepare is not None:
                    prepare()
                write_manifest(files, directory, manifest)
            except BaseException:
                files.remove(os.path.join(directory, MANIFEST_NAME))
                raise
        finally:
            lock.release()
        return cls(directory)

    @property
    def catalog_id(self) -> str:
        """What tells this database from every other: keys of one mean nothing in another."""
        return self._catalog_id

    def is_current(self) -> bool:
        """Whether this database is still what lies under its name in the catalogue's directory.

        It costs one look at the directory: a file that is open keeps its number, so no other can have it.
        Never in a forked child: the connection is the parent's.
        """
        return self._process_id == os.getpid() and _file_at(self.database_path) == self._file

    def is_the_catalogs(self) -> bool:
        """Whether the manifest names this database; reads it.

        Raises:
            NoCatalogError, DamagedCatalogError, NewerFormatError, ForeignFileError, StorageError: see
                ``read_manifest``.
        """
        manifest = read_manifest(self.directory)
        named = manifest.catalog_id, manifest.database
        return named == (self._catalog_id, os.path.basename(self.database_path)) and self.is_current()

    def check_is_this(self, connection: sqlite3.Connection) -> None:
        """Refuse a connection to any other database.

        Raises:
            DamagedCatalogError: it is another catalogue's, or another encoder's, or keeps other numbers.
        """
        with schema.translated(self.database_path):
            text = self._state_value("birth", connection)
        try:
            birth = birth_from_json(text)
        except UnknownNameError as exc:
            raise self.damaged(str(exc)) from exc
        here = (self._catalog_id, self.identity, self.vector_type)
        if (birth.catalog_id, birth.encoder, birth.vectors) != here:
            path = os.path.join(self.directory, MANIFEST_NAME)
            raise DamagedCatalogError(self.directory, path, f"does not belong to {self.database_path}")

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

    def calibration(self) -> str | None:
        """What was learnt about this catalogue's scores, as ``StoreWriter.set_calibration`` was given it.

        Raises:
            DamagedCatalogError: it is not what was written.
        """
        with self._guard, schema.translated(self.database_path):
            version = self._connection.execute("PRAGMA data_version").fetchone()[0]
            if self._known_calibration is None or self._known_calibration[0] != version:
                there = self._connection.execute("SELECT 1 FROM state WHERE name='calibration'").fetchone()
                text = None if there is None else self._state_value("calibration")
                self._known_calibration = (version, text)
            return self._known_calibration[1]

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
            keys = np.fromiter(chain.from_iterable(rows), dtype=np.int64)
        self._check_keys(state, np.sort(keys))
        return state, keys

    def key_changes(self, generation: int, last_key: int) -> KeyChanges | None:
        """What became of the keys of ``generation``, whose last one is ``last_key``; reads only what changed.

        ``None`` where that is not on record, or is not less than reading every key.
        """
        with self._snapshot() as state:
            if not is_on_record(state, generation, last_key):
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

    def _check_keys(self, state: State, keys: Int64Array) -> None:
        if len(keys) != state.count:
            raise self.damaged(f"{len(keys)} items where {state.count} were written")
        if int(keys.sum()) != state.key_sum or (np.diff(keys) <= 0).any():
            raise self.damaged("the keys of the items are not those that were written")

    def _state_value(self, name: str, connection: sqlite3.Connection | None = None) -> str:
        asked = connection or self._connection
        row = asked.execute("SELECT value, crc FROM state WHERE name=?", (name,)).fetchone()
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
        size = self.vector_type.bytes_of(dimension)
        for key, data, crc in rows:
            if not is_whole_vector(key, data, crc, size):
                raise self.damaged(f"checksum of the vector of item {self._name_of(key)}")
        keys = np.fromiter((row[0] for row in rows), dtype=np.int64, count=len(rows))
        joined = b"".join(row[1] for row in rows)
        return keys, self.vector_type.read(joined, dimension)

    def _name_of(self, key: int) -> str:
        rows = self._fetch("SELECT id FROM items WHERE key=?", (key,))
        return repr(rows[0][0]) if rows else f"with key {key}"

    # -- signatures --------------------------------------------------------------------------------

    def signature_blocks(
        self, *, after_key: int = 0, block: int = 8192
    ) -> Iterator[tuple[Int64Array, list[Signature]]]:
        """Yield every signature whose key is greater, ascending, in blocks; items may have none yet.

        Raises:
            DamagedCatalogError: a signature does not match its checksum, or some are lost.
        """
        before, found, from_start = self.state(), 0, after_key == 0
        while True:
            rows = self._fetch(
                f"SELECT {SIGNATURE_COLUMNS} FROM signatures WHERE key > ? ORDER BY key LIMIT ?",
                (after_key, block),
            )
            if not rows:
                break
            keys, signatures = self._checked_signatures(rows)
            if keys[0] <= after_key or (np.diff(keys) <= 0).any():
                raise self.damaged("the signatures are not in order")
            yield keys, signatures
            found, after_key = found + len(rows), int(keys[-1])
        after = self.state()
        if from_start and after.generation == before.generation and found != after.signed:
            raise self.damaged(f"{found} signatures where {after.signed} were written")

    def signatures_of(self, keys: Sequence[int]) -> dict[int, Signature]:
        """The signatures of those of ``keys`` that have one, by key."""
        rows: list[SignatureRow] = []
        for start in range(0, len(keys), _PARAMETERS_AT_ONCE):
            part = [int(key) for key in keys[start : start + _PARAMETERS_AT_ONCE]]
            marks = ",".join("?" * len(part))
            rows += self._fetch(f"SELECT {SIGNATURE_COLUMNS} FROM signatures WHERE key IN ({marks})", part)
        found, signatures = self._checked_signatures(rows)
        return dict(zip(found.tolist(), signatures, strict=True))

    def ids_and_signatures(self, *, block: int = 2048) -> Iterator[tuple[str, Signature | None]]:
        """Every item's id and its signature, where it has one; ordered by id, fetched in blocks.

        Raises:
            DamagedCatalogError: an item or a signature is not what was written, or an item is missing.
        """
        for items, _ in self._blocks_by_id(ITEM_COLUMNS, block):
            signatures = self.signatures_of([item.key for item in items])
            yield from ((item.id, signatures.get(item.key)) for item in items)

    def unsigned_items(self, sources: Sequence[int], *, block: int = 1000) -> Iterator[StoredItem]:
        """The items of some sources, by their numbers, that have a path and no signature; by key."""
        if self.state().signed == self.state().count:
            return
        for source in sources:
            after_key = 0
            while keys := self._fetch(
                "SELECT key FROM items INDEXED BY items_of_source WHERE source=? AND key > ? "
                "AND key NOT IN (SELECT key FROM signatures) ORDER BY key LIMIT ?",
                (source, after_key, block),
            ):
                after_key = keys[-1][0]
                items = self.items_of([row[0] for row in keys])
                yield from (item for _, item in sorted(items.items()) if item.path is not None)

    def _checked_signatures(self, rows: list[SignatureRow]) -> tuple[Int64Array, list[Signature]]:
        signatures = []
        for row in rows:
            signature = signature_from_row(row)
            if signature is None:
                raise self.damaged(f"checksum of the signature of item {self._name_of(row[0])}")
            signatures.append(signature)
        return np.fromiter((row[0] for row in rows), dtype=np.int64, count=len(rows)), signatures

    # -- items -------------------------------------------------------------------------------------

    def groups(self) -> tuple[State, list[tuple[int, str]]]:
        """The state and, of the very same generation, the key and the group of every item that has one.

        Rows are not checked: whoever shows an item reads its row, and compares.
        """
        with self._snapshot() as state:
            rows = self._connection.execute("SELECT key, grp FROM items WHERE grp IS NOT NULL")
            return state, rows.fetchall()

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
        if not _is_text(item_id):
            return None
        rows = self._fetch(f"SELECT {ITEM_COLUMNS} FROM items WHERE id=?", (item_id,))
        if rows:
            return self._checked_item(rows[0])
        # Not found may mean that the way there is damaged: only looking at every row tells.
        if self._fetch("SELECT 1 FROM items NOT INDEXED WHERE id=?", (item_id,)):
            raise self.damaged(f"the item {item_id!r} cannot be found by its id")
        return None

    def known_item(self, item_id: str) -> StoredItem:
        """The item with this id.

        Raises:
            UnknownItemError: there is none.
            UsageError: it is no text.
        """
        check_id(item_id)
        item = self.item(item_id)
        if item is None:
            raise UnknownItemError.among(item_id, self._ids_near(item_id))
        return item

    def keys_of(self, ids: Sequence[str]) -> list[int]:
        """The keys of items, in the order of ``ids``. Raises as ``known_item``."""
        if len(ids) == 1:
            return [self.known_item(ids[0]).key]
        found: dict[str, int] = {}
        for start in range(0, len(ids), _PARAMETERS_AT_ONCE):
            part = [one for one in ids[start : start + _PARAMETERS_AT_ONCE] if _is_text(one)]
            marks = ",".join("?" * len(part))
            rows = self._fetch(f"SELECT {ITEM_COLUMNS} FROM items WHERE id IN ({marks})", part)
            found.update((item.id, item.key) for item in map(self._checked_item, rows))
        return [found[one] if one in found else self.known_item(one).key for one in ids]

    def _ids_near(self, item_id: str) -> list[str]:
        """A few ids that may have been meant: neighbours in the order of ids, and the same name elsewhere."""
        text = item_id[:_LONGEST].encode("utf-8", "replace").decode()
        name = re.sub(r"([%_\\])", r"\\\1", text.rpartition("/")[2])
        found = [
            *self._fetch("SELECT id FROM items WHERE id >= ? ORDER BY id LIMIT ?", (text, _NEAR)),
            *self._fetch("SELECT id FROM items WHERE id < ? ORDER BY id DESC LIMIT ?", (text, _NEAR)),
            *self._fetch("SELECT id FROM items WHERE id LIKE ? ESCAPE '\\' LIMIT ?", (f"%{name}", _NEAR)),
        ]
        return list(dict.fromkeys(row[0] for row in found))

    def items(self, *, block: int = 2048) -> Iterator[StoredItem]:
        """Every item, ordered by id (code points), fetched in blocks.

        Raises:
            DamagedCatalogError: an item is not what was written, or is missing.
        """
        for items, _ in self._blocks_by_id(ITEM_COLUMNS, block):
            yield from items

    def items_after(self, key: int, *, block: int = 2048) -> Iterator[StoredItem]:
        """Every item with a greater key, ascending, fetched in blocks.

        Raises:
            DamagedCatalogError: an item is not what was written.
        """
        statement = f"SELECT {ITEM_COLUMNS} FROM items WHERE key > ? ORDER BY key LIMIT ?"
        while rows := self._fetch(statement, (key, block)):
            for row in rows:
                item = self._checked_item(row)
                if item.key <= key:
                    raise self.damaged("the items are not in the order of their keys")
                key = item.key
                yield item

    def items_from(self, item_id: str, count: int) -> list[StoredItem]:
        """At most ``count`` items in id order, from ``item_id`` on, or from what would come after it.

        Raises:
            DamagedCatalogError: an item is not what was written.
        """
        statement = f"SELECT {ITEM_COLUMNS} FROM items WHERE id >= ? ORDER BY id LIMIT ?"
        return [self._checked_item(row) for row in self._fetch(statement, (item_id, count))]

    def items_and_vectors(self, *, block: int = 2048) -> Iterator[tuple[list[StoredItem], Float16Array]]:
        """Every item and its vector, ordered by id, in blocks; each block is of one generation.

        Shapes: the vectors of a block of m items are (m, d).

        Raises:
            DamagedCatalogError: an item or a vector is not what was written, or is missing.
        """
        vector = "(SELECT {} FROM vectors WHERE vectors.key = items.key)"
        columns = ", ".join((ITEM_COLUMNS, vector.format("data"), vector.format("crc")))
        for items, rows in self._blocks_by_id(columns, block):
            if any(row[-2] is None for row in rows):
                raise self.damaged("items without a vector")
            _, vectors = self._checked_vectors([(row[0], *row[-2:]) for row in rows])
            yield items, vectors

    def _blocks_by_id(self, columns: str, block: int) -> Iterator[tuple[list[StoredItem], list[tuple]]]:  # type: ignore[type-arg]
        """Every item and its row, ordered by id, in blocks. ``columns`` begin with ``ITEM_COLUMNS``."""
        before, found, item_sum, last = self.state(), 0, 0, None
        statement = f"SELECT {columns} FROM items WHERE id > ? ORDER BY id LIMIT ?"
        rows = self._fetch(statement.replace("WHERE id >", "WHERE id >="), ("", block))
        while rows:
            items = []
            for row in rows:
                item = self._checked_item(row[:_ITEM_WIDTH])
                if last is not None and item.id <= last:
                    raise self.damaged("the items are not in order")
                last, item_sum = item.id, item_sum + row[_ITEM_WIDTH - 1]
                items.append(item)
            yield items, rows
            found += len(rows)
            rows = self._fetch(statement, (last, block))
        after = self.state()
        if after.generation == before.generation and (found, item_sum) != (after.count, after.item_sum):
            raise self.damaged(f"{found} items where {after.count} were written, or others")

    def _checked_item(self, row: tuple) -> StoredItem:  # type: ignore[type-arg]
        item = StoredItem.from_row(row)
        if item is None:
            raise self.damaged(f"checksum of the row of item {row[1]!r}")
        return item

    def items_like(self, name: bytes, size_bytes: int) -> Iterator[tuple[int, str, bytes]]:
        """Sources, ids and stored paths of the items whose picture may be a certain file.

        Those of its size, under whatever name, and those whose path ends as it does, whatever their size:
        the caller asks the file system which of them it is.
        """
        statement = f"SELECT source, id, path FROM items WHERE key > ? AND key <= ? AND {_MAY_BE_FILE}"
        for start in range(0, self.state().last_key, _ROWS_LOOKED_THROUGH):
            end = start + _ROWS_LOOKED_THROUGH
            rows = self._fetch(statement, (start, end, size_bytes, -len(name), name))
            yield from (row for row in rows if row[2] is not None)

    def skipped_like(self, name: bytes, size_bytes: int) -> list[tuple[int, str, bytes]]:
        """The same of the skipped files."""
        return self._fetch(
            f"SELECT source, id, path FROM skipped WHERE {_MAY_BE_FILE}", (size_bytes, -len(name), name)
        )

    def count_after(self, key: int) -> int:
        """How many items have a greater key."""
        return int(self._fetch("SELECT count(*) FROM items WHERE key > ?", (key,))[0][0])

    def ids_of_source(self, number: int, most: int) -> list[str]:
        """The ids of at most so many items of a source.

        Raises:
            DamagedCatalogError: one that is found as such is not.
        """
        rows = self._fetch(f"SELECT {ITEM_COLUMNS} FROM items WHERE source=? LIMIT ?", (number, most))
        items = [self._checked_item(row) for row in rows]
        if any(item.source != number for item in items):
            raise self.damaged("the index of the items of a source")
        return [item.id for item in items]

    # -- skipped files -----------------------------------------------------------------------------

    def skipped(self, *, block: int = 2048) -> Iterator[tuple[int, Skipped]]:
        """Every file that is not in the catalogue, after the number of its source; ordered by source and id.

        Paths are relative to the source's root. Fetched in blocks.

        Raises:
            DamagedCatalogError: an entry is not what was written, or is missing.
        """
        for row in self._skipped_rows(block):
            yield row[0], _skip_of(row)

    def skipped_after(
        self, place: tuple[int, str, bytes], count: int, reason: SkipReason | None
    ) -> tuple[int, int, list[tuple[int, Skipped]]]:
        """At most ``count`` of the skipped files after a place, which is a source, an id and a stored path.

        Before them the generation, and how many there are in all; with a ``reason``, only with that one.

        Raises:
            DamagedCatalogError: an entry is not what was written.
        """
        only = "" if reason is None else " AND reason = ?"
        reasons = () if reason is None else (reason.value,)
        ordered = (
            f"SELECT {SKIPPED_COLUMNS} FROM skipped WHERE (source, id, path) > (?, ?, ?){only} "
            "ORDER BY source, id, path LIMIT ?"
        )
        with self._snapshot() as state:
            total = state.skipped
            if reason is not None:
                counted = "SELECT count(*) FROM skipped WHERE reason = ?"
                total = int(self._connection.execute(counted, reasons).fetchone()[0])
            rows = self._connection.execute(ordered, (*place, *reasons, count)).fetchall()
        for row in rows:
            self._check_skip(row)
        return state.generation, total, [(row[0], _skip_of(row)) for row in rows]

    def skip_counts(self) -> Counter[tuple[int, SkipReason]]:
        """How many files were skipped by the number of their source and the reason; all are checked."""
        counts = Counter((row[0], row[3]) for row in self._skipped_rows())
        return Counter({(number, SkipReason(reason)): count for (number, reason), count in counts.items()})

    def _skipped_rows(self, block: int = 2048) -> Iterator[tuple]:  # type: ignore[type-arg]
        before, found, skip_sum, last = self.state(), 0, 0, None
        statement = (
            f"SELECT {SKIPPED_COLUMNS} FROM skipped WHERE (source, id, path) > (?, ?, ?) "
            "ORDER BY source, id, path LIMIT ?"
        )
        rows = self._fetch(statement, (-1, "", b"", block))
        while rows:
            for row in rows:
                self._check_skip(row)
                if last is not None and row[:3] <= last:
                    raise self.damaged("the skipped files are not in order")
                last, skip_sum = row[:3], skip_sum + row[-1]
                yield row
            found += len(rows)
            rows = self._fetch(statement, (*rows[-1][:3], block))
        after = self.state()
        if after.generation == before.generation and (found, skip_sum) != (after.skipped, after.skip_sum):
            raise self.damaged(f"{found} skipped files where {after.skipped} were written, or others")

    def _check_skip(self, row: tuple) -> None:  # type: ignore[type-arg]
        if skipped_checksum(row[:-1]) != row[-1]:
            raise self.damaged(f"checksum of the skipped file {row[1]!r}")

    # -- inside ------------------------------------------------------------------------------------

    def _fetch(self, statement: str, parameters: Sequence[object]) -> list[tuple]:  # type: ignore[type-arg]
        with self._guard, schema.translated(self.database_path):
            return self._connection.execute(statement, parameters).fetchall()

    def damaged(self, what: str) -> DamagedCatalogError:
        """The error that says what is damaged in the database."""
        return DamagedCatalogError(self.directory, self.database_path, what)


def _skip_of(row: tuple) -> Skipped:  # type: ignore[type-arg]
    return Skipped(row[1], os.fsdecode(row[2]), SkipReason(row[3]), *row[4:7])


def _is_text(item_id: object) -> bool:
    """Whether an id can be looked up."""
    if not isinstance(item_id, str):
        return False
    try:
        item_id.encode()
    except UnicodeEncodeError:
        return False
    return True


def _file_at(path: str) -> tuple[int, int] | None:
    """What the file system calls the file under this name; ``None`` where there is none to be seen."""
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _check_place(directory: str) -> None:
    """Raise unless a catalogue can be made here; what a creation that was cut off left is no obstacle."""
    if os.path.lexists(directory) and not os.path.isdir(directory):
        raise CatalogExistsError(directory, "is a file; name a folder for the catalogue")
    if is_catalog(directory):
        raise CatalogExistsError(directory)
    if os.path.isdir(directory) and not all(_is_ours(directory, name) for name in os.listdir(directory)):
        raise CatalogExistsError(
            directory, "holds other files; name an empty or new folder for the catalogue"
        )


def _is_ours(directory: str, name: str) -> bool:
    locks = (LOCK_NAME, HOLDER_NAME, BUILDER_LOCK_NAME)
    if name == ENCODERS_NAME:
        return filesets.is_ours(os.path.join(directory, name), locks)
    return name.startswith((TEMPORARY_PREFIX, DATABASE_NAME)) or name in (*locks, PROGRESS_NAME)


def _make_database(path: str, manifest: Manifest) -> None:
    connection = schema.connect(path, create=True)
    try:
        with schema.transaction(connection, path):
            schema.put_state(connection, "birth", birth_to_json(manifest))
            schema.put_state(connection, "catalog", State().to_json())
    finally:
        connection.close()
