"""Which of the candidates are worth showing: one a product, nearly equal ones once, diverse ones.

Pure functions over what is sorted already, best first; each gives the places that are left.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from seealike.indexes import exact_scores
from seealike.recommend.products import NO_PRODUCT
from seealike.types import Float16Array, Float32Array, Int64Array
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
    unit, wide = unit_rows(vectors), vectors.astype(np.float32)
    stands_for = np.full(len(vectors), -1, dtype=np.int64)
    places: list[int] = []
    while len(left := np.flatnonzero(stands_for < 0)) and len(places) < most:
        place, rest = int(left[0]), left
        alike = _are_alike(unit[place], wide[place], unit[rest], vectors[rest], least)
        alike[0] = True
        stands_for[rest[alike]] = len(places)
        places.append(place)
    end = int(left[0]) if len(left) else len(vectors)
    counts = np.bincount(stands_for[:end], minlength=len(places))
    return np.array(places, dtype=np.int64), counts - 1, bool(len(left))


def _are_alike(
    unit: Float32Array, wide: Float32Array, units: Float32Array, vectors: Float16Array, least: float
) -> npt.NDArray[np.bool_]:
    """Which of some vectors are nearly equal to one: as ``exact_scores`` says, which is asked in doubt."""
    rough = units @ unit
    alike = np.asarray(rough >= least)
    doubtful = np.flatnonzero(np.abs(rough - least) < _DOUBT)
    if len(doubtful):
        alike[doubtful] = exact_scores(wide[np.newaxis], vectors[doubtful])[0] >= least
    return alike


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
