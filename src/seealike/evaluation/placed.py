"""Items with their vectors, and the vectors of some of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seealike.catalog import Catalog
from seealike.evaluation.selection import Selection
from seealike.types import Float32Array, Item


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """Items in id order and their vectors, one row each. Shapes: vectors is (n, d)."""

    items: Sequence[Item]
    vectors: Float32Array

    def of(self, wanted: Sequence[Item]) -> Float32Array:
        """The vectors of some of the items, in order; of all of them no copy. Result is (m, d)."""
        if len(wanted) == len(self.items):
            return self.vectors
        place = {item.id: row for row, item in enumerate(self.items)}
        return self.vectors[np.fromiter((place[item.id] for item in wanted), np.int64, len(wanted))]

    def asked(self, chosen: Selection) -> tuple[Float32Array, Float32Array]:
        """The vectors of the items that a selection searches, and of its queries; (m, d) and (q, d).

        At most one more array is as large as these vectors: where everybody asks, both are the same.
        """
        searched = self.of(chosen.items)
        everybody = len(chosen.own) == len(chosen.items) and bool((chosen.own >= 0).all())
        return searched, searched if everybody else self.of(chosen.queries)


def placed(catalog: Catalog) -> Placed:
    """All items of a catalogue with their vectors."""
    ids, vectors = catalog.vectors()
    by_id = {item.id: item for item in catalog.items()}
    there = [row for row, item_id in enumerate(ids) if item_id in by_id]  # removed in between
    items = [by_id[ids[row]] for row in there]
    return Placed(items, vectors if len(there) == len(ids) else vectors[there])
