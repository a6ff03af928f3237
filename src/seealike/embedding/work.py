"""One part made into a shard: what every machine does that takes part."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from seealike.embedding.parts import Part
from seealike.protocols import Embedder
from seealike.shards import Origin, Place, ShardEntry, ShardRow, encoded, read_shard, shard_name
from seealike.types import TRANSIENT_REASONS, Embedded, Picture, Refused, SameFile, SkipReason


@dataclass(frozen=True, slots=True)
class Task:
    """A part to be made, and the shards of an earlier run that may hold vectors of it.

    ``number``: where it stands in the source.
    """

    number: int
    part: Part
    earlier: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Made:
    """What became of a task: its shard, and how many pictures were read for it."""

    number: int
    entry: ShardEntry
    embedded: int


class ShardMaker:
    """Makes shards with one embedder.

    Args:
        embedder: turns pictures into vectors.
        place: where shards go.
        earlier: where those of an earlier run are.
        root: the folder that the paths of the rows are relative to.
        again: reasons that do not count as known: such pictures are tried again.
    """

    def __init__(
        self,
        embedder: Embedder,
        place: Place,
        earlier: Place,
        root: str,
        again: frozenset[SkipReason] = TRANSIENT_REASONS,
    ) -> None:
        self._embedder, self._place, self._earlier = embedder, place, earlier
        self._root, self._again = root, again

    def make(self, task: Task) -> Made:
        """Write the shard of a part; whatever happens, it is there whole or not at all.

        Raises:
            EncoderError: the encoder cannot be loaded.
            StorageError: the place refused.
        """
        embedded = 0
        rows, known = settled(task, self._earlier, self._again)
        asked = [number for number, row in enumerate(rows) if row is None]
        pictures = (self._picture(number, task.part.rows[number], known) for number in asked)
        with closing(self._embedder.embed(pictures)) as outcomes:
            for outcome in outcomes:
                embedded += isinstance(outcome, Embedded)
                rows[outcome.token] = _told(task.part.rows[outcome.token], outcome, known)
        done = [row for row in rows if row is not None]
        assert len(done) == len(task.part.rows)
        data = encoded(done, self._embedder.identity.dimension)
        name = shard_name(task.part.made_of, data)
        self._place.write(name, data)
        return Made(task.number, ShardEntry.of(name, done), embedded)

    def _picture(self, number: int, row: ShardRow, known: Mapping[str, ShardRow]) -> Picture:
        before = known.get(row.id)
        return Picture(number, os.path.join(self._root, row.path), before.sha256 if before else None)


def settled(
    task: Task, earlier: Place, again: frozenset[SkipReason]
) -> tuple[list[ShardRow | None], Mapping[str, ShardRow]]:
    """The rows of a part that need no picture, ``None`` for the others; and what an earlier run knew, by id.

    Raises:
        SourceError, DamagedCatalogError, StorageError: a shard of the earlier run cannot be read.
    """
    known: dict[str, ShardRow] = {}
    if task.earlier:
        wanted = {row.id for row in task.part.rows}
        rows = chain.from_iterable(read_shard(earlier, name) for name in task.earlier)
        known = {row.id: row for row in rows if row.id in wanted and row.origin is Origin.PICTURE}

    def found(row: ShardRow) -> ShardRow | None:
        before = known.get(row.id)
        if row.origin is not Origin.PICTURE:
            return row
        if before is None or before.reason in again or _file(before) != _file(row):
            return None
        return replace(before, group=row.group, metadata_json=row.metadata_json)

    return [found(row) for row in task.part.rows], known


def _file(row: ShardRow) -> tuple[str, int | None, int | None]:
    return row.path, row.size_bytes, row.mtime_ns


def _told(row: ShardRow, outcome: Embedded | SameFile | Refused, known: Mapping[str, ShardRow]) -> ShardRow:
    """The row with what has become of its picture."""
    if isinstance(outcome, Refused):
        return replace(row, reason=outcome.reason, detail=outcome.detail)
    read = replace(row, size_bytes=outcome.size_bytes, mtime_ns=outcome.mtime_ns)
    if isinstance(outcome, SameFile):
        before = known[row.id]
        size = before.width_px, before.height_px
        return replace(
            read,
            sha256=before.sha256,
            width_px=size[0],
            height_px=size[1],
            vector=before.vector,
            signature=before.signature,
        )
    return replace(
        read,
        sha256=outcome.sha256,
        width_px=outcome.width_px,
        height_px=outcome.height_px,
        vector=outcome.vector.astype(np.float16),
        signature=outcome.signature,
    )
