"""``recommend_all``: the lists of all items, over the store."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from seealike.catalog.options import SearchOptions
from seealike.catalog.sync import ProgressCallback
from seealike.recommend import Names, Searcher, SimilarList, Wanted, similar_lists
from seealike.store import SqliteStore
from seealike.types import Progress


def all_lists(
    store: SqliteStore, searcher: Searcher, k: int, options: SearchOptions, progress: ProgressCallback
) -> Iterator[SimilarList]:
    """Yield every item's list, in id order."""
    pairs = [(item.id, item.key) for item in store.items()]
    names = Names([pair[0] for pair in pairs], np.array([pair[1] for pair in pairs], dtype=np.int64))
    return similar_lists(
        store,
        searcher,
        names,
        Wanted(k, options.min_score, options.metric),
        exact=options.exact,
        progress=lambda done, total: progress(Progress("lists", done, total)),
    )
