"""The proof that a file computes what was learnt: the same pictures through both.

First in float32, where they must agree, then in the precision in which this machine will run the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from seealike.encoders import LEAST_COSINE, LEAST_COSINE_FASTEST, EncoderRecord, trial_pictures, vectors_of
from seealike.errors import EncoderError

if TYPE_CHECKING:
    from seealike.types import Float32Array, PixelArray

MOST, FEWEST = 32, 8


@dataclass(frozen=True, slots=True)
class Trial:
    """Pictures, and what the network that was trained says of them.

    ``judged`` are the vectors as it was judged by them: those of a head are made of features in the precision
    in which its encoder runs here. ``vectors`` are those in float32 throughout.

    Shapes: pictures is (n, h, w, 3), prepared; vectors and judged are (n, e), of unit norm.
    """

    pictures: PixelArray
    vectors: Float32Array
    judged: Float32Array


@dataclass(frozen=True, slots=True)
class Parity:
    """The smallest cosine between a network and its file.

    ``fastest`` is that of the file in bfloat16 with the network as it was judged; None where this CPU is not
    quicker that way, or the encoder keeps off it.
    """

    float32: float
    fastest: float | None

    @property
    def precise(self) -> bool:
        """Whether bfloat16 changes the vectors too much."""
        return self.fastest is not None and not self.fastest >= LEAST_COSINE_FASTEST


def filled_up(pictures: PixelArray, side_px: int) -> PixelArray:
    """At most ``MOST`` of the pictures, and drawn ones where they are fewer than ``FEWEST``."""
    drawn = trial_pictures(max(0, FEWEST - len(pictures)), side_px)
    return np.concatenate([pictures[:MOST], drawn])


def compared(record: EncoderRecord, trial: Trial) -> Parity:
    """Run a file as seealike does.

    Raises:
        EncoderError: it does not run, or does not compute what was learnt.
    """
    vectors, _ = vectors_of(record, trial.pictures, "f32")
    exact = _least_cosine(vectors, trial.vectors)
    if not exact >= LEAST_COSINE:
        raise EncoderError(
            f"the file does not compute what was learnt (cosine {exact:.4f}, not {LEAST_COSINE}), "
            "so it was not written; build on another encoder"
        )
    vectors, precision = vectors_of(record, trial.pictures)
    return Parity(exact, None if precision == "f32" else _least_cosine(vectors, trial.judged))


def _least_cosine(a: Float32Array, b: Float32Array) -> float:
    """The smallest cosine between rows of unit norm; 0 where they are not as long."""
    return float((a * b).sum(axis=1).min()) if a.shape == b.shape else 0.0
