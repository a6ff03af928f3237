"""From pairs to a curve: beta calibration, by Newton's method."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from seealike.catalog import Beta

if TYPE_CHECKING:
    from seealike.calibration.pairs import Numbers, Truths

_STEPS, _HALVINGS = 100, 30
_CLOSE = 1e-9


def fitted(scores: Numbers, right: Truths, weights: Numbers | None = None) -> Beta:
    """The curve under which ``right`` is most likely, of those that never fall.

    Where higher scores do not make it likelier the curve is flat. Targets are a little inside of 0 and 1, so
    that there is always a best curve, also where scores tell all right pairs from all wrong ones.

    Shapes: all are (m,), m at least 1.

    Source: Kull, Silva Filho and Flach 2017 for the curves; Platt, "Probabilistic Outputs for Support Vector
    Machines", 1999, for the targets.
    """
    weights = np.ones(len(scores)) if weights is None else weights
    targets = _targets(right, weights)
    features = Beta.features(scores)
    best: tuple[float, Beta] | None = None
    for used in product((True, False), repeat=2):
        kept = np.array(used)
        loss, slopes, intercept = _logistic(features[:, kept], targets, weights)
        if (slopes >= 0).all() and (best is None or loss < best[0] - _CLOSE):
            whole = np.zeros(2)
            whole[kept] = slopes
            best = loss, Beta(float(whole[0]), float(whole[1]), intercept)
    assert best is not None  # without slopes there is always one
    return best[1]


def _targets(right: Truths, weights: Numbers) -> Numbers:
    many, few = float(weights[right].sum()), float(weights[~right].sum())
    return np.where(right, (many + 1) / (many + 2), 1 / (few + 2))


def _logistic(features: Numbers, targets: Numbers, weights: Numbers) -> tuple[float, Numbers, float]:
    """The mean loss, the slopes and the intercept of a logistic regression. Shapes: features is (m, f)."""
    centre, spread = features.mean(axis=0), features.std(axis=0)
    spread[spread < _CLOSE] = 1.0
    design = np.column_stack([(features - centre) / spread, np.ones(len(features))])
    share = weights / weights.sum()
    start = float(share @ targets)
    solution = np.append(np.zeros(features.shape[1]), np.log(start / (1 - start)))
    loss = _loss(design @ solution, targets, share)
    for _ in range(_STEPS):
        said = _logits_to_shares(design @ solution)
        gradient = design.T @ (share * (said - targets))
        curvature = (design * (share * said * (1 - said))[:, None]).T @ design
        step = np.linalg.lstsq(curvature, gradient, rcond=None)[0]
        for halving in range(_HALVINGS):
            there = solution - step / 2.0**halving
            less = _loss(design @ there, targets, share)
            if less <= loss:
                break
        else:
            break
        solution, gain, loss = there, loss - less, less
        if gain < _CLOSE**1.5:
            break
    slopes = solution[:-1] / spread
    return loss, slopes, float(solution[-1] - slopes @ centre)


def _logits_to_shares(logits: Numbers) -> Numbers:
    return np.asarray(1.0 / (1.0 + np.exp(-logits)))


def _loss(logits: Numbers, targets: Numbers, share: Numbers) -> float:
    """Cross-entropy, without overflow."""
    return float(share @ (np.logaddexp(0.0, logits) - targets * logits))
