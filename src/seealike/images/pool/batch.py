"""What goes into the decoding processes and what comes out, as values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seealike.types import Crop, PixelArray, Refused, SameFile, Signature


@dataclass(frozen=True, slots=True)
class DecodeTask:
    """One picture to decode: either a file or the bytes of one.

    ``token`` is the caller's and comes back unchanged. ``path`` is in the file system's own decoding
    (``os.fsdecode``). A file whose SHA-256 is ``known_sha256`` is not decoded. ``crop`` is the part that is
    the picture; None is all of it.
    """

    token: int
    path: str | None = None
    data: bytes | None = None
    known_sha256: bytes | None = None
    crop: Crop | None = None


@dataclass(frozen=True, slots=True)
class DecodedPicture:
    """A decoded picture. ``width_px`` and ``height_px`` are the original's, upright; so is the signature.

    For bytes, ``mtime_ns`` is 0.
    """

    token: int
    sha256: bytes
    width_px: int
    height_px: int
    size_bytes: int
    mtime_ns: int
    signature: Signature


@dataclass(frozen=True, slots=True)
class DecodedBatch:
    """What became of some tasks.

    ``pixels`` is only valid until ``release`` is called, which gives its memory back to the pool;
    any thread may do so, and calling it again does nothing.

    Shapes: pixels is (m, crop_px, crop_px, 3) uint8, RGB, C-contiguous; row i is ``pictures[i]``.
    """

    pixels: PixelArray
    pictures: tuple[DecodedPicture, ...]
    same: tuple[SameFile, ...]
    refused: tuple[Refused, ...]
    _give_back: Callable[[], None] = field(repr=False)

    def release(self) -> None:
        """Give the memory of ``pixels`` back."""
        self._give_back()
