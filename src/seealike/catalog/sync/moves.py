"""The content of files, to recognise those that were only moved: hashed by several threads at once."""

from __future__ import annotations

import hashlib
import os
import stat
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

_BLOCK = 1 << 20
_AHEAD = 8  # files a thread may be ahead of who takes the results

Named = TypeVar("Named")


def digests(
    things: Iterable[Named], path_of: Callable[[Named], str], workers: int
) -> Iterator[tuple[Named, bytes | None]]:
    """Every thing with the SHA-256 of its file, or with ``None`` where that cannot be read; in order."""
    under_way: deque[tuple[Named, Future[bytes | None]]] = deque()
    with ThreadPoolExecutor(workers, "seealike-hash") as pool:
        try:
            for thing in things:
                under_way.append((thing, pool.submit(_sha256, path_of(thing))))
                if len(under_way) > workers * _AHEAD:
                    first, digest = under_way.popleft()
                    yield first, digest.result()
            while under_way:
                first, digest = under_way.popleft()
                yield first, digest.result()
        finally:
            for _, digest in under_way:
                digest.cancel()


def _sha256(path: str) -> bytes | None:
    digest = hashlib.sha256()
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return None
            while block := file.read(_BLOCK):
                digest.update(block)
    except OSError:
        return None
    return digest.digest()
