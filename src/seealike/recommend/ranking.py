"""Scores in the units of a metric, and the best of them: highest first, equal ones in id order."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from seealike.indexes.scoring import DECIMALS
from seealike.types import Float32Array, Int64Array, Metric

Scores = npt.NDArray[np.float64]
Ranked = tuple[Int64Array, Scores]
NOTHING: Ranked = (np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float64))


def converted(cosines: Float32Array, metric: Metric) -> Scores:
    """Cosine similarities in the units of ``metric``, to the decimals that are shown; the order stays.

    Source: for unit vectors the squared Euclidean distance is 2 - 2 cos.
    """
    wide = cosines.astype(np.float64)
    if metric is Metric.EUCLIDEAN:
        wide = -np.sqrt(np.maximum(0.0, 2.0 - 2.0 * wide))
    return np.round(wide, DECIMALS) + 0.0  # no negative zeros


def best_of(ranked: Ranked, ranks_of: Callable[[Int64Array], Int64Array], k: int) -> Ranked:
    """The best ``k``, highest score first and equal scores in the order of their ranks.

    However many tie with the last of them, only ``k`` are sorted. Shapes: both of ranked are (m,), as are
    ``ranks_of`` keys.
    """
    keys, scores = ranked
    if len(scores) > k:
        worst = np.partition(scores, len(scores) - k)[len(scores) - k]
        better, ties = np.flatnonzero(scores > worst), np.flatnonzero(scores == worst)
        missing = k - len(better)
        if len(ties) > missing:
            ties = ties[np.argpartition(ranks_of(keys[ties]), missing - 1)[:missing]]
        chosen = np.concatenate([better, ties])
        keys, scores = keys[chosen], scores[chosen]
    order = np.lexsort((ranks_of(keys), -scores))
    return keys[order], scores[order]


def down_to(ranked: Ranked, least: float) -> Ranked:
    """What has this score or a higher one, of a ranking with the highest first."""
    keys, scores = ranked
    count = int(np.searchsorted(-scores, -least, side="right"))
    return keys[:count], scores[:count]


def joined(one: Ranked, other: Ranked) -> Ranked:
    """Rankings of different items as one, in no order."""
    return np.concatenate([one[0], other[0]]), np.concatenate([one[1], other[1]])
