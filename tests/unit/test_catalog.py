"""The facade: keeping up with a source, and asking, with an encoder that costs nothing."""

from __future__ import annotations

import csv
import io
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.pictures import picture, write_pictures
from tests.robustness.saboteur import ordered

import seealike
from seealike import IndexOptions
from seealike.errors import EncoderMismatchError, PictureError, UnknownItemError, UsageError
from seealike.images import DecodeLimits, prepare
from seealike.images.pool import decode_pool as pool
from seealike.images.pool.process import worker_command
from seealike.recommend.query import taste
from seealike.testing import FakeEncoder
from seealike.types import Float32Array, Hit, ImageInput, IndexReport, Metric, SkipReason


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[seealike.Catalog]:
    with seealike.create(tmp_path / "catalog", encoder=FakeEncoder()) as made:
        yield made


def counts(report: IndexReport) -> dict[str, int]:
    names = ("added", "updated", "moved", "removed", "unchanged", "missing")
    return {name: getattr(report, name) for name in names if getattr(report, name)}


def ids_of(catalog: seealike.Catalog) -> list[str]:
    return [item.id for item in catalog.items()]


def reasons(catalog: seealike.Catalog) -> dict[str, SkipReason]:
    return {row.id: row.reason for row in catalog.skipped()}


def exhaustive(catalog: seealike.Catalog, query: np.ndarray, k: int, without: set[str]) -> list[str]:
    """The ids a float64 comparison with everything finds, equal scores in id order."""
    ids, vectors = catalog.vectors()
    scores = np.round(vectors.astype(np.float64) @ query.astype(np.float64), 6)
    pairs = sorted((-score, item_id) for score, item_id in zip(scores, ids, strict=True))
    return [item_id for _, item_id in pairs if item_id not in without][:k]


def test_a_touched_file_is_not_decoded_again(catalog: seealike.Catalog, tmp_path: Path) -> None:
    paths = write_pictures(tmp_path / "photos", range(3))
    catalog.index(tmp_path / "photos")
    before = catalog.vectors()[1]
    os.utime(paths[0], (1, 1))
    assert counts(catalog.index(tmp_path / "photos")) == {"unchanged": 3}
    assert counts(catalog.index(tmp_path / "photos")) == {"unchanged": 3}
    np.testing.assert_array_equal(catalog.vectors()[1], before)


@pytest.mark.parametrize("year", [2300, 1910])
def test_a_file_of_any_time_is_indexed_once_and_can_be_a_query(
    catalog: seealike.Catalog, tmp_path: Path, year: int
) -> None:
    (path,) = write_pictures(tmp_path / "photos", range(1))
    moment = int((year - 1970) * 365.2425 * 86400)
    os.utime(path, (moment, moment))
    if abs(path.stat().st_mtime - moment) > 1:
        pytest.skip("this file system has no such times")
    assert counts(catalog.index(tmp_path / "photos")) == {"added": 1}
    assert counts(catalog.index(tmp_path / "photos")) == {"unchanged": 1}
    assert [hit.id for hit in catalog.search(path)] == [path.name]
    assert reasons(catalog) == {}
    path.write_bytes(b"no picture")
    os.utime(path, (moment, moment))
    assert counts(catalog.index(tmp_path / "photos")) == {"removed": 1}
    assert counts(catalog.index(tmp_path / "photos")) == {}


def test_a_thumbnail_has_a_side(catalog: seealike.Catalog, tmp_path: Path) -> None:
    (path,) = write_pictures(tmp_path / "photos", range(1))
    for wrong in (0, -1, 1.5, True, "240", None, 10**9):
        with pytest.raises(UsageError, match="side_px"):
            catalog.thumbnail(str(path), wrong)  # type: ignore[arg-type]
    assert catalog.thumbnail(str(path), 1)


def test_a_changed_picture_that_stalls_keeps_its_vector_and_is_tried_again(
    catalog: seealike.Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = write_pictures(tmp_path / "photos", range(3))
    catalog.index(tmp_path / "photos")
    before = catalog.vectors()[1]
    out = io.BytesIO()
    picture(9).save(out, "PNG")
    with monkeypatch.context() as patched:
        patched.setattr(pool, "usual_command", lambda: worker_command("tests.robustness.saboteur"))
        paths[1].write_bytes(ordered(out.getvalue(), "sleep"))
        options = IndexOptions(limits=DecodeLimits(wall_s=2.0))
        assert counts(catalog.index(tmp_path / "photos", options=options)) == {"unchanged": 2}
    assert reasons(catalog) == {paths[1].name: SkipReason.STALLED}
    np.testing.assert_array_equal(catalog.vectors()[1], before)
    assert counts(catalog.index(tmp_path / "photos")) == {"updated": 1, "unchanged": 2}
    assert reasons(catalog) == {}


def test_a_picture_that_breaks_leaves_and_comes_back_when_mended(
    catalog: seealike.Catalog, tmp_path: Path
) -> None:
    paths = write_pictures(tmp_path / "photos", range(3), extension="png")
    catalog.index(tmp_path / "photos")
    good = paths[1].read_bytes()
    paths[1].write_bytes(good[: len(good) // 2])
    assert counts(catalog.index(tmp_path / "photos")) == {"removed": 1, "unchanged": 2}
    assert reasons(catalog) == {"001.png": SkipReason.TRUNCATED}
    generation = catalog.generation
    assert counts(catalog.index(tmp_path / "photos")) == {"unchanged": 2}
    assert catalog.generation == generation  # known as broken: not even looked at
    paths[1].write_bytes(good)
    assert counts(catalog.index(tmp_path / "photos")) == {"added": 1, "unchanged": 2}
    assert reasons(catalog) == {}


def test_two_files_that_swap_names_are_both_seen(catalog: seealike.Catalog, tmp_path: Path) -> None:
    one, two = write_pictures(tmp_path / "photos", range(2))
    catalog.index(tmp_path / "photos")
    first = dict(zip(*catalog.vectors(), strict=True))
    one.rename(tmp_path / "aside")
    two.rename(one)
    (tmp_path / "aside").rename(two)
    os.utime(one, ns=(1, 1))
    os.utime(two, ns=(2, 2))
    catalog.index(tmp_path / "photos")
    second = dict(zip(*catalog.vectors(), strict=True))
    np.testing.assert_array_equal(first["000.jpg"], second["001.jpg"])
    np.testing.assert_array_equal(first["001.jpg"], second["000.jpg"])


def test_a_moved_folder_keeps_its_vectors_and_decodes_nothing(
    catalog: seealike.Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pictures(tmp_path / "photos" / "old", range(5))
    catalog.index(tmp_path / "photos")
    before = catalog.vectors()[1]
    (tmp_path / "photos" / "old").rename(tmp_path / "photos" / "new")
    monkeypatch.setattr(FakeEncoder, "submit", None)  # would fail if anything were encoded
    assert counts(catalog.index(tmp_path / "photos")) == {"moved": 5}
    assert ids_of(catalog) == [f"new/{number:03}.jpg" for number in range(5)]
    np.testing.assert_array_equal(catalog.vectors()[1], before)
    assert all(Path(item.path or "").is_file() for item in catalog.items())


def test_a_table_brings_ids_groups_and_typed_columns(catalog: seealike.Catalog, tmp_path: Path) -> None:
    write_pictures(tmp_path / "photos", range(3))
    table = tmp_path / "products.csv"
    write_table(table, [("a", "photos/000.jpg", "G", "9.5"), ("b", "photos/001.jpg", "G", "12")])
    catalog.index(table)
    item = catalog.item("a")
    assert (item.group, item.metadata) == ("G", {"price": 9.5})
    one_by_one = seealike.SearchOptions(pictures=True)
    assert catalog.similar("a", k=1, options=one_by_one)[0].metadata == {"price": 12.0}
    write_table(table, [("a", "photos/000.jpg", "G", "8"), ("b", "photos/001.jpg", "G", "12")])
    assert counts(catalog.index(table)) == {"updated": 2}  # the column is whole numbers now
    assert catalog.item("a").metadata == {"price": 8}


def write_table(path: Path, rows: list[tuple[str, ...]]) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("id", "path", "group", "price"), *rows])


def test_pictures_added_by_hand_survive_index(catalog: seealike.Catalog, tmp_path: Path) -> None:
    write_pictures(tmp_path / "photos", range(3))
    catalog.add("by hand", picture(40), group="G", metadata={"price": 3})
    catalog.add("from bytes", (tmp_path / "photos" / "000.jpg").read_bytes())
    catalog.add("from array", np.asarray(picture(41)))
    catalog.index(tmp_path / "photos")
    catalog.index(tmp_path / "photos")
    assert set(ids_of(catalog)) == {"by hand", "from bytes", "from array", "000.jpg", "001.jpg", "002.jpg"}
    assert catalog.item("by hand").metadata == {"price": 3}
    assert catalog.item("by hand").width_px == 96


def test_a_file_never_replaces_an_item_added_by_hand(catalog: seealike.Catalog, tmp_path: Path) -> None:
    write_pictures(tmp_path / "photos", range(2))
    catalog.add("000.jpg", picture(40))
    before = dict(zip(*catalog.vectors(), strict=True))["000.jpg"]
    for _ in range(2):
        catalog.index(tmp_path / "photos")
        assert reasons(catalog) == {"000.jpg": SkipReason.DUPLICATE_ID}
        np.testing.assert_array_equal(dict(zip(*catalog.vectors(), strict=True))["000.jpg"], before)


def test_a_table_that_repeats_itself_is_indexed_once(catalog: seealike.Catalog, tmp_path: Path) -> None:
    write_pictures(tmp_path, range(1))
    row = ("a", "000.jpg", "", "1")
    write_table(tmp_path / "t.csv", [row, row, row, ("m", "gone.jpg", "", "1"), ("m", "gone.jpg", "", "1")])
    generations = []
    for _ in range(3):
        catalog.index(tmp_path / "t.csv")
        generations.append(catalog.generation)
        assert ids_of(catalog) == ["a"]
        assert set(reasons(catalog).values()) == {SkipReason.DUPLICATE_ID, SkipReason.UNREADABLE}
    assert generations[1] == generations[2]


@pytest.mark.parametrize(
    ("item_id", "group", "metadata"),
    [
        (5, None, {}),
        ("a", 7, {}),
        ("a\udcff", None, {}),
        ("a", None, {"x": float("nan")}),
        ("a", None, {"x": b""}),
    ],
)
def test_what_cannot_be_stored_is_refused(
    catalog: seealike.Catalog, item_id: object, group: object, metadata: object
) -> None:
    with pytest.raises(UsageError):
        catalog.add(item_id, picture(1), group=group, metadata=metadata)  # type: ignore[arg-type]
    assert len(catalog) == 0
    catalog.add(np.str_("a"), picture(1))
    assert catalog.item("a").id == "a"
    assert catalog.verify().ok


def test_a_picture_the_encoder_cannot_take_costs_only_itself(tmp_path: Path) -> None:
    write_pictures(tmp_path / "photos", range(6), extension="png")
    Image.new("RGB", (40, 40), (9, 99, 199)).save(tmp_path / "photos" / "refused.png")
    with seealike.create(tmp_path / "catalog", encoder=FakeEncoder(refuses=(9, 99, 199))) as catalog:
        assert catalog.index(tmp_path / "photos").added == 6
        assert reasons(catalog) == {"refused.png": SkipReason.ENCODER_FAILED}


@pytest.mark.parametrize("metric", list(Metric))
def test_search_equals_a_comparison_with_everything(
    catalog: seealike.Catalog, tmp_path: Path, metric: Metric
) -> None:
    write_pictures(tmp_path / "photos", range(25))
    catalog.index(tmp_path / "photos")
    ids, vectors = catalog.vectors()
    options = seealike.SearchOptions(metric=metric)
    for row in (0, 7, 24):
        hits = catalog.search_vectors(vectors[row : row + 1], k=9, options=options)[0]
        assert [hit.id for hit in hits] == exhaustive(catalog, vectors[row], 9, set())
        if metric is Metric.EUCLIDEAN:
            for hit in hits:
                distance = np.linalg.norm(vectors[row] - vectors[ids.index(hit.id)])
                assert hit.score == pytest.approx(-distance, abs=2e-3)
        similar = catalog.similar(ids[row], k=9, options=options)
        assert [hit.id for hit in similar] == exhaustive(catalog, vectors[row], 9, {ids[row]})


def test_equal_pictures_tie_in_id_order_however_many_there_are(
    catalog: seealike.Catalog, tmp_path: Path
) -> None:
    folder = tmp_path / "photos"
    write_pictures(folder, range(3))
    for number in range(40):
        (folder / f"copy {39 - number:02}.jpg").write_bytes((folder / "000.jpg").read_bytes())
    catalog.index(folder)
    hits = catalog.similar("000.jpg", k=7)
    assert [hit.id for hit in hits] == [f"copy {number:02}.jpg" for number in range(7)]
    assert {hit.score for hit in hits} == {1.0}


def test_min_score_may_leave_nothing(catalog: seealike.Catalog, tmp_path: Path) -> None:
    write_pictures(tmp_path / "photos", range(4))
    catalog.index(tmp_path / "photos")
    assert catalog.similar("000.jpg", options=seealike.SearchOptions(min_score=1.5)) == []
    for hit in catalog.similar("000.jpg", k=3):
        at_its_own = catalog.similar("000.jpg", options=seealike.SearchOptions(min_score=hit.score))
        assert hit.id in [other.id for other in at_its_own]
    floor = catalog.similar("000.jpg", k=3)[1].score
    assert len(catalog.similar("000.jpg", options=seealike.SearchOptions(min_score=floor))) == 2


def test_batches_give_the_same_answers_as_single_calls(catalog: seealike.Catalog, tmp_path: Path) -> None:
    paths = write_pictures(tmp_path / "photos", range(12))
    catalog.index(tmp_path / "photos")
    images: list[ImageInput] = [paths[0], paths[1].read_bytes(), Image.open(paths[2]), np.asarray(picture(3))]
    assert catalog.search_batch(images, k=4) == [catalog.search(image, k=4) for image in images]
    ids = ids_of(catalog)
    assert catalog.similar_batch(ids, k=4) == [catalog.similar(item_id, k=4) for item_id in ids]
    assert catalog.similar_batch([ids[1], ids[0], ids[1]], k=4) == [
        catalog.similar(item_id, k=4) for item_id in (ids[1], ids[0], ids[1])
    ]
    lists = {
        entry.id: list(zip(entry.similar_ids, entry.scores, strict=True))
        for entry in catalog.recommend_all(4)
    }
    assert lists == {
        item_id: [(hit.id, hit.score) for hit in catalog.similar(item_id, k=4)] for item_id in ids
    }


def test_recommendations_follow_likes_and_avoid_dislikes(catalog: seealike.Catalog, tmp_path: Path) -> None:
    write_pictures(tmp_path / "photos", range(20))
    catalog.index(tmp_path / "photos")
    ids, vectors = catalog.vectors()
    row = {item_id: vectors[place] for place, item_id in enumerate(ids)}
    like, dislike = ["000.jpg", "005.jpg"], ["009.jpg"]
    query = (row["000.jpg"] + row["005.jpg"]) / 2 - 0.5 * row["009.jpg"]
    expected = exhaustive(catalog, query / np.linalg.norm(query), 6, {*like, *dislike})
    assert [hit.id for hit in catalog.recommend(like, dislike, k=6)] == expected


def test_likes_and_dislikes_that_cancel_are_refused() -> None:
    one = np.eye(1, 4, dtype=np.float32)
    with pytest.raises(UsageError, match="cancel"):
        taste(np.concatenate([one, -one]), [1.0, 1.0], one[:0], [])
    with pytest.raises(UsageError, match="at least one"):
        taste(one[:0], [], one, [1.0])


def test_wrong_calls_say_what_is_wrong_and_change_nothing(catalog: seealike.Catalog, tmp_path: Path) -> None:
    write_pictures(tmp_path / "photos", range(3))
    catalog.index(tmp_path / "photos")
    generation = catalog.generation
    with pytest.raises(UnknownItemError, match="nothing"):
        catalog.remove(["000.jpg", "nothing"])
    with pytest.raises(UsageError, match="at least 1"):
        catalog.similar("000.jpg", k=0)
    with pytest.raises(PictureError, match="not_an_image"):
        catalog.search(b"no picture at all")
    with pytest.raises(PictureError):
        catalog.add("broken", b"\xff\xd8\xff")
    with pytest.raises(UsageError, match="id"):
        catalog.add("", picture(1))
    assert catalog.generation == generation
    with pytest.raises(EncoderMismatchError, match="fake"):
        seealike.open(catalog.path, encoder=FakeEncoder(dimension=48))


def test_readers_in_other_threads_always_see_one_whole_generation(
    catalog: seealike.Catalog, tmp_path: Path
) -> None:
    folder = tmp_path / "photos"
    write_pictures(folder, range(10))
    catalog.index(folder)
    wrong: list[str] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            hits = catalog.similar("000.jpg", k=500)
            ids = [hit.id for hit in hits]
            if len(set(ids)) != len(ids) or "000.jpg" in ids or len(ids) not in {9, 14, 19, 24}:
                wrong.append(f"{len(ids)}: {ids}")

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for step in range(3):
        write_pictures(folder, range(10 + 5 * step, 15 + 5 * step))
        catalog.index(folder)
    done.set()
    for reader in readers:
        reader.join()
    assert not wrong


def change_one_by_one(catalog: seealike.Catalog, query: Float32Array) -> Iterator[list[Hit]]:
    """Add, replace and remove items, and say what is answered after each step."""
    for number in range(40):
        catalog.add(f"{number % 9:02}", picture(number))
        yield catalog.search_vectors(query, k=5)[0]
        if number % 4 == 0:
            catalog.remove([f"{number % 9:02}"])
            yield catalog.search_vectors(query, k=5)[0]


def test_every_answer_beside_a_writer_is_that_of_one_committed_generation(
    catalog: seealike.Catalog, tmp_path: Path
) -> None:
    query = FakeEncoder().encode(prepare(np.asarray(picture(3)), catalog.encoder.preprocessing).pixels[None])
    with seealike.create(tmp_path / "truth", encoder=FakeEncoder()) as truth:
        answers = [[], *change_one_by_one(truth, query)]
    seen: list[list[list[Hit]]] = [[], [], [], []]
    done = threading.Event()

    def read(found: list[list[Hit]]) -> None:
        while not done.is_set():
            found.append(catalog.search_vectors(query, k=5)[0])

    readers = [threading.Thread(target=read, args=(found,)) for found in seen]
    for reader in readers:
        reader.start()
    assert list(change_one_by_one(catalog, query)) == answers[1:]
    done.set()
    for reader in readers:
        reader.join()
    for found in seen:
        assert found
        place = 0
        for hits in found:  # each is there, none older than the one before
            place = answers.index(hits, place)


def test_a_catalogue_that_moves_with_its_pictures_still_finds_them(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    write_pictures(folder, range(3))
    with seealike.create(folder / ".seealike", encoder=FakeEncoder()) as catalog:
        catalog.index(folder)
    folder.rename(tmp_path / "elsewhere")
    with seealike.open(tmp_path / "elsewhere" / ".seealike", encoder=FakeEncoder()) as catalog:
        paths = [hit.path for hit in catalog.similar("000.jpg", k=2)]
        assert all(path and Path(path).is_file() for path in paths)
        assert counts(catalog.index(tmp_path / "elsewhere")) == {"unchanged": 3}
