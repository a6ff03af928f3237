"""Pixels against Pillow's own full decode, resize and crop: the independent truth."""

from __future__ import annotations

import io
import math
import re
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageOps
from tests.pictures import picture
from tests.robustness.corpus import Sample, corpus, encoded, png_of_size

from seealike.errors import PictureError, UnknownNameError, UsageError
from seealike.images import DecodeError, DecodeLimits, decode, pillow, prepare
from seealike.images.opening import open_picture
from seealike.images.sniff import Format
from seealike.types import TRANSIENT_REASONS, Fit, PixelArray, Preprocessing, SkipReason

LIMITS = DecodeLimits()
PREPROCESSING = Preprocessing(256, 224, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
SIZES = ((400, 534), (534, 400), (257, 256), (224, 224), (100, 31), (7, 900), (1, 1), (1000, 999))
ORIENTATION = 0x0112


def reference(image: Image.Image, preprocessing: Preprocessing = PREPROCESSING) -> PixelArray:
    """Resize the shorter side, crop the centre, as torchvision and timm round."""
    resize, crop = preprocessing.resize_px, preprocessing.crop_px
    width, height = image.size
    short = min(width, height)
    size = (int(resize * width / short), int(resize * height / short))
    filters = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}
    resized = image.convert("RGB").resize(size, filters[preprocessing.interpolation])
    left, top = round((size[0] - crop) / 2), round((size[1] - crop) / 2)
    return np.asarray(resized.crop((left, top, left + crop, top + crop)))


def difference(one: PixelArray, other: PixelArray) -> PixelArray:
    return np.abs(one.astype(np.int16) - other.astype(np.int16)).astype(np.uint8)


def noise(size: tuple[int, int], seed: int = 0) -> Image.Image:
    width, height = size
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


def reason_of(data: bytes, limits: DecodeLimits = LIMITS) -> SkipReason:
    with pytest.raises(DecodeError) as refused:
        decode(data, PREPROCESSING, limits)
    assert refused.value.detail
    return refused.value.reason


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_pixels_equal_pillows_resize_and_crop(size: tuple[int, int], interpolation: str) -> None:
    preprocessing = Preprocessing(256, 224, (0.0,) * 3, (1.0,) * 3, interpolation)
    image = noise(size)
    got = decode(encoded(image, "PNG"), preprocessing, LIMITS)
    assert (got.width_px, got.height_px) == size
    assert got.pixels.shape == (224, 224, 3)
    assert got.pixels.dtype == np.uint8
    assert difference(got.pixels, reference(image, preprocessing)).max() <= 1


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
def test_every_format_decodes_to_what_pillow_sees(kind: str) -> None:
    data = encoded(picture(1, (400, 300)), kind)
    with Image.open(io.BytesIO(data)) as image:
        assert difference(decode(data, PREPROCESSING, LIMITS).pixels, reference(image)).mean() < 0.02


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_the_exif_orientation_is_applied(orientation: int, kind: str) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    out = io.BytesIO()
    picture(2, (300, 200)).save(out, kind, exif=exif)
    with Image.open(io.BytesIO(out.getvalue())) as image:
        upright = ImageOps.exif_transpose(image)
    got = decode(out.getvalue(), PREPROCESSING, LIMITS)
    assert (got.width_px, got.height_px) == upright.size
    assert difference(got.pixels, reference(upright)).max() <= 2


def test_a_rotated_avif_is_shown_upright() -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6  # Pillow writes it as the container's own rotation
    out = io.BytesIO()
    picture(2, (300, 200)).save(out, "AVIF", exif=exif)
    got = decode(out.getvalue(), PREPROCESSING, LIMITS)
    assert (got.width_px, got.height_px) == (200, 300)
    assert difference(got.pixels, reference(picture(2, (300, 200)).rotate(-90, expand=True))).mean() < 4


@pytest.mark.parametrize("size", [(2000, 1500), (1600, 2400), (4100, 3003)])
def test_a_large_jpeg_decoded_at_reduced_size_stays_close_to_the_full_decode(size: tuple[int, int]) -> None:
    smooth = noise((size[0] // 20, size[1] // 20)).resize(size, Image.Resampling.BICUBIC)
    data = encoded(smooth, "JPEG")
    assert open_picture(data, LIMITS, 512).eighths < 8
    with Image.open(io.BytesIO(data)) as image:
        apart = difference(decode(data, PREPROCESSING, LIMITS).pixels, reference(image))
    assert apart.mean() < 0.7
    assert apart.max() <= 12


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_jpegs_of_every_colour_space_become_rgb(mode: str) -> None:
    data = encoded(picture(3, (700, 600)).convert(mode), "JPEG")
    with Image.open(io.BytesIO(data)) as image:
        assert difference(decode(data, PREPROCESSING, LIMITS).pixels, reference(image)).mean() < 0.02


def test_transparency_is_laid_on_white() -> None:
    for mode in ("RGBA", "LA"):
        clear = Image.new(mode, (50, 40), (0,) * len(mode))
        assert (decode(encoded(clear, "PNG"), PREPROCESSING, LIMITS).pixels == 255).all()
    half = Image.new("RGBA", (50, 40), (0, 0, 0, 128))
    assert set(np.unique(decode(encoded(half, "PNG"), PREPROCESSING, LIMITS).pixels)) <= {126, 127, 128}


def test_a_transparent_palette_colour_is_laid_on_white() -> None:
    image = Image.new("P", (50, 40), 1)
    image.putpalette([0, 0, 0, 200, 0, 0])
    out = io.BytesIO()
    image.save(out, "PNG", transparency=1)
    assert (decode(out.getvalue(), PREPROCESSING, LIMITS).pixels == 255).all()


def test_sixteen_bits_are_scaled_and_not_clipped() -> None:
    ramp = np.linspace(0, 65535, 256 * 256).astype(np.uint16).reshape(256, 256)
    got = decode(encoded(Image.fromarray(ramp), "PNG"), PREPROCESSING, LIMITS).pixels
    truth = (ramp[16:240, 16:240] / 257.0).round()
    assert np.abs(got[:, :, 0] - truth).max() <= 1
    assert (got[:, :, 0] == got[:, :, 2]).all()


@pytest.mark.parametrize(("top", "mode"), [(1.0, "F"), (255.0, "F"), (90000.0, "F"), (65535, "I")])
def test_numbers_without_a_stated_range_are_scaled_to_their_own(top: float, mode: str) -> None:
    ramp = np.linspace(0, top, 256 * 256).reshape(256, 256)
    image = Image.fromarray(ramp.astype(np.float32 if mode == "F" else np.int32))
    assert image.mode == mode
    got = decode(encoded(image, "TIFF"), PREPROCESSING, LIMITS).pixels
    assert np.abs(got[:, :, 0] - (ramp[16:240, 16:240] * (255 / top)).round()).max() <= 1


def test_the_first_frame_counts() -> None:
    frames = [picture(number).convert("RGB") for number in (1, 2)]
    for kind in ("GIF", "WEBP", "TIFF"):
        out = io.BytesIO()
        frames[0].save(out, kind, save_all=True, append_images=frames[1:])
        with Image.open(io.BytesIO(out.getvalue())) as image:
            truth = reference(image)
        assert difference(decode(out.getvalue(), PREPROCESSING, LIMITS).pixels, truth).mean() < 0.02


@pytest.mark.parametrize("sample", corpus(seed=7), ids=lambda sample: sample.name)
def test_whatever_a_file_holds_it_decodes_or_has_a_reason(sample: Sample) -> None:
    data = sample.data
    try:
        shape = decode(data, PREPROCESSING, LIMITS).pixels.shape
    except DecodeError as refused:
        printable = refused.detail.isprintable()
        assert printable
    else:
        assert shape == (224, 224, 3)


def test_a_file_cut_short_is_called_truncated() -> None:
    for kind in ("JPEG", "PNG", "WEBP", "AVIF", "BMP"):
        data = encoded(noise((200, 200)), kind)
        assert reason_of(data[: len(data) * 2 // 3]) is SkipReason.TRUNCATED, kind


def test_sizes_are_refused_from_the_header() -> None:
    assert reason_of(png_of_size(12_501, 8_000)) is SkipReason.TOO_MANY_PIXELS
    assert reason_of(png_of_size(0, 5)) is SkipReason.ZERO_DIMENSION
    few = DecodeLimits(pixels=10_000)
    for kind in ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "AVIF"):
        assert reason_of(encoded(noise((101, 100)), kind), few) is SkipReason.TOO_MANY_PIXELS
        assert decode(encoded(noise((100, 100)), kind), PREPROCESSING, few).width_px == 100
    assert reason_of(bytes(2000), DecodeLimits(file_bytes=1999)) is SkipReason.FILE_TOO_LARGE


def test_a_higher_limit_admits_larger_pictures() -> None:
    large = encoded(Image.new("1", (20_000, 10_000)), "GIF")
    assert reason_of(large) is SkipReason.TOO_MANY_PIXELS
    more = DecodeLimits(pixels=200_000_000)
    assert decode(large, PREPROCESSING, more).width_px == 20_000


def test_limits_that_limit_nothing_are_refused() -> None:
    for wrong in (0, -1, math.nan, math.inf):
        with pytest.raises(UsageError, match="cpu_s"):
            DecodeLimits(cpu_s=wrong)


def jpeg(size: tuple[int, int], **how: object) -> bytes:
    out = io.BytesIO()
    Image.new("CMYK" if how.pop("cmyk", False) else "RGB", size, 77).save(out, "JPEG", **how)
    return out.getvalue()


def foretold_mb(data: bytes) -> float:
    """The memory that the refusal names, where hardly any is allowed."""
    with pytest.raises(DecodeError) as refused:
        decode(data, PREPROCESSING, DecodeLimits(memory_bytes=1, pixels=10**9))
    assert refused.value.reason is SkipReason.TOO_MANY_PIXELS
    found = re.search(r"would take (\d+) MB", refused.value.detail)
    assert found is not None
    return float(found[1])


def test_what_counts_is_what_decoding_costs() -> None:
    """libjpeg's own documentation: all coefficients, two bytes each, of files with more than one scan."""
    size = (8_000, 4_000)
    mega = 32.0
    small = foretold_mb(jpeg((8, 8)))
    assert foretold_mb(jpeg(size)) < small + mega * 4 / 16 + 2  # at a quarter of its size
    for how, coefficients in (({"subsampling": 0}, 3.0), ({"subsampling": 2}, 1.5), ({"cmyk": True}, 4.0)):
        found = foretold_mb(jpeg(size, progressive=True, **how)) - foretold_mb(jpeg(size, **how))
        assert found == pytest.approx(2 * coefficients * mega, abs=2)
    assert foretold_mb(png_of_size(*size)) >= mega  # before its mode is known


def test_a_jpeg_of_a_hundred_megapixels_is_decoded_within_the_limits() -> None:
    data = jpeg((12_500, 8_000))
    assert decode(data, PREPROCESSING, LIMITS).width_px == 12_500
    assert reason_of(jpeg((12_500, 8_008))) is SkipReason.TOO_MANY_PIXELS


def test_the_pixels_are_announced_before_they_are_decoded() -> None:
    for kind in ("JPEG", "PNG", "TIFF", "AVIF"):
        heard: list[int] = []
        decode(encoded(noise((40, 30)), kind), PREPROCESSING, LIMITS, heard.append)
        assert set(heard) == {1200}
        heard.clear()
        reason_of(encoded(noise((101, 100)), kind), DecodeLimits(pixels=10_000))
        assert not heard


def test_a_picture_too_long_and_narrow_to_resize_is_refused_and_not_tried() -> None:
    squash = Preprocessing(224, 224, (0.0,) * 3, (1.0,) * 3, fit=Fit.SQUASH)
    long = encoded(Image.new("L", (20, 400_000)), "PNG")
    assert decode(long, PREPROCESSING, LIMITS).height_px == 400_000
    with pytest.raises(DecodeError, match="to resize it") as refused:
        decode(long, squash, LIMITS)
    assert refused.value.reason is SkipReason.TOO_MANY_PIXELS


def test_a_format_whose_decoder_is_not_installed_is_missing_and_not_unsupported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(pillow._PLUGINS, Format.HEIF, "no_such_decoder")
    with pytest.raises(DecodeError, match="seealike\\[heic\\]") as refused:
        decode(b"\0\0\0\x18ftypheic" + bytes(40), PREPROCESSING, LIMITS)
    assert refused.value.reason is SkipReason.MISSING_EXTRA
    assert refused.value.reason in TRANSIENT_REASONS


def test_a_preprocessing_that_cannot_be_done_is_refused() -> None:
    data = encoded(picture(1), "PNG")
    with pytest.raises(UsageError, match="crop"):
        decode(data, Preprocessing(10, 11, (0.0,) * 3, (1.0,) * 3), LIMITS)
    with pytest.raises(UnknownNameError, match="bicubic"):
        decode(data, Preprocessing(10, 10, (0.0,) * 3, (1.0,) * 3, "nearest"), LIMITS)


def test_an_image_or_array_at_hand_gives_the_pixels_its_file_would() -> None:
    for image in (noise((300, 200)), picture(4).convert("RGBA")):
        truth = decode(encoded(image, "PNG"), PREPROCESSING, LIMITS).pixels
        assert np.array_equal(prepare(image, PREPROCESSING).pixels, truth)
    array = np.asarray(noise((300, 200)))
    assert np.array_equal(
        prepare(array, PREPROCESSING).pixels, prepare(noise((300, 200)), PREPROCESSING).pixels
    )
    assert np.array_equal(
        prepare(array[:, ::-1], PREPROCESSING).pixels, prepare(array[:, ::-1].copy(), PREPROCESSING).pixels
    )


def test_an_array_that_is_no_picture_is_refused() -> None:
    for shape, kind in (((4, 4), np.uint8), ((4, 4, 4), np.uint8), ((4, 4, 3), np.float32)):
        array: npt.NDArray[np.generic] = np.zeros(shape, kind)
        with pytest.raises(UsageError, match="uint8"):
            prepare(array, PREPROCESSING)  # type: ignore[arg-type]
    with pytest.raises(PictureError) as refused:
        prepare(np.zeros((0, 4, 3), np.uint8), PREPROCESSING)
    assert refused.value.reason is SkipReason.ZERO_DIMENSION


def test_photos_come_out_as_the_reference_makes_them(photos: list[Path]) -> None:
    for path in photos:
        with Image.open(path) as image:
            truth = reference(ImageOps.exif_transpose(image))
        apart = difference(decode(path.read_bytes(), PREPROCESSING, LIMITS).pixels, truth)
        assert apart.mean() < 0.05
