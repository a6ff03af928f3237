"""Where encoders disagree: the queries whose nearest items differ most."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from seealike.evaluation.comparison.measuring import Measured
from seealike.evaluation.comparison.values import Contested
from seealike.evaluation.statistics.ranking import overlaps
from seealike.evaluation.values import Neighbour
from seealike.types import Int64Array, Item

Labels = tuple[list[str], Int64Array, Int64Array]
NEAREST = 6


def most_contested(
    queries: Sequence[Item],
    items: Sequence[Item],
    measured: Sequence[Measured],
    labels: Labels | None,
    show: int,
) -> tuple[Contested, ...]:
    """The queries that encoders agree least about; of equals, those where one is right and another wrong.

    Args:
        queries: what ``asked`` of the measured counts.
        items: what ``places`` counts.
        measured: the encoders.
        labels: names of classes, and which of them each item and each query is.
        show: how many to give.
    """
    pairs = list(combinations(measured, 2))
    shared = np.mean([overlaps(one.places, other.places) for one, other in pairs], axis=0)
    spread = np.zeros(len(shared))
    if labels is not None:
        _, item_labels, query_labels = labels
        sought = query_labels[measured[0].asked]
        right = [
            ((item_labels[np.maximum(figures.places, 0)] == sought[:, None]) & (figures.places >= 0)).sum(
                axis=1
            )
            for figures in measured
        ]
        spread = np.max(right, axis=0) - np.min(right, axis=0)
    order = np.lexsort((np.arange(len(shared)), -spread, shared))[:show]
    return tuple(_contested(queries, items, measured, labels, int(row), float(shared[row])) for row in order)


def _contested(
    queries: Sequence[Item],
    items: Sequence[Item],
    measured: Sequence[Measured],
    labels: Labels | None,
    row: int,
    shared: float,
) -> Contested:
    asked = int(measured[0].asked[row])
    query = queries[asked]
    sought = "" if labels is None else labels[0][int(labels[2][asked])]

    def neighbours(figures: Measured) -> tuple[Neighbour, ...]:
        pairs = zip(
            figures.places[row, :NEAREST].tolist(), figures.scores[row, :NEAREST].tolist(), strict=True
        )
        return tuple(
            _neighbour(items[place], _label(labels, place), sought, score)
            for place, score in pairs
            if place >= 0
        )

    return Contested(query.id, query.path, sought, shared, tuple(map(neighbours, measured)))


def _label(labels: Labels | None, place: int) -> str:
    return "" if labels is None else labels[0][int(labels[1][place])]


def _neighbour(item: Item, label: str, sought: str, score: float) -> Neighbour:
    return Neighbour(item.id, item.path, label, score, bool(label) and label == sought)
