"""Which items are queries, which are searched, and what each of them is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seealike.catalog.labels import (
    GROUP,
    check_conditions,
    labels_of,
    matching,
    numbered,
    read,
    text_of,
)
from seealike.errors import UsageError
from seealike.evaluation.measure.smaller import smaller_forms
from seealike.evaluation.options import EvalOptions
from seealike.evaluation.statistics.intervals import FEWEST_ROUNDS
from seealike.evaluation.statistics.ranking import RankingTask, sampled
from seealike.rows import Rows
from seealike.types import Int64Array, Item


@dataclass(frozen=True, slots=True)
class Selection:
    """The items that take part, and the queries.

    Args:
        items: those that are searched; queries of the catalogue may be among them.
        queries: those that ask.
        outside: whether the queries are no items of the catalogue.
        names: the classes, in alphabetical order.
        item_labels: which class each item is.
        query_labels: which class each query is.
        own: the row of ``items`` that a query is itself, or -1.
        clusters: what is resampled as a whole, a number a query.
        clustered_by: what ``clusters`` are, for people; empty where each query stands for itself.
        seen: how many queries there would be more if the encoder had not learnt from them.
        unlabelled: how many items were left out because they have no label.
        ignored: how many were left out because their label is no class.
        could_ask: how many queries there were before sampling.
        unmatched: labels to ignore that nothing has.
        apart: the column whose other values are looked at by themselves; empty where none is.
        item_values: which of its values each item has, -1 for none.
        query_values: the same of each query.
    """

    items: list[Item]
    queries: list[Item]
    outside: bool
    names: list[str]
    item_labels: Int64Array
    query_labels: Int64Array
    own: Int64Array
    item_groups: Int64Array | None
    query_groups: Int64Array | None
    clusters: Int64Array
    clustered_by: str
    seen: int
    unlabelled: int
    ignored: int
    could_ask: int
    unmatched: tuple[str, ...]
    apart: str = ""
    item_values: Int64Array | None = None
    query_values: Int64Array | None = None

    def task(self, items: Rows, queries: Rows) -> RankingTask:
        """What to rank. Shapes: items is (n, d), queries (q, d), in the order of this selection."""
        return RankingTask(
            items,
            self.item_labels,
            queries,
            self.query_labels,
            self.own,
            self.item_groups,
            self.query_groups,
            self.item_values,
            self.query_values,
        )


def check_options(options: EvalOptions) -> None:
    """Refuse what makes no sense, before any work is done.

    Raises:
        UsageError: it does not.
    """
    if options.k < 1:
        raise UsageError(f"k must be at least 1, not {options.k}")
    if options.resampling.rounds < FEWEST_ROUNDS:
        raise UsageError(
            f"an interval takes {FEWEST_ROUNDS} rounds at least, not {options.resampling.rounds}"
        )
    check_conditions((*options.only, *options.query_where))
    if options.queries is not None and options.query_where:
        raise UsageError("queries come from outside or from the catalogue: give --queries or --query-where")
    if options.label is None and (options.queries is not None or options.query_where):
        raise UsageError("a query set needs a label to say what is right: add --label COLUMN")
    if options.label is None and options.apart is not None:
        raise UsageError(f"how well items of another {options.apart} do needs a label: add --label COLUMN")
    smaller_forms(options.vectors)
    if options.label is None and options.ignore_labels:
        raise UsageError("labels to ignore need a label: add --label COLUMN")


def narrowed(items: Sequence[Item], options: EvalOptions) -> list[Item]:
    """The items that fulfil ``only``.

    Raises:
        UsageError: none does.
    """
    kept = [item for item, takes_part in zip(items, matching(items, options.only), strict=True) if takes_part]
    if items and not kept:
        wanted = " and ".join(options.only)
        raise UsageError(f"for no item {wanted}; give --only a column of the metadata and one of its values")
    return kept


def select(
    items: Sequence[Item],
    label: str,
    options: EvalOptions,
    outside: Sequence[Item] | None = None,
    *,
    seen: frozenset[str] = frozenset(),
) -> Selection:
    """Sort items into queries and searched ones, and draw a sample where there are too many queries.

    Args:
        items: those of the catalogue that may take part.
        label: what is right.
        options: who asks.
        outside: queries that are no items.
        seen: the ids of what the encoder learnt from. None of them asks. Where everybody asks they are not
            searched either: they would stand too near to their own class. Where the caller says who asks,
            they are searched, as they will be in use.

    Raises:
        UnknownNameError: no item has such a label, or a value of the column ``apart``.
        UsageError: the column ``apart`` sets nothing apart.
    """
    ignore = tuple(map(text_of, options.ignore_labels))
    known = labels_of(items, label)
    theirs = [] if outside is None else labels_of(outside, label)
    kept, labels, unlabelled, ignored = _classes(items, known, ignore)
    if outside is not None:
        asking, asking_labels, *_ = _classes(outside, theirs, ignore)
        searched, searched_labels = kept, labels
    elif options.query_where:
        asks = matching(kept, options.query_where)
        asking, asking_labels = _picked(kept, labels, asks)
        searched, searched_labels = _picked(kept, labels, [not ask for ask in asks])
    else:
        asking, asking_labels = kept, labels
    new = [item.id not in seen for item in asking]
    asking, asking_labels = _picked(asking, asking_labels, new)
    if outside is None and not options.query_where:
        searched, searched_labels = asking, asking_labels
        own = np.arange(len(asking), dtype=np.int64)
    else:
        own = np.full(len(asking), -1, dtype=np.int64)
    could_ask = len(asking)
    rows = sampled(could_ask, options.max_queries, options.resampling.seed)
    asking = [asking[row] for row in rows]
    names, numbers = numbered([*searched_labels, *(asking_labels[row] for row in rows)])
    item_groups, query_groups = _groups(searched, asking, label)
    item_values, query_values = _values(searched, asking, label, options.apart)
    clusters, clustered_by = _clusters(asking, options.resample_by or options.apart)
    return Selection(
        searched,
        asking,
        outside is not None,
        names,
        numbers[: len(searched)],
        numbers[len(searched) :],
        own[rows],
        item_groups,
        query_groups,
        clusters,
        clustered_by,
        new.count(False),
        unlabelled,
        ignored,
        could_ask,
        tuple(sorted({*ignore} - {*known, *theirs})),
        options.apart or "",
        item_values,
        query_values,
    )


def _classes(
    items: Sequence[Item], labels: Sequence[str | None], ignore: Sequence[str]
) -> tuple[list[Item], list[str], int, int]:
    """Items that are of a class, their labels, and how many have no label, or one to ignore."""
    pairs = [(item, label) for item, label in zip(items, labels, strict=True) if label is not None]
    kept = [(item, label) for item, label in pairs if label not in ignore]
    return (
        [item for item, _ in kept],
        [label for _, label in kept],
        len(labels) - len(pairs),
        len(pairs) - len(kept),
    )


def _picked(
    items: Sequence[Item], labels: Sequence[str], wanted: Sequence[bool]
) -> tuple[list[Item], list[str]]:
    pairs = [(i, label) for i, label, want in zip(items, labels, wanted, strict=True) if want]
    return [item for item, _ in pairs], [label for _, label in pairs]


def _groups(
    searched: Sequence[Item], asking: Sequence[Item], label: str
) -> tuple[Int64Array, Int64Array] | tuple[None, None]:
    """Other photos of a query's own product are easy prey: they do not count, unless they are sought."""
    if label == GROUP or not any(item.group for item in asking):
        return None, None
    _, numbers = numbered([item.group for item in (*searched, *asking)])
    return numbers[: len(searched)], numbers[len(searched) :]


def _values(
    searched: Sequence[Item], asking: Sequence[Item], label: str, column: str | None
) -> tuple[Int64Array, Int64Array] | tuple[None, None]:
    """Which value of a column each item and each query has, -1 for none."""
    if column is None:
        return None, None
    if column == GROUP != label:
        raise UsageError("photos of a query's own group never count; name another column by --apart")
    names, numbers = numbered(labels_of([*searched, *asking], column, "--apart"))
    if len(names) == 1:
        raise UsageError(f"every {column} is {names[0]!r}: none is another; name another column by --apart")
    return numbers[: len(searched)], numbers[len(searched) :]


def _clusters(asking: Sequence[Item], column: str | None) -> tuple[Int64Array, str]:
    """What each query is drawn together with. One without a value stands for itself."""
    if column is None and not any(item.group for item in asking):
        return np.arange(len(asking), dtype=np.int64), ""
    by = column or GROUP
    value = read(by)
    texts = [text_of(value(item)) or None for item in asking]
    if asking and not any(texts):
        raise UsageError(f"no query has a {by!r} to draw it by")
    names, numbers = numbered(texts)
    alone = np.flatnonzero(numbers < 0)
    numbers[alone] = len(names) + np.arange(len(alone))
    return numbers, by
