"""What a scan changes, worked out inside SQLite, against a slow derivation with plain dictionaries."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seealike.store import FileSystem, NewItem, SourceRecord, SqliteStore, Staging, StoreWriter
from seealike.store.records import BY_HAND, SkipOrigin
from seealike.testing import FakeEncoder
from seealike.types import TRANSIENT_REASONS, Skipped, SkipReason, SourceItem, Unseen

ROOT = os.path.abspath(os.sep + "photos")
IDS = ("a.jpg", "b.jpg", "dir/c.jpg", "dir/d.jpg", "dir 2/e.jpg", "z")
IDENTITY = FakeEncoder(dimension=4).identity
REASONS = st.sampled_from([SkipReason.CORRUPT, SkipReason.UNREADABLE, SkipReason.OUTSIDE_ROOT])
SMALL = st.integers(1, 2)
OURS, OTHERS = 2, 1  # the numbers of the source that is scanned, and of another


@dataclass(frozen=True, slots=True)
class File:
    """A file as the scan sees it; ``content`` stands for what is in it."""

    size: int
    mtime: int
    label: str
    content: int
    source: int = OURS

    @property
    def sha256(self) -> bytes:
        return hashlib.sha256(bytes([self.size, self.content])).digest()

    def same_file(self, other: File) -> bool:
        return (self.size, self.mtime) == (other.size, other.mtime)


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the skipped list; ``unseen`` says whether a scan could not look at it, ``below`` nor in it."""

    reason: SkipReason
    size: int
    mtime: int
    origin: SkipOrigin
    unseen: bool = False
    below: bool = False

    def hides(self, own_id: str, item_id: str) -> bool:
        """Whether an item may be there as before although the scan did not offer it."""
        return self.unseen and (item_id == own_id or (self.below and item_id.startswith(f"{own_id}/")))


FILES = st.builds(
    File, SMALL, SMALL, st.sampled_from("xy"), SMALL, st.sampled_from((OURS, OURS, OTHERS, BY_HAND))
)
ENTRIES = st.builds(Entry, REASONS, SMALL, SMALL, st.sampled_from(("scan", "decode")))
REFUSED = st.dictionaries(
    st.sampled_from(("dir", "q.jpg", *IDS)),
    st.builds(Entry, REASONS, SMALL, SMALL, st.just("scan"), st.booleans(), st.booleans()),
    max_size=2,
)


@contextmanager
def staged(
    items: dict[str, File], skips: dict[str, Entry], scan: dict[str, File], refused: dict[str, Entry]
) -> Iterator[Staging]:
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteStore.create(os.path.join(folder, "c"), IDENTITY, FileSystem())
        writer = StoreWriter(store.database_path)
        writer.connection.execute("PRAGMA synchronous=OFF")
        try:
            writer.rewrite(lambda change: change.insert([row(name, file) for name, file in items.items()]))
            for name, entry in skips.items():
                writer.rewrite(
                    lambda change, name=name, entry=entry: change.skip(  # type: ignore[misc]
                        OURS, [skipped_row(name, entry, name)], entry.origin
                    )
                )
            root = os.path.join(folder, "root")
            staging = Staging(
                writer.connection, store.database_path, SourceRecord(OURS, "ours", root), others=(OTHERS,)
            )
            entries: list[SourceItem | Skipped] = [
                *(
                    SourceItem(name, os.path.join(root, name), f.size, f.mtime, f.label)
                    for name, f in scan.items()
                ),
                *(skipped_row(name, entry, os.path.join(root, name)) for name, entry in refused.items()),
            ]
            assert list(staging.load(entries, block=3))[-1:] == ([len(entries)] if entries else [])
            yield staging
        finally:
            writer.close()
            store.close()


def row(name: str, file: File) -> NewItem:
    return NewItem(
        name,
        name.encode(),
        file.size,
        file.mtime,
        file.sha256,
        file.label,
        "{}",
        1,
        1,
        file.source,
        bytes(8),
    )


def skipped_row(name: str, entry: Entry, path: str) -> Skipped:
    fields = (name, path, entry.reason, "detail", entry.size, entry.mtime)
    return Unseen(*fields, below=entry.below) if entry.unseen else Skipped(*fields)


@settings(max_examples=120, deadline=None)
@given(
    items=st.dictionaries(st.sampled_from(IDS), FILES),
    skips=st.dictionaries(st.sampled_from((*IDS, "q.jpg")), ENTRIES, max_size=3),
    scan=st.dictionaries(st.sampled_from(IDS), FILES),
    refused=REFUSED,
)
def test_the_difference_is_what_plain_dictionaries_say(
    items: dict[str, File], skips: dict[str, Entry], scan: dict[str, File], refused: dict[str, Entry]
) -> None:
    refused = {name: entry for name, entry in refused.items() if name not in scan}
    taken = {name for name in scan if name in items and items[name].source != OURS}
    offered, scan = scan, {name: file for name, file in scan.items() if name not in taken}
    still = {
        name
        for name, file in scan.items()
        if name in skips
        and skips[name].origin == "decode"
        and skips[name].reason not in TRANSIENT_REASONS
        and (skips[name].size, skips[name].mtime) == (file.size, file.mtime)
    }
    known = scan.keys() & items.keys()
    same = {name for name in known if items[name].same_file(scan[name])}
    relabelled = sorted(name for name in same if items[name].label != scan[name].label)
    changed = [name for name in scan if name in known - same - still]
    new = [name for name in scan if name not in items.keys() | still]
    hidden = {name for name in items if any(entry.hides(own, name) for own, entry in refused.items())}
    ours = [name for name, file in items.items() if file.source == OURS]
    gone = sorted(name for name in ours if name not in scan and name not in hidden)
    stale = sorted(
        name
        for name, entry in skips.items()
        if name not in still and (entry.origin == "decode" or (name not in refused and name not in taken))
    )
    anew = {
        name
        for name, entry in refused.items()
        if name not in skips
        or (skips[name].reason, skips[name].size, skips[name].mtime, skips[name].origin)
        != (entry.reason, entry.size, entry.mtime, "scan")
    } | taken

    with staged(items, skips, offered, refused) as staging:
        diff = staging.diff()
        assert (diff.offered, diff.refused) == (len(scan), len(refused.keys() | taken))
        assert (diff.looked_for, diff.gone) == (len(known) + len(gone), len(gone))
        assert (diff.unchanged, diff.relabelled) == (len(same) - len(relabelled), len(relabelled))
        assert diff.to_read == len(changed) + len(new)
        assert list(staging.gone_ids()) == gone
        assert sorted(staged.id for staged, _ in staging.relabelled()) == relabelled
        found = list(staging.to_read())
        assert [(one.id, one.known is not None) for one in found] == [
            *((name, True) for name in changed),
            *((name, False) for name in new),
        ]
        assert all(one.known is None or one.known.id == one.id for one in found)
        assert sorted(name for name, _ in staging.stale_skips()) == stale
        assert {row.id for row in staging.refused_anew()} == anew
        check_moves(staging, {name: items[name] for name in gone}, {name: scan[name] for name in new})


def check_moves(staging: Staging, gone: dict[str, File], new: dict[str, File]) -> None:
    """Each gone item becomes at most one new file, and one of the same content."""
    candidates = list(staging.move_candidates())
    sizes = {file.size for file in gone.values()}
    assert sorted(one.id for one in candidates) == sorted(n for n, file in new.items() if file.size in sizes)
    for one in candidates:
        staging.claim_move(one, new[one.id].sha256)
    moves = [(item.id, one.id) for one, item in staging.moves()]
    assert len({old for old, _ in moves}) == len({name for _, name in moves}) == len(moves)
    assert all(gone[old].sha256 == new[name].sha256 for old, name in moves)
    left = {name: file.sha256 for name, file in gone.items() if name not in {old for old, _ in moves}}
    unclaimed = [file.sha256 for name, file in new.items() if name not in {target for _, target in moves}]
    assert not set(left.values()) & set(unclaimed)
    assert list(staging.gone_ids()) == sorted(left)
    read = {one.id for one in staging.to_read() if one.known is None}
    assert read == new.keys() - {target for _, target in moves}


def test_staging_twice_on_one_connection_starts_anew(tmp_path: Path) -> None:
    store = SqliteStore.create(str(tmp_path / "c"), IDENTITY, FileSystem())
    writer = StoreWriter(store.database_path)
    for _ in range(2):
        staging = Staging(writer.connection, store.database_path, SourceRecord(OURS, "ours", ROOT))
        list(staging.load([SourceItem("a", os.path.join(ROOT, "a"), 1, 1)]))
        assert staging.diff().to_read == 1
    writer.close()
    store.close()


@pytest.mark.skipif(os.name == "nt", reason="there are no such names")
def test_paths_are_stored_relative_to_the_root_byte_for_byte(tmp_path: Path) -> None:
    store = SqliteStore.create(str(tmp_path / "c"), IDENTITY, FileSystem())
    writer = StoreWriter(store.database_path)
    for root in ("/photos", "/photos/", "/"):
        staging = Staging(writer.connection, store.database_path, SourceRecord(OURS, "ours", root))
        for name in (b"a.jpg", b"caf\xe9/\xff.jpg", b"photosx"):
            path = os.path.join(root, os.fsdecode(name))
            assert staging.relative(path) == name
            assert staging.absolute(name) == path
    assert staging.relative("elsewhere") == b"elsewhere"
    writer.close()
    store.close()
