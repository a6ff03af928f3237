"""Small pictures of items, made once: the ones that were not asked for longest make room."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from typing import NamedTuple

from seealike.catalog import Catalog
from seealike.errors import PictureError, ServiceError

MOST_BYTES = 64 * 2**20
MOST_PX = 2048


class Thumbnail(NamedTuple):
    """A JPEG without metadata, and what changes when it does."""

    data: bytes
    tag: str


class Thumbnails:
    """Safe to use from several threads."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._made: OrderedDict[tuple[str, int, int], Thumbnail] = OrderedDict()
        self._bytes = 0

    def of(self, catalog: Catalog, item_id: str, side_px: int) -> Thumbnail:
        """The picture of an item, at most so many pixels wide and high. Never the file itself.

        Raises:
            UnknownItemError: there is no such item.
            ServiceError: it has no picture any more.
        """
        key = item_id, side_px, catalog.generation
        with self._guard:
            if key in self._made:
                self._made.move_to_end(key)
                return self._made[key]
        path = catalog.item(item_id).path
        if path is None:
            raise ServiceError("no_picture", "the picture of this item was not kept", status=404)
        try:
            data = catalog.thumbnail(path, side_px)
        except PictureError as exc:
            raise ServiceError(
                "no_picture", f"its picture cannot be shown: {exc.reason.value}", status=404
            ) from exc
        made = Thumbnail(data, hashlib.sha256(data).hexdigest()[:32])
        with self._guard:
            if self._made.setdefault(key, made) is made:
                self._bytes += len(data)
            while self._bytes > MOST_BYTES and len(self._made) > 1:
                _, dropped = self._made.popitem(last=False)
                self._bytes -= len(dropped.data)
        return made
