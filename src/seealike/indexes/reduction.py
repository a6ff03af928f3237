"""Fewer dimensions that keep the neighbours: centred principal components."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from seealike.vectors import principal_directions

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
    mean, strongest = principal_directions(sample, r)
    directions = np.zeros((r, sample.shape[1]), dtype=np.float32)
    directions[: len(strongest)] = strongest
    return Reduction(directions, directions @ mean)
