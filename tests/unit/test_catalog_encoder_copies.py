"""A catalogue stands alone: it keeps the encoder it needs, and only that."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.made_models import SIDE_PX, Form, save_model
from tests.pictures import write_pictures
from tests.text_towers import write_pair

import seealike
from seealike import store
from seealike.catalog import IndexOptions, in_space, verify
from seealike.catalog.encoder import copies as encoder_copies
from seealike.catalog.encoder.copies import EncoderCopies
from seealike.catalog.spaces.reindexing import reindex
from seealike.encoders import (
    EncoderCard,
    EncoderMode,
    InputForm,
    load_encoder,
    parse_spec,
    record_for,
    write_card,
)
from seealike.encoders.spec import EncoderSpec
from seealike.errors import CatalogExistsError, EncoderError, NoCatalogError, StorageError, UsageError
from seealike.evaluation import CompareOptions, EvalOptions, compare, evaluate
from seealike.files import FileSystem
from seealike.protocols import Encoder
from seealike.store import Manifest
from seealike.testing import FakeEncoder
from seealike.types import EncoderIdentity, Preprocessing

OPTIONS = f"size={SIDE_PX}&norm=half"
Answer = list[tuple[str, float]]


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A folder with the models, which a user may delete."""
    folder = tmp_path / "models"
    folder.mkdir()
    save_model(folder / "my.onnx")
    save_model(folder / "other.onnx", seed=1)
    return folder


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    write_pictures(tmp_path / "photos", range(6))
    return tmp_path / "photos"


def spec(model: Path, options: str = OPTIONS) -> str:
    return f"onnx:{model}?{options}"


def made(path: Path, photos: Path, encoder: str, *, link: bool = False) -> Path:
    with seealike.create(path, encoder=encoder, link_encoder=link) as catalog:
        catalog.index(photos)
    return path


def answers(path: Path, picture: Path) -> Answer:
    with seealike.open(path) as catalog:
        return [(hit.id, hit.score) for hit in catalog.search(picture, 6)]


def folders(path: Path) -> list[str]:
    """The sets of files that a catalogue keeps, by name."""
    place = path / "encoders"
    return sorted(entry.name for entry in place.iterdir() if entry.is_dir()) if place.exists() else []


def everything(path: Path) -> dict[str, tuple[int, int]]:
    """Every file below a folder, with its size and time of change."""
    files = [file for file in path.rglob("*") if file.is_file()]
    return {str(file): (file.stat().st_size, file.stat().st_mtime_ns) for file in files}


# -- the encoder may go -------------------------------------------------------------------------------


@pytest.mark.parametrize("fate", ["deleted", "changed"])
def test_a_catalogue_needs_its_model_file_no_more(
    fate: str, models: Path, photos: Path, tmp_path: Path
) -> None:
    path = made(tmp_path / "catalog", photos, spec(models / "my.onnx"))
    wanted = answers(path, photos / "003.jpg")
    fresh = made(tmp_path / "fresh", photos, spec(models / "my.onnx"))
    (models / "my.onnx").unlink()
    if fate == "changed":
        save_model(models / "my.onnx", seed=7)
    assert answers(path, photos / "003.jpg") == wanted
    write_pictures(photos, range(6, 8))
    with seealike.open(path) as catalog, seealike.open(fresh) as another:
        assert catalog.index(photos).added == 2
        another.add("006.jpg", photos / "006.jpg")
        assert another.similar("006.jpg", 1)[0].score == pytest.approx(catalog.similar("006.jpg", 1)[0].score)
        assert catalog.search(photos / "007.jpg", 1)[0].id == "007.jpg"
        liked = catalog.recommend(like_images=[photos / "001.jpg"], k=3)
        assert liked[0].id == "001.jpg"


def test_a_catalogue_may_be_moved_with_its_encoder(models: Path, photos: Path, tmp_path: Path) -> None:
    path = made(tmp_path / "catalog", photos, spec(models / "my.onnx"))
    wanted = answers(path, photos / "003.jpg")
    shutil.rmtree(models)
    moved = path.rename(tmp_path / "elsewhere & other?")
    assert answers(moved, photos / "003.jpg") == wanted


def test_weights_beside_and_the_card_are_kept_too(models: Path, photos: Path, tmp_path: Path) -> None:
    model = save_model(models / "two files.onnx", Form(beside=True))
    preprocessing = Preprocessing(SIDE_PX, SIDE_PX, (127.5,) * 3, (60.0,) * 3)
    write_card(str(model), EncoderCard("mine", preprocessing, "map", "max", InputForm.TENSOR, output="map"))
    path = made(tmp_path / "catalog", photos, f"onnx:{model}")
    wanted = answers(path, photos / "003.jpg")
    (kept,) = folders(path)
    copied = {file.name: file.read_bytes() for file in (path / "encoders" / kept).iterdir()}
    assert copied == {
        "model.onnx": model.read_bytes(),
        "model.json": model.with_suffix(".json").read_bytes(),
        "two files.weights": (models / "two files.weights").read_bytes(),
    }
    identity = seealike.open(path).encoder
    shutil.rmtree(models)
    assert answers(path, photos / "003.jpg") == wanted
    by_hand = record_for(parse_spec(f"onnx:{path}/encoders/{kept}/model.onnx"))
    assert by_hand is not None
    assert by_hand.identity == identity


def test_a_text_tower_is_kept_with_its_tokenizer(tmp_path: Path) -> None:
    pair = write_pair(tmp_path)
    (tmp_path / "painted").mkdir()
    for name, colour in {"red": (250, 5, 5), "green": (5, 250, 5), "blue": (5, 5, 250)}.items():
        Image.new("RGB", (40, 30), colour).save(tmp_path / "painted" / f"{name}.png")
    path = made(tmp_path / "catalog", tmp_path / "painted", pair.spec)
    with seealike.open(path) as catalog:
        (wanted,) = catalog.search_text(["a light blue dress"], 3)
    for file in tmp_path.iterdir():
        if file.is_file():
            file.unlink()
    with seealike.open(path) as catalog:
        assert catalog.search_text(["a light blue dress"], 3) == [wanted]
    assert wanted[0].id == "blue.png"
    with seealike.open(path) as catalog:
        text = next((path / "encoders").glob("*/text.onnx"))
        text.write_bytes(text.read_bytes()[:-1])
        with pytest.raises(EncoderError, match=r"text\.onnx, the catalogue's copy .* is damaged"):
            catalog.search_text(["red"], 1)
        assert catalog.search(tmp_path / "painted" / "red.png", 1)[0].id == "red.png"


def test_an_export_of_a_timm_model_is_kept_under_the_digest_of_its_weights(
    models: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported = record_for(parse_spec(spec(models / "my.onnx")))
    assert exported is not None
    of_weights = replace(exported, name="timm:resnet18", origin_sha256="ab" * 32, cached=True)

    def timm_record(spec: EncoderSpec, cache_dir: str | None = None) -> object:
        if not os.path.exists(of_weights.file):
            raise EncoderError("it was exported once, and the weights are gone")
        return of_weights

    monkeypatch.setattr("seealike.encoders.timm.record.timm_record", timm_record)
    path = made(tmp_path / "catalog", photos, "timm:resnet18?weights=r18.safetensors")
    wanted = answers(path, photos / "003.jpg")
    (models / "my.onnx").unlink()
    assert answers(path, photos / "003.jpg") == wanted
    with seealike.open(path) as catalog:
        assert catalog.encoder.weights_sha256 == "ab" * 32
        assert catalog.encoder_spec.startswith("timm:resnet18?weights=")
    copy = path / "encoders" / folders(path)[0] / "model.onnx"
    copy.write_bytes(b"damaged")
    with pytest.raises(EncoderError, match=r"is damaged \(checksum\); it was exported once"):
        answers(path, photos / "003.jpg")
    assert copy.exists(), "whoever only reads a catalogue removes nothing from it"


@pytest.mark.parametrize("original", ["there", "gone", "another"])
def test_on_a_device_of_torchs_the_original_of_a_copy_runs_where_it_is_there(
    original: str, models: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported = record_for(parse_spec(spec(models / "my.onnx")))
    assert exported is not None
    record = replace(exported, name="timm:resnet18", origin_sha256="ab" * 32)
    monkeypatch.setattr("seealike.encoders.timm.record.timm_record", lambda *_: record)
    path = made(tmp_path / "catalog", photos, "timm:resnet18")

    class OnDevice(FakeEncoder):
        @property
        def identity(self) -> EncoderIdentity:
            return replace(record.identity, layer="another") if original == "another" else record.identity

    def load(asked: EncoderSpec, *, mode: EncoderMode) -> Encoder:
        assert asked == EncoderSpec("timm", "resnet18")
        if original == "gone":
            raise EncoderError("its weights cannot be downloaded")
        return OnDevice()

    monkeypatch.setattr("seealike.encoders.timm.torch_encoder.torch_encoder", load)
    with seealike.open(path) as catalog:
        encoder = load_encoder(catalog.placed_spec, mode=EncoderMode.LATENCY)
    assert isinstance(encoder, OnDevice) == (original == "there")
    assert encoder.identity == record.identity
    encoder.close()


def test_eval_and_compare_need_neither_model_file(models: Path, photos: Path, tmp_path: Path) -> None:
    path = made(tmp_path / "catalog", photos, spec(models / "my.onnx"))
    other = spec(models / "other.onnx")
    with seealike.open(path) as catalog, in_space(catalog, other) as space:
        wanted = space.vectors()[1]
    shutil.rmtree(models)
    write_pictures(photos, range(6, 9))
    with seealike.open(path) as catalog:
        catalog.index(photos)
        assert evaluate(catalog, EvalOptions(sample=3)).items == 9
        report = compare(catalog, [other], CompareOptions(EvalOptions(sample=3)))
        assert [one.encoder for one in report.encoders] == [spec(models / "my.onnx"), other]
        assert report.items == 9
        assert all(one.cost.model_bytes for one in report.encoders)
        with in_space(catalog, other) as space:
            np.testing.assert_array_equal(space.vectors()[1][:6], wanted)
    assert reindex(path, other).swapped
    with seealike.open(path) as catalog:
        assert catalog.search(photos / "007.jpg", 1)[0].id == "007.jpg"


# -- one copy -----------------------------------------------------------------------------------------


def test_spaces_and_settings_share_one_copy(models: Path, photos: Path, tmp_path: Path) -> None:
    path = made(tmp_path / "catalog", photos, spec(models / "my.onnx"))
    (first,) = folders(path)
    inode = (path / "encoders" / first / "model.onnx").stat().st_ino
    (models / "my.onnx").rename(models / "renamed.onnx")
    by_layer = spec(models / "renamed.onnx", f"{OPTIONS}&layer=map")
    with seealike.open(path) as catalog, in_space(catalog, by_layer) as space:
        assert not os.path.exists(os.path.join(space.path, "encoders"))
        assert space.info().encoder_place.state == "copy"
    assert folders(path) == [first]
    reindex(path, by_layer)
    assert folders(path) == [first]
    assert (path / "encoders" / first / "model.onnx").stat().st_ino == inode
    shutil.rmtree(models)
    assert answers(path, photos / "001.jpg")[0][0] == "001.jpg"


def test_a_copy_that_nothing_needs_any_more_is_removed_and_nothing_else(
    models: Path, photos: Path, tmp_path: Path
) -> None:
    path = made(tmp_path / "catalog", photos, spec(models / "my.onnx"))
    (old,) = folders(path)
    (path / "encoders" / "notes.txt").write_text("the user's")
    (path / "encoders" / "0123").mkdir()
    (path / "encoders" / ".writing-abc").mkdir()
    third = save_model(models / "third.onnx", seed=2)
    with seealike.open(path) as catalog, in_space(catalog, spec(third)):
        pass
    (compared,) = set(folders(path)) - {old, "0123", ".writing-abc"}
    reindex(path, spec(models / "other.onnx"))
    (new,) = set(folders(path)) - {"0123", compared}
    assert new != old
    assert (path / "encoders" / "notes.txt").read_text() == "the user's"
    shutil.rmtree(models)
    assert answers(path, photos / "001.jpg")[0][0] == "001.jpg"
    shutil.rmtree(path / "spaces")
    with seealike.open(path) as catalog:
        catalog.index(photos)
    assert set(folders(path)) == {new, "0123"}


def test_what_takes_the_catalogues_place_meanwhile_is_not_removed(
    models: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = made(tmp_path / "catalog", photos, spec(models / "my.onnx"))
    with seealike.open(path) as catalog, in_space(catalog, spec(models / "other.onnx")):
        pass
    real, calls = store.read_manifest, []

    def read_manifest(directory: str) -> Manifest:
        found = real(directory)
        calls.append(directory)
        if len(calls) == 1:  # another process swaps, after the first of several manifests was read
            reindex(path, spec(models / "other.onnx"))
        return found

    monkeypatch.setattr(encoder_copies, "read_manifest", read_manifest)
    EncoderCopies(str(path)).remove_unneeded()
    shutil.rmtree(models)
    assert answers(path, photos / "001.jpg")[0][0] == "001.jpg"
    assert verify(path).ok


def test_what_is_built_in_or_an_object_is_not_copied(photos: Path, tmp_path: Path) -> None:
    encoders: dict[str, str | Encoder] = {"bundled": "efficientnet-lite0", "object": FakeEncoder()}
    for name, encoder in encoders.items():
        with seealike.create(tmp_path / name, encoder=encoder) as catalog:
            catalog.index(photos)
            catalog.index(photos, options=IndexOptions(link_encoder=True))
            assert catalog.info().encoder_place.state == "installed"
        assert not (tmp_path / name / "encoders").exists()
    made(tmp_path / "squashed", photos, "efficientnet-lite0?fit=squash")
    assert not (tmp_path / "squashed" / "encoders").exists()


# -- linked -------------------------------------------------------------------------------------------


def test_a_linked_encoder_is_not_copied_later_either(models: Path, photos: Path, tmp_path: Path) -> None:
    path = made(tmp_path / "catalog", photos, spec(models / "my.onnx"), link=True)
    with seealike.open(path) as catalog:
        catalog.index(photos)
        info = catalog.info()
    assert folders(path) == []
    assert (info.encoder_place.state, info.encoder_place.path) == ("link", str(models / "my.onnx"))
    reindex(path, spec(models / "other.onnx"))
    assert folders(path) == []
    (models / "other.onnx").rename(models / "gone.onnx")
    with pytest.raises(EncoderError, match=r"is not there; if it lies elsewhere now, say so: --encoder onnx"):
        answers(path, photos / "001.jpg")
    with seealike.open(path, encoder=spec(models / "gone.onnx")) as catalog:
        catalog.index(photos)
    assert answers(path, photos / "001.jpg")[0][0] == "001.jpg", "the new place is remembered"
    with seealike.open(path) as catalog:
        catalog.index(photos, options=IndexOptions(link_encoder=False))
    shutil.rmtree(models)
    assert answers(path, photos / "001.jpg")[0][0] == "001.jpg"


def test_a_copy_is_given_up_only_for_an_original_that_is_there(
    models: Path, photos: Path, tmp_path: Path
) -> None:
    path = made(tmp_path / "catalog", photos, spec(models / "my.onnx"))
    (models / "my.onnx").rename(models / "moved.onnx")
    with (
        seealike.open(path) as catalog,
        pytest.raises(
            EncoderError,
            match=r"is gone, or another encoder now, so .*catalog keeps its copy; .*--encoder onnx",
        ),
    ):
        catalog.index(photos, options=IndexOptions(link_encoder=True))
    assert len(folders(path)) == 1
    with seealike.open(path, encoder=spec(models / "moved.onnx")) as catalog:
        catalog.index(photos, options=IndexOptions(link_encoder=True))
    assert folders(path) == []
    assert answers(path, photos / "001.jpg")[0][0] == "001.jpg"


# -- catalogues made before, and reading --------------------------------------------------------------


def test_an_older_catalogue_gets_its_copy_with_the_next_index(
    models: Path, photos: Path, tmp_path: Path
) -> None:
    path = made(tmp_path / "catalog", photos, spec(models / "my.onnx"))
    shutil.rmtree(path / "encoders")
    wanted = answers(path, photos / "003.jpg")
    with seealike.open(path) as catalog:
        catalog.recommend_all(3)
        catalog.verify()
        catalog.info()
        catalog.index(photos, options=IndexOptions(dry_run=True))
    assert not (path / "encoders").exists(), "reading writes nothing"
    with seealike.open(path) as catalog:
        assert catalog.index(photos).unchanged == 6
    before = everything(path / "encoders")
    shutil.rmtree(models)
    assert answers(path, photos / "003.jpg") == wanted
    with seealike.open(path) as catalog:
        catalog.index(photos)
    assert everything(path / "encoders") == before


def test_an_older_catalogue_whose_encoder_is_gone_is_indexed_as_before(
    models: Path, photos: Path, tmp_path: Path
) -> None:
    path = made(tmp_path / "catalog", photos, spec(models / "my.onnx"))
    shutil.rmtree(path / "encoders")
    shutil.rmtree(models)
    with seealike.open(path) as catalog:
        assert catalog.index(photos).unchanged == 6
        write_pictures(photos, range(6, 7))
        with pytest.raises(EncoderError, match="say so: --encoder onnx:FILE"):
            catalog.index(photos)


# -- damage -------------------------------------------------------------------------------------------


def test_a_damaged_copy_is_not_used_and_found_by_verify(models: Path, photos: Path, tmp_path: Path) -> None:
    path = made(tmp_path / "catalog", photos, spec(models / "my.onnx"))
    wanted = answers(path, photos / "003.jpg")
    copy = path / "encoders" / folders(path)[0] / "model.onnx"
    content = bytearray(copy.read_bytes())
    content[len(content) // 2] ^= 1
    copy.write_bytes(content)
    assert answers(path, photos / "003.jpg") == wanted, "the original is still there"
    report = verify(path)
    assert [(finding.file, finding.what) for finding in report.findings] == [(str(copy), "checksum")]
    hidden = models.rename(tmp_path / "hidden")
    with pytest.raises(EncoderError) as told:
        answers(path, photos / "003.jpg")
    assert str(copy) in str(told.value)
    assert "--encoder onnx:FILE" in str(told.value)
    assert "\n" not in str(told.value)
    database = (path / "catalog.sqlite").stat().st_ino
    assert [finding.repaired for finding in verify(path, repair=True).findings] == [False]
    assert (path / "catalog.sqlite").stat().st_ino == database, "the database needed no mending"
    hidden.rename(models)
    repaired = verify(path, repair=True)
    assert (repaired.ok, [finding.repaired for finding in repaired.findings]) == (True, [True])
    shutil.rmtree(models)
    assert answers(path, photos / "003.jpg") == wanted


@pytest.mark.parametrize("what", ["cut", "flipped", "of another encoder", "no JSON", "climbing"])
def test_a_damaged_note_counts_as_none(what: str, models: Path, photos: Path, tmp_path: Path) -> None:
    path = made(tmp_path / "catalog", photos, spec(models / "my.onnx"))
    wanted = answers(path, photos / "003.jpg")
    (note,) = (path / "encoders").glob("*.json")
    text = note.read_text()
    if what == "cut":
        note.write_text(text[: len(text) // 2])
    elif what == "flipped":
        note.write_text(text.replace('"pool": "none"', '"pool": "max"'))
    elif what == "no JSON":
        note.write_text("[1, 2]")
    elif what == "of another encoder":
        other = made(tmp_path / "other", photos, spec(models / "other.onnx"))
        note.write_text(next((other / "encoders").glob("*.json")).read_text())
    else:
        found = {**json.loads(text), "pictures": {"../../manifest.json": "0" * 64}}
        found.pop("sha256")
        checksum = hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()
        note.write_text(json.dumps({**found, "sha256": checksum}))
    assert note.read_text() != text
    assert answers(path, photos / "003.jpg") == wanted
    assert not verify(path).ok
    with seealike.open(path) as catalog:
        catalog.index(photos)
    assert verify(path).ok
    shutil.rmtree(models)
    assert answers(path, photos / "003.jpg") == wanted


def test_a_missing_copy_is_made_again_by_index(models: Path, photos: Path, tmp_path: Path) -> None:
    path = made(tmp_path / "catalog", photos, spec(models / "my.onnx"))
    shutil.rmtree(path / "encoders" / folders(path)[0])
    assert [finding.what for finding in verify(path).findings] == ["missing"]
    with seealike.open(path) as catalog:
        catalog.index(photos)
    assert verify(path).ok


# -- the disk -----------------------------------------------------------------------------------------


@contextmanager
def full_disk(monkeypatch: pytest.MonkeyPatch, below: str) -> Iterator[None]:
    """A disk that has no room for a file whose path contains ``below``."""
    real = FileSystem.replacing

    @contextmanager
    def replacing(self: FileSystem, path: str, *, follow: bool = True, durable: bool = True) -> Iterator[str]:
        if below in path:
            raise StorageError(path, os.strerror(errno.ENOSPC))
        with real(self, path, follow=follow, durable=durable) as temporary:
            yield temporary

    with monkeypatch.context() as patch:
        patch.setattr(FileSystem, "replacing", replacing)
        yield


def test_without_room_for_the_copy_there_is_no_catalogue_and_a_remedy_is_named(
    models: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "catalog"
    with full_disk(monkeypatch, ".writing-"), pytest.raises(StorageError) as told:
        seealike.create(path, encoder=spec(models / "my.onnx"))
    message = str(told.value)
    assert "No space left on device" in message
    assert "--link-encoder" in message
    assert "\n" not in message
    with pytest.raises(NoCatalogError):
        seealike.open(path)
    made(path, photos, spec(models / "my.onnx"))
    assert not [name for name in folders(path) if name.startswith(".writing-")]


def test_an_older_catalogue_without_room_for_the_copy_stays_as_it_is(
    models: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = made(tmp_path / "catalog", photos, spec(models / "my.onnx"))
    shutil.rmtree(path / "encoders")
    write_pictures(photos, range(6, 8))
    with seealike.open(path) as catalog:
        generation = catalog.generation
        with full_disk(monkeypatch, ".writing-"), pytest.raises(StorageError, match="--link-encoder"):
            catalog.index(photos)
        assert (catalog.generation, len(catalog)) == (generation, 6)
        assert folders(path) == []
        with full_disk(monkeypatch, ".writing-"):
            assert catalog.index(photos, options=IndexOptions(link_encoder=True)).added == 2


def test_without_room_for_the_new_copy_reindex_changes_nothing(
    models: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = made(tmp_path / "catalog", photos, spec(models / "my.onnx"))
    kept, wanted = folders(path), answers(path, photos / "003.jpg")
    with full_disk(monkeypatch, ".writing-"), pytest.raises(StorageError, match="--link-encoder"):
        reindex(path, spec(models / "other.onnx"))
    assert folders(path) == kept
    assert answers(path, photos / "003.jpg") == wanted
    assert reindex(path, spec(models / "other.onnx")).swapped


# -- what may lie there, and links --------------------------------------------------------------------


def test_what_a_creation_that_was_cut_off_left_is_no_obstacle_but_the_users_files_are(
    models: Path, photos: Path, tmp_path: Path
) -> None:
    path = tmp_path / "catalog"
    seealike.create(path, encoder=spec(models / "my.onnx")).close()
    (path / "manifest.json").unlink()
    (path / "catalog.sqlite").unlink()
    (path / "encoders" / ".writing-cut-off").mkdir()
    made(path, photos, spec(models / "other.onnx"))
    assert len(folders(path)) == 1, "the copy of a catalogue that never was is gone with the first index"
    (tmp_path / "mine" / "encoders").mkdir(parents=True)
    (tmp_path / "mine" / "encoders" / "mine.onnx").write_bytes(b"x")
    with pytest.raises(CatalogExistsError, match="holds other files"):
        seealike.create(tmp_path / "mine")


def test_the_copies_are_no_part_of_a_source_around_the_catalogue(models: Path, photos: Path) -> None:
    path = made(photos / "inside.catalog", photos, spec(models / "my.onnx"))
    with seealike.open(path) as catalog:
        report = catalog.index(photos)
        assert (report.unchanged, report.skipped) == (6, ())


@pytest.mark.skipif(os.name == "nt", reason="making links needs a privilege there")
@pytest.mark.parametrize("which", ["folder", "set", "file", "note"])
def test_no_link_is_followed(which: str, models: Path, photos: Path, tmp_path: Path) -> None:
    path = made(tmp_path / "catalog", photos, spec(models / "my.onnx"))
    victim, inside = tmp_path / "victim", path / "encoders"
    place = {
        "folder": inside,
        "set": inside / folders(path)[0],
        "file": inside / folders(path)[0] / "model.onnx",
        "note": next(inside.glob("*.json")),
    }[which]
    place.rename(victim)
    place.symlink_to(victim)
    content = everything(tmp_path / "victim") or victim.read_bytes()
    hidden = models.rename(tmp_path / "hidden")
    with pytest.raises(EncoderError):
        answers(path, photos / "003.jpg")
    hidden.rename(models)
    assert answers(path, photos / "003.jpg")[0][0] == "003.jpg", "by the original"
    with seealike.open(path) as catalog:
        if which == "folder":
            with pytest.raises(StorageError, match="it is a link"):
                catalog.index(photos)
        else:
            catalog.index(photos)
            assert not place.is_symlink()
    assert (everything(tmp_path / "victim") or victim.read_bytes()) == content


def test_a_copy_takes_no_options_and_says_where_it_is_from(
    models: Path, photos: Path, tmp_path: Path
) -> None:
    path = made(tmp_path / "catalog", photos, spec(models / "my.onnx"))
    with seealike.open(path) as catalog:
        assert catalog.encoder_spec == spec(models / "my.onnx")
        assert catalog.placed_spec.startswith("kept:")
        with pytest.raises(UsageError, match="takes no options"):
            record_for(parse_spec(f"{catalog.placed_spec}?size=32"))
        with seealike.create(tmp_path / "same", encoder=catalog.placed_spec) as same:
            assert same.encoder == catalog.encoder
            assert same.encoder_spec == catalog.encoder_spec
    assert EncoderCopies(str(tmp_path / "same")).is_linked(catalog.encoder) is False
