"""Changing a catalogue in PostgreSQL: every change is one transaction and one new generation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Self

import numpy as np

from seealike.engines.facts import Kind, Said, facts_of, said_of
from seealike.engines.postgres import tables
from seealike.engines.postgres.database import Database, Halfvec, Row, Rows, held_alone, quoted
from seealike.engines.postgres.store import PostgresStore, item_of
from seealike.engines.postgres.tables import FORMAT, ITEM, TYPE_NAMES, Build
from seealike.engines.store import Changes, EngineStore, Held, PublishedRow
from seealike.errors import UsageError
from seealike.store import NewItem, State
from seealike.store.manifest import Manifest, birth_to_json
from seealike.store.writer import MOST_TOMBSTONES
from seealike.types import Signature

_FIXED = {
    "key": "int8", "id": "text", "path": "bytea", "size": "int8", "mtime": "int8", "sha256": "bytea",
    "grp": "text", "metadata": "text", "width": "int4", "height": "int4", "origin": "int8", "content": "int8",
    "colour": "bytea", "coarse": "bytea", "vector": "halfvec",
}  # fmt: skip
_READ_AT_ONCE = 10_000
_KEPT_S = 60  # a copy that was replaced, for those who are reading it


class Change:
    """One transaction on a build: commits on a clean exit, rolls back on any other."""

    def __init__(self, connection: Rows, build: Build) -> None:
        """Use it within a transaction that holds the build's row."""
        self._connection, self._build = connection, build
        self._state = build.state
        self._dead: list[int] = []
        self._changed = self._rewritten = self._renamed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, value: object, trace: object) -> None:
        """Write the new state."""
        if kind is None and self._changed:
            self._finish()

    @property
    def state(self) -> State:
        """The state afterwards."""
        return self._state

    def insert(self, rows: Sequence[PublishedRow]) -> None:
        """Insert rows whose ids are free, each under a fresh key."""
        if not rows:
            return
        first = self._state.last_key + 1
        said = [_values(row, key) for key, row in enumerate(rows, first)]
        wanted = {(one.name, one.kind) for _, others in said for one in others}
        expressions = tables.add_columns(self._connection, self._build, wanted)
        names = sorted(pair for pair in wanted if expressions[pair] and pair not in tables.OWN)
        listed = ", ".join([*map(quoted, _FIXED), *(expressions[pair] for pair in names)])
        with (
            self._connection.cursor() as cursor,
            cursor.copy(f"COPY {self._build.items} ({listed}) FROM STDIN (FORMAT BINARY)") as copy,
        ):
            copy.set_types([*_FIXED.values(), *(TYPE_NAMES[kind] for _, kind in names)])
            for fixed, others in said:
                by_name = {(one.name, one.kind): _stored(one) for one in others}
                copy.write_row((*fixed, *(by_name.get(pair) for pair in names)))
        count, last = len(rows), first + len(rows) - 1
        self._state = replace(
            self._state,
            count=self._state.count + count,
            last_key=last,
            key_sum=self._state.key_sum + (first + last) * count // 2,
            signed=self._state.signed + sum(row.item.signature is not None for row in rows),
        )
        self._changed = True

    def keep_picture(self, item_id: str, data: bytes) -> None:
        """Keep the picture of an item that has no file."""
        self._connection.execute(
            f"INSERT INTO {self._build.pictures} SELECT key, %s FROM {self._build.items} WHERE id = %s",
            (data, item_id),
        )

    def rewrite(self, key: int, row: PublishedRow) -> None:
        """Put a row in the place of the one under ``key``, whose vector stays."""
        fixed, others = _values(row, key)
        wanted = {(one.name, one.kind) for one in others}
        expressions = tables.add_columns(self._connection, self._build, wanted - self._known(wanted))
        told = {(one.name, one.kind): _stored(one) for one in others}
        names = [pair for pair, one in expressions.items() if one and pair not in tables.OWN]
        columns = [name for name in _FIXED if name not in ("key", "vector")]
        values = dict(zip(_FIXED, fixed, strict=True))
        listed = ", ".join(
            [*(f"{quoted(name)} = %s" for name in columns), *(f"{expressions[pair]} = %s" for pair in names)]
        )
        before = self._connection.execute(
            f"SELECT id, colour IS NOT NULL FROM {self._build.items} WHERE key = %s", (key,)
        ).fetchone()
        if before is None:
            return
        self._connection.execute(
            f"UPDATE {self._build.items} SET {listed} WHERE key = %s",
            (*(values[name] for name in columns), *(told.get(pair) for pair in names), key),
        )
        signed = int(row.item.signature is not None) - int(before[1])
        self._state = replace(self._state, signed=self._state.signed + signed)
        self._renamed = self._renamed or before[0] != row.item.id
        self._changed = self._rewritten = True

    def _known(self, wanted: set[tuple[str, Kind]]) -> set[tuple[str, Kind]]:
        return wanted & tables.expressions_of(self._connection, self._build).keys()

    def remove(self, keys: Sequence[int]) -> int:
        """Remove rows by key; how many there were."""
        rows = self._connection.execute(
            f"DELETE FROM {self._build.items} WHERE key = ANY(%s) RETURNING key, colour IS NOT NULL",
            (list(keys),),
        ).fetchall()
        gone = [row[0] for row in rows]
        self._dead += gone
        self._state = replace(
            self._state,
            count=self._state.count - len(gone),
            key_sum=self._state.key_sum - sum(gone),
            signed=self._state.signed - sum(row[1] for row in rows),
        )
        self._changed = self._changed or bool(gone)
        return len(gone)

    def remove_ids(self, ids: Sequence[str]) -> int:
        """Remove the items with these ids; how many there were."""
        rows = self._connection.execute(
            f"SELECT key FROM {self._build.items} WHERE id = ANY(%s)", (list(ids),)
        ).fetchall()
        return self.remove([row[0] for row in rows]) if rows else 0

    def _finish(self) -> None:
        generation = self._state.generation + 1
        state = replace(self._state, tombstones=self._state.tombstones + len(self._dead))
        if state.tombstones > MOST_TOMBSTONES:
            self._connection.execute(f"DELETE FROM {self._build.tombstones}")
            state = replace(state, tombstones=0, recorded_from=generation)
        elif self._dead:
            self._connection.execute(
                f"INSERT INTO {self._build.tombstones} SELECT %s, unnest(%s::bigint[])",
                (generation, self._dead),
            )
        self._state = replace(
            state,
            generation=generation,
            rewritten=generation if self._rewritten else state.rewritten,
            renamed=generation if self._renamed else state.renamed,
        )
        _put_state(self._connection, self._build, self._state)


def _put_state(connection: Rows, build: Build, state: State) -> None:
    connection.execute(
        f"UPDATE {quoted(build.schema, 'catalogues')} SET state = %s WHERE build = %s",
        (state.to_json(), build.number),
    )


def _values(row: PublishedRow, key: int) -> tuple[tuple[object, ...], list[Said]]:
    """A row as it is stored, in the order of ``_FIXED``, and what it says by columns."""
    item, signature = row.item, row.item.signature
    fixed = (
        key, item.id, item.path, item.size_bytes, item.mtime_ns, item.sha256, item.group, item.metadata_json,
        item.width_px, item.height_px, row.origin, row.content,
        None if signature is None else signature.colour, None if signature is None else signature.hash,
        Halfvec.of(np.frombuffer(item.vector, dtype=np.float16)),
    )  # fmt: skip
    said = [one for name, value in facts_of(item.stored(key)) for one in said_of(name, value)]
    return fixed, said


def _stored(one: Said) -> object:
    return Decimal(one.value) if one.kind is Kind.WHOLE and isinstance(one.value, int) else one.value


class PostgresWriter:
    """Changes of the live build, as a service makes them."""

    def __init__(self, database: Database, connection: Rows) -> None:
        """Nothing is begun yet."""
        self._database, self._connection = database, connection

    def add(self, items: Sequence[NewItem], pictures: Mapping[str, bytes] | None = None) -> int:
        """See ``EngineWriter``."""
        for item in items:
            check_storable(item)
        with self._change() as change:
            replaced = change.remove_ids([item.id for item in items])
            change.insert([PublishedRow(item, None) for item in items])
            for item_id, data in (pictures or {}).items():
                change.keep_picture(item_id, data)
        return replaced

    def remove(self, ids: Sequence[str]) -> int:
        """See ``EngineWriter``."""
        with self._change() as change:
            return change.remove_ids(list(ids))

    @contextmanager
    def _change(self) -> Iterator[Change]:
        with self._connection.transaction():
            schema, name = self._database.schema, self._database.name
            build = tables.build_of(self._connection, schema, name, lock=True)
            with Change(self._connection, build) as change:
                yield change


def check_storable(item: NewItem) -> None:
    """Refuse what PostgreSQL has no place for.

    Raises:
        UsageError: a text has a NUL.
    """
    if any("\0" in text or "\\u0000" in text for text in (item.id, item.group or "", item.metadata_json)):
        raise UsageError(f"the item {item.id!r} has a NUL in its texts, which no engine stores")


class PostgresPublisher:
    """Copies a catalogue: see ``EnginePublisher``."""

    def __init__(self, database: Database, connection: Rows) -> None:
        """The connection holds the publishers' lock."""
        self._database, self._connection = database, connection
        self._schema, self._name = database.schema, database.name
        self._beside: Build | None = None

    def live(self) -> Manifest | None:
        """See ``EnginePublisher``."""
        found = self._found(live=True)
        return None if found is None else found.manifest

    def begin(self, manifest: Manifest) -> int:
        """See ``EnginePublisher``."""
        with self._connection.transaction():
            tables.make_schema(self._connection, self._schema)
        self._database.forget_types(self._connection)
        before, live = self._unfinished(manifest), self._found(live=True)
        if before is None:
            generation = 0 if live is None else live.state.generation + 1
            state = State(generation=generation, recorded_from=generation)
            with self._connection.transaction():
                catalogues = quoted(self._schema, "catalogues")
                row = self._connection.execute(
                    f"INSERT INTO {catalogues} (build, live, format, birth, state) "
                    f"SELECT coalesce(max(build), 0) + 1, FALSE, %s, %s, %s FROM {catalogues} "
                    "RETURNING build",
                    (FORMAT, birth_to_json(manifest), state.to_json()),
                ).fetchone()
                assert row is not None
                before = Build(self._schema, row[0], manifest, state, None)
                tables.make_tables(self._connection, before)
        self._beside = before
        found = self._connection.execute(f"SELECT coalesce(max(origin), 0) FROM {before.items}").fetchone()
        return int(found[0]) if found is not None else 0

    def _unfinished(self, manifest: Manifest) -> Build | None:
        """A copy of the same catalogue that was cut off; others are dropped."""
        catalogues = quoted(self._schema, "catalogues")
        rows = self._connection.execute(
            f"SELECT build, birth, state FROM {catalogues} WHERE NOT live AND replaced IS NULL"
        ).fetchall()
        found = None
        for number, birth, state in rows:
            if birth == birth_to_json(manifest) and found is None:
                found = Build(self._schema, number, manifest, State.from_json(state), None)
            else:
                with self._connection.transaction():
                    tables.drop_tables(self._connection, self._schema, number)
        return found

    def append(self, rows: Sequence[PublishedRow]) -> None:
        """See ``EnginePublisher``."""
        assert self._beside is not None
        with self._connection.transaction(), Change(self._connection, self._beside) as change:
            change.insert(rows)
        self._beside = replace(self._beside, state=change.state)

    def contents(self) -> Iterator[Held]:
        """See ``EnginePublisher``."""
        build, after = self._current(), 0
        statement = (
            f"SELECT origin, key, content FROM {build.items} WHERE origin > %s ORDER BY origin "
            f"LIMIT {_READ_AT_ONCE}"
        )
        while rows := self._connection.execute(statement, (after,), binary=True).fetchall():
            yield from (Held(*row) for row in rows)
            after = rows[-1][0]

    def apply(self, changes: Changes) -> int:
        """See ``EnginePublisher``."""
        with self._connection.transaction():
            build = self._beside or tables.build_of(self._connection, self._schema, self._name, lock=True)
            with Change(self._connection, build) as change:
                if changes.removed:
                    change.remove(changes.removed)
                self._rewrite(change, build, changes)
                for rows in changes.added:
                    change.remove_ids([row.item.id for row in rows])
                    change.insert(rows)
        if self._beside is not None:
            self._beside = replace(self._beside, state=change.state)
        return change.state.generation

    def _rewrite(self, change: Change, build: Build, changes: Changes) -> None:
        """Rows that change places of ids: all step aside first, as an id is there once."""
        pairs = list(changes.updated)
        if not pairs:
            return
        keys, ids = [key for key, _ in pairs], [row.item.id for _, row in pairs]
        others = self._connection.execute(
            f"SELECT key FROM {build.items} WHERE id = ANY(%s) AND NOT key = ANY(%s)", (ids, keys)
        ).fetchall()
        if others:  # put into the engine under the same ids
            change.remove([row[0] for row in others])
        for key, row in pairs:
            change.rewrite(key, row)

    def keep_calibration(self, calibration: str | None) -> None:
        """See ``EnginePublisher``."""
        self._connection.execute(
            f"UPDATE {quoted(self._schema, 'catalogues')} SET calibration = %s WHERE build = %s",
            (calibration, self._current().number),
        )

    def go_live(self) -> None:
        """See ``EnginePublisher``."""
        build = self._beside
        assert build is not None
        self._connection.execute("SET statement_timeout = 0")
        tables.make_index(self._connection, build)
        self._connection.execute(f"ANALYZE {build.items}")
        catalogues = quoted(self._schema, "catalogues")
        with self._connection.transaction():
            live = tables.found_build(self._connection, self._schema, self._name, live=True, lock=True)
            if live is not None:
                self._carry(live, build)
                self._connection.execute(
                    f"UPDATE {catalogues} SET live = FALSE, replaced = now() WHERE build = %s", (live.number,)
                )
            self._connection.execute(f"UPDATE {catalogues} SET live = TRUE WHERE build = %s", (build.number,))
            tables.show(self._connection, build)
        self._beside = None

    def _carry(self, live: Build, build: Build) -> None:
        """Take over what was only put into the engine; the new copy's generation is later in any case."""
        with Change(self._connection, build) as change:
            if live.manifest.encoder == build.manifest.encoder:
                known = f"(SELECT id FROM {build.items})"
                rows = self._connection.execute(
                    f"SELECT {ITEM}, colour, coarse, vector FROM {live.items} "
                    f"WHERE origin IS NULL AND id NOT IN {known} ORDER BY key",
                    binary=True,
                ).fetchall()
                change.insert([_put_row(row) for row in rows])
                self._connection.execute(
                    f"INSERT INTO {build.pictures} SELECT new.key, data FROM {live.pictures} "
                    f"JOIN {live.items} AS old USING (key) JOIN {build.items} AS new USING (id) "
                    "WHERE new.origin IS NULL"
                )
        later = max(change.state.generation, live.state.generation + 1)
        state = replace(change.state, generation=later, recorded_from=later, tombstones=0)
        _put_state(self._connection, build, replace(state, rewritten=later, renamed=later))

    def drop_replaced(self) -> None:
        """Drop copies that were replaced so long ago that nobody reads them."""
        if self._found(live=True) is None:
            return
        rows = self._connection.execute(
            f"SELECT build FROM {quoted(self._schema, 'catalogues')} "
            "WHERE NOT live AND replaced < now() - make_interval(secs => %s)",
            (_KEPT_S,),
        ).fetchall()
        for (number,) in rows:
            with self._connection.transaction():
                tables.drop_tables(self._connection, self._schema, number)

    def _found(self, *, live: bool) -> Build | None:
        return tables.found_build(self._connection, self._schema, self._name, live=live)

    def _current(self) -> Build:
        return self._beside or tables.build_of(self._connection, self._schema, self._name)


def _put_row(row: Row) -> PublishedRow:
    """A row of ``ITEM`` with its signature and vector, as one that no catalogue has."""
    *fields, colour, coarse, vector = row
    signature = None if colour is None else Signature(bytes(colour), bytes(coarse))
    data = np.frombuffer(vector, dtype=">f2").astype(np.float16).tobytes()
    return PublishedRow(item_of(tuple(fields)).as_new(data, signature), None)


class PostgresEngine:
    """A catalogue in PostgreSQL: see ``Engine``."""

    def __init__(self, url: str) -> None:
        """Nothing is opened yet.

        Raises:
            UsageError: that is no address.
        """
        self._database = Database(url)
        self.name = self._database.name

    def opened(self, held: EngineStore | None = None) -> PostgresStore:
        """See ``Engine``."""
        database = self._database

        def read(connection: Rows) -> Build:
            if held is not None:
                build = tables.read_build(connection, database.schema, database.name)
                if build is not None:
                    return build
            return tables.build_of(connection, database.schema, database.name)

        build = database.run(read)
        if isinstance(held, PostgresStore) and held.build.number == build.number:
            held.build = build
            return held
        return PostgresStore(database, build)

    @contextmanager
    def changing(self) -> Iterator[PostgresWriter]:
        """See ``Engine``."""
        with self._database.writing() as connection:
            connection.execute("SET lock_timeout = '10s'")
            yield PostgresWriter(self._database, connection)

    @contextmanager
    def publishing(self) -> Iterator[PostgresPublisher]:
        """See ``Engine``."""
        with self._database.writing() as connection:
            connection.execute("SET statement_timeout = 0")
            with held_alone(connection, self._database.schema, self.name):
                publisher = PostgresPublisher(self._database, connection)
                publisher.drop_replaced()
                yield publisher

    def close(self) -> None:
        """Close connections."""
        self._database.close()
