"""Shards as a source that has the vectors of its pictures already: nothing is decoded."""

from __future__ import annotations

import json
import os
from collections.abc import Generator, Iterable, Iterator
from itertools import chain, islice, repeat

import numpy as np

from seealike.errors import SourceError
from seealike.objects import is_address, place_in
from seealike.shards import Origin, ShardRow, Shards
from seealike.sources.ids import printable
from seealike.types import (
    Embedded,
    EncoderIdentity,
    PathInput,
    Picture,
    Refused,
    SameFile,
    Skipped,
    SourceItem,
    Unseen,
)


class ShardSource:
    """What ``embed`` made, as a ``Source``, and as the ``Embedder`` that answers for its pictures.

    Pictures are best asked in the order of the scan: then each shard is read once.

    Args:
        shards: they, or the name of their place.
        root: the folder that holds the pictures here; by default the one where they were embedded.

    Raises:
        SourceError: no finished embedding is there.
        DamagedCatalogError, NewerFormatError, StorageError: it cannot be read.
    """

    def __init__(self, shards: str | Shards, *, root: PathInput | None = None) -> None:
        self.shards = Shards(shards) if isinstance(shards, str) else shards
        name = shards if isinstance(shards, str) else shards.place.label
        self.label = printable(name.rstrip("/" + os.sep) + "/")
        # Pictures that are in no folder have addresses of their own.
        beside = os.getcwd() if is_address(name) else name
        self.root = os.path.abspath((self.shards.manifest.root or beside) if root is None else root)

    @property
    def identity(self) -> EncoderIdentity:
        """Whose vectors they are."""
        return self.shards.manifest.encoder

    @property
    def encoder_spec(self) -> str:
        """How that was asked for."""
        return self.shards.manifest.encoder_spec

    def scan(self) -> Iterator[SourceItem | Skipped]:
        """See ``Source``: what the source said that was embedded."""
        return (self._entry(row) for row in self.shards)

    def embed(
        self,
        pictures: Iterable[Picture],
        *,
        urgent: bool = False,  # noqa: ARG002  nothing is to be waited for
    ) -> Generator[Embedded | SameFile | Refused, None, None]:
        """See ``Embedder``: what the shards say of pictures that the scan has offered.

        Raises:
            SourceError: they say nothing of one.
            DamagedCatalogError: one is not what was written.
        """
        rows, count = chain.from_iterable(repeat(self.shards)), len(self.shards)
        for picture in pictures:
            once_round = islice(rows, count)
            row = next((row for row in once_round if self._is_of(row, picture)), None)
            if row is None:
                raise SourceError(f"{self.label} changed while it was read; run again")
            yield _outcome(row, picture)

    def close(self) -> None:
        """Nothing is held."""

    def _place(self, row: ShardRow) -> str:
        return place_in(self.root, row.path)

    def _is_of(self, row: ShardRow, picture: Picture) -> bool:
        return row.origin is Origin.PICTURE and self._place(row) == picture.image

    def _entry(self, row: ShardRow) -> SourceItem | Skipped:
        path = self._place(row)
        if row.origin is Origin.PICTURE:
            metadata = json.loads(row.metadata_json)
            return SourceItem(row.id, path, row.size_bytes or 0, row.mtime_ns or 0, row.group, metadata)
        assert row.reason is not None
        said = (row.id, path, row.reason, row.detail or "", row.size_bytes, row.mtime_ns)
        if row.origin is Origin.SOURCE:
            return Skipped(*said)
        return Unseen(*said, below=row.origin is Origin.UNSEEN_BELOW)


def _outcome(row: ShardRow, picture: Picture) -> Embedded | SameFile | Refused:
    if row.reason is not None:
        return Refused(picture.token, row.reason, row.detail or "", row.size_bytes, row.mtime_ns)
    size, mtime = row.size_bytes or 0, row.mtime_ns or 0
    if picture.known_sha256 is not None and picture.known_sha256 == row.sha256:
        return SameFile(picture.token, size, mtime)
    assert row.vector is not None
    return Embedded(
        token=picture.token,
        vector=row.vector.astype(np.float32),
        sha256=row.sha256 or b"",
        width_px=row.width_px or 0,
        height_px=row.height_px or 0,
        size_bytes=size,
        mtime_ns=mtime,
        signature=row.signature,
    )
