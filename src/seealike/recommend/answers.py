"""From ranked keys to what a caller sees: ties in id order, self left out, cut to k."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from seealike.indexes.scoring import DECIMALS
from seealike.recommend.view import Ranked, StaleViewError
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


def converted(scores: np.ndarray[tuple[int], np.dtype[np.float32]], metric: Metric) -> list[float]:
    """Cosine similarities in the units of ``metric``, as they are printed; the order stays.

    Source: for unit vectors the squared Euclidean distance is 2 - 2 cos.
    """
    if metric is Metric.EUCLIDEAN:
        return [-round(math.sqrt(max(0.0, 2.0 - 2.0 * float(score))), DECIMALS) for score in scores]
    return [round(float(score), DECIMALS) for score in scores]


def hits(
    ranked: Ranked,
    wanted: Wanted,
    exclude: Collection[int],
    rows: Mapping[int, ItemRow],
    absolute: Callable[[ItemRow], str | None],
) -> list[Hit]:
    """The ``k`` best, highest score first, equal scores in id order.

    Raises:
        StaleViewError: a ranked item is not in ``rows``.
    """
    pairs = []
    for key, score in zip(ranked[0].tolist(), converted(ranked[1], wanted.metric), strict=True):
        if key in exclude or (wanted.min_score is not None and score < wanted.min_score):
            continue
        if key not in rows:
            raise StaleViewError
        pairs.append((-score, rows[key].id, rows[key]))
    pairs.sort(key=lambda pair: pair[:2])
    return [
        Hit(id=row.id, score=-negated, path=absolute(row), group=row.group, metadata=row.metadata)
        for negated, _, row in pairs[: wanted.k]
    ]


def keys_needed(ranked: Sequence[Ranked]) -> list[int]:
    """Every key that occurs, once."""
    if not ranked:
        return []
    return [int(key) for key in np.unique(np.concatenate([keys for keys, _ in ranked]))]
