"""Bytes of any picture to the square of pixels an encoder wants, or to the reason why not.

Runs in whatever process calls it and limits no time or memory: that is the worker's part.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from seealike.errors import PictureError, UsageError
from seealike.images.cost import Announce, check_memory, unheard
from seealike.images.limits import DecodeError, DecodeLimits
from seealike.images.opening import WHOLE, OpenPicture, of_array, open_picture
from seealike.images.pillow import load, orientation_of, rows_and_lines, translated
from seealike.images.resample import Axis, Rows, check_interpolation, frame_of, resample, resample_bytes
from seealike.signatures import LINES, signature_of
from seealike.types import Crop, SkipReason

if TYPE_CHECKING:
    from PIL import Image

    from seealike.types import PixelArray, Preprocessing, Signature

QUALITY_FACTOR = 2
"""A JPEG decoded at reduced size keeps at least this many pixels for one of the result, each way."""

# EXIF orientation: (axes swapped, columns mirrored, rows mirrored), the mirroring last.
_TURNS = {
    1: (False, False, False),
    2: (False, True, False),
    3: (False, True, True),
    4: (False, False, True),
    5: (True, False, False),
    6: (True, True, False),
    7: (True, True, True),
    8: (True, False, True),
}


@dataclass(frozen=True, slots=True)
class DecodedPixels:
    """A picture, or the part of it that is meant, as its encoder sees it, and its signature.

    Shapes: pixels is (crop_px, crop_px, 3) uint8, RGB. ``width_px`` and ``height_px`` are the
    original's, upright.
    """

    pixels: PixelArray
    width_px: int
    height_px: int
    signature: Signature


def decode(
    data: bytes,
    preprocessing: Preprocessing,
    limits: DecodeLimits,
    announce: Announce = unheard,
    crop: Crop | None = None,
) -> DecodedPixels:
    """Decode a picture's first frame, upright, on white, resized and cut to the square.

    Args:
        data: the file's content.
        preprocessing: how it becomes the square.
        limits: what it may cost.
        announce: told the number of pixels before they are decoded.
        crop: the part that is the picture. It is the same to the pixel as if that part had been cut out and
            saved before: a JPEG is decoded whole, since what is decoded small mixes pixels over its edges.

    Raises:
        DecodeError: it cannot be used; the reason is one of the closed list, whatever a library
            raised.
        UsageError: the preprocessing cannot be done.
    """
    check(preprocessing)
    with warnings.catch_warnings(), translated():
        warnings.simplefilter("ignore")
        keep_px = QUALITY_FACTOR * preprocessing.resize_px if crop is None else WHOLE
        picture = open_picture(data, limits, keep_px, announce)
        return _decoded(picture, preprocessing, crop)


def prepare(
    image: Image.Image | PixelArray, preprocessing: Preprocessing, crop: Crop | None = None
) -> DecodedPixels:
    """Resize and crop a picture that somebody has decoded already; see ``decode``.

    Raises:
        UsageError: it is neither an image nor an (h, w, 3) uint8 array, or the preprocessing cannot be
            done.
        PictureError: the image has no pixels, or cannot be read.
    """
    check(preprocessing)
    _check_kind(image)
    try:
        with translated():
            return _decoded(opened(image), preprocessing, crop)
    except DecodeError as exc:
        raise PictureError("the given image", exc.reason, exc.detail) from exc


def _decoded(picture: OpenPicture, preprocessing: Preprocessing, crop: Crop | None) -> DecodedPixels:
    size, part = upright_size(picture), cropped(picture, crop)
    square = np.ascontiguousarray(_square(part, preprocessing))
    return DecodedPixels(square, *size, _signature(part))


def check(preprocessing: Preprocessing) -> None:
    """Refuse a preprocessing that cannot be done.

    Raises:
        UsageError: the crop is larger than the resized picture, or the interpolation is unknown.
    """
    check_interpolation(preprocessing.interpolation)
    if not 0 < preprocessing.crop_px <= preprocessing.resize_px:
        raise UsageError(
            f"cannot crop {preprocessing.crop_px} px from a picture resized to {preprocessing.resize_px} px"
        )


def upright_size(picture: OpenPicture) -> tuple[int, int]:
    """Return width and height after the orientation is applied."""
    swapped = _TURNS[picture.orientation][0]
    return (picture.height_px, picture.width_px) if swapped else (picture.width_px, picture.height_px)


def cropped(picture: OpenPicture, crop: Crop | None) -> OpenPicture:
    """A part of a picture that was decoded at its full size; None is all of it.

    Raises:
        DecodeError: it does not lie within the picture.
    """
    if crop is None:
        return picture
    width, height = upright_size(picture)
    box = crop.within(width, height)
    if box is None:
        raise DecodeError(SkipReason.OUTSIDE_PICTURE, f"the crop {crop} is not within {width} x {height} px")
    swapped, mirrored, flipped = _TURNS[picture.orientation]
    across, down = (box[0], box[2]), (box[1], box[3])
    across = (width - across[1], width - across[0]) if mirrored else across
    down = (height - down[1], height - down[0]) if flipped else down
    (x, right), (y, bottom) = (down, across) if swapped else (across, down)
    rows, lines = picture.rows, picture.lines
    return replace(
        picture,
        width_px=right - x,
        height_px=bottom - y,
        rows=lambda x0, y0, x1, y1: rows(x + x0, y + y0, x + x1, y + y1),
        lines=lambda x0, y0, x1, y1, count: lines(x + x0, y + y0, x + x1, y + y1, count),
    )


def sample(picture: OpenPicture, axes: tuple[Axis, Axis], interpolation: str) -> PixelArray:
    """Resample a picture along two axes of its upright self. Result is (rows, columns, 3).

    The picture is not turned, its axes are: mirrored ones are sampled backwards, and a picture lying
    on its side is read by columns.
    """
    swapped, mirrored, flipped = _TURNS[picture.orientation]
    across = (axes[0].flipped() if mirrored else axes[0]).scaled(picture.eighths, 8)
    down = (axes[1].flipped() if flipped else axes[1]).scaled(picture.eighths, 8)
    needed = picture.held_bytes + resample_bytes(across, down, interpolation)
    check_memory(f"{picture.width_px} x {picture.height_px}, to resize it", needed, picture.memory_bytes)
    pixels = resample(_by_columns(picture.rows) if swapped else picture.rows, across, down, interpolation)
    return pixels[:: -1 if flipped else 1, :: -1 if mirrored else 1]


def _square(picture: OpenPicture, preprocessing: Preprocessing) -> PixelArray:
    """Return what the encoder sees of a picture; (crop_px, crop_px, 3)."""
    frame = frame_of(*upright_size(picture), preprocessing)
    pixels = sample(picture, (frame.across, frame.down), preprocessing.interpolation)
    rows, columns = pixels.shape[:2]
    if rows == columns == preprocessing.crop_px:
        return pixels
    square = np.empty((preprocessing.crop_px, preprocessing.crop_px, 3), np.uint8)
    square[:] = np.clip(np.rint(preprocessing.mean), 0, 255)
    square[frame.top : frame.top + rows, frame.left : frame.left + columns] = pixels
    return square


def _signature(picture: OpenPicture) -> Signature:
    """The signature of an upright picture, of lines as they are stored."""
    width, height = (-(-side * picture.eighths // 8) for side in (picture.width_px, picture.height_px))
    lines = picture.lines(0, 0, width, height, min(LINES, height))
    swapped, mirrored, flipped = _TURNS[picture.orientation]
    upright = lines.transpose(1, 0, 2) if swapped else lines
    return signature_of(upright[:: -1 if flipped else 1, :: -1 if mirrored else 1])


def _by_columns(rows: Rows) -> Rows:
    return lambda left, top, right, bottom: rows(top, left, bottom, right).transpose(1, 0, 2)


def _check_kind(image: object) -> None:
    from PIL import Image

    if isinstance(image, np.ndarray):
        _check_array(image)
    elif not isinstance(image, Image.Image):
        raise UsageError(
            f"a picture is a path, bytes, a PIL image or an (h, w, 3) uint8 array, not {type(image).__name__}"
        )


def _check_array(array: PixelArray) -> None:
    if array.ndim != 3 or array.shape[2] != 3 or array.dtype != np.uint8:
        raise UsageError(
            f"an image array must be (height, width, 3) uint8, RGB, not {array.shape} {array.dtype.name}"
        )


def opened(image: Image.Image | PixelArray) -> OpenPicture:
    """A picture that somebody has decoded already, to be sampled.

    Raises:
        DecodeError: the image has no pixels, or cannot be read.
    """
    return _from_array(image) if isinstance(image, np.ndarray) else _from_image(image)


def _from_array(array: PixelArray) -> OpenPicture:
    height, width = array.shape[:2]
    _check_area(width, height)
    return OpenPicture(width, height, 1, 8, *of_array(array))


def _from_image(image: Image.Image) -> OpenPicture:
    load(image)
    _check_area(*image.size)
    return OpenPicture(*image.size, orientation_of(image), 8, *rows_and_lines(image))


def _check_area(width: int, height: int) -> None:
    if not width or not height:
        raise DecodeError(SkipReason.ZERO_DIMENSION, f"{width} x {height} pixels")
