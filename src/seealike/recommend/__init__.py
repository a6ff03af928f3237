"""Search and recommendation over a view of the catalogue. Knows vectors and ids, not pixels."""

from seealike.recommend.answers import ItemStore, answered
from seealike.recommend.columns import Columns
from seealike.recommend.facets import Facet, Facets, facets_of
from seealike.recommend.likeness import with_least_score
from seealike.recommend.lists.kept import KeptLists
from seealike.recommend.lists.making import (
    Found,
    ListsForVectors,
    SimilarList,
    UpdatedLists,
    Wanted,
    product_lists,
    similar_lists,
    updated_lists,
)
from seealike.recommend.lists.report import Hub, ListsReport, ReportedLists
from seealike.recommend.mixing.hubness import Hubness
from seealike.recommend.query import (
    LEAST_WEIGHT,
    MOST_WEIGHT,
    Combine,
    Example,
    Examples,
    Query,
    SearchOptions,
)
from seealike.recommend.scale import Beta, Bin, Calibration, Curve
from seealike.recommend.searcher import ATTEMPTS, Searcher, StaleViewError
from seealike.recommend.view import ItemRow, View

__all__ = [
    "ATTEMPTS",
    "LEAST_WEIGHT",
    "MOST_WEIGHT",
    "Beta",
    "Bin",
    "Calibration",
    "Columns",
    "Combine",
    "Curve",
    "Example",
    "Examples",
    "Facet",
    "Facets",
    "Found",
    "Hub",
    "Hubness",
    "ItemRow",
    "ItemStore",
    "KeptLists",
    "ListsForVectors",
    "ListsReport",
    "Query",
    "ReportedLists",
    "SearchOptions",
    "Searcher",
    "SimilarList",
    "StaleViewError",
    "UpdatedLists",
    "View",
    "Wanted",
    "answered",
    "facets_of",
    "product_lists",
    "similar_lists",
    "updated_lists",
    "with_least_score",
]
