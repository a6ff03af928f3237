"""What counts beside the encoder's similarity: colour, popularity, being everybody's neighbour.

Each is a component: a number for every item, which is added. Items that are the best in sum need not be among
the best of any single one, so each is followed down until no item that has not been seen can be better.

Source: the threshold algorithm, Fagin, Lotem and Naor, "Optimal aggregation algorithms" (2001).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from seealike.indexes.scoring import DECIMALS
from seealike.recommend.ranking import Ranked, Scores
from seealike.types import Int64Array

_ROUNDED = 10.0**-DECIMALS
Valued = Callable[[Int64Array], Scores]


class Component(Protocol):
    """A number for every item, which is added to its similarity, weighted already."""

    @property
    def is_similarity(self) -> bool:
        """Whether it says how similar an item is, and so is part of the score that people see."""

    def best(self, k: int) -> Ranked:
        """The ``k`` items with the greatest numbers, or all, and these numbers, greatest first.

        Or no item, and the greatest number: where so many have it that naming ``k`` of them tells nothing.
        """

    def values(self, keys: Int64Array) -> Scores:
        """The numbers of some items. Shapes: as ``keys``."""


@dataclass(frozen=True, slots=True, eq=False)
class Mix:
    """How much the encoder's similarity counts, and what is added to it."""

    similarity: float = 1.0
    components: tuple[Component, ...] = ()

    def beside(self, component: Component) -> Mix:
        """The same with one more component, the last."""
        return Mix(self.similarity, (*self.components, component))


PLAIN = Mix()


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class PerItem:
    """A component that is the same whatever is asked for. Shapes: keys, ascending, and numbers are (n,)."""

    keys: Int64Array
    numbers: Scores
    descending: Int64Array
    is_similarity: bool = False

    @classmethod
    def of(cls, keys: Int64Array, numbers: Scores) -> PerItem:
        """From the numbers of all items."""
        return cls(keys, numbers, np.argsort(-numbers, kind="stable"))

    def best(self, k: int) -> Ranked:
        """See ``Component``."""
        places = self.descending[:k]
        if 0 < k <= len(places) and self.numbers[places[0]] == self.numbers[places[-1]]:
            return self.keys[:0], self.numbers[places[:1]]
        return self.keys[places], self.numbers[places]

    def values(self, keys: Int64Array) -> Scores:
        """See ``Component``."""
        values: Scores = self.numbers[np.searchsorted(self.keys, keys)]
        return values


def mixed(
    similar: Ranked, mix: Mix, depth: int, similarity_of: Valued, *, whole: bool, least: float
) -> tuple[Int64Array, Scores, Scores, Scores, bool]:
    """Items, their scores, what they are sorted by, and what components have in their scores; in no order.

    They are all that belong before any other; the last value says whether there are no others.

    Args:
        similar: the most similar items, most similar first.
        mix: what is added.
        depth: how far down each component is followed.
        similarity_of: the similarity of some items.
        whole: whether ``similar`` has all items there are; then these are given.
        least: items of a lower score do not count as others.
    """
    keys = similar[0]
    most = most_similar = mix.similarity * similar[1][-1] if len(keys) else 0.0
    for component in mix.components if not whole else ():
        others, values = component.best(depth)
        keys = np.union1d(keys, others)
        unseen = values[-1] if len(values) else 0.0
        most += unseen
        most_similar += unseen if component.is_similarity else 0.0
    whole = whole or most_similar < least - _ROUNDED
    alone = mix.similarity * _known_or_asked(keys, similar, similarity_of)
    shares, added = np.zeros(len(keys)), np.zeros(len(keys))
    for component in mix.components:
        if component.is_similarity:
            shares += component.values(keys)
        else:
            added += component.values(keys)
    scores = np.round(alone + shares, DECIMALS) + 0.0
    order = np.round(scores + added, DECIMALS) + 0.0
    sure = np.full(len(keys), True) if whole else order > most + _ROUNDED
    return keys[sure], scores[sure], order[sure], np.round(shares[sure], DECIMALS), whole


def _known_or_asked(keys: Int64Array, similar: Ranked, similarity_of: Valued) -> Scores:
    by_key = np.argsort(similar[0])
    known_keys, known = similar[0][by_key], similar[1][by_key]
    values = np.empty(len(keys))
    here = np.isin(keys, known_keys)
    values[here] = known[np.searchsorted(known_keys, keys[here])]
    if not here.all():
        values[~here] = similarity_of(keys[~here])
    return values
