"""Who would have new vectors among their neighbours: of many pairs those above a bound of one side.

Every row has a bound of its own, the score of its last neighbour; of the new vectors hardly any is above it.
That is found without comparing them in all dimensions: two vectors of norm 1 are never more similar than
their shadows in some directions allow, were what is missing of each parallel. It misses nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from seealike.vectors import principal_directions, unit_rows

if TYPE_CHECKING:
    import numpy.typing as npt

    from seealike.types import Float16Array, Float32Array, Int64Array

DIRECTIONS = 256
WORTH_IT = 1 << 38  # multiplications; below, comparing in all dimensions is as quick as finding directions
_MARGIN = np.float32(2e-5)  # what float32 sums lose, and scores by rounding
_ROUNDED = np.float32(2e-6)  # of a squared norm, which a root makes much of near 0
_PRODUCTS_AT_ONCE = 1 << 21
_PAIRS_AT_ONCE = 2048


class _Shadow(NamedTuple):
    """Orthonormal directions, (r, d), and the new vectors in them, with the norm of what is missing."""

    directions: Float32Array
    new: Float32Array


class ReverseSearch:
    """Finds who is close to some new vectors."""

    def __init__(self, new: Float16Array, rows: int) -> None:
        """``new`` is (p, d); about so many ``rows`` are going to be compared with it."""
        self._unit = unit_rows(new)
        d = new.shape[1]
        worth_it = len(new) * rows * d >= WORTH_IT and d >= 2 * DIRECTIONS and len(new) >= DIRECTIONS
        self._shadow = _shadow_of(self._unit) if worth_it else None

    def pairs(self, vectors: Float16Array, least: Float32Array) -> tuple[Int64Array, Int64Array]:
        """Every pair of a row and a new vector whose cosine may be ``least`` or more, and hardly any other.

        Shapes: vectors is (n, d), least, a bound for each, (n,); the places of both are (m,).
        """
        at_once = max(1, _PRODUCTS_AT_ONCE // max(1, len(self._unit)))
        found = [
            self._some(start, unit_rows(vectors[start : start + at_once]), least[start : start + at_once])
            for start in range(0, len(vectors), at_once)
        ]
        nothing = np.empty(0, dtype=np.int64)
        rows, new = zip(*found, strict=True) if found else ((nothing,), (nothing,))
        return np.concatenate(rows), np.concatenate(new)

    def _some(self, start: int, unit: Float32Array, least: Float32Array) -> tuple[Int64Array, Int64Array]:
        bounds = (least - _MARGIN)[:, np.newaxis]
        if self._shadow is None:
            rows, new = _places(unit @ self._unit.T >= bounds)
            return rows + start, new
        directions, shadows = self._shadow
        rows, new = _places(_with_missing(unit @ directions.T) @ shadows.T >= bounds)
        kept = [np.empty(0, dtype=bool)]
        for first in range(0, len(rows), _PAIRS_AT_ONCE):
            some, others = rows[first : first + _PAIRS_AT_ONCE], new[first : first + _PAIRS_AT_ONCE]
            kept.append(np.vecdot(unit[some], self._unit[others]) >= bounds[some, 0])
        keep = np.concatenate(kept)
        return rows[keep] + start, new[keep]


def _places(which: npt.NDArray[np.bool_]) -> tuple[Int64Array, Int64Array]:
    """As ``np.nonzero``, which takes eight times as long where hardly anything is true."""
    rows, columns = np.divmod(np.flatnonzero(which), which.shape[1])
    return rows, columns


def _shadow_of(unit: Float32Array) -> _Shadow:
    mean, axes = principal_directions(unit, DIRECTIONS - 1)
    basis, _ = np.linalg.qr(np.vstack([mean, axes]).T)
    directions = np.ascontiguousarray(basis.T)
    return _Shadow(directions, _with_missing(unit @ directions.T))


def _with_missing(shadows: Float32Array) -> Float32Array:
    """Shadows of vectors of norm 1, and the norm of what is missing. Shapes: (n, r) to (n, r + 1)."""
    missing = np.sqrt(np.maximum(0.0, 1.0 + _ROUNDED - np.vecdot(shadows, shadows)))
    return np.concatenate([shadows, missing[:, np.newaxis]], axis=1)
