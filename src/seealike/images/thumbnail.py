"""Small re-encoded copies: upright, on white, and without any of the original's metadata."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING

import numpy as np

from seealike.images.cost import Announce, unheard
from seealike.images.decode import QUALITY_FACTOR, opened, sample, upright_size
from seealike.images.opening import OpenPicture, open_picture
from seealike.images.pillow import translated
from seealike.images.resample import Axis

if TYPE_CHECKING:
    from PIL import Image

    from seealike.images.limits import DecodeLimits
    from seealike.types import PixelArray

_QUALITY = 82


def thumbnail(data: bytes, side_px: int, limits: DecodeLimits, announce: Announce = unheard) -> bytes:
    """Return a JPEG whose longer side is at most ``side_px``; a smaller picture keeps its size.

    Nothing but the pixels goes over: no EXIF, XMP, GPS or ICC.

    Raises:
        DecodeError: the picture cannot be used.
    """
    with warnings.catch_warnings(), translated():
        warnings.simplefilter("ignore")
        return _encoded(open_picture(data, limits, QUALITY_FACTOR * side_px, announce), side_px)


def small_copy(image: Image.Image | PixelArray, side_px: int) -> bytes:
    """The same of a picture that somebody has decoded already, roughly: of a large one pixels are left out.

    Raises:
        DecodeError: the image has no pixels, or cannot be read.
    """
    with translated():
        return _encoded(opened(_thinned(image, QUALITY_FACTOR * side_px)), side_px)


def _thinned(image: Image.Image | PixelArray, least_px: int) -> Image.Image | PixelArray:
    """Every n-th pixel each way, so that the longer side keeps ``least_px``: resampling all takes long."""
    from PIL import Image

    height, width = image.shape[:2] if isinstance(image, np.ndarray) else image.size[::-1]
    step = max(1, max(width, height) // least_px)
    if isinstance(image, np.ndarray):
        return image[::step, ::step]
    if step == 1:
        return image
    size = max(1, width // step), max(1, height // step)
    return image.resize(size, Image.Resampling.NEAREST)  # it keeps the EXIF orientation


def _encoded(picture: OpenPicture, side_px: int) -> bytes:
    from PIL import Image, JpegImagePlugin

    del JpegImagePlugin  # imported so that Pillow knows how to save
    width, height = upright_size(picture)
    scale = max(1.0, max(width, height) / side_px)
    axes = (_whole_axis(width, scale), _whole_axis(height, scale))
    small = Image.fromarray(sample(picture, axes, "bicubic"))
    out = io.BytesIO()
    small.save(out, "JPEG", quality=_QUALITY, optimize=True)
    return out.getvalue()


def _whole_axis(length: int, scale: float) -> Axis:
    count = max(1, round(length / scale))
    return Axis(length, 0.0, length / count, count)
