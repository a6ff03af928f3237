"""Pillow behind a border: its plugins one at a time, its modes as RGB, its exceptions as reasons."""

from __future__ import annotations

import importlib
import io
import re
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from seealike.images.limits import DecodeError
from seealike.images.resample import Lines, Rows
from seealike.images.sniff import Format
from seealike.types import SkipReason

if TYPE_CHECKING:
    from PIL import Image

    from seealike.types import PixelArray

_PLUGINS = {
    Format.JPEG: "PIL.JpegImagePlugin",
    Format.PNG: "PIL.PngImagePlugin",
    Format.WEBP: "PIL.WebPImagePlugin",
    Format.GIF: "PIL.GifImagePlugin",
    Format.BMP: "PIL.BmpImagePlugin",
    Format.TIFF: "PIL.TiffImagePlugin",
    Format.AVIF: "PIL.AvifImagePlugin",
    Format.HEIF: "pillow_heif.HeifImagePlugin",
}
_ORIENTATION_TAG = 0x0112
_STRIP_PIXELS = 200_000
_TRUNCATED = re.compile(
    r"truncat|premature|unexpected end|end of (?:file|data|image)|\beof\b|not enough|incomplete|too short",
    re.IGNORECASE,
)
_UNSUPPORTED = re.compile(
    r"unsupported|not supported|not implemented|unknown (?:pixel|raw|image)? ?mode", re.IGNORECASE
)
_MEMORY = re.compile(
    r"out of memory|memory error|cannot allocate|allocation fail|insufficient memory", re.IGNORECASE
)


@contextmanager
def translated() -> Iterator[None]:
    """Turn whatever a decoder raises into a reason of the closed list."""
    try:
        yield
    except DecodeError:
        raise
    except Exception as exc:  # on broken files Pillow raises nearly every class there is
        raise DecodeError(_reason(exc), _detail(exc)) from exc


def _detail(exc: Exception) -> str:
    if isinstance(exc, MemoryError):
        return "the decoder ran out of memory"
    return f"{type(exc).__name__}: {exc}"


def _reason(exc: Exception) -> SkipReason:
    from PIL import Image

    text = str(exc)
    if isinstance(exc, MemoryError) or _MEMORY.search(text):
        return SkipReason.OUT_OF_MEMORY
    if isinstance(exc, Image.DecompressionBombError):
        return SkipReason.TOO_MANY_PIXELS
    if isinstance(exc, EOFError | struct.error) or _TRUNCATED.search(text):
        return SkipReason.TRUNCATED
    if isinstance(exc, NotImplementedError) or _UNSUPPORTED.search(text):
        return SkipReason.UNSUPPORTED_FORMAT
    return SkipReason.CORRUPT


def load_plugin(kind: Format) -> None:
    """Make Pillow know a format, and no other.

    Raises:
        DecodeError: this Pillow cannot read it.
    """
    from PIL import Image, features

    try:
        plugin = importlib.import_module(_PLUGINS[kind])
    except ImportError:
        extra = " (pip install 'seealike[heic]')" if kind is Format.HEIF else ""
        raise DecodeError(
            SkipReason.MISSING_EXTRA, f"no decoder for {kind.value} is installed{extra}"
        ) from None
    if kind in (Format.WEBP, Format.AVIF) and not features.check(kind.value.lower()):
        raise DecodeError(SkipReason.MISSING_EXTRA, f"this Pillow was built without {kind.value}")
    # One thread: CPU time and memory must not depend on the number of cores.
    if kind is Format.AVIF:
        plugin.DEFAULT_MAX_THREADS = 1  # type: ignore[attr-defined]
    elif kind is Format.HEIF:
        importlib.import_module("pillow_heif").options.DECODE_THREADS = 1
    if kind.value not in Image.OPEN:
        raise DecodeError(SkipReason.MISSING_EXTRA, f"no decoder for {kind.value} is installed")


def open_image(kind: Format, data: bytes) -> Image.Image:
    """Read a picture's header with the one plugin that is meant for it.

    Raises:
        DecodeError: it cannot.
    """
    from PIL import Image

    load_plugin(kind)
    with translated():
        factory, _ = Image.OPEN[kind.value]
        return factory(io.BytesIO(data), "")


def load(image: Image.Image) -> None:
    """Decode the frame that the image is at.

    Raises:
        DecodeError: it cannot be.
    """
    with translated():
        image.load()


def orientation_of(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 to 8, that is still to be applied; 1 where nothing sane is stated.

    Pillow's AVIF plugin does not turn the picture, but states the container's rotation as an EXIF
    orientation. That, and not the EXIF orientation the file came with, is what counts there.
    """
    from PIL import Image

    try:
        if image.format == Format.AVIF:
            exif = Image.Exif()
            exif.load(image.info.get("exif", b""))
        else:
            exif = image.getexif()
        orientation = exif.get(_ORIENTATION_TAG, 1)
    except Exception:  # noqa: BLE001 - broken metadata does not make a picture unusable
        return 1
    return orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1


def rows_and_lines(image: Image.Image) -> tuple[Rows, Lines]:
    """Return what hands out the pixels of a loaded image as RGB on white."""
    from PIL import Image

    to_rgb = _converter(image)

    def rows(left: int, top: int, right: int, bottom: int) -> PixelArray:
        with translated():
            return to_rgb(image.crop((left, top, right, bottom)))

    def lines(left: int, top: int, right: int, bottom: int, count: int) -> PixelArray:
        size, box = (right - left, count), (left, top, right, bottom)
        with translated():
            return to_rgb(image.resize(size, Image.Resampling.NEAREST, box))

    return rows, lines


def _converter(image: Image.Image) -> Callable[[Image.Image], PixelArray]:
    if image.mode.startswith("I;16"):
        return lambda strip: _grey(np.asarray(strip).astype(np.float32) / 257.0)
    if image.mode in ("I", "F"):
        low, high = _range(image)
        return lambda strip: _grey(
            (np.nan_to_num(np.asarray(strip, np.float32)) - low) * (255.0 / (high - low))
        )
    if image.has_transparency_data:
        return _on_white
    return lambda strip: np.asarray(strip if strip.mode == "RGB" else strip.convert("RGB"))


def _grey(levels: np.ndarray) -> PixelArray:
    grey = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)


def _range(image: Image.Image) -> tuple[float, float]:
    """Return the values that become black and white in a picture whose mode does not say."""
    low, high = np.inf, -np.inf
    rows = max(1, _STRIP_PIXELS // image.width)
    for top in range(0, image.height, rows):
        strip = np.asarray(image.crop((0, top, image.width, min(top + rows, image.height))))
        strip = strip[np.isfinite(strip)]
        if strip.size:
            low, high = min(low, float(strip.min())), max(high, float(strip.max()))
    usual = (1.0, 255.0, 65535.0) if image.mode == "F" else (255.0, 65535.0)
    for white in usual:
        if low >= 0.0 and high <= white:
            return 0.0, white
    return (low, high) if high > low else (low - 1.0, low + 1.0) if np.isfinite(low) else (0.0, 1.0)


def _on_white(strip: Image.Image) -> PixelArray:
    from PIL import Image

    layered = (strip.convert("LA") if strip.mode == "La" else strip).convert("RGBA")
    white = Image.new("RGB", strip.size, (255, 255, 255))
    white.paste(layered, mask=layered)
    return np.asarray(white)
