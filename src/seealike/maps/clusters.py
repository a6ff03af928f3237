"""Groups of points that lie together, found where the points live and not on the map, which distorts."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from seealike.errors import MissingExtraError

if TYPE_CHECKING:
    from seealike.types import Float32Array, Int64Array

MOST = 24  # as many as there are colours to tell apart
_GROWTH = 0.32  # 3 of 30 items, 13 of 3,000, 24 of 20,000
_MANY = 20_000


def default_count(n: int) -> int:
    """How many clusters ``n`` items are parted into by default."""
    return min(MOST, max(1, int(math.pow(n, _GROWTH) + 0.5)))


def cluster(points: Float32Array, count: int | None, seed: int) -> Int64Array:
    """The cluster of every point by k-means; 0 is the largest. Shapes: points is (n, d), the result (n,).

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    n = len(points)
    distinct = len(np.unique(points, axis=0)) if n <= _MANY else n
    wanted = min(count or default_count(n), max(distinct, 1))
    if wanted <= 1:
        return np.zeros(n, np.int64)
    try:
        from sklearn.cluster import KMeans
        from threadpoolctl import threadpool_limits
    except ImportError:
        raise MissingExtraError("clusters", "map") from None

    with threadpool_limits(1):  # sums over threads would differ from run to run
        model = KMeans(wanted, n_init=1 if n > _MANY else 4, random_state=seed)
        assigned = model.fit_predict(points)
    sizes = np.bincount(assigned, minlength=wanted)
    rank = np.empty(wanted, np.int64)
    rank[np.argsort(-sizes, kind="stable")] = np.arange(wanted)
    ranked: Int64Array = rank[assigned]
    return ranked
