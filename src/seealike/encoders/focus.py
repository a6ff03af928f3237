"""What a picture shows, found in its maps, and the encoder that looks at that instead of the whole picture.

Array letters: n pictures, h, w places, d features.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from seealike.encoders.models import EFFICIENTNET_LITE0_V2, EncoderMode, EncoderRecord
from seealike.encoders.onnx.openvino import CompiledMaps, places_px
from seealike.encoders.slots import SlotEncoder, checked_unit_rows
from seealike.types import Fit, Preprocessing

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt
    from PIL import Image

    from seealike.encoders.cache import BlobCache
    from seealike.types import Area, EncoderIdentity, Float32Array, PixelArray

MOST_SHARE = 0.25  # what takes more of a picture is seen well enough in the whole
MARGIN = 0.5  # places round what is found
_STANDS_OUT = 1.0  # standard deviations above the mean of all places
_QUIET = 0.05  # how loud the ground may be beside a thing that is cut out
# Of weights for which another limit was measured: docs/benchmarks.md. It is part of the identity.
_QUIET_OF = {EFFICIENTNET_LITE0_V2.weights_sha256: 0.07}
_NEAREST = 5  # places of the ground that a place is compared with
_TAKEN = 0.5  # of what lies in the direction of the ground
_STEPS = 30  # of the power iteration: the map is small, and only its sign and shape matter
_LEAST = 1e-6
_REVISION = 2  # counted up when the vectors of focused encoders change, which makes another space of them


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


def quiet_of(identity: EncoderIdentity) -> float:
    """How loud the ground may be in an encoder's maps beside a thing that is cut out."""
    return _QUIET_OF.get(identity.weights_sha256, _QUIET)


def shown_in(maps: Float32Array, quiet: float = _QUIET) -> Area | None:
    """The part of a picture that shows what it is of; None where that is all of it, or nothing is.

    It is the rectangle whose places differ most from the mean of all. It counts for a thing in its scene
    where its surroundings say little beside it, and where the first principal component takes few places
    for the thing: of what fills its picture, such a rectangle is but a part.

    Args:
        maps: what each place of the picture adds, which was made a square for that; (h, w, d).
        quiet: as ``quiet_of`` has it.
    """
    parted = _principal(maps)
    if parted is None:
        return None
    h, w = parted.shape
    left, top, right, bottom = _densest(np.square(maps - maps.mean(axis=(0, 1))).sum(axis=2))
    inside = np.zeros((h, w), dtype=bool)
    inside[top:bottom, left:right] = True
    if inside.mean() > MOST_SHARE or _loudness(maps, inside) * (parted > parted.mean()).mean() >= quiet:
        return None
    x, y = max(0.0, left - MARGIN) / w, max(0.0, top - MARGIN) / h
    return x, y, min(w, right + MARGIN) / w - x, min(h, bottom + MARGIN) / h - y


def _loudness(maps: Float32Array, inside: npt.NDArray[np.bool_]) -> float:
    """How long the mean is of what the places outside add, beside that of those inside."""
    around, within = (float(np.linalg.norm(maps[part].mean(axis=0))) for part in (~inside, inside))
    return around / max(within, _LEAST)


def without_ground(places: Float32Array, whole: Float32Array, shown: Area | None) -> Float32Array:
    """What each place adds to a vector in which a picture's ground counts for less; (h, w, d) as ``places``.

    A place counts for less the more it is like some of the ground, and half of what it has in the ground's
    mean direction is taken out. The ground is what lies along the picture's border.

    Args:
        places: what each place of the picture adds, or each of its part ``shown``.
        whole: what each place of the whole picture adds, which was made a square for that; (h', w', d).
        shown: as ``shown_in`` found it.
    """
    ground = whole[_along_border(whole.shape[:2], shown)]
    direction = _directions(ground.mean(axis=0))
    likeness = _directions(places) @ _directions(ground).T
    nearest = np.sort(likeness, axis=2)[:, :, -_NEAREST:].mean(axis=2)
    weights = np.maximum(1.0 - nearest, _LEAST)
    weighted = places * (weights / weights.mean())[:, :, np.newaxis]
    return np.asarray(weighted - _TAKEN * (weighted @ direction)[:, :, np.newaxis] * direction, np.float32)


def _along_border(grid: tuple[int, ...], shown: Area | None) -> npt.NDArray[np.bool_]:
    """Which places of a whole picture are taken for ground: a seventh on each side, but what is shown."""
    h, w = grid
    found = np.ones((h, w), dtype=bool)
    down, across = max(1, h // 7), max(1, w // 7)
    found[down : h - down, across : w - across] = False
    if shown is not None:
        rows, columns = (np.arange(h) + 0.5) / h - shown[1], (np.arange(w) + 0.5) / w - shown[0]
        found &= ~np.outer((rows > 0) & (rows < shown[3]), (columns > 0) & (columns < shown[2]))
    return found


def _directions(rows: Float32Array) -> Float32Array:
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, _LEAST), dtype=np.float32)


def _principal(places: Float32Array) -> Float32Array | None:
    """Each place's part in the first principal component, above 0 on the thing; None where all are alike.

    Source: it parts things from their grounds in Wei et al. 2019, "Deep Descriptor Transforming", there in
        many pictures at once. Most of the border is ground.
    """
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
    return -grid if np.median(border) > grid.mean() else grid


def _densest(parted: Float32Array) -> tuple[int, int, int, int]:
    """The rectangle whose places stand out most together: left, top, right, bottom."""
    h, w = parted.shape
    sums = np.zeros((h + 1, w + 1))
    least = parted.mean() + _STANDS_OUT * parted.std()
    sums[1:, 1:] = (parted - least).cumsum(axis=0).cumsum(axis=1)
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
    focused = replace(record, preprocessing=whole, focus=record.preprocessing)
    return as_focused_now(replace(focused, name=f"{record.name}?focus=1"))


def as_focused_now(record: EncoderRecord) -> EncoderRecord:
    """The record of an encoder, which may have been written by another version, as it focuses now.

    All that decides its vectors is in the pooling: the revision, and a limit of its own.
    """
    if record.focus is None:
        return record
    quiet = quiet_of(record.identity)
    own = "" if quiet == _QUIET else f"-quiet{quiet:g}"
    return replace(record, pooling=f"{record.pooling.partition('-focus')[0]}-focus{_REVISION}{own}")


class FocusedEncoder(SlotEncoder[CompiledMaps]):
    """Sees a whole picture, finds what it shows, and encodes that part, the ground counting for less.

    Where nothing is found, or it fills the picture, it encodes the whole so.
    """

    def __init__(self, record: EncoderRecord, *, mode: EncoderMode, cache: BlobCache | None = None) -> None:
        """Compile both halves of ``record``, which ``focused_record`` made, or take them from ``cache``."""
        assert record.focus is not None
        self._inner, self._quiet = record.focus, quiet_of(record.identity)
        plain = replace(record, preprocessing=record.focus, focus=None)
        slots = CompiledMaps.compiled(plain, record.preprocessing.crop_px, mode=mode, cache=cache)
        super().__init__(record.identity, slots[0].batch_size, slots, self._encoded)

    def _encoded(self, slot: CompiledMaps, pixels: PixelArray) -> Float32Array:
        seen = focused_maps(pixels, self._inner, slot.maps, self._quiet)
        return checked_unit_rows(np.stack([maps.mean(axis=(0, 1)) for maps, _ in seen]))


def focused_maps(
    squares: PixelArray,
    inner: Preprocessing,
    maps_of: Callable[[PixelArray], Float32Array],
    quiet: float = _QUIET,
) -> list[tuple[Float32Array, Area | None]]:
    """What each place adds to the vectors of a ``FocusedEncoder``, and which part of each picture it is of.

    Args:
        squares: pictures as that encoder takes them.
        inner: how the plain encoder takes the parts.
        maps_of: what each place adds to the plain encoder's vectors, of squares of either side.
        quiet: as ``quiet_of`` has it.
    """
    pictures = [picture_in(square, inner.mean) for square in squares]
    views = [_squashed(square, picture) for square, picture in zip(squares, pictures, strict=True)]
    wholes = maps_of(np.stack(views))
    shown = [shown_in(whole, quiet) for whole in wholes]
    parts = [_part(picture, area) for picture, area in zip(pictures, shown, strict=True)]
    near = maps_of(
        np.stack([_cut_out(square, part, inner) for square, part in zip(squares, parts, strict=True)])
    )
    return [
        (without_ground(places, whole, area), area)
        for places, whole, area in zip(near, wholes, shown, strict=True)
    ]


def _squashed(square: PixelArray, picture: Box) -> PixelArray:
    """The picture that lies in a padded square, made as large as that: small things are found better so."""
    from PIL import Image

    if (picture.right - picture.left, picture.bottom - picture.top) == square.shape[1::-1]:
        return square
    side = square.shape[0]
    view = Image.fromarray(square).resize((side, side), Image.Resampling.BICUBIC, box=picture)
    return np.asarray(view)


def _part(picture: Box, shown: Area | None) -> Box:
    """A part of the picture that lies in a square, in pixels of the square."""
    if shown is None:
        return picture
    width, height = picture.right - picture.left, picture.bottom - picture.top
    left, top = picture.left + round(shown[0] * width), picture.top + round(shown[1] * height)
    right = min(picture.right, max(left + 1, round(picture.left + (shown[0] + shown[2]) * width)))
    bottom = min(picture.bottom, max(top + 1, round(picture.top + (shown[1] + shown[3]) * height)))
    return Box(left, top, right, bottom)


def _cut_out(square: PixelArray, box: Box, preprocessing: Preprocessing) -> PixelArray:
    """A part of a square as the plain encoder takes pictures."""
    from PIL import Image

    part = Image.fromarray(square).crop(box)
    side, (width, height) = preprocessing.resize_px, part.size
    longest, shortest = max(width, height), min(width, height)
    fit = preprocessing.fit
    unit = side / shortest if fit.crops else side / longest if fit is Fit.PAD else None
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
