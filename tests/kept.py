"""What a catalogue should keep of vectors, and what should be read of it again: number by number."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from seealike.types import Float16Array


def codes_of(vector: npt.NDArray[np.floating]) -> list[int]:
    """The whole numbers that are kept of a vector: its halves in 127ths of the largest, rounded to even."""
    halves = [Fraction(float(np.float16(number))) for number in vector]
    largest = max(map(abs, halves))
    return [round(number / largest * 127) if largest else 0 for number in halves]


def read_of(codes: list[int]) -> Float16Array:
    """The vector of norm 1 in their direction."""
    norm = math.sqrt(sum(code * code for code in codes)) or 1
    return np.array([code / norm for code in codes]).astype(np.float16)


def as_kept(vectors: npt.NDArray[np.floating], kept: str) -> Float16Array:
    """Vectors as they are read from a catalogue that keeps ``float16`` or ``int8``. Shapes: (n, d)."""
    if kept == "float16":
        return vectors.astype(np.float16)
    return np.array([read_of(codes_of(row)) for row in vectors], np.float16).reshape(vectors.shape)
