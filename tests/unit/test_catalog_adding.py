"""Adding by hand, one picture or many: the same vectors as by ``index``, waits that are kept."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.pictures import picture, write_pictures

import seealike
from seealike import IndexOptions, NewPicture, SearchOptions
from seealike.catalog import ann
from seealike.catalog.encoder import embedder
from seealike.catalog.sync import adding
from seealike.errors import CatalogBusyError, PictureError, StorageError, UsageError
from seealike.indexes import build_snapshot
from seealike.store import FileSystem, SqliteStore, StoreWriter, WriterLock, builder_lock
from seealike.testing import FakeEncoder
from seealike.types import ImageInput, Progress, SkipReason, SourceItem


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[seealike.Catalog]:
    with seealike.create(tmp_path / "catalog", encoder=FakeEncoder()) as made:
        yield made


def vectors(catalog: seealike.Catalog) -> dict[str, bytes]:
    ids, rows = catalog.vectors()
    return {item_id: row.tobytes() for item_id, row in zip(ids, rows, strict=True)}


@pytest.mark.parametrize("count", [embedder.FEW, 3 * embedder.FEW])
def test_many_pictures_of_every_kind_are_added_at_once(
    catalog: seealike.Catalog, tmp_path: Path, count: int
) -> None:
    paths = write_pictures(tmp_path / "photos", range(count), extension="png")
    images: list[ImageInput] = list(paths)
    images[1], images[2] = paths[1].read_bytes(), Image.open(paths[2])
    images[3], images[4] = np.asarray(Image.open(paths[3])), str(paths[4])
    told: list[Progress] = []
    report = catalog.add_many(
        (
            NewPicture(path.name, image, "G", {"n": n})
            for n, (path, image) in enumerate(zip(paths, images, strict=True))
        ),
        progress=told.append,
    )
    assert (report.added, report.replaced, report.skipped) == (count, 0, ())
    assert report.generation == catalog.generation == 1
    assert told[-1] == Progress("add", count, None)
    assert [item.metadata["n"] for item in catalog.items()] == list(range(count))
    assert catalog.item(paths[0].name).path == str(paths[0])
    with seealike.create(tmp_path / "indexed", encoder=FakeEncoder()) as indexed:
        indexed.index(tmp_path / "photos")
        assert vectors(indexed) == vectors(catalog)
        by_name = {item.id: (item.width_px, item.height_px) for item in indexed.items()}
    assert by_name == {item.id: (item.width_px, item.height_px) for item in catalog.items()}


@pytest.mark.parametrize("count", [2, 3 * embedder.FEW])
def test_pictures_that_cannot_be_used_are_rows_of_the_report(tmp_path: Path, count: int) -> None:
    paths = write_pictures(tmp_path / "photos", range(count), extension="png")
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    refused = Image.new("RGB", (40, 40), (9, 99, 199))
    pictures = [NewPicture(path.name, path) for path in paths]
    pictures[1:1] = [
        NewPicture("broken", tmp_path / "broken.jpg"),
        NewPicture("gone", str(tmp_path / "gone.jpg")),
        NewPicture("bytes", b"\xff\xd8\xff"),
        NewPicture("refused", refused),
        NewPicture(paths[0].name, paths[1]),
    ]
    with seealike.create(tmp_path / "catalog", encoder=FakeEncoder(refuses=(9, 99, 199))) as catalog:
        catalog.add("broken", picture(1))
        before = vectors(catalog)["broken"]
        report = catalog.add_many(pictures)
        assert {row.id: row.reason for row in report.skipped} == {
            "broken": SkipReason.NOT_AN_IMAGE,
            "gone": SkipReason.UNREADABLE,
            "bytes": SkipReason.CORRUPT,
            "refused": SkipReason.ENCODER_FAILED,
            paths[0].name: SkipReason.DUPLICATE_ID,
        }
        paths_told = {row.id: row.path for row in report.skipped}
        assert (paths_told["broken"], paths_told["bytes"]) == (str(tmp_path / "broken.jpg"), "")
        assert (report.added, report.replaced) == (count, 0)
        assert vectors(catalog)["broken"] == before
        assert catalog.skipped() == []
        with pytest.raises(PictureError, match="encoder_failed"):
            catalog.add("refused", refused)
        again = catalog.add_many([NewPicture("broken", paths[0]), NewPicture("new", paths[0])])
        assert (again.added, again.replaced) == (1, 1)


def test_commits_are_made_on_the_way(catalog: seealike.Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adding, "COMMIT_ITEMS", 10)

    def pictures() -> Iterator[NewPicture]:
        for number in range(200):
            yield NewPicture(f"{number:03}", np.asarray(picture(number % 7)))
        raise RuntimeError("the caller's iterator")

    with pytest.raises(RuntimeError, match="the caller's"):
        catalog.add_many(pictures())
    assert len(catalog) >= 100
    assert len(catalog) % 10 == 0
    assert catalog.verify().ok


def test_pictures_are_taken_from_an_iterator_no_faster_than_they_are_encoded(
    catalog: seealike.Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adding, "COMMIT_ITEMS", 20)
    ahead: list[int] = []

    def pictures() -> Iterator[NewPicture]:
        for number in range(300):
            ahead.append(number - len(catalog))
            yield NewPicture(f"{number:03}", np.asarray(picture(number % 7)))

    assert catalog.add_many(pictures()).added == 300
    assert max(ahead) < 150


@pytest.mark.parametrize(
    "arguments",
    [(5, b""), ("", b""), ("a\udcff", b""), ("a", b"", 7), ("a", b"", None, {"x": float("nan")})],
)
def test_what_cannot_be_stored_is_refused_when_it_is_said(arguments: tuple[object, ...]) -> None:
    with pytest.raises(UsageError):
        NewPicture(*arguments)  # type: ignore[arg-type]


def test_added_vectors_are_those_of_index_bit_by_bit(tmp_path: Path) -> None:
    """With the bundled encoder, whose modes differ in the last bits."""
    write_pictures(tmp_path / "photos", range(48))
    with seealike.create(tmp_path / "indexed") as indexed, seealike.create(tmp_path / "added") as added:
        indexed.index(tmp_path / "photos")
        paths = sorted((tmp_path / "photos").iterdir())
        for path in paths[:8]:
            added.add(path.name, path)
        added.add_many([NewPicture(path.name, path) for path in paths[8:]])
        assert vectors(added) == vectors(indexed)


# -- waiting -----------------------------------------------------------------------------------------------


class StubbornSource:
    """A source whose scan does something else first."""

    root, label = "/", "stubborn"

    def __init__(self, what: object) -> None:
        self.what = what

    def scan(self) -> Iterator[SourceItem]:
        self.what()  # type: ignore[operator]
        yield from ()


def test_who_waits_for_another_thread_waits_no_longer_than_told(catalog: seealike.Catalog) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def scan() -> None:
        begun.set()
        assert go_on.wait(240)

    indexing = threading.Thread(target=lambda: catalog.index(StubbornSource(scan)))
    indexing.start()
    assert begun.wait(60)
    for call in (
        lambda: catalog.add("a", picture(1), wait_s=0.1),
        lambda: catalog.add_many([NewPicture("a", picture(1))], wait_s=0.0),
        lambda: catalog.remove(["a"], wait_s=0.1),
        lambda: catalog.index(StubbornSource(print), options=IndexOptions(wait_s=-1.0)),
    ):
        with pytest.raises(CatalogBusyError, match="another thread of this process"):
            call()
    assert indexing.is_alive()  # it goes on, and nobody waited for its end
    go_on.set()
    indexing.join(60)
    catalog.add("a", picture(1))
    assert len(catalog) == 1


def test_a_change_from_within_a_change_is_refused_at_once(catalog: seealike.Catalog) -> None:
    def refused() -> None:
        with pytest.raises(UsageError, match="before that call or after it") as caught:
            catalog.add("a", picture(1), wait_s=500)
        assert "\n" not in str(caught.value)

    catalog.index(StubbornSource(refused))
    catalog.add("b", picture(1))
    assert [item.id for item in catalog.items()] == ["b"]


def test_who_waits_for_another_process_waits_no_longer_than_told(catalog: seealike.Catalog) -> None:
    lock = WriterLock(catalog.path)
    lock.acquire(0)
    try:
        with pytest.raises(CatalogBusyError, match="process"):
            catalog.add("a", picture(1), wait_s=0.1)
    finally:
        lock.release()
    catalog.add("a", picture(1), wait_s=0.0)


# -- the approximate index ---------------------------------------------------------------------------------


@pytest.fixture
def small_threshold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ann, "THRESHOLD", 10)


def some(numbers: range) -> list[NewPicture]:
    return [NewPicture(f"{number:03}", np.asarray(picture(number))) for number in numbers]


@pytest.mark.usefixtures("small_threshold")
def test_adding_and_removing_keep_the_approximate_index_up_to_date(catalog: seealike.Catalog) -> None:
    catalog.add_many(some(range(10)))
    assert catalog.info().ann.state == "none"
    catalog.add("more", picture(50))
    assert (catalog.info().ann.state, catalog.info().ann.items) == ("ready", 11)
    record = SqliteStore(catalog.path).state().ann
    catalog.add("a little more", picture(51))
    assert SqliteStore(catalog.path).state().ann == record  # not worth it yet
    assert (catalog.info().ann.items, catalog.info().ann.tail) == (11, 1)
    catalog.add_many(some(range(20, 25)))
    assert (catalog.info().ann.items, catalog.info().ann.tail) == (17, 0)
    catalog.remove([f"{number:03}" for number in range(6)])
    assert (catalog.info().ann.items, catalog.info().ann.tail) == (11, 0)
    catalog.remove(["more"])
    assert catalog.info().ann.state == "none"
    assert not list(Path(catalog.path).glob("ann-*"))
    assert catalog.verify().ok


@pytest.mark.usefixtures("small_threshold")
def test_others_write_while_the_approximate_index_is_built(
    catalog: seealike.Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = build_snapshot

    def beside_a_writer(*args: object, **kwargs: object) -> object:
        with seealike.open(catalog.path, encoder=FakeEncoder()) as other:
            monkeypatch.setattr(ann, "build_snapshot", built)
            other.add("meanwhile", picture(60), wait_s=0.0)
            other.remove(["003"], wait_s=0.0)
        return built(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(ann, "build_snapshot", beside_a_writer)
    catalog.add_many(some(range(20)))
    info = catalog.info().ann
    assert (info.state, info.items, info.tail) == ("ready", 20, 0)  # at the second attempt
    ids = {hit.id for hit in catalog.search(picture(60), k=30)}
    assert ids == {"meanwhile", *(row.id for row in some(range(20)))} - {"003"}
    assert catalog.verify().ok


@pytest.mark.usefixtures("small_threshold")
def test_one_process_builds_at_a_time_and_its_files_are_left_alone(
    catalog: seealike.Catalog, tmp_path: Path
) -> None:
    with builder_lock(catalog.path) as alone:
        assert alone
        unfinished = Path(catalog.path, ".writing-by-the-builder")
        unfinished.touch()
        catalog.add_many(some(range(20)))
        assert catalog.info().ann.state == "missing"
        write_pictures(tmp_path / "photos", range(3))
        catalog.index(tmp_path / "photos")
        assert unfinished.exists()
    catalog.index(tmp_path / "photos")
    assert not unfinished.exists()
    assert (catalog.info().ann.state, catalog.info().ann.items) == ("ready", 23)


@pytest.mark.usefixtures("small_threshold")
def test_an_approximate_index_that_somebody_else_recorded_meanwhile_stays(
    catalog: seealike.Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = build_snapshot

    def beaten(*args: object, **kwargs: object) -> object:
        found = built(*args, **kwargs)  # type: ignore[arg-type]
        with catalog._session.committing(0.0) as writer:
            writer.set_ann("ann-other.faiss\n{}")
        return found

    monkeypatch.setattr(ann, "build_snapshot", beaten)
    catalog.add_many(some(range(20)))
    assert SqliteStore(catalog.path).state().ann == "ann-other.faiss\n{}"
    assert not list(Path(catalog.path).glob("ann-*"))


@pytest.mark.usefixtures("small_threshold")
def test_an_approximate_index_is_not_recorded_in_a_database_that_took_the_place_of_its_own(
    catalog: seealike.Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with seealike.create(tmp_path / "other", encoder=FakeEncoder()) as other:
        other.add_many(some(range(5)))
    built = build_snapshot

    def beside_a_replacement(*args: object, **kwargs: object) -> object:
        for name in ("catalog.sqlite", "manifest.json"):
            Path(other.path, name).replace(Path(catalog.path, name))
        return built(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(ann, "build_snapshot", beside_a_replacement)
    catalog.add_many(some(range(100, 120)))
    assert len(catalog) == 5
    assert SqliteStore(catalog.path).state().ann is None
    assert catalog.search(picture(3), k=9)[0].id == "003"
    assert catalog.verify().ok


def open_snapshots() -> list[str]:
    files = [os.path.realpath(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd")]
    return [os.path.basename(file) for file in files if os.path.basename(file).startswith("ann-")]


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="looks at Linux's list of open files")
@pytest.mark.usefixtures("small_threshold")
def test_a_closed_catalogue_and_a_forked_child_let_go_of_the_snapshot(
    catalog: seealike.Catalog, tmp_path: Path
) -> None:
    catalog.add_many(some(range(20)))
    expected = [hit.id for hit in catalog.similar("003", k=5)]
    assert len(open_snapshots()) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        child = os.fork()
    if not child:
        right = False
        try:
            right = not open_snapshots() and [hit.id for hit in catalog.similar("003", k=5)] == expected
            right = right and len(open_snapshots()) == 1
        finally:
            os._exit(0 if right else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert [hit.id for hit in catalog.similar("003", k=5)] == expected
    under_way = catalog._session.reading().searcher.view()
    catalog.close()
    assert under_way.rows is not None
    assert len(under_way.rows.vectors_of(under_way.keys.tolist())[0]) == 20
    del under_way
    assert not open_snapshots()


@pytest.mark.usefixtures("small_threshold")
def test_an_index_with_nothing_to_do_reads_some_rows_of_the_snapshot_and_verify_heals_all(
    catalog: seealike.Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pictures(tmp_path / "photos", range(20))
    catalog.index(tmp_path / "photos")
    monkeypatch.setattr(ann, "ROWS_LOOKED_AT", 3)
    pread, sizes = os.pread, list[int]()

    def counted(file: int, size: int, place: int) -> bytes:
        sizes.append(size)
        return pread(file, size, place)

    monkeypatch.setattr(os, "pread", counted)
    catalog.index(tmp_path / "photos")
    assert sizes == [2 * 32] * 3
    (file,) = Path(catalog.path).glob("ann-*")
    content = bytearray(file.read_bytes())
    content[2 * 32 * ((catalog.generation + 1) % 7)] ^= 1  # the row after one that is looked at
    file.write_bytes(content)
    expected = catalog.similar("001.jpg", k=20, options=SearchOptions(exact=True))
    catalog.index(tmp_path / "photos")
    assert catalog.similar("001.jpg", k=20) == expected
    assert not catalog.verify().ok
    assert catalog.verify(repair=True).ok
    assert catalog.verify().ok
    assert catalog.info().ann.state == "ready"


@pytest.mark.parametrize("part", ["replacing", "set_ann"])
@pytest.mark.usefixtures("small_threshold")
def test_a_disk_too_full_for_the_approximate_index_takes_back_no_change(
    catalog: seealike.Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    write_pictures(tmp_path / "photos", range(20))
    wanted = FileSystem.replacing

    def full(*_: object, **__: object) -> None:
        raise StorageError(catalog.path, "No space left on device")

    def full_for_ann(files: FileSystem, path: str, *args: object, **kwargs: object) -> object:
        if Path(path).name.startswith("ann-"):
            full()
        return wanted(files, path, *args, **kwargs)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        if part == "replacing":
            patch.setattr(FileSystem, "replacing", full_for_ann)
        else:
            patch.setattr(StoreWriter, "set_ann", full)
        report = catalog.index(tmp_path / "photos")
        assert (report.added, report.ann_refused) == (20, f"{catalog.path}: No space left on device")
        assert catalog.remove(["001.jpg"]) == 1
        catalog.add("more", picture(40))
        assert len(catalog.similar("more", k=30)) == 19
        assert catalog.info().ann.state == "missing"
        assert not list(Path(catalog.path).glob("ann-*"))
        assert catalog.index().ann_refused
    assert catalog.index().ann_refused is None
    assert catalog.info().ann.state == "ready"


def test_who_changes_what_a_hit_says_changes_no_other_answer(
    catalog: seealike.Catalog, tmp_path: Path
) -> None:
    paths = write_pictures(tmp_path / "photos", range(4))
    catalog.add_many(NewPicture(path.name, path, None, {"price": 5}) for path in paths)
    first = catalog.similar("000.jpg", k=3)
    for hit in first:
        assert isinstance(hit.metadata, dict)
        hit.metadata["price"] = -1
    assert [hit.metadata for hit in catalog.similar("000.jpg", k=3)] == [{"price": 5}] * 3
    catalog.add("001.jpg", paths[1], metadata={"price": 7})
    assert {hit.id: hit.metadata["price"] for hit in catalog.similar("000.jpg", k=3)}["001.jpg"] == 7
