"""The composition root: the one place that knows every stage, and the facade that users hold."""

from seealike.catalog.facade import Catalog
from seealike.catalog.hits import Asked, Hits
from seealike.catalog.opening import DEFAULT_ENCODER, check_source, create, open, temporary, verify
from seealike.catalog.options import (
    AnnInfo,
    CatalogInfo,
    EncoderPlace,
    Finding,
    IndexOptions,
    SourceInfo,
    VerifyReport,
)
from seealike.catalog.results import ResultsLook, write_results_page
from seealike.catalog.spaces.reindexing import ReindexReport, reindex
from seealike.catalog.spaces.space import in_space
from seealike.catalog.sync.adding import AddReport, NewPicture
from seealike.recommend import SearchOptions

__all__ = [
    "DEFAULT_ENCODER",
    "AddReport",
    "AnnInfo",
    "Asked",
    "Catalog",
    "CatalogInfo",
    "EncoderPlace",
    "Finding",
    "Hits",
    "IndexOptions",
    "NewPicture",
    "ReindexReport",
    "ResultsLook",
    "SearchOptions",
    "SourceInfo",
    "VerifyReport",
    "check_source",
    "create",
    "in_space",
    "open",
    "reindex",
    "temporary",
    "verify",
    "write_results_page",
]
