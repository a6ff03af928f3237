"""The one place where a score is computed.

Whoever proposes candidates (exact search, the ANN snapshot, a tail), the score that people see comes from
here, so that a pair of vectors has the same score on every path and equal pictures tie exactly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from seealike.vectors import doubles

if TYPE_CHECKING:
    import numpy.typing as npt

    from seealike.types import Float16Array, Float32Array

DECIMALS = 6
_BLOCK_VALUES = 1 << 19  # 4 MiB of float64: stays in the processor's cache


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
        part = doubles(vectors[start : start + rows])
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
        part, others = doubles(one[start : start + rows]), doubles(other[start : start + rows])
        cosines = np.vecdot(part, others) / (_norms(part) * _norms(others))
        scores[start : start + rows] = np.round(cosines, DECIMALS)
    return np.clip(scores, -1.0, 1.0, out=scores)


def _norms(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Euclidean norms to divide by: 1 for rows of zeros."""
    norms: npt.NDArray[np.float64] = np.sqrt(np.vecdot(rows, rows))
    norms[norms == 0.0] = 1.0
    return norms
