"""Search and recommendation over a view of the catalogue. Knows vectors and ids, not pixels."""

from seealike.recommend.answers import ItemRow, Wanted, hits, keys_needed
from seealike.recommend.lists import Names, SimilarList, similar_lists
from seealike.recommend.taste import taste_query
from seealike.recommend.view import ATTEMPTS, LoadedAnn, Ranked, Searcher, StaleViewError, View

__all__ = [
    "ATTEMPTS",
    "ItemRow",
    "LoadedAnn",
    "Names",
    "Ranked",
    "Searcher",
    "SimilarList",
    "StaleViewError",
    "View",
    "Wanted",
    "hits",
    "keys_needed",
    "similar_lists",
    "taste_query",
]
