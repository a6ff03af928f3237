"""What ``evaluate`` tells: plain values, ready for a table, a page or JSON."""

from __future__ import annotations

from dataclasses import dataclass, field

from seealike.evaluation.statistics.intervals import Estimate
from seealike.types import EncoderIdentity


@dataclass(frozen=True, slots=True)
class Neighbour:
    """One answer to a query. ``right``: whether it is what was sought."""

    id: str
    path: str | None
    label: str
    score: float
    right: bool


@dataclass(frozen=True, slots=True)
class Example:
    """One query with its closest answers."""

    id: str
    path: str | None
    label: str
    nearest: tuple[Neighbour, ...]


@dataclass(frozen=True, slots=True)
class ClassResult:
    """How one class did.

    Args:
        label: the class.
        items: how many are searched.
        queries: how many asked.
        precision_at_1: see ``metrics``.
        precision_at_k: likewise.
        map_at_r: likewise.
        mistaken_for: the class that its queries find first most often when they are wrong; empty for none.
    """

    label: str
    items: int
    queries: int
    precision_at_1: float
    precision_at_k: float
    map_at_r: float
    mistaken_for: str


@dataclass(frozen=True, slots=True)
class Confusion:
    """Queries of one class whose closest answer is of another.

    Args:
        label: what they are.
        found: what the closest is.
        count: how many of them.
        share: of all queries of the class.
        examples: those with the highest scores: the mistakes made with most conviction.
    """

    label: str
    found: str
    count: int
    share: float
    examples: tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class ApartReport:
    """How well pictures of one class find each other where those that share another trait do not count.

    Args:
        column: the trait, such as who took the picture.
        queries: how many have a value of it, and anything of their class with another value to find.
        lonely: those of the label's queries whose class has no other value.
        unknown: those of them that have no value.
        left_out: items without a value: nobody knows that theirs is another, so they are no answers.
        metrics: every metric with its interval, among items of another value than the query's.
        changes: what that is more than among all items, over the same queries: less than nothing, mostly.
        same: among the k nearest of all items, the share that has the query's own value.
        chance: the same share if the nearest were drawn at random.
        excess: by how much ``same`` is more than ``chance``.
    """

    column: str
    queries: int
    lonely: int
    unknown: int
    left_out: int
    metrics: dict[str, Estimate]
    changes: dict[str, Estimate]
    same: Estimate
    chance: Estimate
    excess: Estimate


@dataclass(frozen=True, slots=True)
class SmallerVectors:
    """What smaller vectors of the same encoder would cost, on the same queries. Nothing is stored.

    Args:
        name: as they were asked for.
        dimension: how many numbers each has.
        bytes: how much each takes, where a number takes two as it is stored.
        metrics: every metric with its interval.
        changes: what that is more than with the vectors as they are: less than nothing, mostly.
        overlap: the share of the nearest that stays the same.
    """

    name: str
    dimension: int
    bytes: int
    metrics: dict[str, Estimate]
    changes: dict[str, Estimate]
    overlap: float


@dataclass(frozen=True, slots=True)
class LabelReport:
    """How well pictures of one class find each other.

    Args:
        label: what was taken for the class.
        mode: ``leave-one-out``, ``query set`` (of the catalogue) or ``outside queries``.
        queries: how many queries had anything to find.
        searched: how many items they were compared with.
        could_ask: how many queries there were before sampling.
        seen: queries left out because the encoder learnt from them.
        lonely: queries without another item of their class: they cannot be right, and are not counted.
        unlabelled: items left out because they have no label.
        ignored: items left out because their label is no class.
        same_group_left_out: whether photos of the query's own group were left out of the answers.
        clustered_by: what was drawn as a whole for the intervals; empty: each query by itself.
        clusters: how many of those there are.
        metrics: every metric with its interval.
        classes: every class, the worst mAP@R first.
        confusions: the most frequent ones first.
        unmatched: labels to ignore that nothing has: misspelt, perhaps.
        apart: how they do among items of another value of a column; ``None`` where not asked for.
        vectors: what smaller vectors would cost; empty where not asked for.
    """

    label: str
    mode: str
    queries: int
    searched: int
    could_ask: int
    seen: int
    lonely: int
    unlabelled: int
    ignored: int
    same_group_left_out: bool
    clustered_by: str
    clusters: int
    metrics: dict[str, Estimate]
    classes: tuple[ClassResult, ...]
    confusions: tuple[Confusion, ...]
    unmatched: tuple[str, ...] = ()
    apart: ApartReport | None = None
    vectors: tuple[SmallerVectors, ...] = ()


@dataclass(frozen=True, slots=True)
class CopyResult:
    """How well disturbed copies find their original, for one disturbance.

    Args:
        name: the disturbance in a word.
        description: and for people.
        copies: how many there were.
        recall_at_1: the share whose original comes first.
        recall_at_10: the share whose original is among the first ten.
        median_rank: of the originals.
        worst_rank: of the originals.
    """

    name: str
    description: str
    copies: int
    recall_at_1: Estimate
    recall_at_10: Estimate
    median_rank: float
    worst_rank: int


@dataclass(frozen=True, slots=True)
class LostCopy:
    """A copy that did not find its original, which stands at ``rank``. ``picture`` is a JPEG of the copy."""

    disturbance: str
    original: Example
    rank: int
    score: float
    picture: bytes = field(repr=False, default=b"")


@dataclass(frozen=True, slots=True)
class CopyReport:
    """How well disturbed copies find their originals. ``overall`` is the mean over all copies' recall@1."""

    pictures: int
    searched: int
    overall: Estimate
    results: tuple[CopyResult, ...]
    worst: tuple[LostCopy, ...]


@dataclass(frozen=True, slots=True)
class EvalReport:
    """Everything ``evaluate`` measured.

    Args:
        catalog: the catalogue's directory.
        items: how many items there were.
        seen: how many of them the encoder learnt from; ``None`` where nobody knows, its card being gone.
        encoder: the embedding space.
        k: how many results were looked at.
        labels: how well classes find each other; ``None`` where there is neither label nor group.
        copies: how well disturbed copies find their originals; ``None`` where not asked for.
        ann_recall_at_10: of the approximate index against exact search; ``None`` where search is exact.
        ann_sample: on how many items that was measured.
        took_s: how long all of it took.
    """

    catalog: str
    items: int
    seen: int | None
    encoder: EncoderIdentity
    k: int
    labels: LabelReport | None
    copies: CopyReport | None
    ann_recall_at_10: float | None
    ann_sample: int
    took_s: float
