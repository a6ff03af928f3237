"""Pictures that were uploaded once to be asked with often: kept in memory for a while, under a token."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import NamedTuple

from seealike.errors import ServiceError
from seealike.service.kept.lru import LruCache


class _Upload(NamedTuple):
    data: bytes
    until_s: float


class Uploads:
    """Pictures by token. The ones that were not used for longest make room for new ones. Safe in threads."""

    def __init__(self, most_bytes: int, keep_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most_bytes, self._keep_s, self._clock = most_bytes, keep_s, clock
        self._kept = LruCache[_Upload](most_bytes, lambda upload: len(upload.data))

    def keep(self, data: bytes) -> str:
        """Keep a picture; the token is what only its uploader knows.

        Raises:
            ServiceError: it is larger than all memory for uploads.
        """
        if len(data) > self._most_bytes:
            raise ServiceError("too_large", "the picture is larger than the memory for uploads", status=413)
        token = secrets.token_urlsafe(18)
        self._put(token, data)
        return token

    def picture(self, token: str) -> bytes:
        """The picture of a token; it is kept on from now.

        Raises:
            ServiceError: there is none, or no more.
        """
        found = self._kept.get(token)
        if found is None or found.until_s <= self._clock():
            raise ServiceError(
                "unknown_image", "there is no such uploaded picture, or no more; upload it again", status=404
            )
        self._put(token, found.data)
        return found.data

    def _put(self, token: str, data: bytes) -> None:
        now = self._clock()
        self._kept.put(token, _Upload(data, now + self._keep_s))
        self._kept.drop_unused(lambda upload: upload.until_s <= now)
