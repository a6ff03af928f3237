"""The same items under another encoder, and moving to it: nothing is lost, whatever happens on the way."""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from tests.pictures import picture, write_pictures

import seealike
from seealike.catalog import IndexOptions, ann, verify
from seealike.catalog import session as turn
from seealike.catalog.encoder.copies import SPACES
from seealike.catalog.spaces import reindexing
from seealike.catalog.spaces.reindexing import move, reindex
from seealike.catalog.spaces.space import in_space, space_path
from seealike.cli.main import run
from seealike.errors import (
    CatalogBusyError,
    LostItemsError,
    ReplacedCatalogError,
    SeealikeError,
    StorageError,
    UnknownNameError,
    UsageError,
)
from seealike.store import (
    FileSystem,
    NewItem,
    SqliteStore,
    StoreWriter,
    WriterLock,
    read_manifest,
    schema,
    succeed,
)
from seealike.store import sqlite as sqlite_store
from seealike.testing import FakeEncoder
from seealike.types import Float32Array, PixelArray, Progress
from seealike.vectors import VectorType

OLD, NEW = "test-fake:16", "test-fake:24"


def fake(argument: str) -> FakeEncoder:
    """What the entry point below names."""
    return FakeEncoder(dimension=int(argument))


@pytest.fixture(autouse=True)
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package that brings the encoder ``test-fake:DIMENSION``."""
    folder = tmp_path / "site" / "test_fake-1.0.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: test-fake\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text(f"[seealike.encoders]\ntest-fake = {__name__}:fake\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[seealike.Catalog]:
    """Eight pictures, one that is broken, and one that was added by hand."""
    write_pictures(tmp_path / "photos", range(8))
    (tmp_path / "photos" / "broken.jpg").write_bytes(b"no picture")
    by_hand = write_pictures(tmp_path / "elsewhere", range(20, 21))[0]
    with seealike.create(tmp_path / "catalog", encoder=OLD) as made:
        made.index(tmp_path / "photos")
        made.add("by hand", by_hand, group="g", metadata={"price": 3})
        yield made


def stages(into: list[str]) -> Callable[[Progress], None]:
    def note(progress: Progress) -> None:
        into.append(progress.stage)

    return note


def test_a_space_has_the_vectors_that_its_encoder_gives(catalog: seealike.Catalog, tmp_path: Path) -> None:
    with seealike.create(tmp_path / "fresh", encoder=NEW) as fresh:
        fresh.index(tmp_path / "photos")
        fresh.add("by hand", tmp_path / "elsewhere" / "020.jpg")
        wanted = fresh.vectors()
    with in_space(catalog, NEW) as space:
        ids, vectors = space.vectors()
        assert [item.metadata for item in space.items()] == [item.metadata for item in catalog.items()]
    assert ids == wanted[0] == catalog.vectors()[0]
    np.testing.assert_array_equal(vectors, wanted[1])


def test_a_space_that_is_up_to_date_reads_no_picture(catalog: seealike.Catalog, tmp_path: Path) -> None:
    seen: list[str] = []
    with in_space(catalog, NEW, progress=stages(seen)):
        assert "index" in seen
    seen.clear()
    with in_space(catalog, NEW, progress=stages(seen)) as space:
        assert "index" not in seen
        assert len(space) == len(catalog)
    catalog.remove(["000.jpg"])
    with in_space(catalog, NEW, progress=stages(seen)) as space:
        assert "index" not in seen
        assert "000.jpg" not in space


def test_the_catalogues_own_space_is_the_catalogue(catalog: seealike.Catalog) -> None:
    with in_space(catalog, OLD) as space:
        assert space is catalog


def test_a_damaged_space_is_made_anew(catalog: seealike.Catalog) -> None:
    with in_space(catalog, NEW) as space:
        path = Path(space.path)
    (path / "catalog.sqlite").write_bytes(b"nothing")
    with in_space(catalog, NEW) as space:
        assert len(space) == len(catalog)


def test_reindex_changes_the_vectors_and_nothing_else(catalog: seealike.Catalog, tmp_path: Path) -> None:
    before, generation, info = list(catalog.items()), catalog.generation, catalog.info()
    skipped = catalog.skipped()
    with in_space(catalog, NEW) as space:
        wanted = space.vectors()
    report = reindex(catalog.path, NEW)
    assert report.swapped
    assert report.items == len(before)
    with seealike.open(catalog.path) as moved:
        assert moved.encoder.dimension == 24
        assert list(moved.items()) == before
        assert moved.generation > generation
        assert moved.skipped() == skipped
        np.testing.assert_array_equal(moved.vectors()[1], wanted[1])
        assert moved.sources() == info.sources
        again = moved.index(tmp_path / "photos")
        assert (again.unchanged, again.added, again.updated, again.removed) == (8, 0, 0, 0)
        assert "by hand" in moved
        assert moved.search(tmp_path / "photos" / "003.jpg", 1)[0].id == "003.jpg"
        assert moved.verify().ok
    names = {name for name in os.listdir(catalog.path) if name.endswith(".sqlite")}
    assert names == {read_manifest(catalog.path).database}
    assert not [path for path in (Path(catalog.path) / SPACES).iterdir() if path.is_dir()]


def test_reindex_to_the_same_encoder_does_nothing(catalog: seealike.Catalog) -> None:
    generation = catalog.generation
    assert not reindex(catalog.path, OLD).swapped
    assert catalog.generation == generation


def test_reindex_there_and_back_and_there(catalog: seealike.Catalog) -> None:
    wanted = catalog.vectors()
    for encoder in (NEW, OLD, NEW, OLD):
        reindex(catalog.path, encoder)
    with seealike.open(catalog.path) as back:
        np.testing.assert_array_equal(back.vectors()[1], wanted[1])


def test_reindex_keeps_the_same_vectors_in_bytes_without_a_look_at_a_picture(
    catalog: seealike.Catalog, tmp_path: Path
) -> None:
    before, generation, skipped, sources = (
        list(catalog.items()),
        catalog.generation,
        catalog.skipped(),
        catalog.sources(),
    )
    catalog.add("no file", picture(40))
    with seealike.create(tmp_path / "fresh", encoder=OLD, vectors="int8") as fresh:
        fresh.index(tmp_path / "photos")
        fresh.add("by hand", tmp_path / "elsewhere" / "020.jpg")
        fresh.add("no file", picture(40))
        wanted = fresh.vectors()
    (tmp_path / "photos").rename(tmp_path / "away")
    report = reindex(catalog.path, vectors="int8")
    (tmp_path / "away").rename(tmp_path / "photos")
    assert (report.swapped, report.items, report.lost) == (True, 10, ())
    assert (report.vectors_before, report.vectors, report.before) == ("float16", "int8", report.after)
    ids, vectors = catalog.vectors()  # whoever has it open goes on
    assert ids == wanted[0]
    np.testing.assert_array_equal(vectors, wanted[1])
    assert [item for item in catalog.items() if item.id != "no file"] == before
    assert (catalog.vector_type, catalog.skipped(), catalog.sources()) == ("int8", skipped, sources)
    assert catalog.generation > generation
    assert catalog.unsigned == 0
    again = catalog.index(tmp_path / "photos")
    assert (again.unchanged, again.added, again.updated, again.removed) == (8, 0, 0, 0)
    assert catalog.search(tmp_path / "photos" / "003.jpg", 1)[0].id == "003.jpg"
    assert catalog.verify().ok
    assert not list((Path(catalog.path) / SPACES).iterdir())
    assert not reindex(catalog.path, vectors="int8").swapped


@pytest.mark.parametrize(("encoder", "vectors"), [(None, "int8"), (NEW, None)])
def test_of_two_approximate_indexes_the_new_one_is_left(
    encoder: str | None,
    vectors: str | None,
    catalog: seealike.Catalog,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ann, "THRESHOLD", 4)
    catalog.index(tmp_path / "photos")
    (before,) = Path(catalog.path).glob("ann-*")
    reindex(catalog.path, encoder, vectors=vectors)
    (after,) = Path(catalog.path).glob("ann-*")
    assert after.name != before.name
    with seealike.open(catalog.path) as moved:
        assert moved.info().ann.state == "ready"
        assert moved.verify().ok
        (one,) = moved.similar_batch(["000.jpg"], 3)
        (exact,) = moved.similar_batch(["000.jpg"], 3, options=seealike.SearchOptions(exact=True))
        assert one == exact


def test_reindex_from_bytes_encodes_the_pictures_again(catalog: seealike.Catalog, tmp_path: Path) -> None:
    wanted = catalog.vectors()
    reindex(catalog.path, vectors="int8")
    assert not np.array_equal(catalog.vectors()[1], wanted[1])
    (tmp_path / "photos" / "001.jpg").unlink()
    with pytest.raises(LostItemsError):
        reindex(catalog.path, vectors="float16")
    assert catalog.vector_type == "int8"
    report = reindex(catalog.path, vectors="float16", drop_lost=True)
    assert [row.id for row in report.lost] == ["001.jpg"]
    assert catalog.vector_type == "float16"
    np.testing.assert_array_equal(catalog.vectors()[1], np.delete(wanted[1], 1, axis=0))


def test_another_encoder_keeps_vectors_in_the_same_numbers_unless_told(catalog: seealike.Catalog) -> None:
    reindex(catalog.path, vectors="int8")
    with in_space(catalog, NEW) as space:
        assert space.vector_type == "int8"
    for vectors, kept in ((None, "int8"), ("float16", "float16")):
        reindex(catalog.path, NEW if vectors is None else OLD, vectors=vectors)
        with seealike.open(catalog.path) as moved:
            assert moved.vector_type == kept
            assert moved.encoder.dimension == (24 if vectors is None else 16)


def test_a_change_of_numbers_that_the_disk_refuses_leaves_the_catalogue_and_nothing_else(
    catalog: seealike.Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = catalog.vectors()

    def refused(writer: StoreWriter, items: Sequence[NewItem]) -> int:
        raise StorageError(catalog.path, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(StoreWriter, "add", refused)
        with pytest.raises(StorageError):
            reindex(catalog.path, vectors="int8")
    assert catalog.vector_type == "float16"
    np.testing.assert_array_equal(catalog.vectors()[1], wanted[1])
    assert not list((Path(catalog.path) / SPACES).iterdir())
    assert reindex(catalog.path, vectors="int8").swapped


class BusyCopy(WriterLock):
    """Whoever writes into a catalogue below another one finds it busy."""

    def acquire(self, wait_s: float) -> None:
        if Path(self._directory).parent.name == SPACES:
            raise CatalogBusyError(self._directory, "the test")
        super().acquire(wait_s)


def refused(*_: object) -> None:
    raise StorageError("the disk", "No space left on device")


@pytest.mark.parametrize("step", ["WriterLock", "inherit", "succeed"])
def test_a_change_of_numbers_that_fails_at_the_end_leaves_nothing(
    catalog: seealike.Catalog, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(reindexing, step, BusyCopy if step == "WriterLock" else refused)
        with pytest.raises((StorageError, CatalogBusyError)):
            reindex(catalog.path, vectors="int8")
    assert not list((Path(catalog.path) / SPACES).iterdir())
    assert catalog.vector_type == "float16"


@pytest.mark.parametrize("step", ["WriterLock", "inherit", "succeed"])
def test_what_is_removed_after_a_change_of_numbers_was_killed_stays_removed(
    catalog: seealike.Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(reindexing, step, BusyCopy if step == "WriterLock" else refused)
        patch.setattr(FileSystem, "remove_tree", lambda *_: None)  # nobody is left to do it
        with pytest.raises((StorageError, CatalogBusyError)):
            reindex(catalog.path, vectors="int8")
    assert any((Path(catalog.path) / SPACES).glob("*/catalog.sqlite"))
    (tmp_path / "photos" / "001.jpg").unlink()
    catalog.index(tmp_path / "photos", options=IndexOptions(prune_missing=True))
    wanted = [item.id for item in catalog.items()]
    reindex(catalog.path, NEW, vectors="int8")
    reindex(catalog.path, OLD)
    with seealike.open(catalog.path) as back:
        assert [item.id for item in back.items()] == wanted
        assert back.verify().ok
    assert not [path for path in (Path(catalog.path) / SPACES).iterdir() if path.is_dir()]


def test_what_is_removed_after_a_move_of_items_added_by_hand_failed_stays_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = write_pictures(tmp_path / "photos", range(3))
    with seealike.create(tmp_path / "catalog", encoder=OLD) as catalog:
        for photo in photos:
            catalog.add(photo.name, photo)
        with monkeypatch.context() as patch:
            patch.setattr(reindexing, "succeed", refused)
            with pytest.raises(StorageError):
                reindex(catalog.path, NEW)
        catalog.remove([photos[1].name])
        write_pictures(tmp_path / "new", range(20, 21))[0].rename(photos[0])
        catalog.add(photos[0].name, photos[0])
    with seealike.create(tmp_path / "fresh", encoder=NEW) as fresh:
        for photo in (photos[0], photos[2]):
            fresh.add(photo.name, photo)
        wanted = fresh.vectors()
    reindex(tmp_path / "catalog", NEW)
    with seealike.open(tmp_path / "catalog") as moved:
        ids, vectors = moved.vectors()
        assert ids == wanted[0]
        np.testing.assert_array_equal(vectors, wanted[1])
        assert moved.sources() == ()
        assert moved.info().by_hand == 2


def test_a_move_that_failed_at_the_end_encodes_nothing_again_and_brings_nothing_back(
    catalog: seealike.Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[int] = []
    project = FakeEncoder._project

    def counted(encoder: FakeEncoder, pixels: PixelArray) -> Float32Array:
        encoded.append(len(pixels))
        return project(encoder, pixels)

    monkeypatch.setattr(FakeEncoder, "_project", counted)
    with monkeypatch.context() as patch:
        patch.setattr(reindexing, "succeed", refused)
        with pytest.raises(StorageError):
            reindex(catalog.path, NEW)
    assert sum(encoded) == 9
    (tmp_path / "photos" / "001.jpg").unlink()
    catalog.index(tmp_path / "photos", options=IndexOptions(prune_missing=True))
    wanted, sources = list(catalog.items()), catalog.sources()
    assert reindex(catalog.path, NEW).swapped
    assert sum(encoded) == 9
    with seealike.open(catalog.path) as moved:
        assert list(moved.items()) == wanted
        assert moved.sources() == sources
        assert moved.verify().ok


@pytest.mark.skipif(sys.platform == "win32", reason="whoever makes links there needs a privilege")
@pytest.mark.parametrize("name", ["copy", "space"])
def test_a_change_of_numbers_follows_no_link_out_of_the_catalogue(
    catalog: seealike.Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    outside, seen = tmp_path / "outside", []
    outside.mkdir()
    place = Path(space_path(catalog, catalog.encoder, VectorType.INT8))
    place.parent.mkdir()
    place.with_name(reindexing.COPY if name == "copy" else place.name).symlink_to(outside)
    taken_over = succeed

    def looked(*arguments: object) -> None:
        seen.append(os.listdir(outside))
        taken_over(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(reindexing, "succeed", looked)
    assert reindex(catalog.path, vectors="int8").swapped
    assert seen == [[]]
    assert outside.is_dir()


@pytest.mark.skipif(sys.platform == "win32", reason="whoever makes links there needs a privilege")
def test_spaces_that_keep_other_numbers_than_the_catalogue_moved_to_are_removed(
    catalog: seealike.Catalog, tmp_path: Path
) -> None:
    with in_space(catalog, NEW) as space:
        halves = Path(space.path)
    with in_space(catalog, NEW, vectors=VectorType.INT8) as space:
        kept = {Path(space.path)}
    with seealike.create(tmp_path / "elsewhere" / "catalog", encoder=NEW):
        kept.add(halves.with_name("link"))
        halves.with_name("link").symlink_to(tmp_path / "elsewhere" / "catalog")
    kept.add(halves.with_name("mine"))
    halves.with_name("mine").mkdir()
    reindex(catalog.path, OLD)
    assert halves.is_dir(), "nothing has moved"
    reindex(catalog.path, vectors="int8")
    assert {path for path in halves.parent.iterdir() if path.is_dir()} == kept
    assert (tmp_path / "elsewhere" / "catalog" / "manifest.json").is_file()


def test_a_space_that_somebody_fills_is_not_removed(catalog: seealike.Catalog) -> None:
    with in_space(catalog, NEW) as space:
        halves = space.path
    filling = WriterLock(halves)
    filling.acquire(0.0)
    reindex(catalog.path, vectors="int8")
    filling.release()
    assert os.path.exists(os.path.join(halves, "manifest.json"))


def test_vectors_of_an_encoder_of_the_callers_become_bytes_and_not_halves_again(tmp_path: Path) -> None:
    with seealike.create(tmp_path / "catalog", encoder=FakeEncoder()) as catalog:
        catalog.add("a", picture(1))
        assert reindex(catalog.path, vectors="int8").swapped
        with pytest.raises(UsageError, match="encoded again, by an object of yours: make a new catalogue"):
            reindex(catalog.path, vectors="float16")
        with pytest.raises(UnknownNameError, match="unknown type of vectors 'int4'; known: float16, int8"):
            reindex(catalog.path, vectors="int4")
        assert catalog.vector_type == "int8"


def test_items_that_cannot_be_encoded_again_are_not_lost_silently(
    catalog: seealike.Catalog, tmp_path: Path
) -> None:
    (tmp_path / "photos" / "001.jpg").unlink()
    (tmp_path / "photos" / "002.jpg").write_bytes(b"broken now")
    with pytest.raises(LostItemsError, match=r"2 items cannot be encoded again, the first is '001\.jpg'"):
        reindex(catalog.path, NEW)
    with seealike.open(catalog.path) as still:
        assert still.encoder.dimension == 16
        assert len(still) == 9
    report = reindex(catalog.path, NEW, drop_lost=True)
    assert [row.id for row in report.lost] == ["001.jpg", "002.jpg"]
    with seealike.open(catalog.path) as moved:
        assert len(moved) == 7


def test_whoever_had_it_open_is_told_to_open_it_again(catalog: seealike.Catalog, tmp_path: Path) -> None:
    reindex(catalog.path, NEW)
    for use in (
        catalog.vectors,
        lambda: catalog.similar("000.jpg", 3),
        lambda: catalog.add("late", tmp_path / "photos" / "000.jpg"),
        lambda: catalog.index(tmp_path / "photos"),
    ):
        with pytest.raises(ReplacedCatalogError, match="open it again"):
            use()


def test_lists_under_way_during_a_reindex_are_finished_from_the_old_vectors(
    catalog: seealike.Catalog,
) -> None:
    wanted = list(catalog.recommend_all(3))
    lists = catalog.recommend_all(3)
    first = next(lists)
    reindex(catalog.path, NEW)
    assert [first, *lists] == wanted


def test_items_are_removed_also_where_another_encoder_has_taken_over(catalog: seealike.Catalog) -> None:
    reindex(catalog.path, NEW)
    assert catalog.remove(["000.jpg"]) == 1
    with seealike.open(catalog.path) as moved:
        assert "000.jpg" not in moved
        assert len(moved) == 8


@pytest.fixture
def moved_while_waiting(catalog: seealike.Catalog, monkeypatch: pytest.MonkeyPatch) -> str:
    """The next writer gets its lock when the catalogue has moved to the other encoder."""
    moved: list[str] = []

    class LateLock(WriterLock):
        def acquire(self, wait_s: float) -> None:
            if not moved:
                moved.append(catalog.path)
                reindex(catalog.path, NEW)
            super().acquire(wait_s)

    monkeypatch.setattr(turn, "WriterLock", LateLock)
    return catalog.path


def test_rm_that_waited_out_a_reindex_removes_from_the_new_vectors(
    moved_while_waiting: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["rm", "000.jpg", "by hand", "--catalog", moved_while_waiting]) == 0
    assert capsys.readouterr().err.startswith("removed 2; 7 items left; ")
    with seealike.open(moved_while_waiting) as moved:
        assert moved.encoder.dimension == 24
        assert {"000.jpg", "by hand"}.isdisjoint(moved.vectors()[0])


def test_index_that_waited_out_a_reindex_goes_on_with_the_new_encoder(
    moved_while_waiting: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pictures(tmp_path / "photos", range(30, 31))
    photos, path = str(tmp_path / "photos"), moved_while_waiting
    assert run(["index", photos, "--catalog", path, "--wait", "5", "--workers", "1"]) == 0
    assert "added 1 " in capsys.readouterr().out
    with seealike.create(tmp_path / "fresh", encoder=NEW) as fresh:
        fresh.index(tmp_path / "photos")
        wanted = dict(zip(*fresh.vectors(), strict=True))
    with seealike.open(path) as moved:
        found = dict(zip(*moved.vectors(), strict=True))
    np.testing.assert_array_equal(found["030.jpg"], wanted["030.jpg"])


def test_a_repair_that_waited_out_a_reindex_repairs_the_new_vectors(moved_while_waiting: str) -> None:
    assert verify(moved_while_waiting, repair=True).ok
    with seealike.open(moved_while_waiting) as moved:
        assert moved.encoder.dimension == 24


def test_index_with_an_encoder_that_the_catalogue_has_left_says_so(
    moved_while_waiting: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["index", str(tmp_path / "photos"), "--catalog", moved_while_waiting, "--encoder", OLD]
    assert run(command) == 1
    assert "was made with encoder" in capsys.readouterr().err


class FailingFileSystem(FileSystem):
    """Works until the operation with a certain number, and refuses that one and every later one."""

    def __init__(self, fails_at: int) -> None:
        self.left = fails_at

    def _count(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise StorageError("the disk", "refused by the test")

    def write(self, path: str, data: bytes, *, follow: bool = True, durable: bool = True) -> None:
        self._count()
        super().write(path, data, follow=follow, durable=durable)

    def sync_directory(self, path: str) -> None:
        self._count()
        super().sync_directory(path)

    def remove(self, path: str) -> None:
        self._count()
        super().remove(path)


def test_wherever_reindex_is_cut_off_the_catalogue_is_the_old_or_the_new_one(
    catalog: seealike.Catalog, tmp_path: Path
) -> None:
    catalog.close()
    outcomes = set()
    for fails_at in range(40):
        files = FailingFileSystem(fails_at)
        with seealike.open(catalog.path) as current:
            before = current.encoder.dimension
        target = NEW if before == 16 else OLD
        try:
            move(catalog.path, target, IndexOptions(), files=files)
        except SeealikeError:
            cut_off = True
        else:
            cut_off = False
        with seealike.open(catalog.path) as found:
            assert found.encoder.dimension in (16, 24)
            assert len(found) == 9
            assert found.verify().ok
            outcomes.add((cut_off, found.encoder.dimension == before))
        if not cut_off:
            break
    assert not cut_off
    assert outcomes >= {(True, True), (False, False)}
    with seealike.open(catalog.path) as found:
        found.index(tmp_path / "photos")
    assert len([name for name in os.listdir(catalog.path) if name.endswith(".sqlite")]) == 1


def test_a_lost_manifest_after_a_succession_is_salvaged(catalog: seealike.Catalog) -> None:
    from seealike.catalog import verify

    reindex(catalog.path, NEW)
    wanted = SqliteStore(catalog.path)
    spec = wanted.encoder_spec
    wanted.close()
    (Path(catalog.path) / "manifest.json").unlink()
    assert verify(catalog.path, repair=True).ok
    store = SqliteStore(catalog.path)
    assert (store.identity.dimension, store.encoder_spec, store.state().count) == (24, spec, 9)
    store.close()


def test_what_another_reindex_and_index_did_meanwhile_is_not_undone(
    catalog: seealike.Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog.close()
    real, calls = WriterLock, []

    class Late(real):  # type: ignore[misc, valid-type]
        """Just before the swap, somebody else moves the catalogue and changes it."""

        def acquire(self, wait_s: float) -> None:
            calls.append(wait_s)
            if len(calls) == 1:
                reindex(catalog.path, "test-fake:40")
                write_pictures(tmp_path / "photos", range(40, 42))
                (tmp_path / "photos" / "000.jpg").unlink()
                with seealike.open(catalog.path) as other:
                    other.index(tmp_path / "photos")
            super().acquire(wait_s)

    monkeypatch.setattr(reindexing, "WriterLock", Late)
    assert reindex(catalog.path, NEW).swapped
    with seealike.open(catalog.path) as found:
        assert found.encoder.dimension == 24
        ids = [item.id for item in found.items()]
        assert {"040.jpg", "041.jpg", "by hand"} < set(ids)
        assert "000.jpg" not in ids
        assert found.verify().ok


def test_an_item_whose_file_went_away_for_good_does_not_keep_another_pictures_vector(
    catalog: seealike.Catalog, tmp_path: Path
) -> None:
    with in_space(catalog, NEW):
        pass
    catalog.add("003.jpg", (tmp_path / "elsewhere" / "020.jpg").read_bytes())
    with pytest.raises(LostItemsError, match=r"'003\.jpg' \(it was added without a file"):
        reindex(catalog.path, NEW)
    report = reindex(catalog.path, NEW, drop_lost=True)
    assert [row.id for row in report.lost] == ["003.jpg"]
    with seealike.open(catalog.path) as moved:
        assert "003.jpg" not in moved
        assert len(moved) == 8


def test_a_catalogue_without_a_source_gets_none(tmp_path: Path) -> None:
    picture = write_pictures(tmp_path, range(1))[0]
    with seealike.create(tmp_path / "catalog", encoder=OLD) as made:
        made.add("a", picture)
    reindex(tmp_path / "catalog", NEW)
    with seealike.open(tmp_path / "catalog") as moved:
        assert moved.sources() == ()
        assert [item.path for item in moved.items()] == [str(picture)]


@pytest.mark.skipif(sys.platform == "win32", reason="an open database cannot be renamed there anyway")
def test_a_space_that_is_being_read_with_a_log_is_not_taken_over_in_part(
    catalog: seealike.Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "wal_is_safe", lambda _: True)
    monkeypatch.setattr(schema, "BUSY_TIMEOUT_S", 0.2)
    with in_space(catalog, NEW) as space:
        space_file = Path(space.path) / "catalog.sqlite"
        reader = sqlite3.connect(space_file, isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM items").fetchone()
        assert Path(f"{space_file}-wal").exists()
    with pytest.raises(CatalogBusyError):
        reindex(catalog.path, NEW)
    reader.close()
    assert reindex(catalog.path, NEW).swapped
    with seealike.open(catalog.path) as moved:
        assert len(moved) == 9
        assert moved.verify().ok


def test_opening_while_another_process_swaps_finds_one_or_the_other(
    catalog: seealike.Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = read_manifest(catalog.path)
    reindex(catalog.path, NEW)
    answers = iter([old])
    monkeypatch.setattr(
        sqlite_store, "read_manifest", lambda directory: next(answers, None) or read_manifest(directory)
    )
    store = SqliteStore(catalog.path)
    assert store.identity.dimension == 24
    store.close()
