"""The order of a pass and the course of its learning rate. Both depend on their arguments alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from seealike.types import Int64Array

_OF_A_CLASS = 4
_LEAST_BATCH = 8
_BATCHES_A_PASS = 8


def batch_size_for(n: int, most: int) -> int:
    """A batch size for n items: small sets get several batches a pass all the same."""
    return max(_LEAST_BATCH, min(most, n // _BATCHES_A_PASS))


def batches(targets: Int64Array, size: int, seed: int, epoch: int) -> list[Int64Array]:
    """Rows of one pass, in batches of about ``size``, each row once.

    Where there are so many classes that a batch would hold one item of each, up to four of a class go
    together: otherwise no pair would be alike.

    Shapes: targets is (n,).
    """
    rng = np.random.default_rng([seed, epoch])
    rows = rng.permutation(len(targets))
    if int(targets.max(initial=0)) + 1 > size // _OF_A_CLASS:
        rows = rows[_together(targets[rows], rng)]
    return [part.astype(np.int64) for part in np.array_split(rows, max(1, round(len(rows) / size)))]


def _together(targets: Int64Array, rng: np.random.Generator) -> Int64Array:
    """An order of the rows in which runs of up to four of a class stand together, the runs being shuffled."""
    order = np.argsort(targets, kind="stable")
    starts = np.flatnonzero(np.diff(targets[order], prepend=-1))
    rank = np.arange(len(order)) - np.repeat(starts, np.diff(starts, append=len(order)))
    run = np.cumsum(rank % _OF_A_CLASS == 0) - 1
    return order[np.argsort(rng.permutation(int(run.max(initial=0)) + 1)[run], kind="stable")]


@dataclass(frozen=True, slots=True)
class Cosine:
    """A learning rate that rises evenly over ``warm_up`` of all steps, and then falls as a cosine to 0.

    Source: Loshchilov and Hutter, "SGDR", 2017, equation 5, without restarts.
    """

    peak: float
    steps: int
    warm_up: float

    def at(self, step: int) -> float:
        """The rate of a step, counted from 0."""
        rising = max(1, round(self.steps * self.warm_up))
        if step < rising:
            return self.peak * (step + 1) / rising
        share = min(1.0, (step - rising) / max(1, self.steps - rising))
        return self.peak * 0.5 * (1.0 + math.cos(math.pi * share))
