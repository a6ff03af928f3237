"""What callers of ``evaluate`` and ``compare`` may choose."""

from __future__ import annotations

from dataclasses import dataclass, field

from seealike.evaluation.statistics.intervals import Resampling
from seealike.evaluation.statistics.ranking import MOST_ASKING
from seealike.types import PathInput


@dataclass(frozen=True, slots=True)
class EvalOptions:
    """What to measure, and on what.

    Args:
        label: what is right: a column of the metadata, ``folder``, ``group`` or ``prefix``. With ``None``
            it is the group where there are groups, and pictures look for their own copies.
        ignore_labels: labels that are no class; their items are left out altogether.
        only: conditions for an item to take part at all, such as ``split = 'test'``.
        query_where: conditions for an item to be a query; the others are searched. Empty: every item is a
            query among all others.
        queries: a folder or table of pictures from outside that are the queries.
        k: how many results to look at.
        max_queries: more queries than this are sampled (0: never).
        resample_by: a column whose values are drawn as a whole for the intervals (default: ``apart``, where
            that is given, else the group).
        copies: also look for disturbed copies; ``None``: where there is no label.
        sample: how many pictures are disturbed.
        resampling: how intervals are made. Its seed also draws the samples.
        apart: a column, such as who took the picture: say also how queries do among items that have another
            value of it, and how many of the nearest have the same. Needs a label.
        vectors: smaller vectors to try, such as ``256`` (the first 256 numbers), ``int8`` or ``256:int8``:
            say also what they would cost in quality. Needs a label, or groups.
    """

    label: str | None = None
    ignore_labels: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    query_where: tuple[str, ...] = ()
    queries: PathInput | None = None
    k: int = 10
    max_queries: int = MOST_ASKING
    resample_by: str | None = None
    copies: bool | None = None
    sample: int = 100
    resampling: Resampling = field(default_factory=Resampling)
    apart: str | None = None
    vectors: tuple[str, ...] = ()
