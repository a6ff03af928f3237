"""A process that moves a catalogue to and fro is killed at random moments: the catalogue is always whole."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from tests.made_models import SIDE_PX, save_model
from tests.pictures import write_pictures
from tests.robustness.moving import SPECS, install
from tests.seeds import SEED

import seealike
from seealike.catalog.encoder.copies import SPACES
from seealike.catalog.spaces.reindexing import reindex
from seealike.testing import FakeEncoder

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no kill -9 here"),
]
KILLS = 60
KILLS_WITH_A_MODEL = 20
ITEMS = 24
Moves = tuple[dict[str, str], ...]  # what ``reindex`` is called with, one after the other
CHILD = """
import sys
sys.path.insert(0, sys.argv[2])
from seealike.catalog.spaces.reindexing import reindex
print("ready", flush=True)
while True:
    for move in {moves}:
        reindex(sys.argv[1], **move)
        print("moved", flush=True)
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package that brings the encoder ``test-fake:DIMENSION``, for the child too."""
    folder = tmp_path / "site"
    install(folder)
    monkeypatch.syspath_prepend(str(folder))
    return folder


def test_a_killed_reindex_leaves_the_old_catalogue_or_the_new_one(tmp_path: Path, site: Path) -> None:
    rng = random.Random(SEED)
    write_pictures(tmp_path / "photos", range(ITEMS))
    path = tmp_path / "catalog"
    wanted = {}
    for spec in SPECS:
        dimension = int(spec.partition(":")[2])
        with seealike.create(
            tmp_path / f"fresh-{dimension}", encoder=FakeEncoder(dimension=dimension)
        ) as one:
            one.index(tmp_path / "photos")
            wanted[dimension] = one.vectors()
    with seealike.create(path, encoder=SPECS[0]) as catalog:
        catalog.index(tmp_path / "photos")
    moves = tuple({"encoder": spec} for spec in SPECS)
    move_s, seen = duration_of_a_move(path, site, moves), set()
    for number in range(KILLS):
        moved = kill_after(path, site, rng.uniform(0.0, 1.5 * move_s), moves)
        with seealike.open(path) as found:
            ids, vectors = found.vectors()
            dimension = found.encoder.dimension
            assert ids == wanted[dimension][0], number
            np.testing.assert_array_equal(vectors, wanted[dimension][1])
            assert found.verify().ok, number
            seen.add((dimension, moved))
    assert {dimension for dimension, _ in seen} == {16, 24}
    reindex(path, SPECS[0])
    with seealike.open(path) as found:
        again = found.index(tmp_path / "photos")
        assert (again.unchanged, again.added) == (ITEMS, 0)
    assert len([name for name in os.listdir(path) if name.endswith(".sqlite")]) == 1


def test_a_killed_change_of_numbers_leaves_the_old_ones_or_the_new_ones(tmp_path: Path, site: Path) -> None:
    rng, seen = random.Random(SEED), set()
    write_pictures(tmp_path / "photos", range(ITEMS))
    path, wanted = tmp_path / "catalog", {}
    for kept in ("int8", "float16"):
        with seealike.create(tmp_path / kept, encoder=SPECS[0], vectors=kept) as fresh:
            fresh.index(tmp_path / "photos")
            wanted[kept] = fresh.vectors()
    shutil.copytree(tmp_path / "float16", path)
    moves = tuple({"vectors": kept} for kept in wanted)
    move_s = duration_of_a_move(path, site, moves)
    for number in range(KILLS):
        kill_after(path, site, rng.uniform(0.0, 1.5 * move_s), moves)
        with seealike.open(path) as found:
            ids, vectors = found.vectors()
            assert ids == wanted[found.vector_type][0], number
            np.testing.assert_array_equal(vectors, wanted[found.vector_type][1])
            assert found.verify().ok, number
            seen.add(found.vector_type)
    assert len(seen) == 2
    for kept in wanted:
        reindex(path, vectors=kept)
    with seealike.open(path) as found:
        again = found.index(tmp_path / "photos")
        assert (again.unchanged, again.added) == (ITEMS, 0)
    assert not [entry for entry in (path / SPACES).iterdir() if entry.is_dir()]


def test_a_killed_reindex_leaves_a_catalogue_that_has_its_encoder(tmp_path: Path, site: Path) -> None:
    rng = random.Random(SEED)
    photos = write_pictures(tmp_path / "photos", range(ITEMS))
    models = tmp_path / "models"
    models.mkdir()
    specs = tuple(
        f"onnx:{save_model(models / f'{number}.onnx', seed=number)}?size={SIDE_PX}&norm=half"
        for number in range(2)
    )
    path, seen = tmp_path / "catalog", set()
    with seealike.create(path, encoder=specs[0]) as catalog:
        catalog.index(tmp_path / "photos")
    moves = tuple({"encoder": spec} for spec in specs)
    move_s = duration_of_a_move(path, site, moves)
    for number in range(KILLS_WITH_A_MODEL):
        kill_after(path, site, rng.uniform(0.0, 2.0 * move_s), moves)
        hidden = models.rename(tmp_path / "hidden")
        with seealike.open(path) as found:
            assert found.search(photos[3], 1)[0].id == "003.jpg", number
            assert found.verify().ok, number
            assert found.info().encoder_place.state == "copy"
            seen.add(found.encoder.weights_sha256)
        hidden.rename(models)
    assert len(seen) == 2
    reindex(path, specs[0])
    shutil.rmtree(path / SPACES, ignore_errors=True)  # where a half-made one may still need its encoder
    with seealike.open(path) as found:
        found.index(tmp_path / "photos")
    kept = [entry.name for entry in (path / "encoders").iterdir() if entry.is_dir()]
    assert len(kept) == 1, "nothing is left of what was interrupted"


def duration_of_a_move(path: Path, site: Path, moves: Moves) -> float:
    """The seconds from the start of a child to the end of its second move."""
    with child_of(path, site, moves) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        started = time.monotonic()
        assert [child.stdout.readline() for _ in moves] == [b"moved\n"] * 2
        child.kill()
        return time.monotonic() - started


def child_of(path: Path, site: Path, moves: Moves) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", CHILD.format(moves=repr(moves)), str(path), str(site)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def kill_after(path: Path, site: Path, delay_s: float, moves: Moves) -> bool:
    """Start a child, kill it so long after it is ready; whether it had finished a move."""
    with child_of(path, site, moves) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        time.sleep(delay_s)
        child.kill()
        return b"moved" in child.stdout.read()
