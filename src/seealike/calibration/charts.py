"""The curves of a calibration as inline SVG, in the page's own colours."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from seealike.catalog import Calibration
from seealike.gallery.text import escaped

_WIDTH, _HEIGHT = 400, 230  # about as wide as a phone, so that its text can be read there
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 14, 20, 36
_DASHES = ("", "7 4", "2 4")  # one a relation, so that colour is not needed to tell them apart
_TICKS, _LEAST_PX, _MOST_PX = 5, 2.0, 7.0


def worth_chart(calibration: Calibration) -> str:
    """The probability of every relation over the scores, and from where on it is as likely as not."""
    scores = np.linspace(0.0, 1.0, 201)
    drawn, said = _legend(calibration), []
    for curve, dashes in zip(calibration.curves, _DASHES, strict=False):
        drawn += _line(scores.tolist(), calibration.probability(curve.relation, scores).tolist(), dashes)
        least = calibration.least_score(curve.relation)
        if least is not None:
            said.append(f"{curve.relation.words} from {least:.3f}")
            drawn += _circle(least, 0.5, 4.0, said[-1])
    return _chart(drawn, f"As likely as not: {', '.join(said) or 'nothing'}", "score")


def reliability_chart(calibration: Calibration) -> str:
    """What was said against what is so, a circle a bin, as large as there are pairs in it."""
    drawn = _legend(calibration) + (
        f'<line x1="{_x(0):.1f}" y1="{_y(0):.1f}" x2="{_x(1):.1f}" y2="{_y(1):.1f}" stroke="var(--quiet)"/>'
    )
    for curve, dashes in zip(calibration.curves, _DASHES, strict=False):
        drawn += _line([one.said for one in curve.bins], [one.right for one in curve.bins], dashes)
        most = max(one.pairs for one in curve.bins)
        for one in curve.bins:
            told = f"{curve.relation.words}: {one.said:.0%} said, {one.right:.0%} are, {one.pairs:,} pairs"
            drawn += _circle(one.said, one.right, max(_LEAST_PX, _MOST_PX * (one.pairs / most) ** 0.25), told)
    errors = ", ".join(f"{curve.relation.words} {curve.error:.3f}" for curve in calibration.curves)
    return _chart(drawn, f"Expected calibration errors: {errors}", "said")


def _legend(calibration: Calibration) -> str:
    rows = [_TOP + 10 + 16 * row for row in range(len(calibration.curves))]
    return "".join(
        f'<line x1="{_LEFT + 8}" x2="{_LEFT + 34}" y1="{y}" y2="{y}" '
        f'stroke="var(--accent)" stroke-width="2" stroke-dasharray="{dashes}"/>'
        f'<text x="{_LEFT + 40}" y="{y + 4}" fill="var(--ink)">{escaped(curve.relation.words)}</text>'
        for y, curve, dashes in zip(rows, calibration.curves, _DASHES, strict=False)
    )


def _line(across: Sequence[float], upwards: Sequence[float], dashes: str) -> str:
    points = " ".join(f"{_x(x):.1f},{_y(y):.1f}" for x, y in zip(across, upwards, strict=True))
    return (
        f'<polyline points="{points}" fill="none" stroke="var(--accent)" stroke-width="2" '
        f'stroke-dasharray="{dashes}" stroke-linejoin="round"/>'
    )


def _circle(x: float, y: float, radius: float, told: str) -> str:
    return (
        f'<circle cx="{_x(x):.1f}" cy="{_y(y):.1f}" r="{radius:.1f}" fill="var(--accent)" '
        f'stroke="var(--card)"><title>{escaped(told)}</title></circle>'
    )


def _chart(drawn: str, said: str, across: str) -> str:
    """Axes from 0 to 1, what is drawn in them, and what that says to who cannot see it."""
    ticks = ""
    for step in range(_TICKS + 1):
        value = step / _TICKS
        ticks += (
            f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{_y(value):.1f}" y2="{_y(value):.1f}" '
            'stroke="var(--line)"/>'
            f'<text x="{_LEFT - 5}" y="{_y(value) + 3:.1f}" text-anchor="end">{value:.0%}</text>'
            f'<text x="{_x(value):.1f}" y="{_HEIGHT - 20}" text-anchor="middle">{value:.1f}</text>'
        )
    name = f'<text x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 4}" text-anchor="end">{across}</text>'
    return (
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escaped(said)}">'
        f"{ticks}{name}{drawn}</svg>"
    )


def _x(value: float) -> float:
    return _LEFT + (_WIDTH - _LEFT - _RIGHT) * value


def _y(share: float) -> float:
    return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - share)
