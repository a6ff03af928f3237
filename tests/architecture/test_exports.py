"""What users may import, name by name: a change here is a change of the public interface."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.architecture.fresh import said

import seealike
from seealike import errors, types

PUBLIC = [
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
ERRORS = [
    "AmbiguousItemError",
    "CatalogBusyError",
    "CatalogError",
    "CatalogExistsError",
    "DamagedCatalogError",
    "EncoderError",
    "EncoderMismatchError",
    "ForeignFileError",
    "LostItemsError",
    "MissingExtraError",
    "NewerFormatError",
    "NoCatalogError",
    "NoPlacesError",
    "NotOnHubError",
    "PictureError",
    "ReplacedCatalogError",
    "SeealikeError",
    "ServiceError",
    "SourceError",
    "StorageError",
    "UnknownItemError",
    "UnknownNameError",
    "UnknownProductError",
    "UnreachableError",
    "UnreadSourcesError",
    "UsageError",
]
METHODS = [
    "add",
    "add_many",
    "calibration",
    "close",
    "column_names",
    "digests",
    "embed",
    "encode",
    "encoder",
    "encoder_spec",
    "export",
    "facets",
    "forget",
    "generation",
    "has_groups",
    "has_product",
    "index",
    "indexing",
    "info",
    "item",
    "items",
    "items_at",
    "items_from",
    "iter_skipped",
    "keep_calibration",
    "limits",
    "lists_for_vectors",
    "neighbours",
    "path",
    "placed_spec",
    "reads_text",
    "recommend",
    "recommend_all",
    "remove",
    "reported",
    "results_page",
    "search",
    "search_batch",
    "search_text",
    "search_vectors",
    "signatures",
    "similar",
    "similar_batch",
    "sizes",
    "skipped",
    "skipped_from",
    "sources",
    "thumbnail",
    "unsigned",
    "updated_lists",
    "vector_rows",
    "vector_type",
    "vectors",
    "verify",
]
REASONS = [
    "changed_while_reading",
    "corrupt",
    "decoder_crashed",
    "decoder_timeout",
    "duplicate_id",
    "empty_file",
    "encoder_failed",
    "file_too_large",
    "missing_extra",
    "non_finite_vector",
    "not_an_image",
    "out_of_memory",
    "outside_picture",
    "outside_root",
    "stalled",
    "too_many_pixels",
    "truncated",
    "unreadable",
    "unsupported_format",
    "zero_dimension",
]


def test_the_exported_names_are_these() -> None:
    assert seealike.__all__ == PUBLIC
    assert [name for name in PUBLIC if not hasattr(seealike, name)] == []


def test_the_catalogue_has_these_public_methods() -> None:
    assert sorted(name for name in dir(seealike.Catalog) if not name.startswith("_")) == METHODS


def test_the_errors_are_these_and_the_tree_in_the_docstring_shows_all_of_them() -> None:
    defined = [
        name for name, thing in vars(errors).items() if isinstance(thing, type) and name.endswith("Error")
    ]
    assert sorted(defined) == ERRORS
    assert sorted(set(re.findall(r"\w+Error\b", (errors.__doc__ or "").split("A bad picture")[0]))) == ERRORS
    assert all(issubclass(getattr(errors, name), errors.SeealikeError) for name in ERRORS)


def test_the_list_of_reasons_is_closed() -> None:
    assert sorted(reason.value for reason in types.SkipReason) == REASONS


def test_the_version_is_a_version() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+([ab]|rc)?\d*", seealike.__version__)


def test_the_public_names_are_listed_before_any_of_them_was_used() -> None:
    code = "before = dir(seealike); seealike.Hit; print(json.dumps([before, dir(seealike)]))"
    expected = sorted([*PUBLIC, "errors", "protocols", "testing"])
    assert said(f"import json, seealike; {code}") == [expected, expected]
    assert not hasattr(seealike, "importlib")


IMPORTED_FIRST = """
import importlib, sys
for name in sys.argv[1:]:
    for loaded in [one for one in sys.modules if one.split(".")[0] == "seealike"]:
        del sys.modules[loaded]
    importlib.import_module(f"seealike.{name}")
import seealike
assert seealike.errors.SeealikeError is seealike.SeealikeError
assert not hasattr(seealike, "nothing")
"""


def test_every_part_can_be_imported_first() -> None:
    folder = Path(seealike.__file__).parent
    places = [*folder.glob("*.py"), *folder.glob("*/__init__.py")]
    names = {place.parent.name if place.name == "__init__.py" else place.stem for place in places}
    names -= {folder.name, "__main__"}
    run = subprocess.run(
        [sys.executable, "-c", IMPORTED_FIRST, *sorted(names)], capture_output=True, text=True, check=False
    )
    assert not run.returncode, run.stderr
