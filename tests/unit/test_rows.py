"""Vectors that are read some at a time: the same numbers, whether an array or a file has them."""

from __future__ import annotations

import gc
import os
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from functools import partialmethod
from pathlib import Path

import numpy as np
import pytest

import seealike
from seealike import rows as vector_rows
from seealike.calibration import CalibrateOptions, calibrate
from seealike.catalog import vectors as reading
from seealike.errors import StorageError
from seealike.evaluation import EvalOptions, EvalReport, Resampling, evaluate
from seealike.evaluation.statistics import ranking
from seealike.rows import VectorFile, blocks, chosen
from seealike.store import NewItem, SqliteStore, StoreWriter
from seealike.store.records import BY_HAND
from seealike.testing import FakeEncoder
from seealike.training import Labelling, Splitting, TrainOptions
from seealike.training.data.lesson import read_lesson
from seealike.training.data.split import split
from seealike.training.judge import gather
from seealike.training.run import fingerprint
from seealike.types import Float16Array, Float32Array
from seealike.vectors import VectorType

FEW = Resampling(rounds=50)


def halves(n: int, d: int, seed: int = 0) -> Float16Array:
    vectors = np.random.default_rng(seed).normal(size=(n, d))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float16)


def unit(vectors: Float16Array) -> Float32Array:
    wide = vectors.astype(np.float32)
    return np.asarray(wide / np.linalg.norm(wide, axis=1, keepdims=True))


def filed(vectors: Float16Array) -> VectorFile:
    file = VectorFile(*vectors.shape)
    order = np.random.default_rng(1).permutation(len(vectors))
    for places in np.array_split(order, 3):
        file.write(places, vectors[places])
    return file


@pytest.mark.parametrize(
    "asked",
    [
        slice(None),
        slice(3, 9),
        slice(15, 99),
        slice(5, 5),
        np.array([4, 5, 6, 1, 19, 18, 0]),
        np.array([7, 7, 8, 7]),
        np.empty(0, np.int64),
    ],
    ids=str,
)
def test_a_file_gives_the_rows_that_an_array_gives(asked: slice | np.ndarray) -> None:
    vectors = halves(20, 7)
    file, held = filed(vectors), unit(vectors)
    assert (file.shape, len(file)) == ((20, 7), 20)
    assert file[asked].dtype == np.float32
    np.testing.assert_array_equal(file[asked], held[asked])


def test_whole_numbers_are_read_as_they_are_kept() -> None:
    vectors = unit(halves(9, 5))
    file = VectorFile(9, 5, VectorType.INT8)
    file.write(np.arange(9), vectors)
    exact = vectors.astype(np.float16).astype(np.float64)
    whole = np.rint(127 * exact / np.abs(exact).max(axis=1, keepdims=True))
    wanted = whole / np.linalg.norm(whole, axis=1, keepdims=True)
    np.testing.assert_allclose(file[:], wanted, atol=5e-4)


def test_some_of_a_file_are_read_where_they_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vector_rows, "ROWS_AT_ONCE", 4)
    vectors, places = halves(30, 6), np.array([29, 3, 4, 5, 17, 0, 11, 12, 2])
    file, held = filed(vectors), unit(vectors)
    for some in (chosen(file, places), chosen(held, places)):
        assert some.shape == (9, 6)
        np.testing.assert_array_equal(np.concatenate([part for _, part in blocks(some)]), held[places])
        np.testing.assert_array_equal(some[np.array([8, 1])], held[[2, 3]])
    assert [(start, len(part)) for start, part in blocks(chosen(file, places))] == [(0, 4), (4, 4), (8, 1)]


def test_the_file_is_nobody_elses_and_is_gone_with_the_last_who_uses_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    gc.collect()
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else None
    some = chosen(filed(halves(5, 3)), np.array([1, 2]))
    np.testing.assert_array_equal(some[:], unit(halves(5, 3))[1:3])
    del some
    assert os.listdir(tmp_path) == []
    assert before is None or len(os.listdir("/proc/self/fd")) == before


def test_where_there_is_no_room_it_is_said_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(StorageError, match=r"the vectors need \d{6,}\.\d GB and .* are free.*set TMPDIR"):
        VectorFile(10**12, 1280)


def test_a_disk_that_refuses_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(StorageError, match=r"nowhere: No such file or directory.*set TMPDIR"):
        VectorFile(3, 2)


# -- a catalogue that is too large to hold -----------------------------------------------------------------

COUNT, DIMENSION, KINDS = 2_000, 1_024, 40
HELD = COUNT * DIMENSION * 4  # bytes of all vectors as float32


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Vectors of 32nds and -32nds that show their kind, none of a picture; ids in another order than keys.

    In whatever order the products of such vectors are summed up, the sum is exact: so figures must be equal.
    """
    path = str(tmp_path_factory.mktemp("large") / "catalog")
    seealike.create(path, encoder=FakeEncoder(dimension=DIMENSION)).close()
    rng = np.random.default_rng(0)
    signs = rng.choice([-1, 1], (KINDS, DIMENSION))[np.arange(COUNT) % KINDS]
    vectors = (np.where(rng.random(signs.shape) < 0.38, -signs, signs) / 32).astype(np.float16)
    rows = [
        NewItem(
            id=f"{row * 7919 % COUNT:05}",
            path=None,
            size_bytes=None,
            mtime_ns=None,
            sha256=None,
            group=f"g{row // 3}",
            metadata_json=f'{{"kind": "k{row % KINDS}", "shop": "s{row % 11}"}}',
            width_px=9,
            height_px=9,
            source=BY_HAND,
            vector=vector.tobytes(),
        )
        for row, vector in enumerate(vectors)
    ]
    writer = StoreWriter(os.path.join(path, "catalog.sqlite"))
    writer.add(rows)
    writer.close()
    return path


@pytest.fixture
def in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is held, and little at a time is read."""
    monkeypatch.setattr(reading, "HELD_BYTES", 0)
    monkeypatch.setattr(vector_rows, "ROWS_AT_ONCE", 128)
    monkeypatch.setattr(SqliteStore, "vector_blocks", partialmethod(SqliteStore.vector_blocks, block=128))
    monkeypatch.setattr(ranking, "BLOCK_BYTES_OF_FILE", 1 << 20)


def opened(path: str) -> seealike.Catalog:
    return seealike.open(path, encoder=FakeEncoder(dimension=DIMENSION))


def test_the_rows_of_a_catalogue_are_its_vectors(large: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(large) as catalog:
        ids, vectors = catalog.vectors()
        held_ids, held = catalog.vector_rows()
        told: list[tuple[int, int | None]] = []
        monkeypatch.setattr(reading, "HELD_BYTES", HELD - 1)
        file_ids, file = catalog.vector_rows(progress=lambda at: told.append((at.done, at.total)))
    assert ids == held_ids == file_ids
    assert isinstance(held, np.ndarray)
    assert isinstance(file, VectorFile)
    np.testing.assert_array_equal(held[:], vectors)
    np.testing.assert_array_equal(file[:], vectors)
    assert told[-1] == (COUNT, COUNT)


def test_rows_that_were_read_stay_what_they_were(tmp_path: Path, in_a_file: None) -> None:
    with seealike.create(tmp_path / "catalog", encoder=FakeEncoder()) as catalog:
        for number in range(4):
            catalog.add(str(number), np.full((40, 40, 3), 60 * number, np.uint8))
        _, vectors = catalog.vectors()
        _, rows = catalog.vector_rows()
        catalog.remove(["1", "2"])
        np.testing.assert_array_equal(rows[:], vectors)


def figures(catalog: seealike.Catalog, **options: object) -> EvalReport:
    asked = EvalOptions(label="kind", resampling=FEW, **options)  # type: ignore[arg-type]
    return replace(evaluate(catalog, asked), took_s=0)


@pytest.mark.parametrize(
    "options",
    [
        {"max_queries": 60},
        {"max_queries": 0, "only": ("shop != 's1'",), "k": 3},
        {"max_queries": 40, "apart": "shop", "vectors": ("64", "int8", "256:int8")},
        {"query_where": ("shop = 's4'",)},
    ],
    ids=str,
)
def test_a_catalogue_too_large_to_hold_is_measured_as_one_that_is_held(
    large: str, options: dict[str, object], request: pytest.FixtureRequest
) -> None:
    with opened(large) as catalog:
        held = figures(catalog, **options)
        request.getfixturevalue("in_a_file")
        assert figures(catalog, **options) == held


def test_scores_of_a_file_are_worth_what_those_of_an_array_are(
    large: str, request: pytest.FixtureRequest
) -> None:
    options = CalibrateOptions(label="kind", max_queries=150, sample=0, resampling=FEW)
    with opened(large) as catalog:
        held = calibrate(catalog, options).calibration
        request.getfixturevalue("in_a_file")
        filed = calibrate(catalog, options).calibration
    assert held is not None
    assert filed is not None
    assert filed.curves == held.curves


def test_a_lesson_from_a_file_is_the_same_lesson(large: str, request: pytest.FixtureRequest) -> None:
    marks, evidence = [], []
    for where in ("held", "in_a_file"):
        if where == "in_a_file":
            request.getfixturevalue(where)
        with opened(large) as catalog:
            lesson = read_lesson(catalog, Labelling("kind", ("k7",)), Splitting())
        parts = split(lesson, None, 0)
        marks.append(fingerprint(lesson, parts, TrainOptions(Labelling("kind")), "fake"))
        targets, taught = lesson.targets[parts.test], chosen(lesson.vectors, parts.train)
        found = gather(chosen(lesson.vectors, parts.test), targets, (taught, lesson.targets[parts.train]))
        evidence.append(found)
    held, filed = evidence
    assert marks[0] == marks[1]
    np.testing.assert_array_equal(filed.ranking.nearest, held.ranking.nearest)
    np.testing.assert_array_equal(filed.ranking.values, held.ranking.values)
    assert filed.by_vote is not None
    np.testing.assert_array_equal(filed.by_vote, held.by_vote)
    assert filed.spread == held.spread


def _evaluated(catalog: seealike.Catalog) -> None:
    figures(catalog, max_queries=50, vectors=("256", "int8"))


def _everybody_asks(catalog: seealike.Catalog) -> None:
    figures(catalog, max_queries=0, only=("shop != 's1'",))


def _calibrated(catalog: seealike.Catalog) -> None:
    calibrate(catalog, CalibrateOptions(label="kind", max_queries=50, sample=0, resampling=FEW))


def _read_to_learn(catalog: seealike.Catalog) -> None:
    lesson = read_lesson(catalog, Labelling("kind"), Splitting())
    parts = split(lesson, None, 0)
    fingerprint(lesson, parts, TrainOptions(Labelling("kind")), "fake")
    taught = chosen(lesson.vectors, parts.train)
    gather(chosen(lesson.vectors, parts.test[:50]), lesson.targets[parts.test[:50]], None)
    assert taught.shape == (len(parts.train), DIMENSION)


@pytest.mark.parametrize("work", [_evaluated, _everybody_asks, _calibrated, _read_to_learn])
def test_memory_does_not_hold_the_vectors_of_a_large_catalogue(
    large: str, work: Callable[[seealike.Catalog], None], request: pytest.FixtureRequest
) -> None:
    def peak_bytes() -> int:
        with opened(large) as catalog:
            tracemalloc.start()
            try:
                work(catalog)
                return tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()

    assert peak_bytes() > HELD  # or this says nothing of what follows
    request.getfixturevalue("in_a_file")
    assert peak_bytes() < HELD * 0.75
