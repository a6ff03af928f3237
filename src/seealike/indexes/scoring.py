"""The one place where a score is computed.

Whoever proposes candidates (exact search, the ANN snapshot, a tail), the score that people see comes from
here, so that a pair of vectors has the same score on every path and equal pictures tie exactly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from seealike.types import Float16Array, Float32Array

DECIMALS = 6
_BLOCK_VALUES = 1 << 19  # 4 MiB of float64: stays in the processor's cache
_SIGN_EXPONENT_FRACTION = np.int64(-(1 << 63) | (1 << 57) - (1 << 42))  # of a half, where a double has them
_MOVED_BY = 2.0**1008  # the biases of their exponents differ by so much: 1023 - 15
_SMALLEST_HALF_MOVED = 2.0**-1032


def exact_scores(queries: Float32Array, vectors: Float16Array) -> Float32Array:
    """Cosine similarity of every query with every stored vector, rounded to ``DECIMALS`` decimals.

    Each pair is computed by itself, in float64: neither the row's position nor the number of rows matters,
    nor which of two stored vectors is the query. Norms need not be 1; a vector of zeros scores 0.

    Shapes: queries is (q, d); vectors is (m, d); the result is (q, m).
    """
    scores = np.empty((len(queries), len(vectors)), dtype=np.float32)
    wide_queries = queries.astype(np.float64)
    query_norms = _norms(wide_queries)
    rows = max(1, _BLOCK_VALUES // max(1, vectors.shape[1]))
    for start in range(0, len(vectors), rows):
        part = _widened(vectors[start : start + rows])
        norms = _norms(part)
        for row, query in enumerate(wide_queries):
            cosines = np.vecdot(part, query) / (norms * query_norms[row])
            scores[row, start : start + rows] = np.round(cosines, DECIMALS)
    return np.clip(scores, -1.0, 1.0, out=scores)


def pair_scores(one: Float16Array, other: Float16Array) -> Float32Array:
    """What ``exact_scores`` says of the rows of one with those of the other. Shapes: (m, d) each to (m,)."""
    scores = np.empty(len(one), dtype=np.float32)
    rows = max(1, _BLOCK_VALUES // max(1, one.shape[1]))
    for start in range(0, len(one), rows):
        part, others = _widened(one[start : start + rows]), _widened(other[start : start + rows])
        cosines = np.vecdot(part, others) / (_norms(part) * _norms(others))
        scores[start : start + rows] = np.round(cosines, DECIMALS)
    return np.clip(scores, -1.0, 1.0, out=scores)


def _norms(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Euclidean norms to divide by: 1 for rows of zeros."""
    norms: npt.NDArray[np.float64] = np.sqrt(np.vecdot(rows, rows))
    norms[norms == 0.0] = 1.0
    return norms


def _widened(vectors: Float16Array) -> npt.NDArray[np.float64]:
    """Finite float16 as float64, exactly, by moving the bits: numpy's own conversion branches at each.

    A number below 2**-14 is below float64's normal ones until it is multiplied. Where a library has told the
    processor to take those for zero, the conversion is numpy's.
    """
    if not _SMALLEST_HALF_MOVED * _MOVED_BY:
        return vectors.astype(np.float64)
    bits = np.ascontiguousarray(vectors).view(np.int16).astype(np.int64)
    bits <<= 42
    bits &= _SIGN_EXPONENT_FRACTION
    wide = bits.view(np.float64)
    wide *= _MOVED_BY
    return wide
