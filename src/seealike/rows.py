"""Vectors that are read some at a time: those of a large catalogue lie in a temporary file.

Whoever compares with everything reads them block by block, so that memory holds one block, however many
there are. An array of vectors is read the same way, and is one block.
"""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from seealike.errors import StorageError
from seealike.files import check_room
from seealike.vectors import VectorType, unit_rows

if TYPE_CHECKING:
    from seealike.types import Float16Array, Float32Array, Int64Array

ROWS_AT_ONCE = 2048
_ROOM = "set TMPDIR to a folder with more room"


class Rows(Protocol):
    """Vectors of norm 1, read some at a time; an array is one. Shapes: (n, d), and what is read (m, d)."""

    @property
    def shape(self) -> tuple[int, ...]:
        """How many there are, and of how many numbers."""

    def __len__(self) -> int:
        """How many there are."""

    def __getitem__(self, rows: slice | Int64Array, /) -> Float32Array:
        """Those of some rows."""


class VectorFile:
    """Vectors in a temporary file, which is gone with the last who uses it. Not for several threads at once.

    The file is read, not mapped: what was read of a map counts as memory of the process.
    """

    def __init__(self, count: int, dimension: int, kept: VectorType = VectorType.FLOAT16) -> None:
        """Make room for vectors that are ``kept`` so; each is to be written before it is read.

        Raises:
            StorageError: there is no room.
        """
        self.shape = count, dimension
        self._kept, self._size = kept, kept.bytes_of(dimension)
        with _translated():
            check_room(tempfile.gettempdir(), count * self._size, "the vectors", _ROOM)
            self._file = tempfile.TemporaryFile(prefix="seealike-", buffering=0)  # noqa: SIM115
        weakref.finalize(self, self._file.close)

    def __len__(self) -> int:
        """How many there are."""
        return self.shape[0]

    def write(self, places: Int64Array, vectors: Float16Array | Float32Array) -> None:
        """Put vectors of norm 1, or halves that were kept of such, in their places. Shapes: (m,), (m, d).

        Raises:
            StorageError: the disk refuses.
        """
        data = np.ascontiguousarray(self._kept.kept(vectors)).data.cast("B")
        with _translated():
            for place, rows in _runs(places):
                self._file.seek(place * self._size)
                part = data[rows.start * self._size : rows.stop * self._size]
                while part:
                    part = part[self._file.write(part) :]

    def __getitem__(self, rows: slice | Int64Array, /) -> Float32Array:
        """Those of some rows, of norm 1.

        Raises:
            StorageError: the disk refuses.
        """
        places = np.arange(*rows.indices(len(self))) if isinstance(rows, slice) else rows
        data = np.empty((len(places), self._size), dtype=np.uint8)
        with _translated():
            for place, run in _runs(places):
                self._file.seek(place * self._size)
                part = data[run].data.cast("B")
                while part:
                    read = self._file.readinto(part)
                    if not read:
                        raise OSError("the temporary file of vectors was cut")
                    part = part[read:]
        return unit_rows(self._kept.read(data, self.shape[1]))


@dataclass(frozen=True, slots=True, eq=False)
class _Chosen:
    """Some of others. Shapes: places is (m,)."""

    rows: Rows
    places: Int64Array

    @property
    def shape(self) -> tuple[int, ...]:
        return len(self.places), self.rows.shape[1]

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, rows: slice | Int64Array, /) -> Float32Array:
        return self.rows[self.places[rows]]


def chosen(rows: Rows, places: Int64Array) -> Rows:
    """Some of the vectors, in the order of ``places``: of an array a copy, of others no more than where."""
    return rows[places] if isinstance(rows, np.ndarray) else _Chosen(rows, places)


def blocks(rows: Rows) -> Iterator[tuple[int, Float32Array]]:
    """All vectors in order, in blocks, each with the number of its first; an array is one block."""
    at_once = max(1, len(rows)) if isinstance(rows, np.ndarray) else ROWS_AT_ONCE
    for start in range(0, len(rows), at_once):
        yield start, rows[start : start + at_once]


def _runs(places: Int64Array) -> Iterator[tuple[int, slice]]:
    """What lies together: its first place, and which of the ``places`` it is."""
    begins = np.flatnonzero(np.diff(places, prepend=-2) != 1)
    ends = np.append(begins, len(places))[1:]
    for place, start, end in zip(places[begins].tolist(), begins.tolist(), ends.tolist(), strict=True):
        yield place, slice(start, end)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise StorageError(tempfile.gettempdir(), str(exc.strerror or exc), _ROOM) from exc
