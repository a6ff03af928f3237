"""How a picture is fitted to a square, against Pillow's own resize and paste, and timm's transforms."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageOps
from tests.pictures import picture
from tests.robustness.corpus import encoded

from seealike.images import DecodeLimits, DecodePool, DecodeTask, decode, prepare
from seealike.images.opening import open_picture
from seealike.images.pool import wire
from seealike.images.pool.shared import Layout
from seealike.types import Fit, PixelArray, Preprocessing

LIMITS = DecodeLimits()
COLOUR = (123.675, 116.28, 103.53)
BASE = Preprocessing(73, 64, COLOUR, (58.0, 57.0, 56.0))
SIZES = ((120, 87), (87, 120), (64, 64), (73, 73), (300, 31), (7, 200), (1, 1), (65, 64), (1, 90))
FILTERS = {
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "lanczos": Image.Resampling.LANCZOS,
}


def reference(image: Image.Image, made: Preprocessing) -> PixelArray:
    """Resize the whole picture, paste it on a coloured canvas as large as needed, then cut the centre.

    Pillow 13 resizes tall pictures along the height first where that saves time, which differs by rounding
    and clipping in between; all others, and this reference, along the width first.
    """
    width, height = image.size
    side = made.resize_px
    if made.fit is Fit.SQUASH:
        size = (side, side)
    elif made.fit is Fit.PAD:
        ratio = max(width, height) / side
        size = (max(1, round(width / ratio)), max(1, round(height / ratio)))
    else:
        size = (int(side * width / min(width, height)), int(side * height / min(width, height)))
    used = FILTERS[made.interpolation]
    resized = image.resize((size[0], height), used).resize(size, used)
    crop = made.crop_px
    canvas = Image.new("RGB", (max(size[0], crop), max(size[1], crop)), tuple(round(c) for c in made.mean))
    canvas.paste(resized, (max(0, crop - size[0]) // 2, max(0, crop - size[1]) // 2))
    left, top = (canvas.width - crop) / 2, (canvas.height - crop) / 2
    left, top = (int(left), int(top)) if made.fit is Fit.CROP_FLOOR else (round(left), round(top))
    return np.asarray(canvas.crop((left, top, left + crop, top + crop)))


def noise(size: tuple[int, int]) -> Image.Image:
    rng = np.random.default_rng(size[0])
    return Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))


def apart(one: PixelArray, other: PixelArray) -> PixelArray:
    return np.abs(one.astype(np.int16) - other.astype(np.int16)).astype(np.uint8)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("fit", Fit)
@pytest.mark.parametrize("interpolation", FILTERS)
def test_pixels_equal_pillows_resize_paste_and_crop(
    size: tuple[int, int], fit: Fit, interpolation: str
) -> None:
    made = replace(BASE, fit=fit, interpolation=interpolation)
    image = noise(size)
    got = decode(encoded(image, "PNG"), made, LIMITS)
    assert (got.width_px, got.height_px) == size
    assert got.pixels.shape == (64, 64, 3)
    assert apart(got.pixels, reference(image, made)).max() <= 1
    np.testing.assert_array_equal(prepare(image, made).pixels, got.pixels)
    np.testing.assert_array_equal(prepare(np.asarray(image), made).pixels, got.pixels)


@pytest.mark.parametrize("fit", Fit)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_picture_is_fitted_upright(orientation: int, fit: Fit) -> None:
    made = replace(BASE, fit=fit)
    exif = Image.Exif()
    exif[0x0112] = orientation
    out = io.BytesIO()
    picture(2, (150, 61)).save(out, "PNG", exif=exif)
    with Image.open(io.BytesIO(out.getvalue())) as image:
        upright = ImageOps.exif_transpose(image)
    assert apart(decode(out.getvalue(), made, LIMITS).pixels, reference(upright, made)).max() <= 2


@pytest.mark.parametrize("fit", [Fit.SQUASH, Fit.PAD])
@pytest.mark.parametrize("interpolation", FILTERS)
@pytest.mark.parametrize("size", [(1000, 400), (500, 1300), (1201, 903)])
def test_a_large_jpeg_decoded_at_reduced_size_loses_nothing_that_matters(
    size: tuple[int, int], interpolation: str, fit: Fit
) -> None:
    made = replace(BASE, fit=fit, interpolation=interpolation)
    smooth = noise((size[0] // 20, size[1] // 20)).resize(size, Image.Resampling.BICUBIC)
    data = encoded(smooth, "JPEG")
    assert open_picture(data, LIMITS, 2 * made.resize_px).eighths < 8
    with Image.open(io.BytesIO(data)) as image:
        difference = apart(decode(data, made, LIMITS).pixels, reference(image, made))
    assert difference.mean() < 0.8
    assert np.quantile(difference, 0.999) <= 8


def test_the_rest_of_a_padded_square_has_the_encoders_mean_colour() -> None:
    made = Preprocessing(40, 40, (300.0, 127.5, -3.0), (1.0, 1.0, 1.0), fit=Fit.PAD)
    pixels = prepare(Image.new("RGB", (40, 10), (9, 9, 9)), made).pixels
    assert (pixels[15:25] == 9).all()
    assert (pixels[:15] == (255, 128, 0)).all()
    assert (pixels[25:] == (255, 128, 0)).all()


@pytest.mark.parametrize("fit", Fit)
def test_the_decoding_processes_fit_as_this_process_does(fit: Fit) -> None:
    made = replace(BASE, fit=fit, interpolation="lanczos", bgr=True)
    data = encoded(noise((90, 40)), "PNG")
    with DecodePool(made, workers=1, batch_size=1, buffers=2) as pool:
        np.testing.assert_array_equal(
            pool.decode_one(DecodeTask(0, data=data)).pixels[0], decode(data, made, LIMITS).pixels
        )


def test_a_greeting_keeps_everything_about_the_preprocessing() -> None:
    made = Preprocessing(9, 8, COLOUR, (1.5, 2.5, 3.5), "lanczos", Fit.PAD, bgr=True)
    hello = wire.Hello(Layout(slots=2, batch_size=3, crop_px=8), "fd:7", made, LIMITS)
    assert wire.unpack_hello(wire.pack_hello(hello)) == hello


@pytest.mark.torch
@pytest.mark.parametrize("size", [*SIZES[:5], (65, 64), (534, 400)])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize(
    ("fit", "crop_mode"), [(Fit.CROP, "center"), (Fit.SQUASH, "squash"), (Fit.PAD, "border")]
)
def test_pixels_equal_those_of_timms_transforms(
    size: tuple[int, int], interpolation: str, fit: Fit, crop_mode: str
) -> None:
    data = pytest.importorskip("timm.data")
    made = replace(BASE, resize_px=72, fit=fit, interpolation=interpolation)
    transform = data.create_transform(
        (3, 64, 64),
        crop_pct=64 / 72,
        crop_mode=crop_mode,
        interpolation=interpolation,
        mean=tuple(value / 255 for value in made.mean),
        normalize=False,
    )
    smooth = noise(size).resize((40, 40)).resize(size, Image.Resampling.BICUBIC)
    theirs = np.asarray(transform(smooth)).transpose(1, 2, 0)
    assert apart(prepare(smooth, made).pixels, theirs).max() <= 1
