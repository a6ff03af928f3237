"""seealike: what else looks like this?

    import seealike

    catalog = seealike.create("fashion.catalog")      # or seealike.open(...)
    report = catalog.index("photos/")
    for hit in catalog.search("query.jpg", k=10):
        print(hit.id, hit.score)

The errors are in ``seealike.errors``; the seams for adapter authors in ``seealike.protocols``.
"""

from seealike._version import __version__
from seealike.catalog import (
    AddReport,
    AnnInfo,
    Catalog,
    CatalogInfo,
    Catalogs,
    Finding,
    Hits,
    IndexOptions,
    NewPicture,
    ReindexReport,
    ResultsLook,
    SearchOptions,
    SourceInfo,
    VerifyReport,
    create,
    open,
    open_several,
    reindex,
)
from seealike.client import Client
from seealike.embedding import EmbedOptions, EmbedReport, embed
from seealike.errors import SeealikeError
from seealike.images import DecodeLimits
from seealike.recommend import (
    Calibration,
    Combine,
    Example,
    Hub,
    ListsReport,
    ReportedLists,
    SimilarList,
    UpdatedLists,
)
from seealike.types import (
    Crop,
    Cropped,
    EncoderIdentity,
    Explanation,
    Heat,
    Hit,
    IndexReport,
    Item,
    Metric,
    Preprocessing,
    Progress,
    RegionPair,
    Relation,
    Skipped,
    SkipReason,
)

__all__ = [
    "AddReport",
    "AnnInfo",
    "Calibration",
    "Catalog",
    "CatalogInfo",
    "Catalogs",
    "Client",
    "Combine",
    "Crop",
    "Cropped",
    "DecodeLimits",
    "EmbedOptions",
    "EmbedReport",
    "EncoderIdentity",
    "Example",
    "Explanation",
    "Finding",
    "Heat",
    "Hit",
    "Hits",
    "Hub",
    "IndexOptions",
    "IndexReport",
    "Item",
    "ListsReport",
    "Metric",
    "NewPicture",
    "Preprocessing",
    "Progress",
    "RegionPair",
    "ReindexReport",
    "Relation",
    "ReportedLists",
    "ResultsLook",
    "SearchOptions",
    "SeealikeError",
    "SimilarList",
    "SkipReason",
    "Skipped",
    "SourceInfo",
    "UpdatedLists",
    "VerifyReport",
    "__version__",
    "create",
    "embed",
    "open",
    "open_several",
    "reindex",
]
