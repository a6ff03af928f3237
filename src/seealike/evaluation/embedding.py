"""Pictures that are no items, in the space of a catalogue: pictures of a source, or any others."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing

import numpy as np

from seealike.catalog import Catalog
from seealike.evaluation.placed import Placed
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


def own_spec(catalog: Catalog) -> str:
    """How the catalogue's own encoder is asked for; the name of one that is an object of somebody's."""
    return catalog.encoder_spec or catalog.encoder.name


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
