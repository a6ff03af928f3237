"""Small re-encoded copies: upright, on white, and without any of the original's metadata."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING

from seealike.images.cost import Announce, unheard
from seealike.images.decode import QUALITY_FACTOR, sample, upright_size
from seealike.images.opening import open_picture
from seealike.images.pillow import translated
from seealike.images.resample import Axis

if TYPE_CHECKING:
    from seealike.images.limits import DecodeLimits

_QUALITY = 82


def thumbnail(data: bytes, side_px: int, limits: DecodeLimits, announce: Announce = unheard) -> bytes:
    """Return a JPEG whose longer side is at most ``side_px``; a smaller picture keeps its size.

    Nothing but the pixels goes over: no EXIF, XMP, GPS or ICC.

    Raises:
        DecodeError: the picture cannot be used.
    """
    from PIL import Image, JpegImagePlugin

    del JpegImagePlugin  # imported so that Pillow knows how to save
    with warnings.catch_warnings(), translated():
        warnings.simplefilter("ignore")
        picture = open_picture(data, limits, QUALITY_FACTOR * side_px, announce)
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
