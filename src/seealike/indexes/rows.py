"""The exact vectors of a snapshot's items, read from its file one by one, each checked by itself.

SQLite finds a row by way of a tree, page after page, and one row after the other. Here a row lies where its
place says, so a query's candidates are asked for at once, and only what the file system does not hold in
memory is waited for. Nothing is mapped: a file that somebody cuts would end the process.
"""

from __future__ import annotations

import math
import os
import weakref
import zlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from seealike.forking import tell_of_forks

if TYPE_CHECKING:
    import numpy.typing as npt

    from seealike.types import Float16Array, Int64Array
    from seealike.vectors import VectorType

    Checksums = npt.NDArray[np.uint32]
    Block = tuple[Int64Array, Float16Array]

CAN_BE_READ = hasattr(os, "preadv")  # not on Windows, where an open file could not be removed either
_WITHOUT_WAITING = getattr(os, "RWF_NOWAIT", 0)
_ROWS_AT_ONCE = 4096


class VectorRows:
    """Reads rows of a file that ``written`` began. Immutable, and safe to use from several threads.

    The file is closed when the last who uses it lets go: never under somebody who reads. A forked child has
    no rows here, and closes its copy of the parent's descriptor.
    """

    def __init__(
        self, path: str, keys: Int64Array, checksums: Checksums, dimension: int, kept: VectorType
    ) -> None:
        """Open the file, in which vectors are ``kept`` so. Shapes: keys, ascending, and checksums are (n,).

        Raises:
            OSError: it cannot be opened.
        """
        self._keys, self._checksums, self._dimension, self._kept = keys, checksums, dimension, kept
        self._size = kept.bytes_of(dimension)
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._close = weakref.finalize(self, os.close, self._file)
        tell_of_forks(self, VectorRows._after_fork)
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(self._file, 0, len(keys) * self._size, os.POSIX_FADV_RANDOM)

    def vectors_of(self, keys: Sequence[int] | Int64Array) -> Block:
        """The vectors of those of ``keys`` that are here and whole, ascending by key; ((m,), (m, d))."""
        asked = np.sort(np.asarray(keys, dtype=np.int64))
        places = np.searchsorted(self._keys, asked)
        here = places < len(self._keys)
        here[here] = self._keys[places[here]] == asked[here]
        if not here.all():
            asked, places = asked[here], places[here]
        rows = np.empty((len(asked), self._size), dtype=np.uint8)
        unread = self._read(rows, places) if rows.size else ()
        expected = self._checksums[places].tolist()
        whole = [zlib.crc32(row.data) == crc for row, crc in zip(rows, expected, strict=True)]
        for row in unread:
            whole[row] = False
        if not all(whole):
            asked, rows = asked[whole], rows[whole]
        return asked, self._kept.read(rows, self._dimension)

    def _after_fork(self) -> None:
        self._keys = self._keys[:0]
        self._close()

    def damaged(self, *, rows: int | None = None, turn: int = 0) -> int | None:
        """The key of the first row that is not what was written; ``None`` if all are.

        Args:
            rows: look at so many at most, spread evenly; at all, if not given.
            turn: which of them: in as many turns as there are rows between two of them, at all.

        Raises:
            OSError: the disk refuses.
        """
        n = len(self._keys)
        step = 1 if rows is None else max(1, math.ceil(n / rows))
        at_once = _ROWS_AT_ONCE if step == 1 else 1
        for first in range(turn % step, n, max(step, at_once)):
            expected = self._checksums[first : first + at_once].tolist()
            data = memoryview(os.pread(self._file, len(expected) * self._size, first * self._size))
            for row, crc in enumerate(expected):
                if zlib.crc32(data[row * self._size : (row + 1) * self._size]) != crc:
                    return int(self._keys[first + row])
        return None

    def _read(self, rows: npt.NDArray[np.uint8], where: Int64Array) -> list[int]:
        """Fill ``rows`` with what lies ``where``; the numbers of those rows that cannot be read."""
        target, size = rows.data.cast("B"), self._size
        begins = np.flatnonzero(np.diff(where, prepend=-2) != 1)  # what lies together is read at once
        ends = np.append(begins[1:], len(where))
        file, slow = self._file, list[int]()
        for start, end, offset in zip(
            begins.tolist(), ends.tolist(), (where[begins] * size).tolist(), strict=True
        ):
            part = target[start * size : end * size]
            try:
                if os.preadv(file, (part,), offset, _WITHOUT_WAITING) == len(part):
                    continue
            except OSError:  # not in memory yet, or the disk refuses
                pass
            slow += range(start, end)
        places = where.tolist() if slow else []
        if hasattr(os, "posix_fadvise"):
            for row in slow:  # the disk gets all of them to do before one is waited for
                os.posix_fadvise(file, places[row] * size, size, os.POSIX_FADV_WILLNEED)
        return [row for row in slow if not self._filled(target, row, places[row])]

    def _filled(self, target: memoryview, row: int, place: int) -> bool:
        start, size = row * self._size, self._size
        try:
            return os.preadv(self._file, [target[start : start + size]], place * size) == size
        except OSError:
            return False


def written(
    blocks: Iterator[Block], file: BinaryIO, checksums: Checksums, kept: VectorType
) -> Iterator[Block]:
    """Pass ``blocks`` on, having written their vectors to ``file``, and their checksums to the array."""
    done = 0
    for keys, vectors in blocks:
        data = np.ascontiguousarray(kept.kept(vectors))
        file.write(data.data)
        end = done + len(keys)
        if end <= len(checksums):  # else whoever reads them complains
            checksums[done:end] = [zlib.crc32(row.data) for row in data]
        done = end
        yield keys, vectors
