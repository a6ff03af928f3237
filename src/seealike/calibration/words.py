"""What a reader of a scale must know, in sentences that tables and pages share."""

from __future__ import annotations

from seealike.calibration.calibrate import CalibrateReport
from seealike.calibration.evidence import COPIES
from seealike.catalog import Calibration, Curve
from seealike.evaluation.words import seen_before
from seealike.types import Relation
from seealike.wording import counted

SHOWN_SCORES = tuple(round(1 - step / 20, 2) for step in range(15))


def learnt_from(curve: Curve) -> str:
    """What told which pairs are right."""
    return {COPIES: "copies made for it", "group": "the groups"}.get(curve.source, curve.source)


def remarks(report: CalibrateReport) -> list[str]:
    """What was left out, what could not be learnt, and what a probability is one of."""
    lines = seen_before(report.seen, searched=False)
    lines += [f"not learnt: {missed.relation.words}: {missed.reason}" for missed in report.missed]
    calibration = report.calibration
    if calibration is None:
        return lines
    unreached = [curve.relation.words for curve in calibration.curves if curve.least_score is None]
    lines += [f"{relation}: no score makes it as likely as not" for relation in unreached]
    if Relation.UNRELATED not in calibration.relations:
        lines.append("of other pairs nothing is said: it takes --label to know what is unrelated")
    return lines


def population(calibration: Calibration) -> str:
    """What the probabilities are of."""
    there = f"{calibration.present:.0%} of which are for something that is there"
    others = f", and {1 - calibration.present:.0%} for something that was taken out"
    return (
        f"probabilities are of the {calibration.k} nearest answers to questions, "
        f"{there}{others if calibration.present < 1 else ''}"
    )


def held_out(curve: Curve) -> str:
    """How it was judged."""
    parts = counted(curve.units, curve.split_by)
    return f"{counted(curve.questions, 'question')} of {parts}, held out by {curve.split_by}"


def worth(calibration: Calibration) -> list[tuple[float, str, list[float]]]:
    """Of some scores: what they mean, and how likely each relation or a stronger one is."""
    said = calibration.said_of(SHOWN_SCORES)
    shares = [calibration.probability(curve.relation, SHOWN_SCORES) for curve in calibration.curves]
    return [
        (score, "" if one is None else one[0].words, [float(share[row]) for share in shares])
        for row, (score, one) in enumerate(zip(SHOWN_SCORES, said, strict=True))
    ]
