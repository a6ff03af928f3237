# ruff: noqa: ANN401 - torch and transformers are not there for the type checker
"""Pixels prepared as hubs' files say, against transformers, open_clip and timm themselves."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from tests.hub_configs import OPEN_CLIP, PROCESSORS, TIMM

from seealike.encoders.preprocessing import preprocessing_of
from seealike.images import DecodeLimits, decode, prepare
from seealike.types import Fit

if TYPE_CHECKING:
    import numpy.typing as npt

    from seealike.types import Preprocessing

    Tensor = npt.NDArray[np.float64]

pytestmark = pytest.mark.torch
LEAST = 0.9999
# Pillow 13 resizes tall pictures along the height first, and rounds and clips in between, as seealike does
# along the width. With lanczos, which overshoots most, that shows in a picture of 63 x 900 made a square.
LEAST_LANCZOS = 0.9998
SIZES = [
    *((640, 480), (481, 641), (331, 517), (1023, 767), (225, 224), (224, 224), (257, 256), (384, 383)),
    *((100, 37), (50, 61), (1201, 333), (333, 1202), (2000, 1501), (63, 900)),
]


def photo(width_px: int, height_px: int, mode: str = "RGB") -> Image.Image:
    """Waves, edges and grain: a picture moved by one pixel is another."""
    rng = np.random.default_rng(width_px)
    y, x = np.mgrid[0:height_px, 0:width_px]
    waves = [127 + 100 * np.sin(x / 9 + y / 17), 127 + 100 * np.cos(y / 13), (x * 7 + y * 3) % 256]
    levels = np.stack(waves, axis=-1) + rng.normal(0, 20, (height_px, width_px, 3))
    levels[height_px // 4 : height_px // 2, width_px // 3 : width_px // 2] = (250, 10, 30)
    image = Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8))
    if mode == "RGBA":
        image.putalpha(Image.fromarray(((x * 5 + y * 3) % 256).astype(np.uint8)))
        return image
    return image.convert(mode)


PICTURES = [
    *((size, "RGB") for size in SIZES),
    *((size, mode) for size in SIZES[:3] for mode in ("L", "RGBA")),
]


def on_white(image: Image.Image) -> Image.Image:
    """As seealike shows what is transparent, and transformers since version 5: others drop it."""
    white = Image.new("RGBA", image.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")


def ours(image: Image.Image, made: Preprocessing) -> Tensor:
    levels = prepare(image, made).pixels.astype(np.float64)
    return ((levels - made.mean) / made.std).transpose(2, 0, 1)


def cosine(one: Tensor, other: Tensor) -> float:
    assert one.shape == other.shape
    return float((one * other).sum() / np.sqrt((one**2).sum() * (other**2).sum()))


def mapped(name: str, content: object) -> Preprocessing:
    found = preprocessing_of(name, json.dumps(content).encode())
    assert found is not None
    return found


def processor_of(config: dict[str, Any], backend: str) -> Any:
    import transformers

    said = config.get("image_processor_type") or config["feature_extractor_type"]
    name = said.removesuffix("Fast").replace("FeatureExtractor", "ImageProcessor")
    kind = getattr(transformers, f"{name}{backend}", None)
    if kind is None:
        pytest.skip(f"transformers has no {name}{backend}")
    return kind.from_dict(dict(config))


@pytest.mark.parametrize("backend", ["", "Pil"], ids=["torchvision", "pillow"])
@pytest.mark.parametrize("name", PROCESSORS)
def test_pixels_are_those_of_the_processor_of_transformers(name: str, backend: str) -> None:
    config = PROCESSORS[name]
    processor, made = processor_of(config, backend), mapped("preprocessor_config.json", config)
    for size, mode in PICTURES:
        image = photo(*size, mode)
        tensor = processor(image, do_convert_rgb=True, return_tensors="np")["pixel_values"][0]
        least = LEAST_LANCZOS if made.interpolation == "lanczos" else LEAST
        assert cosine(ours(image, made), tensor.astype(np.float64)) >= least, (size, mode)


@pytest.mark.parametrize("name", ["CLIP", "SigLIP", "DINOv2"])
def test_a_large_jpeg_is_decoded_smaller_and_is_nearly_that_picture(name: str) -> None:
    config = PROCESSORS[name]
    processor, made = processor_of(config, ""), mapped("preprocessor_config.json", config)
    file = io.BytesIO()
    photo(2000, 1501).save(file, "JPEG", quality=92)
    image = Image.open(file)
    tensor = processor(image, return_tensors="np")["pixel_values"][0].astype(np.float64)
    levels = decode(file.getvalue(), made, DecodeLimits()).pixels.astype(np.float64)
    found = cosine(((levels - made.mean) / made.std).transpose(2, 0, 1), tensor)
    assert 0.9998 < found < cosine(ours(image.convert("RGB"), made), tensor)


def test_a_corner_rounded_as_torchvision_does_would_show() -> None:
    config = PROCESSORS["DINOv2"]
    processor, made = processor_of(config, "Pil"), mapped("preprocessor_config.json", config)
    image = photo(331, 517)  # 256 x 399: 175 px are cut away, which is odd and half of it rounds up
    tensor = processor(image, return_tensors="np")["pixel_values"][0].astype(np.float64)
    rounded = type(made)(made.resize_px, made.crop_px, made.mean, made.std, made.interpolation, Fit.CROP)
    assert cosine(ours(image, rounded), tensor) < 0.99 < LEAST < cosine(ours(image, made), tensor)


@pytest.mark.parametrize("name", OPEN_CLIP)
def test_pixels_are_those_of_open_clip(name: str) -> None:
    from open_clip.transform import PreprocessCfg, image_transform_v2

    config = OPEN_CLIP[name]
    transform = image_transform_v2(PreprocessCfg(**config), is_train=False)
    made = mapped("preprocess_cfg.json", config)
    for size, mode in PICTURES:
        image = photo(*size, mode)
        tensor = transform(on_white(image)).numpy().astype(np.float64)
        assert cosine(ours(image, made), tensor) >= LEAST, (size, mode)


@pytest.mark.parametrize("mode", TIMM)
def test_pixels_are_those_of_timm(mode: str) -> None:
    from timm.data import create_transform, resolve_data_config

    config = TIMM[mode]
    transform = create_transform(**resolve_data_config({}, pretrained_cfg=config), is_training=False)
    made = mapped("config.json", {"pretrained_cfg": config})
    for size, form in PICTURES:
        image = photo(*size, form)
        tensor = transform(on_white(image)).numpy().astype(np.float64)
        assert cosine(ours(image, made), tensor) >= LEAST, (size, form)
