"""The composition root: the one place that knows every stage, and the facade that users hold."""

from seealike.catalog.facade import Catalog
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
from seealike.catalog.spaces.reindexing import ReindexReport, reindex
from seealike.catalog.spaces.space import in_space
from seealike.catalog.sync.adding import AddReport, NewPicture
from seealike.recommend import SearchOptions

__all__ = [
    "DEFAULT_ENCODER",
    "AddReport",
    "AnnInfo",
    "Catalog",
    "CatalogInfo",
    "EncoderPlace",
    "Finding",
    "IndexOptions",
    "NewPicture",
    "ReindexReport",
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
]
