"""An encoder in one line of text: what is written is what is read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seealike.encoders.spec import INTERPOLATIONS, EncoderSpec, Normalisation, Pooling, parse_spec
from seealike.errors import SeealikeError
from seealike.types import Fit

TRICKY = st.text(st.sampled_from("%&?=:/2356Fa é"), min_size=1)
SIDE = st.none() | st.integers(1, 4096)
TRIPLE = st.tuples(*[st.floats(0.01, 255)] * 3)
SPECS = st.builds(
    EncoderSpec,
    scheme=st.sampled_from(["timm", "grid", "efficientnet-lite0"]),
    target=TRICKY,
    layer=st.none() | TRICKY,
    pool=st.none() | st.sampled_from(Pooling),
    weights=st.none() | TRICKY.map(lambda name: os.path.abspath(f"folder/{name}")),
    size=SIDE,
    resize=SIDE,
    fit=st.none() | st.sampled_from(Fit),
    interpolation=st.none() | st.sampled_from(INTERPOLATIONS),
    norm=st.none() | st.builds(Normalisation, mean=TRIPLE, std=TRIPLE, bgr=st.booleans()),
    focus=st.none() | st.just(True),
    dims=st.none() | st.integers(1, 4096),
)


@given(spec=SPECS)
def test_every_spec_is_read_back_from_its_text(spec: EncoderSpec) -> None:
    assert parse_spec(str(spec)) == spec


@given(path=TRICKY, revision=TRICKY, layer=TRICKY, text=st.none() | TRICKY)
def test_a_model_of_a_hub_is_read_back_from_its_text(
    path: str, revision: str, layer: str, text: str | None
) -> None:
    spec = EncoderSpec("hub", "owner/name", layer=layer, path=path, revision=revision, text=text)
    assert parse_spec(str(spec)) == spec
    assert parse_spec(str(spec).replace("?layer=", "?output=", 1)) == spec


def test_a_file_is_taken_from_the_working_directory_whatever_that_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "R&D 100%"
    folder.mkdir()
    monkeypatch.chdir(folder)
    asked = parse_spec("onnx:model.onnx?text=words.onnx&size=64")
    assert (asked.target, asked.text) == (str(folder / "model.onnx"), str(folder / "words.onnx"))
    monkeypatch.chdir(tmp_path)
    assert parse_spec(str(asked)) == asked


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "names no encoder"),
        ("onnx:", "for instance onnx:model.onnx"),
        ("timm:x?colour=red", "unknown encoder option 'colour'; known: layer, pool"),
        ("timm:x?layer=", "layer= needs a value"),
        ("timm:x?pool=mean", "known: avg, max, gem, flatten, cls, none"),
        ("timm:x?size=0", "a number of pixels up to 4096, not '0'"),
        ("timm:x?size=²", "a number of pixels up to 4096"),
        ("timm:x?fit=stretch", "known: crop, crop-floor, squash, pad"),
        ("timm:x?interpolation=nearest", "known: bicubic, bilinear, lanczos"),
        ("timm:x?norm=1,2/3,4", "means/deviations on the scale 0 to 1"),
        ("timm:x?norm=0,0,0/1,0,1", "means/deviations on the scale 0 to 1"),
        ("timm:x?norm=0,0,nan/1,1,1", "means/deviations on the scale 0 to 1"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(text: str, message: str) -> None:
    with pytest.raises(SeealikeError) as caught:
        parse_spec(text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "file", "is_copy", "is_installed"),
    [
        ("onnx:/models/m.onnx?size=64", "/models/m.onnx", False, False),
        ("kept:/a/encoders/k.json", None, True, False),
        ("timm:vgg16?weights=/w.safetensors", None, False, False),
        ("open_clip:ViT-B-32?weights=/w.safetensors", None, False, False),
        ("hub:a/b?file=m.onnx&revision=0", None, False, False),
        ("efficientnet-lite0", None, False, True),
        ("of-a-package:/models/m.onnx", None, False, True),
    ],
)
def test_a_spec_says_what_it_names(text: str, file: str | None, is_copy: bool, is_installed: bool) -> None:
    spec = parse_spec(text)
    assert (spec.file, spec.is_copy, spec.is_installed) == (file, is_copy, is_installed)
    assert EncoderSpec.of_file("/models/m.onnx") == parse_spec("onnx:/models/m.onnx")
