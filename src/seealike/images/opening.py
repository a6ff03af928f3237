"""A picture's bytes become rows of RGB: the one place that knows which decoder reads what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from seealike.images.headers import JpegHeader, declared_size, is_cut, jpeg_header
from seealike.images.limits import MEGA, DecodeError, DecodeLimits
from seealike.images.resample import Rows
from seealike.images.sniff import Format, sniff
from seealike.types import SkipReason

if TYPE_CHECKING:
    from PIL import Image

    from seealike.types import PixelArray

EIGHTHS = (1, 2, 4)
"""The reduced sizes that are tried, in eighths. Those between are slower than they save."""

_COSTLY = frozenset({Format.WEBP, Format.AVIF, Format.HEIF})


@dataclass(frozen=True, slots=True)
class OpenPicture:
    """A picture ready to hand out its pixels, as stored: before its orientation is applied.

    ``eighths`` says at which size ``rows`` are: 8 is full, 4 half. ``rows`` takes left, top, right,
    bottom at that size and returns (bottom - top, right - left, 3) uint8.
    """

    width_px: int
    height_px: int
    orientation: int
    eighths: int
    rows: Rows


def open_picture(data: bytes, limits: DecodeLimits, keep_px: int) -> OpenPicture:
    """Check and decode a picture's first frame.

    Args:
        data: the file's content.
        limits: what it may cost.
        keep_px: a JPEG is decoded at half, a quarter or an eighth of its size when its shorter side
            stays at least this.

    Raises:
        DecodeError: it cannot be used.
    """
    if len(data) > limits.file_bytes:
        raise DecodeError(
            SkipReason.FILE_TOO_LARGE,
            f"{len(data) / MEGA:.0f} MB, the limit is {limits.file_bytes / MEGA:.0f} MB",
        )
    kind = sniff(data)
    size = declared_size(kind, data)
    if size is not None:
        check_size(kind, size, limits)
    if kind is Format.JPEG and (header := jpeg_header(data)):
        picture = _open_jpeg(data, header, keep_px)
        if picture is not None:
            return picture
    try:
        return _open_with_pillow(kind, data, limits, keep_px)
    except DecodeError as exc:
        if exc.reason is SkipReason.CORRUPT and "checksum" not in exc.detail and is_cut(kind, data):
            raise DecodeError(SkipReason.TRUNCATED, f"the file ends too early ({exc.detail})") from exc
        raise


def check_size(kind: Format, size: tuple[int, int], limits: DecodeLimits) -> None:
    """Refuse a picture by the size its header states.

    Raises:
        DecodeError: no pixels, or too many.
    """
    width, height = size
    if width <= 0 or height <= 0:
        raise DecodeError(SkipReason.ZERO_DIMENSION, f"{width} x {height} pixels")
    cap = limits.costly_pixels if kind in _COSTLY else limits.pixels
    if width * height > cap:
        raise DecodeError(
            SkipReason.TOO_MANY_PIXELS,
            f"{width} x {height} is {width * height / MEGA:.1f} megapixels, the limit for {kind.value} is "
            f"{cap / MEGA:.0f}",
        )


def eighths_for(width_px: int, height_px: int, keep_px: int) -> int:
    """Return the smallest reduced size whose shorter side is at least ``keep_px``, in eighths."""
    short = min(width_px, height_px)
    return next((eighths for eighths in EIGHTHS if short * eighths >= keep_px * 8), 8)


def _open_jpeg(data: bytes, header: JpegHeader, keep_px: int) -> OpenPicture | None:
    """Decode with libjpeg-turbo; ``None`` for whatever it does not take without a complaint."""
    import simplejpeg

    if header.components not in (1, 3):
        return None
    width, height = header.width_px, header.height_px
    eighths = eighths_for(width, height, keep_px)
    reduced = (-(-height * eighths // 8), -(-width * eighths // 8))
    try:
        pixels: PixelArray = simplejpeg.decode_jpeg(data, min_height=reduced[0], min_width=reduced[1])
    except (ValueError, RuntimeError):
        return None
    if pixels.shape != (*reduced, 3):
        return None
    orientation = _jpeg_orientation(data) if header.has_metadata else 1
    return OpenPicture(width, height, orientation, eighths, lambda x0, y0, x1, y1: pixels[y0:y1, x0:x1])


def _jpeg_orientation(data: bytes) -> int:
    from seealike.images import pillow

    try:
        return pillow.orientation_of(pillow.open_image(Format.JPEG, data))
    except DecodeError:
        return 1


def _open_with_pillow(kind: Format, data: bytes, limits: DecodeLimits, keep_px: int) -> OpenPicture:
    from seealike.images import pillow

    image = pillow.open_image(kind, data)
    check_size(kind, image.size, limits)
    width, height = image.size
    eighths = _draft(kind, image, keep_px)
    pillow.load(image)
    if kind is not Format.JPEG:
        width, height = image.size
        check_size(kind, image.size, limits)
    orientation = 1 if kind is Format.HEIF else pillow.orientation_of(image)
    return OpenPicture(width, height, orientation, eighths, pillow.rows_of(image))


def _draft(kind: Format, image: Image.Image, keep_px: int) -> int:
    width, height = image.size
    eighths = eighths_for(width, height, keep_px)
    if kind is not Format.JPEG or eighths == 8:
        return 8
    image.draft(None, (width * eighths // 8, height * eighths // 8))
    reduced = (-(-width * eighths // 8), -(-height * eighths // 8))
    return eighths if image.size == reduced else 8
