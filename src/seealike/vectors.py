"""Arithmetic of vectors that several stages need: other numbers, unit norm, and where they vary most.

Array letters: n vectors, d dimensions, r of them kept. Knows nothing of what the vectors mean.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from seealike.types import Float16Array, Float32Array

    Float64Array = npt.NDArray[np.float64]
    ByteArray = npt.NDArray[np.uint8]
    KeptArray = npt.NDArray[np.float16] | npt.NDArray[np.int8]

ROWS_AT_ONCE = 8192
GRAM_ROWS = 4096  # so many rows, or dimensions, are worth an exact decomposition
_LARGEST = 127  # of a vector's whole numbers
_WHOLE = np.arange(256, dtype=np.uint8).view(np.int8).astype(np.float64)  # by their bits
_READ_AT_ONCE = 8  # vectors: larger arrays take longer to come by
_LEAST_SHARE = 1e-6  # of the largest variance: less is what rounding left


class _Widening(NamedTuple):
    """How a half becomes a wider number.

    Its bits go ``shift`` up; those ``kept`` are its sign, its exponent and its fraction; ``moved_by`` makes
    up for the biases of the exponents. ``smallest`` is the least half before that.
    """

    bits: type[np.int32 | np.int64]
    shift: int
    kept: int
    moved_by: float
    smallest: float


_SINGLE = _Widening(np.int32, 13, -(1 << 31) | (1 << 28) - (1 << 13), 2.0**112, 2.0**-136)  # biases 127, 15
_DOUBLE = _Widening(np.int64, 42, -(1 << 63) | (1 << 57) - (1 << 42), 2.0**1008, 2.0**-1032)  # 1023, 15


def singles(vectors: Float16Array | Float32Array) -> Float32Array:
    """A copy of finite numbers as float32, exactly. Shapes: as given."""
    if vectors.dtype != np.float16:
        return vectors.astype(np.float32)
    return np.asarray(_widened(vectors, np.float32, _SINGLE))


def doubles(vectors: Float16Array) -> Float64Array:
    """A copy of finite numbers as float64, exactly. Shapes: as given."""
    return np.asarray(_widened(vectors, np.float64, _DOUBLE))


def _widened(
    halves: npt.NDArray[np.floating], kind: type[np.floating], how: _Widening
) -> npt.NDArray[np.floating]:
    """By moving the bits: numpy's own conversion branches at each.

    A number below 2**-14 is below the normal ones of its new kind until it is multiplied. Where a library has
    told the processor to take those for zero, the conversion is numpy's.
    """
    if not kind(how.smallest) * kind(how.moved_by):
        return halves.astype(kind)
    bits: npt.NDArray[np.signedinteger] = np.ascontiguousarray(halves).view(np.int16).astype(how.bits)
    bits <<= how.shift
    bits &= how.bits(how.kept)
    wide = bits.view(kind)
    wide *= kind(how.moved_by)
    return wide


class VectorType(StrEnum):
    """The numbers in which vectors of norm 1 are kept: halves, or whole numbers from -127 to 127.

    Those of a vector in ``int8`` are multiples of a 127th of its largest. How much that is need not be kept:
    it follows from the norm. Whoever reads the vectors gets halves of norm 1 in either case.
    """

    FLOAT16 = "float16"
    INT8 = "int8"

    def bytes_of(self, dimension: int) -> int:
        """How much one vector of so many numbers takes."""
        return dimension * np.dtype(self.value).itemsize

    def kept(self, vectors: Float16Array | Float32Array) -> KeptArray:
        """Vectors of norm 1 as they are kept; zeros stay zeros. Shapes: (n, d) to (n, d).

        All become halves first. So what was read is kept again as it was, and it makes no difference whether
        a vector comes from an encoder or from where halves were kept.
        """
        halves = vectors.astype(np.float16, copy=False)
        if self is VectorType.FLOAT16:
            return halves
        rows = singles(halves)
        largest = np.abs(rows).max(axis=1, keepdims=True)
        largest[largest == 0.0] = 1.0
        rows *= _LARGEST  # a half times 127 is exact, so a single rounding decides
        rows /= largest
        return np.rint(rows, out=rows).astype(np.int8)

    def read(self, kept: bytes | ByteArray | KeptArray, dimension: int) -> Float16Array:
        """Vectors that are kept one behind the other. Shapes: the result is (n, dimension)."""
        if self is VectorType.FLOAT16:
            return np.frombuffer(kept, np.float16).reshape(-1, dimension)
        whole = np.frombuffer(kept, np.int8).reshape(-1, dimension)
        halves = np.empty(whole.shape, np.float16)
        for start in range(0, len(whole), _READ_AT_ONCE):
            halves[start : start + _READ_AT_ONCE] = _halves_of(whole[start : start + _READ_AT_ONCE])
        return halves


def _halves_of(whole: npt.NDArray[np.int8]) -> Float16Array:
    """Whole numbers brought to norm 1. Shapes: (n, d) to (n, d).

    They are looked up among the few that a vector can have: numpy takes longer to round one to a half. The
    squares' sum is exact, so that a vector is the same in any company.
    """
    wide = whole.astype(np.float64)
    norms = np.sqrt(np.vecdot(wide, wide))
    norms[norms == 0.0] = 1.0
    known = (_WHOLE / norms[:, np.newaxis]).astype(np.float16)
    rows = np.arange(len(whole))[:, np.newaxis]
    return np.asarray(known.ravel()[rows * len(_WHOLE) + whole.view(np.uint8)])


def unit_rows(vectors: Float16Array | Float32Array) -> Float32Array:
    """Vectors as float32 with norm 1; zeros stay zeros. Shapes: (n, d) to (n, d)."""
    rows = singles(vectors)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    norms[norms == 0.0] = 1.0
    rows /= norms
    return rows


def have_directions(vectors: Float32Array) -> bool:
    """Whether every vector is finite and none is zero, so that each can have norm 1. Shapes: (n, d)."""
    norms = np.linalg.norm(vectors, axis=1)
    return bool(np.all(np.isfinite(norms) & (norms > 0)))


def principal_directions(vectors: Float32Array, r: int) -> tuple[Float32Array, Float32Array]:
    """The mean of vectors, and the directions from it in which they vary most, the strongest first.

    No randomness: a direction's largest number is positive. Of more than ``GRAM_ROWS`` vectors that are as
    long, evenly spread ones speak.

    Shapes: (n, d), at least one row, to (d,) and (min(n, d, r), d), whose rows are orthonormal, or zero where
    the vectors vary no more.

    Source: principal components (Pearson 1901): the eigenvectors of the covariance matrix; where vectors are
    few or long, by way of the products of rows.
    """
    n, d = vectors.shape
    mean = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
    few = n < d <= GRAM_ROWS or d > GRAM_ROWS
    axes = (_axes_of_rows if few else _axes_of_columns)(vectors, mean, min(n, d, r))
    largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=0)[None], axis=0)
    return mean, (axes * np.sign(largest)).astype(np.float32).T


def _axes_of_columns(vectors: Float32Array, mean: Float32Array, r: int) -> Float64Array:
    """The ``r`` strongest directions, as columns; costs d x d numbers. Shapes: the result is (d, r)."""
    d = vectors.shape[1]
    covariance = np.zeros((d, d))
    for start in range(0, len(vectors), ROWS_AT_ONCE):
        block = vectors[start : start + ROWS_AT_ONCE] - mean
        covariance += block.T @ block
    axes: Float64Array = np.linalg.eigh(covariance)[1][:, ::-1][:, :r]
    return axes


def _axes_of_rows(vectors: Float32Array, mean: Float32Array, r: int) -> Float64Array:
    """The same from the products of at most ``GRAM_ROWS`` rows. Shapes: the result is (d, r)."""
    rows = np.unique(np.linspace(0, len(vectors) - 1, min(len(vectors), GRAM_ROWS)).astype(np.int64))
    centred = (vectors[rows] - mean).astype(np.float64)
    values, mixtures = np.linalg.eigh(centred @ centred.T)
    strongest = values[::-1][:r]
    some = strongest > max(values[-1] * _LEAST_SHARE, 1e-30)
    axes: Float64Array = (centred.T @ mixtures[:, ::-1][:, :r]) / np.sqrt(np.where(some, strongest, np.inf))
    return axes
