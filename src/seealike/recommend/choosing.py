"""Which of the candidates are worth showing: one a product, nearly equal ones once, diverse ones.

Pure functions over what is sorted already, best first; each gives the places that are left.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from seealike.indexes import exact_scores
from seealike.recommend.products import NO_PRODUCT
from seealike.types import Float16Array, Int64Array
from seealike.vectors import unit_rows

_DOUBT = 2e-5  # what float32 products of vectors may be wrong by, and more


def first_of_each(codes: Int64Array) -> Int64Array:
    """The places of the first item of every product, and of all that have none. Shapes: codes is (m,)."""
    _, first = np.unique(codes, return_index=True)
    return np.flatnonzero(np.isin(np.arange(len(codes)), first) | (codes == NO_PRODUCT))


def first_of_alike(vectors: Float16Array, least: float, most: int) -> tuple[Int64Array, Int64Array, bool]:
    """The places of items that are not nearly equal to one before them that is left; at most ``most``.

    Args:
        vectors: of the items; (m, d).
        least: from this cosine on two items are nearly equal.
        most: with so many the walk ends.

    Returns:
        The places, how many of those passed on the way were nearly equal to each (the first such one), and
        whether the walk ended before the items did: else more that are nearly equal may follow.
    """
    alike = _alike(vectors, least)
    places: list[int] = []
    near: list[int] = []
    ended = False
    for place in range(len(vectors)):
        before = np.flatnonzero(alike[place, places]) if places else places
        if len(before):
            near[before[0]] += 1
        elif len(places) == most:
            ended = True
            break
        else:
            places.append(place)
            near.append(0)
    return np.array(places, dtype=np.int64), np.array(near, dtype=np.int64), ended


def _alike(vectors: Float16Array, least: float) -> npt.NDArray[np.bool_]:
    """Which pairs are nearly equal: as ``exact_scores`` says, which is asked in doubt. Shapes: (m, m)."""
    unit, wide = unit_rows(vectors), vectors.astype(np.float32)
    rough = unit @ unit.T
    alike = rough >= least
    for one, other in np.argwhere(np.abs(rough - least) < _DOUBT):
        alike[one, other] = exact_scores(wide[one : one + 1], vectors[other : other + 1])[0, 0] >= least
    return np.asarray(alike)


def diverse(
    relevance: npt.NDArray[np.float64], vectors: Float16Array, diversity: float, k: int
) -> Int64Array:
    """The places of ``k`` items that are relevant, and unlike each other, in the order of their choice.

    The next one is always the one with the greatest ``(1 - diversity) * relevance - diversity * similarity``
    to the most similar one chosen before; of equals the first.

    Shapes: relevance is (m,); vectors is (m, d).

    Source: maximal marginal relevance, Carbonell and Goldstein, "The use of MMR, diversity-based reranking"
    (1998).
    """
    chosen: list[int] = []
    closest = np.full(len(relevance), -1.0)
    left = np.ones(len(relevance), dtype=bool)
    for _ in range(min(k, len(relevance))):
        worth = (1.0 - diversity) * relevance - (diversity * closest if chosen else 0.0)
        place = int(np.argmax(np.where(left, np.round(worth, 9), -np.inf)))
        chosen.append(place)
        left[place] = False
        closest = np.maximum(closest, exact_scores(vectors[place : place + 1].astype(np.float32), vectors)[0])
    return np.array(chosen, dtype=np.int64)
