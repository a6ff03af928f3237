"""Pictures that were uploaded once to be asked with often: kept in memory for a while, under a token."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from seealike.errors import ServiceError


class _Upload(NamedTuple):
    data: bytes
    until_s: float


class Uploads:
    """Pictures by token. The ones that were not used for longest make room for new ones. Safe in threads."""

    def __init__(self, most_bytes: int, keep_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most_bytes, self._keep_s, self._clock = most_bytes, keep_s, clock
        self._guard = threading.Lock()
        self._kept: OrderedDict[str, _Upload] = OrderedDict()
        self._bytes = 0

    def keep(self, data: bytes) -> str:
        """Keep a picture; the token is what only its uploader knows.

        Raises:
            ServiceError: it is larger than all memory for uploads.
        """
        if len(data) > self._most_bytes:
            raise ServiceError("too_large", "the picture is larger than the memory for uploads", status=413)
        token = secrets.token_urlsafe(18)
        with self._guard:
            self._put(token, data)
            now = self._clock()
            while self._bytes > self._most_bytes or self._oldest_until_s() <= now:
                _, dropped = self._kept.popitem(last=False)
                self._bytes -= len(dropped.data)
        return token

    def picture(self, token: str) -> bytes:
        """The picture of a token; it is kept on from now.

        Raises:
            ServiceError: there is none, or no more.
        """
        with self._guard:
            found = self._kept.pop(token, None)
            if found is not None:
                self._bytes -= len(found.data)
                if found.until_s > self._clock():
                    self._put(token, found.data)
                    return found.data
        raise ServiceError(
            "unknown_image", "there is no such uploaded picture, or no more; upload it again", status=404
        )

    def _put(self, token: str, data: bytes) -> None:
        self._kept[token] = _Upload(data, self._clock() + self._keep_s)
        self._bytes += len(data)

    def _oldest_until_s(self) -> float:
        return next(iter(self._kept.values())).until_s
