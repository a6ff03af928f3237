"""Changing a catalogue in PostgreSQL: every change is one transaction and one new generation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from typing import NamedTuple, Self
from uuid import uuid4

import numpy as np
from psycopg.types.json import Jsonb

from seealike.engines.facts import Kind, Said, facts_of, said_of
from seealike.engines.postgres import tables
from seealike.engines.postgres.database import Database, Halfvec, Row, Rows, held_alone, quoted
from seealike.engines.postgres.store import PostgresStore, item_of
from seealike.engines.postgres.tables import FORMAT, ITEM, TYPE_NAMES, Build, in_more
from seealike.engines.store import Changes, EngineStore, Held, PublishedRow, check_encoder, check_storable
from seealike.recommend import StaleViewError
from seealike.store import NewItem, State
from seealike.store.manifest import Manifest, birth_to_json
from seealike.store.writer import MOST_TOMBSTONES
from seealike.types import EncoderIdentity, Signature

_FIXED = {
    "key": "int8", "id": "text", "path": "bytea", "size": "int8", "mtime": "int8", "sha256": "bytea",
    "grp": "text", "metadata": "text", "width": "int4", "height": "int4", "origin": "int8", "content": "int8",
    "colour": "bytea", "coarse": "bytea", "vector": "halfvec",
}  # fmt: skip
_ASIDE = f"{uuid4()} "  # an id that no item has begins so
_READ_AT_ONCE, _CARRIED_AT_ONCE = 10_000, 2_000
_KEPT_S = 60  # a copy that was replaced, for those who are reading it


class _Stored(NamedTuple):
    """Rows as a table has them: columns in SQL, their types, and the values."""

    names: Sequence[str]
    types: Sequence[str]
    rows: Sequence[tuple[object, ...]]


class _Before(NamedTuple):
    id: str
    vector: bytes
    signed: bool


class Change:
    """One transaction on a build: commits on a clean exit, rolls back on any other."""

    def __init__(self, connection: Rows, build: Build) -> None:
        """Use it within a transaction that holds the build's row."""
        self._connection, self.build = connection, build
        self._state = build.state
        self._dead: list[int] = []
        self._aside: set[int] = set()
        self._changed = self._rewritten = self._renamed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, value: object, trace: object) -> None:
        """Write the new state."""
        if kind is None and self._aside:
            self.remove(sorted(self._aside))
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
        stored = self._stored([_values(row, key) for key, row in enumerate(rows, first)])
        with (
            self._connection.cursor() as cursor,
            cursor.copy(
                f"COPY {self.build.items} ({', '.join(stored.names)}) FROM STDIN (FORMAT BINARY)"
            ) as copy,
        ):
            copy.set_types(stored.types)
            for values in stored.rows:
                copy.write_row(values)
        signed = sum(row.item.signature is not None for row in rows)
        self._state = self._state.with_added(len(rows), signed)
        self._changed = True

    def _stored(self, said: Sequence[tuple[tuple[object, ...], list[Said]]]) -> _Stored:
        """Rows as their table has them, in every column that it has by then."""
        wanted = {(one.name, one.kind) for _, others in said for one in others}
        expressions = tables.add_columns(self._connection, self.build, wanted)
        stored = [pair for pair, one in expressions.items() if one and pair not in tables.OWN]
        keys = {pair: tables.key_in_more(*pair) for pair in stored if expressions[pair] == in_more(*pair)}
        pairs = sorted(set(stored) - keys.keys())
        rows = []
        for fixed, others in said:
            by_name = {(one.name, one.kind): _as_stored(one) for one in others}
            more = {keys[pair]: str(value) for pair, value in by_name.items() if pair in keys}
            rows.append((*fixed, Jsonb(more) if more else None, *(by_name.get(pair) for pair in pairs)))
        names = [*map(quoted, (*_FIXED, "more")), *(expressions[pair] for pair in pairs)]
        return _Stored(names, [*_FIXED.values(), "jsonb", *(TYPE_NAMES[kind] for _, kind in pairs)], rows)

    def keep_picture(self, item_id: str, data: bytes) -> None:
        """Keep the picture of an item that has no file."""
        self._connection.execute(
            f"INSERT INTO {self.build.pictures} SELECT key, %s FROM {self.build.items} WHERE id = %s",
            (data, item_id),
        )

    def rewrite(self, pairs: Sequence[tuple[int, PublishedRow]]) -> None:
        """Put rows in the places of others, by their keys. One with another vector gets a fresh key.

        Whatever has one of their ids steps aside first, as an id is there once; what has not got another one
        by the end is removed.
        """
        before = {
            row[0]: _Before(*row[1:])
            for row in self._connection.execute(
                f"SELECT key, id, vector, colour IS NOT NULL FROM {self.build.items} WHERE key = ANY(%s)",
                ([key for key, _ in pairs],),
                binary=True,
            )
        }
        held = [(key, row) for key, row in pairs if key in before]
        stay = [(key, row) for key, row in held if before[key].vector == _big_endian(row)]
        others = [(key, row) for key, row in held if before[key].vector != _big_endian(row)]
        self.remove([key for key, _ in others])
        renamed = [(key, row) for key, row in stay if before[key].id != row.item.id]
        self._step_aside([row.item.id for _, row in (*renamed, *others)], [key for key, _ in renamed])
        if stay:
            self._update(stay)
            signed = sum((row.item.signature is not None) - before[key].signed for key, row in stay)
            self._state = replace(self._state, signed=self._state.signed + signed)
            self._renamed = self._renamed or bool(renamed)
            self._changed = self._rewritten = True
        self.insert([row for _, row in others])

    def _step_aside(self, ids: Sequence[str], keys: Sequence[int]) -> None:
        """Free some ids, and those of some keys, for as long as the transaction lasts."""
        holders = self._connection.execute(
            f"SELECT key, origin IS NULL FROM {self.build.items} WHERE id = ANY(%s) AND NOT key = ANY(%s)",
            (list(ids), list(keys)),
        ).fetchall()
        self.remove([key for key, was_put in holders if was_put])
        aside = [*keys, *(key for key, was_put in holders if not was_put)]
        if aside:
            self._connection.execute(
                f"UPDATE {self.build.items} SET id = %s || key WHERE key = ANY(%s)", (_ASIDE, aside)
            )
            self._aside |= set(aside)

    def _update(self, pairs: Sequence[tuple[int, PublishedRow]]) -> None:
        """Everything of some rows but their vectors, in one statement."""
        stored = self._stored([_values(row, key) for key, row in pairs])
        kept = [place for place, name in enumerate(stored.names) if name != quoted("vector")]
        names = [stored.names[place] for place in kept]
        arrays = ", ".join(f"%s::{stored.types[place]}[]" for place in kept)
        self._connection.execute(
            f"UPDATE {self.build.items} AS old SET {', '.join(f'{name} = new.{name}' for name in names)} "
            f"FROM unnest({arrays}) AS new ({', '.join(names)}) WHERE old.key = new.key",
            [[row[place] for row in stored.rows] for place in kept],
        )
        self._aside -= {key for key, _ in pairs}

    def remove(self, keys: Sequence[int]) -> int:
        """Remove rows by key; how many there were."""
        if not keys:
            return 0
        rows = self._connection.execute(
            f"DELETE FROM {self.build.items} WHERE key = ANY(%s) RETURNING key, colour IS NOT NULL",
            (list(keys),),
        ).fetchall()
        gone = [row[0] for row in rows]
        self._dead += gone
        self._state = self._state.without(gone, sum(row[1] for row in rows))
        self._changed = self._changed or bool(gone)
        return len(gone)

    def remove_ids(self, ids: Sequence[str]) -> int:
        """Remove the items with these ids; how many there were."""
        rows = self._connection.execute(
            f"SELECT key FROM {self.build.items} WHERE id = ANY(%s)", (list(ids),)
        ).fetchall()
        return self.remove([row[0] for row in rows])

    def _finish(self) -> None:
        generation = self._state.generation + 1
        state = replace(self._state, tombstones=self._state.tombstones + len(self._dead))
        if state.tombstones > MOST_TOMBSTONES:
            self._connection.execute(f"DELETE FROM {self.build.tombstones}")
            state = replace(state, tombstones=0, recorded_from=generation)
        elif self._dead:
            self._connection.execute(
                f"INSERT INTO {self.build.tombstones} SELECT %s, unnest(%s::bigint[])",
                (generation, self._dead),
            )
        self._state = replace(
            state,
            generation=generation,
            rewritten=generation if self._rewritten else state.rewritten,
            renamed=generation if self._renamed else state.renamed,
        )
        _put_state(self._connection, self.build, self._state)


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


def _big_endian(row: PublishedRow) -> bytes:
    """Its vector as PostgreSQL sends it."""
    return np.frombuffer(row.item.vector, dtype=np.float16).astype(">f2").tobytes()


def _as_stored(one: Said) -> object:
    return Decimal(one.value) if one.kind is Kind.WHOLE and isinstance(one.value, int) else one.value


class PostgresWriter:
    """Changes of the live build, as a service makes them."""

    def __init__(self, database: Database, connection: Rows, identity: EncoderIdentity | None) -> None:
        """Nothing is begun yet."""
        self._database, self._connection, self._identity = database, connection, identity

    def add(self, items: Sequence[NewItem], pictures: Mapping[str, bytes] | None = None) -> int:
        """See ``EngineWriter``."""
        for item in items:
            check_storable(item)
        with self._change() as change:
            check_encoder(change.build.manifest, self._identity, self._database.name)
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
            tables.make_schema(self._connection, self._schema, self._name)
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

    def keys_of(self, origins: Sequence[int]) -> list[int]:
        """See ``EnginePublisher``."""
        rows = self._connection.execute(
            f"SELECT key FROM {self._current().items} WHERE origin = ANY(%s)", (list(origins),)
        ).fetchall()
        return [key for (key,) in rows]

    def apply(self, changes: Changes, *, at: int | None = None) -> int:
        """See ``EnginePublisher``."""
        with self._connection.transaction():
            build = self._beside or tables.build_of(self._connection, self._schema, self._name, lock=True)
            if at is not None and build.state.generation != at:
                raise StaleViewError
            with Change(self._connection, build) as change:
                change.remove(changes.removed)
                for pairs in changes.updated:
                    change.rewrite(pairs)
                for rows in changes.added:
                    change.remove_ids([row.item.id for row in rows])
                    change.insert(rows)
        if self._beside is not None:
            self._beside = replace(self._beside, state=change.state)
        return change.state.generation

    def keep_calibration(self, calibration: str | None) -> None:
        """See ``EnginePublisher``."""
        self._connection.execute(
            f"UPDATE {quoted(self._schema, 'catalogues')} SET calibration = %s WHERE build = %s",
            (calibration, self._current().number),
        )

    def go_live(self) -> int:
        """See ``EnginePublisher``."""
        build, lost = self._beside, 0
        assert build is not None
        self._connection.execute("SET statement_timeout = 0")
        tables.make_index(self._connection, build)
        self._connection.execute(f"ANALYZE {build.items}")
        catalogues = quoted(self._schema, "catalogues")
        with self._connection.transaction():
            live = tables.found_build(self._connection, self._schema, self._name, live=True, lock=True)
            if live is not None:
                lost = self._carry(live, build)
                self._connection.execute(
                    f"UPDATE {catalogues} SET live = FALSE, replaced = now() WHERE build = %s", (live.number,)
                )
            self._connection.execute(f"UPDATE {catalogues} SET live = TRUE WHERE build = %s", (build.number,))
            tables.show(self._connection, build)
        self._beside = None
        return lost

    def _carry(self, live: Build, build: Build) -> int:
        """Take over what was only put into this catalogue's copy; how many items of another one are lost.

        The new copy's generation is later in any case.
        """
        before, now, lost = live.manifest, build.manifest, 0
        with Change(self._connection, build) as change:
            if (before.catalog_id, before.encoder) == (now.catalog_id, now.encoder):
                statement = (
                    f"SELECT {ITEM}, colour, coarse, vector FROM {live.items} AS old "
                    f"WHERE origin IS NULL AND NOT EXISTS (SELECT FROM {build.items} AS new "
                    f"WHERE new.id = old.id) AND key > %s ORDER BY key LIMIT {_CARRIED_AT_ONCE}"
                )
                after = 0
                while rows := self._connection.execute(statement, (after,), binary=True).fetchall():
                    change.insert([_put_row(row) for row in rows])
                    after = rows[-1][0]
                self._connection.execute(
                    f"INSERT INTO {build.pictures} SELECT new.key, data FROM {live.pictures} "
                    f"JOIN {live.items} AS old USING (key) JOIN {build.items} AS new USING (id) "
                    "WHERE new.origin IS NULL"
                )
            else:
                put = f"SELECT count(*) FROM {live.items} WHERE origin IS NULL"
                ((lost,),) = self._connection.execute(put).fetchall()
        later = max(change.state.generation, live.state.generation + 1)
        state = replace(change.state, generation=later, recorded_from=later, tombstones=0)
        _put_state(self._connection, build, replace(state, rewritten=later, renamed=later))
        return int(lost)

    def drop_unfinished(self) -> None:
        """See ``EnginePublisher``."""
        rows = self._connection.execute(
            f"SELECT build FROM {quoted(self._schema, 'catalogues')} WHERE NOT live AND replaced IS NULL"
        ).fetchall()
        self._drop([number for (number,) in rows])

    def _drop(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            with self._connection.transaction():
                tables.drop_tables(self._connection, self._schema, number)

    def drop_replaced(self) -> None:
        """Drop copies that were replaced so long ago that nobody reads them."""
        if self._found(live=True) is None:
            return
        rows = self._connection.execute(
            f"SELECT build FROM {quoted(self._schema, 'catalogues')} "
            "WHERE NOT live AND replaced < now() - make_interval(secs => %s)",
            (_KEPT_S,),
        ).fetchall()
        self._drop([number for (number,) in rows])

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
        self._main = Database(url, to_write=True)
        self._written: PostgresStore | None = None
        self.name = self._database.name

    def opened(self, held: EngineStore | None = None) -> PostgresStore:
        """See ``Engine``."""
        return self._opened(self._database, held)

    def written(self) -> PostgresStore:
        """See ``Engine``."""
        self._written = self._opened(self._main, self._written)
        return self._written

    def _opened(self, database: Database, held: EngineStore | None) -> PostgresStore:
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
    def changing(self, identity: EncoderIdentity | None = None) -> Iterator[PostgresWriter]:
        """See ``Engine``."""
        with self._database.writing() as connection:
            connection.execute("SET lock_timeout = '10s'")
            yield PostgresWriter(self._database, connection, identity)

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
        self._main.close()
