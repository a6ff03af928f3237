"""What a picture shows, found in its maps, and the encoder that looks at that instead of the whole picture.

Array letters: n pictures, h, w places, d features.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from seealike.encoders.models import EncoderMode, EncoderRecord
from seealike.encoders.onnx.openvino import CompiledRequests, computed, places_px
from seealike.encoders.slots import SlotEncoder, checked_unit_rows
from seealike.types import Fit, Preprocessing

if TYPE_CHECKING:
    from PIL import Image

    from seealike.encoders.cache import BlobCache
    from seealike.types import Float32Array, PixelArray

MOST_SHARE = 0.25  # what takes more of a picture is seen well enough in the whole
MARGIN = 1.0  # places round what is found
_STEPS = 30  # of the power iteration: the map is small, and only its sign and shape matter
_LEAST = 1e-6


class Box(NamedTuple):
    """A part of a square of pixels: left and top are in it, right and bottom are not."""

    left: int
    top: int
    right: int
    bottom: int


def picture_in(square: PixelArray, mean: tuple[float, float, float]) -> Box:
    """Where a picture lies in a square that is padded with the mean colour; (side, side, 3)."""
    shown = (square != np.clip(np.rint(mean), 0, 255)).any(axis=2)
    rows, columns = np.flatnonzero(shown.any(axis=1)), np.flatnonzero(shown.any(axis=0))
    if not len(rows):
        return Box(0, 0, *shown.shape[::-1])
    return Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)


def box_of(maps: Float32Array, picture: Box, side_px: int) -> Box | None:
    """The part of a square that shows what the picture is of; None where that is all of it, or nothing is.

    Args:
        maps: what each place of the square adds; (h, w, d).
        picture: where the picture lies in it.
        side_px: of the square.

    Source: the places' first principal component parts the thing from its ground, as in Wei et al. 2019,
        "Deep Descriptor Transforming", there of many pictures at once; here the border is taken for ground.
    """
    cell = side_px / maps.shape[0]
    left, top, right, bottom = (round(edge / cell) for edge in picture)
    inside = maps[top : max(bottom, top + 1), left : max(right, left + 1)]
    parted = _principal(inside)
    if parted is None:
        return None
    x0, y0, x1, y1 = _densest(parted)
    if (x1 - x0) * (y1 - y0) > MOST_SHARE * parted.size:
        return None
    edges = [(left + x0 - MARGIN), (top + y0 - MARGIN), (left + x1 + MARGIN), (top + y1 + MARGIN)]
    found = [round(edge * cell) for edge in edges]
    return Box(
        *map(max, found[:2], picture[:2]),
        *map(min, found[2:], picture[2:]),
    )


def _principal(places: Float32Array) -> Float32Array | None:
    """Each place's part in the first principal component, above 0 on the thing; None where all are alike."""
    h, w, d = places.shape
    centred = places.reshape(-1, d).astype(np.float64)
    centred -= centred.mean(axis=0)
    gram = centred @ centred.T
    part = np.sqrt(np.diagonal(gram))
    for _ in range(_STEPS):
        length = float(np.linalg.norm(part))
        if length < _LEAST:
            return None
        part = gram @ (part / length)
    grid = np.asarray(part / max(float(np.linalg.norm(part)), _LEAST), dtype=np.float32).reshape(h, w)
    border = np.concatenate([grid[0], grid[-1], grid[1:-1, 0], grid[1:-1, -1]])
    return -grid if border.mean() > grid.mean() else grid


def _densest(parted: Float32Array) -> tuple[int, int, int, int]:
    """The rectangle of places with the largest sum over their mean: left, top, right, bottom."""
    h, w = parted.shape
    sums = np.zeros((h + 1, w + 1))
    sums[1:, 1:] = (parted - parted.mean()).cumsum(axis=0).cumsum(axis=1)
    (tops, bottoms), (lefts, rights) = np.triu_indices(h + 1, 1), np.triu_indices(w + 1, 1)
    rows = sums[bottoms] - sums[tops]
    values = rows[:, rights] - rows[:, lefts]
    down, across = np.unravel_index(int(values.argmax()), values.shape)
    return int(lefts[across]), int(tops[down]), int(rights[across]), int(bottoms[down])


def focused_record(record: EncoderRecord, cache: BlobCache) -> EncoderRecord:
    """The record of an encoder that looks at what a picture shows: another space than that of ``record``.

    Raises:
        EncoderError: it does not pool a map of places.
    """
    side = places_px(record, cache)
    whole = replace(record.preprocessing, resize_px=side, crop_px=side, fit=Fit.PAD)
    return replace(record, name=f"{record.name}?focus=1", preprocessing=whole, focus=record.preprocessing)


class FocusedEncoder(SlotEncoder[CompiledRequests]):
    """Sees a whole picture, finds what it shows, and encodes that part as the plain encoder does.

    Where nothing is found, or it fills the picture, it encodes the whole.
    """

    def __init__(self, record: EncoderRecord, *, mode: EncoderMode, cache: BlobCache | None = None) -> None:
        """Compile both halves of ``record``, which ``focused_record`` made, or take them from ``cache``."""
        assert record.focus is not None
        self._inner, self._mean = record.focus, record.preprocessing.mean
        plain = replace(record, preprocessing=record.focus, focus=None)
        side = record.preprocessing.crop_px
        slots = CompiledRequests.compiled(plain, side, mode=mode, cache=cache)
        super().__init__(record.identity, slots[0].batch_size, slots, self._encoded)

    def _encoded(self, slot: CompiledRequests, pixels: PixelArray) -> Float32Array:
        side = self.preprocessing.crop_px
        maps = computed(slot.places, pixels, slot.batch_size)
        squares = np.empty((len(pixels), self._inner.crop_px, self._inner.crop_px, 3), np.uint8)
        for row, (square, places) in enumerate(zip(pixels, maps, strict=True)):
            picture = picture_in(square, self._mean)
            squares[row] = _cut_out(square, box_of(places, picture, side) or picture, self._inner)
        return checked_unit_rows(computed(slot.vectors, squares, slot.batch_size))


def _cut_out(square: PixelArray, box: Box, preprocessing: Preprocessing) -> PixelArray:
    """A part of a square as the plain encoder takes pictures."""
    from PIL import Image

    part = Image.fromarray(square).crop(box)
    side, (width, height) = preprocessing.resize_px, part.size
    longest, shortest = max(width, height), min(width, height)
    unit = {Fit.CROP: side / shortest, Fit.PAD: side / longest}.get(preprocessing.fit)
    size = (side, side) if unit is None else (max(1, round(width * unit)), max(1, round(height * unit)))
    crop = preprocessing.crop_px
    sheet = Image.new("RGB", (crop, crop), _colour(preprocessing.mean))
    resized = part.resize(size, _filter(preprocessing.interpolation))
    sheet.paste(resized, ((crop - size[0]) // 2, (crop - size[1]) // 2))
    return np.asarray(sheet)


def _colour(mean: tuple[float, float, float]) -> tuple[int, int, int]:
    red, green, blue = (min(255, max(0, round(level))) for level in mean)
    return red, green, blue


def _filter(interpolation: str) -> Image.Resampling:
    from PIL import Image

    return Image.Resampling[interpolation.upper()]
