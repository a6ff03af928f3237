"""The content of pictures that are no files: fetched ahead of who needs it, politely."""

from __future__ import annotations

import os
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

from seealike.embedding.sources.archives import TAR
from seealike.embedding.sources.tables import PARQUET, ParquetBytes
from seealike.errors import SeealikeError
from seealike.fetching.fetcher import Fetcher
from seealike.images import DecodeLimits
from seealike.objects import ObjectStore, is_address, place_in
from seealike.shards import ShardRow

AT_ONCE = 16  # that are fetched ahead
AT_ONCE_A_HOST, PAUSE_S = 2, 0.05  # what one server is asked at a time, and the least between two questions
_MEMBER = re.compile(
    rf"{TAR}(?:\+(?P<address>\w+://.+)|://(?P<path>.+))#(?P<start>\d+)\+(?P<size>\d+)/.*", re.DOTALL
)
_CELL = re.compile(rf"{PARQUET}://(?P<path>.+)#(?P<row>\d+)/(?P<column>.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Unread:
    """Why the content of a picture is not there."""

    detail: str


class PictureReader:
    """Gives the pictures of rows: files by their paths, all others as bytes.

    Args:
        root: what paths are relative to.
        limits: what one may cost.
        fetch: what is at an address of the web.
    """

    def __init__(self, root: str, limits: DecodeLimits, fetch: Callable[[str], bytes] | None = None) -> None:
        self._root, self._limits = root, limits
        self._fetch = fetch or PoliteFetcher(Fetcher(limits.file_bytes).fetch).fetch
        self._stores: dict[str, ObjectStore] = {}
        self._cells: list[ParquetBytes] = []  # of readings that are over

    def read(self, rows: Iterable[tuple[int, ShardRow]]) -> Iterator[tuple[int, str | bytes | Unread]]:
        """Each row's number with its picture, in their order; some are fetched ahead, in threads.

        May be called by several threads at a time.
        """
        # It knows where it is, so each reading has its own, and goes on with that of one before.
        cells = self._cells.pop() if self._cells else ParquetBytes()
        under_way: deque[tuple[int, Future[bytes | Unread] | str | bytes | Unread]] = deque()
        with ThreadPoolExecutor(AT_ONCE, "seealike-fetch") as pool:
            try:
                for number, row in rows:
                    under_way.append((number, self._begun(row, pool, cells)))
                    if len(under_way) >= AT_ONCE:
                        yield _ended(*under_way.popleft())
                while under_way:
                    yield _ended(*under_way.popleft())
            finally:
                for _, one in under_way:
                    if isinstance(one, Future):
                        one.cancel()
                self._cells.append(cells)

    def _begun(
        self, row: ShardRow, pool: ThreadPoolExecutor, cells: ParquetBytes
    ) -> Future[bytes | Unread] | str | bytes | Unread:
        place = row.address or row.path
        if not is_address(place):
            return place_in(self._root, place)
        if cell := _CELL.fullmatch(place):  # rows are read in their order
            return _content(partial(_cell, cells, cell, row.mtime_ns))
        return pool.submit(_content, partial(self._bytes, place, row.mtime_ns))

    def _bytes(self, place: str, mtime_ns: int | None) -> bytes | Unread:
        if member := _MEMBER.fullmatch(place):
            start, size = int(member["start"]), int(member["size"])
            if size > self._limits.file_bytes:
                return Unread(f"it has more than {self._limits.file_bytes} bytes")
            if member["address"]:
                store, name = self._store(member["address"])
                return store.read_part(name, start, size)
            with open(member["path"], "rb") as file:
                file.seek(start)
                return _of_then(member["path"], mtime_ns, file.read(size))
        if place.startswith(("http://", "https://")):
            return self._fetch(place)
        store, name = self._store(place)
        data = store.read(name)
        return Unread("there is no such object") if data is None else data

    def _store(self, address: str) -> tuple[ObjectStore, str]:
        """The bucket of an object, and its name there."""
        scheme, _, rest = address.partition("://")
        bucket, _, name = rest.partition("/")
        place = f"{scheme}://{bucket}"
        if place not in self._stores:
            self._stores[place] = ObjectStore(place)
        return self._stores[place], name


def _content(read: Callable[[], bytes | Unread]) -> bytes | Unread:
    try:
        return read()
    except SeealikeError as exc:
        return Unread(str(exc))
    except (OSError, ValueError) as exc:
        return Unread(getattr(exc, "strerror", None) or str(exc) or type(exc).__name__)


def _cell(cells: ParquetBytes, cell: re.Match[str], mtime_ns: int | None) -> bytes | Unread:
    data = cells.read(cell["path"], int(cell["row"]), cell["column"])
    return Unread("the cell is empty") if data is None else _of_then(cell["path"], mtime_ns, data)


def _of_then(path: str, mtime_ns: int | None, data: bytes) -> bytes | Unread:
    """What was read of a file, unless it is another one than was looked through: then it may be anybody's."""
    return data if os.stat(path).st_mtime_ns == mtime_ns else Unread("the file changed while it was read")


def _ended(
    number: int, one: Future[bytes | Unread] | str | bytes | Unread
) -> tuple[int, str | bytes | Unread]:
    return number, one.result() if isinstance(one, Future) else one


class PoliteFetcher:
    """Asks each server little at a time, however many pictures it has. Safe in threads.

    Args:
        fetch: what is at an address.
        at_once: how many questions to one server at a time.
        pause_s: the least time between the beginnings of two.
    """

    def __init__(
        self, fetch: Callable[[str], bytes], *, at_once: int = AT_ONCE_A_HOST, pause_s: float = PAUSE_S
    ) -> None:
        self._fetch, self._at_once, self._pause_s = fetch, at_once, pause_s
        self._guard = threading.Lock()
        self._hosts: dict[str, tuple[threading.BoundedSemaphore, threading.Lock]] = {}

    def fetch(self, url: str) -> bytes:
        """What is there; see ``Fetcher.fetch``."""
        host = urlsplit(url).netloc.lower()
        with self._guard:
            if host not in self._hosts:
                self._hosts[host] = threading.BoundedSemaphore(self._at_once), threading.Lock()
            turns, beginning = self._hosts[host]
        with turns:
            with beginning:
                time.sleep(self._pause_s)
            return self._fetch(url)
