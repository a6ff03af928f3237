"""Search and recommendation over a view of the catalogue. Knows vectors and ids, not pixels."""

from seealike.recommend.answers import ItemRow, Wanted, are_in_order, hits, keys_needed
from seealike.recommend.lists import SimilarList, similar_lists
from seealike.recommend.searcher import ATTEMPTS, Searcher, StaleViewError
from seealike.recommend.taste import taste_query
from seealike.recommend.view import LoadedAnn, View

__all__ = [
    "ATTEMPTS",
    "ItemRow",
    "LoadedAnn",
    "Searcher",
    "SimilarList",
    "StaleViewError",
    "View",
    "Wanted",
    "are_in_order",
    "hits",
    "keys_needed",
    "similar_lists",
    "taste_query",
]
