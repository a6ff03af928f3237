"""How sure a mean is: percentile bootstrap intervals over queries, or over groups of queries.

Photos of one product, or of one person, are no independent witnesses. So whole clusters are drawn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seealike.evaluation.metrics import Values
from seealike.types import Int64Array

LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Resampling:
    """How intervals are made: how many times clusters are drawn anew, and the seed of the draws."""

    rounds: int = 1000
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean and the interval that 95 % of its resamplings fall into; none where there is but one cluster."""

    value: float
    low: float | None = None
    high: float | None = None

    @property
    def sure(self) -> bool:
        """Whether the interval leaves out zero: for a difference, whether it is there at all."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)

    @property
    def verdict(self) -> str:
        """What a difference says of the second system: ``better``, ``worse`` or ``not sure``."""
        if not self.sure:
            return "not sure"
        return "better" if self.value > 0 else "worse"


def estimates(values: Values, clusters: Int64Array, how: Resampling) -> tuple[Estimate, ...]:
    """The mean of every column with its interval.

    For two systems asked the same queries, give the differences of their values: the draws are then paired.

    Args:
        values: one row a query.
        clusters: which cluster each query belongs to.
        how: how often to draw, and the seed.

    Shapes: values is (q, m), q at least 1; clusters is (q,). One estimate a column.

    Source: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13; Davison and Hinkley,
    "Bootstrap Methods and their Application", 1997, section 3.8 (whole clusters).
    """
    means = values.mean(axis=0)
    _, place = np.unique(clusters, return_inverse=True)
    count = int(place.max()) + 1
    if count < 2 or not how.rounds:
        return tuple(Estimate(float(mean)) for mean in means)
    sizes = np.bincount(place, minlength=count).astype(np.float64)
    sums = np.column_stack([np.bincount(place, column, minlength=count) for column in values.T])
    drawn = np.empty((how.rounds, values.shape[1]))
    rng = np.random.default_rng(how.seed)
    for row in drawn:
        times = np.bincount(rng.integers(count, size=count), minlength=count).astype(np.float64)
        row[:] = times @ sums / (times @ sizes)
    lows, highs = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return tuple(
        Estimate(float(mean), float(low), float(high))
        for mean, low, high in zip(means, lows, highs, strict=True)
    )
