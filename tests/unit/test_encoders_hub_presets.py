"""The records of presets: complete, typed, and never changed silently."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from seealike.encoders import EncoderSpec, load_encoder, parse_spec
from seealike.encoders.hub.presets import Preset, preset_of, presets
from seealike.encoders.models import EncoderMode
from seealike.encoders.spec import ALIASES, Pooling
from seealike.errors import EncoderError, UnknownNameError, UsageError
from seealike.types import Fit

EVERY = pytest.mark.parametrize("preset", presets().values(), ids=presets())


def test_the_aliases_are_what_they_were() -> None:
    # Who typed one has vectors of what it stood for then. A better encoder gets another alias.
    assert ALIASES == {"shop": "clip-b32-laion2b", "photos": "dinov2-small", "clothing": "fashion-siglip"}
    for alias, name in ALIASES.items():
        assert parse_spec(alias) == EncoderSpec(name)
        assert str(parse_spec(f"{alias}?focus=1")) == f"{name}?focus=1"
        assert name in presets()


def test_what_a_preset_names_is_what_it_was() -> None:
    pins = {preset.name: (preset.repository, preset.revision) for preset in presets().values()}
    assert pins["dinov2-small"] == (
        "onnx-community/dinov2-with-registers-small",
        "ec7abea1a8757ec4f9f7b26399d31234ffaa6e6a",
    )
    assert pins["fashion-siglip"] == (
        "Marqo/marqo-fashionSigLIP",
        "c56244cc94f92419e8369fa71efdaf403b124ce8",
    )
    assert {name for name, (_, revision) in pins.items() if revision is None} == {
        "siglip-base-384",
        "dinov2-base",
    }


@EVERY
def test_a_record_is_whole(preset: Preset) -> None:
    files = preset.remote_files(preset.revision or "0" * 40, text=bool(preset.text_files))
    names = [file.local_name for file in files]
    assert names[0] == "model.onnx"
    assert len(set(names)) == len(names)
    assert bool(preset.text_files) == (preset.text_card is not None) == ("text.onnx" in names)
    assert all(file.size_bytes > 0 for file in (*preset.files, *preset.text_files))
    assert preset.pooling in list(Pooling)
    assert preset.preprocessing.resize_px >= preset.preprocessing.crop_px
    assert re.fullmatch(r"[a-z0-9-]+", preset.name)
    assert preset.about
    assert preset.upstream
    assert bool(preset.pinned) == any(file.sha256 for file in files)


@EVERY
def test_only_what_may_be_used_commercially_is_offered(preset: Preset) -> None:
    assert preset.licence in {"MIT", "Apache-2.0"} or preset.conditions is not None
    assert "amlr" not in json.dumps(preset.upstream)


def test_pictures_are_prepared_as_the_models_were_taught() -> None:
    # By hand, from what the models' publishers say: mean and deviation on the scale of bytes.
    clip, siglip2, dino = (
        preset_of(name).preprocessing for name in ("clip-b32-laion2b", "siglip2-base", "dinov2-small")
    )
    assert (clip.fit, clip.resize_px, clip.crop_px, clip.interpolation) == (Fit.CROP, 224, 224, "bicubic")
    assert clip.mean == pytest.approx((122.771, 116.746, 104.094), abs=1e-3)
    assert clip.std == pytest.approx((68.5005, 66.6322, 70.3232), abs=1e-3)
    assert (siglip2.fit, siglip2.interpolation) == (Fit.SQUASH, "bilinear")
    assert (siglip2.mean, siglip2.std) == ((127.5,) * 3, (127.5,) * 3)
    assert (dino.resize_px, dino.crop_px, dino.interpolation) == (256, 224, "bicubic")
    assert dino.mean == pytest.approx((123.675, 116.28, 103.53), abs=1e-3)


def test_the_page_about_them_has_exactly_these() -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "stronger-encoder.md"
    cells = [
        [cell.strip() for cell in row.strip("| ").split("|")]
        for row in re.findall(r"^\| `[a-z0-9-]+` \|.*$", page.read_text("utf-8"), re.MULTILINE)
    ]
    told = {row[0].strip("`"): row[1:5] + row[6:] for row in cells if len(row) == 7}
    assert told == {
        preset.name: [
            preset.licence,
            f"{preset.size_bytes() / 1e6:.0f}",
            str(preset.dimension),
            f"{sum(file.size_bytes for file in preset.text_files) / 1e6:.0f}"
            if preset.text_files
            else "none",
            f"{preset.gmac:g}",
        ]
        for preset in presets().values()
    }
    figures = {row[0].strip("`"): row[5] for row in cells if len(row) == 7}
    for preset in presets().values():
        if {"SOP", "RP2k", "CUB-200"} == set(preset.figures):
            assert figures[preset.name] == ", ".join(f"{value:.3f}" for value in preset.figures.values())
    aliases = {
        alias: name
        for _, alias, name in re.findall(
            r"^\| (.*) \| `(\w+)` \| `([a-z0-9-]+)` \|$", page.read_text("utf-8"), re.MULTILINE
        )
    }
    assert aliases == ALIASES


def test_another_revision_has_no_digest_that_anybody_knows() -> None:
    preset = preset_of("siglip-base")
    asked = "a" * 40
    assert {file.sha256 for file in preset.remote_files(asked)} == {None}
    assert {file.revision for file in preset.remote_files(asked)} == {asked}
    tokenizer = preset_of("clip-b32-laion2b").remote_files(asked, text=True)[-1]
    assert tokenizer.repository == "Xenova/clip-vit-base-patch32"  # which has a revision of its own
    assert tokenizer.sha256 is not None


def test_without_a_revision_one_is_asked_for() -> None:
    with pytest.raises(
        EncoderError, match=r"no revision of .* `seealike encoders get dinov2-base --revision"
    ):
        preset_of("dinov2-base").remote_files()
    with pytest.raises(UsageError, match="is no commit: 40"):
        preset_of("dinov2-base").remote_files("main")
    with pytest.raises(EncoderError, match="has no text tower"):
        preset_of("dinov2-small").remote_files(text=True)


def test_one_that_is_not_here_is_told_with_command_host_size_and_licence(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    with pytest.raises(EncoderError) as failed:
        load_encoder("clothing?focus=1", cache_dir=str(tmp_path), mode=EncoderMode.LATENCY)
    assert str(failed.value) == (
        "fashion-siglip is not on this machine; `seealike encoders get fashion-siglip` fetches it from "
        "huggingface.co (372 MB, Apache-2.0), or takes it from files with --from PATH"
    )
    with pytest.raises(UsageError, match="takes nothing after a colon"):
        load_encoder("fashion-siglip:x", cache_dir=str(tmp_path), mode=EncoderMode.LATENCY)
    with pytest.raises(UnknownNameError, match="did you mean fashion-siglip"):
        load_encoder("fashion-sigclip", cache_dir=str(tmp_path), mode=EncoderMode.LATENCY)
