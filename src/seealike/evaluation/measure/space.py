"""Items with their vectors, and pictures that are no items in the same space."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from seealike.catalog import Catalog
from seealike.evaluation.measure.selection import Selection
from seealike.rows import Rows, chosen
from seealike.sources import open_source
from seealike.types import (
    Embedded,
    Float32Array,
    Item,
    PathInput,
    Picture,
    Progress,
    ProgressCallback,
    SourceItem,
)
from seealike.vectors import unit_rows


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """Items in id order and their vectors, one row each. Shapes: vectors is (n, d)."""

    items: Sequence[Item]
    vectors: Rows

    def of(self, wanted: Sequence[Item]) -> Rows:
        """The vectors of some of the items, in order; of all of them no copy. Result is (m, d)."""
        if len(wanted) == len(self.items):
            return self.vectors
        place = {item.id: row for row, item in enumerate(self.items)}
        return chosen(self.vectors, np.fromiter((place[item.id] for item in wanted), np.int64, len(wanted)))

    def asked(self, selection: Selection) -> tuple[Rows, Rows]:
        """The vectors of the items that a selection searches, and of its queries; (m, d) and (q, d).

        At most one more array is as large as these vectors: where everybody asks, both are the same.
        """
        searched, own = self.of(selection.items), selection.own
        everybody = len(own) == len(selection.items) and bool((own >= 0).all())
        return searched, searched if everybody else self.of(selection.queries)


def placed(catalog: Catalog, progress: ProgressCallback) -> Placed:
    """All items of a catalogue with their vectors, which are held, or in a file where they are many."""
    ids, vectors = catalog.vector_rows(progress=progress)
    by_id = {item.id: item for item in catalog.items()}
    there = [row for row, item_id in enumerate(ids) if item_id in by_id]  # removed in between
    items = [by_id[ids[row]] for row in there]
    if len(there) == len(ids):
        return Placed(items, vectors)
    return Placed(items, chosen(vectors, np.array(there, np.int64)))


def embedded(catalog: Catalog, pictures: Iterable[Picture]) -> tuple[list[Embedded], Float32Array]:
    """The pictures that can be used, by their tokens, and their vectors, as exact as those of items.

    Shapes: the array is (n, d), one row a picture. Units: rows have norm 1.

    Raises:
        UnknownNameError, EncoderError: the encoder cannot be used.
    """
    with closing(catalog.embed(pictures)) as outcomes:
        usable = [outcome for outcome in outcomes if isinstance(outcome, Embedded)]
    usable.sort(key=lambda picture: picture.token)
    rounded = np.array([picture.vector for picture in usable], np.float16)
    return usable, unit_rows(rounded.reshape(-1, catalog.encoder.dimension))


def embedded_source(
    catalog: Catalog, source: PathInput, progress: ProgressCallback
) -> tuple[Placed, list[tuple[str, bytes]]]:
    """The pictures of a source that can be used, as if they were items, and the SHA-256 of each one's file.

    Raises:
        SourceError: the source cannot be read.
        UnknownNameError, EncoderError: the encoder cannot be used.
    """
    offered = [entry for entry in open_source(source).scan() if isinstance(entry, SourceItem)]
    offered.sort(key=lambda entry: entry.id)

    def pictures() -> Iterable[Picture]:
        for token, entry in enumerate(offered):
            yield Picture(token, entry.path)
            progress(Progress("embed", token + 1, len(offered)))

    usable, vectors = embedded(catalog, pictures())
    items, digests = [], []
    for picture in usable:
        entry = offered[picture.token]
        items.append(
            Item(entry.id, entry.path, entry.group, entry.metadata, picture.width_px, picture.height_px)
        )
        digests.append((entry.id, picture.sha256))
    return Placed(items, vectors), digests
