"""Which vectors are equal: the same picture under several names is compared once, not a thousand times."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from seealike.types import Float16Array, Int64Array

    Fingerprints = npt.NDArray[np.uint64]

_SEED = 20_240_229
_ROWS_AT_ONCE = 4096


def first_twins(vectors: Float16Array) -> Int64Array:
    """For every row, a row that is equal to it bit by bit, the same one for all that are equal.

    Rows are compared, not only their fingerprints; where two different ones share a fingerprint, equal rows
    may be told apart. Shapes: (n, d) to (n,).
    """
    prints = fingerprints(vectors)
    order = np.argsort(prints, kind="stable")
    same = np.zeros(len(order), dtype=bool)  # as the row before it, in that order
    suspects = np.flatnonzero(prints[order[1:]] == prints[order[:-1]]) + 1
    bits = vectors.view(np.uint16)
    for start in range(0, len(suspects), _ROWS_AT_ONCE):
        places = suspects[start : start + _ROWS_AT_ONCE]
        same[places] = (bits[order[places]] == bits[order[places - 1]]).all(axis=1)
    leaders = np.maximum.accumulate(np.where(same, 0, np.arange(len(order))))
    twins = np.empty(len(order), dtype=np.int64)
    twins[order] = order[leaders]
    return twins


def fingerprints(vectors: Float16Array) -> Fingerprints:
    """A number for every row; equal rows have equal ones. Shapes: (n, d) to (n,)."""
    bits = np.ascontiguousarray(vectors).view(np.uint16)
    factors = np.random.default_rng(_SEED).integers(0, 1 << 63, bits.shape[1], dtype=np.uint64) * 2 + 1
    prints = np.empty(len(bits), dtype=np.uint64)
    for start in range(0, len(bits), _ROWS_AT_ONCE):
        prints[start : start + _ROWS_AT_ONCE] = (
            bits[start : start + _ROWS_AT_ONCE].astype(np.uint64) @ factors
        )
    return prints
