"""What a curve is worth, on pairs that it was not learnt from: its calibration error, and what it gains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from seealike.calibration.fitting import fitted
from seealike.calibration.pairs import Pairs
from seealike.catalog import Bin
from seealike.evaluation.statistics.intervals import Resampling, differences

if TYPE_CHECKING:
    from seealike.calibration.pairs import Numbers, Truths
    from seealike.types import Int64Array

FOLDS = 5
BINS = 15
_TAIL = 0.025


@dataclass(frozen=True, slots=True)
class Judgement:
    """What pairs that were held out say of curves learnt from the others.

    Args:
        tells: whether scores say anything: what is right has the higher score more often than not, and to
            know it takes away some of the squared error of always saying the same, both beyond chance.
        gain: the share of that error (Brier's score) that it takes away.
        error: the expected calibration error.
        low, high: the interval that holds it.
        bins: the reliability curve.
    """

    tells: bool
    gain: float
    error: float
    low: float
    high: float
    bins: tuple[Bin, ...]


def judged(pairs: Pairs, how: Resampling) -> Judgement:
    """Hold out each part of the catalogue once, learn from pairs without it, and compare with the truth."""
    said, base = held_out(pairs, how.seed)
    before, after = (base - pairs.right) ** 2, (said - pairs.right) ** 2
    [gain] = differences((before - after)[:, None], pairs.asking, how)
    [ahead] = differences(pairs.aucs[:, None] - 0.5, pairs.auc_parts, how)
    tells = all(one.sure and one.value > 0 for one in (ahead, gain))
    low, high = _interval(said, pairs.right, pairs.asking, how)
    bins, known = reliability(said, pairs.right), float(before.mean())
    worth = 1 - float(after.mean()) / known if known else 0.0  # all are right, or all wrong: nothing to tell
    return Judgement(tells, worth, error_of(bins), low, high, bins)


def held_out(pairs: Pairs, seed: int) -> tuple[Numbers, Numbers]:
    """The probability of every pair by a curve that knew neither its question nor any picture of that's part.

    Parts (products, persons, or else single items) are dealt into folds. The pairs whose question is of a
    fold are judged by what is learnt from pairs of which neither picture is. Pairs within one part are left
    out with one fold of five, others with nearly two: so the latter weigh more.

    Shapes: both results are (m,); the second is the share of right pairs, as known without the fold.
    """
    parts = np.unique(np.concatenate([pairs.asking, pairs.answering]))
    folds = min(FOLDS, len(parts))
    dealt = np.random.default_rng(seed).permutation(len(parts)) % folds
    asking, answering = (dealt[np.searchsorted(parts, one)] for one in (pairs.asking, pairs.answering))
    weights = np.where(pairs.asking == pairs.answering, 1.0, folds / max(1, folds - 1))
    said, base = np.zeros((2, len(pairs)))
    for fold in range(folds):
        mine, others = asking == fold, (asking != fold) & (answering != fold)
        if not mine.any() or not others.any():
            said[mine] = base[mine] = 0.5  # nobody to learn from
            continue
        curve = fitted(pairs.scores[others], pairs.right[others], weights[others])
        said[mine] = curve.of(pairs.scores[mine])
        base[mine] = np.average(pairs.right[others], weights=weights[others])
    return said, base


def reliability(said: Numbers, right: Truths) -> tuple[Bin, ...]:
    """Pairs by their probability, in bins of equal width; those without pairs are left out."""
    place = _bin_of(said)
    count = np.bincount(place, minlength=BINS)
    mean, share = (np.bincount(place, values, BINS) / np.maximum(count, 1) for values in (said, right))
    return tuple(
        Bin(float(mean[row]), float(share[row]), int(count[row])) for row in np.flatnonzero(count).tolist()
    )


def error_of(bins: tuple[Bin, ...]) -> float:
    """The expected calibration error: how far what was said is from what is right, averaged over pairs.

    Source: Naeini, Cooper and Hauskrecht, "Obtaining Well Calibrated Probabilities Using Bayesian Binning",
    2015; Guo et al., "On Calibration of Modern Neural Networks", 2017, equation 3.
    """
    return sum(one.pairs * abs(one.said - one.right) for one in bins) / sum(one.pairs for one in bins)


def _interval(said: Numbers, right: Truths, units: Int64Array, how: Resampling) -> tuple[float, float]:
    """Where the error lies, 19 times in 20: whole parts are weighted at random, as in a bootstrap.

    Random weights make a small error look larger than it is: so the interval errs on the safe side.

    Source: Rubin, "The Bayesian Bootstrap", 1981.
    """
    names, unit = np.unique(units, return_inverse=True)
    place = unit * BINS + _bin_of(said)
    gaps, counts = (
        np.bincount(place, values, len(names) * BINS).reshape(len(names), BINS)
        for values in (said - right, np.ones(len(said)))
    )
    weights = np.random.default_rng(how.seed).standard_exponential((how.rounds, len(names)))
    drawn = np.abs(weights @ gaps).sum(axis=1) / (weights @ counts).sum(axis=1)
    error = float(np.abs(gaps.sum(axis=0)).sum() / counts.sum())
    low, high = np.quantile(drawn, [_TAIL, 1 - _TAIL])
    return min(error, float(low)), max(error, float(high))


def _bin_of(said: Numbers) -> Int64Array:
    return np.minimum((said * BINS).astype(np.int64), BINS - 1)
