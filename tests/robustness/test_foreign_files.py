"""Catalogues with links, pipes and folders in them: nothing outside of a catalogue is changed."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from tests.robustness.herd import Herd
from tests.robustness.victim import ANN_THRESHOLD, fake_default_encoder

import seealike
from seealike import IndexOptions
from seealike.catalog import ann
from seealike.catalog.spaces.space import in_space, space_path
from seealike.cli.main import run
from seealike.errors import CatalogExistsError, ForeignFileError
from seealike.testing import FakeEncoder

Plant = Callable[[Path, Path], None]
pytestmark = pytest.mark.skipif(os.name == "nt", reason="links and pipes need rights there")

TRUSTED = (
    "manifest.json",
    "catalog.sqlite",
    "catalog.sqlite-wal",
    "catalog.sqlite-shm",
    "catalog.sqlite-journal",
    "writer.lock",
    "builder.lock",
)
DERIVED = (
    "catalog-0123456789abcdef.sqlite",
    "catalog.sqlite.damaged",
    "writer.json",
    "progress.json",
    "measured.json",
    "ann-9-0123456789abcdef.faiss",
    "ann-current",
    ".salvage",
    ".writing-abc",
    "spaces",
    "encoders",
)
COMMANDS = (
    ("info",),
    ("search", "--id", "item"),
    ("recommend", "--all"),
    ("verify",),
    ("index", "photos", "--workers", "1"),
    ("rm", "item"),
    ("eval",),
    ("verify", "--repair"),
    ("verify", "--repair"),
)


@pytest.fixture(scope="module", autouse=True)
def small_scale() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ann, "THRESHOLD", ANN_THRESHOLD)
        fake_default_encoder(patch.setattr)
        yield


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory, small_scale: None) -> Path:
    """A folder with photos and a catalogue of them, which is copied for each test."""
    base = tmp_path_factory.mktemp("foreign")
    herd = Herd(base / "photos", random.Random(3), ANN_THRESHOLD + 5)
    with seealike.create(base / "catalog", encoder=FakeEncoder()) as catalog:
        catalog.index(herd.folder, options=IndexOptions(workers=1))
        assert catalog.info().ann.state == "ready"
    return base


def link_to_file(place: Path, victim: Path) -> None:
    victim.write_bytes(b"a user's file\n" * 1000)
    place.symlink_to(victim)


def link_to_folder(place: Path, victim: Path) -> None:
    victim.mkdir()
    for name in ("notes.txt", "manifest.json", "catalog.sqlite", "writer.json", ".writing-x"):
        (victim / name).write_bytes(b"a user's file\n")
    place.symlink_to(victim)


def link_to_empty_folder(place: Path, victim: Path) -> None:
    victim.mkdir()
    place.symlink_to(victim)


def link_to_nothing(place: Path, victim: Path) -> None:
    place.symlink_to(victim)


def link_to_database(place: Path, victim: Path) -> None:
    connection = sqlite3.connect(victim)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE addresses (name TEXT)")
    connection.close()
    place.symlink_to(victim)


def second_name(place: Path, victim: Path) -> None:
    victim.write_bytes(b"a user's file\n" * 1000)
    os.link(victim, place)


def second_name_of_database(place: Path, victim: Path) -> None:
    link_to_database(place, victim)
    place.unlink()
    os.link(victim, place)


def pipe(place: Path, victim: Path) -> None:
    os.mkfifo(place)


def folder(place: Path, victim: Path) -> None:
    place.mkdir()
    (place / "notes.txt").write_bytes(b"a user's file\n")


PLANTS: tuple[Plant, ...] = (
    link_to_file,
    link_to_folder,
    link_to_empty_folder,
    link_to_nothing,
    link_to_database,
    second_name,
    second_name_of_database,
    pipe,
    folder,
)


def contents(path: Path) -> object:
    """Everything that is at a path, without following links."""
    if not os.path.lexists(path):
        return None
    status = path.lstat()
    if stat.S_ISDIR(status.st_mode):
        return {entry.name: contents(entry) for entry in path.iterdir()}
    if stat.S_ISREG(status.st_mode):
        return path.read_bytes()
    return stat.S_IFMT(status.st_mode)


def planted(sample: Path, base: Path, names: Sequence[str], plant: Plant) -> list[Path]:
    """Copy the sample, and plant something under these names; what each leads to."""
    shutil.copytree(sample, base, dirs_exist_ok=True)
    victims = []
    for name in names:
        place, victim = base / "catalog" / name, base / f"victim of {name}"
        if name == "ann-current":
            (place,) = (base / "catalog").glob("ann-[!9]*")
        if place.is_file():
            place.unlink()
        plant(place, victim)
        victims.append(victim)
    return victims


@pytest.mark.parametrize("plant", PLANTS)
@pytest.mark.parametrize("names", [*((name,) for name in TRUSTED), DERIVED], ids=lambda names: names[0])
def test_no_command_changes_what_a_planted_name_leads_to(
    sample: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    names: tuple[str, ...],
    plant: Plant,
) -> None:
    victims = planted(sample, tmp_path, names, plant)
    monkeypatch.chdir(tmp_path)
    before = [contents(victim) for victim in victims]
    ids = iter(sorted(entry.name for entry in Path("photos").iterdir()))
    for command in COMMANDS:
        arguments = [next(ids) if word == "item" else word for word in command]
        code = run([*arguments, "--catalog", "catalog"])
        out, err = capfd.readouterr()
        assert [contents(victim) for victim in victims] == before, command
        assert "internal error" not in err, command
        if code:
            assert code in (1, 2), command
            assert len(err.splitlines()) <= 1, (command, err)
            assert err or "damaged" in out, command


@pytest.mark.parametrize("plant", [link_to_file, link_to_database, link_to_nothing, pipe, folder])
@pytest.mark.parametrize("name", ["manifest.json", "catalog.sqlite", "catalog.sqlite-journal", "writer.lock"])
def test_what_a_writer_would_have_to_trust_is_refused_by_name_and_kind(
    sample: Path, tmp_path: Path, name: str, plant: Plant
) -> None:
    planted(sample, tmp_path, [name], plant)
    kind = {"pipe": "a pipe", "folder": "a folder"}.get(plant.__name__, "a link")
    with (
        pytest.raises(ForeignFileError, match=rf"/{name} is {kind}: .*; take it away$"),
        seealike.open(tmp_path / "catalog", encoder=FakeEncoder()) as catalog,
    ):
        catalog.remove([next(iter(catalog.items())).id])


@pytest.mark.parametrize("name", ["writer.json", ".salvage", ".writing-abc", "ann-current", "measured.json"])
def test_what_is_derived_is_made_anew_and_the_link_is_gone(sample: Path, tmp_path: Path, name: str) -> None:
    planted(sample, tmp_path, [name], link_to_file)
    (tmp_path / "catalog" / "manifest.json").write_bytes(b"")  # so that everything is repaired
    assert seealike.catalog.verify(tmp_path / "catalog", repair=True).ok
    assert seealike.catalog.verify(tmp_path / "catalog").ok
    links = [entry.name for entry in (tmp_path / "catalog").iterdir() if entry.is_symlink()]
    assert links == (["measured.json"] if name == "measured.json" else [])  # repair does not measure


def test_a_link_in_the_place_of_a_space_is_replaced_by_the_space(
    sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(sample, tmp_path, dirs_exist_ok=True)
    with seealike.open(tmp_path / "catalog", encoder=FakeEncoder()) as catalog:
        place = Path(space_path(catalog, FakeEncoder(dimension=24).identity))
        place.parent.mkdir()
        victim = tmp_path / "victim"
        link_to_folder(place, victim)
        before = contents(victim)
        monkeypatch.setattr(
            "seealike.catalog.spaces.space.identity_of", lambda name: FakeEncoder(dimension=24).identity
        )
        monkeypatch.setattr(
            "seealike.catalog.spaces.space.create",
            lambda path, encoder, link_encoder, vectors, limits: seealike.create(
                path, encoder=FakeEncoder(dimension=24)
            ),
        )
        with in_space(catalog, "any") as space:
            assert len(space) == len(catalog)
    assert contents(victim) == before
    assert not place.is_symlink()


def test_a_catalogue_reached_through_links_works(sample: Path, tmp_path: Path) -> None:
    shutil.copytree(sample, tmp_path / "real")
    (tmp_path / "linked").symlink_to(tmp_path / "real")
    (tmp_path / "direct").symlink_to(tmp_path / "real" / "catalog")
    for path in (tmp_path / "linked" / "catalog", tmp_path / "direct"):
        assert seealike.catalog.verify(path, repair=True).ok
        with seealike.open(path, encoder=FakeEncoder()) as catalog:
            catalog.remove([next(iter(catalog.items())).id])
    with pytest.raises(CatalogExistsError):
        seealike.create(tmp_path / "direct", encoder=FakeEncoder())


def test_a_copy_made_of_hard_links_is_searched_and_the_original_written(sample: Path, tmp_path: Path) -> None:
    original, copy = tmp_path / "original", tmp_path / "copy"
    shutil.copytree(sample / "catalog", original)
    (original / "catalog.sqlite-journal").touch()
    shutil.copytree(original, copy, copy_function=os.link)
    for path in (original, copy):
        with seealike.open(path, encoder=FakeEncoder()) as catalog:
            assert catalog.verify().ok
    with seealike.open(original, encoder=FakeEncoder()) as catalog:
        catalog.remove([next(iter(catalog.items())).id])
        assert catalog.verify().ok
    journals = [path / "catalog.sqlite-journal" for path in (original, copy)]
    assert not (journals[0].exists() and journals[0].samefile(journals[1]))


def test_a_journal_that_names_another_file_is_not_rolled_back(sample: Path, tmp_path: Path) -> None:
    """SQLite removes the file that a journal of several databases names, once that lists none of them."""
    shutil.copytree(sample, tmp_path, dirs_exist_ok=True)
    victim = tmp_path / "victim"
    victim.write_bytes(b"a user's file\n")
    journal = tmp_path / "catalog" / "catalog.sqlite-journal"
    journal.write_bytes(crafted_journal(victim, os.path.getsize(tmp_path / "catalog" / "catalog.sqlite")))
    copy = tmp_path / "copy.sqlite"
    decoy = tmp_path / "decoy"
    decoy.write_bytes(victim.read_bytes())
    shutil.copy(tmp_path / "catalog" / "catalog.sqlite", copy)
    (tmp_path / "copy.sqlite-journal").write_bytes(crafted_journal(decoy, copy.stat().st_size))
    with sqlite3.connect(copy) as connection:
        connection.execute("SELECT count(*) FROM items").fetchone()
    connection.close()
    assert not decoy.exists()  # so it does in a database that nobody looks at first
    for _ in range(2):
        with pytest.raises(ForeignFileError, match="belongs to several databases"):
            seealike.open(tmp_path / "catalog", encoder=FakeEncoder())
        with pytest.raises(ForeignFileError, match="belongs to several databases"):
            seealike.catalog.verify(tmp_path / "catalog", repair=True)
    assert victim.read_bytes() == b"a user's file\n"


def crafted_journal(names: Path, database_size: int) -> bytes:
    """A rollback journal without pages that says it is part of a transaction over several databases."""
    magic, page, sector = bytes.fromhex("d9d505f920a163d7"), 8192, 512
    name = str(names).encode()
    header = magic + b"".join(
        number.to_bytes(4, "big") for number in (0, 7, database_size // page, sector, page)
    )
    locked_page = (0x40000000 // page + 1).to_bytes(4, "big")
    tail = locked_page + name + len(name).to_bytes(4, "big") + (sum(name) & 0xFFFFFFFF).to_bytes(4, "big")
    return header.ljust(sector, b"\0") + tail + magic
