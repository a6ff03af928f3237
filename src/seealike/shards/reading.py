"""Shards as other stages read them: one after the other, each checked against its name."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from copy import copy

from seealike.errors import DamagedCatalogError, SourceError
from seealike.shards.manifest import Manifest, ShardEntry, read_manifest
from seealike.shards.places import Place, open_place
from seealike.shards.rows import ShardRow, decoded

SUFFIX = ".parquet"


class Shards:
    """All shards of a run that was finished.

    Raises:
        SourceError: there are none in the place, or no run was finished.
        DamagedCatalogError, NewerFormatError, StorageError: as ``read_manifest``.
    """

    def __init__(self, place: Place | str) -> None:
        self.place = open_place(place) if isinstance(place, str) else place
        manifest = read_manifest(self.place)
        if manifest is None:
            raise SourceError(f"{self.place.label} holds no shards; `seealike embed` makes some")
        if manifest.shards is None:
            raise SourceError(
                f"the embedding in {self.place.label} is not finished; the same `seealike embed` goes on"
            )
        self.manifest: Manifest = manifest
        self.entries: tuple[ShardEntry, ...] = manifest.shards

    def __len__(self) -> int:
        """How many pictures they tell of."""
        return sum(entry.rows for entry in self.entries)

    def __iter__(self) -> Iterator[ShardRow]:
        """Every row, in the order of the source; one shard is in memory at a time.

        Raises:
            DamagedCatalogError: a shard is not what was written.
            SourceError: one is not there.
        """
        for entry in self.entries:
            yield from self.rows(entry)

    def only(self, entries: tuple[ShardEntry, ...]) -> Shards:
        """Some of them alone."""
        some = copy(self)
        some.entries = entries
        return some

    def rows(self, entry: ShardEntry) -> list[ShardRow]:
        """The rows of one shard.

        Raises:
            DamagedCatalogError: it is not what was written.
            SourceError: it is not there.
            MissingExtraError: pyarrow is not installed.
        """
        return read_shard(self.place, entry.name)


def shard_name(made_of: str, data: bytes) -> str:
    """What a shard is called: by what it was made of, and by its content."""
    return f"{made_of}-{hashlib.sha256(data).hexdigest()}{SUFFIX}"


def made_of(name: str) -> str | None:
    """What a shard of this name was made of; ``None`` where it is none."""
    stem, suffix = os.path.splitext(name)
    before, _, digest = stem.partition("-")
    return before if suffix == SUFFIX and len(digest) == 2 * hashlib.sha256().digest_size else None


def read_shard(place: Place, name: str) -> list[ShardRow]:
    """The rows of a shard by its name; see ``Shards.rows``."""
    data = place.read(name)
    if data is None:
        raise SourceError(f"{place.label} has no {name} any more; if it was embedded anew, run again")
    if shard_name(str(made_of(name)), data) != name:
        remedy = "take it away, and the same `seealike embed` makes it anew"
        raise DamagedCatalogError(place.label, f"{place.label}/{name}", "checksum", remedy)
    try:
        return decoded(data)
    except (ValueError, TypeError, LookupError) as exc:
        raise DamagedCatalogError(place.label, f"{place.label}/{name}", str(exc)) from exc
