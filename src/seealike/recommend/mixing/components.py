"""What counts beside the encoder's similarity: colour, popularity, being everybody's neighbour.

Each is a number for every item, which is added. So of an item that nobody has compared with the query it is
known how good it can be at most: its own numbers, and the similarity of the least similar of the ranked ones.
Only those are compared that could be among the best, the most promising first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from seealike.indexes.scoring import DECIMALS
from seealike.recommend.ranking import Ranked, Scores
from seealike.types import Int64Array

_ROUNDED = 2 * 10.0**-DECIMALS  # a score and what it is sorted by, each rounded once
_COMPARED_AT_ONCE = 256
_WORTH_COMPARING = 40  # items for each ranked one: with more, ranking further down is quicker


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class PerItem:
    """What is added to the similarity of every item of a view, in the order of its keys.

    Shapes: numbers is (n,); ``most`` is the greatest.
    """

    numbers: Scores
    most: float

    @classmethod
    def of(cls, numbers: Scores) -> PerItem:
        """From the numbers of all items."""
        return cls(numbers, float(numbers.max(initial=-np.inf)))


@dataclass(frozen=True, slots=True, eq=False)
class Mix:
    """How much the encoder's similarity counts, and what is added to it.

    ``colour`` is part of the score that people see; ``beside`` counts for the order alone.
    """

    similarity: float = 1.0
    colour: PerItem | None = None
    beside: PerItem | None = None

    def with_beside(self, beside: PerItem | None) -> Mix:
        """The same with what counts for the order, if there is something."""
        return self if beside is None else replace(self, beside=beside)

    def added(self) -> PerItem:
        """All that is added."""
        if self.colour is None or self.beside is None:
            return self.colour or self.beside or PerItem(np.empty(0), 0.0)
        return PerItem.of(self.colour.numbers + self.beside.numbers)

    def applied(self, places: Int64Array, similar: Scores) -> Mixed:
        """To items at these places of the view, which are so similar."""
        colour = np.zeros(len(places)) if self.colour is None else self.colour.numbers[places]
        scores = np.round(self.similarity * similar + colour, DECIMALS) + 0.0
        order = scores if self.beside is None else np.round(scores + self.beside.numbers[places], DECIMALS)
        return Mixed(places, scores, order + 0.0, np.round(colour, DECIMALS))


PLAIN = Mix()


class Mixed(NamedTuple):
    """Items by their places in a view, what people see, what they are sorted by, and what colour has in it.

    In no order. Shapes: all are (m,).
    """

    places: Int64Array
    scores: Scores
    order: Scores
    colour: Scores

    def at(self, which: Int64Array | np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Mixed:
        """Some of them."""
        return Mixed(self.places[which], self.scores[which], self.order[which], self.colour[which])

    def beside(self, others: Mixed) -> Mixed:
        """These and others."""
        return Mixed(
            np.concatenate([self.places, others.places]),
            np.concatenate([self.scores, others.scores]),
            np.concatenate([self.order, others.order]),
            np.concatenate([self.colour, others.colour]),
        )


class Items(NamedTuple):
    """The items that one query may find, and how it compares them.

    Args:
        keys: of the view, ascending; (n,).
        allowed: which of them may be found; all, if not given.
        rank: the most similar ones, at least so many, most similar first: one ranking.
        similarity_of: the similarity of some keys.
    """

    keys: Int64Array
    allowed: Int64Array | None
    rank: Callable[[int], Sequence[Ranked]]
    similarity_of: Callable[[Int64Array], Scores]

    def __len__(self) -> int:
        """The number of items that may be found."""
        return len(self.keys if self.allowed is None else self.allowed)

    def only(self, places: Int64Array) -> Int64Array:
        """Those of the places whose items may be found."""
        if self.allowed is None:
            return places
        return places[np.isin(self.keys[places], self.allowed, assume_unique=True)]


def mixed(similar: Ranked, mix: Mix, depth: int, least: float, items: Items) -> tuple[Mixed, bool]:
    """The best ``depth`` items or more, all that belong before any other, and whether there are no others.

    Args:
        similar: the most similar items, most similar first; none where similarity does not count.
        mix: what is added.
        depth: how many; fewer where there are fewer.
        least: items of a lower score do not count as others.
        items: what is searched.
    """
    added = mix.added()
    if not mix.similarity:
        return _by_numbers(mix, added.numbers, depth, items)
    most_shown = 0.0 if mix.colour is None else mix.colour.most
    while True:
        found = mix.applied(np.searchsorted(items.keys, similar[0]), similar[1])
        lowest = mix.similarity * similar[1][-1] if len(similar[1]) else -np.inf
        if len(found.places) >= len(items) or lowest + most_shown < least - _ROUNDED:
            return found, True
        best = _with_promising(found, mix, added, lowest, depth, items)
        if best is not None:
            return best, False
        (similar,) = items.rank(len(similar[0]) + 1)


def _with_promising(
    found: Mixed, mix: Mix, added: PerItem, lowest: float, depth: int, items: Items
) -> Mixed | None:
    """The best of what was ranked and of all others; ``None`` where too many others could be among them."""
    kth = _kth(found.order, depth)
    if added.most + lowest + _ROUNDED < kth:
        return found.at(found.order > added.most + lowest + _ROUNDED)
    could_be = added.numbers >= kth - lowest - _ROUNDED
    could_be[found.places] = False
    if items.allowed is None and np.count_nonzero(could_be) > _WORTH_COMPARING * len(found.places):
        return None
    promising = items.only(np.flatnonzero(could_be))
    if len(promising) > _WORTH_COMPARING * len(found.places):
        return None
    promising = promising[np.argsort(-added.numbers[promising])]
    while len(promising):
        part, promising = promising[:_COMPARED_AT_ONCE], promising[_COMPARED_AT_ONCE:]
        found = found.beside(mix.applied(part, items.similarity_of(items.keys[part])))
        kth = _kth(found.order, depth)
        promising = promising[added.numbers[promising] >= kth - lowest - _ROUNDED]
    return found.at(found.order >= kth)


def _by_numbers(mix: Mix, numbers: Scores, depth: int, items: Items) -> tuple[Mixed, bool]:
    """Where similarity has no part in it."""
    places = items.only(np.arange(len(items.keys)))
    whole = depth >= len(places)
    if not whole:
        own = numbers[places]
        places = places[own >= _kth(own, depth) - _ROUNDED]
    found = mix.applied(places, np.zeros(len(places)))
    return found if whole else found.at(found.order >= _kth(found.order, depth)), whole


def _kth(numbers: Scores, k: int) -> float:
    """The ``k``-th greatest, or the least."""
    place = max(0, len(numbers) - k)
    return float(np.partition(numbers, place)[place])
