"""Whether one picture shows the other, or a part of it: small pictures are laid over each other.

A picture is the lowest frequencies of its lightness. Crops, borders and slight stretches move all of them at
once, so what is compared is one picture with a window of the other; where the window lies is looked for
coarsely among a few, then refined by the gradient. Both directions and the mirror image are tried. Neither
contrast nor brightness counts, and colour does not either.

Source: Evangelidis and Psarakis, "Parametric Image Alignment Using Enhanced Correlation Coefficient
Maximization", 2008, equations 12 to 19, for windows that are moved and stretched along the axes.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from seealike.types import Float32Array, Int64Array

if TYPE_CHECKING:
    import numpy.typing as npt

Int8Array: TypeAlias = "npt.NDArray[np.int8]"

SIDE = 24  # frequencies of a hash each way
AT_ONCE = 512  # pairs that are refined together
SMALLEST, LARGEST = 0.6, 1.02  # sides of a window, of the picture's

_UNLIKE = 0.65  # at a glance: of copies nearly all are more alike, of different pictures half are less
_COARSE, _COARSE_SIDE = 8, 12  # samples each way where windows are looked for, and frequencies they show
_SKETCH, _SKETCH_STEPS = 16, 4  # frequencies and samples each way where a window is refined first
_HOPELESS = 0.84  # a correlation after that, which nothing leads from to an agreement
_STEPS = 6
_FARTHEST = 0.08  # that a step moves or stretches a window
_DAMPING = 1e-4
_TINY = 1e-6
_CONTRAST = 50.0  # grey levels that every picture's frequencies are scaled to
_SHOWN = 32  # samples each way where blocks are compared
_BLOCKS = 8  # each way
_NOISE = 2.0  # grey levels a sample, that are no texture
_WORST_SHARE = (
    1 / 8
)  # of the agreement; this and what follows was fitted on photos of clothes and drawn products
_ENOUGH, _LACKING = 40.0, 0.0025  # blocks with texture, and what each that is lacking costs


def frequencies(hashes: Int8Array) -> Float32Array:
    """Pictures from their hashes, all of one contrast: what each cosine adds. A plain one is all 0.

    Shapes: (n, HASH_BYTES) to (n, SIDE, SIDE).
    """
    roots = hashes.astype(np.float32)
    found = (roots * np.abs(roots)).reshape(-1, SIDE, SIDE)
    twice = np.where(np.arange(SIDE), 2, 1).astype(np.float32)  # a wave of a frequency above 0 counts double
    found *= twice * twice[:, None]
    norm = np.linalg.norm(found, axis=(1, 2))
    return np.asarray(found * (_CONTRAST / np.maximum(norm, _TINY))[:, None, None], dtype=np.float32)


class Glances:
    """Pictures as they are seen at a glance, whole and in each of a few windows."""

    def __init__(self, pictures: Float32Array) -> None:
        """Look at them all. Shapes: pictures is (n, SIDE, SIDE)."""
        low = pictures[:, :_COARSE_SIDE, :_COARSE_SIDE].reshape(len(pictures), -1)
        seen = (low @ _window_basis()).reshape(len(pictures), len(windows()) + 1, -1)
        seen /= np.maximum(np.linalg.norm(seen, axis=2, keepdims=True), _TINY)
        self._seen, self._flipped = seen[:, :-1], seen[:, -1]

    def compared(self, one: Int64Array, other: Int64Array) -> tuple[Float32Array, Int64Array, Int64Array]:
        """How alike pairs look in the best of all ways to lay them over each other, and which that is.

        Returns:
            The likeness, in [-1, 1]; the way: 1 swaps the two, 2 mirrors; the window. Shapes: (m,) each.
        """
        likeness = np.full(len(one), -2, dtype=np.float32)
        ways, spots = np.zeros(len(one), dtype=np.int64), np.zeros(len(one), dtype=np.int64)
        for way in range(4):
            whole, part = (one, other) if way & 1 else (other, one)
            wanted = (self._flipped if way & 2 else self._seen[:, 0])[part]
            found = (self._seen[whole] @ wanted[:, :, None])[:, :, 0]
            best = found.argmax(axis=1)
            value = found[np.arange(len(one)), best]
            better = value > likeness
            likeness[better], ways[better], spots[better] = value[better], way, best[better]
        return likeness, ways, spots


def agreements(hashes: Int8Array, one: Int64Array, other: Int64Array) -> Float32Array:
    """How well pairs agree, in [-1, 1]; -1 where a glance tells that they do not.

    Shapes: hashes is (n, HASH_BYTES), ``one`` and ``other`` are rows of it, (m,) each, as is the result.
    """
    if not len(one):
        return np.empty(0, dtype=np.float32)
    rows, places = np.unique(np.concatenate([one, other]), return_inverse=True)
    pictures = frequencies(hashes[rows])
    one, other = places[: len(one)], places[len(one) :]
    likeness, ways, spots = Glances(pictures).compared(one, other)
    alike = np.flatnonzero(likeness > _UNLIKE)
    ways, swapped = ways[alike], (ways[alike] & 1 > 0)
    whole, part = np.where(swapped, (one[alike], other[alike]), (other[alike], one[alike]))
    shown = pictures[part]
    flipped = ways & 2 > 0
    shown[flipped] = mirrored(shown[flipped])
    result = np.full(len(one), -1, dtype=np.float32)
    result[alike] = agreement(shown, pictures[whole], spots[alike])
    return result


def agreement(part: Float32Array, whole: Float32Array, spots: Int64Array) -> Float32Array:
    """How well each ``part`` agrees with the best window of ``whole`` that is found from one of ``windows``.

    The correlation as a whole, which outlines decide, a little of that of the blocks that agree least, and
    less the fewer blocks it rests on: things of one shape on plain grounds correlate by their outlines alone.

    Shapes: part and whole are (m, SIDE, SIDE); the result is (m,), in [-1, 1].
    """
    result = np.empty(len(part), dtype=np.float32)
    for start in range(0, len(part), AT_ONCE):
        few = slice(start, start + AT_ONCE)
        result[few] = _agreement(part[few], whole[few], windows()[spots[few]])
    return result


def _agreement(part: Float32Array, whole: Float32Array, window: Float32Array) -> Float32Array:
    low = (slice(None), slice(_SKETCH), slice(_SKETCH))
    window, correlation = _refined(part[low], whole[low], window, _SKETCH_STEPS)
    result = correlation - 1
    hopeful = np.flatnonzero(correlation > _HOPELESS)
    if not len(hopeful):
        return result
    part, whole = part[hopeful], whole[hopeful]
    window, correlation = _refined(part, whole, window[hopeful], _STEPS)
    ours = _samples(part, np.broadcast_to(windows()[0], window.shape), _SHOWN)
    theirs = _samples(whole, window, _SHOWN)
    worst, count = _by_blocks(ours, theirs)
    lacking = _LACKING * np.maximum(0, _ENOUGH - count)
    result[hopeful] = (1 - _WORST_SHARE) * correlation + _WORST_SHARE * worst - lacking
    return np.asarray(result, dtype=np.float32)


def mirrored(pictures: Float32Array) -> Float32Array:
    """The same pictures flipped left to right."""
    signs: Float32Array = ((-1.0) ** np.arange(SIDE)).astype(np.float32)
    return pictures * signs


@lru_cache(maxsize=1)
def windows() -> Float32Array:
    """Where a window may lie to begin with: left, width, top, height, of 1. First, the whole."""
    found = [(0.0, 1.0, 0.0, 1.0)]
    for side in (0.9, 0.81):
        places = (0.0, (1 - side) / 2, 1 - side)
        found += [(left, side, top, side) for left, top in product(places, places)]
    return np.array(found, dtype=np.float32)


@lru_cache(maxsize=1)
def _window_basis() -> Float32Array:
    """What turns low frequencies to samples, without their mean: of each window, then of the mirror image."""
    grid = _grid(_COARSE)
    spots = [(left + width * grid, top + height * grid) for left, width, top, height in windows()]
    spots.append((grid[::-1], grid))
    samples = [
        np.einsum("yi,xj->ijyx", _waves(down, _COARSE_SIDE)[0], _waves(over, _COARSE_SIDE)[0])
        for over, down in spots
    ]
    return np.hstack([_centred(one.reshape(_COARSE_SIDE**2, -1)) for one in samples])


def _grid(count: int) -> Float32Array:
    return ((np.arange(count) + 0.5) / count).astype(np.float32)


def _waves(places: Float32Array, count: int) -> tuple[Float32Array, Float32Array]:
    """All frequencies' cosines at some places, and their slopes. Shapes: (..., p) to (..., p, count)."""
    rates = (np.pi * np.arange(count)).astype(np.float32)
    angles = places[..., None] * rates
    return np.cos(angles), -rates * np.sin(angles)


def _samples(pictures: Float32Array, window: Float32Array, count: int) -> Float32Array:
    """What is seen in a window of each picture. Shapes: window is (m, 4); the result (m, count, count)."""
    grid = _grid(count)
    over, _ = _waves(window[:, 0:1] + window[:, 1:2] * grid, pictures.shape[1])
    down, _ = _waves(window[:, 2:3] + window[:, 3:4] * grid, pictures.shape[1])
    return np.asarray(down @ pictures @ over.transpose(0, 2, 1), dtype=np.float32)


def _refined(
    part: Float32Array, whole: Float32Array, window: Float32Array, steps: int
) -> tuple[Float32Array, Float32Array]:
    """The window of each ``whole`` most like its ``part``, and their correlation. Shapes: (m, 4), (m,)."""
    m, side = part.shape[:2]
    grid = _grid(side)
    wanted = _unit(_samples(part, np.broadcast_to(windows()[0], (m, 4)), side).reshape(m, -1))
    now, best, most = window.copy(), window.copy(), np.full(m, -1, dtype=np.float32)
    for step in range(steps + 1):
        over, over_slopes = _waves(now[:, 0:1] + now[:, 1:2] * grid, side)
        down, down_slopes = _waves(now[:, 2:3] + now[:, 3:4] * grid, side)
        rows = down @ whole
        shown = np.asarray(rows @ over.transpose(0, 2, 1), dtype=np.float32)
        seen = _centred(shown.reshape(m, -1))
        norm = np.maximum(np.linalg.norm(seen, axis=1), _TINY)
        correlation = np.einsum("mk,mk->m", seen, wanted) / norm
        better = correlation > most
        most[better], best[better] = correlation[better], now[better]
        if step == steps:
            break
        along = rows @ over_slopes.transpose(0, 2, 1)
        across = down_slopes @ whole @ over.transpose(0, 2, 1)
        slopes: Float32Array = np.stack([along, along * grid, across, across * grid[:, None]], axis=1)
        now = _stepped(now, seen, wanted, _centred(slopes.reshape(m, 4, -1)))
    return best, most


def _stepped(
    window: Float32Array, seen: Float32Array, wanted: Float32Array, slopes: Float32Array
) -> Float32Array:
    """Windows moved and stretched to where the correlation promises to be the greatest."""
    products = slopes @ slopes.transpose(0, 2, 1)
    products += _DAMPING * np.trace(products, axis1=1, axis2=2)[:, None, None] * np.eye(4) + _TINY * np.eye(4)
    of_seen, of_wanted = (np.einsum("mik,mk->mi", slopes, values) for values in (seen, wanted))
    from_seen, from_wanted = np.linalg.solve(products, np.stack([of_seen, of_wanted], axis=2)).transpose(
        2, 0, 1
    )
    over = np.einsum("mk,mk->m", seen, wanted) - np.einsum("mi,mi->m", of_wanted, from_seen)
    under = np.einsum("mk,mk->m", seen, seen) - np.einsum("mi,mi->m", of_seen, from_seen)
    scale = np.where(over > _TINY, under / np.maximum(over, _TINY), 0)
    moved = window + np.clip(scale[:, None] * from_wanted - from_seen, -_FARTHEST, _FARTHEST)
    spare = LARGEST - 1
    moved[:, 1::2] = np.clip(moved[:, 1::2], SMALLEST, LARGEST)
    moved[:, ::2] = np.clip(moved[:, ::2], -spare, LARGEST - moved[:, 1::2])
    return np.asarray(moved, dtype=np.float32)


def _by_blocks(one: Float32Array, other: Float32Array) -> tuple[Float32Array, Float32Array]:
    """The correlation that three quarters of the blocks surpass, and over how many blocks texture is spread.

    Shapes: one and other are (m, _SHOWN, _SHOWN), the results (m,).
    """
    ours, theirs = (_centred(_blocks(pictures)) for pictures in (one, other))
    energies = [np.einsum("mbk,mbk->mb", blocks, blocks) for blocks in (ours, theirs)]
    noise = np.float32(_NOISE * ours.shape[2])
    alike = np.einsum("mbk,mbk->mb", ours, theirs) / np.sqrt((energies[0] + noise) * (energies[1] + noise))
    strength = np.sqrt(np.maximum(*energies)) + _TINY
    count = strength.sum(axis=1) ** 2 / np.einsum("mb,mb->m", strength, strength)
    return np.quantile(alike, 0.25, axis=1).astype(np.float32), np.asarray(count, dtype=np.float32)


def _blocks(pictures: Float32Array) -> Float32Array:
    """Shapes: (m, _SHOWN, _SHOWN) to (m, blocks, samples of one)."""
    size = _SHOWN // _BLOCKS
    cut = pictures.reshape(-1, _BLOCKS, size, _BLOCKS, size).transpose(0, 1, 3, 2, 4)
    return cut.reshape(-1, _BLOCKS * _BLOCKS, size * size)


def _centred(values: Float32Array) -> Float32Array:
    return np.asarray(values - values.mean(axis=-1, keepdims=True))


def _unit(values: Float32Array) -> Float32Array:
    centred = _centred(values)
    return np.asarray(centred / np.maximum(np.linalg.norm(centred, axis=-1, keepdims=True), _TINY))
