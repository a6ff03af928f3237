"""What the lists of all items do together: who is in none, who is in too many, how varied they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from heapq import nsmallest
from typing import TYPE_CHECKING, Protocol

import numpy as np

from seealike.recommend.lists.making import SimilarList
from seealike.recommend.products import Products
from seealike.recommend.view import RowReader
from seealike.vectors import unit_rows

if TYPE_CHECKING:
    from seealike.types import Float32Array, Int64Array

HUB_TIMES = 5  # the mean: so many lists make a hub
MOST_HUBS = 20
MOST_NEVER = 10_000
SAMPLE = 1000  # lists, at least, whose items are compared with each other


@dataclass(frozen=True, slots=True)
class Hub:
    """An item and the number of lists that it is in."""

    id: str
    lists: int


@dataclass(frozen=True, slots=True)
class ListsReport:
    """What the lists of all items do together.

    Args:
        lists, entries: how many lists there are, and how many recommendations in all of them.
        empty: lists without any.
        items, recommended: how many items there are, and how many of them are in a list.
        products, products_recommended: the same of groups, an item without one being a product of its own;
            ``None`` where no item has a group.
        never: items in no list, in id order: the first 10,000.
        hubs: how many items are in more than ``hub_above`` lists.
        hub_above: five times the number of lists that the mean item is in.
        top: the 20 items that are in most lists.
        skewness: of the number of lists that an item is in: 0 where all are in equally many, or as many are
            in more as in fewer; the greater, the more a few items crowd out the others.
        similarity: the mean cosine similarity of two items of a list, the lower the more varied they are;
            over ``sample`` lists, evenly spread. ``None`` where no list has two items.
        own_product: the share of these lists that recommend the item's own group; ``None`` as ``products``.
        sample: the number of lists that were looked at for these two.

    Source: hubs, and the skewness of k-occurrences as their measure: Radovanović, Nanopoulos and Ivanović,
    Hubs in Space, JMLR 11 (2010); five times the mean: Flexer and Schnitzer, Choosing lp norms in
    high-dimensional spaces based on hub analysis, Neurocomputing 169 (2015).
    """

    lists: int
    entries: int
    empty: int
    items: int
    recommended: int
    products: int | None
    products_recommended: int | None
    never: tuple[str, ...]
    hubs: int
    hub_above: float
    top: tuple[Hub, ...]
    skewness: float
    similarity: float | None
    own_product: float | None
    sample: int


class ReportedRow(Protocol):
    """What is read of an item for the report."""

    @property
    def id(self) -> str:
        """The caller's id."""

    @property
    def key(self) -> int:
        """Its key."""

    @property
    def group(self) -> str | None:
        """The caller's group."""


class ReportStore(RowReader, Protocol):
    """Where items and vectors are read from."""

    def items(self) -> Iterator[ReportedRow]:
        """Every item, in id order."""


class ReportedLists:
    """Lists that are counted as they pass by; afterwards ``report`` says what they do together.

    What is kept is a number an item and some lists. With ``products``, these are what lists are of, and what
    the report calls items.
    """

    def __init__(
        self, lists: Iterable[SimilarList], store: ReportStore, products: Products | None = None
    ) -> None:
        """Nothing is read yet."""
        self._lists, self._store, self._products = lists, store, products
        self._count = self._empty = 0
        self._occurrences: Counter[str] = Counter()
        self._sample: list[SimilarList] = []
        self._stride = 1

    def __iter__(self) -> Iterator[SimilarList]:
        """The lists as they are."""
        for entry in self._lists:
            if self._count % self._stride == 0:
                self._sample.append(entry)
                if len(self._sample) == 2 * SAMPLE:
                    self._sample, self._stride = self._sample[::2], 2 * self._stride
            self._count += 1
            self._empty += not entry.similar_ids
            self._occurrences.update(entry.similar_ids)
            yield entry

    def report(self) -> ListsReport:
        """What the lists so far do together. Items that came or went since they were made are not in it."""
        counts: list[int] = []
        never: list[str] = []
        groups: dict[str, bool] = {}
        single = single_recommended = 0
        named = {item_id for entry in self._sample for item_id in (entry.id, *entry.similar_ids)}
        sampled: dict[str, list[ReportedRow]] = {}
        seen: set[str] = set()  # products
        for item in self._store.items():
            name = item.id if self._products is None else self._products.name_of(item.key, item.id)
            if name in named:
                sampled.setdefault(name, []).append(item)
            if name is None or name in seen:
                continue
            count = self._occurrences[name]
            counts.append(count)
            if not count and len(never) < MOST_NEVER:
                never.append(name)
            if self._products is not None:
                seen.add(name)
            elif item.group is None:
                single, single_recommended = single + 1, single_recommended + (count > 0)
            else:
                groups[item.group] = groups.get(item.group, False) or count > 0
        occurrences = np.array(counts, dtype=np.int64)
        above = HUB_TIMES * int(occurrences.sum()) / max(1, len(counts))
        return ListsReport(
            lists=self._count,
            entries=self._occurrences.total(),
            empty=self._empty,
            items=len(counts),
            recommended=int((occurrences > 0).sum()),
            products=len(groups) + single if groups else None,
            products_recommended=sum(groups.values()) + single_recommended if groups else None,
            never=tuple(never),
            hubs=int((occurrences > above).sum()),
            hub_above=above,
            top=tuple(Hub(*pair) for pair in _most(self._occurrences)),
            skewness=skewness(occurrences),
            similarity=self._similarity(sampled),
            own_product=self._own_product(sampled) if groups else None,
            sample=len(self._sample),
        )

    def _similarity(self, rows: dict[str, list[ReportedRow]]) -> float | None:
        means = []
        for entry in self._sample:
            each = [[row.key for row in rows[name]] for name in entry.similar_ids if name in rows]
            found, vectors = self._store.vectors_of([key for keys in each for key in keys])
            unit = unit_rows(vectors)
            pictures = [unit[np.isin(found, keys)] for keys in each]
            directions = [one.mean(axis=0) for one in pictures if len(one)]
            if len(directions) > 1:
                means.append(pairwise_similarity(unit_rows(np.stack(directions))))
        return float(np.mean(means)) if means else None

    def _own_product(self, rows: dict[str, list[ReportedRow]]) -> float:
        def has_own(entry: SimilarList) -> bool:
            own = rows[entry.id][0].group if entry.id in rows else None
            return own is not None and any(
                rows[item_id][0].group == own for item_id in entry.similar_ids if item_id in rows
            )

        return sum(map(has_own, self._sample)) / max(1, len(self._sample))


def _most(occurrences: Counter[str]) -> list[tuple[str, int]]:
    """The most frequent ones, equally frequent ones in the order of their ids."""
    return nsmallest(MOST_HUBS, occurrences.items(), key=lambda pair: (-pair[1], pair[0]))


def skewness(numbers: Int64Array) -> float:
    """The third standardised moment; 0 where all numbers are equal. Shapes: (n,)."""
    if not len(numbers) or numbers.min() == numbers.max():
        return 0.0
    off = numbers - numbers.mean()
    return float((off**3).mean() / (off**2).mean() ** 1.5)


def pairwise_similarity(unit: Float32Array) -> float:
    """The mean cosine similarity of two different rows of unit norm. Shapes: (m, d), m at least 2.

    The squared norm of a sum of unit vectors is their number and twice the sum over all pairs.
    """
    total = unit.astype(np.float64).sum(axis=0)
    return float((total @ total - len(unit)) / (len(unit) * (len(unit) - 1)))
