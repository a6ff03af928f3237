"""The searches that tell most about the product in the shortest time."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Protocol

from seealike.demo.drawing import DrawnCatalogue
from seealike.types import Hit, Item

HITS = 6
_COPY = 2  # which near-duplicate is searched with
_TELLING = (
    "dress-107-front",
    "lamp-111-front",
    "bag-107-front",
    "mug-108-front",
    "sneaker-107-front",
    "plant-109-front",
    "watch-114-front",
    "tee-111-front",
    "chair-108-front",
    "boot-110-front",
    "cushion-106-front",
    "sweater-110-front",
    "shades-107-front",
    "trousers-102-front",
)


class Searchable(Protocol):
    """What a search needs of a catalogue."""

    def __contains__(self, item_id: object) -> bool:
        """Whether there is an item with this id."""

    def item(self, item_id: str) -> Item:
        """Return the item with this id."""

    def similar(self, item_id: str, k: int = 10) -> Sequence[Hit]:
        """Return the items most like one of the catalogue."""

    def search(self, image: str, k: int = 10) -> Sequence[Hit]:
        """Return the items most like a picture from anywhere."""

    def thumbnail(self, image: str | bytes, side_px: int = 240) -> bytes:
        """Return a small picture of a picture file."""


@dataclass(frozen=True, slots=True)
class OutsideSearch:
    """A search with a picture that is in no catalogue."""

    path: str
    hits: tuple[Hit, ...]
    took_ms: float


@dataclass(frozen=True, slots=True)
class ItemSearch:
    """A search with an item. ``original`` is the id it is a copy of, if it is one."""

    item: Item
    original: str | None
    hits: tuple[Hit, ...]
    took_ms: float


def search_outside(catalog: Searchable, drawn: DrawnCatalogue) -> OutsideSearch:
    """Search with the one picture that was never indexed, twice: the first time loads the encoder."""
    catalog.search(drawn.outside_query, HITS)
    started = time.perf_counter()
    hits = tuple(catalog.search(drawn.outside_query, HITS))
    return OutsideSearch(drawn.outside_query, hits, (time.perf_counter() - started) * 1000)


def search_telling_items(catalog: Searchable, drawn: DrawnCatalogue) -> list[ItemSearch]:
    """Search with one item of every kind, and with a copy that somebody else sent."""
    queries: list[tuple[str, str | None]] = [(item_id, None) for item_id in _TELLING]
    queries[3:3] = drawn.duplicates[_COPY : _COPY + 1]
    return list(_search_all(catalog, queries))


def _search_all(catalog: Searchable, queries: Sequence[tuple[str, str | None]]) -> Iterator[ItemSearch]:
    for item_id, original in queries:
        if item_id not in catalog:
            continue
        started = time.perf_counter()
        hits = tuple(catalog.similar(item_id, HITS))
        yield ItemSearch(catalog.item(item_id), original, hits, (time.perf_counter() - started) * 1000)


def median_search_ms(searches: Sequence[ItemSearch]) -> float:
    """Return the usual time of a search in milliseconds; 0 where there was none."""
    return median(search.took_ms for search in searches) if searches else 0.0
