"""A source cut into parts, one a shard, so that a change of the source changes few of them."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass

from seealike.encoders.kept import identity_key
from seealike.images import DecodeLimits
from seealike.shards import ShardRow, row_of
from seealike.types import EncoderIdentity, Skipped, SourceItem

USUAL, LEAST, MOST = 1024, 256, 4096  # rows of a part


@dataclass(frozen=True, slots=True)
class Part:
    """Consecutive entries of a source, as the rows that they begin as.

    ``made_of`` stands for all that decides what becomes of them: of equal parts one shard is enough.
    """

    made_of: str
    rows: tuple[ShardRow, ...]

    @property
    def first(self) -> str:
        """The id of the first."""
        return self.rows[0].id


def parts_of(
    entries: Iterable[SourceItem | Skipped], root: str, identity: EncoderIdentity, limits: DecodeLimits
) -> Iterator[Part]:
    """Cut a source. Where a part ends is decided by the id that it ends with, not by those before it.

    So what is added or removed changes its own part, and seldom the one beside it.
    """
    ground = json.dumps([identity_key(identity), astuple(limits), root])
    rows: list[ShardRow] = []
    for entry in entries:
        rows.append(row_of(entry, root))
        ends = len(rows) >= LEAST and zlib.crc32(rows[-1].id.encode()) % (USUAL - LEAST) == 0
        if ends or len(rows) >= MOST:
            yield Part(_digest(ground, rows), tuple(rows))
            rows = []
    if rows:
        yield Part(_digest(ground, rows), tuple(rows))


def _digest(ground: str, rows: list[ShardRow]) -> str:
    digest = hashlib.sha256(ground.encode())
    for row in rows:
        said = (row.id, row.path, row.size_bytes, row.mtime_ns, row.group, row.metadata_json)
        digest.update(json.dumps([*said, row.origin, row.reason, row.detail]).encode())
    return digest.hexdigest()[:32]
