"""Signatures against slow and plain derivations, and what they are for: alike is near, unlike is far."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from itertools import product

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageOps
from tests.pictures import photograph

from seealike.errors import UsageError
from seealike.images import DecodeLimits, decode, prepare
from seealike.images.pillow import rows_and_lines
from seealike.signatures import (
    COLOUR_BYTES,
    HASH_BYTES,
    LINES,
    colour_levels,
    palette_signature,
    signature_of,
)
from seealike.testing import FakeEncoder
from seealike.types import Crop, PixelArray, Signature

PREPROCESSING = FakeEncoder().preprocessing
Colour = tuple[int, int, int]
WHITE, RED, BLUE, GREEN, CLOTH = (255, 255, 255), (192, 57, 43), (41, 98, 180), (60, 140, 60), (150, 20, 30)


def of(image: Image.Image) -> Signature:
    return prepare(image, PREPROCESSING).signature


def likeness(one: bytes, other: bytes) -> float:
    first, second = colour_levels([one, other]).astype(float)
    return float(first @ second / np.linalg.norm(first) / np.linalg.norm(second))


def palette(*colours: Colour, weights: tuple[float, ...] = ()) -> bytes:
    shares = weights or (1,) * len(colours)
    return palette_signature(",".join(f"{hexed(c)}:{w}" for c, w in zip(colours, shares, strict=True)))


def hexed(colour: Colour) -> str:
    return "#" + bytes(colour).hex()


def product_photo(colour: Colour, ground: Colour, size: tuple[int, int] = (120, 160)) -> Image.Image:
    """A thing on a ground that is lit unevenly."""
    width, height = size
    image = Image.new("RGB", size, ground)
    ImageDraw.Draw(image).ellipse((width * 0.25, height * 0.2, width * 0.75, height * 0.85), fill=colour)
    light = np.linspace(0.9, 1.05, width)[None, :, None]
    return Image.fromarray(np.clip(np.asarray(image) * light, 0, 255).astype(np.uint8))


def bits(one: Signature, other: Signature) -> int:
    """How many of the 255 lowest frequencies have another sign."""
    first, second = (frequencies(signature)[:16, :16] for signature in (one, other))
    return int(((first > 0) != (second > 0)).sum())


def frequencies(signature: Signature) -> npt.NDArray[np.int8]:
    return np.frombuffer(signature.hash, np.int8).reshape(24, 24)


def slow_lab(colour: tuple[float, ...]) -> tuple[float, float, float]:
    """OKLab as Ottosson writes it."""
    shares = [level / 255 for level in colour]
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in shares)
    long = (0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b) ** (1 / 3)
    medium = (0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b) ** (1 / 3)
    short = (0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b) ** (1 / 3)
    return (
        0.2104542553 * long + 0.7936177850 * medium - 0.0040720468 * short,
        1.9779984951 * long - 2.4285922050 * medium + 0.4505937099 * short,
        0.0259040371 * long + 0.7827717662 * medium - 0.8086757660 * short,
    )


def slow_bins() -> list[tuple[float, ...]]:
    """The points of a body-centred lattice of cubes of 0.12 that are nearest to some colour, in order."""
    steps = [step for step in product(range(-12, 24), repeat=3) if len({number % 2 for number in step}) == 1]
    half = [tuple(0.06 * number for number in step) for step in steps]
    points = np.array(half)
    levels = [16 * level + 8 for level in range(16)]
    colours = np.array([slow_lab(colour) for colour in product(levels, repeat=3)]) * (0.6, 1, 1)
    nearest = {int(((points - colour) ** 2).sum(axis=1).argmin()) for colour in colours}
    return sorted(half[index] for index in nearest)


def slow_colour(lines: PixelArray) -> list[int]:
    """The colour signature, pixel by pixel, as the module's docstring says."""
    bins = slow_bins()
    height, width = lines.shape[:2]
    rows = [math.floor((i + 0.5) * height / min(height, 40)) for i in range(min(height, 40))]
    columns = [math.floor((i + 0.5) * width / min(width, 40)) for i in range(min(width, 40))]
    whole, border, total, rim = [0.0] * len(bins), [0.0] * len(bins), 0.0, 0
    for y, row in enumerate(rows):
        for x, column in enumerate(columns):
            across, down = (2 * (x + 0.5) / len(columns) - 1) / 0.6, (2 * (y + 0.5) / len(rows) - 1) / 0.6
            weight = math.exp(-(across**2 + down**2) / 2)
            lab = slow_lab(tuple(int(level) // 16 * 16 + 8 for level in lines[row, column]))
            place = (0.6 * lab[0], lab[1], lab[2])
            near = [math.exp(-(math.dist(place, other) ** 2) / (2 * 0.04**2)) for other in bins]
            is_rim = min(x, y, len(columns) - 1 - x, len(rows) - 1 - y) < 3
            total, rim = total + weight, rim + is_rim
            for index, share in enumerate(near):
                whole[index] += weight * share / sum(near)
                border[index] += is_rim * share / sum(near)
    kept = []
    for found, round_it in zip(whole, border, strict=True):
        inside = (found / total) / (found / total + 3 * round_it / rim + 1e-12)
        kept.append(found * (inside**2 + 0.02))
    return [round(255 * math.sqrt(share / sum(kept))) for share in kept]


def slow_hash(lines: PixelArray) -> npt.NDArray[np.float64]:
    """The frequencies of green, each as the module's docstring says."""
    height, width = lines.shape[:2]
    columns = np.arange(0, width, max(1, width // 192))
    green = lines[:, columns, 1].astype(float)
    found = np.zeros((24, 24))
    for down, across in list(product(range(24), repeat=2))[1:]:
        vertical = np.cos(np.pi * down * (np.arange(height) + 0.5) / height) / height
        horizontal = np.cos(np.pi * across * (columns + 0.5) / width) / len(columns)
        found[down, across] = vertical @ green @ horizontal
    levels: npt.NDArray[np.float64] = np.sign(found) * np.sqrt(np.abs(found) / np.abs(found).max())
    return 127 * levels


@pytest.mark.parametrize(("number", "size"), [(1, (50, 30)), (2, (37, 41)), (3, (8, 90)), (4, (500, 20))])
def test_a_signature_is_what_a_plain_derivation_gives(number: int, size: tuple[int, int]) -> None:
    lines = np.asarray(photograph(number, size))
    found = signature_of(lines)
    assert (len(found.colour), len(found.hash)) == (COLOUR_BYTES, HASH_BYTES)
    assert np.abs(np.array(slow_colour(lines)) - list(found.colour)).max() <= 1
    assert np.abs(frequencies(found) - slow_hash(lines)).max() < 1.1


def test_a_colour_fits_into_what_an_item_may_cost() -> None:
    assert COLOUR_BYTES <= 96


@pytest.mark.parametrize("ground", [WHITE, (20, 20, 20), CLOTH, GREEN])
def test_a_thing_on_another_ground_is_nearer_than_another_thing_on_the_same(ground: Colour) -> None:
    for colour, other in [(BLUE, RED), (RED, BLUE), (BLUE, GREEN)]:
        if ground in (colour, other):
            continue
        asked, here, else_here = (
            of(product_photo(*pair)).colour for pair in ((colour, WHITE), (colour, ground), (other, ground))
        )
        same_thing, same_ground = likeness(asked, here), likeness(here, else_here)
        assert same_thing > 0.6
        assert same_thing > same_ground + 0.2


def test_a_white_thing_on_white_is_white_and_a_frame_filling_one_is_all_that_it_is() -> None:
    white = palette(WHITE)
    assert likeness(of(Image.new("RGB", (90, 120), WHITE)).colour, white) > 0.95
    stripes = np.zeros((96, 96, 3), np.uint8)
    stripes[:, ::2], stripes[:, 1::2] = RED, BLUE
    both = palette(RED, BLUE)
    assert likeness(of(Image.fromarray(stripes)).colour, both) > 0.95


def test_a_palette_is_the_signature_of_a_thing_of_these_colours() -> None:
    for colour in (RED, BLUE, GREEN):
        found = of(product_photo(colour, WHITE)).colour
        scores = {other: likeness(found, palette(other)) for other in (RED, BLUE, GREEN)}
        assert max(scores, key=lambda other: scores[other]) == colour
        assert scores[colour] > 0.8
    mixed = palette(RED, BLUE, weights=(3, 1))
    assert likeness(mixed, palette(RED)) > likeness(mixed, palette(BLUE))
    assert mixed == palette(BLUE, RED, weights=(0.5, 1.5))


def test_likeness_falls_with_the_distance_of_colours() -> None:
    reds = [(200, 30, 40), (200, 60, 40), (200, 100, 40), (200, 160, 40), (40, 160, 40), (40, 60, 200)]
    scores = [likeness(palette(reds[0]), palette(other)) for other in reds]
    assert scores[0] == pytest.approx(1)
    assert scores[:5] == sorted(scores[:5], reverse=True)
    assert scores[5] < 0.05
    assert min(scores) >= 0


def saved(image: Image.Image, quality: int) -> Image.Image:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality)
    return Image.open(out)


def resized(image: Image.Image, scale: float) -> Image.Image:
    return image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BICUBIC)


def tinted(image: Image.Image) -> Image.Image:
    return Image.fromarray(np.clip(np.asarray(image) * (1.08, 1, 0.92), 0, 255).astype(np.uint8))


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "half": lambda image: resized(image, 0.5),
    "third": lambda image: resized(image, 0.33),
    "larger": lambda image: resized(image, 1.7),
    "compressed": lambda image: saved(image, 30),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.2),
    "contrast": lambda image: ImageEnhance.Contrast(image).enhance(1.3),
    "tinted": tinted,
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_hash_survives_what_leaves_the_picture_the_same(change: str) -> None:
    pictures = [photograph(number, (200, 260)) for number in range(8)]
    hashes = [of(image) for image in pictures]
    unlike = min(bits(one, other) for one in hashes for other in hashes if one is not other)
    assert unlike > 80
    for image, known in zip(pictures, hashes, strict=True):
        assert bits(of(CHANGES[change](image)), known) < 50


def test_the_hash_of_a_flipped_picture_is_known_from_the_pictures_own() -> None:
    for number in range(5):
        image = photograph(number, (120, 90))
        flipped = frequencies(of(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)))
        known = frequencies(of(image)) * np.where(np.arange(24) % 2, -1, 1)
        assert np.abs(known - flipped.astype(int)).max() <= 1
        assert ((frequencies(of(image)) > 0) != (flipped > 0)).mean() > 0.3


def test_plain_pictures_have_one_hash() -> None:
    plain = {of(Image.new("RGB", (30 + grey % 7, 50), (grey, grey, grey))).hash for grey in range(0, 256, 5)}
    assert plain == {bytes(HASH_BYTES)}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("size", [(60, 90), (300, 200)])
def test_a_turned_file_has_the_signature_of_the_upright_picture(
    orientation: int, size: tuple[int, int]
) -> None:
    image = photograph(3, size)
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned, upright = io.BytesIO(), io.BytesIO()
    image.save(turned, "PNG", exif=exif)
    with Image.open(turned) as opened:
        ImageOps.exif_transpose(opened).save(upright, "PNG")
    found, known = (
        decode(file.getvalue(), PREPROCESSING, DecodeLimits()).signature for file in (turned, upright)
    )
    assert bits(found, known) < 60
    assert likeness(found.colour, known.colour) > 0.97


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "L", "LA", "1", "CMYK", "I;16", "I", "F"])
def test_lines_are_the_rows_in_the_middle_of_their_shares(mode: str) -> None:
    image = photograph(5, (70, 211))
    if mode in ("I;16", "I", "F"):
        image = Image.fromarray((np.asarray(image.convert("L")).astype(np.int32) * 200).astype(np.int32))
    image = image.convert("I") if mode == "I;16" else image
    rows, lines = rows_and_lines(image.convert(mode))
    whole = rows(10, 20, 60, 200)
    for count in (1, 7, LINES, 180):
        places = [math.floor((i + 0.5) * 180 / count) for i in range(count)]
        assert np.array_equal(lines(10, 20, 60, 200, count), whole[places])


@pytest.mark.parametrize("orientation", [1, 2, 3, 4])
def test_a_part_of_a_picture_has_the_signature_of_that_part(orientation: int) -> None:
    image = photograph(4, (200, 450))
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned, part = io.BytesIO(), io.BytesIO()
    image.save(turned, "PNG", exif=exif)
    with Image.open(turned) as opened:
        ImageOps.exif_transpose(opened).crop((30, 20, 130, 404)).save(part, "PNG")
    found = decode(turned.getvalue(), PREPROCESSING, DecodeLimits(), crop=Crop(30, 20, 100, 384)).signature
    known = decode(part.getvalue(), PREPROCESSING, DecodeLimits()).signature
    assert bits(found, known) <= 1
    assert likeness(found.colour, known.colour) > 0.999


def test_a_palette_is_written_as_people_write_colours() -> None:
    assert palette_signature("#c0392b") == palette_signature(" #C0392B:3 ") == palette(RED)
    assert palette_signature("red:2,#fff") == palette((255, 0, 0), WHITE, weights=(2, 1))


@pytest.mark.parametrize(
    "text", ["", "reddish", "#12345", "#fff:0", "#fff:-1", "#fff:many", "#fff,,red", "#fff:inf"]
)
def test_what_is_no_palette_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        palette_signature(text)
