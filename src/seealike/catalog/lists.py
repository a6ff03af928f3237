"""``recommend_all``: the lists of all items, over the store."""

from __future__ import annotations

from collections.abc import Iterator

from seealike.catalog.options import SearchOptions
from seealike.catalog.sync import ProgressCallback
from seealike.recommend import Searcher, SimilarList, Wanted, similar_lists
from seealike.store import SqliteStore
from seealike.types import Progress


def all_lists(
    store: SqliteStore, searcher: Searcher, k: int, options: SearchOptions, progress: ProgressCallback
) -> Iterator[SimilarList]:
    """Yield every item's list, in id order."""
    return similar_lists(
        store,
        searcher,
        Wanted(k, options.min_score, options.metric),
        exact=options.exact,
        progress=lambda done, total: progress(Progress("lists", done, total)),
    )
