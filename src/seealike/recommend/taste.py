"""Several liked and disliked items as one query."""

from __future__ import annotations

import numpy as np

from seealike.errors import UsageError
from seealike.types import Float32Array

DISLIKE_WEIGHT = 0.5


def taste_query(liked: Float32Array, disliked: Float32Array) -> Float32Array:
    """The direction from the disliked towards the liked.

    Shapes: liked is (m, d), disliked (p, d) and may be empty; the result is (1, d), unit norm.

    Raises:
        UsageError: nothing is liked, or the dislikes cancel the likes.

    Source: Rocchio's relevance feedback with weights 1 and 0.5 on the means.
    """
    if not len(liked):
        raise UsageError("nothing to go by: name at least one liked item")
    query = liked.astype(np.float64).mean(axis=0)
    if len(disliked):
        query = query - DISLIKE_WEIGHT * disliked.astype(np.float64).mean(axis=0)
    norm = float(np.linalg.norm(query))
    if norm < 1e-6:
        raise UsageError("what is liked and what is not cancel each other; change one of them")
    return np.asarray(query / norm, dtype=np.float32)[None]
