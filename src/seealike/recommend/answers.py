"""From ranked keys to what a caller sees: self left out, cut to k, with the items' rows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np

from seealike.recommend.ranking import Ranked
from seealike.recommend.searcher import StaleViewError
from seealike.types import Hit, Metadata, Metric


class ItemRow(Protocol):
    """What a hit needs to know of an item."""

    @property
    def id(self) -> str:
        """The caller's id."""

    @property
    def path(self) -> bytes | None:
        """The stored path."""

    @property
    def source(self) -> int:
        """The number of the source it belongs to."""

    @property
    def group(self) -> str | None:
        """The caller's group."""

    @property
    def metadata(self) -> Metadata:
        """The caller's columns."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a caller asked for. ``min_score`` is in the units of ``metric``."""

    k: int
    min_score: float | None
    metric: Metric

    def of(self, ranked: Ranked, exclude: Collection[int]) -> list[tuple[int, float]]:
        """The keys and scores that are wanted, of a ranking that has ``len(exclude)`` to spare."""
        pairs = [
            pair
            for pair in zip(ranked[0].tolist(), ranked[1].tolist(), strict=True)
            if pair[0] not in exclude
        ]
        return [pair for pair in pairs[: self.k] if self.min_score is None or pair[1] >= self.min_score]


def hits(
    pairs: Sequence[tuple[int, float]],
    rows: Mapping[int, ItemRow],
    absolute: Callable[[ItemRow], str | None],
) -> list[Hit]:
    """Ranked keys as hits.

    Raises:
        StaleViewError: a ranked item is not in ``rows``.
    """
    if any(key not in rows for key, _ in pairs):
        raise StaleViewError
    found = ((rows[key], score) for key, score in pairs)
    return [
        Hit(id=row.id, score=score, path=absolute(row), group=row.group, metadata=row.metadata)
        for row, score in found
    ]


def are_in_order(found: Sequence[Hit]) -> bool:
    """Whether equal scores are in id order."""
    return all((-one.score, one.id) < (-other.score, other.id) for one, other in pairwise(found))


def keys_needed(found: Sequence[Sequence[tuple[int, float]]]) -> list[int]:
    """Every key that occurs, once."""
    return [int(key) for key in np.unique([key for pairs in found for key, _ in pairs])]
