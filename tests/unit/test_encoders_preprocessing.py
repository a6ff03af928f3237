"""How hubs' files say that pictures are prepared: what each means, and what is refused by name.

That the pixels are those of transformers, open_clip and timm themselves is in
``golden/test_hub_preprocessing.py``.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.hub_configs import IMAGENET_MEAN, IMAGENET_STD, OPEN_CLIP, PROCESSORS, STEPS, TIMM, square

from seealike.encoders.preprocessing import NAMES, preprocessing_of
from seealike.encoders.spec import NORMALISATIONS, on_bytes
from seealike.errors import EncoderError
from seealike.types import Fit, Preprocessing

IMAGENET, CLIP, HALF = (
    (on_bytes(NORMALISATIONS[name].mean), on_bytes(NORMALISATIONS[name].std))
    for name in ("imagenet", "clip", "half")
)


def meant(name: str, content: object) -> Preprocessing:
    found = preprocessing_of(f"visual/{name}", json.dumps(content).encode())
    assert found is not None
    return found


def refused(name: str, content: object) -> str:
    with pytest.raises(EncoderError) as caught:
        preprocessing_of(f"visual/{name}", json.dumps(content).encode())
    message = str(caught.value)
    assert message.startswith(f"visual/{name}: ")
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("CLIP", Preprocessing(224, 224, *CLIP, "bicubic", Fit.CROP_FLOOR)),
        ("CLIP, as it was written of old", Preprocessing(224, 224, *CLIP, "bicubic", Fit.CROP_FLOOR)),
        ("CLIP that does not say that it crops", Preprocessing(256, 240, *CLIP, "bicubic", Fit.CROP_FLOOR)),
        (
            "CLIP on the scale of bytes",
            Preprocessing(224, 224, (120.0, 110.0, 100.0), (60.0, 50.0, 40.0), "bicubic", Fit.CROP_FLOOR),
        ),
        (
            "CLIP that only rescales",
            Preprocessing(256, 256, (0.0, 0.0, 0.0), (255.0, 255.0, 255.0), "bicubic", Fit.CROP_FLOOR),
        ),
        ("SigLIP", Preprocessing(224, 224, *HALF, "bicubic", Fit.SQUASH)),
        ("SigLIP 2", Preprocessing(256, 256, *HALF, "bilinear", Fit.SQUASH)),
        ("ViT", Preprocessing(224, 224, *HALF, "bilinear", Fit.SQUASH)),
        ("ViT, quick", Preprocessing(384, 384, *HALF, "bicubic", Fit.SQUASH)),
        ("DINOv2", Preprocessing(256, 224, *IMAGENET, "bicubic", Fit.CROP_FLOOR)),
        ("DINOv3", Preprocessing(256, 256, *IMAGENET, "bilinear", Fit.SQUASH)),
        ("ConvNext", Preprocessing(256, 224, *IMAGENET, "bicubic", Fit.CROP_FLOOR)),
        ("ConvNext, large", Preprocessing(384, 384, *IMAGENET, "bicubic", Fit.SQUASH)),
        ("EfficientNet", Preprocessing(346, 289, *IMAGENET, "bicubic", Fit.SQUASH)),
        ("EfficientNet around nothing", Preprocessing(260, 260, *HALF, "lanczos", Fit.SQUASH)),
    ],
)
def test_a_processor_of_transformers_is_understood(name: str, expected: Preprocessing) -> None:
    assert meant("preprocessor_config.json", PROCESSORS[name]) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("shortest", Preprocessing(224, 224, *CLIP, "bicubic", Fit.CROP)),
        ("squash", Preprocessing(256, 256, *HALF, "bicubic", Fit.SQUASH)),
        ("no scaling", Preprocessing(256, 256, (0.0,) * 3, (255.0,) * 3, "bilinear", Fit.CROP)),
        ("only means and deviations", Preprocessing(224, 224, *CLIP, "bicubic", Fit.CROP)),
    ],
)
def test_open_clip_immich_and_jina_say_the_same_in_three_files(name: str, expected: Preprocessing) -> None:
    said = OPEN_CLIP[name]
    assert meant("preprocess_cfg.json", said) == expected
    of_the_model = {"model_cfg": {"vision_cfg": {"image_size": said["size"]}}}
    cfg = {key: value for key, value in said.items() if key != "size"}
    assert meant("open_clip_config.json", {**of_the_model, "preprocess_cfg": cfg}) == expected
    jina = {key: value for key, value in said.items() if key != "mode"}
    jina |= {"image_processor_type": "JinaCLIPImageProcessor", "auto_map": {"AutoProcessor": "x--y.Z"}}
    assert meant("preprocessor_config.json", jina) == expected


def test_timm_and_deepghs_are_understood() -> None:
    resized = {mode: meant("config.json", {"pretrained_cfg": said}) for mode, said in TIMM.items()}
    assert resized == {
        "center": Preprocessing(235, 224, *IMAGENET, "bicubic", Fit.CROP),
        "squash": Preprocessing(248, 224, *IMAGENET, "bilinear", Fit.SQUASH),
        "border": Preprocessing(224, 224, *IMAGENET, "bicubic", Fit.PAD),
    }
    for content in ({"test": STEPS, "val": []}, {"stages": STEPS}):
        assert meant("preprocess.json", content) == resized["center"]


def test_steps_that_scale_twice_are_one_line() -> None:
    steps = [
        {"type": "resize", "size": [64, 64], "interpolation": "lanczos"},
        {"type": "to_tensor"},
        {"type": "rescale", "rescale_factor": 2.0},
        {"type": "normalize", "mean": [1.0], "std": [0.5]},
    ]
    made = meant("preprocess.json", {"stages": steps})
    levels = (0.0, 100.0, 255.0)
    expected = [(level / 255 * 2 - 1) / 0.5 for level in levels]
    assert [(level - made.mean[0]) / made.std[0] for level in levels] == pytest.approx(expected)
    assert (made.resize_px, made.crop_px, made.fit) == (64, 64, Fit.SQUASH)


def test_a_config_of_other_things_says_nothing_about_pictures() -> None:
    assert preprocessing_of("config.json", b'{"model_type": "clip", "image_size": 224}') is None
    assert NAMES[-1] == "config.json"


def changed(name: str, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - whatever JSON holds
    """A processor's file with some values others; ... removes one."""
    content = {**PROCESSORS[name], **changes}
    return {key: value for key, value in content.items() if value is not ...}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "does not say its image_processor_type"),
        (changed("CLIP", image_processor_type="Siglip2ImageProcessor"), "'Siglip2ImageProcessor' is unknown"),
        (changed("CLIP", do_flip_channel_order=True), "'do_flip_channel_order' is unknown for CLIPImage"),
        (changed("CLIP", crop_pct=0.9), "'crop_pct' is unknown for CLIPImageProcessor"),
        (changed("CLIP", do_pad=True), "'do_pad' is unknown"),
        (changed("CLIP", resample=...), "resample is missing"),
        (changed("CLIP", resample=4), "resample is 4 (box), not one of 1 (lanczos), 2 (bilinear), 3"),
        (changed("CLIP", resample=5), "resample is 5 (hamming)"),
        (changed("CLIP", resample=0), "resample is 0 (nearest)"),
        (changed("CLIP", resample=9), "resample is 9, not one of"),
        (changed("CLIP", do_resize=False), "do_resize is false"),
        (changed("CLIP", size=...), "size is missing"),
        (changed("CLIP", size={"longest_edge": 224}), "size says longest_edge, not height and width"),
        (changed("CLIP", size={"height": 224, "width": 200}), "224 x 200; only squares"),
        (changed("CLIP", size=[224, 200]), "224 x 200; only squares"),
        (changed("CLIP", size="224"), "size is not a number of pixels"),
        (changed("CLIP", size=True), "size is not a number of pixels"),
        (changed("CLIP", crop_size=...), "crop_size is missing"),
        (changed("CLIP", crop_size=256), "crop_size (256) is larger than size (224)"),
        (changed("CLIP", do_center_crop=False), "cuts nothing out, so pictures would be no squares"),
        (changed("CLIP", do_center_crop="yes"), "do_center_crop is neither true nor false"),
        (changed("CLIP", do_center_crop=None), "do_center_crop is null, which versions of transformers take"),
        (changed("CLIP", do_normalize=None), "do_normalize is null"),
        (changed("CLIP", image_mean=...), "image_mean is missing"),
        (changed("CLIP", image_mean=[0.5, 0.5]), "image_mean is not three numbers"),
        (changed("CLIP", image_std=[0.5, 0.5, 0]), "image_std has a number that is not positive"),
        (changed("CLIP", rescale_factor=0), "rescale_factor is not positive"),
        (changed("CLIP", rescale_factor="1/255"), "rescale_factor is no number"),
        (changed("EfficientNet", include_top=...), "include_top is not false"),
        (changed("EfficientNet", rescale_offset=True), "rescale_offset goes with a rescale_factor of"),
        (changed("EfficientNet", size=square(292)), "begins between two pixels"),
        (changed("ConvNext", size=square(224)), "a ConvNext processor sizes the shorter side"),
        (changed("ConvNext", crop_pct=1.5), "crop_pct is 1.5, not a share"),
        (changed("ConvNext", crop_pct=1e-320), "not a share from 0.01 to 1"),
        (changed("ConvNext", crop_pct=0.02), "size over crop_pct is not a number of pixels up to 4096"),
        (changed("CLIP", rescale_factor=1e9), "come to nothing that bytes could become"),
        (changed("CLIP", rescale_factor=1e-320), "come to nothing that bytes could become"),
    ],
)
def test_what_is_not_known_of_transformers_is_refused_by_name(content: object, message: str) -> None:
    said = refused("preprocessor_config.json", content)
    assert message in said
    assert said.endswith("by size=, resize=, fit=, interpolation= and norm=")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("preprocess_cfg.json", {**OPEN_CLIP["shortest"], "resize_mode": "longest"}, "is 'longest', not one"),
        ("preprocess_cfg.json", {**OPEN_CLIP["shortest"], "mode": "L"}, "mode is 'L'"),
        ("preprocess_cfg.json", {**OPEN_CLIP["shortest"], "size": [224, 196]}, "224 x 196; only squares"),
        ("preprocess_cfg.json", {**OPEN_CLIP["shortest"], "antialias": True}, "'antialias' is unknown"),
        ("preprocess_cfg.json", {"size": 224, "std": [1, 1, 1]}, "mean is missing"),
        ("open_clip_config.json", {"model_cfg": {}}, "it has no preprocess_cfg"),
        ("open_clip_config.json", {"preprocess_cfg": {}}, "model_cfg is no JSON object"),
        ("config.json", {"pretrained_cfg": {**TIMM["center"], "crop_pct": 0}}, "crop_pct is 0, not a share"),
        ("config.json", {"pretrained_cfg": {**TIMM["center"], "colour": 1}}, "'colour' is unknown"),
        ("config.json", {"pretrained_cfg": {**TIMM["center"], "input_size": [1, 28, 28]}}, "not 3 channels"),
        ("preprocess.json", {"train": STEPS}, "no list of steps called test or stages"),
        ("preprocess.json", {"test": [{"type": "pad_to_size"}]}, "type is 'pad_to_size', not one of"),
        ("preprocess.json", {"test": STEPS[:3]}, "the steps make no tensor"),
        ("preprocess.json", {"test": [*STEPS[:2], *STEPS[3:]]}, "would be no squares"),
        ("preprocess.json", {"test": [*STEPS, STEPS[1]]}, "the step resize stands behind to_tensor"),
        ("preprocess.json", {"test": [STEPS[1], *STEPS]}, "the step resize stands twice"),
        (
            "preprocess.json",
            {"test": [*STEPS[:4], {"type": "rescale", "rescale_factor": 0}]},
            "rescale_factor is not positive",
        ),
        ("preprocess.json", {"test": [STEPS[-1]]}, "the step normalize stands before to_tensor"),
        ("preprocess.json", {"test": [{**STEPS[1], "max_size": 9}]}, "has a max_size"),
        ("preprocess.json", {"test": [{**STEPS[1], "fill": 9}]}, "'fill' is unknown for the step resize"),
        ("preprocess.json", [], "it is no JSON object"),
    ],
)
def test_what_is_not_known_of_others_is_refused_by_name(name: str, content: object, message: str) -> None:
    assert message in refused(name, content)


def test_bytes_that_are_no_json_are_refused() -> None:
    with pytest.raises(EncoderError, match=r"^a/config.json is no JSON$"):
        preprocessing_of("a/config.json", b"\x00")


def test_means_are_the_same_numbers_however_they_are_said() -> None:
    assert meant("preprocessor_config.json", PROCESSORS["DINOv2"]).mean == on_bytes(tuple(IMAGENET_MEAN))  # type: ignore[arg-type]
    assert meant("preprocessor_config.json", PROCESSORS["DINOv2"]).std == on_bytes(tuple(IMAGENET_STD))  # type: ignore[arg-type]
