"""The kinds of points that a legend lists: labels or clusters, the most frequent first."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from seealike.maps.value import Map

if TYPE_CHECKING:
    from seealike.types import Int64Array

NONE = -1  # the number of a point without a kind


@dataclass(frozen=True, slots=True, eq=False)
class Kinds:
    """One way to colour a map.

    Args:
        title: what the kinds are, for instance ``label`` or ``cluster``.
        names: the kinds by number; empty where one has no name.
        numbers: the kind of every item, ``NONE`` where it has none. (n,)
        counts: how many items each kind has.
    """

    title: str
    names: tuple[str, ...]
    numbers: Int64Array
    counts: tuple[int, ...]


def kinds_of(made: Map) -> tuple[Kinds, ...]:
    """The ways to colour a map: by label where there are labels, and by cluster."""
    ways = []
    if made.labelled:
        counted = Counter(label for label in made.labels if label is not None)
        names = sorted(counted, key=lambda name: (-counted[name], name))
        number = {name: place for place, name in enumerate(names)}
        numbers = np.array([NONE if x is None else number[x] for x in made.labels], dtype=np.int64)
        counts = tuple(counted[name] for name in names)
        ways.append(Kinds(made.options.label or "label", tuple(names), numbers, counts))
    counts = tuple(np.bincount(made.clusters).tolist()) if len(made) else ()
    ways.append(Kinds("cluster", _cluster_names(made, len(counts)), made.clusters, counts))
    return tuple(ways)


def _cluster_names(made: Map, count: int) -> tuple[str, ...]:
    """Clusters by the label of most of their items, or the two most frequent; without labels unnamed."""
    if not made.labelled:
        return ("",) * count
    found: list[Counter[str]] = [Counter() for _ in range(count)]
    for number, label in zip(made.clusters.tolist(), made.labels, strict=True):
        if label is not None:
            found[number][label] += 1
    names: Counter[str] = Counter()
    told = []
    for labels in found:
        most = [label for label, _ in labels.most_common(2)]
        name = " and ".join(most[:1] if 2 * sum(labels[x] for x in most[:1]) >= labels.total() else most)
        names[name] += 1
        told.append(f"{name} ({names[name]})" if name and names[name] > 1 else name)
    return tuple(told)
