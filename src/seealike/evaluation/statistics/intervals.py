"""How sure a figure is: intervals of means and of paired differences, whose verdicts hold their level.

Photos of one product, or of one person, are no independent witnesses. So whole clusters are drawn. Where they
are few, the usual bootstrap is much too sure of itself: what is done here holds with any number of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from seealike.evaluation.statistics.metrics import Values
from seealike.types import Int64Array

LEVEL = 0.95
FEWEST = 6
"""With fewer clusters no difference can be told from chance: five coins fall alike once in sixteen times."""
FEWEST_ROUNDS = 40
_TAIL = (1 - LEVEL) / 2
_EVERY_HALF = 10
_BLOCK = 1 << 20
_DECIMALS = 12  # sums of equal gains and losses must be nothing


@dataclass(frozen=True, slots=True)
class Resampling:
    """How intervals are made: how many times clusters are drawn (40 at least), and the seed."""

    rounds: int = 1000
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean, or a difference of means, with its 95 % interval; none where the clusters are too few."""

    value: float
    low: float | None = None
    high: float | None = None

    @property
    def sure(self) -> bool:
        """Whether the interval leaves out zero: for a difference, whether it is there at all."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)

    @property
    def verdict(self) -> str:
        """What a difference says of the second system: better, worse, not sure, or too few to tell."""
        if self.low is None or self.high is None:
            return "too few to tell"
        if not self.sure:
            return "not sure"
        return "better" if self.value > 0 else "worse"


def estimates(values: Values, clusters: Int64Array, how: Resampling) -> tuple[Estimate, ...]:
    """The mean of every column with an interval that holds the true mean, few clusters or many.

    Clusters are weighted at random, and with each weighting goes one more cluster that nobody has seen: for
    the lower end it is all wrong, for the upper end all right. So where six queries of six succeed, the
    interval begins at 0.54, as Clopper and Pearson's does, and not at 1.

    Args:
        values: one row a query.
        clusters: which cluster each query belongs to. There is no interval for one alone.
        how: how often to draw, and the seed.

    Shapes: values is (q, m), q at least 1; clusters is (q,). One estimate a column. Units: in [0, 1].

    Source: Gaffke, "Three test statistics for a nonparametric one-sided hypothesis on the mean of a
    nonnegative variable", 2005; Phan, Thomas and Learned-Miller, "Towards Practical Mean Bounds for Small
    Samples", 2021.
    """
    means = values.mean(axis=0)
    sums, sizes = _by_cluster(values, clusters)
    if len(sizes) < 2:
        return tuple(Estimate(float(mean)) for mean in means)
    rng = np.random.default_rng(how.seed)
    worst, best = np.empty((2, how.rounds, values.shape[1]))
    for row in range(how.rounds):
        weights = rng.standard_exponential(len(sizes))
        unseen = sizes.mean() * rng.standard_exponential()
        right, asked = weights @ sums, weights @ sizes + unseen
        worst[row], best[row] = right / asked, (right + unseen) / asked
    lows, highs = np.quantile(worst, _TAIL, axis=0), np.quantile(best, 1 - _TAIL, axis=0)
    return _estimates(means, lows, highs)


def differences(values: Values, clusters: Int64Array, how: Resampling) -> tuple[Estimate, ...]:
    """The mean of every column of paired differences, and how large the difference may be.

    Where two systems do not differ, a cluster is as likely to speak for one as for the other: the signs of
    the clusters' differences are tosses of a coin. The interval holds all differences that such tosses do not
    refute; its ends are quantiles of the means of random halves of the clusters. So on each side zero is left
    out by chance in 2.5 % of the cases at most, however few and unequal the clusters are.

    Args:
        values: what the second system gets for each query, less what the first gets.
        clusters: which cluster each query belongs to. There is no interval for fewer than ``FEWEST``.
        how: how often to draw, and the seed.

    Shapes: values is (q, m), q at least 1; clusters is (q,). One estimate a column.

    Source: Hartigan, "Using Subsample Values as Typical Values", 1969; Fisher's test of randomised signs.
    """
    means = values.mean(axis=0)
    sums, sizes = _by_cluster(values, clusters)
    halves = np.concatenate([half @ sums / (half @ sizes)[:, None] for half in _halves(len(sizes), how)])
    nth = int(_TAIL * (len(halves) + 1))
    if not nth:
        return tuple(Estimate(float(mean)) for mean in means)
    halves = np.sort(halves.round(_DECIMALS), axis=0)
    return _estimates(means, halves[nth - 1], halves[-nth])


def _by_cluster(values: Values, clusters: Int64Array) -> tuple[Values, Values]:
    """Sums and sizes of the clusters. Shapes: (c, m) and (c,)."""
    _, place = np.unique(clusters, return_inverse=True)
    sizes = np.bincount(place)
    sums = [np.bincount(place, column, minlength=len(sizes)) for column in values.T]
    return np.column_stack(sums), sizes.astype(np.float64)


def _halves(count: int, how: Resampling) -> Iterator[Values]:
    """Which clusters are in a random half, never none; of a few, all such parts. Blocks of (h, c)."""
    if count <= _EVERY_HALF:
        yield (np.arange(1, 2**count)[:, None] >> np.arange(count) & 1).astype(np.float64)
        return
    rng = np.random.default_rng(how.seed)
    most = max(1, _BLOCK // count)
    for start in range(0, how.rounds, most):
        taken = rng.integers(2, size=(min(most, how.rounds - start), count))
        taken[~taken.any(axis=1)] = 1
        yield taken.astype(np.float64)


def _estimates(means: Values, lows: Values, highs: Values) -> tuple[Estimate, ...]:
    return tuple(
        Estimate(float(mean), float(low), float(high))
        for mean, low, high in zip(means, lows, highs, strict=True)
    )
