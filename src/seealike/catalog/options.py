"""What callers may choose, and what they are told: the facade's own values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from seealike.types import EncoderIdentity, Metric, PathInput, SkipReason


@dataclass(frozen=True, slots=True)
class IndexOptions:
    """How ``Catalog.index`` works.

    Args:
        root: for tables, the folder that paths are relative to (default: the table's own).
        dry_run: only say what would be done.
        prune_missing: remove items even when most of the catalogue is gone from the source.
        workers: decoding processes (default: one a core).
        wait_s: how long to wait for another writer before giving up.
    """

    root: PathInput | None = None
    dry_run: bool = False
    prune_missing: bool = False
    workers: int | None = None
    wait_s: float = 0.0


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """How a search works.

    Args:
        min_score: leave out hits below this score (in the metric's own units).
        exact: search every vector, whatever the size of the catalogue.
        metric: how vectors are compared.
    """

    min_score: float | None = None
    exact: bool = False
    metric: Metric = Metric.COSINE


@dataclass(frozen=True, slots=True)
class AnnInfo:
    """The state of the approximate index: ``none`` (not needed), ``ready`` or ``missing``."""

    state: str
    items: int = 0
    tail: int = 0
    recall_at_10: float | None = None
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class CatalogInfo:
    """What ``info`` tells about a catalogue. ``skipped`` counts files by reason."""

    path: str
    items: int
    skipped: int
    generation: int
    encoder: EncoderIdentity
    source: str | None
    source_root: str | None
    size_bytes: int
    ann: AnnInfo
    skipped_by_reason: Mapping[SkipReason, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing ``verify`` found wrong. ``repaired`` says whether it has been put right."""

    file: str
    what: str
    repaired: bool = False


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What ``verify`` found. ``recall_at_10``: ANN against exact, measured on ``sample`` items."""

    items: int
    findings: tuple[Finding, ...]
    recall_at_10: float | None
    sample: int

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong now."""
        return all(finding.repaired for finding in self.findings)
