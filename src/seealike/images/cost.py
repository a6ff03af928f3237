"""What decoding will cost, foretold from a picture's header before anything is decoded.

The bytes a pixel are upper bounds of what was measured at the peak, with the libraries that Pillow brings.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from seealike.images.limits import MEGA, DecodeError, DecodeLimits
from seealike.images.sniff import Format
from seealike.types import SkipReason

if TYPE_CHECKING:
    from PIL import Image

    from seealike.images.headers import JpegHeader

Announce: TypeAlias = Callable[[int], None]
"""Called with the number of pixels that will be decoded, when it is known; possibly more than once."""

OVERHEAD_BYTES = 24 * MEGA
"""Decoders' tables and buffers, a strip of pixels, what imports leave behind."""

# Frames, planes and copies that exist at once, and those that stay when the picture is loaded.
_WEBP_PEAK, _AVIF_PEAK, _HEIF_PEAK, _HELD = 16.5, 15.0, 15.0, 12.0
_ALPHA_MORE = 3.0
_MODE_BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16L": 2, "I;16B": 2, "I;16N": 2}
_RLE_MORE = 3
_BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLES = 258, 259, 262, 277
_ROWS_PER_STRIP, _TILE_WIDTH, _TILE_HEIGHT = 278, 322, 323
_YCBCR = 6


def unheard(_: int) -> None:
    """An announcement that nobody needs."""


@dataclass(frozen=True, slots=True)
class Cost:
    """The memory that decoding takes at its peak, and what of it stays while the pixels are read."""

    peak_bytes: int
    held_bytes: int


def of_jpeg(header: JpegHeader, file_bytes: int, eighths: int) -> Cost:
    """What a JPEG costs that is decoded at ``eighths`` of its size.

    A baseline one is decoded row by row, whatever its size. Of others all coefficients are in memory.
    """
    pixels = header.width_px * header.height_px * eighths * eighths // 64
    held = file_bytes + OVERHEAD_BYTES + 4 * pixels
    return Cost(held + header.coefficient_bytes, held)


def before_opening(kind: Format, size: tuple[int, int], file_bytes: int) -> Cost:
    """The least that a picture costs of which only the size is known. Opening a WebP takes its memory."""
    if kind is Format.WEBP:
        return _of_frames(size, file_bytes, _WEBP_PEAK)
    held = file_bytes + OVERHEAD_BYTES + size[0] * size[1]
    return Cost(held, held)


def of_image(kind: Format, image: Image.Image, file_bytes: int) -> Cost:
    """What an image costs that Pillow has opened and not loaded yet."""
    alpha = _ALPHA_MORE if "A" in image.mode else 0.0
    if kind is Format.WEBP:
        return _of_frames(image.size, file_bytes, _WEBP_PEAK)
    if kind is Format.AVIF:
        return _of_frames(image.size, file_bytes, _AVIF_PEAK + alpha)
    if kind is Format.HEIF:
        return _of_frames(image.size, file_bytes, _HEIF_PEAK + alpha)
    pixels = image.width * image.height
    held = file_bytes + OVERHEAD_BYTES + _MODE_BYTES.get(image.mode, 4) * pixels
    if kind is Format.TIFF:
        return Cost(held + _piece_bytes(image), held)
    unpacked = _RLE_MORE * pixels if kind is Format.BMP and image.info.get("compression") else 0
    return Cost(held + unpacked, held)


def _of_frames(size: tuple[int, int], file_bytes: int, peak: float) -> Cost:
    pixels = size[0] * size[1]
    copies = 2 * file_bytes + OVERHEAD_BYTES
    return Cost(copies + int(peak * pixels), copies + int(_HELD * pixels))


def _piece_bytes(image: Image.Image) -> int:
    """The bytes of a TIFF's strip or tile, unpacked: whole, where it is compressed at all."""
    tags: dict[int, object] = getattr(image, "tag_v2", {})
    if tags.get(_COMPRESSION, 1) == 1:
        return 0
    bits = tags.get(_BITS, 8)
    bits = max(bits, default=8) if isinstance(bits, tuple) else bits
    pixel = max(1, int(str(bits)) * int(str(tags.get(_SAMPLES, 1))) // 8)
    if tags.get(_PHOTOMETRIC) == _YCBCR:  # read as RGBA
        pixel = 4
    if _TILE_WIDTH in tags:
        return pixel * int(str(tags[_TILE_WIDTH])) * int(str(tags.get(_TILE_HEIGHT, 1)))
    rows = min(int(str(tags.get(_ROWS_PER_STRIP, image.height))), image.height)
    return pixel * image.width * rows


def check(kind: Format, size: tuple[int, int], cost: Cost, limits: DecodeLimits) -> None:
    """Refuse a picture by what its header states.

    Raises:
        DecodeError: no pixels, too many, or more memory than one picture may take.
    """
    width, height = size
    if width <= 0 or height <= 0:
        raise DecodeError(SkipReason.ZERO_DIMENSION, f"{width} x {height} pixels")
    said = f"{width} x {height} is {width * height / MEGA:.1f} megapixels"
    if width * height > limits.pixels:
        raise DecodeError(SkipReason.TOO_MANY_PIXELS, f"{said}, the limit is {limits.pixels / MEGA:g}")
    check_memory(f"{said}, as {kind.value}", cost.peak_bytes, limits.memory_bytes)


def check_memory(said: str, needed_bytes: int, limit_bytes: float) -> None:
    """Refuse a picture whose decoding would take too much memory.

    Raises:
        DecodeError: it would.
    """
    if needed_bytes > limit_bytes:
        raise DecodeError(
            SkipReason.TOO_MANY_PIXELS,
            f"{said}: it would take {needed_bytes / MEGA:.0f} MB of memory, "
            f"the limit is {limit_bytes / MEGA:.0f}",
        )
