"""What one part has for every batch: the work of a worker that holds this part and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager

import numpy as np

from seealike.catalog import Catalog, ShardSource, create
from seealike.errors import EncoderError
from seealike.listing.dividing import Batch, Job, Part
from seealike.listing.found import FoundRow, encoded
from seealike.listing.room import room
from seealike.recommend import ListsForVectors
from seealike.shards import Shards
from seealike.types import EncoderIdentity, Float32Array, PixelArray, Preprocessing


def find(job: Job, part: Part, told: Callable[[], object]) -> None:
    """Write what a part has for every batch, but for those that are written already.

    The part becomes a catalogue in a folder of its own, which is gone afterwards.

    Args:
        job: which lists.
        part: of which items.
        told: called when a batch is done.

    Raises:
        SourceError, DamagedCatalogError, StorageError: shards cannot be read, or what is found not written.
    """
    shards = Shards(job.shards)
    there = set(shards.place.names())
    missing = []
    for batch in job.batches:
        if job.found_name(part, batch) in there:
            told()
        else:
            missing.append(batch)
    if not missing:
        return
    with _catalog_of(shards.only(part.entries)) as catalog:
        lists = catalog.lists_for_vectors(options=job.options)
        for batch in missing:
            rows = _found_for(batch, shards, lists, job.k + 1, own=batch.part == part.number)
            shards.place.write(job.found_name(part, batch), encoded(rows))
            told()


def finder(job: Job) -> Callable[[Part], Part]:
    """What finds what parts have, on whatever machine."""

    def found(part: Part) -> Part:
        find(job, part, lambda: None)
        return part

    return found


@contextmanager
def _catalog_of(shards: Shards) -> Iterator[Catalog]:
    with (
        room() as folder,
        create(folder, encoder=_NoEncoder(shards.manifest.encoder)) as catalog,
    ):
        catalog.index(ShardSource(shards))
        yield catalog


def _found_for(batch: Batch, shards: Shards, lists: ListsForVectors, k: int, *, own: bool) -> list[FoundRow]:
    """One more than the lists are to have: the item itself, or its product, takes a place of one."""
    found = []
    for entry in batch.entries:
        rows = [row for row in shards.rows(entry) if row.vector is not None]
        if not rows:
            continue
        ids = [row.id for row in rows]
        products = lists.products_of(ids) if own else [None] * len(ids)
        vectors = np.stack([row.vector for row in rows if row.vector is not None]).astype(np.float32)
        made = lists.of(vectors, k)
        found += [FoundRow(*one) for one in zip(ids, products, made, strict=True)]
    return found


class _NoEncoder:
    """Stands for an encoder where nothing is encoded: all vectors are there already."""

    def __init__(self, identity: EncoderIdentity) -> None:
        self.identity = identity
        self.preprocessing: Preprocessing = identity.preprocessing
        self.batch_size = self.concurrency = 1

    def encode(self, pixels: PixelArray) -> Float32Array:  # noqa: ARG002
        """Not here."""
        raise EncoderError(f"{self.identity.name} is not here, only its vectors")

    def submit(self, pixels: PixelArray) -> Future[Float32Array]:  # noqa: ARG002
        """Not here."""
        raise EncoderError(f"{self.identity.name} is not here, only its vectors")

    def close(self) -> None:
        """Nothing is held."""
