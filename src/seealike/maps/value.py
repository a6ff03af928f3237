"""What a map is, and what can be asked of one: plain values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from seealike.errors import known_member
from seealike.types import Metric

if TYPE_CHECKING:
    from seealike.types import Float32Array, Int64Array

SAMPLE = 100_000


class MapMethod(StrEnum):
    """How vectors become places in the plane.

    The two strongest components are there at once.
    """

    TSNE = "tsne"
    UMAP = "umap"
    COMPONENTS = "components"

    @property
    def written(self) -> str:
        """The name as people write it."""
        return {"tsne": "t-SNE", "umap": "UMAP", "components": "principal components"}[self.value]


@dataclass(frozen=True, slots=True)
class MapOptions:
    """How to make a map.

    Args:
        method: the layout.
        label: what to colour by: a metadata column, ``folder``, ``group``, or ``None`` for clusters alone.
        sample: lay out at most so many items, drawn at random.
        seed: of the sample, the layout and the clusters; the same seed gives the same map.
        metric: how vectors are compared.
        clusters: how many clusters; by default a number that grows slowly with that of the items.
    """

    method: MapMethod = MapMethod.TSNE
    label: str | None = None
    sample: int = SAMPLE
    seed: int = 0
    metric: Metric = Metric.COSINE
    clusters: int | None = None

    def __post_init__(self) -> None:
        """Take names as well."""
        object.__setattr__(self, "method", known_member(MapMethod, self.method, "method"))
        object.__setattr__(self, "metric", known_member(Metric, self.metric, "metric"))


@dataclass(frozen=True, slots=True, eq=False)
class Map:
    """Items with their places.

    Args:
        ids: the items, in id order.
        positions: their places, centred, in the layout's own units.
        clusters: the cluster of each item; 0 is the largest.
        labels: the label of each item, ``None`` where it has none; empty where no label was asked for.
        paths: the picture of each item, where its file is known.
        near: the rows of the items most like each, nearest first.
        total: how many items the catalogue has; more than there are ids if these are a sample.
        encoder: the name of the embedding space.
        options: how the map was made.

    Shapes: positions is (n, 2), clusters is (n,), near is (n, k).
    """

    ids: tuple[str, ...]
    positions: Float32Array
    clusters: Int64Array
    labels: tuple[str | None, ...]
    paths: tuple[str | None, ...]
    near: Int64Array
    total: int
    encoder: str
    options: MapOptions

    def __len__(self) -> int:
        """The number of items on the map."""
        return len(self.ids)

    @property
    def labelled(self) -> bool:
        """Whether labels were asked for."""
        return self.options.label is not None

    @property
    def sampled(self) -> bool:
        """Whether the catalogue has items that are not on the map."""
        return self.total > len(self.ids)
