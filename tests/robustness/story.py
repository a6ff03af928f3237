"""A small life of a catalogue's files, step by step, beside a plain model of what must be in them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from seealike.filesets import FileSets
from seealike.store import ENCODERS_NAME, FileSystem, NewItem, SourceRecord, SqliteStore, StoreWriter, schema
from seealike.store.records import StoredItem
from seealike.store.writer import Change
from seealike.testing import FakeEncoder
from seealike.types import Skipped, SkipReason

HERE = Path(__file__).resolve()
DIMENSION = 256
IDENTITY = FakeEncoder(dimension=DIMENSION).identity


@dataclass(frozen=True, slots=True)
class Entry:
    """What the catalogue must know of one item."""

    vector: bytes
    path: bytes
    label: str


@dataclass(frozen=True, slots=True)
class Known:
    """What must be in the catalogue after a step.

    ``ann`` is the content of the derived file, ``encoders`` are the notes of encoders, each with its files.
    """

    items: Mapping[str, Entry] = field(default_factory=dict)
    skipped: frozenset[str] = frozenset()
    source: str | None = None
    ann: bytes | None = None
    encoders: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """One call of the store's, and what it changes."""

    name: str
    act: Callable[[Teller], None]
    change: Callable[[Known], Known]


class Teller:
    """Holds the store and its writer while the story is told."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.files = FileSystem()
        self._store: SqliteStore | None = None
        self._writer: StoreWriter | None = None

    @property
    def writer(self) -> StoreWriter:
        """The writer, opened at first use."""
        if self._writer is None:
            self._writer = StoreWriter(self.store.database_path)
        return self._writer

    @property
    def store(self) -> SqliteStore:
        """The store, opened at first use."""
        if self._store is None:
            self._store = SqliteStore(self.directory)
        return self._store

    def close(self) -> None:
        """Close what is open."""
        if self._writer is not None:
            self._writer.close()
        if self._store is not None:
            self._store.close()
        self._writer = self._store = None


def choose_journal_mode(name: str) -> None:
    """Let SQLite work with a write-ahead log, or without, whatever its version."""

    def wal_is_safe(version: tuple[int, int, int]) -> bool:
        return name == "WAL"

    schema.wal_is_safe = wal_is_safe


def entry(item_id: str, version: int = 0) -> Entry:
    """An item whose content follows from its id and version."""
    seed = int.from_bytes(hashlib.sha256(f"{item_id} {version}".encode()).digest()[:8], "little")
    vector = np.random.default_rng(seed).standard_normal(DIMENSION)
    packed = (vector / np.linalg.norm(vector)).astype(np.float16).tobytes()
    return Entry(packed, f"{item_id}.jpg".encode(), f"v{version}")


def new_item(item_id: str, what: Entry) -> NewItem:
    """The row that the store is given for ``what``."""
    return NewItem(
        id=item_id,
        path=what.path,
        size_bytes=len(item_id),
        mtime_ns=17,
        sha256=hashlib.sha256(what.vector).digest(),
        group=what.label,
        metadata_json="{}",
        width_px=3,
        height_px=4,
        source=1,
        vector=what.vector,
    )


def create() -> Step:
    """Make the empty catalogue."""

    def act(teller: Teller) -> None:
        SqliteStore.create(teller.directory, IDENTITY, teller.files).close()

    return Step("create", act, lambda _: Known())


def add(ids: Iterable[str], version: int = 0, skipped: Iterable[str] = ()) -> Step:
    """Add items, replacing those with the same id; list files as skipped."""
    entries = {item_id: entry(item_id, version) for item_id in ids}
    refused = list(skipped)

    def act(teller: Teller) -> None:
        rows = [Skipped(name, f"{name}.jpg", SkipReason.CORRUPT, "no picture", 1, 2) for name in refused]
        items = [new_item(item_id, what) for item_id, what in entries.items()]

        def apply(change: Change) -> None:
            change.remove_ids([*entries, *refused])
            change.insert(items)
            change.skip(1, rows, "decode")
            change.unskip(1, [(item.id, item.path) for item in items])

        teller.writer.rewrite(apply)

    def change(known: Known) -> Known:
        still = (known.skipped | frozenset(refused)) - frozenset(entries)
        return replace(known, items={**known.items, **entries}, skipped=still)

    return Step(f"add {len(entries)}", act, change)


def remove(ids: Iterable[str]) -> Step:
    """Remove items."""
    gone = list(ids)

    def act(teller: Teller) -> None:
        teller.writer.remove(gone)

    def change(known: Known) -> Known:
        return replace(known, items={key: what for key, what in known.items.items() if key not in gone})

    return Step(f"remove {len(gone)}", act, change)


def move(names: Mapping[str, str], source: str) -> Step:
    """Give items other ids and paths, as ``index`` does for renamed files, and record the source."""

    def act(teller: Teller) -> None:
        found = {old: teller.store.item(old) for old in names}

        def apply(change: Change) -> None:
            for old, new in names.items():
                item = found[old]
                if item is None:  # moved already, by an attempt that was refused at the last moment
                    continue
                change.update(replace(item, id=new, path=f"{new}.jpg".encode(), group="moved"))
            change.put_source(SourceRecord(1, source, "/" + source))

        teller.writer.rewrite(apply)

    def change(known: Known) -> Known:
        items = {key: what for key, what in known.items.items() if key not in names}
        for old, new in names.items():
            items[new] = replace(known.items[old], path=f"{new}.jpg".encode(), label="moved")
        return replace(known, items=items, source=source)

    return Step(f"move {len(names)}", act, change)


def derive(content: bytes) -> Step:
    """Write a derived file aside, make it durable, record it, and remove the one before."""
    name = f"ann-{hashlib.sha256(content).hexdigest()[:16]}.faiss"

    def act(teller: Teller) -> None:
        before = teller.store.state().ann
        with (
            teller.files.replacing(os.path.join(teller.directory, name)) as temporary,
            open(temporary, "wb") as file,
        ):
            file.write(content)
        teller.writer.set_ann(name)
        if before is not None and before != name:
            teller.files.remove(os.path.join(teller.directory, before))

    return Step("derive", act, lambda known: replace(known, ann=content))


def forget() -> Step:
    """Forget the derived file, and remove it."""

    def act(teller: Teller) -> None:
        before = teller.store.state().ann
        teller.writer.set_ann(None)
        if before is not None:
            teller.files.remove(os.path.join(teller.directory, before))

    return Step("forget", act, lambda known: replace(known, ann=None))


def copy_encoder(*sources: Path) -> Step:
    """Copy files and note what they are for, in place of the note that was there; then remove the rest."""
    key = hashlib.sha256(b"an encoder").hexdigest()

    def act(teller: Teller) -> None:
        sets = FileSets(os.path.join(teller.directory, ENCODERS_NAME), teller.files)
        digests = sets.keep({path.name: str(path) for path in sources})
        sets.write_note(key, json.dumps(digests).encode())
        sets.remove_all_but([key], [sets.place(digests)])

    content = {path.name: path.read_bytes() for path in sources}
    return Step("copy an encoder", act, lambda known: replace(known, encoders={key: content}))


def _ids(start: int, end: int) -> list[str]:
    return [f"item {number}" for number in range(start, end)]


STORY = (
    create(),
    add(_ids(0, 12), skipped=["broken", "item 13"]),
    add(_ids(12, 40)),
    add([*_ids(3, 8), "item 40"], version=1),
    remove(_ids(5, 15)),
    move({"item 20": "other 20", "item 21": "item 5", "item 0": "a 'quoted'\nid"}, "photos"),
    derive(b"an index" * 2000),
    add(_ids(50, 58)),
    derive(b"another index" * 1500),
    copy_encoder(HERE, HERE.with_name("victim.py")),
    copy_encoder(HERE.with_name("victim.py")),
    remove(_ids(22, 40)),
    forget(),
    add(_ids(30, 34), version=2),
)


def states(story: Iterable[Step] = STORY) -> list[Known | None]:
    """What must be there before each step, and after the last; ``None`` before the catalogue exists."""
    found: list[Known | None] = [None]
    known = Known()
    for step in story:
        known = step.change(known)
        found.append(known)
    return found


def observed(directory: str) -> Known:
    """What a reader finds, every checksum compared.

    Raises:
        CatalogError: the catalogue cannot be read, or is not what was written.
    """
    store = SqliteStore(directory)
    try:
        state, keys = store.state_and_keys()
        blocks = list(store.vector_blocks(block=7))
        vectors = {
            int(key): row.tobytes() for keys_, rows in blocks for key, row in zip(keys_, rows, strict=True)
        }
        listed: list[StoredItem] = list(store.items(block=5))
        by_id = {item.id: item for item in listed}
        if vectors.keys() != set(keys.tolist()):
            raise store.damaged("items without a vector")
        assert len(by_id) == len(listed) == len(keys) == state.count
        items = {
            item.id: Entry(vectors[item.key], item.path or b"", item.group or "") for item in by_id.values()
        }
        ann = None
        if state.ann is not None:
            with open(os.path.join(directory, state.ann), "rb") as file:
                ann = file.read()
        kept = _encoders(FileSets(os.path.join(directory, ENCODERS_NAME)))
        return Known(
            items,
            frozenset(row.id for _, row in store.skipped()),
            state.sources[0].label if state.sources else None,
            ann,
            kept,
        )
    finally:
        store.close()


def _encoders(sets: FileSets) -> dict[str, dict[str, bytes]]:
    """Every note with the files it speaks of, which are all there and whole."""
    found = {}
    for key in sets.notes():
        digests = json.loads(sets.note(key) or b"")
        assert sets.damage(digests) is None
        place = Path(sets.place(digests))
        found[key] = {name: (place / name).read_bytes() for name in digests}
    return found
