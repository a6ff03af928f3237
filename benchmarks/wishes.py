"""What a shopper is shown: products, diversity, nearly equal pictures, several likes; effect and cost.

On photos of clothes with labels of 17 kinds, and on the shop that ``seealike demo`` draws, whose products
have several pictures each.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

import seealike
from benchmarks.report import Row
from seealike import Combine, Hit, IndexOptions, SearchOptions
from seealike.demo import run_demo
from seealike.types import Float32Array

TITLE = "Which results: products, diversity, nearly equal ones, several likes"
QUERIES = 500
K = 10
NO_CLASS = {"Not sure", "Skip", "Other"}


@dataclass(frozen=True, slots=True)
class Shown:
    """The results of many queries: what they are, and how long one took."""

    right: float
    similarity: float
    products: float
    own: float
    took_ms: float

    def row(self, what: str, note: str = "") -> Row:
        told = f"P@10 {self.right:.3f}, mean pairwise similarity {self.similarity:.3f}"
        products = f"{self.products:.1f} products, its own in {self.own:.1%} of lists"
        return Row(what, f"{told}, {products}; {self.took_ms:.2f} ms", "", note)


@dataclass(frozen=True, slots=True)
class Collection:
    """A catalogue, the class of every item, and its product."""

    catalog: seealike.Catalog
    kinds: dict[str, str]
    groups: dict[str, str]
    vectors: dict[str, Float32Array]

    def shown(self, asked: Sequence[str], options: SearchOptions) -> Shown:
        started = time.perf_counter()
        answers = [self.catalog.similar(item_id, K, options=options) for item_id in asked]
        took_ms = (time.perf_counter() - started) / len(asked) * 1000
        right = [
            self.kinds[hit.id] == self.kinds[own] for own, hits in self._pairs(asked, answers) for hit in hits
        ]
        products = [len({self.groups[hit.id] for hit in hits}) for hits in answers]
        own = [
            self.groups[item_id] in {self.groups[hit.id] for hit in hits}
            for item_id, hits in self._pairs(asked, answers)
        ]
        alike = [self._similarity(hits) for hits in answers if len(hits) > 1]
        means = [float(np.mean(values)) for values in (right, alike, products, own)]
        return Shown(means[0], means[1], means[2], means[3], took_ms)

    @staticmethod
    def _pairs(asked: Sequence[str], answers: Sequence[Sequence[Hit]]) -> Iterable[tuple[str, Sequence[Hit]]]:
        return zip(asked, answers, strict=True)

    def _similarity(self, hits: Sequence[Hit]) -> float:
        rows = np.stack([self.vectors[hit.id] for hit in hits])
        n = len(rows)
        return float(((rows @ rows.T).sum() - n) / (n * (n - 1)))


def rows(data: Path, work: Path) -> list[Row]:
    found: list[Row] = []
    shop = work / "wishes-shop"
    run_demo(str(shop))
    with seealike.open(shop / ".seealike") as catalog:
        drawn = _collection(catalog, "kind")
        asked = [item.id for item in catalog.items() if item.group]
        found += _rows("drawn shop", drawn, asked)
    photos = work / "wishes-clothing.catalog"
    with seealike.create(photos) if not photos.exists() else seealike.open(photos) as catalog:
        catalog.index(data / "clothing" / "catalogue.csv", options=IndexOptions(root=data / "clothing"))
        clothes = _collection(catalog, "label")
        named = [item_id for item_id, kind in clothes.kinds.items() if kind not in NO_CLASS]
        asked = random.Random(1).sample(named, min(QUERIES, len(named)))
        found += _rows("photos of clothes", clothes, asked)
        found += _likes(clothes, named)
    return found


def _collection(catalog: seealike.Catalog, column: str) -> Collection:
    items = list(catalog.items())
    ids, vectors = catalog.vectors()
    return Collection(
        catalog,
        {item.id: str(item.metadata.get(column)) for item in items},
        {item.id: item.group or item.id for item in items},
        dict(zip(ids, vectors, strict=True)),
    )


def _rows(name: str, collection: Collection, asked: Sequence[str]) -> list[Row]:
    usual, single = SearchOptions(), SearchOptions(pictures=True)
    collection.shown(asked[:20], usual)
    found = [collection.shown(asked, single).row(f"{name}: single pictures")]
    if len(set(collection.groups.values())) < len(collection.groups):
        found.append(collection.shown(asked, usual).row(f"{name}: one result a product (the default)"))
    found += [
        collection.shown(asked, replace(usual, diversity=diversity)).row(f"{name}: diversity {diversity}")
        for diversity in (0.1, 0.3, 0.5, 0.7, 1.0)
    ]
    found += [
        collection.shown(asked, replace(usual, dedup=least)).row(
            f"{name}: nearly equal ones once, from {least}"
        )
        for least in (0.95, 0.9, 0.8)
    ]
    return found


def _likes(collection: Collection, named: Sequence[str]) -> list[Row]:
    """Two likes of different kinds: of which kinds are the results?"""
    chance = random.Random(2)
    pairs: list[tuple[str, str]] = []
    while len(pairs) < QUERIES:
        one, other = chance.sample(list(named), 2)
        if collection.kinds[one] != collection.kinds[other]:
            pairs.append((one, other))
    found = []
    for combine in Combine:
        options = SearchOptions(combine=combine)
        started = time.perf_counter()
        answers = [collection.catalog.recommend(pair, k=K, options=options) for pair in pairs]
        took_ms = (time.perf_counter() - started) / len(pairs) * 1000
        either, both = [], []
        for pair, hits in zip(pairs, answers, strict=True):
            kinds = [collection.kinds[hit.id] for hit in hits]
            wanted = {collection.kinds[item_id] for item_id in pair}
            either.append(np.mean([kind in wanted for kind in kinds]))
            both.append(wanted <= set(kinds))
        told = f"{np.mean(either):.3f} of results of either kind; both kinds in {np.mean(both):.1%} of lists"
        found.append(Row(f"two likes of different kinds: {combine.value}", f"{told}; {took_ms:.2f} ms"))
    return found
