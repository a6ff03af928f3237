"""Which files seealike knows as its own, and what a call from Python may write over."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image, PngImagePlugin
from tests.pictures import picture, write_pictures

import seealike
from seealike.catalog.outputs.kinds import (
    CALIBRATION_PAGE,
    CHECKPOINT,
    COMPARISON_PAGE,
    DUPLICATES_PAGE,
    ENCODER,
    ENCODER_PRODUCER,
    EVALUATION_PAGE,
    KINDS,
    LISTS,
    LISTS_OF_PRODUCTS_MARK,
    LOG_FIELDS,
    MAP_DRAWING,
    MAP_PAGE,
    MAP_TABLE,
    RESULTS_PAGE,
    SKIP_REPORT,
    TRAINING_LOG,
    TRAINING_PAGE,
    OutputKind,
)
from seealike.catalog.outputs.places import OutputFile
from seealike.encoders import record_of
from seealike.errors import StorageError, UsageError
from seealike.gallery import GalleryPage, PageKind, render_gallery
from seealike.testing import FakeEncoder
from seealike.training import Labelling, TrainOptions, train
from seealike.training import run as training_run


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[seealike.Catalog]:
    """Three pictures in ``photos``, and the catalogue among them."""
    write_pictures(tmp_path / "photos", range(3), extension="png")
    with seealike.create(tmp_path / "photos" / ".seealike") as made:
        made.index(tmp_path / "photos")
        yield made


def refused(output: OutputFile, catalog: seealike.Catalog | None, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        output.check(catalog.path if catalog else None)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", list(PageKind))
def test_a_page_is_known_by_its_own_kind_alone(kind: PageKind, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(render_gallery(GalleryPage(title="x", kind=kind)), "utf-8")
    known = {
        PageKind.RESULTS: RESULTS_PAGE,
        PageKind.EVALUATION: EVALUATION_PAGE,
        PageKind.COMPARISON: COMPARISON_PAGE,
        PageKind.TRAINING: TRAINING_PAGE,
        PageKind.MAP: MAP_PAGE,
        PageKind.CALIBRATION: CALIBRATION_PAGE,
        PageKind.DUPLICATES: DUPLICATES_PAGE,
    }
    assert [found for found in KINDS if found.wrote(str(page))] == [known[kind]]


@pytest.mark.parametrize(
    ("kind", "name", "content", "ours"),
    [
        (RESULTS_PAGE, "a.html", b"<!doctype html><title>mine</title>", False),
        (RESULTS_PAGE, "a.html", b'<p><meta name="generator" content="seealike results">', False),
        (LISTS, "a.csv", b"id,rank,similar_id,score\r\na,1,b,0.5\r\n", True),
        (LISTS, "a.csv", b"id,path,price\na,b,1\n", False),
        (LISTS, "a.csv", b"id,rank,similar_id,score,note\n", False),
        (LISTS, "a.json", b"[\n]\n", True),
        (LISTS, "a.json", b'[\n{"id": "a", "rank": 1, "similar_id": "b", "score": 0.5},\n', True),
        (LISTS, "a.json", b'{"id": "a"}', False),
        (LISTS, "a.json", b'{\n"sneakers": ["trainers"],\n"note": "my own"\n}\n', False),
        (LISTS, "a.json", b'{\n"sku-1": ["sku-7", "sku-3"]\n}\n', False),
        (LISTS, "a.json", b'{\n"sku-1": ["sku-7"]\n}\n' + LISTS_OF_PRODUCTS_MARK.encode() + b"\n", True),
        (LISTS, "a.json", b"{\n}\n" + LISTS_OF_PRODUCTS_MARK.encode() + b"\n", True),
        (LISTS, "a.jsonl", b'{"id": "a", "rank": 1, "similar_id": "b", "score": 0.5}\n', True),
        (LISTS, "a.jsonl", b'{"id": "a", "path": "b"}\n', False),
        (LISTS, "a.jsonl", b"[" * 60000, False),
        (SKIP_REPORT, "a.jsonl", b'{"id": "a", "path": "b", "reason": "c", "detail": "d"}\n', True),
        (SKIP_REPORT, "a.jsonl", b'{"id": "a", "path": "b"}\n', False),
        (MAP_TABLE, "a.csv", b"id,x,y,cluster\n", True),
        (MAP_TABLE, "a.csv", b"id,x,y,cluster,label,sample_of\n", True),
        (MAP_TABLE, "a.csv", b"label,id,x,y\n", False),
        (CHECKPOINT, "a.safetensors", b'12345678{"__metadata__":{"seealike-checkpoint":"{}"}}', True),
        (CHECKPOINT, "a.safetensors", b'12345678{"weight":{}}', False),
    ],
)
def test_a_file_is_known_by_how_it_begins(
    kind: OutputKind, name: str, content: bytes, ours: bool, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    assert kind.wrote(str(tmp_path / name)) is ours


def test_a_drawing_is_known_and_another_picture_is_not(tmp_path: Path) -> None:
    picture(1).save(tmp_path / "a.png")
    assert not MAP_DRAWING.wrote(str(tmp_path / "a.png"))
    said = PngImagePlugin.PngInfo()
    said.add_text("Software", "seealike map")
    picture(1).save(tmp_path / "b.png", pnginfo=said)
    assert MAP_DRAWING.wrote(str(tmp_path / "b.png"))


def test_a_trained_encoder_is_known_and_the_one_it_began_with_is_not(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    assert not ENCODER.wrote(record_of("efficientnet-lite0").file)
    model = onnx.load(record_of("efficientnet-lite0").file)
    model.producer_name = ENCODER_PRODUCER
    (tmp_path / "my.onnx").write_bytes(model.SerializeToString(deterministic=True))
    assert ENCODER.wrote(str(tmp_path / "my.onnx"))


def test_a_parquet_table_of_the_same_columns_is_not_taken_for_lists(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    columns = {"id": ["a"], "rank": [1], "similar_id": ["b"], "score": [0.5]}
    parquet.write_table(pa.table(columns), str(tmp_path / "a.parquet"))
    assert not LISTS.wrote(str(tmp_path / "a.parquet"))


def test_an_item_is_found_after_its_folder_was_moved_and_by_its_hard_link(
    catalog: seealike.Catalog, tmp_path: Path
) -> None:
    item = tmp_path / "photos" / "001.png"
    os.link(item, tmp_path / "other.png")
    for path in (item, tmp_path / "other.png"):
        refused(OutputFile(str(path), MAP_DRAWING, force=True), catalog, "picture of the item '001.png'")
    catalog.close()
    moved = (tmp_path / "photos").rename(tmp_path / "moved")
    with seealike.open(moved / ".seealike") as again:
        output = OutputFile(str(moved / "001.png"), MAP_DRAWING, force=True)
        refused(output, again, "picture of the item '001.png'")


def test_an_item_that_has_changed_since_is_found_by_its_name(
    catalog: seealike.Catalog, tmp_path: Path
) -> None:
    picture(9, (30, 30)).save(tmp_path / "photos" / "001.png")
    output = OutputFile(str(tmp_path / "photos" / "001.png"), MAP_DRAWING, force=True)
    refused(output, catalog, "picture of the item '001.png'")


def test_a_picture_added_by_hand_is_an_item_too(catalog: seealike.Catalog, tmp_path: Path) -> None:
    picture(5).save(tmp_path / "alone.png")
    output = OutputFile(str(tmp_path / "alone.png"), MAP_DRAWING, force=True)
    output.check(catalog.path)
    catalog.add("by hand", tmp_path / "alone.png")
    refused(output, catalog, "picture of the item 'by hand'")


def test_no_place_in_a_catalogue_that_is_only_about_to_be_made(tmp_path: Path) -> None:
    folder = tmp_path / ".seealike"
    folder.mkdir()
    output = OutputFile(str(folder / "report.jsonl"), SKIP_REPORT)
    output.check()
    with pytest.raises(UsageError, match="lies in the catalogue"):
        output.check(str(folder))


def test_a_log_is_added_to_and_another_file_only_replaced_by_force(tmp_path: Path) -> None:
    line = json.dumps(dict.fromkeys(LOG_FIELDS, 1))
    path = tmp_path / "curve.jsonl"
    for _ in range(2):
        with OutputFile(str(path), TRAINING_LOG).appending() as file:
            file.write(f"{line}\n")
    assert path.read_text() == f"{line}\n{line}\n"
    path.write_text("notes")
    with pytest.raises(UsageError, match="pass force=True"), OutputFile(str(path), TRAINING_LOG).appending():
        pass
    assert path.read_text() == "notes"
    os.link(path, tmp_path / "kept")
    with OutputFile(str(path), TRAINING_LOG, force=True).appending() as file:
        file.write(f"{line}\n")
    assert path.read_text() == f"{line}\n"
    assert (tmp_path / "kept").read_text() == "notes"  # replaced, not written into


def test_a_file_in_memory_is_a_file_like_any_other() -> None:
    if not os.path.isdir("/dev/shm"):
        pytest.skip("this system has no files in memory there")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        path = Path(folder, "own.csv")
        path.write_text("mine")
        assert not OutputFile(str(path), LISTS).is_stream
        refused(OutputFile(str(path), LISTS), None, "is there already")


def test_a_name_that_no_file_can_have_is_refused() -> None:
    refused(OutputFile("a\0.csv", LISTS), None, "NUL")


def test_a_full_device_is_an_error_of_storage(tmp_path: Path) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("this system has no device that is always full")
    with pytest.raises(StorageError, match="/dev/full"):
        OutputFile("/dev/full", LISTS).write(b"x" * 100_000)


def test_a_training_from_python_obeys_before_anything_is_learnt(
    catalog: seealike.Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_run, "_NEEDED", ())
    own = tmp_path / "own.onnx"
    own.write_bytes(b"the owner's model")
    options = TrainOptions(Labelling("folder"))
    for output, said in (
        (own, "pass force=True"),
        (tmp_path / "photos" / "001.png", "must end in .onnx"),
        (tmp_path / "photos" / ".seealike" / "new.onnx", "lies in the catalogue"),
    ):
        with pytest.raises(UsageError, match=said):
            train(catalog, str(output), options)
    assert own.read_bytes() == b"the owner's model"


def test_reading_the_content_of_a_picture_does_not_depend_on_its_size(tmp_path: Path) -> None:
    Image.new("RGB", (4000, 4000)).save(tmp_path / "large.bmp")
    assert not any(kind.wrote(str(tmp_path / "large.bmp")) for kind in KINDS)


def test_the_items_of_every_source_are_protected(catalog: seealike.Catalog, tmp_path: Path) -> None:
    write_pictures(tmp_path / "more", range(3, 6), extension="png")
    (tmp_path / "goods").mkdir()
    picture(7).save(tmp_path / "goods" / "x.png")
    (tmp_path / "goods" / "lists.csv").write_text("id,path\nx,x.png\n")
    catalog.index(str(tmp_path / "more" / "*.png"))
    catalog.index(tmp_path / "goods" / "lists.csv")
    for path, kind, said in (
        (tmp_path / "photos" / "001.png", MAP_DRAWING, "item '001.png'"),
        (tmp_path / "more" / "004.png", MAP_DRAWING, "item '004.png'"),
        (tmp_path / "goods" / "x.png", MAP_DRAWING, "item 'x'"),
        (tmp_path / "goods" / "lists.csv", LISTS, "is the table"),
    ):
        refused(OutputFile(str(path), kind, force=True), catalog, said)


def test_a_file_that_a_pattern_takes_is_never_written_over(tmp_path: Path) -> None:
    write_pictures(tmp_path / "photos", range(2), extension="png")
    with seealike.create(tmp_path / "c", encoder=FakeEncoder()) as made:
        made.index(tmp_path / "photos" / "*.png")
        (new,) = write_pictures(tmp_path / "photos", range(7, 8), extension="png")  # not indexed yet
        refused(OutputFile(str(new), MAP_DRAWING, force=True), made, "a file of the source")
        (elsewhere,) = write_pictures(tmp_path / "photos" / "below", range(1), extension="png")
        OutputFile(str(elsewhere), MAP_DRAWING, force=True).check(made.path)  # the pattern does not reach it
