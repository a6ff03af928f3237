"""Encoders of one's own on the command line: index with them, find again with them, look at them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.made_models import CHANNELS, DIMENSION, SIDE_PX, save_model
from tests.pictures import write_pictures
from tests.plugin_package import install_plugin

import seealike
from seealike.cli.main import run
from seealike.encoders import ALIASES, presets
from seealike.errors import EncoderError, EncoderMismatchError

Call = Callable[..., tuple[int, str, str]]
SPEC = f"onnx:model.onnx?size={SIDE_PX}&norm=half"


@pytest.fixture
def typed(capfd: pytest.CaptureFixture[str]) -> Call:
    def call(*arguments: str | Path) -> tuple[int, str, str]:
        code = run([str(argument) for argument in arguments])
        captured = capfd.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a model and a few photos."""
    monkeypatch.setenv("SEEALIKE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    save_model(Path("model.onnx"))
    write_pictures(Path("photos"), range(6))
    return tmp_path / "here"


def found(out: str) -> list[str]:
    """The ids of a ``--format json`` answer to one query."""
    return [hit["id"] for hit in json.loads(out)["results"][0]["hits"]]


def test_a_catalogue_of_an_onnx_file_is_used_from_any_directory(
    place: Path, typed: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, _, err = typed("index", "photos", "--encoder", SPEC, "--layer", "map", "--pool", "max", "--quiet")
    assert (code, err) == (0, "")
    monkeypatch.chdir(tmp_path)
    code, out, _ = typed("search", "here/photos/003.jpg", "-C", "here/photos", "--format", "paths", "-k", "1")
    assert (code, os.path.basename(out.strip())) == (0, "003.jpg")
    with seealike.open("here/photos/.seealike") as catalog:
        assert (catalog.encoder.layer, catalog.encoder.pooling) == ("map", "max")
        assert catalog.encoder.dimension == CHANNELS
        assert catalog.search("here/photos/004.jpg", k=1)[0].id == "004.jpg"
        assert catalog.index("here/photos").unchanged == 6


def test_the_stored_vectors_are_those_of_the_encoder(place: Path, typed: Call) -> None:
    assert typed("index", "photos", "--encoder", SPEC, "--quiet")[0] == 0
    from PIL import Image

    from seealike.encoders import EncoderMode, load_encoder
    from seealike.images import prepare

    encoder = load_encoder(SPEC, mode=EncoderMode.THROUGHPUT)
    pictures = [Image.open(f"photos/{number:03}.jpg") for number in range(6)]
    wanted = encoder.encode(np.stack([prepare(image, encoder.preprocessing).pixels for image in pictures]))
    encoder.close()
    with seealike.open("photos/.seealike") as catalog:
        stored = catalog.vectors()[1]
    assert np.sum(stored * wanted, axis=1).min() > 0.999  # bfloat16, on processors that have it


def test_what_a_new_catalogue_takes_for_granted_is_said(place: Path, typed: Call) -> None:
    save_model(place / "free.onnx")
    code, _, err = typed("index", "photos", "--encoder", "onnx:free.onnx")
    assert code == 0
    assert err == "free.onnx: taken for granted: size=224, norm=imagenet, layer=features\n"
    assert typed("index", "photos", "--encoder", "onnx:free.onnx")[2] == ""


def test_a_model_that_has_been_moved_is_named_at_its_new_place(place: Path, typed: Call) -> None:
    assert typed("index", "photos", "--encoder", SPEC, "--layer", "map", "--link-encoder", "--quiet")[0] == 0
    old = place / "model.onnx"
    old.rename(place / "elsewhere.onnx")
    code, _, err = typed("search", "photos/001.jpg")
    assert code == 1
    assert err == (
        f"seealike: the model file {old} that {place}/photos/.seealike was made with is not there; "
        "if it lies elsewhere now, say so: --encoder onnx:FILE\n"
    ).replace("/photos/.seealike", f"{os.sep}photos{os.sep}.seealike")
    for arguments in (
        ["search", "--id", "001.jpg"],
        ["info"],
        ["recommend", "--all"],
        ["recommend", "--like", "001.jpg"],
    ):
        assert typed(*arguments)[0] == 0, arguments
    (place / "moved").mkdir()
    (place / "elsewhere.onnx").rename(place / "moved" / "renamed.onnx")
    code, out, _ = typed(
        "search", "photos/001.jpg", "--encoder", "onnx:moved/renamed.onnx", "--format", "paths"
    )
    assert code == 0
    assert out.split()[0].endswith("001.jpg")
    code, out, _ = typed("recommend", "--like-file", "photos/001.jpg", "--encoder", "onnx:moved/renamed.onnx")
    assert (code, "001.jpg" in out) == (0, True)
    write_pictures(place / "photos", range(6, 8))
    assert typed("index", "photos", "--encoder", "onnx:moved/renamed.onnx", "--quiet")[0] == 0
    with seealike.open("photos/.seealike", encoder="onnx:moved/renamed.onnx") as catalog:
        assert len(catalog) == 8


def test_a_model_that_has_changed_is_refused_where_it_is_needed(place: Path, typed: Call) -> None:
    assert typed("index", "photos", "--encoder", SPEC, "--link-encoder", "--quiet")[0] == 0
    save_model(place / "model.onnx", seed=1)
    code, _, err = typed("search", "photos/001.jpg")
    assert code == 1
    assert f"{place / 'model.onnx'} is no longer what " in err
    assert err.count("\n") == 1
    assert typed("search", "--id", "001.jpg")[0] == 0
    write_pictures(place / "photos", range(6, 8))
    assert typed("index", "photos", "--quiet")[0] == 1
    with seealike.open("photos/.seealike") as catalog, pytest.raises(EncoderError, match="is no longer"):
        catalog.search("photos/001.jpg")
    with pytest.raises(EncoderMismatchError, match=r"was made with encoder onnx:[0-9a-f]{8} "):
        seealike.open("photos/.seealike", encoder=SPEC)


def test_other_settings_than_the_catalogues_are_refused(place: Path, typed: Call) -> None:
    assert typed("index", "photos", "--encoder", SPEC, "--quiet")[0] == 0
    code, _, err = typed("index", "photos", "--encoder", f"{SPEC}&layer=map")
    assert code == 1
    assert "layer features" in err
    assert "layer map" in err
    assert typed("index", "photos", "--encoder", SPEC, "--quiet")[0] == 0
    assert typed("index", "photos", "--encoder", "onnx:model.onnx", "--quiet")[0] == 0


def test_an_encoder_that_cannot_be_used_makes_no_catalogue(place: Path, typed: Call) -> None:
    for spec, message in {
        "onnx:gone.onnx": "there is no model file",
        "onnx:model.onnx?layer=maps": "near: map",
        "onnx:model.onnx?pool=average": "known: avg, max, gem, flatten, cls, none",
        "onix:model.onnx": "known: efficientnet-lite0, efficientnet-lite0-v2, onnx:FILE, timm:NAME",
    }.items():
        code, _, err = typed("index", "photos", "--encoder", spec)
        assert code in (1, 2)
        assert message in err
        assert err.count("\n") == 1
    assert not (place / "photos" / ".seealike").exists()


def test_the_known_encoder_can_be_cut_and_pooled_too(place: Path, typed: Call) -> None:
    assert typed("index", "photos", "--pool", "none", "--quiet")[0] == 0
    with seealike.open("photos/.seealike") as catalog:
        assert (catalog.encoder.name, catalog.encoder.pooling) == ("efficientnet-lite0-v2", "none")


# -- seealike encoders --------------------------------------------------------------------------------


def test_the_list_has_known_and_installed_encoders_and_the_schemes(
    place: Path, typed: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "site").mkdir()
    source = "from seealike.testing import FakeEncoder\ndef make(argument): return FakeEncoder()\n"
    install_plugin(tmp_path / "site", monkeypatch, source, {"made-up": "made_up:make"}, "made_up")
    lines = typed("encoders")[1].splitlines()
    assert [line.split()[0] for line in lines] == [
        "name", "efficientnet-lite0", "efficientnet-lite0-v2", *presets(), *ALIASES,
        "made-up", "onnx:FILE", "timm:NAME", "open_clip:NAME", "hub:OWNER/NAME",
    ]  # fmt: skip
    rows = json.loads(typed("encoders", "--format", "json")[1])
    assert {row["kind"] for row in rows} == {"known", "preset", "alias", "installed", "scheme"}
    assert all(row["example"] for row in rows)
    described = json.loads(typed("encoders", "made-up", "--format", "json")[1])
    assert (described["name"], described["dimension"], described["tensors"]) == ("fake", 32, [])
    assert "32 dimensions" in typed("encoders", "made-up")[1]


def test_one_encoder_is_described_with_everything_one_may_ask_for(place: Path, typed: Call) -> None:
    described: dict[str, Any] = json.loads(typed("encoders", SPEC, "--format", "json")[1])
    tensors = {tensor["name"]: tensor["shape"] for tensor in described["tensors"]}
    assert tensors["map"] == [CHANNELS, SIDE_PX // 2, SIDE_PX // 2]
    assert described["dimension"] == DIMENSION
    assert described["spec"] == f"onnx:{place / 'model.onnx'}?size={SIDE_PX}&norm=half"
    assert described["size_bytes"] == (place / "model.onnx").stat().st_size
    code, out, _ = typed("encoders", "onnx:model.onnx")
    assert code == 0
    assert "assumed     size=224, norm=imagenet" in out
    assert "layer=tokens" in out
    code, _, err = typed("encoders", "onnx:gone.onnx")
    assert (code, err.count("\n")) == (1, 1)
