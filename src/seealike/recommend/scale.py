"""What a score is worth: curves from scores to the probability of a relation, and what they were learnt from.

Knows numbers alone: who learns them, and from which pictures, is ``seealike.calibration``'s business.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from seealike.errors import known_member
from seealike.types import Relation

if TYPE_CHECKING:
    import numpy.typing as npt

    Numbers: TypeAlias = npt.NDArray[np.float64]

STALE_SHARE = 0.2  # of the items it was learnt from: after as many changes, learn anew
_NEAREST = 1e-6  # to -1 and 1: scores have six decimals
_FORMAT = 1  # of what is kept: another one is learnt anew
_FLAT = 700.0  # e to this is nearly more than a float holds
NEVER = 2.0  # more than any score


@dataclass(frozen=True, slots=True)
class Beta:
    """The probability that a score means a relation: with u = (1 + score) / 2 in (0, 1),

        1 / (1 + exp(-(intercept + low * ln u - high * ln(1 - u))))

    It never falls where ``low`` and ``high`` are no less than 0.

    Units: scores are cosine similarities.

    Source: Kull, Silva Filho and Flach, "Beta calibration", AISTATS 2017, equation 5.
    """

    low: float
    high: float
    intercept: float

    def of(self, scores: Numbers) -> Numbers:
        """The probability of every score. Shapes: (m,) to (m,)."""
        logits = self.features(scores) @ np.array([self.low, self.high]) + self.intercept
        return np.asarray(1.0 / (1.0 + np.exp(-logits)))

    def at(self, score: float) -> float:
        """The same of one score, which takes a hundredth of the time."""
        u = min(max((1.0 + score) / 2.0, _NEAREST), 1.0 - _NEAREST)
        logit = self.low * math.log(u) - self.high * math.log1p(-u) + self.intercept
        return 1.0 / (1.0 + math.exp(-logit)) if logit > -_FLAT else 0.0

    def least_score(self, probability: float = 0.5) -> float | None:
        """The least score of six decimals that has this probability; ``None``: not even 1 has it."""
        low, high = -1_000_000, 1_000_000
        if self.of(np.array([1.0]))[0] < probability:
            return None
        while low < high:
            middle = (low + high) // 2
            if self.of(np.array([middle / 1e6]))[0] >= probability:
                high = middle
            else:
                low = middle + 1
        return low / 1e6

    @staticmethod
    def features(scores: Numbers) -> Numbers:
        """ln u and -ln(1 - u) of every score, which both grow with it. Shapes: (m,) to (m, 2)."""
        u = np.clip((1.0 + scores) / 2.0, _NEAREST, 1.0 - _NEAREST)
        return np.stack([np.log(u), -np.log1p(-u)], axis=-1)


@dataclass(frozen=True, slots=True)
class Bin:
    """Pairs whose probabilities are close to each other: their mean, the share that is right, how many."""

    said: float
    right: float
    pairs: int


@dataclass(frozen=True, slots=True)
class Curve:
    """What scores say of one relation, and how that was learnt and judged.

    Args:
        relation: that, or a stronger one.
        beta: the probability of a score.
        least_score: the least that makes it as likely as not; ``None``: no score does.
        source: what told which pairs are right: ``copies``, ``group``, or a column.
        pairs: of pictures, how many were learnt from.
        right: how many of them are of this relation.
        questions: how many pictures asked.
        units: how many independent parts they are of.
        split_by: what these parts are, for people.
        gain: the share of the mean squared error that the scores take away, on pairs that were held out.
        error: the expected calibration error on these.
        error_low, error_high: what holds it 19 times in 20.
        bins: the reliability curve of these.
    """

    relation: Relation
    beta: Beta
    least_score: float | None
    source: str
    pairs: int
    right: int
    questions: int
    units: int
    split_by: str
    gain: float
    error: float
    error_low: float
    error_high: float
    bins: tuple[Bin, ...]


@dataclass(frozen=True, slots=True)
class Calibration:
    """What the scores of one catalogue are worth.

    Args:
        curves: of the relations that could be learnt, the strongest first; at least one.
        k: how many answers of every question were learnt from.
        present: the share of the questions that were for something the catalogue has.
        learnt_on: the day, as ``2026-11-28``.
        items: how many items the catalogue had then.
        generation: of the catalogue then.
        last_key: the last number that an item had then.
    """

    curves: tuple[Curve, ...]
    k: int
    present: float
    learnt_on: str
    items: int = 0
    generation: int = 0
    last_key: int = 0

    @property
    def relations(self) -> tuple[Relation, ...]:
        """What is told apart, the strongest first. What is unrelated is known where the similar is."""
        told = [curve.relation for curve in self.curves]
        return (*told, *[Relation.UNRELATED] * (Relation.SIMILAR in told))

    def least_score(self, relation: Relation) -> float | None:
        """The least cosine that makes this relation, or a stronger one, as likely as not; ``None``: none."""
        scores = [curve.least_score for curve in self._at_least(relation)]
        return min((score for score in scores if score is not None), default=None)

    def probability(self, relation: Relation, scores: Sequence[float] | Numbers) -> Numbers:
        """How likely this relation, or a stronger one, is at every score (a cosine). Shapes: (m,) to (m,)."""
        wide = np.asarray(scores, dtype=np.float64)
        return np.asarray(np.max([curve.beta.of(wide) for curve in self._at_least(relation)], axis=0))

    def said_of(self, scores: Sequence[float]) -> list[tuple[Relation, float] | None]:
        """Of every score the strongest relation that is as likely as not, and how likely it or a stronger is.

        ``None`` where it is none of those that are told apart, and these do not make up all there are.
        Probabilities have four decimals.
        """
        steps: list[tuple[float, Curve, list[Beta]]] = []  # from the strongest on, each with all before it
        for curve in self.curves:
            least, _, betas = steps[-1] if steps else (NEVER, None, [])
            own = NEVER if curve.least_score is None else curve.least_score
            steps.append((min(least, own), curve, [*betas, curve.beta]))
        everything = Relation.UNRELATED in self.relations
        return [_said(score, steps, everything=everything) for score in scores]

    def changes_since(self, items: int, last_key: int) -> int:
        """How many items came or went since; ``items`` is how many there are now, ``last_key`` the newest."""
        came = last_key - self.last_key
        return came + max(0, self.items + came - items)

    def to_json(self) -> str:
        """Serialise, to be kept in the catalogue."""
        return json.dumps({"format": _FORMAT} | asdict(self), sort_keys=True)

    @staticmethod
    def from_json(text: str) -> Calibration | None:
        """Read what ``to_json`` wrote, the same text once; ``None``: it is of another version of seealike."""
        return _read(text)

    def _at_least(self, relation: Relation) -> list[Curve]:
        strength = list(Relation)
        least = strength.index(known_member(Relation, relation, "relation"))
        return [curve for curve in self.curves if strength.index(curve.relation) <= least]


def _said(
    score: float, steps: Sequence[tuple[float, Curve, list[Beta]]], *, everything: bool
) -> tuple[Relation, float] | None:
    for least, curve, betas in steps:
        if score >= least:
            return curve.relation, round(max(beta.at(score) for beta in betas), 4)
    likely = max(beta.at(score) for beta in steps[-1][2])
    return (Relation.UNRELATED, round(1.0 - likely, 4)) if everything else None


@lru_cache(maxsize=8)
def _read(text: str) -> Calibration | None:
    fields = json.loads(text)
    if fields.pop("format", None) != _FORMAT:
        return None
    curves = tuple(_curve(curve) for curve in fields.pop("curves"))
    return Calibration(curves=curves, **fields)


def _curve(fields: dict[str, object]) -> Curve:
    nested = {
        "relation": Relation(str(fields.pop("relation"))),
        "beta": Beta(**fields.pop("beta")),  # type: ignore[arg-type]
        "bins": tuple(Bin(**part) for part in fields.pop("bins")),  # type: ignore[attr-defined]
    }
    return Curve(**nested, **fields)  # type: ignore[arg-type]
