"""Run the demonstration on a catalogue: draw, index, search."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from seealike.demo.drawing import DEFAULT_SEED, DrawnCatalogue, draw_catalogue
from seealike.demo.searches import Searchable, median_search_ms, search_outside, search_telling_items
from seealike.demo.show import Outcome, show
from seealike.errors import NoCatalogError
from seealike.gallery import GalleryPage
from seealike.types import EncoderIdentity, IndexReport, ProgressCallback, Skipped

CATALOG_NAME = ".seealike"
PAGE_NAME = "results.html"


class DemoCatalog(Searchable, Protocol):
    """What the demonstration needs of a catalogue."""

    @property
    def encoder(self) -> EncoderIdentity:
        """The embedding space's name."""

    def __len__(self) -> int:
        """The number of items."""

    def index(self, source: str, *, progress: ProgressCallback | None = None) -> IndexReport:
        """Make the catalogue equal to its source."""

    def skipped(self) -> Sequence[Skipped]:
        """Every file that is not in the catalogue, with its reason."""


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What the demonstration did, and the page that shows it (not written anywhere yet).

    ``search_ms`` is the median of its searches with items of the catalogue.
    """

    page: GalleryPage
    catalog_path: str
    drawn: DrawnCatalogue
    report: IndexReport
    items: int
    skipped: tuple[Skipped, ...]
    searches: int
    search_ms: float


def run_demo(
    folder: str,
    *,
    seed: int = DEFAULT_SEED,
    progress: ProgressCallback | None = None,
    open_catalog: Callable[[str], AbstractContextManager[DemoCatalog]] | None = None,
) -> DemoResult:
    """Draw a sample catalogue into a folder, index it, search it and show what was found.

    A second run in the same folder draws and indexes nothing again.

    Args:
        folder: an empty folder, or one that does not exist, or one of an earlier demonstration.
        seed: another number draws another shop.
        progress: told about the stages ``draw`` and those of indexing.
        open_catalog: opens or creates the catalogue at a path (default: a real one).

    Raises:
        UsageError: the folder holds somebody else's files.
        StorageError: the folder cannot be written.
    """
    drawn = draw_catalogue(folder, seed=seed, progress=progress)
    path = os.path.join(drawn.folder, CATALOG_NAME)
    with (open_catalog or _open_or_create)(path) as catalog:
        report = catalog.index(drawn.table, progress=progress)
        outside = search_outside(catalog, drawn)
        items = search_telling_items(catalog, drawn)
        outcome = Outcome(
            drawn, report, len(catalog), tuple(catalog.skipped()), catalog.encoder.name, outside, items
        )
        page = show(outcome, catalog.thumbnail, os.path.join(drawn.folder, PAGE_NAME))
    return DemoResult(
        page=page,
        catalog_path=path,
        drawn=drawn,
        report=report,
        items=outcome.items,
        skipped=outcome.skipped,
        searches=len(items) + 1,
        search_ms=median_search_ms(items),
    )


def _open_or_create(path: str) -> AbstractContextManager[DemoCatalog]:
    from seealike import catalog

    try:
        return catalog.open(path)
    except NoCatalogError:
        return catalog.create(path)
