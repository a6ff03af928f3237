"""The composition root: the one place that knows every stage, and the facade that users hold."""

from seealike.catalog.encoder.at_hand import NamedEncoder
from seealike.catalog.encoder.embedder import DECODE_BATCH, LocalEmbedder, default_workers
from seealike.catalog.engine import EngineCatalog, publish, refuse_address
from seealike.catalog.facade import Catalog
from seealike.catalog.hits import Asked, AskedWith, Hits
from seealike.catalog.opening import (
    DEFAULT_ENCODER,
    check_source,
    create,
    encoder_of,
    open,
    temporary,
    verify,
)
from seealike.catalog.options import (
    AnnInfo,
    CatalogInfo,
    EncoderPlace,
    Finding,
    IndexOptions,
    SourceInfo,
    VerifyReport,
)
from seealike.catalog.outputs.results import ResultsLook, write_results_page
from seealike.catalog.overview import ItemsAt, Sizes
from seealike.catalog.reader import SkippedFrom
from seealike.catalog.several import Catalogs, open_several
from seealike.catalog.spaces.reindexing import REINDEX_WAIT_S, ReindexReport, reindex
from seealike.catalog.spaces.space import found_encoder, in_space, model_files
from seealike.catalog.sync.adding import AddReport, NewPicture
from seealike.catalog.sync.progress import Indexing
from seealike.catalog.sync.shards import ShardSource
from seealike.catalog.sync.sources import absolute_spec, asked_source
from seealike.catalog.upkeep.checkup import ann_recall
from seealike.engines.publishing import PublishReport
from seealike.objects import is_address
from seealike.recommend import (
    LEAST_WEIGHT,
    MOST_WEIGHT,
    Beta,
    Bin,
    Calibration,
    Combine,
    Curve,
    Example,
    Facet,
    Facets,
    SearchOptions,
    UpdatedLists,
)
from seealike.store import is_catalog

__all__ = [
    "DECODE_BATCH",
    "DEFAULT_ENCODER",
    "LEAST_WEIGHT",
    "MOST_WEIGHT",
    "REINDEX_WAIT_S",
    "AddReport",
    "AnnInfo",
    "Asked",
    "AskedWith",
    "Beta",
    "Bin",
    "Calibration",
    "Catalog",
    "CatalogInfo",
    "Catalogs",
    "Combine",
    "Curve",
    "EncoderPlace",
    "EngineCatalog",
    "Example",
    "Facet",
    "Facets",
    "Finding",
    "Hits",
    "IndexOptions",
    "Indexing",
    "ItemsAt",
    "LocalEmbedder",
    "NamedEncoder",
    "NewPicture",
    "PublishReport",
    "ReindexReport",
    "ResultsLook",
    "SearchOptions",
    "ShardSource",
    "Sizes",
    "SkippedFrom",
    "SourceInfo",
    "UpdatedLists",
    "VerifyReport",
    "absolute_spec",
    "ann_recall",
    "asked_source",
    "check_source",
    "create",
    "default_workers",
    "encoder_of",
    "found_encoder",
    "in_space",
    "is_address",
    "is_catalog",
    "model_files",
    "open",
    "open_several",
    "publish",
    "refuse_address",
    "reindex",
    "temporary",
    "verify",
    "write_results_page",
]
