"""One part made into a shard: what every machine does that takes part."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from seealike.embedding.parts import Part
from seealike.embedding.reading import PictureReader, Unread
from seealike.errors import DamagedCatalogError
from seealike.objects import is_address
from seealike.protocols import Embedder
from seealike.shards import Origin, Place, ShardEntry, ShardRow, encoded, read_shard, shard_name
from seealike.types import TRANSIENT_REASONS, Embedded, Picture, Refused, SameFile, SkipReason


@dataclass(frozen=True, slots=True)
class Task:
    """A part to be made, and the shards of an earlier run that may hold vectors of it.

    ``number``: where it stands in the source. ``is_elsewhere``: the earlier run had another root, so an equal
    relative path is no equal picture. ``there``: a shard of this very part that no finished run has named.
    """

    number: int
    part: Part
    earlier: tuple[str, ...] = ()
    is_elsewhere: bool = False
    there: str | None = None

    @property
    def name(self) -> str:
        """How messages call it."""
        return f"the part that begins with {self.part.first!r}"


@dataclass(frozen=True, slots=True)
class Made:
    """What became of a task: its shard, whether it was there, and how many pictures were read for it."""

    number: int
    entry: ShardEntry
    embedded: int = 0
    was_there: bool = False


class ShardMaker:
    """Makes shards with one embedder.

    Args:
        embedder: turns pictures into vectors.
        place: where shards go.
        earlier: where those of an earlier run are.
        reader: gives the pictures of the rows.
        again: reasons that do not count as known: such pictures are tried again.
    """

    def __init__(
        self,
        embedder: Embedder,
        place: Place,
        earlier: Place,
        reader: PictureReader,
        again: frozenset[SkipReason] = TRANSIENT_REASONS,
    ) -> None:
        self._embedder, self._place, self._earlier = embedder, place, earlier
        self._reader, self._again = reader, again

    def make(self, task: Task) -> Made:
        """Write the shard of a part; whatever happens, it is there whole or not at all.

        Raises:
            EncoderError: the encoder cannot be loaded.
            StorageError: the place refused.
        """
        if (there := made_before(task, self._place)) is not None:
            return there
        embedded = 0
        rows, known = settled(task, self._earlier, self._again)
        digests: dict[int, bytes] = {}
        with closing(self._embedder.embed(self._pictures(task.part.rows, rows, known, digests))) as outcomes:
            for outcome in outcomes:
                embedded += isinstance(outcome, Embedded)
                row = task.part.rows[outcome.token]
                rows[outcome.token] = _told(row, outcome, known, digests.get(outcome.token))
        done = [replace(row, address=None) for row in rows if row is not None]
        assert len(done) == len(task.part.rows)
        data = encoded(done, self._embedder.identity.dimension)
        name = shard_name(task.part.made_of, data)
        self._place.write(name, data)
        return Made(task.number, ShardEntry.of(name, done), embedded)

    def _pictures(
        self,
        asked: Sequence[ShardRow],
        rows: list[ShardRow | None],
        known: Mapping[str, ShardRow],
        digests: dict[int, bytes],
    ) -> Iterator[Picture]:
        """What is to be embedded. What cannot be read, or is what it was, is settled in ``rows`` instead.

        ``digests`` takes the SHA-256 of those that are no files.
        """
        wanted = [(number, row) for number, row in enumerate(asked) if rows[number] is None]
        for number, content in self._reader.read(wanted):
            row = asked[number]
            before = known.get(row.id)
            if isinstance(content, Unread):
                rows[number] = replace(row, reason=SkipReason.UNREADABLE, detail=content.detail)
            elif isinstance(content, str):
                yield Picture(number, content, before.sha256 if before else None)
            else:
                digest = hashlib.sha256(content).digest()
                if before is not None and before.sha256 == digest:
                    rows[number] = _same(row, before)
                    continue
                digests[number] = digest
                yield Picture(number, content)


def made_before(task: Task, place: Place) -> Made | None:
    """The shard of a run that was cut off, if there is one and it is sound."""
    if task.there is None:
        return None
    try:
        return Made(task.number, ShardEntry.of(task.there, read_shard(place, task.there)), was_there=True)
    except DamagedCatalogError:
        return None


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
        if task.is_elsewhere and not (os.path.isabs(row.path) or is_address(row.path)):
            return None
        return replace(before, group=row.group, metadata_json=row.metadata_json)

    return [found(row) for row in task.part.rows], known


def _file(row: ShardRow) -> tuple[str, int | None, int | None]:
    return row.path, row.size_bytes, row.mtime_ns


def _told(
    row: ShardRow,
    outcome: Embedded | SameFile | Refused,
    known: Mapping[str, ShardRow],
    digest: bytes | None,
) -> ShardRow:
    """The row with what has become of its picture; ``digest``: of one that is no file."""
    if isinstance(outcome, Refused):
        return replace(row, reason=outcome.reason, detail=outcome.detail)
    read = row if digest else replace(row, size_bytes=outcome.size_bytes, mtime_ns=outcome.mtime_ns)
    if isinstance(outcome, SameFile):
        return _same(read, known[row.id])
    return replace(
        read,
        sha256=digest or outcome.sha256,
        width_px=outcome.width_px,
        height_px=outcome.height_px,
        vector=outcome.vector.astype(np.float16),
        signature=outcome.signature,
    )


def _same(row: ShardRow, before: ShardRow) -> ShardRow:
    """The row of a picture whose content is what it was."""
    return replace(
        before,
        path=row.path,
        size_bytes=row.size_bytes,
        mtime_ns=row.mtime_ns,
        group=row.group,
        metadata_json=row.metadata_json,
    )
