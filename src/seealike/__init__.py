"""seealike: what else looks like this?

    import seealike

    catalog = seealike.create("fashion.catalog")      # or seealike.open(...)
    report = catalog.index("photos/")
    for hit in catalog.search("query.jpg", k=10):
        print(hit.id, hit.score)

The errors are in ``seealike.errors``; the seams for adapter authors in ``seealike.protocols``.
"""

from typing import TYPE_CHECKING

from seealike._version import __version__

if TYPE_CHECKING:
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
        PublishReport,
        ReindexReport,
        ResultsLook,
        SearchOptions,
        SourceInfo,
        VerifyReport,
        create,
        open,
        open_several,
        publish,
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
    from seealike.vectors import VectorType

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
    "PublishReport",
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
    "VectorType",
    "VerifyReport",
    "__version__",
    "create",
    "embed",
    "open",
    "open_several",
    "publish",
    "reindex",
]

_HOMES = ("catalog", "client", "embedding", "errors", "images", "recommend", "types", "vectors")

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """A name from where it is defined: all is imported when the first is asked for; or a module of ours.

        Until then the command line starts quickly, and can be interrupted.
        """
        from importlib import import_module

        if name not in __all__:
            try:
                return import_module(f"{__name__}.{name}")
            except ModuleNotFoundError as exc:
                if exc.name != f"{__name__}.{name}":  # it is there, and something that it takes is not
                    raise
                raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
        for home in _HOMES:
            module = import_module(f"seealike.{home}")
            globals().update({one: getattr(module, one) for one in __all__ if hasattr(module, one)})
        return globals()[name]

    def __dir__() -> list[str]:
        """The public names, of which most are not here yet, and the modules for callers and authors."""
        return sorted([*__all__, "errors", "protocols", "testing"])
