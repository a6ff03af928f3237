"""Make the lists of all items over shards: every part finds, then what was found is merged."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import fields
from functools import partial
from itertools import product
from types import TracebackType
from typing import Self

from seealike.cluster import check_cluster, done_on
from seealike.errors import DamagedCatalogError, SourceError, UsageError, check_count
from seealike.listing.dividing import PART_VECTORS, Batch, Job, Part
from seealike.listing.finding import find, finder
from seealike.listing.found import FoundRow, decoded
from seealike.listing.merging import merged
from seealike.recommend import SearchOptions, SimilarList
from seealike.shards import Shards
from seealike.types import Item, PathInput, Progress, ProgressCallback, unwatched

_OF_PAIRS = ("min_score", "exact", "metric", "pictures", "at_least")  # what two items alone tell


class ListsOfShards:
    """The list of every item, in the order of the shards.

    Use it in a ``with`` block: where that ends without an error, what was found and lies beside the shards is
    removed; after an error or a kill the same call goes on with it.
    """

    def __init__(self, job: Job, shards: Shards, on: str | None, progress: ProgressCallback) -> None:
        """Use ``lists_of_shards`` instead."""
        self._job, self._shards, self._on, self._progress = job, shards, on, progress

    @property
    def path(self) -> str:
        """Where the shards are."""
        return self._shards.place.label

    def item(self, item_id: str) -> Item:
        """Nobody's: what is known of items is in the shards, and not held.

        Raises:
            UsageError: always.
        """
        raise UsageError(f"where {item_id} lies is not at hand: shards are read one after the other")

    def __len__(self) -> int:
        """How many lists there are."""
        return sum(entry.vectors for part in self._job.parts for entry in part.entries)

    def __iter__(self) -> Iterator[SimilarList]:
        """Every list.

        Raises:
            SourceError, DamagedCatalogError, StorageError: the shards, or what was found, cannot be read.
        """
        self._find()
        job = self._job
        for number, batch in enumerate(job.batches):
            for rows in zip(*(self._read(part, batch) for part in job.parts), strict=True):
                yield merged(rows, job.k)
            self._progress(Progress("lists", number + 1, len(job.batches)))

    def __enter__(self) -> Self:
        """Nothing is begun yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove what was found, unless there was an error."""
        if kind is None:
            for part, batch in product(self._job.parts, self._job.batches):
                self._shards.place.remove(self._job.found_name(part, batch))

    def _find(self) -> None:
        """Have every part find what it has, here or on a cluster."""
        job, done = self._job, 0
        total = len(job.batches) * len(job.parts)

        def told(batches: int = 1) -> None:
            nonlocal done
            done += batches
            self._progress(Progress("parts", done, total))

        if self._on is None:
            for part in job.parts:
                find(job, part, told)
            return
        for _ in done_on(self._on, partial(finder, job), iter(job.parts)):
            told(len(job.batches))

    def _read(self, part: Part, batch: Batch) -> Iterator[FoundRow]:
        place, name = self._shards.place, self._job.found_name(part, batch)
        data, remedy = place.read(name), "take it away, and the same command makes it anew"
        if data is None:
            raise SourceError(f"{place.label} has no {name} any more; run the same command again")
        try:
            yield from decoded(data)
        except ValueError as exc:
            raise DamagedCatalogError(place.label, f"{place.label}/{name}", str(exc), remedy) from exc


def lists_of_shards(
    shards: PathInput,
    k: int = 10,
    *,
    options: SearchOptions = SearchOptions(),
    on: str | None = None,
    part_vectors: int = PART_VECTORS,
    progress: ProgressCallback = unwatched,
) -> ListsOfShards:
    """The ``k`` most similar items of every item that ``seealike embed`` has turned into shards.

    As ``Catalog.recommend_all`` makes them, of a catalogue that holds all of it; but no process holds more
    than one part.

    Args:
        shards: where they are.
        k: how many entries a list has.
        options: wishes that two items alone tell: no conditions and columns, which take what all items say,
            no diversity, no colours.
        on: a cluster that finds what the parts have, ``ray`` or ``ray://HEAD:10001``; every actor
            holds one part at a time (default: this process does, one after the other).
        part_vectors: how many vectors a part has at most.
        progress: told how far it is.

    Raises:
        SourceError, DamagedCatalogError, NewerFormatError, StorageError: the shards cannot be read.
        UsageError: a wish that takes a catalogue, or no cluster.
        SeealikeError: the cluster has no node, or one cannot do its part.
    """
    check_count(k, "k")
    check_count(part_vectors, "part_vectors")
    if on is not None:
        check_cluster(on)
    for field in fields(SearchOptions):
        if field.name not in _OF_PAIRS and getattr(options, field.name) != field.default:
            raise UsageError(
                f"{field.name} takes a catalogue: `seealike index` makes one of the shards, or leave it out"
            )
    opened = Shards(os.fspath(shards))
    job = Job.of(opened.place.label, opened.entries, k, options, part_vectors)  # which holds on any node
    return ListsOfShards(job, opened, on, progress)
