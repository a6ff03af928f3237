"""Who is everybody's neighbour, and how much that is to count against it.

Among vectors of many dimensions some items, the hubs, are close to very many others because they lie close
to the middle of all or of their kind; others are in nobody's list. So from the similarity of an item is taken
half its mean similarity to all items, and a quarter of that to those nearest to it. Both means are over a
sample of the catalogue, so that the numbers of items do not hang on each other. What is like nothing at all
is not favoured for it: of the quarter of the items from which least is taken, as much is taken from each.

Source: the mean over all is centring, Suzuki, Hara, Shimbo, Saerens and Fukumizu, "Centering similarity
measures to reduce hubs" (EMNLP 2013); that over the nearest is half of cross-domain similarity local scaling,
Conneau, Lample, Ranzato, Denoyer and Jégou, "Word translation without parallel data" (ICLR 2018), whose other
half is the same for all items and does not change their order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from seealike.recommend.ranking import Scores
    from seealike.types import Float16Array, Int64Array

    VectorsOf = Callable[[Int64Array], Float16Array]
    Rows = npt.NDArray[np.float64]

REFERENCES = 1024  # items in the sample
NEAREST = 16  # of them are the nearest
TO_ALL, TO_NEAREST = 0.5, 0.25
LEAST_OFTEN = 0.25  # the share of the items from which equally much is taken
KEPT_FROM = 10_000  # items; below, measuring takes no time
STALE_SHARE = 0.2  # of the items: when so many came or went, all are measured anew
_EQUAL = 1.0 - 1e-12
_ROWS_AT_ONCE = 2048


@dataclass(frozen=True, slots=True, eq=False)
class Hubness:
    """What is taken from every item of one generation, before the least is made equal.

    Shapes: keys, ascending, and numbers are (n,); references, the vectors of the sample, is (m, d).
    """

    keys: Int64Array
    numbers: Scores
    references: Float16Array

    @classmethod
    def measured(cls, keys: Int64Array, by_id: Int64Array, vectors_of: VectorsOf) -> Hubness:
        """With a sample of the items there are. ``by_id``: the same keys in the order of their ids."""
        references = vectors_of(np.sort(by_id[_spread(len(by_id), REFERENCES)]))
        return cls(keys, numbers_of(keys, references, vectors_of), references)

    def brought_up_to(self, keys: Int64Array, vectors_of: VectorsOf) -> Hubness | None:
        """The same for the items there are now; ``None`` where too many of them are others."""
        old = np.isin(keys, self.keys, assume_unique=True)
        others = len(keys) - int(old.sum()) + len(self.keys) - int(old.sum())
        if others > STALE_SHARE * len(keys):
            return None
        numbers = np.empty(len(keys))
        numbers[old] = self.numbers[np.searchsorted(self.keys, keys[old])]
        numbers[~old] = numbers_of(keys[~old], self.references, vectors_of)
        return Hubness(keys, numbers, self.references)

    def penalties(self) -> Scores:
        """What is taken from the similarity of each item. Shapes: (n,)."""
        if not len(self.numbers):
            return self.numbers
        return np.maximum(self.numbers, np.quantile(self.numbers, LEAST_OFTEN, method="lower"))


class HubnessKeeper(Protocol):
    """Where what was measured is kept."""

    def read(self) -> Hubness | None:
        """What was kept, which may be of any generation."""

    def write(self, hubness: Hubness) -> None:
        """Keep it in the place of what was kept."""


def hubness_of(
    keys: Int64Array, by_id: Int64Array, vectors_of: VectorsOf, keeper: HubnessKeeper | None
) -> Hubness:
    """The hubness of some items, from what is kept as far as that goes; arguments as of ``measured``."""
    if keeper is None or len(keys) < KEPT_FROM:
        return Hubness.measured(keys, by_id, vectors_of)
    kept = keeper.read()
    known = None if kept is None else kept.brought_up_to(keys, vectors_of)
    found = known or Hubness.measured(keys, by_id, vectors_of)
    if known is None or kept is None or not np.array_equal(kept.keys, keys):
        keeper.write(found)
    return found


def numbers_of(keys: Int64Array, references: Float16Array, vectors_of: VectorsOf) -> Scores:
    """What is taken from items. Those of the sample that are equal to an item do not count. Shapes: (n,)."""
    sample = _unit(references).T
    nearest = min(NEAREST, len(references))
    numbers = np.zeros(len(keys))
    for start in range(0, len(keys), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        similar = _unit(vectors_of(keys[part])) @ sample
        similar[similar > _EQUAL] = -np.inf
        closest = np.partition(similar, similar.shape[1] - nearest, axis=1)[:, -nearest:]
        numbers[part] = TO_ALL * _means(similar) + TO_NEAREST * _means(closest)
    return np.round(numbers, 6) + 0.0


def _means(similar: Rows) -> Scores:
    """The mean of what counts in every row; 0 where nothing does."""
    counts = similar > -np.inf
    sums = np.where(counts, similar, 0.0).sum(axis=1)
    return np.asarray(sums / np.maximum(counts.sum(axis=1), 1))


def _unit(vectors: Float16Array) -> Rows:
    rows = vectors.astype(np.float64)
    norms = np.sqrt(np.vecdot(rows, rows))[:, np.newaxis]
    return np.asarray(rows / np.where(norms == 0.0, 1.0, norms))


def _spread(n: int, most: int) -> Int64Array:
    """``most`` of ``n`` places, one of every stretch of them and within it by chance, always the same."""
    if n <= most:
        return np.arange(n)
    starts = np.linspace(0, n, most + 1)
    within = np.random.default_rng(0).random(most) * np.diff(starts)
    return np.minimum(starts[:-1] + within, n - 1).astype(np.int64)
