"""Where a new encoder may not be written, and that it comes with its card or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

import seealike
from seealike.catalog import Catalog
from seealike.catalog.outputs.kinds import ENCODER, ENCODER_PRODUCER
from seealike.catalog.outputs.places import OutputFile
from seealike.encoders import (
    EncoderCard,
    EncoderRecord,
    InputForm,
    card_path,
    read_card,
    record_of,
    vectors_of,
    write_card,
)
from seealike.errors import EncoderError, StorageError, UsageError
from seealike.store import FileSystem, Manifest, write_manifest
from seealike.testing import sample_pixels
from seealike.training import writing
from seealike.training.teach.loop import FitOutcome, Point
from seealike.training.teach.taught import Taught
from seealike.training.trial import Parity, Trial
from seealike.training.writing import check_output, write_encoder

BASE = record_of("efficientnet-lite0")
CARD = EncoderCard("made", BASE.preprocessing, "conv_head", "avg", InputForm.PICTURES)


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    """A catalogue that runs on a model file of its owner's, ``own.onnx``."""
    shutil.copy(BASE.file, tmp_path / "own.onnx")
    write_card(str(tmp_path / "own.onnx"), CARD)
    with seealike.create(tmp_path / "shop.catalog", encoder=f"onnx:{tmp_path / 'own.onnx'}") as made:
        yield made


def to(output: object, *, force: bool = False) -> OutputFile:
    return OutputFile(str(output), ENCODER, force)


def refused(catalog: Catalog, output: object, said: str, *, force: bool = False) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        check_output(catalog, to(output, force=force))
    assert "\n" not in str(caught.value)


def test_a_new_name_and_an_encoder_of_an_earlier_training_may_be_written(
    catalog: Catalog, tmp_path: Path
) -> None:
    check_output(catalog, to(tmp_path / "new.onnx"))
    model = onnx.load(BASE.file)
    model.producer_name = ENCODER_PRODUCER
    (tmp_path / "old.onnx").write_bytes(model.SerializeToString(deterministic=True))
    write_card(str(tmp_path / "old.onnx"), CARD)
    check_output(catalog, to(tmp_path / "old.onnx"))


def test_an_encoder_that_no_training_wrote_is_replaced_by_force_alone(
    catalog: Catalog, tmp_path: Path
) -> None:
    shutil.copy(BASE.file, tmp_path / "old.onnx")
    refused(catalog, tmp_path / "old.onnx", "old.onnx is there already")
    check_output(catalog, to(tmp_path / "old.onnx", force=True))


def test_a_card_without_its_encoder_is_replaced_by_force_alone(catalog: Catalog, tmp_path: Path) -> None:
    write_card(str(tmp_path / "lost.onnx"), CARD)
    refused(catalog, tmp_path / "lost.onnx", "lost.json, a card without its encoder")
    check_output(catalog, to(tmp_path / "lost.onnx", force=True))


@pytest.mark.parametrize("name", ["encoder", "encoder.bin", "encoder.json"])
def test_what_is_no_onnx_file_is_refused(catalog: Catalog, name: str, tmp_path: Path) -> None:
    refused(catalog, tmp_path / name, f"call it .*{name}.onnx")


def test_the_catalogues_own_encoder_is_not_written_over(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused(catalog, tmp_path / "own.onnx", "own.onnx is the encoder of this catalogue")
    monkeypatch.chdir(tmp_path)
    refused(catalog, "own.onnx", "is the encoder of this catalogue", force=True)
    os.link("own.onnx", "again.onnx")
    refused(catalog, "again.onnx", "is the encoder of this catalogue")
    Path("own.onnx").unlink()  # its vectors are there still, and it may come back
    refused(catalog, "own.onnx", "is the encoder of this catalogue")


def test_the_card_of_the_catalogues_own_encoder_is_not_written_over(tmp_path: Path) -> None:
    shutil.copy(BASE.file, tmp_path / "own.bin")
    write_card(str(tmp_path / "own.bin"), CARD)
    with seealike.create(tmp_path / "shop.catalog", encoder=f"onnx:{tmp_path / 'own.bin'}") as made:
        refused(made, tmp_path / "own.onnx", "is the encoder of this catalogue")


def test_the_encoder_of_a_space_is_not_written_over(catalog: Catalog, tmp_path: Path) -> None:
    for name, spec in (("kept", f"onnx:{tmp_path / 'other.onnx'}"), ("named", "efficientnet-lite0")):
        place = Path(catalog.path, "spaces", name)
        place.mkdir(parents=True)
        write_manifest(FileSystem(), str(place), Manifest(catalog.encoder, encoder_spec=spec))
    broken = Path(catalog.path, "spaces", "broken")
    broken.mkdir()
    (broken / "manifest.json").write_text("{}", "utf-8")
    refused(catalog, tmp_path / "other.onnx", "is the encoder of the space .*kept")
    check_output(catalog, to(tmp_path / "new.onnx"))


def test_a_json_file_that_is_no_card_is_not_written_over(catalog: Catalog, tmp_path: Path) -> None:
    table = tmp_path / "products.json"
    table.write_text('[{"id": 1}]', "utf-8")
    refused(catalog, tmp_path / "products.onnx", "products.json, which is none")
    assert table.read_text("utf-8") == '[{"id": 1}]'


def test_a_folder_and_one_that_is_not_there_are_refused(catalog: Catalog, tmp_path: Path) -> None:
    (tmp_path / "folder.onnx").mkdir()
    refused(catalog, tmp_path / "folder.onnx", "is a folder, not a file")
    refused(catalog, tmp_path / "nowhere" / "new.onnx", "there is no folder")


def taught(vectors: np.ndarray, *, precise: bool = False) -> Taught:
    """The bundled model as if it had been learnt, with what it is said to compute."""
    none = np.empty((0, 1280), np.float32)
    return Taught(
        outcome=FitOutcome((Point(1, 0.0, 0.0),), {}, 0),
        model=Path(BASE.file).read_bytes(),
        preprocessing=BASE.preprocessing,
        licence="MIT",
        source="here",
        voters=none,
        vectors=none,
        scores=none,
        start_score=0.0,
        train_s=0.0,
        trial=lambda: Trial(PIXELS, vectors, vectors),
        precise=precise,
    )


PIXELS = sample_pixels(3, 224)
NO_CATALOG = os.path.join(os.sep, "nowhere", "shop.catalog")
LEARNT = np.array([5, 2**48 - 1, 7])


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    return vectors_of(BASE, PIXELS, "f32")[0]


def test_model_and_card_are_written_and_nothing_else(vectors: np.ndarray, tmp_path: Path) -> None:
    output = tmp_path / "new.onnx"
    parity, precise = write_encoder(to(output), NO_CATALOG, taught(vectors), "learnt", LEARNT)
    assert parity.float32 > 0.9999
    assert not precise
    assert output.read_bytes() == Path(BASE.file).read_bytes()
    assert read_card(str(output)) == replace(
        CARD,
        name="learnt",
        layer="embedding",
        pooling="none",
        licence="MIT",
        source="here",
        learnt="AAAAAAAFAAAAAAAH////////",
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.json", "new.onnx"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_others_may_read_both_files_as_the_umask_says(vectors: np.ndarray, tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_encoder(to(tmp_path / "new.onnx"), NO_CATALOG, taught(vectors), "learnt", LEARNT)
    finally:
        os.umask(before)
    assert [path.stat().st_mode & 0o777 for path in sorted(tmp_path.iterdir())] == [0o640, 0o640]


@pytest.mark.parametrize("there", [False, True])
def test_a_file_that_computes_something_else_is_not_written(
    there: bool, vectors: np.ndarray, tmp_path: Path
) -> None:
    output = tmp_path / "new.onnx"
    if there:
        output.write_bytes(b"the old one")
        write_card(str(output), CARD)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(EncoderError, match="does not compute what was learnt"):
        write_encoder(
            to(output, force=True), NO_CATALOG, taught(np.roll(vectors, 1, axis=0)), "learnt", LEARNT
        )
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_base_that_keeps_off_bfloat16_keeps_its_heads_off_it(vectors: np.ndarray, tmp_path: Path) -> None:
    output = str(tmp_path / "new.onnx")
    parity, precise = write_encoder(to(output), NO_CATALOG, taught(vectors, precise=True), "learnt", LEARNT)
    card = read_card(output)
    assert card is not None
    assert (card.precise, precise, parity.fastest) == (True, True, None)


def test_an_encoder_that_bfloat16_turns_too_far_keeps_off_it(
    vectors: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measured(record: EncoderRecord, trial: Trial) -> Parity:
        return Parity(1.0, 0.97)

    monkeypatch.setattr(writing, "compared", measured)
    output = str(tmp_path / "new.onnx")
    assert write_encoder(to(output), NO_CATALOG, taught(vectors), "learnt", LEARNT) == (
        Parity(1.0, 0.97),
        True,
    )
    card = read_card(output)
    assert card is not None
    assert card.precise


@pytest.mark.parametrize("renames", [0, 1])
def test_whenever_the_disk_refuses_no_card_is_beside_another_model(
    renames: int, vectors: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "new.onnx"
    output.write_bytes(b"the old one")
    write_card(str(output), CARD)
    rename = FileSystem.rename
    done: list[str] = []

    def refusing(self: FileSystem, source: str, target: str) -> None:
        if len(done) == renames:
            raise StorageError(target, "no")
        done.append(target)
        rename(self, source, target)

    monkeypatch.setattr(FileSystem, "rename", refusing)
    with pytest.raises(StorageError):
        write_encoder(to(output, force=True), NO_CATALOG, taught(vectors), "learnt", LEARNT)
    assert not output.exists()
    assert os.path.isfile(card_path(str(output)))
    assert [path.name for path in tmp_path.iterdir()] == ["new.json"]
