"""Fewer dimensions, and the nearest neighbours in them: what every layout starts from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from seealike.indexes.faiss import closest_to_each
from seealike.types import Metric

if TYPE_CHECKING:
    import numpy.typing as npt

    from seealike.types import Float32Array, Int64Array

    Float64Array = npt.NDArray[np.float64]

DIMENSIONS = 100
EXACT_UP_TO = 20_000  # items; beyond, inverted lists find 99 % of the neighbours in a tenth of the time
GRAM_ROWS = 4096  # so many rows, or dimensions, are worth an exact decomposition
_LISTS_PROBED = 32
_ROWS_AT_ONCE = 8192


def reduced(vectors: Float32Array, dimensions: int = DIMENSIONS) -> Float32Array:
    """The principal components of vectors, the strongest first.

    Shapes: (n, d) to (n, r); r is the least of n, d and ``dimensions``.

    Source: the eigenvectors of the covariance matrix; where vectors are few or long, by way of the products
    of rows. No randomness. Of more than ``GRAM_ROWS`` vectors that are as long, evenly spread ones speak.
    """
    n, d = vectors.shape
    if not n:
        return np.zeros((0, min(d, dimensions)), np.float32)
    mean = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
    few = n < d <= GRAM_ROWS or d > GRAM_ROWS
    axes = (_axes_of_rows if few else _axes_of_columns)(vectors, mean, min(n, d, dimensions))
    largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=0)[None], axis=0)
    axes = (axes * np.sign(largest)).astype(np.float32)  # eigenvectors have no sign of their own
    parts = [(vectors[i : i + _ROWS_AT_ONCE] - mean) @ axes for i in range(0, n, _ROWS_AT_ONCE)]
    return np.concatenate(parts)


def _axes_of_columns(vectors: Float32Array, mean: Float32Array, r: int) -> Float64Array:
    """The ``r`` strongest directions, as columns; costs d x d numbers. Shapes: the result is (d, r)."""
    d = vectors.shape[1]
    covariance = np.zeros((d, d))
    for start in range(0, len(vectors), _ROWS_AT_ONCE):
        block = vectors[start : start + _ROWS_AT_ONCE] - mean
        covariance += block.T @ block
    axes: Float64Array = np.linalg.eigh(covariance)[1][:, ::-1][:, :r]
    return axes


def _axes_of_rows(vectors: Float32Array, mean: Float32Array, r: int) -> Float64Array:
    """The same from the products of at most ``GRAM_ROWS`` rows. Shapes: the result is (d, r)."""
    rows = np.unique(np.linspace(0, len(vectors) - 1, min(len(vectors), GRAM_ROWS)).astype(np.int64))
    centred = (vectors[rows] - mean).astype(np.float64)
    values, mixtures = np.linalg.eigh(centred @ centred.T)
    lengths = np.sqrt(np.maximum(values[::-1][:r], values[-1] * 1e-12 + 1e-30))
    axes: Float64Array = (centred.T @ mixtures[:, ::-1][:, :r]) / lengths
    return axes


def neighbours(points: Float32Array, k: int, metric: Metric, seed: int) -> tuple[Int64Array, Float32Array]:
    """The ``k`` nearest other points of every point and how far they are, nearest first.

    Shapes: points is (n, d), n > k; both results are (n, k).
    Units: for ``COSINE`` half the squared distance, which is one minus the cosine of unit vectors.
    """
    n = len(points)
    lists = int(1.25 * np.sqrt(n)) if n > EXACT_UP_TO else 0
    squares, found = closest_to_each(points, k + 1, lists=lists, probed=_LISTS_PROBED, seed=seed)
    squares, found = _without_self(np.maximum(squares, 0), found)
    far = squares / 2 if metric is Metric.COSINE else np.sqrt(squares)
    return found, far.astype(np.float32)


def _without_self(squares: Float32Array, found: Int64Array) -> tuple[Float32Array, Int64Array]:
    """Drop the point itself from its neighbours; or the last, where equal points crowd it out."""
    n, width = found.shape
    own = found == np.arange(n)[:, None]
    own[~own.any(axis=1), -1] = True
    missing = found < 0  # inverted lists may hold too few: repeat the farthest that was found
    if missing.any():
        last = np.maximum(width - 1 - missing.sum(axis=1), 0)
        rows = np.arange(n)
        found = np.where(missing, found[rows, last][:, None], found)
        squares = np.where(missing, squares[rows, last][:, None], squares)
    return squares[~own].reshape(n, width - 1), found[~own].reshape(n, width - 1)
