"""Items that are put and removed over HTTP. What is acknowledged is on the disk, and is there once."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal, NamedTuple

from seealike.catalog import Catalog, EngineCatalog
from seealike.errors import PictureError, UnknownItemError
from seealike.service.batching.embedder import check_current_ticket
from seealike.service.kept.pictures import KeptPictures
from seealike.types import Item, Metadata

Change = Literal["added", "replaced", "unchanged", "removed"]
WAIT_S = 1.0  # for another process that writes: who asks over HTTP rather tries again
LEAST_WAIT_S = 0.1  # also for a change that has waited that long for others of this process


class Changed(NamedTuple):
    """What became of an item, and the generation in which it is so."""

    change: Change
    generation: int


class Changes:
    """One change at a time, in whatever thread: those first that came first, and none that was given up.

    Other processes may change the same items: files are never shared, so none that is shown is removed; see
    ``KeptPictures``.
    """

    def __init__(self, pictures: KeptPictures) -> None:
        self._pictures = pictures
        self._changed = threading.Condition()
        self._came = self._gone = 0

    def put(
        self, catalog: Catalog, item_id: str, data: bytes, group: str | None, metadata: Metadata
    ) -> Changed:
        """Make an item what it is to be. If it is that already, nothing is written.

        Raises:
            PictureError: the picture cannot be used; the item is as it was.
            UsageError: id, group or metadata cannot be stored.
            CatalogBusyError: another process is writing.
            ServiceError: the request was given up; the item is as it was.
        """
        with self._turn() as wait_s:
            before = _item(catalog, item_id)
            if (
                before is not None
                and self._pictures.holds(before.path, item_id, data)
                and (before.group, before.metadata) == (group, metadata)
            ):
                return Changed("unchanged", catalog.generation)
            path = self._pictures.keep(item_id, data)
            try:
                catalog.add(item_id, path, group=group, metadata=metadata, wait_s=wait_s)
            except PictureError as exc:
                raise PictureError("the picture", exc.reason, exc.detail) from exc
            finally:
                after = _item(catalog, item_id)  # an error may have come after the commit
                for one in (path, before.path if before is not None else None):
                    if after is None or after.path != one:
                        self._pictures.drop(one)
            return Changed("added" if before is None else "replaced", catalog.generation)

    def remove(self, catalog: Catalog, item_id: str) -> Changed:
        """Remove an item. One that is not there is removed already.

        Raises:
            CatalogBusyError: another process is writing.
            ServiceError: the request was given up; the item is as it was.
        """
        with self._turn() as wait_s:
            before = _item(catalog, item_id)
            if before is None:
                return Changed("unchanged", catalog.generation)
            with suppress(UnknownItemError):  # another process was quicker
                catalog.remove([item_id], wait_s=wait_s)
            self._pictures.drop(before.path)
            return Changed("removed", catalog.generation)

    def collect(self, catalog: Catalog) -> None:
        """Remove the pictures that were left behind long ago.

        They are told by their names alone: the catalogue may lie elsewhere by now.
        """
        aged = {os.path.basename(path): path for path in self._pictures.aged()}
        if aged:
            for item in catalog.items():
                aged.pop(os.path.basename(item.path or ""), None)
        for path in aged.values():
            self._pictures.drop(path)

    @contextmanager
    def _turn(self) -> Iterator[float]:
        """Have one's turn; how long to wait for another process then."""
        started_s = time.monotonic()
        with self._changed:
            mine, self._came = self._came, self._came + 1
            self._changed.wait_for(lambda: self._gone == mine)
        try:
            check_current_ticket()
            yield max(LEAST_WAIT_S, WAIT_S - (time.monotonic() - started_s))
        finally:
            with self._changed:
                self._gone += 1
                self._changed.notify_all()


class EngineChanges(Changes):
    """Changes of a copy in an engine, which orders those of all processes, and keeps the pictures."""

    def __init__(self) -> None:
        """Nothing is kept here."""
        super().__init__(KeptPictures(""))

    def put(
        self, catalog: Catalog, item_id: str, data: bytes, group: str | None, metadata: Metadata
    ) -> Changed:
        """See ``Changes.put``."""
        assert isinstance(catalog, EngineCatalog)
        check_current_ticket()
        change = catalog.put(item_id, data, group=group, metadata=metadata)
        return Changed(change, catalog.written_generation)

    def remove(self, catalog: Catalog, item_id: str) -> Changed:
        """See ``Changes.remove``."""
        assert isinstance(catalog, EngineCatalog)
        check_current_ticket()
        try:
            change: Change = "removed" if catalog.remove([item_id]) else "unchanged"
        except UnknownItemError:
            change = "unchanged"
        return Changed(change, catalog.written_generation)

    def collect(self, catalog: Catalog) -> None:
        """Nothing is left behind: pictures come and go in the transaction of their items."""


def _item(catalog: Catalog, item_id: str) -> Item | None:
    return catalog.item(item_id) if item_id in catalog else None
