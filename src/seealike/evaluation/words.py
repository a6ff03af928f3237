"""What a reader of the figures must know, in sentences that tables and pages share."""

from __future__ import annotations

from seealike.evaluation.measure.selection import Selection
from seealike.evaluation.statistics.intervals import FEWEST
from seealike.evaluation.values import ApartReport, EvalReport, LabelReport
from seealike.wording import counted

MANY = 20
"""From so many independent witnesses on, an interval is worth reading."""

MEANINGS = {
    "precision@1": "the nearest is of the query's class",
    "precision@": "share of the nearest {k} that are",
    "recall@": "share of all of its class that are among the nearest {k}",
    "mAP": "mean precision down the whole list, wherever one of its class stands",
    "mAP@R": "the same over the first R, where R is how many there are to find",
    "nDCG@": "the order of the nearest {k} against the best possible one",
    "MRR": "1 / place of the first of its class",
    "CMC@1": "one of its class comes first: the same as precision@1",
    "CMC@": "one of its class is among the nearest {k}",
}


def meaning(metric: str) -> str:
    """A metric in plain words."""
    name, at, k = metric.partition("@")
    if metric in MEANINGS:
        return MEANINGS[metric]
    return MEANINGS[f"{name}{at}"].format(k=k)


def describe(report: LabelReport) -> str:
    """In one line, who asked whom."""
    classes = counted(len(report.classes), "class", "classes")
    queries = counted(report.queries, "query", "queries")
    if report.mode == "leave-one-out":
        return f"{queries} of {classes}, each among all other items"
    where = "from outside" if report.mode == "outside queries" else "of a query set"
    return f"{queries} {where}, of {classes}, among {counted(report.searched, 'item')}"


def remarks(report: LabelReport) -> list[str]:
    """What was left out, and how the intervals were made."""
    lines = left_out(report.unlabelled, report.ignored)
    if report.lonely:
        lines.append(f"not counted: {counted(report.lonely, 'query', 'queries')} alone in the class")
    asked = report.queries + report.lonely
    if report.could_ask > asked:
        lines.append(f"a sample: {asked:,} of {report.could_ask:,} possible queries")
    if report.same_group_left_out:
        lines.append(SAME_GROUP)
    if report.queries == 1:
        lines.append("one query: no interval")
    elif report.clusters == 1:
        lines.append(f"intervals: none, for all queries are of one {report.clustered_by}")
    elif report.clustered_by:
        drawn = f"queries of one {report.clustered_by} are drawn together"
        lines.append(f"intervals: {drawn}; there are {report.clusters:,} independent ones")
    if report.clusters > 1:
        lines += few(report.clusters, witnesses_of(report.clustered_by))
    if len(report.classes) == 1:
        lines.append(ONE_CLASS)
    return lines


def apart_from(report: ApartReport) -> str:
    """Who asks whom, where items of the query's own value do not count."""
    return f"{counted(report.queries, 'query', 'queries')}, each among items of another {report.column}"


def apart_remarks(report: ApartReport) -> list[str]:
    """What does not count there."""
    lines = []
    if report.left_out:
        lines.append(f"left out there: {counted(report.left_out, 'item')} without a {report.column}")
    if report.unknown:
        lines.append(f"not counted there: {counted(report.unknown, 'query', 'queries')} without it")
    if report.lonely:
        lonely = counted(report.lonely, "query", "queries")
        lines.append(f"not counted there: {lonely} whose class has no other {report.column}")
    return lines


def own_share(report: ApartReport, k: int) -> str:
    """What ``same`` and ``chance`` are the shares of."""
    return f"of the nearest {k} among all items, those of the query's own {report.column}"


def seen_before(count: int | None, *, searched: bool) -> list[str]:
    """What to say of items that an encoder learnt from; ``searched``: whether they may be answers."""
    if count is None:
        return ["whether the encoder learnt from these items is not known: its card is not where it was"]
    part = "they are searched, but do not ask" if searched else "they neither ask nor are searched"
    return [f"learnt from: {count:,} of these items, so {part}"] * bool(count)


def seen_note(report: EvalReport) -> list[str]:
    """The same for a report."""
    explicit = report.labels is not None and report.labels.mode != "leave-one-out"
    return seen_before(report.seen, searched=explicit)


def too_few(count: int, witnesses: str) -> list[str]:
    """What to say where too few independent witnesses compare two systems; nothing where they are enough."""
    if count >= FEWEST:
        return few(count, witnesses)
    return [f"too few to tell which is better: {count} {witnesses}, and it takes {FEWEST}"]


def witnesses_of(clustered_by: str) -> str:
    """What is independent of each other: queries, or values of a column."""
    return f"values of {clustered_by}" if clustered_by else "queries"


def few(count: int, witnesses: str) -> list[str]:
    """What to say where intervals are of so few independent witnesses that they say little."""
    if count >= MANY:
        return []
    return [f"few: {count} {witnesses}, so the intervals are wide and say little; it takes {MANY} or more"]


def sentence(remark: str) -> str:
    """A remark as a whole sentence."""
    return f"{remark[:1].upper()}{remark[1:]}."


ONE_CLASS = "there is only one class, so nothing can be wrong: take another --label"
SAME_GROUP = "other photos of a query's own group do not count, neither as right nor as wrong"


def left_out(unlabelled: int, ignored: int) -> list[str]:
    """How many items take no part, and why."""
    parts = [f"{unlabelled:,} without a label"] * bool(unlabelled) + [
        f"{ignored:,} whose label is ignored"
    ] * bool(ignored)
    return [f"left out: {', '.join(parts)}"] if parts else []


def remarks_on(chosen: Selection) -> list[str]:
    """The same for a selection."""
    lines = left_out(chosen.unlabelled, chosen.ignored)
    if chosen.could_ask > len(chosen.queries):
        lines.append(f"a sample: {len(chosen.queries):,} of {chosen.could_ask:,} possible queries")
    if chosen.item_groups is not None:
        lines.append(SAME_GROUP)
    if len(chosen.names) == 1:
        lines.append(ONE_CLASS)
    return lines
