"""Fewer dimensions that keep the neighbours: centred principal components.

Source: Pearson (1901); the directions are eigenvectors of the covariance, or of the Gram matrix where the
sample has fewer rows than dimensions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from seealike.types import Float32Array


@dataclass(frozen=True, slots=True)
class Reduction:
    """An affine map from d to r dimensions.

    Shapes: directions is (r, d), its rows orthonormal or zero; offset is (r,).
    """

    directions: Float32Array
    offset: Float32Array

    def apply(self, vectors: Float32Array) -> Float32Array:
        """Shapes: (n, d) to (n, r)."""
        reduced: Float32Array = vectors @ self.directions.T
        reduced -= self.offset
        return reduced

    def apply_one(self, vector: Float32Array) -> Float32Array:
        """Shapes: (d,) to (1, r)."""
        reduced: Float32Array = (self.directions @ vector - self.offset)[np.newaxis]
        return reduced

    def first(self, r: int) -> Reduction:
        """The same map, only its ``r`` strongest directions."""
        return Reduction(np.ascontiguousarray(self.directions[:r]), self.offset[:r].copy())


def fit_reduction(sample: Float32Array, r: int) -> Reduction:
    """The ``r`` directions in which ``sample`` varies most, strongest first; zeros where it has fewer.

    Shapes: sample is (s, d), at least one row.
    """
    mean = sample.mean(axis=0, dtype=np.float64).astype(np.float32)
    centred = sample - mean
    rows, d = centred.shape
    found = min(r, d, rows)
    if d <= rows:
        _, vectors = np.linalg.eigh(centred.T @ centred)
        strongest = vectors[:, ::-1][:, :found].T
    else:
        _, vectors = np.linalg.eigh(centred @ centred.T)
        strongest = vectors[:, ::-1][:, :found].T @ centred
        lengths = np.linalg.norm(strongest, axis=1, keepdims=True)
        strongest = np.where(
            lengths > 1e-3 * max(float(lengths.max()), 1e-30), strongest / np.maximum(lengths, 1e-30), 0
        )
    directions = np.zeros((r, d), dtype=np.float32)
    directions[:found] = strongest
    return Reduction(directions, directions @ mean)
