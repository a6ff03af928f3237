"""``shards.json``: which shards belong together, and which encoder made their vectors.

It is written before the first shard, and once more when all that the source has is embedded: until then it
names the shards of the run before, so whoever reads it sees one run or the next, whole.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from seealike._version import __version__
from seealike.errors import DamagedCatalogError, NewerFormatError
from seealike.shards.places import MANIFEST_NAME, Place
from seealike.shards.rows import ShardRow
from seealike.store.manifest import identity_from_json
from seealike.store.records import text_checksum
from seealike.types import TRANSIENT_REASONS, EncoderIdentity, SkipReason

FORMAT = 1
REMEDY = "make it anew with `seealike embed`"


@dataclass(frozen=True, slots=True)
class ShardEntry:
    """One shard of a finished run.

    Args:
        name: of its file, which ends in the SHA-256 of its content.
        first: the id that its first row has.
        rows: how many pictures it tells of.
        skipped: how many of them have no vector, by reason.
    """

    name: str
    first: str
    rows: int
    skipped: Mapping[str, int]

    @classmethod
    def of(cls, name: str, rows: Sequence[ShardRow]) -> ShardEntry:
        """What is to be remembered of a shard."""
        reasons = Counter(row.reason.value for row in rows if row.reason is not None)
        return cls(name, rows[0].id, len(rows), dict(sorted(reasons.items())))

    @property
    def vectors(self) -> int:
        """How many vectors it holds."""
        return self.rows - sum(self.skipped.values())

    @property
    def is_final(self) -> bool:
        """Whether no picture is without a vector for a reason that may be gone the next time."""
        return TRANSIENT_REASONS.isdisjoint(map(SkipReason, self.skipped))


@dataclass(frozen=True, slots=True)
class Manifest:
    """What is known of all shards of a place.

    Args:
        encoder: whose vectors they are.
        encoder_spec: how it was asked for; empty where it was an object.
        root: the folder that the paths of pictures are relative to; empty where they are in none.
        source: what was embedded, by its absolute place.
        limits: what one picture could cost.
        shards: those of the last run that was finished, in its order; ``None`` before the first.
    """

    encoder: EncoderIdentity
    encoder_spec: str = ""
    root: str = ""
    source: str = ""
    limits: Mapping[str, float] | None = None
    shards: tuple[ShardEntry, ...] | None = None
    created_by: str = f"seealike {__version__}"
    format_version: int = FORMAT


def write_manifest(place: Place, manifest: Manifest) -> None:
    """Write it durably, with a checksum over the content."""
    content = asdict(manifest)
    place.write(MANIFEST_NAME, json.dumps({**content, "crc32": _checksum(content)}, indent=1).encode())


def read_manifest(place: Place) -> Manifest | None:
    """The manifest of a place, ``None`` where there is none.

    Raises:
        DamagedCatalogError: it is not what was written.
        NewerFormatError: a newer seealike wrote it.
        StorageError: it cannot be read.
    """
    data = place.read(MANIFEST_NAME)
    if data is None:
        return None
    try:
        content = json.loads(data)
        sound = content.pop("crc32") == _checksum(content)
        if sound and content["format_version"] > FORMAT:
            raise NewerFormatError(place.label, content["format_version"], FORMAT)
        found = _from_json(content) if sound else None
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        found = None
    if found is None:
        raise DamagedCatalogError(place.label, f"{place.label}/{MANIFEST_NAME}", "checksum", REMEDY)
    return found


def _from_json(content: dict[str, Any]) -> Manifest:
    shards = content["shards"]
    read = {
        "encoder": identity_from_json(content["encoder"]),
        "shards": None if shards is None else tuple(ShardEntry(**entry) for entry in shards),
    }
    return Manifest(**{**content, **read})


def _checksum(content: dict[str, object]) -> int:
    return text_checksum(json.dumps(content, sort_keys=True))
