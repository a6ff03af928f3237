"""Changing a catalogue in Milvus: every change is one new head, and one new generation.

Rows are written before it, under keys beyond those that the head says, and nobody sees them. Rows that go are
named in a record, and deleted after it. Whoever writes after somebody was killed deletes what that left.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Self

from seealike.engines.milvus import pictures
from seealike.engines.milvus.database import CollectionGoneError, Database, Row
from seealike.engines.milvus.fields import Slot, names_of, row_of, schema_of
from seealike.engines.milvus.filters import Filter, compared, one_of
from seealike.engines.milvus.records import Build, Claim, Head, Name, Records, live_of
from seealike.engines.milvus.store import items_in
from seealike.engines.store import PublishedRow, check_encoder, check_storable
from seealike.errors import SeealikeError
from seealike.store import NewItem
from seealike.store.writer import MOST_TOMBSTONES
from seealike.types import EncoderIdentity

_ROWS_AT_ONCE = 500
_KEYS_AT_ONCE = 4000


class Change:
    """One change of a build: holds on a clean exit, and otherwise nobody has seen any of it."""

    def __init__(self, database: Database, records: Records, claim: Claim, head: Head, build: Build) -> None:
        """Use it while the claim is held, with the last head."""
        self._database, self._records, self._claim = database, records, claim
        self.head, self.build = head, build
        self._state = build.state
        self._items = items_in(database, build.number)
        self._names: list[Name] | None = None
        self._dead: set[int] = set()
        self._left = frozenset(dead_of(records, build))
        self._changed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, value: object, trace: object) -> None:
        """Let it hold, or sweep away what was written."""
        if kind is None and self._changed:
            self._commit()
        elif kind is not None and not self._claim.is_clean:
            with suppress(SeealikeError):  # whoever takes the claim over sweeps
                if self._records.holds(self._claim):
                    sweep_unseen(self._database, self._records, self.build)
                    self._claim.is_clean = True

    def insert(self, rows: Sequence[PublishedRow]) -> None:
        """Insert rows whose ids are free, each under a fresh key."""
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            self._insert(rows[start : start + _ROWS_AT_ONCE])

    def _insert(self, rows: Sequence[PublishedRow]) -> None:
        first, is_lite = self._state.last_key + 1, self._database.is_lite
        stored = [row_of(row, key, is_lite=is_lite) for key, row in enumerate(rows, first)]
        self._know({pair for _, said in stored for pair in said})
        self._claim.check()
        self._claim.is_clean = False
        self._database.put(self._items, [row for row, _ in stored])
        signed = sum(row.item.signature is not None for row in rows)
        self._state = self._state.with_added(len(rows), signed)
        self._changed = True

    def _know(self, said: set[tuple[str, Slot]]) -> None:
        """Keep the names that nobody has said anything under; the first of a copy decide of its fields."""
        if self._names is None:
            self._names = self._records.names(self.build.number)
        is_new = not self.build.state.last_key and not self._database.has(self._items)
        new = names_of(said, self._names, typed=is_new)
        if is_new:
            schema, index = schema_of(self.build, new, is_lite=self._database.is_lite)
            self._database.make(self._items, schema, index)
        if new:
            self._claim.is_clean = False
            self._names += new
            self._records.add_names(self.build.number, new)

    def keep_picture(self, key: int, data: bytes) -> None:
        """Keep the picture of an item that has no file."""
        self._claim.check()
        self._claim.is_clean = False
        pictures.keep(self._database, self.build.number, key, data)

    @property
    def last_key(self) -> int:
        """The greatest key so far."""
        return self._state.last_key

    def remove(self, keys: Sequence[int]) -> int:
        """Remove rows by key; how many there were."""
        found = 0
        for start in range(0, len(keys), _KEYS_AT_ONCE):
            part = one_of("key", [int(key) for key in keys[start : start + _KEYS_AT_ONCE]])
            found += self._remove(part)
        return found

    def remove_ids(self, ids: Sequence[str]) -> int:
        """Remove the items with these ids; how many there were."""
        return sum(
            self._remove(one_of("id", ids[start : start + _KEYS_AT_ONCE]))
            for start in range(0, len(ids), _KEYS_AT_ONCE)
        )

    def _remove(self, kept: Filter) -> int:
        rows = rows_in(self._database, self._items, kept, ("key", "colour"))
        before = self.build.state.last_key
        gone = [row for row in rows if row["key"] <= before and row["key"] not in self._left | self._dead]
        keys = [row["key"] for row in gone]
        self._dead |= set(keys)
        self._state = self._state.without(keys, sum(bool(row["colour"]) for row in gone))
        self._changed = self._changed or bool(gone)
        return len(gone)

    def _commit(self) -> None:
        """Let it hold, then sweep what went."""
        generation = self._state.generation + 1
        dead = sorted(self._dead)
        state = replace(self._state, generation=generation, tombstones=self._state.tombstones + len(dead))
        if state.tombstones > MOST_TOMBSTONES:
            state = replace(state, tombstones=0, recorded_from=generation)
        self._claim.is_clean = False
        sweep_dead(self._database, self._records, self.build)
        self._records.add_dead(self.build.number, generation, dead)
        self._hold(replace(self.build, state=state, dead=len(dead)))
        if state.recorded_from == generation:
            self._records.forget_dead(self.build.number, before=generation, after=generation)
        if dead:
            with suppress(SeealikeError):  # they are not seen; the next change sweeps
                sweep_dead(self._database, self._records, self.build)
                self._hold(replace(self.build, dead=0))

    def _hold(self, build: Build) -> None:
        self.head = self._records.commit(self._claim, self.head.with_build(build))
        self._claim.is_clean, self.build = True, build


@contextmanager
def changing(database: Database, records: Records) -> Iterator[tuple[Claim, Head]]:
    """Be the only one who changes anything; what a dead writer left is gone."""
    with records.writing() as claim:
        head = records.head()
        if head.is_dirty:
            claim.is_clean = False
            for build in head.builds.values():
                sweep_unseen(database, records, build)
                sweep_dead(database, records, build)
            head = records.commit(claim, replace(head, is_dirty=False))
            claim.is_clean = True
        yield claim, head


def dead_of(records: Records, build: Build) -> list[int]:
    """What went with the last change of a build, and may still be there."""
    generation = build.state.generation
    return records.dead(build.number, after=generation - 1, to=generation) if build.dead else []


def sweep_dead(database: Database, records: Records, build: Build) -> None:
    """Delete what went with the last change of a build, and may still be there."""
    dead = dead_of(records, build)
    for start in range(0, len(dead), _KEYS_AT_ONCE):
        _delete(database, build, one_of("key", dead[start : start + _KEYS_AT_ONCE]))


def sweep_unseen(database: Database, records: Records, build: Build) -> None:
    """Delete what is there beyond what the head says of a build, and what is no longer needed."""
    _delete(database, build, compared("key", ">", build.state.last_key))
    records.forget_dead(build.number, before=build.state.recorded_from, after=build.state.generation)


def _delete(database: Database, build: Build, kept: Filter) -> None:
    for collection in (items_in(database, build.number), pictures.collection_of(database, build.number)):
        with suppress(CollectionGoneError):
            database.delete(collection, kept)


def rows_in(database: Database, collection: str, kept: Filter, fields: Sequence[str]) -> list[Row]:
    """The rows of a collection, none where it has not been made yet."""
    with suppress(CollectionGoneError):
        return database.query(collection, kept, fields)
    return []


class MilvusWriter:
    """Changes of the live build, as a service makes them."""

    def __init__(self, database: Database, records: Records, identity: EncoderIdentity | None) -> None:
        """Nothing is begun yet."""
        self._database, self._records, self._identity = database, records, identity

    def add(self, items: Sequence[NewItem], pictures: Mapping[str, bytes] | None = None) -> int:
        """See ``EngineWriter``."""
        for item in items:
            check_storable(item)
        with self._change() as change:
            check_encoder(change.build.manifest, self._identity, self._database.name)
            first = change.last_key + 1
            replaced = change.remove_ids([item.id for item in items])
            for place, item in enumerate(items):
                if item.id in (pictures or {}):
                    change.keep_picture(first + place, (pictures or {})[item.id])
            change.insert([PublishedRow(item, None) for item in items])
        return replaced

    def remove(self, ids: Sequence[str]) -> int:
        """See ``EngineWriter``."""
        with self._change() as change:
            return change.remove_ids([one for one in ids if "\0" not in one])

    @contextmanager
    def _change(self) -> Iterator[Change]:
        with changing(self._database, self._records) as (claim, head):
            build = live_of(head, self._database.name)
            with Change(self._database, self._records, claim, head, build) as change:
                yield change
