"""What callers may choose, and what they are told: the facade's own values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from seealike.errors import UsageError, check_number
from seealike.images import DecodeLimits
from seealike.recommend.scale import STALE_SHARE, Calibration
from seealike.sources import TableLayout
from seealike.types import EncoderIdentity, PathInput, SkipReason
from seealike.vectors import VectorType

SKIPPED_REPORTED = (
    10_000  # skipped files that a report lists; all are counted, and in the catalogue's own list
)


@dataclass(frozen=True, slots=True)
class IndexOptions:
    """How ``Catalog.index`` works.

    Args:
        root: for tables, the folder that paths are relative to (default: as before, or the table's own).
        prefix: what the source's ids begin with, to tell them from those of other sources (default: as at the
            last run, or nothing).
        columns: for a table, which of its columns is the ``path``, ``id`` or ``group``: ``{"id": "sku"}``
            (default: as at the last run, or the one of that name).
        encoding: of a CSV or JSON Lines table (default: as at the last run, or UTF-8).
        dry_run: only say what would be done.
        prune_missing: remove items even when most of the source's are gone, or some were missing before.
        workers: decoding processes (default: one a core).
        wait_s: how long to wait for another writer before giving up.
        link_encoder: whether to do without a copy of the encoder; None: as it was the last time.
        limits: what one picture may cost (default: as the catalogue was opened with).
    """

    root: PathInput | None = None
    prefix: str | None = None
    columns: Mapping[str, str] | None = None
    encoding: str | None = None
    dry_run: bool = False
    prune_missing: bool = False
    workers: int | None = None
    wait_s: float = 0.0
    link_encoder: bool | None = None
    limits: DecodeLimits | None = None

    def __post_init__(self) -> None:
        """Refuse a wait that would never end, and what is no prefix, layout or number of processes."""
        check_number(self.wait_s, "wait_s")
        prefix: object = self.prefix
        if not isinstance(prefix, str | None):
            raise UsageError(f"a prefix is a text, not {type(prefix).__name__}")
        TableLayout(self.columns or {}, self.encoding or "")
        if self.workers is not None and self.workers < 1:
            raise UsageError(f"workers must be a whole number of at least 1, not {self.workers!r}")


@dataclass(frozen=True, slots=True)
class AnnInfo:
    """The state of the approximate index: ``none`` (not needed), ``ready`` or ``missing``."""

    state: str
    items: int = 0
    tail: int = 0
    recall_at_10: float | None = None
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """One of the sources that a catalogue is kept equal to.

    Args:
        label: how it was named.
        place: the folder, pattern or table, absolute; empty where it was an object or is not known.
        root: the folder that its paths lie in.
        prefix: what the ids of its items begin with.
        columns, encoding: how its table is read; empty where that is as usual.
        items, skipped: how many it has.
        missing: how many items it did not offer any more at the last run, which were kept.
    """

    label: str
    place: str
    root: str
    prefix: str
    columns: Mapping[str, str]
    encoding: str
    items: int
    skipped: int
    missing: int


@dataclass(frozen=True, slots=True)
class EncoderPlace:
    """Where a catalogue's encoder is.

    ``state`` is ``copy`` (the catalogue's own, of ``size_bytes``), ``link`` (a file outside, or the name of a
    model in the cache) or ``installed`` (it comes with seealike or another package, or is an object of yours;
    then there is no ``path``).
    """

    state: str
    path: str | None
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class CatalogInfo:
    """What ``info`` tells about a catalogue. ``by_hand`` items were added by calls and have no source.

    ``vectors`` says in which numbers they are kept, and ``vector_bytes`` what one takes. ``calibration`` is
    what scores are worth, where that was learnt; ``changed_since``, how many items came or went since then.
    """

    path: str
    items: int
    skipped: int
    generation: int
    encoder: EncoderIdentity
    sources: tuple[SourceInfo, ...]
    by_hand: int
    size_bytes: int
    vectors: VectorType
    vector_bytes: int
    ann: AnnInfo
    encoder_place: EncoderPlace
    skipped_by_reason: Mapping[SkipReason, int] = field(default_factory=dict)
    calibration: Calibration | None = None
    changed_since: int = 0

    @property
    def is_stale(self) -> bool:
        """Whether so much has changed since the calibration that it should be made anew."""
        return self.calibration is not None and self.changed_since > STALE_SHARE * self.calibration.items


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
