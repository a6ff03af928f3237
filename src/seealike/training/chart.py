"""A learning curve as inline SVG, in the page's own colours."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from seealike.gallery.text import escaped

if TYPE_CHECKING:
    from seealike.training.teach.loop import Point

_WIDTH, _HEIGHT = 400, 170  # about as wide as a phone, so that its text can be read there
_LEFT, _RIGHT, _TOP, _BOTTOM = 36, 20, 14, 24
_TICKS = 4


def curve_chart(curve: tuple[Point, ...], best_epoch: int, start: float) -> str:
    """The validation score of every pass, the best one marked, and the score before as a dashed line."""
    scores = [point.score for point in curve]
    low, high = _range([*scores, start])
    width, height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM

    def x(epoch: float) -> float:
        return _LEFT + width * (epoch / max(1, len(curve)))

    def y(score: float) -> float:
        return _TOP + height * (high - score) / (high - low)

    points = " ".join(f"{x(e):.1f},{y(s):.1f}" for e, s in enumerate([start, *scores]))
    ticks = "".join(_tick(low + (high - low) * i / _TICKS, y) for i in range(_TICKS + 1))
    best = curve[best_epoch - 1].score
    said = (
        f"Validation mAP@R: {start:.3f} before, {best:.3f} after pass {best_epoch}, "
        f"{scores[-1]:.3f} after the last, pass {len(curve)}"
    )
    return (
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escaped(said)}">'
        f"{ticks}"
        f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y(start):.1f}" y2="{y(start):.1f}" '
        'stroke="var(--quiet)" stroke-dasharray="5 5"/>'
        f'<polyline points="{points}" fill="none" stroke="var(--accent)" stroke-width="2" '
        'stroke-linejoin="round" stroke-linecap="round"/>'
        f'<circle cx="{x(best_epoch):.1f}" cy="{y(best):.1f}" r="4" fill="var(--accent)" '
        'stroke="var(--card)" stroke-width="2"/>'
        f'<text x="{x(best_epoch):.1f}" y="{_above(y(best)):.1f}" text-anchor="middle" '
        f'fill="var(--ink)">{best:.3f}</text>'
        f'<text x="{_LEFT}" y="{_HEIGHT - 6}">before</text>'
        f'<text x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 6}" text-anchor="end">pass {len(curve)}</text></svg>'
    )


def _tick(value: float, y: Callable[[float], float]) -> str:
    at = y(value)
    return (
        f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{at:.1f}" y2="{at:.1f}" stroke="var(--line)"/>'
        f'<text x="{_LEFT - 5}" y="{at + 3:.1f}" text-anchor="end">{value:.2f}</text>'
    )


def _above(y: float) -> float:
    """A label's place over a point, or under it where there is no room."""
    return y - 8 if y - 8 > _TOP + 6 else y + 18


def _range(values: list[float]) -> tuple[float, float]:
    """A little more than from the least to the most, and never nothing."""
    low, high = min(values), max(values)
    room = max(0.05 * (high - low), 0.01)
    return low - room, high + room
