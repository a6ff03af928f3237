"""Reading a catalogue from Milvus: every value as it was written, every answer of one generation.

Rows are never changed under their key, and those of a change have greater keys than all before. So a
generation is what a head says: all rows up to its last key, without those that went and may not have been
swept yet. What is read is of the generation that the head has before and after.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import numpy as np

from seealike.engines.columns import EngineAmong, stored_name
from seealike.engines.facts import facts_of
from seealike.engines.milvus import pictures
from seealike.engines.milvus.address import DISKANN
from seealike.engines.milvus.conditions import FilterTerms, TypedColumn, absent, present
from seealike.engines.milvus.database import CollectionGoneError, Database, Row
from seealike.engines.milvus.fields import ITEM, OWN, SIGNED, Slot, item_of, matrix, signature_of
from seealike.engines.milvus.filters import Filter, compared, joined, one_of
from seealike.engines.milvus.order import IdOrder
from seealike.engines.milvus.proposer import MilvusProposer
from seealike.engines.milvus.records import Build, Name, Records
from seealike.engines.reading import NEAR, StoredCopy, comparable
from seealike.recommend import ATTEMPTS, StaleViewError
from seealike.recommend.view import Keys, StoreState
from seealike.store import KeyChanges, State, StoredItem
from seealike.store.sqlite import is_on_record
from seealike.types import (
    Float16Array,
    Float32Array,
    Int64Array,
    MetadataValue,
    Signature,
)

Result = TypeVar("Result")
_BLOCK = 4096
_MOST_ROWS = 16_000  # of which a server gives 16,384 at once
_EVERY = 1 << 48  # keys: milvus-lite gives as many rows as there are


@dataclass
class _Known:
    """What was found out about the items of a generation."""

    generation: int
    names: list[Name]
    said: dict[str, bool] = field(default_factory=dict)
    texts: dict[str, frozenset[str]] = field(default_factory=dict)


class MilvusStore(StoredCopy[Filter | None]):
    """One build of a catalogue in Milvus, for readers. Safe to use from several threads."""

    def __init__(self, database: Database, records: Records, build: Build) -> None:
        """Nothing is read yet."""
        super().__init__(database.name, build.manifest, build.number)
        self.database, self._records, self._build = database, records, build
        self.number, self.collection = build.number, items_in(database, build.number)
        self._known = _Known(-1, [])
        self._dead: tuple[int, frozenset[int]] = (-1, frozenset())
        self._order = IdOrder(self)

    # -- the catalogue as a whole ------------------------------------------------------------------

    def state(self) -> State:
        """The committed state of this build."""
        return self.now().state

    def know(self, build: Build) -> None:
        """Learn how this build is by now."""
        self._build = build

    def now(self) -> Build:
        """This build as it is now.

        Raises:
            StaleViewError: it has been replaced.
        """
        build = self._records.head().live_build
        if build is None or build.number != self.number:
            raise StaleViewError
        self._build = build
        return build

    def at(self, generation: int) -> Build:
        """This build at a generation.

        Raises:
            StaleViewError: it has another one by now.
        """
        build = self._build if self._build.state.generation == generation else self.now()
        if build.state.generation != generation:
            raise StaleViewError
        return build

    def of_generation(self, generation: int, ask: Callable[[Build], Result]) -> Result:
        """What is asked of one generation.

        Raises:
            StaleViewError: the engine has another one by now.
        """
        with _replaced_is_stale():
            found = ask(self.at(generation))
            if self.now().state.generation != generation:
                raise StaleViewError
        return found

    def consistent(self, ask: Callable[[Build], Result]) -> tuple[Build, Result]:
        """What is asked, of the generation that the build has before and after."""
        with _replaced_is_stale():
            for _ in range(ATTEMPTS):
                build = self._build
                found = ask(build)
                if self.now().state.generation == build.state.generation:
                    return build, found
        raise StaleViewError

    def calibration(self) -> str | None:
        """What scores are worth."""
        return self._build.calibration

    def picture_of(self, key: int) -> bytes | None:
        """The picture of an item that came without a file, as it came."""
        return pictures.read(self.database, self.number, key)

    def state_and_keys(self) -> tuple[State, Int64Array]:
        """The state and all keys of the same generation, in the order of their ids."""
        build, keys = self.consistent(self._order.at)
        return self._whole(build.state, keys)

    def key_changes(self, generation: int, last_key: int) -> KeyChanges | None:
        """What became of the keys of an older generation; ``None`` where that is not on record."""

        def read(build: Build) -> KeyChanges | None:
            state = build.state
            if not is_on_record(state, generation, last_key):
                return None
            removed = self.dead_since(build, generation)
            order = self._order.at(build)
            places = np.flatnonzero(order > last_key)[::-1].tolist()
            following = [*order.tolist(), None]
            return KeyChanges(state, removed, [(following[one], following[one + 1]) for one in places])

        return self.consistent(read)[1]

    # -- rows --------------------------------------------------------------------------------------

    def dead(self, build: Build) -> frozenset[int]:
        """Keys of rows that went, and may still be there."""
        if not build.dead:
            return frozenset()
        generation = build.state.generation
        if self._dead[0] != generation:
            self._dead = generation, frozenset(self.dead_since(build, generation - 1))
        return self._dead[1]

    def dead_since(self, build: Build, generation: int) -> list[int]:
        """Keys of the items that went after a generation."""
        return self._records.dead(self.number, after=generation, to=build.state.generation)

    def visible(self, build: Build) -> Filter:
        """What keeps the rows of a generation."""
        here = compared("key", "<=", build.state.last_key)
        gone = self.dead(build)
        return joined("and", [here, Filter("(key not in {})", (sorted(gone),))]) if gone else here

    def blocks(
        self,
        build: Build,
        fields: Sequence[str],
        *,
        after: int = 0,
        kept: Filter | None = None,
        most: int = _MOST_ROWS,
    ) -> Iterator[list[Row]]:
        """Rows of a generation, ascending by key, some thousands at a time."""
        state, gone = build.state, self.dead(build)
        span = _EVERY if self.database.is_lite and most == _MOST_ROWS else most
        while after < state.last_key:
            end = min(after + span, state.last_key)
            parts = [
                compared("key", ">", after),
                compared("key", "<=", end),
                *([] if kept is None else [kept]),
            ]
            rows = self.database.query(self.collection, joined("and", parts), fields)
            found = [row for row in rows if row["key"] not in gone]
            if found:
                yield sorted(found, key=lambda row: int(row["key"]))
            after = end

    def rows_of(self, keys: Sequence[int], fields: Sequence[str]) -> list[Row]:
        """The rows of those of some keys that are there."""
        found: list[Row] = []
        with _replaced_is_stale():
            for start in range(0, len(keys), _BLOCK):
                part = [int(key) for key in keys[start : start + _BLOCK]]
                found += self.database.query(self.collection, one_of("key", part), fields)
        return found

    def _named(self, ids: Sequence[str], fields: Sequence[str]) -> list[Row]:
        """The rows of the items with some ids."""
        return self.consistent(lambda build: self.named_at(build, ids, fields))[1] if ids else []

    def named_at(self, build: Build, ids: Sequence[str], fields: Sequence[str]) -> list[Row]:
        """The rows of the items with some ids, of a generation."""
        wanted = [one for one in ids if comparable(one) == one]
        gone, rows = self.dead(build), list[Row]()
        for start in range(0, len(wanted), _BLOCK):
            part = one_of("id", wanted[start : start + _BLOCK])
            rows += self.database.query(self.collection, part, fields)
        return [row for row in rows if row["key"] <= build.state.last_key and row["key"] not in gone]

    # -- vectors and signatures --------------------------------------------------------------------

    def vectors_of(self, keys: Sequence[int]) -> tuple[Int64Array, Float16Array]:
        """The vectors of those of ``keys`` that are alive, ascending by key. Shapes: (m,), (m, d)."""
        return matrix(self.rows_of(keys, ("key", "vector")), self.identity.dimension)

    def vector_blocks(self, *, after_key: int = 0) -> Iterator[tuple[Int64Array, Float16Array]]:
        """Every vector whose key is greater, ascending, in blocks."""
        with _replaced_is_stale():
            yield from self.vectors_at(self.now(), after=after_key)

    def vectors_at(self, build: Build, *, after: int = 0) -> Iterator[tuple[Int64Array, Float16Array]]:
        """Every vector of a generation whose key is greater, ascending, in blocks."""
        for rows in self.blocks(build, ("key", "vector"), after=after, most=_BLOCK):
            yield matrix(rows, self.identity.dimension)

    def nearest(
        self, queries: Float32Array, k: int, kept: Filter, effort: int
    ) -> list[list[tuple[int, float]]]:
        """What the index finds of the rows that a filter keeps: keys and cosines, nearest first."""
        how = {"search_list": effort} if self._build.index == DISKANN else {"ef": effort}
        return self.database.nearest(self.collection, queries, k, kept, how)

    def signature_blocks(self, *, after_key: int = 0) -> Iterator[tuple[Int64Array, list[Signature]]]:
        """Every signature whose key is greater, ascending, in blocks; items may have none."""
        with _replaced_is_stale():
            for rows in self.blocks(self.now(), SIGNED, after=after_key):
                found = [(row["key"], one) for row in rows if (one := signature_of(row)) is not None]
                if found:
                    yield np.array([key for key, _ in found], dtype=np.int64), [one for _, one in found]

    def ids_and_signatures(self) -> Iterator[tuple[str, Signature | None]]:
        """Every item's id and its signature, where it has one; ordered by id."""
        for rows in self._by_id((*SIGNED, "id")):
            yield from ((row["id"], signature_of(row)) for row in rows)

    # -- items -------------------------------------------------------------------------------------

    def groups(self, *, after_key: int = 0) -> tuple[State, list[tuple[int, str]]]:
        """The state, and the key and the group of every item that has one, of the same generation.

        ``after_key``: only of those with greater keys.
        """

        def read(build: Build) -> list[tuple[int, str]]:
            kept = Filter("(grp is not null)")
            blocks = self.blocks(build, ("key", "grp"), after=after_key, kept=kept)
            return [(row["key"], row["grp"]) for rows in blocks for row in rows]

        build, found = self.consistent(read)
        return build.state, found

    def items_of(self, keys: Sequence[int]) -> dict[int, StoredItem]:
        """Those of ``keys`` that are alive, by key."""
        return {row["key"]: item_of(row) for row in self.rows_of(keys, ITEM)}

    def items_after(self, key: int) -> Iterator[StoredItem]:
        """Every item with a greater key, ascending."""
        with _replaced_is_stale():
            for rows in self.blocks(self.now(), ITEM, after=key, most=_BLOCK):
                yield from map(item_of, rows)

    def items(self) -> Iterator[StoredItem]:
        """Every item, ordered by id."""
        for rows in self._by_id(ITEM):
            yield from map(item_of, rows)

    def items_from(self, item_id: str, count: int) -> list[StoredItem]:
        """At most ``count`` items in id order, from ``item_id`` on, or from what would come after it."""
        return [*map(item_of, self._around(item_id, 0, count, ITEM))]

    def _around(self, item_id: str, before: int, count: int, fields: Sequence[str]) -> list[Row]:
        """Rows in id order: some before an id, and some from it on."""

        def read(build: Build) -> list[Row]:
            order = self._order.at(build)
            (place,) = self._order.places(order, [comparable(item_id)])
            wanted = order[max(0, place - before) : place + count].tolist()
            rows = {row["key"]: row for row in self.rows_of(wanted, fields)}
            return [rows[key] for key in wanted if key in rows]

        return self.consistent(read)[1]

    def items_and_vectors(self) -> Iterator[tuple[list[StoredItem], Float16Array]]:
        """Every item and its vector, ordered by id, in blocks."""
        for rows in self._by_id((*ITEM, "vector")):
            keys, vectors = matrix(rows, self.identity.dimension)
            places = np.searchsorted(keys, [row["key"] for row in rows])
            yield [item_of(row) for row in rows], vectors[places]

    def _by_id(self, fields: Sequence[str]) -> Iterator[list[Row]]:
        """Every row, ordered by id, in blocks."""
        _, order = self.consistent(self._order.at)
        for start in range(0, len(order), _BLOCK):
            part = order[start : start + _BLOCK].tolist()
            rows = {row["key"]: row for row in self.rows_of(part, fields)}
            if found := [rows[key] for key in part if key in rows]:
                yield found

    def item(self, item_id: str) -> StoredItem | None:
        """The item with this id, if there is one."""
        rows = self._named([item_id], ITEM)
        return item_of(rows[0]) if rows else None

    def _keys_by_id(self, ids: Sequence[str]) -> Mapping[str, int]:
        return {row["id"]: row["key"] for row in self._named(ids, ("key", "id"))}

    def _ids_near(self, item_id: str) -> Sequence[str]:
        return [row["id"] for row in self._around(item_id, NEAR, NEAR, ("key", "id"))]

    # -- conditions --------------------------------------------------------------------------------

    def proposer(self, state: StoreState, living: Keys, *, exact: bool) -> MilvusProposer:
        """See ``EngineStore``."""
        return MilvusProposer(self, state.generation, living.keys, exact=exact)

    def matching(self, among: Hashable, generation: int, *, after_key: int = 0) -> Int64Array:
        """See ``EngineStore``."""

        def read(build: Build) -> list[int]:
            condition = self._condition_at(build, among)
            if condition is None:
                return []
            blocks = self.blocks(build, ("key",), after=after_key, kept=condition)
            return [row["key"] for rows in blocks for row in rows]

        return np.array(self.of_generation(generation, read), dtype=np.int64)

    def _condition(self, among: EngineAmong) -> Filter | None:
        return self._condition_at(self._build, among)

    def _condition_at(self, build: Build, among: Hashable) -> Filter | None:
        assert isinstance(among, EngineAmong)
        return among.said(FilterTerms(partial(self._stored_at, build), partial(self._typed, build))).true

    def _stored_name(self, name: str) -> str:
        return self._stored_at(self.now(), name)

    def _stored_at(self, build: Build, name: str) -> str:
        """Under which name a column is stored."""
        names = self._names(build)

        def is_said(stored: str) -> bool:
            own = [one for one in names if one.name == stored]
            return any(one.slot == Slot.NOTHING or self._is_said(build, one) for one in own)

        return stored_name(name, {one.name for one in names}, is_said)

    def _typed(self, build: Build, stored: str) -> TypedColumn:
        own = [*OWN.values(), *self._names(build)]
        said = [one for one in own if one.name == stored and one.slot != Slot.NOTHING]
        fields = {Slot(one.slot): one for one in said if self._is_said(build, one)}

        def example() -> MetadataValue:
            some = joined("or", [present(one) for one in fields.values()])
            first = next(self.blocks(build, ITEM, kept=some), None)
            return dict(facts_of(item_of(first[0]))).get(stored) if first else None

        def texts() -> frozenset[str]:
            return self._texts(build, fields[Slot.TEXT])

        def has_other_texts() -> bool:
            others = joined("and", [present(fields[Slot.TEXT]), absent(fields[Slot.MOMENT])])
            return self._any(build, others)

        return TypedColumn(fields, example, texts, has_other_texts)

    def _names(self, build: Build) -> Collection[Name]:
        return self._found_out(build).names

    def _found_out(self, build: Build) -> _Known:
        known = self._known
        if known.generation != build.state.generation:
            known = self._known = _Known(build.state.generation, self._records.names(self.number))
        return known

    def _is_said(self, build: Build, name: Name) -> bool:
        """Whether any item says something in a field."""
        said = self._found_out(build).said
        if name.field not in said:
            said[name.field] = self._any(build, present(name))
        return said[name.field]

    def _texts(self, build: Build, name: Name) -> frozenset[str]:
        """Every different text in a field."""
        texts = self._found_out(build).texts
        if name.field not in texts:
            blocks = self.blocks(build, ("key", name.field), kept=present(name))
            texts[name.field] = frozenset(row[name.field] for rows in blocks for row in rows)
        return texts[name.field]

    def _any(self, build: Build, kept: Filter) -> bool:
        both_hold = joined("and", [self.visible(build), kept])
        return bool(self.database.query(self.collection, both_hold, ("key",), limit=1))


class _replaced_is_stale:  # noqa: N801  used as a statement
    """The collections of a build that was replaced go: whoever reads one then takes a newer view."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, value: BaseException | None, trace: object) -> None:
        if isinstance(value, CollectionGoneError):
            raise StaleViewError from value


def items_in(database: Database, number: int) -> str:
    """The collection of the items of a build."""
    return f"{database.prefix}_items_{number}"
