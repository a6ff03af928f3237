"""Whatever file operation fails, or is the last one before a power loss: nothing acknowledged is lost."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.pictures import write_pictures
from tests.robustness import moving
from tests.robustness.faultfs import double
from tests.robustness.faultfs.disk import Contents, Disk, Kind, Operation, put, read_journal
from tests.robustness.herd import Herd, Tags, committed
from tests.robustness.living import DAMAGED
from tests.robustness.story import IDENTITY, STORY, Known, entry, new_item, observed, states
from tests.robustness.victim import ANN_THRESHOLD, fake_default_encoder

import seealike
from seealike.catalog import ann, verify
from seealike.errors import DamagedCatalogError, NoCatalogError
from seealike.store import FileSystem, SqliteStore, StoreWriter, schema

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    reason = double.missing()
    if reason:
        pytest.skip(reason)
    return double.build(tmp_path_factory.mktemp("faultfs"))


@pytest.fixture
def quick_folder() -> Iterator[Path]:
    """A folder in memory, where there is one: flushing thousands of states to a disk takes its time."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


def record(library: Path, folder: Path, program: str, argument: str) -> list[Operation]:
    """Run a program with the folder ``root/new/catalog`` and an argument; what it did below ``root``."""
    root, journal = folder / "root", folder / "journal"
    root.mkdir()
    subprocess.run(
        [sys.executable, "-m", f"tests.robustness.{program}", str(root / "new" / "catalog"), argument],
        env=double.environment(library, root, journal),
        cwd=ROOT,
        check=True,
    )
    return list(read_journal(journal))


def crash_states(operations: list[Operation], root: str, seeds: int) -> Iterator[tuple[int, int, Contents]]:
    """(operations done, marks written, what is on the disk): every different state."""
    disk, acknowledged = Disk(root), 0
    seen: set[tuple[int, bytes]] = set()
    for done, operation in enumerate(operations, start=1):
        disk.apply(operation)
        acknowledged += operation.kind is Kind.MARK
        left = [disk.flushed_only(), disk.all_kept()]
        left += [disk.some_kept(random.Random(f"{done} {seed}")) for seed in range(seeds)]
        for contents in left:
            state = (acknowledged, fingerprint(contents))
            if state not in seen:
                seen.add(state)
                yield done, acknowledged, contents


def fingerprint(contents: Contents) -> bytes:
    """What tells one state of the disk from another."""
    digest = hashlib.sha256()
    for path in sorted(contents):
        content = contents[path]
        digest.update(f"{path}\0{content is None or len(content)}\0".encode())
        digest.update(content or b"")
    return digest.digest()


def check(directory: Path, allowed: list[Known | None]) -> None:
    """The catalogue is in one of the ``allowed`` states, and can be changed."""
    try:
        found: Known | None = observed(str(directory))
    except NoCatalogError:
        found = None
    assert found in allowed
    if found is None:
        SqliteStore.create(str(directory), IDENTITY, FileSystem()).close()
        found = observed(str(directory))
        assert found == Known()
    writer = StoreWriter(str(directory / "catalog.sqlite"))
    writer.add([new_item("afterwards", entry("afterwards"))])
    writer.close()
    assert observed(str(directory)).items == {**found.items, "afterwards": entry("afterwards")}


def survive(library: Path, quick_folder: Path, journal_mode: str, seeds: int) -> None:
    operations = record(library, quick_folder, "recording", journal_mode)
    known = states()
    count = 0
    for done, acknowledged, contents in crash_states(operations, str(quick_folder / "root"), seeds):
        with crashed(
            quick_folder, contents, f"{done} of {len(operations)}, {acknowledged} acknowledged"
        ) as folder:
            check(folder, known[acknowledged : acknowledged + 2])
        count += 1
    assert count > len(operations) / 2


@contextlib.contextmanager
def crashed(base: Path, contents: Contents, when: str) -> Iterator[Path]:
    """The catalogue's directory as the crash left it."""
    folder = base / "crashed"
    folder.mkdir()
    put(contents, folder)
    try:
        yield folder / "new" / "catalog"
    except BaseException as exc:
        exc.add_note(f"after operation {when}")
        raise
    finally:
        shutil.rmtree(folder)


def test_a_power_loss_after_any_operation_loses_nothing_that_was_acknowledged(
    library: Path, quick_folder: Path
) -> None:
    safe = schema.wal_is_safe(sqlite3.sqlite_version_info[:3])
    survive(library, quick_folder, "WAL" if safe else "TRUNCATE", seeds=2)


@pytest.mark.heavy
@pytest.mark.parametrize("journal_mode", ["TRUNCATE", "WAL"])
def test_a_power_loss_loses_nothing_that_was_acknowledged_in_either_journal_mode(
    library: Path, quick_folder: Path, journal_mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "wal_is_safe", lambda version: journal_mode == "WAL")
    survive(library, quick_folder, journal_mode, seeds=20)


def test_a_power_loss_during_index_or_repair_leaves_a_generation_that_was_committed(
    library: Path, quick_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ann, "THRESHOLD", ANN_THRESHOLD)
    fake_default_encoder(monkeypatch.setattr)
    operations = record(library, quick_folder, "living", str(quick_folder / "photos"))
    marks = [operation.path for operation in operations if operation.kind is Kind.MARK]
    damaged = marks.index(DAMAGED)
    generations: list[Tags | None] = [None, *(json.loads(mark) for mark in marks if mark != DAMAGED)]
    assert generations[-1] == generations[-2] != {}
    for done, acknowledged, contents in crash_states(operations, str(quick_folder / "root"), 0):
        if acknowledged == damaged:  # between the last commit and the end of the damage
            continue
        with crashed(
            quick_folder, contents, f"{done} of {len(operations)}, {acknowledged} marks"
        ) as directory:
            if acknowledged > damaged:
                assert verify(directory, repair=True).ok
                assert committed(str(directory)) == generations[-1]
            else:
                check_generation(directory, generations[acknowledged : acknowledged + 2])


def test_a_power_loss_during_a_reindex_leaves_the_old_vectors_or_the_new_ones(
    library: Path, quick_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a hard link survives and what it was made of does not."""
    moving.install(tmp_path / "site")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path / "site"), *sys.path]))
    write_pictures(tmp_path / "photos", range(3))
    operations = record(library, quick_folder, "moving", str(tmp_path / "photos"))
    marks = [operation.path for operation in operations if operation.kind is Kind.MARK]
    assert marks == [" ".join(move) for move in moving.MOVES]
    wanted = {}
    for spec, kept in set(moving.MOVES):
        with seealike.create(tmp_path / f"{spec} {kept}", encoder=spec, vectors=kept) as fresh:
            fresh.index(tmp_path / "photos")
            wanted[f"{spec} {kept}"] = fresh.vectors()
    found = set()
    for done, moved, contents in crash_states(operations, str(quick_folder / "root"), 1):
        if not moved:
            continue
        with crashed(quick_folder, contents, f"{done} of {len(operations)}, {moved} marks") as directory:
            with seealike.open(directory) as catalog:
                now = f"{catalog.encoder_spec} {catalog.vector_type}"
                assert now in marks[moved - 1 : moved + 1]
                ids, vectors = catalog.vectors()
                assert ids == wanted[now][0]
                np.testing.assert_array_equal(vectors, wanted[now][1])
                assert catalog.verify().ok
                found.add((moved, now))
            if done % 10 == 0:
                assert catalog_after_another(directory, tmp_path / "photos") == 1
    assert len(found) == 7


def catalog_after_another(directory: Path, photos: Path) -> int:
    """How many databases there are when the source was indexed once more, which finds nothing to do."""
    with seealike.open(directory) as catalog:
        report = catalog.index(photos)
        assert (report.unchanged, report.added, report.removed) == (3, 0, 0)
    return len(list(directory.glob("*.sqlite")))


def check_generation(directory: Path, allowed: list[Tags | None]) -> None:
    try:
        found: Tags | None = committed(str(directory))
    except NoCatalogError:
        found = None
    assert found in allowed
    if found:
        report = verify(directory)
        assert report.ok, report.findings


def test_a_rollback_journal_that_is_lost_or_damaged_is_noticed(library: Path, quick_folder: Path) -> None:
    """Without its journal, a database that was being written holds parts of two states."""
    rng = random.Random(7)
    disk, known, noticed = Disk(str(quick_folder / "root")), states(), 0
    for operation in record(library, quick_folder, "recording", "TRUNCATE"):
        disk.apply(operation)
        contents = disk.all_kept()
        journal = contents.get("new/catalog/catalog.sqlite-journal")
        if not journal or "new/catalog/manifest.json" not in contents:
            continue
        for left in (None, journal[: len(journal) // 2], _flipped(journal, rng)):
            contents["new/catalog/catalog.sqlite-journal"] = left or b""
            with crashed(quick_folder, contents, "with another journal") as directory:
                try:
                    assert observed(str(directory)) in known
                except DamagedCatalogError:
                    noticed += 1
    assert noticed


def _flipped(content: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(content))
    return content[:place] + bytes([content[place] ^ 1 << rng.randrange(8)]) + content[place + 1 :]


def let_fail(library: Path, folder: Path, *choices: str) -> dict[str, int]:
    """Let every change of the story fail, in a process of its own; what became of them."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.robustness.failing", str(folder), *choices],
        env=double.environment(library, folder),
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    counts: dict[str, int] = json.loads(done.stdout)
    return counts


def check_failures(counts: dict[str, int], *, refused_share: float) -> None:
    assert counts["tried"] > 10 * len(STORY)
    assert counts["refused"] >= refused_share * counts["tried"]
    assert counts["unclear"] <= len(STORY) + 2  # one a commit: the very last flush


def test_a_disk_that_fills_up_at_any_change_costs_only_that_change(library: Path, quick_folder: Path) -> None:
    counts = let_fail(library, quick_folder, "--error", "ENOSPC", "--lasting", "--cut")
    check_failures(counts, refused_share=1.0)


def test_a_disk_that_fails_once_at_any_change_costs_only_that_change(
    library: Path, quick_folder: Path
) -> None:
    check_failures(let_fail(library, quick_folder, "--error", "EIO"), refused_share=0.7)


@pytest.mark.heavy
@pytest.mark.parametrize("journal_mode", ["TRUNCATE", "WAL"])
@pytest.mark.parametrize(
    ("choices", "refused_share"),
    [
        (["--error", "ENOSPC", "--lasting"], 1.0),
        (["--error", "ENOSPC", "--lasting", "--cut"], 1.0),
        (["--error", "ENOSPC", "--cut"], 0.1),
        (["--error", "EIO"], 0.7),
        (["--error", "EIO", "--lasting"], 0.9),
    ],
)
def test_any_failing_change_costs_only_that_change(
    library: Path, quick_folder: Path, choices: list[str], refused_share: float, journal_mode: str
) -> None:
    counts = let_fail(library, quick_folder, *choices, "--journal-mode", journal_mode)
    check_failures(counts, refused_share=refused_share)


@pytest.mark.parametrize("change", [30, 120])
def test_index_on_a_full_disk_says_so_in_one_line_and_works_when_there_is_space(
    library: Path, quick_folder: Path, change: int
) -> None:
    """The 30th change is one of the catalogue's creation, the 120th one of a later commit."""
    herd = Herd(quick_folder / "photos", random.Random(change), 40)
    root = quick_folder / "root"
    root.mkdir()
    full = {"FAULTFS_FAIL_AT": str(change), "FAULTFS_ERRNO": str(errno.ENOSPC), "FAULTFS_LASTING": "1"}
    arguments = ("index", str(herd.folder), "--catalog", str(root / "catalog"), "--workers", "1")
    for extra, expected in ((full, 1), ({}, 0)):
        done = subprocess.run(
            [sys.executable, "-m", "tests.robustness.slow_command", *arguments],
            env={**double.environment(library, root), **extra, "FAULTFS_CUT": "1"},
            cwd=ROOT,
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == expected, done.stderr
        if expected:
            # SQLite calls a full disk that it meets when it flushes, not when it writes, an I/O error.
            assert re.fullmatch(r"seealike: cannot write .*(full|No space|I/O error).*is safe\n", done.stderr)
    assert committed(str(root / "catalog")) == herd.tags()
