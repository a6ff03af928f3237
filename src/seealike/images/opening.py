"""A picture's bytes become rows of RGB: the one place that knows which decoder reads what."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from seealike.images import cost
from seealike.images.cost import Announce, unheard
from seealike.images.headers import JpegHeader, declared_size, is_cut, jpeg_header
from seealike.images.limits import DecodeError, DecodeLimits, too_large
from seealike.images.resample import Lines, Rows
from seealike.images.sniff import Format, sniff
from seealike.types import SkipReason

if TYPE_CHECKING:
    from PIL import Image

    from seealike.types import PixelArray

EIGHTHS = (1, 2, 4)
"""The reduced sizes that are tried, in eighths. Those between are slower than they save."""

WHOLE = 1 << 62
"""What to keep of a JPEG so that it is decoded at its full size."""


@dataclass(frozen=True, slots=True)
class OpenPicture:
    """A picture ready to hand out its pixels, as stored: before its orientation is applied.

    ``eighths`` says at which size ``rows`` and ``lines`` are: 8 is full, 4 half. It holds ``held_bytes``
    of memory, of the ``memory_bytes`` that it may.
    """

    width_px: int
    height_px: int
    orientation: int
    eighths: int
    rows: Rows
    lines: Lines
    held_bytes: int = 0
    memory_bytes: float = math.inf


def open_picture(
    data: bytes, limits: DecodeLimits, keep_px: int, announce: Announce = unheard
) -> OpenPicture:
    """Check and decode a picture's first frame.

    Args:
        data: the file's content.
        limits: what it may cost.
        keep_px: a JPEG is decoded at half, a quarter or an eighth of its size when its shorter side
            stays at least this.
        announce: told the number of pixels before they are decoded.

    Raises:
        DecodeError: it cannot be used.
    """
    if len(data) > limits.file_bytes:
        raise too_large(len(data), limits)
    kind = sniff(data)
    header = jpeg_header(data) if kind is Format.JPEG else None
    if header is not None:
        picture = _open_jpeg(data, header, limits, keep_px, announce)
        if picture is not None:
            return picture
    elif (size := declared_size(kind, data)) is not None:
        cost.check(kind, size, cost.before_opening(kind, size, len(data)), limits)
        announce(size[0] * size[1])
    try:
        return _open_with_pillow(kind, data, limits, keep_px, announce)
    except DecodeError as exc:
        if exc.reason is SkipReason.CORRUPT and "checksum" not in exc.detail and is_cut(kind, data):
            raise DecodeError(SkipReason.TRUNCATED, f"the file ends too early ({exc.detail})") from exc
        raise


def eighths_for(width_px: int, height_px: int, keep_px: int) -> int:
    """Return the smallest reduced size whose shorter side is at least ``keep_px``, in eighths."""
    short = min(width_px, height_px)
    return next((eighths for eighths in EIGHTHS if short * eighths >= keep_px * 8), 8)


def _open_jpeg(
    data: bytes, header: JpegHeader, limits: DecodeLimits, keep_px: int, announce: Announce
) -> OpenPicture | None:
    """Decode with libjpeg-turbo; ``None`` for whatever it does not take without a complaint."""
    import simplejpeg

    width, height = header.width_px, header.height_px
    eighths = eighths_for(width, height, keep_px)
    expected = cost.of_jpeg(header, len(data), eighths)
    cost.check(Format.JPEG, (width, height), expected, limits)
    announce(width * height)
    if header.components not in (1, 3):
        return None
    reduced = (-(-height * eighths // 8), -(-width * eighths // 8))
    try:
        pixels: PixelArray = simplejpeg.decode_jpeg(data, min_height=reduced[0], min_width=reduced[1])
    except (ValueError, RuntimeError):
        return None
    if pixels.shape != (*reduced, 3):
        return None
    orientation = _jpeg_orientation(data) if header.has_metadata else 1
    memory = expected.held_bytes, limits.memory_bytes
    return OpenPicture(width, height, orientation, eighths, *of_array(pixels), *memory)


def of_array(pixels: PixelArray) -> tuple[Rows, Lines]:
    """What hands out the pixels of a decoded picture; (h, w, 3) uint8."""

    def lines(left: int, top: int, right: int, bottom: int, count: int) -> PixelArray:
        places = top + ((np.arange(count) + 0.5) * (bottom - top) / count).astype(np.int64)
        return pixels.take(places, axis=0)[:, left:right]

    return lambda left, top, right, bottom: pixels[top:bottom, left:right], lines


def _jpeg_orientation(data: bytes) -> int:
    from seealike.images import pillow

    try:
        return pillow.orientation_of(pillow.open_image(Format.JPEG, data))
    except DecodeError:
        return 1


def _open_with_pillow(
    kind: Format, data: bytes, limits: DecodeLimits, keep_px: int, announce: Announce
) -> OpenPicture:
    from seealike.images import pillow

    image = pillow.open_image(kind, data)
    width, height = image.size
    eighths = _draft(kind, image, keep_px)
    header = jpeg_header(data) if kind is Format.JPEG else None
    expected = cost.of_jpeg(header, len(data), eighths) if header else cost.of_image(kind, image, len(data))
    cost.check(kind, (width, height), expected, limits)
    announce(width * height)
    pillow.load(image)
    if kind is not Format.JPEG:
        width, height = image.size
        cost.check(kind, image.size, cost.of_image(kind, image, len(data)), limits)
    orientation = 1 if kind is Format.HEIF else pillow.orientation_of(image)
    memory = expected.held_bytes, limits.memory_bytes
    return OpenPicture(width, height, orientation, eighths, *pillow.rows_and_lines(image), *memory)


def _draft(kind: Format, image: Image.Image, keep_px: int) -> int:
    width, height = image.size
    eighths = eighths_for(width, height, keep_px)
    if kind is not Format.JPEG or eighths == 8:
        return 8
    image.draft(None, (width * eighths // 8, height * eighths // 8))
    reduced = (-(-width * eighths // 8), -(-height * eighths // 8))
    return eighths if image.size == reduced else 8
