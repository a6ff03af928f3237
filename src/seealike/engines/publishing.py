"""Making an engine's copy of a catalogue equal to it: all of it beside the live one, or what changed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from typing import NamedTuple, Protocol

from seealike.engines.store import Changes, Engine, EnginePublisher, Held, PublishedRow, check_storable
from seealike.errors import UsageError
from seealike.recommend import ItemRow, StaleViewError
from seealike.store import KeyChanges, State, StoredItem
from seealike.store.manifest import Manifest
from seealike.types import Float16Array, Int64Array, Progress, ProgressCallback, Signature

ROWS_AT_ONCE = 2000


class PublishedStore(Protocol):
    """The catalogue that is copied."""

    def state(self) -> State:
        """Its state."""

    def calibration(self) -> str | None:
        """What its scores are worth, if that has been learnt."""

    def items_after(self, key: int) -> Iterator[StoredItem]:
        """Every item with a greater key, ascending."""

    def items_of(self, keys: Sequence[int]) -> dict[int, StoredItem]:
        """Those of ``keys`` that are alive, by key."""

    def vectors_of(self, keys: Sequence[int]) -> tuple[Int64Array, Float16Array]:
        """The vectors of those of ``keys`` that are alive, ascending by key."""

    def signatures_of(self, keys: Sequence[int]) -> dict[int, Signature]:
        """The signatures of those of ``keys`` that have one, by key."""

    def key_changes(self, generation: int, last_key: int) -> KeyChanges | None:
        """What became of the keys of an older generation; ``None`` where that is not on record."""


@dataclass(frozen=True, slots=True)
class PublishReport:
    """What ``publish`` did: ``generation`` is the catalogue's, ``engine_generation`` the copy's afterwards.

    ``rebuilt``: all was copied beside what was there, and put in its place. ``lost`` items were put into the
    copy of another catalogue alone, and went with it. ``last_key`` is the greatest in the catalogue.
    """

    added: int
    updated: int
    removed: int
    unchanged: int
    generation: int
    engine_generation: int
    rebuilt: bool
    lost: int
    last_key: int

    @property
    def changed(self) -> bool:
        """Whether the copy is another one now."""
        return self.rebuilt or bool(self.added or self.updated or self.removed)


@dataclass(frozen=True)
class Publication:
    """What is copied: a catalogue's rows, which it is, and where its pictures are."""

    store: PublishedStore
    manifest: Manifest
    path_of: Callable[[ItemRow], str | None]

    def rows(self, keys: Sequence[int]) -> list[PublishedRow]:
        """The rows of those of ``keys`` that are alive, ascending."""
        items, signatures = self.store.items_of(keys), self.store.signatures_of(keys)
        found, vectors = self.store.vectors_of(keys)
        return [
            self._row(items[key], vector.tobytes(), signatures.get(key))
            for key, vector in zip(found.tolist(), vectors, strict=True)
            if key in items
        ]

    def contents(self) -> Iterator[tuple[int, int]]:
        """The key and the content of every item, ascending."""
        for rows in self.blocks(item.key for item in self.store.items_after(0)):
            yield from ((row.origin, row.content) for row in rows if row.origin is not None)

    def blocks(self, keys: Iterator[int]) -> Iterator[list[PublishedRow]]:
        """The rows of some items, some thousands at a time."""
        while block := list(islice(keys, ROWS_AT_ONCE)):
            yield self.rows(block)

    def _row(self, item: StoredItem, vector: bytes, signature: Signature | None) -> PublishedRow:
        path = self.path_of(item)
        new = item.as_new(vector, signature)
        new = replace(new, path=None if path is None else os.fsencode(path))
        check_storable(new)
        return PublishedRow(new, item.key)


def publish(
    publication: Publication,
    engine: Engine,
    progress: ProgressCallback,
    *,
    rebuild: bool,
    since: PublishReport | None = None,
) -> PublishReport:
    """Make the copy in ``engine`` equal to the catalogue; what was only put into the engine stays.

    May be interrupted anywhere: the live copy is always one that was whole, and the next call goes on.

    Args:
        publication: what is copied.
        engine: where to.
        progress: told of what is done.
        rebuild: copy everything beside the live copy, whatever that is, and put it in its place.
        since: what was told when this catalogue was published last: then only what it has on record since is
            read. Where no record says it, for rows were rewritten or somebody else changed the copy,
            everything is compared.

    Raises:
        UsageError: the engine holds another catalogue, or another encoder's vectors, and ``rebuild`` is
            not set.
        CatalogBusyError: another process publishes there.
        UnreachableError: the engine cannot be reached.
    """
    with engine.publishing() as publisher:
        live = publisher.live()
        if live is not None and not rebuild:
            _check_same(live, publication.manifest, engine.name)
        whole = live is None or rebuild
        total = publication.store.state().count
        if whole:
            last, copied = _copied(publication, publisher, progress, total)
        else:
            publisher.drop_unfinished()
            last, copied = None, 0
        publisher.keep_calibration(publication.store.calibration())
        found = after = None
        if since is not None and not whole:
            found = _recorded(publication.store, publisher, since)
        if since is not None and found is not None:
            with suppress(StaleViewError):  # somebody else has changed the copy
                after = publisher.apply(_changes(publication, found), at=since.engine_generation)
        if found is None or after is None:
            state = publication.store.state()
            found = _compared(state, publication.contents(), publisher.contents(), last)
            after = publisher.apply(_changes(publication, found))
        lost = 0
        if whole:
            progress(Progress("index", copied, None))
            lost = publisher.go_live()
    return PublishReport(
        added=copied + len(found.added),
        updated=len(found.updated),
        removed=len(found.removed),
        unchanged=found.same,
        generation=found.state.generation,
        engine_generation=after,
        rebuilt=whole,
        lost=lost,
        last_key=found.state.last_key,
    )


def _check_same(live: Manifest, given: Manifest, name: str) -> None:
    if live.encoder != given.encoder:
        what = f"vectors of {live.encoder.name}, and this catalogue's are of {given.encoder.name}"
    elif live.catalog_id != given.catalog_id:
        what = "another catalogue"
    else:
        return
    raise UsageError(
        f"{name} holds {what}; put this one in its place by --rebuild, or publish to another address"
    )


def _copied(
    publication: Publication, publisher: EnginePublisher, progress: ProgressCallback, total: int
) -> tuple[int, int]:
    """Copy what a copy under way does not have yet: the last origin that it had, and how many rows."""
    last, copied = publisher.begin(publication.manifest), 0
    keys = (item.key for item in publication.store.items_after(last))
    for rows in publication.blocks(keys):
        publisher.append(rows)
        copied += len(rows)
        progress(Progress("publish", copied, total))
    return last, copied


class _Difference(NamedTuple):
    """What a copy lacks.

    Args:
        state: of the catalogue, which may have changed a little more already.
        removed: keys there of what is gone.
        updated: keys here and there of what changed.
        added: keys here of what is new.
        same: how many are the same, and were there before.
    """

    state: State
    removed: list[int]
    updated: list[tuple[int, int]]
    added: list[int]
    same: int


def _recorded(store: PublishedStore, publisher: EnginePublisher, since: PublishReport) -> _Difference | None:
    """What came and went since a publication; ``None`` where only comparing everything tells."""
    changes = store.key_changes(since.generation, since.last_key)
    if changes is None or changes.state.rewritten > since.generation:
        return None
    removed, added = publisher.keys_of(changes.removed), sorted(key for key, _ in changes.added)
    return _Difference(changes.state, removed, [], added, changes.state.count - len(added))


def _changes(publication: Publication, found: _Difference) -> Changes:
    def updates() -> Iterator[list[tuple[int, PublishedRow]]]:
        for start in range(0, len(found.updated), ROWS_AT_ONCE):
            part = dict(found.updated[start : start + ROWS_AT_ONCE])
            rows = publication.rows([*part])
            yield [(part[row.origin], row) for row in rows if row.origin is not None]

    return Changes(found.removed, updates(), publication.blocks(iter(found.added)))


def _compared(
    state: State, here: Iterator[tuple[int, int]], there: Iterator[Held], last: int | None
) -> _Difference:
    """What the contents of both say; those after ``last`` were copied just now."""
    removed: list[int] = []
    updated: list[tuple[int, int]] = []
    added: list[int] = []
    same = 0
    held = next(there, None)
    for key, content in here:
        while held is not None and held.origin < key:
            removed.append(held.key)
            held = next(there, None)
        if held is None or held.origin > key:
            added.append(key)
            continue
        if held.content == content:
            same += last is None or key <= last
        else:
            updated.append((key, held.key))
        held = next(there, None)
    while held is not None:
        removed.append(held.key)
        held = next(there, None)
    return _Difference(state, removed, updated, added, same)
