"""Bytes to pixels: every picture becomes a square of RGB, or has a reason why not.

The decoding runs in processes of its own (:class:`DecodePool`), which no picture can hurt for long.
"""

from seealike.images.decode import DecodedPixels, decode, prepare
from seealike.images.limits import DecodeError, DecodeLimits
from seealike.images.pool.batch import DecodedBatch, DecodedPicture, DecodeTask
from seealike.images.pool.decode_pool import DecodePool
from seealike.images.resample import seen_area
from seealike.images.thumbnail import small_copy

__all__ = [
    "DecodeError",
    "DecodeLimits",
    "DecodePool",
    "DecodeTask",
    "DecodedBatch",
    "DecodedPicture",
    "DecodedPixels",
    "decode",
    "prepare",
    "seen_area",
    "small_copy",
]
