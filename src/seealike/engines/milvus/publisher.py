"""Copying a catalogue to Milvus: beside the live copy, and in its place by one head."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from seealike.engines.milvus import pictures
from seealike.engines.milvus.database import Database
from seealike.engines.milvus.fields import ITEM, SIGNED, item_of, matrix, schema_of, signature_of
from seealike.engines.milvus.filters import compared, one_of
from seealike.engines.milvus.records import Build, Claim, Head, Records, live_of
from seealike.engines.milvus.store import MilvusStore, items_in
from seealike.engines.milvus.writer import Change, MilvusWriter, changing, sweep_dead
from seealike.engines.store import Changes, EngineStore, Held, PublishedRow
from seealike.errors import CatalogBusyError
from seealike.recommend import StaleViewError
from seealike.store import State
from seealike.store.manifest import Manifest, birth_to_json
from seealike.types import EncoderIdentity

_KEPT_S = 60  # a copy that was replaced, for those who are reading it


class MilvusPublisher:
    """Copies a catalogue: see ``EnginePublisher``."""

    def __init__(self, database: Database, records: Records, claim: Claim) -> None:
        """``claim`` says that nobody else publishes."""
        self._database, self._records, self._claim = database, records, claim
        self._beside: int | None = None

    @contextmanager
    def _changing(self) -> Iterator[tuple[Claim, Head]]:
        """``changing``, for as long as nobody has taken this publisher for dead and publishes instead."""
        with changing(self._database, self._records) as (claim, head):
            if not self._records.holds(self._claim):
                raise CatalogBusyError(
                    self._database.name, "another `seealike publish`, which began meanwhile"
                )
            yield claim, head

    def live(self) -> Manifest | None:
        """See ``EnginePublisher``."""
        build = self._records.head().live_build
        return None if build is None else build.manifest

    def begin(self, manifest: Manifest) -> int:
        """See ``EnginePublisher``."""
        with self._changing() as (claim, before):
            birth = birth_to_json(manifest)
            same = [one for one in before.unfinished() if birth_to_json(one.manifest) == birth][:1]
            head = self._dropped(claim, before, [o.number for o in before.unfinished() if o not in same])
            if same:
                build = same[0]
            else:
                live = head.live_build
                generation = 0 if live is None else live.state.generation + 1
                state = State(generation=generation, recorded_from=generation)
                index = self._database.address.index
                build = Build(max(head.builds, default=0) + 1, manifest, state, index=index)
                self._records.commit(claim, head.with_build(build))
        self._beside = build.number
        pictures.make(self._database, build.number)
        return max((one.origin for one in self.contents()), default=0)

    def append(self, rows: Sequence[PublishedRow]) -> None:
        """See ``EnginePublisher``."""
        with self._change() as change:
            change.insert(rows)

    @contextmanager
    def _change(self) -> Iterator[Change]:
        with (
            self._changing() as (claim, head),
            Change(self._database, self._records, claim, head, self._current(head)) as change,
        ):
            yield change

    def _current(self, head: Head) -> Build:
        if self._beside is not None:
            return head.builds[self._beside]
        return live_of(head, self._database.name)

    def _copy(self) -> tuple[MilvusStore, Build]:
        build = self._current(self._records.head())
        return MilvusStore(self._database, self._records, build), build

    def contents(self) -> Iterator[Held]:
        """See ``EnginePublisher``."""
        store, build = self._copy()
        kept = compared("origin", ">", 0)
        blocks = store.blocks(build, ("key", "origin", "content"), kept=kept)
        found = [Held(row["origin"], row["key"], row["content"]) for rows in blocks for row in rows]
        yield from sorted(found)

    def keys_of(self, origins: Sequence[int]) -> list[int]:
        """See ``EnginePublisher``."""
        if not origins:
            return []
        store, build = self._copy()
        kept = one_of("origin", [int(origin) for origin in origins])
        return [row["key"] for rows in store.blocks(build, ("key",), kept=kept) for row in rows]

    def apply(self, changes: Changes, *, at: int | None = None) -> int:
        """See ``EnginePublisher``."""
        with self._change() as change:
            if at is not None and change.build.state.generation != at:
                raise StaleViewError
            change.remove(changes.removed)
            for pairs in changes.updated:
                change.remove([key for key, _ in pairs])
                self._add(change, [row for _, row in pairs])
            for rows in changes.added:
                self._add(change, rows)
        return change.build.state.generation

    def _add(self, change: Change, rows: Sequence[PublishedRow]) -> None:
        change.remove_ids([row.item.id for row in rows])
        change.insert(rows)

    def keep_calibration(self, calibration: str | None) -> None:
        """See ``EnginePublisher``."""
        with self._changing() as (claim, head):
            build = self._current(head)
            if build.calibration != calibration:
                self._records.commit(claim, head.with_build(replace(build, calibration=calibration)))

    def go_live(self) -> int:
        """See ``EnginePublisher``."""
        assert self._beside is not None
        items = items_in(self._database, self._beside)
        self._make_empty(self._records.head().builds[self._beside])
        self._database.settle(items)
        with self._changing() as (claim, before):
            live, build = before.live_build, before.builds[self._beside]
            with Change(self._database, self._records, claim, before, build) as change:
                lost = 0 if live is None else self._carry(live, build, change)
            head = change.head
            if live is not None:
                later = max(change.build.state.generation, live.state.generation + 1)
                state = replace(change.build.state, generation=later, recorded_from=later, tombstones=0)
                sweep_dead(self._database, self._records, change.build)
                renewed = replace(change.build, state=replace(state, rewritten=later, renamed=later), dead=0)
                head = head.with_build(replace(live, replaced=time.time())).with_build(renewed)
            self._records.commit(claim, replace(head, live=build.number))
        self._database.name_live(self._database.prefix, items)
        self._beside = None
        return lost

    def _make_empty(self, build: Build) -> None:
        """Make the collection of a copy that has no items."""
        if not self._database.has(items_in(self._database, build.number)):
            schema, index = schema_of(build, [], is_lite=self._database.is_lite)
            self._database.make(items_in(self._database, build.number), schema, index)

    def _carry(self, live: Build, build: Build, change: Change) -> int:
        """Take over what was only put into this catalogue's copy; how many items of another one are lost."""
        before, now = live.manifest, build.manifest
        old = MilvusStore(self._database, self._records, live)
        fields = (*ITEM, *SIGNED[1:], "vector")
        put = [row for rows in old.blocks(live, fields, kept=compared("origin", "==", 0)) for row in rows]
        if (before.catalog_id, before.encoder) != (now.catalog_id, now.encoder):
            return len(put)
        new = MilvusStore(self._database, self._records, build)
        taken = {row["id"] for row in new.named_at(build, [row["id"] for row in put], ("key", "id"))}
        for row in put:
            if row["id"] in taken:
                continue
            _, vectors = matrix([row], before.encoder.dimension)
            item = item_of(row).as_new(vectors[0].tobytes(), signature_of(row))
            if (data := pictures.read(self._database, live.number, row["key"])) is not None:
                change.keep_picture(change.last_key + 1, data)
            change.insert([PublishedRow(item, None)])
        return 0

    def drop_unfinished(self) -> None:
        """See ``EnginePublisher``."""
        with self._changing() as (claim, head):
            self._dropped(claim, head, [one.number for one in head.unfinished()])

    def drop_replaced(self) -> None:
        """Drop copies that were replaced so long ago that nobody reads them."""
        head = self._records.head()
        if any(map(_is_old, head.builds.values())):
            with self._changing() as (claim, head):
                self._dropped(claim, head, [one.number for one in head.builds.values() if _is_old(one)])

    def _dropped(self, claim: Claim, head: Head, numbers: Sequence[int]) -> Head:
        for number in numbers:
            self._database.drop(items_in(self._database, number))
            self._database.drop(pictures.collection_of(self._database, number))
            self._records.forget_build(number)
            head = self._records.commit(claim, head.without_build(number))
        return head


def _is_old(build: Build) -> bool:
    return build.replaced is not None and build.replaced < time.time() - _KEPT_S


class MilvusEngine:
    """A catalogue in Milvus: see ``Engine``."""

    def __init__(self, url: str) -> None:
        """Nothing is opened yet.

        Raises:
            UsageError: that is no address.
        """
        self._database = Database(url)
        self._records = Records(self._database)
        self.name = self._database.name

    def opened(self, held: EngineStore | None = None) -> MilvusStore:
        """See ``Engine``."""
        build = live_of(self._records.head(), self.name)
        if isinstance(held, MilvusStore) and held.number == build.number:
            held.know(build)
            return held
        return MilvusStore(self._database, self._records, build)

    def written(self) -> MilvusStore:
        """See ``Engine``: it has no replicas that lag behind."""
        return self.opened()

    @contextmanager
    def changing(self, identity: EncoderIdentity | None = None) -> Iterator[MilvusWriter]:
        """See ``Engine``."""
        yield MilvusWriter(self._database, self._records, identity)

    @contextmanager
    def publishing(self) -> Iterator[MilvusPublisher]:
        """See ``Engine``."""
        self._records.make()
        with self._records.publishing() as claim:
            publisher = MilvusPublisher(self._database, self._records, claim)
            publisher.drop_replaced()
            yield publisher

    def close(self) -> None:
        """Close connections."""
        self._database.close()
