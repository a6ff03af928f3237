"""A catalogue that is removed, repaired or made anew while a program has it open."""

from __future__ import annotations

import contextlib
import gc
import os
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest
from tests.robustness.herd import content

import seealike
from seealike import Catalog
from seealike.catalog import session as current
from seealike.catalog import verify
from seealike.errors import CatalogError, DamagedCatalogError, NoCatalogError, ReplacedCatalogError
from seealike.store import MANIFEST_NAME, StoreWriter
from seealike.testing import FakeEncoder
from seealike.types import Progress

pytestmark = pytest.mark.skipif(os.name == "nt", reason="an open database cannot be removed there")


def make(path: Path, numbers: range, encoder: FakeEncoder | None = None) -> list[str]:
    """A catalogue in which every picture has its number as its id; its ids, in id order."""
    shutil.rmtree(path, ignore_errors=True)
    with seealike.create(path, encoder=encoder or FakeEncoder()) as catalog:
        for number in numbers:
            catalog.add(str(number), content(number))
    return sorted(map(str, numbers))


def answers(catalog: Catalog) -> tuple[object, ...]:
    """What there is to be known of a catalogue, for comparing."""
    ids, vectors = catalog.vectors()
    queries = np.random.default_rng(2).standard_normal((3, catalog.encoder.dimension)).astype(np.float32)
    return (
        ids,
        vectors.tobytes(),
        list(catalog.items()),
        catalog.search_vectors(queries, 4),
        catalog.similar_batch(ids, 3),
        list(catalog.recommend_all(3)),
        len(catalog),
        catalog.generation,
    )


def test_nothing_of_an_old_encoder_is_written_or_read_where_another_took_over(tmp_path: Path) -> None:
    path = tmp_path / "catalog"
    ids = make(path, range(5))
    other = FakeEncoder(crop_px=64)
    assert other.identity.dimension == FakeEncoder().identity.dimension
    with seealike.open(path, encoder=FakeEncoder()) as old:
        old.search(content(1))
        make(path, range(5), other)
        with seealike.open(path, encoder=other) as fresh:
            wanted = answers(fresh)
        uses: tuple[Callable[[], object], ...] = (
            lambda: old.add("late", content(9)),
            lambda: old.index(tmp_path),
            lambda: old.search(content(1)),
            lambda: old.similar(ids[0]),
            lambda: old.recommend(like=ids[:2]),
            old.vectors,
            lambda: len(old),
            lambda: old.verify(repair=True),
        )
        for use in uses:
            with pytest.raises(ReplacedCatalogError, match="open it again"):
                use()
    with seealike.open(path, encoder=other) as fresh:
        assert answers(fresh) == wanted


@pytest.mark.parametrize("numbers", [range(5), range(100, 105), range(7)])
def test_one_made_anew_with_the_same_encoder_is_read_and_written_at_once(
    tmp_path: Path, numbers: range
) -> None:
    """Also where its generation and keys are those of the old one."""
    path = tmp_path / "catalog"
    make(path, range(5))
    with seealike.open(path, encoder=FakeEncoder()) as catalog:
        answers(catalog)
        make(path, numbers)
        with seealike.open(path, encoder=FakeEncoder()) as fresh:
            assert answers(catalog) == answers(fresh)
            catalog.add("late", content(50))
            assert "late" in fresh
            assert answers(catalog) == answers(fresh)


def test_writing_comes_first_and_still_reaches_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "catalog"
    make(path, range(5))
    with seealike.open(path, encoder=FakeEncoder()) as catalog:
        make(path, range(3))
        catalog.add("late", content(50))
        assert catalog.remove(["0"]) == 1
    with seealike.open(path, encoder=FakeEncoder()) as fresh:
        assert fresh.vectors()[0] == ["1", "2", "late"]


def test_after_a_repair_elsewhere_the_repaired_database_is_read_and_written(tmp_path: Path) -> None:
    path = tmp_path / "catalog"
    make(path, range(5))
    with seealike.open(path, encoder=FakeEncoder()) as catalog:
        before = catalog.vectors()
        (path / MANIFEST_NAME).write_bytes(b"{}")
        assert verify(path, repair=True).ok
        assert catalog.vectors()[0] == before[0]
        catalog.add("late", content(50))
        with seealike.open(path, encoder=FakeEncoder()) as fresh:
            assert "late" in fresh
            fresh.remove(["0"])
        assert catalog.vectors()[0] == ["1", "2", "3", "4", "late"]
    assert verify(path).ok


def test_one_that_is_gone_is_said_to_be_gone_and_not_made_again(tmp_path: Path) -> None:
    path = tmp_path / "catalog"
    make(path, range(5))
    with seealike.open(path, encoder=FakeEncoder()) as catalog:
        shutil.rmtree(path)
        with pytest.raises(NoCatalogError):
            catalog.search(content(1))
        with pytest.raises(NoCatalogError):
            catalog.add("late", content(9))
    assert not path.exists()


def test_one_replaced_in_the_midst_of_a_run_is_not_touched_by_that_run(tmp_path: Path) -> None:
    path, photos = tmp_path / "catalog", tmp_path / "photos"
    photos.mkdir()
    for number in range(6):
        (photos / f"{number}.png").write_bytes(content(number))
    make(path, range(0))
    done: list[str] = []

    def replace(step: Progress) -> None:
        if step.stage == "index" and not done:
            done.append("replaced")
            make(path, range(3))

    with (
        seealike.open(path, encoder=FakeEncoder()) as catalog,
        pytest.raises(CatalogError, match="removed or replaced while it was written; do it again"),
    ):
        catalog.index(photos, progress=replace)
    with seealike.open(path, encoder=FakeEncoder()) as fresh:
        assert fresh.vectors()[0] == ["0", "1", "2"]
        assert fresh.verify().ok


def test_a_writer_refuses_a_database_that_slipped_in_behind_the_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, other = tmp_path / "catalog", tmp_path / "other"
    make(path, range(5))
    make(other, range(5), FakeEncoder(crop_px=64))
    foreign = (other / "catalog.sqlite").read_bytes()

    def slipped(database_path: str) -> StoreWriter:
        os.replace(other / "catalog.sqlite", database_path)
        return StoreWriter(database_path)

    with seealike.open(path, encoder=FakeEncoder()) as catalog:
        monkeypatch.setattr(current, "StoreWriter", slipped)
        with pytest.raises(DamagedCatalogError, match="does not belong"):
            catalog.add("late", content(9))
    assert (path / "catalog.sqlite").read_bytes() == foreign


def test_an_old_database_is_let_go_of(tmp_path: Path) -> None:
    path = tmp_path / "catalog"
    make(path, range(3))
    with seealike.open(path, encoder=FakeEncoder()) as catalog:
        catalog.similar("0")
        gc.collect()
        before = psutil.Process().num_fds()
        for _ in range(5):
            make(path, range(3))
            catalog.similar("0")
        gc.collect()  # what the creations left
        assert psutil.Process().num_fds() <= before


def test_every_answer_is_of_one_catalogue_while_it_is_made_anew_again_and_again(tmp_path: Path) -> None:
    """Old and new have the same keys and generations, and no picture in common."""
    path = tmp_path / "catalog"
    known = [{str(number) for number in range(start, start + 6)} for start in (0, 100)]
    versions = [tmp_path / "version 0", tmp_path / "version 1"]
    for version, start in zip(versions, (0, 100), strict=True):
        make(version, range(start, start + 6))
    shutil.copytree(versions[0], path)
    stop, seen = threading.Event(), list[set[str]]()
    query = np.random.default_rng(1).standard_normal((1, 32)).astype(np.float32)

    def read(catalog: Catalog) -> None:
        while not stop.is_set():
            with contextlib.suppress(NoCatalogError, DamagedCatalogError):  # in the midst of the exchange
                seen.append({hit.id for hit in catalog.search_vectors(query, 6)[0]})
                seen.append(set(catalog.vectors()[0]))

    with seealike.open(path, encoder=FakeEncoder()) as catalog, ThreadPoolExecutor(3) as pool:
        readers = [pool.submit(read, catalog) for _ in range(3)]
        try:
            for number in range(1, 31):
                exchange(path, versions[number % 2], tmp_path / "aside")
                count = len(seen)
                while len(seen) < count + 6 and not any(reader.done() for reader in readers):
                    stop.wait(0.001)
        finally:
            stop.set()
        for reader in readers:
            reader.result()
    assert all(answer in known for answer in seen)
    assert all(version in seen for version in known)


def exchange(path: Path, version: Path, aside: Path) -> None:
    """Put another database and its manifest into a catalogue, one after the other."""
    for name in ("catalog.sqlite", MANIFEST_NAME):
        shutil.copy(version / name, aside)
        os.replace(aside, path / name)
