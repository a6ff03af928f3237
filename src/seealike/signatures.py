"""A picture's colours and its coarse shape in some bytes, and how two of them compare.

Both are made of some whole lines of the picture as they are, at a tenth of the cost of decoding it.
Nothing here knows files, catalogues or encoders.

**Colour** (``COLOUR_BYTES``): which colours the thing in a picture has, and how much of each. Pixels fall
into soft bins: the points of a body-centred cubic lattice in OKLab, lightness at ``_LIGHTNESS`` of its size,
because shade changes it and leaves the hue. A pixel counts more in the centre, and less the more of the
picture's border has its colour: what is all round is the ground. The square roots of the bins, of norm 1, are
the signature; so the product of two is the Bhattacharyya coefficient of two distributions, in [0, 1]. For two
plain colours at a distance d that is about ``exp(-d^2 / (8 sigma^2))``.

**Hash** (``HASH_BYTES``): the lowest 24 x 24 frequencies of the cosine transform of a picture, squashed to a
square: of its green, which is most of its lightness. They are row by row, vertical frequency first; each is a
signed byte, ``127 sqrt(|c| / max |c|)`` with the sign of ``c``, and 0 for the mean, which comes first. Where
one picture is the other made smaller or larger, compressed anew, or with other brightness, contrast or tint,
nearly all signs of the lower frequencies are the same; of two unlike pictures, about half. In a picture
flipped left to right the odd horizontal frequencies change their signs, and no others. A plain picture has
zeros.

Source: Ottosson, "A perceptual color space for image processing", 2020 (OKLab); Swain and Ballard, "Color
Indexing", 1991 (histograms, their backprojection); Arandjelovic and Zisserman, "Three things everyone should
know to improve object retrieval", 2012 (square roots of histograms); Wei et al., "Geodesic Saliency Using
Background Priors", 2012 (the border is ground); Zauner, "Implementation and Benchmarking of Perceptual Image
Hash Functions", 2010 (pHash).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from seealike.errors import UsageError
from seealike.types import Signature
from seealike.wording import closest, did_you_mean

if TYPE_CHECKING:
    import numpy.typing as npt

    from seealike.types import Float32Array, Int64Array, PixelArray

    Float64Array = npt.NDArray[np.float64]

LINES = 128  # of a picture, that its signature is made of
COLOUR_BYTES = 87  # as many as the lattice has points that are nearest to some colour of a screen
HASH_BYTES = 24 * 24

_LIGHTNESS = 0.6
_LATTICE = 0.12
_SIGMA = 0.04  # of a soft bin; neighbours are 0.104 apart
_LEVELS = 16  # of red, of green and of blue, that are told apart
_PLACES = np.array([_LEVELS**2, _LEVELS, 1], dtype=np.float32)
_GRID = 40  # pixels looked at, each way
_SPREAD = 0.6  # of the centre's weight, in halves of a side
_RIM = 3  # of them, on each side, are border
_GROUND = 3.0  # a colour that all of the border has keeps 1 / (1 + 3)^2 of its weight, and more where it is
_FLOOR = 0.02  # most of the picture; this much at least, for things of their ground's own colour

_FREQUENCIES = 24
_COLUMNS = 192  # of a line that are looked at, or up to twice as many: every one, every second and so on
_STILL = 1e-3  # grey levels; a picture whose frequencies are weaker is plain


def signature_of(lines: PixelArray) -> Signature:
    """The signature of an upright picture.

    Shapes: lines is (h, w, 3) uint8, RGB: evenly spaced lines (or columns) of it, about ``LINES``, and whole.
    """
    return Signature(colour=_colour_of(lines), hash=_hash_of(lines))


class WantedColour(NamedTuple):
    """A colour as it was written, as red, green and blue, and how much of it is wanted beside others."""

    name: str
    rgb: tuple[int, int, int]
    weight: float


def palette_colours(text: str) -> list[WantedColour]:
    """Colours as people write them: ``#c0392b``, ``red:2,#fff``.

    Each is ``#rgb``, ``#rrggbb`` or a name of CSS, and may have a weight; without one it is 1.

    Raises:
        UsageError: it is no palette.
    """
    from PIL import ImageColor

    found = []
    for entry in text.split(","):
        name, _, weight = (part.strip() for part in entry.partition(":"))
        try:
            red, green, blue = ImageColor.getrgb(name)[:3]
            found.append(WantedColour(name, (red, green, blue), float(weight or 1)))
        except ValueError:
            meant = did_you_mean(closest(name, ImageColor.colormap)) or "write '#c0392b:2,white'"
            raise UsageError(f"{entry.strip()!r} is no colour of a palette; {meant}") from None
    if not all(0 < colour.weight < math.inf for colour in found):
        raise UsageError(f"the weights of the palette {text!r} must be numbers greater than 0")
    return found


def palette_signature(text: str) -> bytes:
    """The colour signature of a thing of the colours that ``palette_colours`` reads, and raises about."""
    wanted = palette_colours(text)
    shares = np.array([colour.weight for colour in wanted]) / sum(colour.weight for colour in wanted)
    cells = _cells(np.array([colour.rgb for colour in wanted], dtype=np.uint8))
    return _packed(shares @ _soft_bins()[cells])


def colour_levels(signatures: Sequence[bytes]) -> Float32Array:
    """Colour signatures as rows. Whole numbers: their products are exact, in whatever order they are summed.

    How alike two are is their cosine, in [0, 1]. Shapes: the result is (n, COLOUR_BYTES).
    """
    joined = np.frombuffer(b"".join(signatures), dtype=np.uint8)
    return joined.reshape(-1, COLOUR_BYTES).astype(np.float32)


# -- colour ----------------------------------------------------------------------------------------


def _colour_of(lines: PixelArray) -> bytes:
    grid, centre, rim = _looked_at(*lines.shape[:2])
    cells = _cells(lines.reshape(-1, 3).take(grid, axis=0))
    whole, border = (np.bincount(cells, weights, _LEVELS**3) for weights in (centre, rim))
    used = (whole > 0).nonzero()[0]
    bins = _soft_bins()[used]
    found, round_it = whole[used] @ bins, border[used] @ bins
    inside = found / (found + _GROUND * round_it + 1e-12)
    return _packed(found * (inside**2 + _FLOOR))


@lru_cache(maxsize=64)
def _looked_at(height: int, width: int) -> tuple[Int64Array, Float64Array, Float64Array]:
    """The pixels of a grid, and how much each counts, of 1 together: in the whole picture, and in its border.

    Shapes: three times (m,); pixels are numbered line by line.
    """
    rows, columns = _spaced(height), _spaced(width)
    down, across = (
        np.exp(-((((np.arange(len(places)) + 0.5) * 2 / len(places) - 1) / _SPREAD) ** 2) / 2)
        for places in (rows, columns)
    )
    centre = np.outer(down, across)
    rim = np.ones(centre.shape)
    rim[_RIM:-_RIM, _RIM:-_RIM] = 0.0
    grid = rows[:, None] * width + columns
    return grid.ravel(), (centre / centre.sum()).ravel(), (rim / rim.sum()).ravel()


def _spaced(length: int) -> Int64Array:
    """At most ``_GRID`` places, evenly spaced over a length and in the middle of their shares of it."""
    count = min(length, _GRID)
    return ((np.arange(count) + 0.5) * length / count).astype(np.int64)


def _cells(pixels: PixelArray) -> Int64Array:
    """Which of the ``_LEVELS``^3 colours each pixel has. Shapes: (m, 3) to (m,)."""
    return np.asarray(((pixels >> 4).astype(np.float32) @ _PLACES).astype(np.int64))


def _packed(shares: npt.NDArray[np.floating]) -> bytes:
    levels: PixelArray = np.rint(255 * np.sqrt(shares / shares.sum())).astype(np.uint8)
    return levels.tobytes()


@lru_cache(maxsize=1)
def _soft_bins() -> Float32Array:
    """How each colour is shared out among the bins, of 1 together. Shapes: (_LEVELS^3, COLOUR_BYTES)."""
    levels = (np.arange(_LEVELS) + 0.5) * (256 / _LEVELS)
    colours = _oklab(np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(-1, 3))
    places = (colours * (_LIGHTNESS, 1.0, 1.0)).astype(np.float32)
    bins = _lattice(places)
    squared = (places**2).sum(axis=1)[:, None] - 2 * places @ bins.T + (bins**2).sum(axis=1)
    shares: Float32Array = np.exp(squared / (-2 * _SIGMA**2))
    shares /= shares.sum(axis=1, keepdims=True)
    return shares


def _lattice(places: Float32Array) -> Float32Array:
    """The lattice points that are nearest to one of the places; a point is in the cube around its place."""
    cubes = np.rint(places / _LATTICE).astype(np.int64)
    centres = np.floor(places / _LATTICE).astype(np.int64)
    to_cube = ((places - cubes * _LATTICE) ** 2).sum(axis=1)
    to_centre = ((places - (centres + 0.5) * _LATTICE) ** 2).sum(axis=1)
    doubled = np.where((to_cube <= to_centre)[:, None], 2 * cubes, 2 * centres + 1)
    return (np.unique(doubled, axis=0) * (_LATTICE / 2)).astype(np.float32)


def _oklab(rgb: Float64Array) -> Float64Array:
    """sRGB of 0 to 255 as OKLab. Shapes: (n, 3) both."""
    share = rgb / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    cones = linear @ [
        [0.4122214708, 0.2119034982, 0.0883024619],
        [0.5363325363, 0.6806995451, 0.2817188376],
        [0.0514459929, 0.1073969566, 0.6299787005],
    ]
    lab: Float64Array = np.cbrt(cones) @ [
        [0.2104542553, 1.9779984951, 0.0259040371],
        [0.7936177850, -2.4285922050, 0.7827717662],
        [-0.0040720468, 0.4505937099, -0.8086757660],
    ]
    return lab


# -- hash ------------------------------------------------------------------------------------------


def _hash_of(lines: PixelArray) -> bytes:
    height, width = lines.shape[:2]
    step = max(1, width // _COLUMNS)
    green = lines[:, ::step, 1].astype(np.float32)
    strengths = _cosines(height, 1).T @ (green @ _cosines(width, step))
    strengths[0, 0] = 0.0
    levels = np.abs(strengths)
    most = levels.max()
    if most < _STILL:
        return bytes(HASH_BYTES)
    np.sqrt(levels / most, out=levels)
    whole: npt.NDArray[np.int8] = np.copysign(np.rint(127 * levels), strengths).astype(np.int8)
    return whole.tobytes()


@lru_cache(maxsize=32)
def _cosines(length: int, step: int) -> Float32Array:
    """The lowest frequencies over every ``step``-th place of a length. Shapes: (places, _FREQUENCIES)."""
    places = (np.arange(0, length, step)[:, None] + 0.5) / length
    return (np.cos(np.pi * places * np.arange(_FREQUENCIES)) / len(places)).astype(np.float32)
