"""Shards in parts that one worker can hold, and in batches of items that ask all parts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from seealike.recommend import SearchOptions
from seealike.shards import ShardEntry

FORMAT = 1  # of what is found: another one is found anew
PART_VECTORS = 250_000
BATCH_VECTORS = 16_384


@dataclass(frozen=True, slots=True)
class Batch:
    """Shards of one part whose items ask together. ``number`` counts the batches of all parts."""

    number: int
    part: int
    entries: tuple[ShardEntry, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """Shards that belong together, to be searched for everybody."""

    number: int
    entries: tuple[ShardEntry, ...]

    @property
    def name(self) -> str:
        """How messages call it."""
        return f"part {self.number + 1} of the lists"


@dataclass(frozen=True, slots=True)
class Job:
    """Which lists are made of what; the same wherever a part of it is done.

    Args:
        shards: the place of the shards, from wherever one looks; what is found lies there too until the lists
            are whole.
        k: how many entries a list has.
        options: the wishes.
        parts: all shards.
        batches: who asks.
        name: what tells it from others: what is found has it in its name, and serves no other job.
    """

    shards: str
    k: int
    options: SearchOptions
    parts: tuple[Part, ...]
    batches: tuple[Batch, ...]
    name: str

    @classmethod
    def of(
        cls,
        shards: str,
        entries: Sequence[ShardEntry],
        k: int,
        options: SearchOptions,
        part_vectors: int = PART_VECTORS,
    ) -> Job:
        """Cut shards, which stay in their order, into parts of at most so many vectors, or of one shard."""
        parts = tuple(Part(number, one) for number, one in enumerate(_divided(entries, part_vectors)))
        batches = [(part.number, one) for part in parts for one in _divided(part.entries, BATCH_VECTORS)]
        numbered = tuple(Batch(number, part, one) for number, (part, one) in enumerate(batches))
        named = [[entry.name for entry in part.entries] for part in parts]
        asked = {name: value for name, value in asdict(options).items() if value is not None}
        content = json.dumps([FORMAT, k, asked, named], sort_keys=True, default=str)
        name = hashlib.sha256(content.encode()).hexdigest()[:16]
        return cls(shards, k, options, parts, numbered, name)

    def found_name(self, part: Part, batch: Batch) -> str:
        """The file of what a part has for a batch."""
        return f"found-{self.name}-{part.number}-{batch.number}.parquet"


def _divided(entries: Sequence[ShardEntry], most: int) -> list[tuple[ShardEntry, ...]]:
    """Neighbours together, as many as there is room for."""
    found: list[tuple[ShardEntry, ...]] = []
    held: list[ShardEntry] = []
    vectors = 0
    for entry in entries:
        if held and vectors + entry.vectors > most:
            found.append(tuple(held))
            held, vectors = [], 0
        held.append(entry)
        vectors += entry.vectors
    return [*found, tuple(held)] if held else found
