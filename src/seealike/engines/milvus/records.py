"""What is known of a catalogue as a whole: heads, of which the last is what holds, and who writes.

Milvus has no transactions. A change is made of rows that nobody sees yet, and becomes one by a head: a single
row that says how far rows go, and which copy is live. Heads are only ever added; who reads takes the last.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from random import random
from typing import NamedTuple, Self
from uuid import uuid4

from pymilvus import DataType, MilvusClient

from seealike.engines.milvus.database import CollectionGoneError, Database, Row
from seealike.engines.milvus.filters import Filter, compared, joined, one_of
from seealike.errors import CatalogBusyError, NewerFormatError, NoCatalogError, SeealikeError, UsageError
from seealike.store import State
from seealike.store.manifest import Manifest, birth_from_json, birth_to_json

FORMAT = 1
LONGEST = 60_000  # bytes of a text in a field, of which 65,535 are allowed
BEAT_S = 4.0  # a writer shows in this time that it lives
STALLED_S = 10.0  # without having shown that, it goes on no more
DEAD_S = 20.0  # and others take it for dead
WAIT_S = 10.0  # for others to have written
_KEPT_HEADS = 8
_TIDIED_EVERY = 64  # heads
_AT_ONCE = 3000  # keys in a record
_FIELDS = ("id", "kind", "build", "number", "epoch", "text")
_HEAD, _CLAIM, _NAMES, _DEAD = "head", "claim", "names", "dead"
CHANGE, PUBLISH = "change", "publish"


class Name(NamedTuple):
    """Under which name items say something, in which slot, and in which field; whether it has a type."""

    name: str
    slot: str
    field: str
    is_typed: bool


@dataclass(frozen=True, slots=True)
class Build:
    """One copy of a catalogue, as a head says it.

    ``dead`` items went with the last change, and may still be there. ``replaced`` is when another became
    live, in seconds since 1970.
    """

    number: int
    manifest: Manifest
    state: State
    calibration: str | None = None
    index: str = ""
    dead: int = 0
    replaced: float | None = None

    def to_json(self) -> dict[str, object]:
        """As a head has it."""
        return {
            "birth": birth_to_json(self.manifest),
            "state": self.state.to_json(),
            **{name: getattr(self, name) for name in _PLAIN},
        }

    @classmethod
    def from_json(cls, number: int, said: Mapping[str, object]) -> Build:
        """As it was written."""
        plain = {name: said[name] for name in _PLAIN}
        return cls(number, birth_from_json(str(said["birth"])), State.from_json(str(said["state"])), **plain)  # type: ignore[arg-type]


_PLAIN = ("calibration", "index", "dead", "replaced")


@dataclass(frozen=True, slots=True)
class Head:
    """What holds. Later ones have a greater ``order``; ``is_dirty``: a dead writer may have left rows."""

    order: tuple[int, int] = (0, 0)
    live: int | None = None
    is_dirty: bool = False
    builds: Mapping[int, Build] = field(default_factory=dict)

    def with_build(self, build: Build) -> Head:
        """With a build as it is now."""
        return replace(self, builds={**self.builds, build.number: build})

    def without_build(self, number: int) -> Head:
        """Without one that has been dropped."""
        return replace(self, builds={n: build for n, build in self.builds.items() if n != number})

    @property
    def live_build(self) -> Build | None:
        """The one that is asked."""
        return None if self.live is None else self.builds[self.live]

    def unfinished(self) -> list[Build]:
        """Those that were being made, and are not live yet."""
        return [one for one in self.builds.values() if one.number != self.live and one.replaced is None]

    def to_text(self) -> str:
        """As it is written."""
        builds = {str(number): build.to_json() for number, build in self.builds.items()}
        return json.dumps({"format": FORMAT, "live": self.live, "dirty": self.is_dirty, "builds": builds})


def live_of(head: Head, name: str) -> Build:
    """The live build.

    Raises:
        NoCatalogError: there is none.
    """
    build = head.live_build
    if build is None:
        raise NoCatalogError(name, f"{name} holds no catalogue; publish one with `seealike publish`")
    return build


class Records:
    """The collection of records. Safe to use from several threads."""

    def __init__(self, database: Database) -> None:
        """Nothing is asked yet."""
        self._database = database
        self.collection = f"{database.prefix}_records"
        self._writing = threading.Lock()
        self._seen: dict[str, _Seen] = {}

    def make(self) -> None:
        """Make the collection, where it is not there yet."""
        if self._database.has(self.collection):
            return
        schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("id", DataType.VARCHAR, max_length=64, is_primary=True)
        schema.add_field("kind", DataType.VARCHAR, max_length=16)
        for name in ("build", "number", "epoch"):
            schema.add_field(name, DataType.INT64)
        schema.add_field("text", DataType.VARCHAR, max_length=65_535)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=2)  # which every collection must have
        index = MilvusClient.prepare_index_params()
        index.add_index("vector", index_type="FLAT", metric_type="L2")
        self._database.make(self.collection, schema, index)

    # -- heads -------------------------------------------------------------------------------------

    def head(self) -> Head:
        """What holds now; an empty one where nothing was published.

        Raises:
            NewerFormatError: a newer seealike wrote it.
        """
        return self._last(self._heads())

    def _heads(self) -> list[Row]:
        return self._of(_HEAD)

    def _of(self, kind: str, *more: Filter) -> list[Row]:
        kept = joined("and", [compared("kind", "==", kind), *more])
        with suppress(CollectionGoneError):
            return self._database.query(self.collection, kept, _FIELDS)
        return []

    def _last(self, rows: Sequence[Row]) -> Head:
        if not rows:
            return Head()
        row = max(rows, key=_order)
        said = json.loads(row["text"])
        if said["format"] > FORMAT:
            raise NewerFormatError(self._database.name, said["format"], FORMAT)
        builds = {int(number): Build.from_json(int(number), one) for number, one in said["builds"].items()}
        return Head(_order(row), said["live"], said["dirty"], builds)

    def commit(self, claim: Claim, head: Head, *, epoch: bool = False) -> Head:
        """Let a head hold, which is made from the last one; the one that holds then.

        Raises:
            CatalogBusyError: another writer took this one for dead.
            UsageError: it says more than a record holds.
        """
        claim.check()
        old, number = head.order
        new = replace(head, order=(old + int(epoch), number + 1))
        text = new.to_text()
        if len(text.encode()) > LONGEST:
            raise UsageError(
                f"{self._database.name}: encoder and calibration say more than fits into a record"
            )
        self._put(_HEAD, text, order=new.order)
        rows = self._heads()
        if max(map(_order, rows)) != new.order:
            raise CatalogBusyError(self._database.name, "another process, which took this one for dead")
        old_ones = sorted(rows, key=_order)[:-_KEPT_HEADS]
        if old_ones:
            self._delete([row["id"] for row in old_ones])
        if not new.order[1] % _TIDIED_EVERY:
            self._database.tidy(self.collection)
        return new

    def _put(self, kind: str, text: str, *, order: tuple[int, int] = (0, 0), build: int = 0) -> str:
        known = uuid4().hex
        self._database.put(self.collection, [_row(known, kind, build, order, text)])
        return known

    def _delete(self, ids: Sequence[str]) -> None:
        if ids:
            self._database.delete(self.collection, one_of("id", ids))

    # -- names and deaths --------------------------------------------------------------------------

    def names(self, build: int) -> list[Name]:
        """Under which names items of a build say something, or said."""
        rows = self._of(_NAMES, compared("build", "==", build))
        found = {Name(*one) for row in rows for one in json.loads(row["text"])}
        return sorted(found)

    def add_names(self, build: int, names: Sequence[Name]) -> None:
        """Keep names, which are known from then on."""
        for part in _parts([list(one) for one in names]):
            self._put(_NAMES, json.dumps(part), build=build)

    def add_dead(self, build: int, generation: int, keys: Sequence[int]) -> None:
        """Keep which items went with a generation."""
        for start in range(0, len(keys), _AT_ONCE):
            part = json.dumps(keys[start : start + _AT_ONCE])
            self._put(_DEAD, part, build=build, order=(0, generation))

    def dead(self, build: int, *, after: int, to: int) -> list[int]:
        """Which items of a build went after a generation, up to another."""
        between = compared("number", ">", after), compared("number", "<=", to)
        rows = self._of(_DEAD, compared("build", "==", build), *between)
        return [key for row in rows for key in json.loads(row["text"])]

    def forget_dead(self, build: int, *, before: int, after: int) -> None:
        """Forget what went in a generation before one, or after another."""
        old = joined("or", [compared("number", "<", before), compared("number", ">", after)])
        kept = [compared("kind", "==", _DEAD), compared("build", "==", build), old]
        self._database.delete(self.collection, joined("and", kept))

    def forget_build(self, build: int) -> None:
        """Forget names and deaths of a build."""
        of_build = [one_of("kind", [_NAMES, _DEAD]), compared("build", "==", build)]
        self._database.delete(self.collection, joined("and", of_build))

    # -- who writes --------------------------------------------------------------------------------

    @contextmanager
    def writing(self) -> Iterator[Claim]:
        """Be the only one who commits. What a writer leaves that was killed is taken over after ``DEAD_S``.

        Raises:
            CatalogBusyError: others write for longer than can be waited for.
        """
        if not self._writing.acquire(timeout=WAIT_S):
            raise CatalogBusyError(self._database.name, "another process")
        try:
            with self._held(CHANGE, "another process") as claim:
                yield claim
        finally:
            self._writing.release()

    @contextmanager
    def publishing(self) -> Iterator[Claim]:
        """Be the only one who publishes.

        Raises:
            CatalogBusyError: another process does.
        """
        with self._held(PUBLISH, "another `seealike publish`") as claim:
            yield claim

    @contextmanager
    def _held(self, purpose: str, holder: str) -> Iterator[Claim]:
        claim = Claim(lambda known, beat: self._beat(known, purpose, beat))
        self._get(claim, purpose, holder)
        try:
            with claim:
                yield claim
        except BaseException:
            if claim.is_clean:
                self._let_go(claim)
            raise
        self._let_go(claim)

    def holds(self, claim: Claim) -> bool:
        """Whether nobody has taken a claim over."""
        claim.check()
        return any(row["id"] == claim.known for row in self._of(_CLAIM))

    def _let_go(self, claim: Claim) -> None:
        with suppress(SeealikeError):  # then it is taken for dead
            self._delete([claim.known])

    def _beat(self, known: str, purpose: str, beat: int) -> None:
        self._database.put(self.collection, [_row(known, _CLAIM, 0, (0, beat), purpose)])

    def _get(self, claim: Claim, purpose: str, holder: str) -> None:
        """Claim a purpose. Of two who do at once one sees the other, and steps back."""
        ends = time.monotonic() + (WAIT_S if purpose == CHANGE else DEAD_S + WAIT_S)
        pause = 0.01
        while True:
            claim.beat()
            claims = {row["id"]: row for row in self._of(_CLAIM)}
            self._seen = {known: one for known, one in self._seen.items() if known in claims}
            others = [row for row in claims.values() if row["text"] == purpose and row["id"] != claim.known]
            if not others:
                return
            seen = [self._looked_at(row) for row in others]
            if all(time.monotonic() - one.since > DEAD_S for one in seen):
                self._take_over(claim, purpose, [row["id"] for row in others])
                continue
            self._delete([claim.known])
            lives = purpose == PUBLISH and any(one.moved for one in seen)
            if lives or time.monotonic() > ends:
                raise CatalogBusyError(self._database.name, holder)
            time.sleep(pause * (0.5 + random()))
            pause = min(2 * pause, 0.5)

    def _looked_at(self, row: Row) -> _Seen:
        """Since when a claim shows what it shows now."""
        now, known = time.monotonic(), self._seen.get(row["id"])
        if known is None or known.beat != row["number"]:
            self._seen[row["id"]] = _Seen(row["number"], now, moved=known is not None)
        return self._seen[row["id"]]

    def _take_over(self, claim: Claim, purpose: str, dead: Sequence[str]) -> None:
        """Let nothing that dead writers still send hold, and forget them."""
        if purpose == CHANGE and (head := self.head()).order != (0, 0):
            with suppress(CatalogBusyError):  # another takes over at the same time
                self.commit(claim, replace(head, is_dirty=True), epoch=True)
        self._delete(dead)


class _Seen(NamedTuple):
    beat: int
    since: float
    moved: bool


class Claim:
    """A writer's claim, which shows that it lives for as long as the block lasts.

    ``is_clean``: nothing has been written that does not hold yet.
    """

    def __init__(self, show: Callable[[str, int], None]) -> None:
        """``show`` tells a name and a number that grows."""
        self.known, self.is_clean = uuid4().hex, True
        self._show, self._number, self._last = show, 0, time.monotonic()
        self._ended = threading.Event()

    def beat(self) -> None:
        """Show that it lives.

        Raises:
            CatalogBusyError: it has not for so long that it must not any more: see ``check``.
        """
        self.check()
        begun = time.monotonic()
        self._number += 1
        self._show(self.known, self._number)
        self._last = begun

    def check(self) -> None:
        """Refuse to go on, for ever, where others may have taken it for dead.

        Raises:
            CatalogBusyError: that is so.
        """
        if time.monotonic() - self._last > STALLED_S:
            raise CatalogBusyError("the catalogue", "another process, which may have taken this one for dead")

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._go_on, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _go_on(self) -> None:
        while not self._ended.wait(BEAT_S):
            with suppress(SeealikeError):  # ``check`` notices
                self.beat()


def _order(row: Row) -> tuple[int, int]:
    return row["epoch"], row["number"]


def _row(known: str, kind: str, build: int, order: tuple[int, int], text: str) -> Row:
    epoch, number = order
    said = {"id": known, "kind": kind, "build": build, "number": number, "epoch": epoch, "text": text}
    return {**said, "vector": [0.0, 0.0]}


def _parts(listed: Sequence[list[object]]) -> Iterator[list[list[object]]]:
    """A list in parts, each of which fits into a record."""
    part: list[list[object]] = []
    size = 0
    for one in listed:
        takes = len(json.dumps(one)) + 2
        if part and size + takes > LONGEST:
            yield part
            part, size = [], 0
        part.append(one)
        size += takes
    if part:
        yield part
