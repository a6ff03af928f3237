"""Items that are put and removed over HTTP. What is acknowledged is on the disk, and is there once."""

from __future__ import annotations

import threading
from typing import Literal, NamedTuple

from seealike.catalog import Catalog
from seealike.service.pictures import KeptPictures
from seealike.types import Item, Metadata

Change = Literal["added", "replaced", "unchanged", "removed"]


class Changed(NamedTuple):
    """What became of an item, and the generation in which it is so."""

    change: Change
    generation: int


class Changes:
    """One change at a time, in whatever thread."""

    def __init__(self, pictures: KeptPictures) -> None:
        self._pictures = pictures
        self._turn = threading.Lock()

    def put(
        self, catalog: Catalog, item_id: str, data: bytes, group: str | None, metadata: Metadata
    ) -> Changed:
        """Make an item what it is to be. If it is that already, nothing is written.

        Raises:
            PictureError: the picture cannot be used; the item is as it was.
            UsageError: id, group or metadata cannot be stored.
            CatalogBusyError: another process is writing.
        """
        with self._turn:
            before, path = _item(catalog, item_id), self._pictures.path_of(item_id, data)
            if before is not None and (before.path, before.group, before.metadata) == (path, group, metadata):
                return Changed("unchanged", catalog.generation)
            known = before is not None and before.path == path
            if not known:
                self._pictures.keep(path, data)
            try:
                catalog.add(item_id, path, group=group, metadata=metadata)
            except BaseException:
                if not known:
                    self._pictures.drop(path)
                raise
            if before is not None and not known:
                self._pictures.drop(before.path)
            return Changed("added" if before is None else "replaced", catalog.generation)

    def remove(self, catalog: Catalog, item_id: str) -> Changed:
        """Remove an item. One that is not there is removed already.

        Raises:
            CatalogBusyError: another process is writing.
        """
        with self._turn:
            before = _item(catalog, item_id)
            if before is None:
                return Changed("unchanged", catalog.generation)
            catalog.remove([item_id])
            self._pictures.drop(before.path)
            return Changed("removed", catalog.generation)


def _item(catalog: Catalog, item_id: str) -> Item | None:
    return catalog.item(item_id) if item_id in catalog else None
