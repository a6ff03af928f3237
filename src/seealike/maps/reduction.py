"""Fewer dimensions, and the nearest neighbours in them: what every layout starts from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from seealike.indexes import closest_to_each
from seealike.types import Metric
from seealike.vectors import ROWS_AT_ONCE, principal_directions

if TYPE_CHECKING:
    from seealike.types import Float32Array, Int64Array

DIMENSIONS = 100
EXACT_UP_TO = 20_000  # items; beyond, inverted lists find 99 % of the neighbours in a tenth of the time
_LISTS_PROBED = 32


def reduced(vectors: Float32Array, dimensions: int = DIMENSIONS) -> Float32Array:
    """The principal components of vectors, the strongest first.

    Shapes: (n, d) to (n, r); r is the least of n, d and ``dimensions``.

    Source: see ``principal_directions``.
    """
    n, d = vectors.shape
    if not n:
        return np.zeros((0, min(d, dimensions)), np.float32)
    mean, directions = principal_directions(vectors, dimensions)
    return np.concatenate(
        [(vectors[i : i + ROWS_AT_ONCE] - mean) @ directions.T for i in range(0, n, ROWS_AT_ONCE)]
    )


def neighbours(points: Float32Array, k: int, metric: Metric, seed: int) -> tuple[Int64Array, Float32Array]:
    """The ``k`` nearest other points of every point and how far they are, nearest first.

    Shapes: points is (n, d), n > k; both results are (n, k).
    Units: for ``COSINE`` half the squared distance, which is one minus the cosine of unit vectors.
    """
    n = len(points)
    lists = int(1.25 * np.sqrt(n)) if n > EXACT_UP_TO else 0
    squares, nearest = closest_to_each(points, k + 1, lists=lists, probed=_LISTS_PROBED, seed=seed)
    squares, nearest = _without_self(np.maximum(squares, 0), nearest)
    far = squares / 2 if metric is Metric.COSINE else np.sqrt(squares)
    return nearest, far.astype(np.float32)


def _without_self(squares: Float32Array, nearest: Int64Array) -> tuple[Float32Array, Int64Array]:
    """Drop the point itself from its neighbours; or the last, where equal points crowd it out."""
    n, width = nearest.shape
    own = nearest == np.arange(n)[:, None]
    own[~own.any(axis=1), -1] = True
    missing = nearest < 0  # inverted lists may hold too few: repeat the farthest that was found
    if missing.any():
        last = np.maximum(width - 1 - missing.sum(axis=1), 0)
        rows = np.arange(n)
        nearest = np.where(missing, nearest[rows, last][:, None], nearest)
        squares = np.where(missing, squares[rows, last][:, None], squares)
    return squares[~own].reshape(n, width - 1), nearest[~own].reshape(n, width - 1)
