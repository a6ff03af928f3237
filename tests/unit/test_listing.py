"""Lists over shards: part by part they are the lists of one catalogue that holds everything."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import seealike
from seealike import Progress, SearchOptions, SimilarList
from seealike.errors import DamagedCatalogError, UsageError
from seealike.listing import lists_of_shards
from seealike.listing.room import LOCK_NAME, prefix, room
from seealike.shards import Manifest, ShardEntry, ShardRow, encoded, open_place, shard_name, write_manifest
from seealike.testing import FakeEncoder
from seealike.types import Metric

ENCODER = FakeEncoder(dimension=16)
IDENTITY = ENCODER.identity
ITEMS, IN_SHARD, DIMENSION = 230, 20, IDENTITY.dimension


def rows() -> list[ShardRow]:
    """Items of which some show one product, some have equal pictures, and some could not be embedded."""
    rng = np.random.default_rng(3)
    found = []
    for number in range(ITEMS):
        vector = rng.standard_normal(DIMENSION) if number % 7 else np.eye(DIMENSION)[number % DIMENSION]
        unit = (vector / np.linalg.norm(vector)).astype(np.float16)
        group = f"product {number % 61}" if number % 3 else None
        found.append(
            ShardRow(
                f"{number * 37 % ITEMS:04}",
                f"{number}.jpg",
                10,
                20,
                group,
                f'{{"kind": "{"ab"[number % 2]}", "price": {number}}}',
                bytes([number]) * 32,
                30,
                40,
                unit,
            )
        )
    return found


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    folder = tmp_path / "shards"
    place, entries = open_place(str(folder)), []
    everything = rows()
    for start in range(0, ITEMS, IN_SHARD):
        part = everything[start : start + IN_SHARD]
        data = encoded(part, DIMENSION)
        name = shard_name(f"{start:064}", data)
        place.write(name, data)
        entries.append(ShardEntry.of(name, part))
    write_manifest(place, Manifest(IDENTITY, root=str(tmp_path / "pictures"), shards=tuple(entries)))
    return folder


def embedded_lists(shards: Path, k: int, options: SearchOptions) -> list[SimilarList]:
    """Those of one catalogue that holds all of it."""
    with tempfile.TemporaryDirectory() as folder, seealike.create(folder, encoder=ENCODER) as catalog:
        catalog.index(shards)
        return list(catalog.recommend_all(k, options=options))


@pytest.mark.parametrize(
    "options",
    [
        SearchOptions(),
        SearchOptions(pictures=True),
        SearchOptions(min_score=0.2, metric=Metric.COSINE),
        SearchOptions(metric=Metric.EUCLIDEAN),
    ],
    ids=["products", "pictures", "least score", "metric"],
)
@pytest.mark.parametrize("part_vectors", [1, 50, 1000])
def test_parts_together_give_the_lists_of_the_whole(
    shards: Path, options: SearchOptions, part_vectors: int
) -> None:
    expected = embedded_lists(shards, 7, options)
    with lists_of_shards(shards, 7, options=options, part_vectors=part_vectors) as lists:
        assert sorted(lists, key=lambda one: one.id) == expected


def test_a_run_that_was_cut_off_goes_on_and_leaves_nothing(shards: Path) -> None:
    class CutOffError(Exception):
        pass

    def cut_off(progress: Progress) -> None:
        if progress.done == 4:
            raise CutOffError

    before = {file.name for file in shards.iterdir()}
    with pytest.raises(CutOffError), lists_of_shards(shards, 5, progress=cut_off, part_vectors=50) as lists:
        list(lists)
    found = {file: file.stat().st_mtime_ns for file in shards.iterdir() if file.name not in before}
    assert len(found) == 4
    with lists_of_shards(shards, 5, part_vectors=50) as lists:
        made = list(lists)
        assert {file: file.stat().st_mtime_ns for file in found} == found
    assert sorted(made, key=lambda one: one.id) == embedded_lists(shards, 5, SearchOptions())
    assert {file.name for file in shards.iterdir()} == before


def found_for_lists_of_five(shards: Path) -> None:
    assert (
        len(list(lists_of_shards(shards, 5, part_vectors=50))) == ITEMS
    )  # not ended as a block: all is kept


def test_what_was_found_for_other_lists_is_not_taken(shards: Path) -> None:
    found_for_lists_of_five(shards)
    with lists_of_shards(shards, 6, part_vectors=50) as longer:
        assert sorted(longer, key=lambda one: one.id) == embedded_lists(shards, 6, SearchOptions())


def test_runs_beside_each_other_leave_each_other_alone(shards: Path) -> None:
    with lists_of_shards(shards, 5, part_vectors=50) as lists:
        started = iter(lists)
        made = [next(started)]
        with lists_of_shards(shards, 6, part_vectors=50) as others:
            assert len(list(others)) == ITEMS
        made += started
    assert sorted(made, key=lambda one: one.id) == embedded_lists(shards, 5, SearchOptions())
    assert not list(shards.glob("found-*"))


def test_shards_are_where_they_were_named_whoever_reads_them(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shards.parent)
    lists = lists_of_shards(shards.name, 5)
    monkeypatch.chdir(tmp_path.parent)
    assert len(list(lists)) == ITEMS


def test_a_damaged_file_of_what_was_found_is_named(shards: Path) -> None:
    found_for_lists_of_five(shards)
    found = next(shards.glob("found-*"))
    data = bytearray(found.read_bytes())
    data[len(data) // 3] ^= 1
    found.write_bytes(data)
    with pytest.raises(DamagedCatalogError, match=found.name):
        list(lists_of_shards(shards, 5, part_vectors=50))


@pytest.mark.parametrize(
    "options",
    [
        SearchOptions(diversity=0.3),
        SearchOptions(hub_correction=True),
        SearchOptions(same=("kind",)),
        SearchOptions(where="price < 100"),
        SearchOptions(group_by="kind"),
    ],
)
def test_wishes_that_take_a_catalogue_are_refused(shards: Path, options: SearchOptions) -> None:
    with pytest.raises(UsageError, match="takes a catalogue"):
        lists_of_shards(shards, 5, options=options)


def test_what_killed_workers_left_goes_and_what_others_hold_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    left, young, other = (tmp_path / f"{prefix()}{name}" for name in ("left", "young", "other"))
    for folder in (left, young, other):
        (folder / "part").mkdir(parents=True)
    for folder in (left, young):
        (folder / LOCK_NAME).touch()
    seealike.create(other / "part", encoder=ENCODER).close()
    with room() as held:
        Path(held).mkdir()
        for folder in (left, Path(held).parent):
            os.utime(folder / LOCK_NAME, (0, 0))
        with room():
            assert not left.exists()
            assert Path(held).exists()
    assert sorted(tmp_path.iterdir()) == [other, young]


def test_a_room_whose_lock_is_refused_is_not_taken_for_one_that_was_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    @contextmanager
    def refused(path: str) -> Iterator[bool]:
        Path(path).touch()
        os.utime(path, (0, 0))
        yield False

    with monkeypatch.context() as patched:
        patched.setattr("seealike.listing.room.held_if_free", refused)
        first = room()
        held = Path(first.__enter__())
        held.mkdir()
    with room():
        assert held.exists()
    first.__exit__(None, None, None)
    assert not [*tmp_path.iterdir()]
