"""How well pictures of one class find each other: metrics, classes, confusions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seealike.errors import UsageError
from seealike.evaluation.measure.apart import apart_report
from seealike.evaluation.measure.selection import Selection
from seealike.evaluation.statistics.intervals import Resampling, estimates
from seealike.evaluation.statistics.metrics import metric_names
from seealike.evaluation.statistics.ranking import Ranking
from seealike.evaluation.values import ClassResult, Confusion, Example, LabelReport, Neighbour
from seealike.types import Int64Array
from seealike.wording import counted

CONFUSIONS = 12
EXAMPLES = 2
SHOWN = 6


@dataclass(frozen=True, slots=True)
class Labelled:
    """A selection with its answers."""

    selection: Selection
    answers: Ranking
    k: int

    def column(self, name: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """One metric of every query that was asked; (a,)."""
        return self.answers.values[:, metric_names(self.k).index(name)]

    @property
    def clusters(self) -> Int64Array:
        """What is drawn as a whole; (a,)."""
        return self.selection.clusters[self.answers.asked]

    def example(self, row: int, shown: int = SHOWN) -> Example:
        """The query of one row of the answers, with what it found."""
        chosen = self.selection
        place = int(self.answers.asked[row])
        label = int(chosen.query_labels[place])
        query = chosen.queries[place]
        pairs = zip(self.answers.nearest[row, :shown], self.answers.scores[row, :shown], strict=True)
        nearest = tuple(
            Neighbour(
                chosen.items[item].id,
                chosen.items[item].path,
                chosen.names[int(chosen.item_labels[item])],
                float(score),
                int(chosen.item_labels[item]) == label,
            )
            for item, score in ((int(item), score) for item, score in pairs)
            if item >= 0
        )
        return Example(query.id, query.path, chosen.names[label], nearest)


def label_report(label: str, labelled: Labelled, how: Resampling) -> LabelReport:
    """Everything about one label.

    Raises:
        UsageError: no query has anything to find.
    """
    chosen, answers = labelled.selection, labelled.answers
    if not len(answers.asked):
        raise UsageError(nothing_to_find(label, chosen))
    metrics = estimates(answers.values, labelled.clusters, how)
    confusions = _confusions(labelled)
    return LabelReport(
        label=label,
        mode=_mode(chosen),
        queries=len(answers.asked),
        searched=len(chosen.items),
        could_ask=chosen.could_ask,
        seen=chosen.seen,
        lonely=len(chosen.queries) - len(answers.asked),
        unlabelled=chosen.unlabelled,
        ignored=chosen.ignored,
        same_group_left_out=chosen.item_groups is not None,
        clustered_by=chosen.clustered_by,
        clusters=len(np.unique(labelled.clusters)),
        metrics=dict(zip(metric_names(labelled.k), metrics, strict=True)),
        classes=_classes(labelled, confusions),
        confusions=tuple(_with_examples(labelled, pair) for pair in confusions[:CONFUSIONS]),
        unmatched=chosen.unmatched,
        apart=apart_report(chosen, answers, labelled.k, how),
    )


@dataclass(frozen=True, slots=True)
class _Pair:
    """A class, what it was taken for, how often, and how often it was asked."""

    label: int
    found: int
    count: int
    queries: int


def _mode(chosen: Selection) -> str:
    if chosen.outside:
        return "outside queries"
    return "leave-one-out" if (chosen.own >= 0).all() else "query set"


def nothing_new(count: int) -> str:
    """What to say where the encoder has seen everything."""
    return (
        f"the encoder learnt from all {counted(count, 'picture')} that would ask: nothing is left to judge "
        "it by; ask with others: --label COLUMN --queries SOURCE"
    )


def nothing_to_find(label: str, chosen: Selection) -> str:
    """What to say where no query has anything to find."""
    if not chosen.items and not chosen.seen:
        return "there is nothing to search: no item is of a class; see --only, --query-where, --ignore-label"
    if not chosen.queries and chosen.seen:
        return nothing_new(chosen.seen)
    if not chosen.queries:
        return "there is no query: no item fulfils the conditions, or has a label that is not ignored"
    classes = counted(len(chosen.names), "class", "classes")
    return (
        f"no query has another item with the same {label} to find: each of {classes} "
        "has one at most; take another --label"
    )


def _query_labels(labelled: Labelled) -> Int64Array:
    return labelled.selection.query_labels[labelled.answers.asked]


def _confusions(labelled: Labelled) -> list[_Pair]:
    """Who is taken for whom by the closest answer, the most frequent first."""
    labels = _query_labels(labelled)
    first = labelled.answers.nearest[:, 0]
    taken = labelled.selection.item_labels[np.maximum(first, 0)]
    wrong = (first >= 0) & (taken != labels)
    asked = np.bincount(labels, minlength=len(labelled.selection.names))
    pairs, counts = np.unique(np.stack([labels[wrong], taken[wrong]]), axis=1, return_counts=True)
    made = [
        _Pair(int(a), int(b), int(count), int(asked[a]))
        for (a, b), count in zip(pairs.T, counts, strict=True)
    ]
    return sorted(made, key=lambda pair: (-pair.count, -pair.count / pair.queries, pair.label, pair.found))


def _classes(labelled: Labelled, confusions: Sequence[_Pair]) -> tuple[ClassResult, ...]:
    names = labelled.selection.names
    labels = _query_labels(labelled)
    count = len(names)
    asked = np.bincount(labels, minlength=count)
    items = np.bincount(labelled.selection.item_labels, minlength=count)
    columns = ("precision@1", f"precision@{labelled.k}", "mAP@R")
    first, near, average = (
        np.bincount(labels, labelled.column(name), minlength=count) / np.maximum(asked, 1) for name in columns
    )
    worst: dict[int, int] = {}
    for pair in confusions:
        worst.setdefault(pair.label, pair.found)
    results = [
        ClassResult(
            names[place],
            int(items[place]),
            int(asked[place]),
            float(first[place]),
            float(near[place]),
            float(average[place]),
            names[worst[place]] if place in worst else "",
        )
        for place in np.flatnonzero(asked).tolist()
    ]
    return tuple(sorted(results, key=lambda result: (result.map_at_r, result.label)))


def _with_examples(labelled: Labelled, pair: _Pair) -> Confusion:
    chosen, answers = labelled.selection, labelled.answers
    first = answers.nearest[:, 0]
    taken = chosen.item_labels[np.maximum(first, 0)]
    rows = np.flatnonzero((_query_labels(labelled) == pair.label) & (taken == pair.found) & (first >= 0))
    best = rows[np.argsort(-answers.scores[rows, 0], kind="stable")][:EXAMPLES]
    return Confusion(
        chosen.names[pair.label],
        chosen.names[pair.found],
        pair.count,
        pair.count / pair.queries,
        tuple(labelled.example(int(row)) for row in best),
    )
