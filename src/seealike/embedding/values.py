"""What callers of ``embed`` may choose, and what they are told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from seealike.errors import check_count
from seealike.images import DecodeLimits
from seealike.types import PathInput, SkipReason


@dataclass(frozen=True, slots=True)
class EmbedOptions:
    """How ``embed`` works.

    Args:
        root, columns, encoding: how a table is read, as for ``Catalog.index``.
        since: another place of shards, from an earlier run: what is unchanged since then is taken from there
            (default: what the output holds already).
        on: ``ray``, or ``ray://HEAD:10001``: the cluster to embed on (default: this machine, without Ray).
        dry_run: only say what would be done.
        workers: decoding processes, on a cluster of each actor (default: one a core).
        limits: what one picture may cost.
    """

    root: PathInput | None = None
    columns: Mapping[str, str] | None = None
    encoding: str | None = None
    since: str | None = None
    on: str | None = None
    dry_run: bool = False
    workers: int | None = None
    limits: DecodeLimits = field(default_factory=DecodeLimits)

    def __post_init__(self) -> None:
        """Refuse what is no number of processes."""
        if self.workers is not None:
            check_count(self.workers, "workers")


@dataclass(frozen=True, slots=True)
class EmbedReport:
    """What one ``embed`` run did, or with ``dry_run`` would do.

    Args:
        embedded: pictures that were read, and have a vector now.
        unchanged: pictures whose vector was there already.
        skipped_by_reason: how many entries of the source have none.
        shards: how many there are.
        written: how many of them are new.
        took_s: how long it took.
        dry_run: whether nothing was done.
    """

    embedded: int
    unchanged: int
    skipped_by_reason: Mapping[SkipReason, int]
    shards: int
    written: int
    took_s: float
    dry_run: bool = False

    @property
    def skipped_count(self) -> int:
        """How many entries of the source have no vector."""
        return sum(self.skipped_by_reason.values())
