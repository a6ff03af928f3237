"""Pixels of any size to the square an encoder wants: resize and cut the centre out, in one step.

The arithmetic is Pillow's antialiased convolution, in float32 and written as matrix products:
each output row is a weighted sum of few input rows, so a block of output rows is a small dense
matrix times the input rows it touches, and the same along the columns. Only the region that
survives the centre crop is ever computed. Nothing here knows file formats.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from seealike.errors import UnknownNameError
from seealike.types import Fit

if TYPE_CHECKING:
    import numpy.typing as npt

    from seealike.types import Area, Float32Array, PixelArray, Preprocessing

    Float64Array = npt.NDArray[np.float64]
    Int64Array = npt.NDArray[np.int64]

_ROWS, _COLUMNS = 14, 8
"""Output rows, or columns, per block: dense enough for BLAS, thin enough to multiply few zeros."""

Rows: TypeAlias = "Callable[[int, int, int, int], PixelArray]"
"""Hands out pixels: left, top, right, bottom to (bottom - top, right - left, 3) uint8."""

Lines: TypeAlias = "Callable[[int, int, int, int, int], PixelArray]"
"""Hands out so many of these rows, evenly spaced: each from the middle of its share of the height."""

_CHANNELS = 3
_SPAN = _COLUMNS * _CHANNELS
_STRIP_NUMBERS = 300_000
"""How much input is converted and narrowed at once: what fits into a core's cache."""


@dataclass(frozen=True, slots=True)
class Axis:
    """How one axis is sampled: output ``i`` is centred at ``start + (i + 0.5) * step`` input pixels."""

    length: int
    start: float
    step: float
    count: int

    def flipped(self) -> Axis:
        """The same samples, last first, on the mirrored axis."""
        return Axis(self.length, self.length - self.start - self.count * self.step, self.step, self.count)

    def scaled(self, numerator: int, denominator: int) -> Axis:
        """The same samples on pixels of ``denominator / numerator`` times the size."""
        if numerator == denominator:
            return self
        factor = numerator / denominator
        length = -(-self.length * numerator // denominator)
        return Axis(length, self.start * factor, self.step * factor, self.count)


@dataclass(frozen=True, slots=True)
class Kernel:
    """The weights of one axis, block by block.

    Shapes: starts is (blocks,), weights is (blocks, rows, width): output row ``b * rows + r`` is
    ``weights[b, r] @ input[starts[b] : starts[b] + width]``.
    """

    starts: tuple[int, ...]
    width: int
    weights: Float32Array


@dataclass(frozen=True, slots=True)
class Frame:
    """Where a picture's samples go in the square: ``left`` and ``top`` are 0 where they fill it."""

    across: Axis
    down: Axis
    left: int
    top: int


def frame_of(width_px: int, height_px: int, preprocessing: Preprocessing) -> Frame:
    """Return how a picture of this size gets into the square, in one step of resizing and cutting.

    Rounds as torchvision and timm do. Cropping: the longer side is truncated; padding: the shorter side is
    rounded, and of an odd border the smaller part comes first; always: the crop's corner is rounded half to
    even, but for ``Fit.CROP_FLOOR``, where it is rounded down.
    """
    across, left = _centred(width_px, height_px, preprocessing)
    down, top = _centred(height_px, width_px, preprocessing)
    return Frame(across, down, left, top)


def seen_area(width_px: int, height_px: int, preprocessing: Preprocessing) -> Area:
    """What of a picture of this size the square shows; more than all of it where the square is padded."""
    frame = frame_of(width_px, height_px, preprocessing)
    sides = ((frame.across, frame.left), (frame.down, frame.top))
    starts = [(axis.start - before * axis.step) / axis.length for axis, before in sides]
    lengths = [preprocessing.crop_px * axis.step / axis.length for axis, _ in sides]
    return starts[0], starts[1], lengths[0], lengths[1]


def _centred(length: int, other: int, preprocessing: Preprocessing) -> tuple[Axis, int]:
    """The axis of a side, and where its samples begin in the square."""
    crop, resized = preprocessing.crop_px, _resized(length, other, preprocessing)
    step = length / resized
    if resized < crop:
        return Axis(length, 0.0, step, resized), (crop - resized) // 2
    spare = resized - crop
    corner = spare // 2 if preprocessing.fit is Fit.CROP_FLOOR else round(spare / 2)
    return Axis(length, corner * step, step, crop), 0


def _resized(length: int, other: int, preprocessing: Preprocessing) -> int:
    """What a side's length becomes before the centre is cut out."""
    if preprocessing.fit is Fit.SQUASH:
        return preprocessing.resize_px
    if preprocessing.fit is Fit.PAD:
        return max(1, round(length / (max(length, other) / preprocessing.resize_px)))
    return preprocessing.resize_px * length // min(length, other)


def _cubic(x: Float64Array) -> Float64Array:
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x * x + 1.0
    far = ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
    return np.where(x < 1.0, near, np.where(x < 2.0, far, 0.0))


def _triangle(x: Float64Array) -> Float64Array:
    return np.maximum(1.0 - np.abs(x), 0.0)


def _lanczos(x: Float64Array) -> Float64Array:
    return np.where(np.abs(x) < 3.0, np.sinc(x) * np.sinc(x / 3.0), 0.0)


_FILTERS: dict[str, tuple[Callable[[Float64Array], Float64Array], float]] = {
    "bilinear": (_triangle, 1.0),
    "bicubic": (_cubic, 2.0),
    "lanczos": (_lanczos, 3.0),
}


def check_interpolation(name: str) -> None:
    """Refuse an interpolation nobody implements.

    Raises:
        UnknownNameError: with the known names.
    """
    if name not in _FILTERS:
        raise UnknownNameError("interpolation", name, _FILTERS)


@lru_cache(maxsize=32)
def kernel(axis: Axis, interpolation: str, block: int) -> Kernel:
    """Compute the weights of one axis, for blocks of ``block`` outputs."""
    shape, radius = _FILTERS[interpolation]
    stretch = max(axis.step, 1.0)
    reach = radius * stretch
    centres = axis.start + (np.arange(axis.count) + 0.5) * axis.step
    first = np.maximum((centres - reach + 0.5).astype(np.int64), 0)
    last = np.minimum((centres + reach + 0.5).astype(np.int64), axis.length)
    taps = first[:, None] + np.arange(int((last - first).max()))
    weights = shape((taps - centres[:, None] + 0.5) / stretch)
    weights[taps >= last[:, None]] = 0.0
    weights /= weights.sum(axis=1, keepdims=True)
    return _blocked(axis, block, (first, last), taps, weights)


def _blocked(
    axis: Axis, block: int, ends: tuple[Int64Array, Int64Array], taps: Int64Array, weights: Float64Array
) -> Kernel:
    blocks = -(-axis.count // block)
    tops = np.arange(blocks) * block
    bottoms = np.minimum(tops + block, axis.count) - 1
    first, last = ends
    width = int((last[bottoms] - first[tops]).max())
    starts = np.minimum(first[tops], axis.length - width)
    rows = np.arange(axis.count)
    columns = taps - starts[rows // block][:, None]
    # A tap beyond the block's window has weight zero: let it write that into a spare column.
    dense = np.zeros((blocks, block, width + 1), np.float32)
    dense[(rows // block)[:, None], (rows % block)[:, None], np.minimum(columns, width)] = weights
    return Kernel(tuple(starts.tolist()), width, np.ascontiguousarray(dense[:, :, :width]))


@lru_cache(maxsize=32)
def _interleaved_kernel(axis: Axis, interpolation: str) -> Kernel:
    """Return the kernel that acts on interleaved channels from the right.

    Shapes: weights is (blocks, width * 3, rows * 3).
    """
    plain = kernel(axis, interpolation, _COLUMNS)
    blocks, rows, width = plain.weights.shape
    spread = np.zeros((blocks, width * _CHANNELS, rows * _CHANNELS), np.float32)
    for channel in range(_CHANNELS):
        spread[:, channel::_CHANNELS, channel::_CHANNELS] = plain.weights.transpose(0, 2, 1)
    return Kernel(plain.starts, width, spread)


def resample_bytes(across: Axis, down: Axis, interpolation: str) -> int:
    """The most memory that ``resample`` takes beside the picture; much only for long and narrow ones."""
    _, radius = _FILTERS[interpolation]
    total = _STRIP_NUMBERS * 5
    for axis, block, channels in ((across, _COLUMNS, _CHANNELS), (down, _ROWS, 1)):
        stretch = max(axis.step, 1.0)
        taps = min(2 * radius * stretch + 2, axis.length)
        width = min((block + 2 * radius) * stretch + 2, axis.length)
        weights = -(-axis.count // block) * width * channels * block * channels
        total += int(4 * weights + 48 * axis.count * taps)
    rows = min(down.length, (down.count + 2 * radius) * max(down.step, 1.0))
    columns = across.count + _COLUMNS
    return total + int(4 * _CHANNELS * columns * (rows + down.count + _ROWS)) + 5 * _CHANNELS * across.length


def resample(rows: Rows, across: Axis, down: Axis, interpolation: str) -> PixelArray:
    """Resample a picture that hands out its pixels strip by strip.

    Args:
        rows: called with left, top, right, bottom; returns those pixels. Strips come in order.
        across: the horizontal axis.
        down: the vertical axis.
        interpolation: ``bicubic``, ``bilinear`` or ``lanczos``.

    Shapes: strips are (bottom - top, right - left, 3) uint8; the result is (down.count,
        across.count, 3) uint8, C-contiguous.
    """
    vertical = kernel(down, interpolation, _ROWS)
    horizontal = _interleaved_kernel(across, interpolation)
    top, bottom = vertical.starts[0], vertical.starts[-1] + vertical.width
    narrow = np.empty((bottom - top, len(horizontal.starts) * _SPAN), np.float32)
    width = horizontal.starts[-1] + horizontal.width - horizontal.starts[0]
    strip = max(1, _STRIP_NUMBERS // (width * _CHANNELS))
    for at in range(top, bottom, strip):
        end = min(at + strip, bottom)
        _narrowed(rows, at, end, horizontal, narrow[at - top : end - top])
    _round(narrow)
    result = np.empty((len(vertical.starts) * _ROWS, narrow.shape[1]), np.float32)
    for block, start in enumerate(vertical.starts):
        window = narrow[start - top : start - top + vertical.width]
        np.matmul(vertical.weights[block], window, out=result[block * _ROWS : (block + 1) * _ROWS])
    result = result[: down.count, : across.count * _CHANNELS]
    result += 0.5
    np.clip(result, 0.0, 255.0, out=result)
    return result.astype(np.uint8).reshape(down.count, across.count, _CHANNELS)  # bytes drop fractions


def _narrowed(
    rows: Rows,
    top: int,
    bottom: int,
    horizontal: Kernel,
    narrow: Float32Array,
) -> None:
    """Resample one strip along its rows, into ``narrow``."""
    left, right = horizontal.starts[0], horizontal.starts[-1] + horizontal.width
    strip = rows(left, top, right, bottom).astype(np.float32).reshape(bottom - top, -1)
    for block, start in enumerate(horizontal.starts):
        window = strip[:, (start - left) * _CHANNELS : (start - left + horizontal.width) * _CHANNELS]
        np.matmul(window, horizontal.weights[block], out=narrow[:, block * _SPAN : (block + 1) * _SPAN])


def _round(levels: Float32Array) -> None:
    """Make whole levels of 0 to 255, in place: Pillow keeps bytes between the two passes as well."""
    levels += 0.5
    np.floor(levels, out=levels)
    np.clip(levels, 0.0, 255.0, out=levels)
