"""Changing the catalogue: every public method here is one durable transaction and one new generation."""

from __future__ import annotations

import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import islice
from operator import attrgetter
from typing import Self, TypeAlias

import numpy as np

from seealike.store import schema
from seealike.store.manifest import birth_from_json
from seealike.store.records import (
    ITEM_COLUMNS,
    SIGNATURE_COLUMNS,
    SKIPPED_COLUMNS,
    NewItem,
    SkipOrigin,
    SourceRecord,
    State,
    StoredItem,
    is_whole_text,
    signature_row,
    skipped_checksum,
    vector_checksum,
)
from seealike.types import Signature, Skipped

WRITER_PATIENCE_MS = 60_000
PART_EDITS = 1000  # in a transaction: where WAL is not safe, readers wait while one is written to the disk
MOST_TOMBSTONES = 20_000  # beyond, the older half is forgotten: who reads from before then reads all keys
_NAMED = "source=? AND id=? AND path=?"
_INSERT_ITEM = f"INSERT INTO items ({ITEM_COLUMNS}) VALUES ({','.join('?' * 12)})"


class StoreWriter:
    """The one writer of a catalogue. The caller holds the writer lock."""

    def __init__(self, database_path: str) -> None:
        """Open a connection of its own, so that readers keep their snapshot."""
        self._path = database_path
        self.connection = schema.connect(database_path)
        # A reader in the middle of a long statement (verify) holds up a commit where WAL is not safe.
        self.connection.execute(f"PRAGMA busy_timeout={WRITER_PATIENCE_MS}")

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()

    def add(self, items: Sequence[NewItem]) -> int:
        """Add items, each replacing the one with its id; the number that were replaced."""
        if not items:
            return 0
        with self._change() as change:
            replaced = change.remove_ids([item.id for item in items])
            change.insert(items)
        return replaced

    def remove(self, ids: Iterable[str]) -> int:
        """Remove the items with these ids; the number that existed."""
        with self._change() as change:
            return change.remove_ids(list(ids))

    def set_ann(self, record: str | None) -> None:
        """Record which ANN snapshot belongs to the catalogue (derived: no new generation)."""
        with schema.transaction(self.connection, self._path):
            state = replace(read_state(self.connection), ann=record)
            schema.put_state(self.connection, "catalog", state.to_json())

    def set_calibration(self, calibration: str | None) -> None:
        """Keep what was learnt about scores, or nothing (derived: no new generation).

        It is of the vectors in this database: another encoder's are in another one, which does not have it.
        """
        with schema.transaction(self.connection, self._path):
            if calibration is None:
                self.connection.execute("DELETE FROM state WHERE name='calibration'")
            else:
                schema.put_state(self.connection, "calibration", calibration)

    def recount(self) -> None:
        """Make the state's count agree with the rows that are there (repair)."""
        with schema.transaction(self.connection, self._path):
            state = read_state(self.connection)
            true = counted(self.connection, state)
            if true != state:
                generation = state.generation + 1
                true = replace(true, generation=generation, recorded_from=generation)
                schema.put_state(self.connection, "catalog", true.to_json())

    def set_sources(self, sources: Sequence[SourceRecord]) -> None:
        """Record where the pictures come from."""
        with self._change() as change:
            change.sources = tuple(sources)

    def rewrite(self, apply: Callable[[Change], None]) -> None:
        """Run several changes as one transaction."""
        with self._change() as change:
            apply(change)

    def in_parts(self, edits: Iterable[Edit]) -> None:
        """Make many edits in small transactions, so that no reader has to wait long for one."""
        edits = iter(edits)
        while part := list(islice(edits, PART_EDITS)):
            with self._change() as change:
                for edit in part:
                    edit(change)

    def _change(self) -> Change:
        return Change(self.connection, self._path)


class Change:
    """One transaction in progress: commits on a clean exit, rolls back on any other."""

    def __init__(self, connection: sqlite3.Connection, path: str) -> None:
        """Nothing happens before the block is entered."""
        self._connection = connection
        self._transaction = schema.transaction(connection, path)
        self._added = 0
        self._removed = 0
        self._key_sum = 0
        self._item_sum = 0
        self._skipped = 0
        self._skip_sum = 0
        self._signed = 0
        self._dead: list[int] = []
        self._by_source: Counter[int] = Counter()
        self._changed = self._rewritten = self._renamed = False
        self.sources: tuple[SourceRecord, ...] | None = None
        self.least_generation = 0

    def __enter__(self) -> Self:
        """Begin."""
        self._transaction.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: object) -> None:
        """Write the new state and commit, or roll back."""
        if kind is None:
            try:
                self._finish()
            except BaseException as exc:
                if not self._transaction.__exit__(type(exc), exc, exc.__traceback__):
                    raise
                return
        self._transaction.__exit__(kind, value, trace)  # type: ignore[arg-type]

    def insert(self, items: Sequence[NewItem]) -> None:
        """Insert items whose ids are free, each under a fresh key."""
        state = read_state(self._connection)
        kept_as = birth_from_json(_state_text(self._connection, "birth")).vectors
        for key, item in enumerate(items, start=state.last_key + self._added + 1):
            row = item.stored(key).row()
            self._connection.execute(_INSERT_ITEM, row)
            self._key_sum += key
            self._item_sum += row[-1]
            self._by_source[item.source] += 1
            vector = kept_as.kept(np.frombuffer(item.vector, np.float16)[np.newaxis]).tobytes()
            self._connection.execute(
                "INSERT INTO vectors (key, data, crc) VALUES (?, ?, ?)",
                (key, vector, vector_checksum(key, vector)),
            )
            if item.signature is not None:
                self._sign(key, item.signature)
        self._added += len(items)
        self._changed = self._changed or bool(items)

    def sign(self, key: int, signature: Signature) -> None:
        """Note the signature of an item that has none."""
        self._sign(key, signature)
        self._changed = self._rewritten = True

    def _sign(self, key: int, signature: Signature) -> None:
        self._signed += self._connection.execute(
            f"INSERT OR IGNORE INTO signatures ({SIGNATURE_COLUMNS}) VALUES (?, ?, ?, ?)",
            signature_row(key, signature),
        ).rowcount

    def unsign(self, key: int) -> None:
        """Forget an item's signature; the next ``index`` makes it anew."""
        found = self._connection.execute("DELETE FROM signatures WHERE key=?", (key,)).rowcount
        self._signed -= found
        self._changed = self._changed or bool(found)
        self._rewritten = self._rewritten or bool(found)

    def remove_ids(self, ids: Sequence[str]) -> int:
        """Delete the items with these ids."""
        removed = 0
        for item_id in ids:
            row = self._connection.execute("SELECT key FROM items WHERE id=?", (item_id,)).fetchone()
            if row is not None:
                self._delete(row[0])
                removed += 1
        return removed

    def remove_keys(self, keys: Sequence[int]) -> None:
        """Delete items and vectors by key, wherever one of them is left (repair)."""
        for key in keys:
            self._delete(key)

    def update(self, item: StoredItem) -> None:
        """Rewrite the row of an item whose picture, and so whose vector and key, stay."""
        row = item.row()
        columns = ",".join(f"{name.strip()}=?" for name in ITEM_COLUMNS.split(","))
        before, source = self._checksum_and_source(item.key)
        known = self._connection.execute("SELECT 1 FROM items WHERE id=? AND key=?", (item.id, item.key))
        self._renamed = known.fetchone() is None or self._renamed
        statement = f"UPDATE items SET {columns} WHERE key=?"
        found = self._connection.execute(statement, (*row, item.key)).rowcount
        self._item_sum += found * (row[-1] - before)
        self._by_source[source] -= found
        self._by_source[item.source] += found
        self._changed = self._rewritten = True

    def put_source(self, source: SourceRecord) -> None:
        """Record a source, in place of the one with its number."""
        known = self.sources if self.sources is not None else read_state(self._connection).sources
        others = [other for other in known if other.number != source.number]
        self.sources = tuple(sorted([*others, source], key=attrgetter("number")))

    def drop_source(self, number: int) -> None:
        """Forget a source that has no items."""
        known = self.sources if self.sources is not None else read_state(self._connection).sources
        self.sources = tuple(source for source in known if source.number != number)

    def skip(self, source: int, skipped: Sequence[Skipped], origin: SkipOrigin) -> None:
        """List files of a source as not indexed."""
        for row in skipped:
            fields = (
                source,
                row.id,
                os.fsencode(row.path),
                row.reason.value,
                row.detail.encode("utf-8", "backslashreplace").decode(),
                row.size_bytes,
                row.mtime_ns,
                origin,
            )
            crc = skipped_checksum(fields)
            name = fields[:3]
            known = self._connection.execute(f"SELECT crc FROM skipped WHERE {_NAMED}", name).fetchone()
            if known == (crc,):
                continue
            self._unskip(name)
            self._connection.execute(
                f"INSERT INTO skipped ({SKIPPED_COLUMNS}) VALUES ({','.join('?' * 9)})", (*fields, crc)
            )
            self._skipped += 1
            self._changed = True
            self._skip_sum += crc

    def unskip(
        self, source: int, names: Iterable[tuple[str, bytes | None]], *, origin: SkipOrigin | None = None
    ) -> None:
        """Take files of a source off the skipped list; only those that ``origin`` put there, where given."""
        for name in names:
            self._unskip((source, *name), origin)

    def _unskip(self, name: tuple[int, str, bytes | None], origin: SkipOrigin | None = None) -> None:
        where = f"WHERE {_NAMED} AND origin=coalesce(?, origin)"
        for (crc,) in self._connection.execute(
            f"SELECT crc FROM skipped {where}", (*name, origin)
        ).fetchall():
            self._connection.execute(f"DELETE FROM skipped {where}", (*name, origin))
            self._skipped -= 1
            self._changed = True
            self._skip_sum -= _whole(crc)

    def _delete(self, key: int) -> None:
        self._changed = True
        self._dead.append(key)
        checksum, source = self._checksum_and_source(key)
        self._item_sum -= checksum
        self._by_source[source] -= self._connection.execute("DELETE FROM items WHERE key=?", (key,)).rowcount
        found = self._connection.execute("DELETE FROM vectors WHERE key=?", (key,)).rowcount
        self._removed += found
        self._signed -= self._connection.execute("DELETE FROM signatures WHERE key=?", (key,)).rowcount
        self._key_sum -= key * found

    def _checksum_and_source(self, key: int) -> tuple[int, int]:
        row = self._connection.execute("SELECT crc, source FROM items WHERE key=?", (key,)).fetchone()
        return (_whole(row[0]), _whole(row[1])) if row is not None else (0, 0)

    def _finish(self) -> None:
        state = read_state(self._connection)
        sources = state.sources if self.sources is None else self.sources
        if not (self._changed or sources != state.sources or self.least_generation > state.generation):
            return  # the same as before: readers need not look again
        generation = max(state.generation + 1, self.least_generation)
        state = replace(
            self._with_tombstones(state, generation),
            generation=generation,
            rewritten=generation if self._rewritten else state.rewritten,
            renamed=generation if self._renamed else state.renamed,
            count=state.count + self._added - self._removed,
            last_key=state.last_key + self._added,
            key_sum=state.key_sum + self._key_sum,
            item_sum=state.item_sum + self._item_sum,
            skipped=state.skipped + self._skipped,
            skip_sum=state.skip_sum + self._skip_sum,
            signed=state.signed + self._signed,
            sources=sources,
            counts=_nonzero(Counter(dict(state.counts)), self._by_source),
        )
        schema.put_state(self._connection, "catalog", state.to_json())

    def _with_tombstones(self, state: State, generation: int) -> State:
        """Record the deletions, so that readers need not look at every key to learn of them."""
        execute = self._connection.execute
        rows = [(generation, key) for key in set(self._dead)]
        count, complete_from = state.tombstones + len(rows), state.recorded_from
        if len(rows) > MOST_TOMBSTONES:
            execute("DELETE FROM tombstones")
            count, complete_from = 0, generation
        else:
            self._connection.executemany("INSERT INTO tombstones (generation, key) VALUES (?, ?)", rows)
        if count > MOST_TOMBSTONES:
            statement = "SELECT generation FROM tombstones ORDER BY generation DESC LIMIT 1 OFFSET ?"
            complete_from = execute(statement, (MOST_TOMBSTONES // 2,)).fetchone()[0]
            count -= execute("DELETE FROM tombstones WHERE generation <= ?", (complete_from,)).rowcount
        return replace(state, tombstones=count, recorded_from=complete_from)


def _whole(number: object) -> int:
    """A number of a row; what damage has made of it counts as none, and repair counts anew."""
    return number if isinstance(number, int) else 0


def _nonzero(*counts: Counter[int]) -> tuple[tuple[int, int], ...]:
    """Counts of items added up, by the number of their source."""
    total: Counter[int] = Counter()
    for part in counts:
        total.update(part)
    return tuple(sorted((number, count) for number, count in total.items() if count))


def counted(connection: sqlite3.Connection, state: State) -> State:
    """The state with the counts and sums of the rows that are there; every item has its vector.

    Vectors are not counted: reading all of them in one statement would hold up a commit.
    """
    count, last, key_sum, item_sum = connection.execute(
        "SELECT count(*), coalesce(max(key), 0), coalesce(sum(key), 0), coalesce(sum(crc), 0) FROM items"
    ).fetchone()
    by_source = connection.execute(
        "SELECT source, count(*) FROM items NOT INDEXED GROUP BY source"
    ).fetchall()
    skipped, skip_sum = connection.execute("SELECT count(*), coalesce(sum(crc), 0) FROM skipped").fetchone()
    (signed,) = connection.execute("SELECT count(*) FROM signatures").fetchone()
    return replace(
        state,
        count=count,
        last_key=max(last, state.last_key),
        key_sum=key_sum,
        item_sum=item_sum,
        counts=_nonzero(Counter({_whole(number): found for number, found in by_source})),
        skipped=skipped,
        skip_sum=skip_sum,
        signed=signed,
    )


def read_state(connection: sqlite3.Connection) -> State:
    """The state as the connection's transaction sees it."""
    return State.from_json(_state_text(connection, "catalog"))


def _state_text(connection: sqlite3.Connection, name: str) -> str:
    row = connection.execute("SELECT value, crc FROM state WHERE name=?", (name,)).fetchone()
    if row is None or not is_whole_text(*row):
        raise sqlite3.DatabaseError("checksum of the state")
    return str(row[0])


Edit: TypeAlias = Callable[[Change], object]
