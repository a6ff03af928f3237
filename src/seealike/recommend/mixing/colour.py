"""Colours beside shapes: how alike an item's colours are to those asked for, and their share in a score.

With a share ``c`` of colour, the score of an item is ``(1 - c) * encoder + c * colour``. ``encoder`` is its
score without colours. ``colour`` is the likeness of its colours to those asked for, brought to the encoder's
scale: moved and stretched so that over pairs of the catalogue's items both have the same mean and the same
standard deviation. So half of it is a fair half, whichever encoder it is. At ``c = 1`` the score is the
likeness itself, from 0 to 1, and no vector is compared.

An item without a signature has the mean likeness of pairs: it is neither near nor far.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt

from seealike.errors import UsageError
from seealike.indexes import exact_scores
from seealike.indexes.scoring import DECIMALS
from seealike.recommend.mixing.components import PerItem
from seealike.recommend.query import DISLIKE_WEIGHT, LEAST_NORM, Combine, Example, Examples, SearchOptions
from seealike.recommend.ranking import Scores, converted
from seealike.signatures import COLOUR_BYTES, colour_levels, palette_signature
from seealike.types import Float16Array, Float32Array, Int64Array, Metric, Signature

SAMPLED = 256  # items whose pairs tell how scores are spread
_STEEPEST = 2.0  # where the items' colours hardly differ, that is no reason to heed them more
_SUMMED = 9  # decimals of a sum of many that do not depend on their order
_LEVEL = 2040.0  # about the norm of several examples' colours: whole numbers, whose products stay exact

Blocks = Callable[[int], Iterable[tuple[Int64Array, list[Signature]]]]  # of keys greater than a number


class Colours:
    """The colours of the items of one view. Immutable to its callers, and safe to use from several threads.

    ``keys`` are the view's, ascending; ``unknown`` of them have no signature.
    """

    def __init__(self, keys: Int64Array, levels: Float32Array) -> None:
        """Use ``of`` instead. Shapes: levels is (n, COLOUR_BYTES), zeros where nothing is known."""
        self.keys = keys
        self._levels = levels
        self._norms = np.sqrt(np.vecdot(levels, levels).astype(np.float64))
        self._known = self._norms > 0
        self.unknown = len(keys) - int(self._known.sum())
        self._sample = _evenly(np.flatnonzero(self._known), SAMPLED)
        rows, norms = levels[self._sample], self._norms[self._sample]
        self._typical, self._deviation = _spread((rows @ rows.T) / np.outer(norms, norms))
        self._scales: dict[Metric, tuple[float, float]] = {}

    @classmethod
    def of(cls, keys: Int64Array, blocks: Blocks, held: Colours | None = None) -> Colours:
        """The colours of some items.

        Args:
            keys: theirs, ascending.
            blocks: gives signatures, ascending.
            held: colours of an older generation, in which no signature has changed since.
        """
        levels = np.zeros((len(keys), COLOUR_BYTES), dtype=np.float32)
        after = 0
        if held is not None and len(held.keys):
            after = int(held.keys[-1])
            kept = np.isin(held.keys, keys, assume_unique=True)
            if int(kept.sum()) < np.searchsorted(keys, after, side="right"):  # of several catalogues
                return cls.of(keys, blocks)
            levels[np.searchsorted(keys, held.keys[kept])] = held.levels_of(held.keys[kept])
        for found, signatures in blocks(after):
            here = np.isin(found, keys, assume_unique=True)
            rows = colour_levels([signature.colour for signature in signatures])
            levels[np.searchsorted(keys, found[here])] = rows[here]
        return cls(keys, levels)

    def levels_of(self, keys: Int64Array | Sequence[int]) -> Float32Array:
        """The signatures of some of the view's items, zeros where none is known; (m, COLOUR_BYTES)."""
        return self._levels[np.searchsorted(self.keys, np.asarray(keys, dtype=np.int64))]

    def likeness(self, wanted: Float32Array) -> Scores:
        """How alike each item's colours are to those wanted. Shapes: wanted is (COLOUR_BYTES,), result (n,).

        Sums of whole numbers are exact: no item's likeness depends on others, and equal signatures tie.
        """
        norm = math.sqrt(wanted @ wanted)
        found = np.full(len(self.keys), self._typical)
        if norm:
            np.divide(self._levels @ wanted, self._norms * norm, out=found, where=self._known)
        return np.round(found, DECIMALS)

    def share(
        self, wanted: Float32Array, options: SearchOptions, vectors_of: Callable[[Int64Array], Float16Array]
    ) -> PerItem:
        """What the colours of every item add to its score. ``vectors_of`` gives the vectors of keys."""
        likeness = self.likeness(wanted)
        if options.colour_share == 1:
            return PerItem.of(likeness)
        metric = options.metric
        if metric not in self._scales:
            vectors = vectors_of(self.keys[self._sample])
            mean, deviation = _spread(converted(exact_scores(vectors.astype(np.float32), vectors), metric))
            slope = min(deviation / self._deviation, _STEEPEST) if deviation and self._deviation else 1.0
            self._scales[metric] = slope, mean - slope * self._typical
        slope, offset = self._scales[metric]
        return PerItem.of(options.colour_share * (slope * likeness + offset))


def colours_wanted(
    one: Examples, options: SearchOptions, levels_of: Callable[[Example], Float32Array]
) -> list[Float32Array]:
    """What colours each of a list's vectors asks for: one row, or with ``Combine.EACH`` one an example.

    Args:
        one: the examples of the list.
        options: those of the query; a palette takes the place of the examples' colours.
        levels_of: gives the signatures of an example, of a product several; (m, COLOUR_BYTES).

    Raises:
        UsageError: nothing that is liked has colours.
    """
    each = options.combine is Combine.EACH and len(one.like) > 1
    if options.palette is not None:
        palette = colour_levels([palette_signature(options.palette)])[0]
        return [palette] * (len(one.like) if each else 1)
    if all(example.is_colourless for example in one.like):
        raise UsageError("words and vectors have no colours; say which with --palette, or leave --color out")
    both = one.like, one.dislike
    liked, disliked = ([_of_example(levels_of(example)) for example in some] for some in both)
    weights, disliked_weights = ([example.weight for example in some] for some in both)
    if each:
        return [combined([row], [1.0], disliked, disliked_weights) for row in liked]
    return [combined(liked, weights, disliked, disliked_weights)]


def _of_example(levels: Float32Array) -> Float32Array:
    known = [row for row in levels if row.any()]
    return combined(known, [1.0] * len(known), [], [])


def combined(
    liked: Sequence[Float32Array],
    weights: Sequence[float],
    disliked: Sequence[Float32Array],
    disliked_weights: Sequence[float],
) -> Float32Array:
    """The colours that several examples ask for, as ``taste`` does it for vectors.

    Those without a signature have no part in it; zeros where none has one, or they cancel. Shapes: rows are
    (COLOUR_BYTES,), and so is the result; all of whole numbers.
    """
    if len(liked) == 1 and not len(disliked):
        return liked[0]
    wanted = _mean_direction(liked, weights) - DISLIKE_WEIGHT * _mean_direction(disliked, disliked_weights)
    norm = float(np.linalg.norm(wanted))
    return np.rint(wanted * (_LEVEL / norm if norm > LEAST_NORM else 0.0)).astype(np.float32)


def _mean_direction(some: Sequence[Float32Array], weights: Sequence[float]) -> npt.NDArray[np.float64]:
    rows = np.array(some, dtype=np.float64).reshape(-1, COLOUR_BYTES)
    norms = np.sqrt(np.vecdot(rows, rows))
    counts = np.asarray(weights, dtype=np.float64) * (norms > 0)
    if not counts.any():
        return np.zeros(COLOUR_BYTES)
    return np.asarray((counts / np.count_nonzero(counts) / np.maximum(norms, 1)) @ rows)


def _evenly(places: Int64Array, most: int) -> Int64Array:
    """At most so many of them, evenly spaced."""
    if len(places) <= most:
        return places
    return places[np.linspace(0, len(places) - 1, most).astype(np.int64)]


def _spread(scores: Scores) -> tuple[float, float]:
    """The mean and the standard deviation over pairs of different items. Shapes: scores is (m, m)."""
    pairs = scores[np.triu_indices(len(scores), 1)].astype(np.float64)
    if not len(pairs):
        return 0.0, 0.0
    return round(float(pairs.mean()), _SUMMED), round(float(pairs.std()), _SUMMED)
