"""A part of a picture, against the same part cut out with Pillow and saved without loss."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps
from tests.pictures import photograph

from seealike.images import DecodeError, DecodeLimits, decode, prepare
from seealike.types import Crop, Fit, PixelArray, Preprocessing, SkipReason

LIMITS = DecodeLimits()
PREPROCESSING = Preprocessing(64, 56, (127.0, 127.0, 127.0), (1.0, 1.0, 1.0))
SIZE = (640, 480)
BOX = (101, 53, 431, 290)  # on no border of a JPEG's blocks


def file_of(image: Image.Image, form: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def cut_out(data: bytes, box: tuple[int, int, int, int]) -> bytes:
    """The part as somebody with an image editor would make it: upright, at full size, without loss."""
    with Image.open(io.BytesIO(data)) as image:
        return file_of(ImageOps.exif_transpose(image).convert("RGB").crop(box), "PNG")


def crop_of(box: tuple[int, int, int, int]) -> Crop:
    return Crop(box[0], box[1], box[2] - box[0], box[3] - box[1])


def pixels_of(
    data: bytes, crop: Crop | None = None, preprocessing: Preprocessing = PREPROCESSING
) -> PixelArray:
    return decode(data, preprocessing, LIMITS, crop=crop).pixels


@pytest.mark.parametrize("fit", list(Fit))
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_crop_of_a_turned_jpeg_is_the_part_that_people_see(orientation: int, fit: Fit) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = file_of(photograph(3, SIZE), "JPEG", quality=92, exif=exif)
    made = Preprocessing(64, 56, (127.0, 127.0, 127.0), (1.0, 1.0, 1.0), fit=fit)
    expected = pixels_of(cut_out(data, BOX), None, made).astype(int)
    found = decode(data, made, LIMITS, crop=crop_of(BOX))
    assert np.abs(found.pixels.astype(int) - expected).max() <= 1
    assert (found.width_px, found.height_px) == (SIZE if orientation < 5 else SIZE[::-1])


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF"])
def test_every_format_is_cropped_to_the_pixel(form: str) -> None:
    data = file_of(photograph(5, SIZE), form)
    expected = pixels_of(cut_out(data, BOX)).astype(int)
    assert np.abs(pixels_of(data, crop_of(BOX)).astype(int) - expected).max() <= 1


@pytest.mark.parametrize("quality", [50, 95])
def test_nothing_from_outside_a_crop_leaks_in(quality: int) -> None:
    """A JPEG of this size is decoded at an eighth for this square: blocks would mix red and white."""
    image = Image.new("RGB", (1600, 1600), (255, 0, 0))
    image.paste((255, 255, 255), (400, 400, 1040, 1040))
    data = file_of(image, "JPEG", quality=quality, subsampling=0)
    assert pixels_of(data).min() == 0
    inside = pixels_of(data, Crop(400, 400, 640, 640))
    assert inside.min() >= 250


@given(
    st.integers(1, 40), st.integers(1, 40), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)
)
def test_shares_are_whole_pixels_within_the_picture(
    width: int, height: int, left: float, top: float, across: float, down: float
) -> None:
    crop = Crop(
        left * 0.9, top * 0.9, max(1e-3, (1 - left * 0.9) * across), max(1e-3, (1 - top * 0.9) * down)
    )
    box = crop.within(width, height)
    assert box is not None
    assert 0 <= box[0] < box[2] <= width
    assert 0 <= box[1] < box[3] <= height
    assert abs(box[0] - crop.left * width) <= 1
    assert abs(box[3] - (crop.top + crop.height) * height) <= 1.5
    array = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    part = np.ascontiguousarray(array[box[1] : box[3], box[0] : box[2]])
    assert np.array_equal(prepare(array, PREPROCESSING, crop).pixels, prepare(part, PREPROCESSING).pixels)


def test_a_crop_that_reaches_beyond_the_picture_is_refused_with_both_sizes() -> None:
    data = file_of(photograph(1, (300, 200)), "PNG")
    for crop in (Crop(0, 0, 301, 1), Crop(299, 0, 2, 1), Crop(0, 150, 10, 51), Crop(10**30, 0, 1, 1)):
        with pytest.raises(DecodeError) as refused:
            pixels_of(data, crop)
        assert refused.value.reason is SkipReason.OUTSIDE_PICTURE
        assert refused.value.detail == f"the crop {crop} is not within 300 x 200 px"
    whole = pixels_of(data)
    assert np.array_equal(pixels_of(data, Crop(0, 0, 300, 200)), whole)
    assert np.array_equal(pixels_of(data, Crop(0.0, 0.0, 1.0, 1.0)), whole)


@pytest.mark.parametrize(
    ("text", "crop"),
    [
        ("10,20,300,400", Crop(10, 20, 300, 400)),
        ("0,0,1,1", Crop(0, 0, 1, 1)),
        ("0.0,0.0,1.0,1.0", Crop(0.0, 0.0, 1.0, 1.0)),
        (" 0.1, 0.2,.5 ,0.50", Crop(0.1, 0.2, 0.5, 0.5)),
        ("0.7,0.0,0.3,0.1", Crop(0.7, 0.0, 0.3, 0.1)),
    ],
)
def test_whole_numbers_are_pixels_and_a_decimal_point_means_shares(text: str, crop: Crop) -> None:
    assert Crop.parse(text) == crop == Crop.parse(str(crop))
    assert crop.is_share == ("." in text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1,2,3",
        "1,2,3,4,5",
        "a,b,c,d",
        "0,0,0.5,0.5",
        "0.5,0.5,0.6,0.5",
        "0.1,0.1,0.0,0.5",
        "-1,0,5,5",
        "-0.1,0.0,0.5,0.5",
        "0,0,0,5",
        "0.nan,0.0,1.0,1.0",
        "10%,10%,10%,10%",
    ],
)
def test_what_could_be_misread_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(ValueError, match="crop") as refused:
        Crop.parse(text)
    assert "\n" not in str(refused.value)


def test_a_crop_of_another_types_numbers_is_taken_as_what_they_are() -> None:
    assert Crop(*np.array([1, 2, 3, 4])) == Crop(1, 2, 3, 4)
    assert Crop(*np.array([0.1, 0.2, 0.3, 0.4])) == Crop(0.1, 0.2, 0.3, 0.4)
    for numbers in ((True, 0, 1, 1), ("1", 2, 3, 4), (None, 0, 1, 1), (float("nan"), 0.0, 1.0, 1.0)):
        with pytest.raises(ValueError, match="crop"):
            Crop(*numbers)
