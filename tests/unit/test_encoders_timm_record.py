"""timm models by name: what is asked for, what is kept, and that the second start needs no torch."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.pictures import write_pictures
from tests.timm_weights import save_made

from seealike.encoders import cache as cache_module
from seealike.encoders import export as export_module
from seealike.encoders.models import EncoderMode
from seealike.encoders.spec import parse_spec
from seealike.encoders.timm import export as timm_export
from seealike.encoders.timm.record import timm_record
from seealike.encoders.timm.torch_encoder import has_cuda_driver, torch_encoder
from seealike.errors import EncoderError, MissingExtraError, UsageError
from seealike.testing import check_encoder
from seealike.types import Fit

if TYPE_CHECKING:
    from seealike.encoders.models import EncoderRecord

NAME = "test_resnet"
SECOND = """
import sys
for name in ("torch", "timm", "safetensors", "huggingface_hub"):
    sys.modules[name] = None
import numpy as np
from seealike.encoders import EncoderMode, load_encoder
encoder = load_encoder(sys.argv[1], cache_dir=sys.argv[2], mode=EncoderMode.LATENCY)
np.save(sys.argv[3], encoder.encode(np.load(sys.argv[4])))
encoder.close()
"""


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_made(NAME, tmp_path_factory.mktemp("weights"))


def record_of(text: str, folder: Path) -> EncoderRecord:
    return timm_record(parse_spec(text), str(folder))


@pytest.mark.torch
def test_the_second_start_imports_neither_torch_nor_timm(weights: Path, tmp_path: Path) -> None:
    from seealike.encoders import load_encoder

    text = f"timm:{NAME}?weights={weights}"
    encoder = load_encoder(text, cache_dir=str(tmp_path), mode=EncoderMode.LATENCY)
    pixels = np.random.default_rng(0).integers(0, 256, (3, 160, 160, 3), np.uint8)
    wanted = encoder.encode(pixels)
    encoder.close()
    np.save(tmp_path / "pixels.npy", pixels)
    files = [str(tmp_path / "found.npy"), str(tmp_path / "pixels.npy")]
    command = [sys.executable, "-c", SECOND, text, str(tmp_path), *files]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(np.load(files[0]), wanted)


@pytest.mark.torch
def test_an_exported_model_keeps_the_contract(weights: Path, tmp_path: Path) -> None:
    from seealike.encoders import load_encoder

    encoder = load_encoder(
        f"timm:{NAME}?weights={weights}", cache_dir=str(tmp_path), mode=EncoderMode.THROUGHPUT
    )
    check_encoder(encoder, tolerance=2e-2)


@pytest.mark.torch
def test_an_export_is_a_model_file_with_its_card(weights: Path, tmp_path: Path) -> None:
    from seealike.encoders.card import InputForm, read_card

    record = record_of(f"timm:{NAME}?weights={weights}&layer=layer3&pool=gem", tmp_path)
    card = read_card(record.file)
    assert card is not None
    assert (card.name, card.layer, card.pooling, card.input) == (
        f"timm:{NAME}",
        "layer3",
        "gem",
        InputForm.PICTURES,
    )
    assert card.preprocessing == record.preprocessing == record.identity.preprocessing


@pytest.mark.torch
def test_the_card_says_whether_bfloat16_is_not_for_the_model(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from seealike.encoders.card import read_card

    for agrees in (True, False):
        monkeypatch.setattr(timm_export, "_agrees_in_fastest", lambda *_, given=agrees: given)
        record = record_of(f"timm:{NAME}?weights={weights}", tmp_path / str(agrees))
        card = read_card(record.file)
        assert card is not None
        assert card.precise == record.precise == (not agrees)


@pytest.mark.torch
@pytest.mark.parametrize(
    "other", ["&layer=layer3", "&pool=gem", "&size=128", "&resize=300", "&fit=pad", "&norm=imagenet"]
)
def test_whatever_matters_is_another_export_and_another_space(
    other: str, weights: Path, tmp_path: Path
) -> None:
    text = f"timm:{NAME}?weights={weights}"
    first, second = record_of(text, tmp_path), record_of(text + other, tmp_path)
    assert first.identity != second.identity
    assert first.file != second.file
    assert record_of(text, tmp_path) == first


@pytest.mark.torch
@pytest.mark.parametrize(
    "damage", ["flipped model", "cut model", "no model", "no card", "cut note", "odd note"]
)
def test_a_damaged_export_is_made_anew(damage: str, weights: Path, tmp_path: Path) -> None:
    text = f"timm:{NAME}?weights={weights}"
    first = record_of(text, tmp_path)
    model = Path(first.file)
    (note,) = (tmp_path / "exports").glob("*.json")
    before = model.read_bytes()
    if damage == "cut model":
        model.write_bytes(before[:1000])
    elif damage == "flipped model":
        model.write_bytes(before[:1000] + bytes([before[1000] ^ 4]) + before[1001:])
    elif damage == "no model":
        model.unlink()
    elif damage == "no card":
        model.with_suffix(".json").unlink()
    else:
        note.write_text(note.read_text()[:20] if damage == "cut note" else json.dumps([1, 2]))
    second = record_of(text, tmp_path)
    assert second.identity == first.identity
    assert Path(second.file).stat().st_size == second.size_bytes == len(before)
    assert hashlib.sha256(Path(second.file).read_bytes()).hexdigest() == second.weights_sha256


@pytest.mark.torch
def test_an_export_that_rots_unnoticed_is_deleted_when_it_is_compiled_and_made_anew(
    weights: Path, tmp_path: Path
) -> None:
    from seealike.encoders import load_encoder

    text = f"timm:{NAME}?weights={weights}"
    model = Path(record_of(text, tmp_path).file)
    os.utime(model, ns=(0, 10**18))
    record_of(text, tmp_path)
    before = model.read_bytes()
    model.write_bytes(before[:1000] + bytes([before[1000] ^ 4]) + before[1001:])
    os.utime(model, ns=(0, 10**18))
    with pytest.raises(EncoderError, match="was damaged and is deleted now; run this again"):
        load_encoder(text, cache_dir=str(tmp_path), mode=EncoderMode.LATENCY)
    assert not model.exists()
    load_encoder(text, cache_dir=str(tmp_path), mode=EncoderMode.LATENCY).close()
    assert len(model.read_bytes()) == len(before)


@pytest.mark.torch
def test_once_exported_a_model_needs_its_weights_no_more_and_hashes_them_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = save_made(NAME, tmp_path)
    os.utime(file, ns=(0, 10**18))
    text = f"timm:{NAME}?weights={file}"
    first = record_of(text, tmp_path / "cache")
    for path in (tmp_path / "cache" / "exports").rglob("*.*"):
        os.utime(path, ns=(0, 10**18))
    record_of(text, tmp_path / "cache")
    with monkeypatch.context() as patched:
        patched.setattr(cache_module, "file_sha256", None)
        assert record_of(text, tmp_path / "cache") == first
    file.unlink()
    assert record_of(text, tmp_path / "cache") == first
    shutil.rmtree(tmp_path / "cache" / "exports")
    with pytest.raises(EncoderError, match="cannot be read: No such file"):
        record_of(text, tmp_path / "cache")


@pytest.mark.torch
def test_of_weights_that_are_gone_the_export_used_last_answers(tmp_path: Path) -> None:
    file, cache = tmp_path / "weights.safetensors", tmp_path / "cache"
    text = f"timm:{NAME}?weights={file}"
    first = save_made(NAME, tmp_path)
    second = save_made(NAME, tmp_path, seed=1)
    used = []
    for source in (first, second, first):
        shutil.copyfile(source, file)
        used.append(record_of(text, cache))
    assert used[0] == used[2] != used[1]
    file.unlink()
    assert record_of(text, cache) == used[0]


@pytest.mark.torch
def test_a_catalogue_whose_weights_have_moved_says_how_to_name_their_new_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import seealike

    monkeypatch.setenv("SEEALIKE_CACHE", str(tmp_path / "cache"))
    file = save_made(NAME, tmp_path)
    (picture,) = write_pictures(tmp_path / "photos", range(1))
    asked = f"timm:{NAME}?weights={file}&layer=layer3"
    with seealike.create(tmp_path / "made", encoder=asked, link_encoder=True) as catalog:
        catalog.index(tmp_path / "photos")
    moved = file.rename(tmp_path / "moved.safetensors")
    shutil.rmtree(tmp_path / "cache")
    told = rf"--encoder 'timm:{NAME}\?layer=layer3&weights=NEWPLACE'$"
    with seealike.open(tmp_path / "made") as catalog, pytest.raises(EncoderError, match=told):
        catalog.search(picture, k=1)
    asked = f"timm:{NAME}?layer=layer3&weights={moved}"
    with seealike.open(tmp_path / "made", encoder=asked) as catalog:
        assert catalog.search(picture, k=1)[0].id == picture.name


@pytest.mark.torch
def test_preprocessing_is_the_model_s_own_and_options_go_before_it(tmp_path: Path) -> None:
    from timm.models import get_pretrained_cfg

    from seealike.encoders.timm.model import preprocessing_of

    def told(name: str, options: str = "") -> tuple[int, int, Fit, str, float]:
        how = preprocessing_of(parse_spec(f"timm:{name}{options}"), get_pretrained_cfg(name))
        return how.resize_px, how.crop_px, how.fit, how.interpolation, how.mean[0]

    assert told("resnet18") == (235, 224, Fit.CROP, "bicubic", 123.675)
    assert told("vgg16") == (256, 224, Fit.CROP, "bilinear", 123.675)
    assert told("inception_resnet_v2") == (333, 299, Fit.CROP, "bicubic", 127.5)
    assert told("vit_base_patch16_siglip_224.webli")[2] is Fit.CROP
    assert told("eva02_base_patch14_448.mim_in22k_ft_in22k")[2] is Fit.SQUASH
    assert told("resnet18", "?size=160") == (168, 160, Fit.CROP, "bicubic", 123.675)
    assert told("resnet18", "?resize=256&fit=pad&interpolation=lanczos&norm=half") == (
        256,
        224,
        Fit.PAD,
        "lanczos",
        127.5,
    )


@pytest.mark.torch
def test_a_vision_transformer_takes_another_size_with_its_positions_resampled(tmp_path: Path) -> None:
    file = save_made("test_vit", tmp_path)
    record = record_of(f"timm:test_vit?weights={file}&size=192", tmp_path)
    assert record.preprocessing.crop_px == 192


@pytest.mark.torch
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("&layer=layer5", "no layer 'layer5'; near: layer"),
        ("&layer=layer3&pool=none", "no vector; choose pool="),
        ("&resize=100", "smaller than the model's 160 px"),
        ("&text=tower.onnx", "text= is for onnx:"),
        ("&size=1", "cannot run"),
    ],
)
def test_an_option_that_makes_no_sense_is_one_line(
    options: str, said: str, weights: Path, tmp_path: Path
) -> None:
    with pytest.raises((UsageError, EncoderError)) as caught:
        record_of(f"timm:{NAME}?weights={weights}{options}", tmp_path)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.torch
@pytest.mark.parametrize(
    ("name", "said"),
    [("resnet17", "near: resnet18"), ("resnet18.nope", "known: resnet18.a1_in1k"), ("?", "list_models()")],
)
def test_a_name_that_timm_does_not_know_is_one_line(name: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="timm has no") as caught:
        timm_record(replace(parse_spec("timm:resnet18"), target=name), str(tmp_path))
    assert said in str(caught.value)


@pytest.mark.torch
def test_a_directory_that_cannot_be_written_is_one_line(weights: Path, tmp_path: Path) -> None:
    (tmp_path / "exports").write_text("in the way")
    with pytest.raises(EncoderError, match=r"cannot keep the exported model .* SEEALIKE_CACHE"):
        record_of(f"timm:{NAME}?weights={weights}", tmp_path)


@pytest.mark.torch
def test_an_export_that_computes_something_else_is_refused(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise = np.random.default_rng(0).random((3, 96), np.float32)
    for answers in (noise, np.full((3, 96), np.nan, np.float32), noise[:2]):
        monkeypatch.setattr(export_module, "_answers", lambda *_, given=answers: given)
        with pytest.raises(EncoderError, match="computes something else in OpenVINO than in torch"):
            record_of(f"timm:{NAME}?weights={weights}", tmp_path)
    assert not list(tmp_path.rglob("*.onnx"))


@pytest.mark.torch
def test_a_network_that_torch_cannot_export_is_one_line(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_model: object) -> bytes:
        raise RuntimeError("Exporting the operator 'odd'\nis not supported")

    with monkeypatch.context() as patched:
        patched.setattr(timm_export, "_traced", fail)
        patched.setattr(timm_export, "_exported", lambda _model: None)
        with pytest.raises(
            EncoderError, match="cannot export timm:test_resnet to ONNX: Exporting the operator"
        ):
            record_of(f"timm:{NAME}?weights={weights}", tmp_path)
    monkeypatch.setattr(timm_export, "_MOST_BYTES", 1000)
    with pytest.raises(EncoderError, match="more than one ONNX file holds"):
        record_of(f"timm:{NAME}?weights={weights}", tmp_path)


def test_without_torch_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"a timm model .*pip install 'seealike\[torch\]'"):
        record_of("timm:resnet18", tmp_path)


def test_without_a_cuda_device_there_is_no_torch_encoder_and_no_import_of_torch(tmp_path: Path) -> None:
    if has_cuda_driver():
        pytest.skip("there is a CUDA device here")
    assert torch_encoder(parse_spec("timm:resnet18"), mode=EncoderMode.THROUGHPUT) is None
