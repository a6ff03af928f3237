"""Reading a catalogue from PostgreSQL: every value as it was written, every answer of one generation."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from functools import partial
from typing import TypeVar

import numpy as np
import psycopg

from seealike.engines.columns import WORDS, EngineAmong, stored_name
from seealike.engines.facts import Kind, facts_of
from seealike.engines.postgres import tables
from seealike.engines.postgres.conditions import Sql, SqlTerms, TypedColumn
from seealike.engines.postgres.database import Database, Row, Rows, Statement, matrix, quoted
from seealike.engines.postgres.proposer import PostgresProposer
from seealike.engines.postgres.tables import ITEM, Build
from seealike.engines.reading import NEAR, StoredCopy, comparable
from seealike.recommend import StaleViewError
from seealike.recommend.view import Keys, StoreState
from seealike.store import KeyChanges, State, StoredItem
from seealike.store.records import BY_HAND
from seealike.store.sqlite import is_on_record
from seealike.types import Float16Array, Int64Array, MetadataValue, Signature

Result = TypeVar("Result")
_BLOCK = 4096


class PostgresStore(StoredCopy[Sql]):
    """One build of a catalogue in PostgreSQL, for readers. Safe to use from several threads."""

    def __init__(self, database: Database, build: Build) -> None:
        """Nothing is read yet."""
        super().__init__(database.name, build.manifest, build.number)
        self.database, self.build = database, build

    # -- the catalogue as a whole ------------------------------------------------------------------

    def state(self) -> State:
        """The committed state of this build."""
        return self._run(self.state_in)

    def state_in(self, connection: Rows) -> State:
        """The state as a transaction sees it.

        Raises:
            StaleViewError: the build has been replaced.
        """
        return _state_of(connection.execute(*self._asking_state).fetchall())

    def of_generation(self, generation: int, statements: Sequence[Statement]) -> list[list[Row]]:
        """What statements give, of one generation.

        Raises:
            StaleViewError: the database has another generation by now.
        """
        with _replaced_is_stale():
            state, *found = self.database.at_once([self._asking_state, *statements])
        if _state_of(state).generation != generation:
            raise StaleViewError
        return found

    @property
    def _asking_state(self) -> Statement:
        catalogues = quoted(self.build.schema, "catalogues")
        return f"SELECT state FROM {catalogues} WHERE build = %s AND live", (self.build.number,)

    def calibration(self) -> str | None:
        """What scores are worth, as it was when this build was opened."""
        return self.build.calibration

    def picture_of(self, key: int) -> bytes | None:
        """The picture of an item that came without a file, as it came."""
        rows = self._rows(f"SELECT data FROM {self.build.pictures} WHERE key = %s", (key,))
        return bytes(rows[0][0]) if rows else None

    def state_and_keys(self) -> tuple[State, Int64Array]:
        """The state and all keys of the same generation, in the order of their ids."""

        def read(connection: Rows) -> tuple[State, Int64Array]:
            state = self.state_in(connection)
            with (
                connection.cursor() as cursor,
                cursor.copy(
                    f"COPY (SELECT key FROM {self.build.items} ORDER BY id) TO STDOUT (FORMAT BINARY)"
                ) as copy,
            ):
                copy.set_types(["int8"])
                keys = np.fromiter((row[0] for row in copy.rows()), dtype=np.int64)
            return state, keys

        return self._whole(*self._snapshot(read))

    def key_changes(self, generation: int, last_key: int) -> KeyChanges | None:
        """What became of the keys of an older generation; ``None`` where that is not on record."""

        def read(connection: Rows) -> KeyChanges | None:
            state = self.state_in(connection)
            if not is_on_record(state, generation, last_key):
                return None
            removed = connection.execute(
                f"SELECT key FROM {self.build.tombstones} WHERE generation > %s", (generation,)
            ).fetchall()
            added = connection.execute(
                f"SELECT key, (SELECT key FROM {self.build.items} AS next WHERE next.id > item.id "
                f"ORDER BY next.id LIMIT 1) FROM {self.build.items} AS item WHERE key > %s ORDER BY id DESC",
                (last_key,),
            ).fetchall()
            return KeyChanges(state, [key for (key,) in removed], added)

        return self._snapshot(read)

    # -- vectors and signatures --------------------------------------------------------------------

    def vectors_of(self, keys: Sequence[int]) -> tuple[Int64Array, Float16Array]:
        """The vectors of those of ``keys`` that are alive, ascending by key. Shapes: (m,), (m, d)."""
        wanted = [int(key) for key in keys]
        rows = self._rows(
            f"SELECT key, vector FROM {self.build.items} WHERE key = ANY(%s) ORDER BY key", (wanted,)
        )
        return self._matrix(rows)

    def vector_blocks(self, *, after_key: int = 0) -> Iterator[tuple[Int64Array, Float16Array]]:
        """Every vector whose key is greater, ascending, in blocks."""
        statement = f"SELECT key, vector FROM {self.build.items} WHERE key > %s ORDER BY key LIMIT %s"
        while rows := self._rows(statement, (after_key, _BLOCK)):
            keys, vectors = self._matrix(rows)
            yield keys, vectors
            after_key = int(keys[-1])

    def _matrix(self, rows: Sequence[Row]) -> tuple[Int64Array, Float16Array]:
        keys = np.fromiter((row[0] for row in rows), dtype=np.int64, count=len(rows))
        return keys, matrix([row[1] for row in rows], self.identity.dimension)

    def signature_blocks(self, *, after_key: int = 0) -> Iterator[tuple[Int64Array, list[Signature]]]:
        """Every signature whose key is greater, ascending, in blocks; items may have none."""
        statement = (
            f"SELECT key, colour, coarse FROM {self.build.items} WHERE key > %s AND colour IS NOT NULL "
            "ORDER BY key LIMIT %s"
        )
        while rows := self._rows(statement, (after_key, _BLOCK)):
            keys = np.fromiter((row[0] for row in rows), dtype=np.int64, count=len(rows))
            yield keys, [Signature(bytes(colour), bytes(coarse)) for _, colour, coarse in rows]
            after_key = int(keys[-1])

    def ids_and_signatures(self) -> Iterator[tuple[str, Signature | None]]:
        """Every item's id and its signature, where it has one; ordered by id."""
        for rows in self._by_id("id, colour, coarse"):
            for item_id, colour, coarse in rows:
                yield item_id, None if colour is None else Signature(bytes(colour), bytes(coarse))

    # -- items -------------------------------------------------------------------------------------

    def groups(self, *, after_key: int = 0) -> tuple[State, list[tuple[int, str]]]:
        """The state, and the key and the group of every item that has one, of the same generation.

        ``after_key``: only of those with greater keys.
        """

        def read(connection: Rows) -> tuple[State, list[tuple[int, str]]]:
            state = self.state_in(connection)
            with (
                connection.cursor() as cursor,
                cursor.copy(
                    f"COPY (SELECT key, grp FROM {self.build.items} WHERE grp IS NOT NULL "
                    f"AND key > {int(after_key)}) "
                    "TO STDOUT (FORMAT BINARY)"
                ) as copy,
            ):
                copy.set_types(["int8", "text"])
                return state, [(row[0], row[1]) for row in copy.rows()]

        return self._snapshot(read)

    def items_of(self, keys: Sequence[int]) -> dict[int, StoredItem]:
        """Those of ``keys`` that are alive, by key."""
        wanted = [int(key) for key in keys]
        rows = self._rows(f"SELECT {ITEM} FROM {self.build.items} WHERE key = ANY(%s)", (wanted,))
        return {row[0]: item_of(row) for row in rows}

    def items_after(self, key: int) -> Iterator[StoredItem]:
        """Every item with a greater key, ascending."""
        statement = f"SELECT {ITEM} FROM {self.build.items} WHERE key > %s ORDER BY key LIMIT %s"
        while rows := self._rows(statement, (key, _BLOCK)):
            yield from map(item_of, rows)
            key = rows[-1][0]

    def items(self) -> Iterator[StoredItem]:
        """Every item, ordered by id."""
        for rows in self._by_id(ITEM):
            yield from map(item_of, rows)

    def items_from(self, item_id: str, count: int) -> list[StoredItem]:
        """At most ``count`` items in id order, from ``item_id`` on, or from what would come after it."""
        statement = f"SELECT {ITEM} FROM {self.build.items} WHERE id >= %s ORDER BY id LIMIT %s"
        return [item_of(row) for row in self._rows(statement, (comparable(item_id), count))]

    def items_and_vectors(self) -> Iterator[tuple[list[StoredItem], Float16Array]]:
        """Every item and its vector, ordered by id, in blocks."""
        for rows in self._by_id(f"{ITEM}, vector"):
            yield (
                [item_of(row[:-1]) for row in rows],
                matrix([row[-1] for row in rows], self.identity.dimension),
            )

    def _by_id(self, columns: str) -> Iterator[list[Row]]:
        """Some columns of every item, ordered by id, in blocks."""
        sign, after = ">=", ""
        while True:
            statement = (
                f"SELECT id, {columns} FROM {self.build.items} WHERE id {sign} %s ORDER BY id LIMIT %s"
            )
            rows = self._rows(statement, (after, _BLOCK))
            if not rows:
                return
            yield [row[1:] for row in rows]
            sign, after = ">", rows[-1][0]

    def item(self, item_id: str) -> StoredItem | None:
        """The item with this id, if there is one."""
        if comparable(item_id) != item_id:
            return None
        rows = self._rows(f"SELECT {ITEM} FROM {self.build.items} WHERE id = %s", (item_id,))
        return item_of(rows[0]) if rows else None

    def _keys_by_id(self, ids: Sequence[str]) -> Mapping[str, int]:
        return dict(self._rows(f"SELECT id, key FROM {self.build.items} WHERE id = ANY(%s)", (list(ids),)))

    def _ids_near(self, item_id: str) -> Sequence[str]:
        rows = self._rows(
            f"(SELECT id FROM {self.build.items} WHERE id >= %s ORDER BY id LIMIT {NEAR}) UNION ALL "
            f"(SELECT id FROM {self.build.items} WHERE id < %s ORDER BY id DESC LIMIT {NEAR})",
            (item_id, item_id),
        )
        return [row[0] for row in rows]

    # -- conditions --------------------------------------------------------------------------------

    def proposer(self, state: StoreState, living: Keys, *, exact: bool) -> PostgresProposer:
        """See ``EngineStore``."""
        return PostgresProposer(self, state.generation, living.keys, exact=exact)

    def matching(self, among: Hashable, generation: int, *, after_key: int = 0) -> Int64Array:
        """See ``EngineStore``."""
        assert isinstance(among, EngineAmong)
        condition = self._condition(among)

        statement = f"SELECT key FROM {self.build.items} WHERE {condition.text} AND key > %s ORDER BY key"
        (rows,) = self.of_generation(generation, [(statement, (*condition.parameters, after_key))])
        return np.fromiter((row[0] for row in rows), dtype=np.int64, count=len(rows))

    def _condition(self, among: EngineAmong) -> Sql:
        return among.said(SqlTerms(self._stored_name, self._typed))

    def _stored_name(self, name: str) -> str:
        return stored_name(name, {stored for stored, _ in self._expressions()}, self._is_said)

    def _is_said(self, stored: str) -> bool:
        """Whether any item says something under a name that some item had: nothing may be said, too."""
        said = [one for (name, _), one in self._expressions().items() if name == stored]
        return "" in said or self._any(" OR ".join(f"{one} IS NOT NULL" for one in said))

    def _expressions(self) -> dict[tuple[str, Kind], str]:
        return self._run(partial(tables.expressions_of, build=self.build))

    def _typed(self, stored: str) -> TypedColumn:
        said = {kind: one for (name, kind), one in self._expressions().items() if name == stored and one}
        kinds = frozenset(
            WORDS[kind] for kind, one in said.items() if kind in WORDS and self._any(f"{one} IS NOT NULL")
        )
        first = " OR ".join(f"{one} IS NOT NULL" for one in said.values())
        example: MetadataValue = None
        if first:
            rows = self._rows(f"SELECT {ITEM} FROM {self.build.items} WHERE {first} ORDER BY key LIMIT 1", ())
            example = dict(facts_of(item_of(rows[0]))).get(stored) if rows else None

        def holds_days() -> bool:
            text, at = said.get(Kind.TEXT), said.get(Kind.MOMENT)
            if kinds != {"text"} or at is None:
                return False
            return not self._any(f"{text} IS NOT NULL AND {at} IS NULL")

        return TypedColumn(said, kinds, example, holds_days)

    def _any(self, condition: str) -> bool:
        return bool(self._rows(f"SELECT 1 FROM {self.build.items} WHERE {condition} LIMIT 1", ()))

    # -- inside ------------------------------------------------------------------------------------

    def _rows(self, statement: str, parameters: Sequence[object]) -> list[Row]:
        return self._run(lambda connection: connection.execute(statement, parameters, binary=True).fetchall())

    def _run(self, ask: Callable[[Rows], Result]) -> Result:
        with _replaced_is_stale():
            return self.database.run(ask)

    def _snapshot(self, ask: Callable[[Rows], Result]) -> Result:
        with _replaced_is_stale():
            return self.database.snapshot(ask)


def _state_of(rows: Sequence[Row]) -> State:
    if not rows:
        raise StaleViewError
    return State.from_json(rows[0][0])


class _replaced_is_stale:  # noqa: N801  used as a statement
    """The tables of a build that was replaced go: whoever reads one then takes a newer view."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, value: BaseException | None, trace: object) -> None:
        if isinstance(value, psycopg.errors.UndefinedTable):
            raise StaleViewError from value


def item_of(row: Row) -> StoredItem:
    """A row of ``ITEM`` as an item."""
    key, item_id, path, size, mtime, sha256, group, metadata, width, height = row
    return StoredItem(
        id=item_id,
        path=None if path is None else bytes(path),
        size_bytes=size,
        mtime_ns=mtime,
        sha256=None if sha256 is None else bytes(sha256),
        group=group,
        metadata_json=metadata,
        width_px=width,
        height_px=height,
        source=BY_HAND,
        key=key,
    )
