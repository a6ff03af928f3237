"""Small pictures, made once: the ones that were not asked for longest make room."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Hashable
from typing import NamedTuple

from seealike.catalog import Catalog, Catalogs, EngineCatalog
from seealike.errors import PictureError, ServiceError
from seealike.service.kept.lru import LruCache
from seealike.types import SkipReason

MOST_BYTES = 64 * 2**20
MOST_PX = 2048


class Thumbnail(NamedTuple):
    """A JPEG without metadata, and what changes when it does."""

    data: bytes
    tag: str


class Thumbnails:
    """Made anew when a file changes, whatever becomes of its item. Safe to use from several threads."""

    def __init__(self) -> None:
        self._made = LruCache[Thumbnail](MOST_BYTES, lambda made: len(made.data))

    def of(self, catalog: Catalog | Catalogs, item_id: str, side_px: int) -> Thumbnail:
        """The picture of an item, at most so many pixels wide and high. Never the file itself.

        Raises:
            UnknownItemError: there is no such item.
            ServiceError: it has no picture any more.
        """
        path = catalog.item(item_id).path
        if isinstance(catalog, EngineCatalog) and (kept := catalog.kept_picture(item_id)) is not None:
            return self._of(catalog, (hashlib.sha256(kept).digest(), side_px), kept, side_px)
        if path is None:
            raise ServiceError("no_picture", "the picture of this item was not kept", status=404)
        try:
            status = os.stat(path)
        except OSError:
            raise _not_shown(SkipReason.UNREADABLE) from None
        content = path, status.st_ino, status.st_mtime_ns, status.st_size
        return self._of(catalog, (content, side_px), path, side_px)

    def of_upload(self, catalog: Catalog | Catalogs, token: str, data: bytes, side_px: int) -> Thumbnail:
        """An uploaded picture, by its token."""
        return self._of(catalog, (token, side_px), data, side_px)

    def _of(self, catalog: Catalog | Catalogs, key: Hashable, image: str | bytes, side_px: int) -> Thumbnail:
        made = self._made.get(key)
        if made is None:
            try:
                data = catalog.thumbnail(image, side_px)
            except PictureError as exc:
                raise _not_shown(exc.reason) from exc
            made = Thumbnail(data, hashlib.sha256(data).hexdigest()[:32])
            self._made.put(key, made)
        return made


def _not_shown(reason: SkipReason) -> ServiceError:
    return ServiceError("no_picture", f"its picture cannot be shown: {reason.value}", status=404)
