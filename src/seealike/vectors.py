"""Arithmetic of vectors that several stages need: unit norm, and the directions in which they vary most.

Array letters: n vectors, d dimensions, r of them kept. Knows nothing of what the vectors mean.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from seealike.types import Float16Array, Float32Array

    Float64Array = npt.NDArray[np.float64]

ROWS_AT_ONCE = 8192
GRAM_ROWS = 4096  # so many rows, or dimensions, are worth an exact decomposition
_SIGN_EXPONENT_FRACTION = np.int32(-(1 << 31) | (1 << 28) - (1 << 13))  # of a half, where a single has them
_MOVED_BY = np.float32(2.0**112)  # the biases of their exponents differ by so much: 127 - 15
_SMALLEST_HALF_MOVED = np.float32(2.0**-136)
_LEAST_SHARE = 1e-6  # of the largest variance: less is what rounding left


def unit_rows(vectors: Float16Array | Float32Array) -> Float32Array:
    """Vectors as float32 with norm 1; zeros stay zeros. Shapes: (n, d) to (n, d)."""
    rows = _widened(vectors)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    norms[norms == 0.0] = 1.0
    rows /= norms
    return rows


def _widened(vectors: Float16Array | Float32Array) -> Float32Array:
    """A copy of finite numbers as float32: of float16 by moving the bits, as numpy's own conversion branches.

    As ``exact_scores`` does it for float64, also where a library lets the smallest numbers be zero.
    """
    if vectors.dtype != np.float16 or not _SMALLEST_HALF_MOVED * _MOVED_BY:
        return vectors.astype(np.float32)
    bits = np.ascontiguousarray(vectors).view(np.int16).astype(np.int32)
    bits <<= 13
    bits &= _SIGN_EXPONENT_FRACTION
    wide = bits.view(np.float32)
    wide *= _MOVED_BY
    return wide


def have_directions(vectors: Float32Array) -> bool:
    """Whether every vector is finite and none is zero, so that each can have norm 1. Shapes: (n, d)."""
    norms = np.linalg.norm(vectors, axis=1)
    return bool(np.all(np.isfinite(norms) & (norms > 0)))


def principal_directions(vectors: Float32Array, r: int) -> tuple[Float32Array, Float32Array]:
    """The mean of vectors, and the directions from it in which they vary most, the strongest first.

    No randomness: a direction's largest number is positive. Of more than ``GRAM_ROWS`` vectors that are as
    long, evenly spread ones speak.

    Shapes: (n, d), at least one row, to (d,) and (min(n, d, r), d), whose rows are orthonormal, or zero where
    the vectors vary no more.

    Source: principal components (Pearson 1901): the eigenvectors of the covariance matrix; where vectors are
    few or long, by way of the products of rows.
    """
    n, d = vectors.shape
    mean = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
    few = n < d <= GRAM_ROWS or d > GRAM_ROWS
    axes = (_axes_of_rows if few else _axes_of_columns)(vectors, mean, min(n, d, r))
    largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=0)[None], axis=0)
    return mean, (axes * np.sign(largest)).astype(np.float32).T


def _axes_of_columns(vectors: Float32Array, mean: Float32Array, r: int) -> Float64Array:
    """The ``r`` strongest directions, as columns; costs d x d numbers. Shapes: the result is (d, r)."""
    d = vectors.shape[1]
    covariance = np.zeros((d, d))
    for start in range(0, len(vectors), ROWS_AT_ONCE):
        block = vectors[start : start + ROWS_AT_ONCE] - mean
        covariance += block.T @ block
    axes: Float64Array = np.linalg.eigh(covariance)[1][:, ::-1][:, :r]
    return axes


def _axes_of_rows(vectors: Float32Array, mean: Float32Array, r: int) -> Float64Array:
    """The same from the products of at most ``GRAM_ROWS`` rows. Shapes: the result is (d, r)."""
    rows = np.unique(np.linspace(0, len(vectors) - 1, min(len(vectors), GRAM_ROWS)).astype(np.int64))
    centred = (vectors[rows] - mean).astype(np.float64)
    values, mixtures = np.linalg.eigh(centred @ centred.T)
    strongest = values[::-1][:r]
    some = strongest > max(values[-1] * _LEAST_SHARE, 1e-30)
    axes: Float64Array = (centred.T @ mixtures[:, ::-1][:, :r]) / np.sqrt(np.where(some, strongest, np.inf))
    return axes
