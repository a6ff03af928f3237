"""Who is everybody's neighbour, and how much that is to count against it.

Among vectors of many dimensions some items, the hubs, are close to very many others because they lie close
to the middle of all or of their kind; others are in nobody's list. So from the similarity of an item is taken
half its mean similarity to all items, and a quarter of that to those nearest to it. Both means are over a
sample of the different vectors in the catalogue, always the same one, so that the numbers of items do not
hang on each other, nor on how the catalogue became what it is. What is like nothing at all is not favoured
for it: of the quarter of the items from which least is taken, as much is taken from each.

Source: the mean over all is centring, Suzuki, Hara, Shimbo, Saerens and Fukumizu, "Centering similarity
measures to reduce hubs" (EMNLP 2013); that over the nearest is half of cross-domain similarity local scaling,
Conneau, Lample, Ranzato, Denoyer and Jégou, "Word translation without parallel data" (ICLR 2018), whose other
half is the same for all items and does not change their order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from seealike.recommend.view import newest_of_each

if TYPE_CHECKING:
    import numpy.typing as npt

    from seealike.recommend.ranking import Scores
    from seealike.types import Float16Array, Int64Array

    VectorsOf = Callable[[Int64Array], Float16Array]
    Rows = npt.NDArray[np.float64]

REFERENCES = 1024  # vectors in the sample
NEAREST = 16  # of them are the nearest
TO_ALL, TO_NEAREST = 0.5, 0.25
LEAST_OFTEN = 0.25  # the share of the items from which equally much is taken
KEPT_FROM = 10_000  # items; below, measuring takes no time
_EQUAL = 1.0 - 1e-12
_ROWS_AT_ONCE = 2048


@dataclass(frozen=True, slots=True, eq=False)
class Hubness:
    """What is taken from every item of one generation, before the least is made equal.

    Shapes: keys, ascending, marks, which are those of ``marks_of``, and numbers are (n,).
    """

    keys: Int64Array
    marks: Int64Array
    numbers: Scores

    @classmethod
    def measured(cls, keys: Int64Array, vectors_of: VectorsOf, kept: Hubness | None = None) -> Hubness:
        """Of all items; of those in ``kept`` only where the sample is another by now."""
        if kept is None or not kept.is_of(keys, vectors_of):
            kept = cls(keys[:0], keys[:0], np.empty(0))
        old = np.isin(keys, kept.keys, assume_unique=True)
        places = np.searchsorted(kept.keys, keys[old])
        marks = np.empty(len(keys), dtype=np.int64)
        marks[old], marks[~old] = kept.marks[places], marks_of(keys[~old], vectors_of)
        sample = _sample(marks)
        if np.array_equal(marks[sample], kept.marks[_sample(kept.marks)]):
            numbers = np.empty(len(keys))
            numbers[old] = kept.numbers[places]
        else:
            old[:], numbers = False, np.empty(len(keys))
        numbers[~old] = numbers_of(keys[~old], vectors_of(keys[sample]), vectors_of)
        return cls(keys, marks, numbers)

    def is_of(self, keys: Int64Array, vectors_of: VectorsOf) -> bool:
        """Whether items with the same keys are the same ones: some are looked at, see ``newest_of_each``."""
        looked_at = np.intersect1d(keys, self.keys, assume_unique=True)
        looked_at = looked_at[newest_of_each(looked_at)]
        known = self.marks[np.searchsorted(self.keys, looked_at)]
        return np.array_equal(marks_of(looked_at, vectors_of), known)

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


def hubness_of(keys: Int64Array, vectors_of: VectorsOf, keeper: HubnessKeeper | None) -> Hubness:
    """The hubness of some items, from what is kept as far as that goes."""
    if keeper is None or len(keys) < KEPT_FROM:
        return Hubness.measured(keys, vectors_of)
    kept = keeper.read()
    found = Hubness.measured(keys, vectors_of, kept)
    if kept is None or not (np.array_equal(kept.keys, keys) and np.array_equal(kept.marks, found.marks)):
        keeper.write(found)
    return found


def marks_of(keys: Int64Array, vectors_of: VectorsOf) -> Int64Array:
    """Numbers that tell vectors apart, and by which a sample is drawn: digests of them. Shapes: as keys."""
    marks: list[int] = []
    for start in range(0, len(keys), _ROWS_AT_ONCE):
        rows = vectors_of(keys[start : start + _ROWS_AT_ONCE])
        marks += (int.from_bytes(hashlib.blake2b(row.tobytes(), digest_size=7).digest()) for row in rows)
    return np.array(marks, dtype=np.int64)


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


def _sample(marks: Int64Array) -> Int64Array:
    """The places of those with the least marks, of several with the same one the first."""
    _, places = np.unique(marks, return_index=True)
    return places[:REFERENCES]
