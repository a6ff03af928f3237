"""What ``compare`` tells: plain values, ready for a table, a page or JSON."""

from __future__ import annotations

from dataclasses import dataclass, field

from seealike.evaluation.comparison.speed import Cost
from seealike.evaluation.statistics.intervals import Estimate
from seealike.evaluation.values import ApartReport, Neighbour


@dataclass(frozen=True, slots=True)
class EncoderResult:
    """How one encoder did.

    Args:
        encoder: as it was asked for.
        name: the same, short.
        dimension: of its vectors.
        metrics: every metric with its interval.
        differences: to the first encoder, over the same queries; empty for the first itself.
        verdicts: on each of them: ``better``, ``worse``, ``not sure`` or ``too few to tell``.
        overlap: the mean share of the nearest that it has in common with the first encoder.
        cost: what using it costs.
        apart: how it did among items of another value of a column; ``None`` where not asked for.
        apart_differences: to the first encoder, of the metrics there and of the share of the nearest that
            have the query's own value (``same@k``).
        apart_verdicts: on the metrics there.
    """

    encoder: str
    name: str
    dimension: int
    metrics: dict[str, Estimate]
    differences: dict[str, Estimate]
    verdicts: dict[str, str]
    overlap: float
    cost: Cost
    apart: ApartReport | None = None
    apart_differences: dict[str, Estimate] = field(default_factory=dict)
    apart_verdicts: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Contested:
    """One query and what each encoder finds for it.

    Args:
        id: the query.
        path: its picture.
        label: its class; empty where there is no label.
        overlap: the mean share of the nearest that two encoders have in common.
        answers: one row an encoder.
    """

    id: str
    path: str | None
    label: str
    overlap: float
    answers: tuple[tuple[Neighbour, ...], ...]


@dataclass(frozen=True, slots=True)
class CompareReport:
    """Everything ``compare`` measured.

    Args:
        catalog: the catalogue's directory.
        items: how many items are in every space and took part.
        missing: how many items were left out because an encoder has no vector of them.
        seen: how many items one of the encoders or more learnt from; they do not ask.
        k: how many results were looked at.
        label: what was right; empty where copies had to find their originals.
        queries: how many queries the metrics are means of.
        notes: what a reader of the figures must know.
        encoders: in the order they were asked for.
        contested: the queries that the encoders disagree about most, the most contested first.
        took_s: how long all of it took.
        unmatched: labels to ignore that no item has.
    """

    catalog: str
    items: int
    missing: int
    seen: int
    k: int
    label: str
    queries: int
    notes: tuple[str, ...]
    encoders: tuple[EncoderResult, ...]
    contested: tuple[Contested, ...]
    took_s: float
    unmatched: tuple[str, ...] = ()
