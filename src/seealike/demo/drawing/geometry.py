"""Points, curves and affine maps: enough plane geometry to describe a product's outline in a few words.

Object space is the square from -1 to 1 with y pointing down. Nothing here knows about pixels' colours.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

Point: TypeAlias = tuple[float, float]
Outline: TypeAlias = tuple[Point, ...]

_STEPS = 14
_ARITY = {"M": 1, "L": 1, "Q": 2, "C": 3}


@dataclass(frozen=True, slots=True)
class Affine:
    """``x' = a x + b y + c`` and ``y' = d x + e y + f``."""

    a: float
    b: float
    c: float
    d: float
    e: float
    f: float

    def __call__(self, points: Iterable[Point]) -> Outline:
        """Map points."""
        return tuple((self.a * x + self.b * y + self.c, self.d * x + self.e * y + self.f) for x, y in points)

    @property
    def magnification(self) -> float:
        """How much longer lengths become, on average."""
        return math.sqrt(abs(self.a * self.e - self.b * self.d))


def placed(*, scale: Point, angle_deg: float, shear: float, shift: Point) -> Affine:
    """Return the map that scales, shears along x, turns clockwise and then moves."""
    sx, sy = scale
    turn = math.radians(angle_deg)
    cos, sin = math.cos(turn), math.sin(turn)
    return Affine(
        cos * sx, cos * shear * sy - sin * sy, shift[0], sin * sx, sin * shear * sy + cos * sy, shift[1]
    )


def path(text: str) -> Outline:
    """Flatten a path written like SVG's: ``M``, ``L``, ``Q`` and ``C`` with absolute ``x,y`` points."""
    points: list[Point] = []
    command, pending = "M", list[Point]()
    for word in text.split():
        if word in _ARITY:
            command = word
            continue
        x, y = word.split(",")
        pending.append((float(x), float(y)))
        if len(pending) == _ARITY[command]:
            points.extend(_curve(points[-1], pending) if command in "QC" else pending)
            pending = []
    return tuple(points)


def _curve(start: Point, rest: list[Point]) -> list[Point]:
    """Sample a quadratic or cubic Bezier curve, its start left out."""
    controls = [start, *rest]
    degree = len(rest)
    weights = (1, 2, 1) if degree == 2 else (1, 3, 3, 1)
    sampled = []
    for step in range(1, _STEPS + 1):
        t = step / _STEPS
        shares = [w * t**i * (1 - t) ** (degree - i) for i, w in enumerate(weights)]
        sampled.append(
            (
                sum(s * p[0] for s, p in zip(shares, controls, strict=True)),
                sum(s * p[1] for s, p in zip(shares, controls, strict=True)),
            )
        )
    return sampled


def flipped(outline: Outline) -> Outline:
    """Mirror an outline left to right."""
    return tuple((-x, y) for x, y in outline)


def symmetric(text: str) -> Outline:
    """Return the closed outline whose right half is the given path, from its top to its bottom centre."""
    half = path(text)
    return half + flipped(half)[::-1]


def ellipse(centre: Point, radius: Point, *, start_deg: float = 0.0, end_deg: float = 360.0) -> Outline:
    """Return an ellipse, or the arc of it from one angle to another (clockwise from the right)."""
    steps = max(8, int(abs(end_deg - start_deg) / 7.5))
    angles = (math.radians(start_deg + (end_deg - start_deg) * i / steps) for i in range(steps + 1))
    return tuple((centre[0] + radius[0] * math.cos(a), centre[1] + radius[1] * math.sin(a)) for a in angles)


def box(left: float, top: float, right: float, bottom: float, *, corner: float = 0.0) -> Outline:
    """Return a rectangle with rounded corners."""
    if corner <= 0:
        return ((left, top), (right, top), (right, bottom), (left, bottom))
    corners = (
        ((right - corner, top + corner), -90.0),
        ((right - corner, bottom - corner), 0.0),
        ((left + corner, bottom - corner), 90.0),
        ((left + corner, top + corner), 180.0),
    )
    return tuple(
        point
        for centre, start in corners
        for point in ellipse(centre, (corner, corner), start_deg=start, end_deg=start + 90.0)
    )


def turned(outline: Outline, angle_deg: float, *, about: Point = (0.0, 0.0)) -> Outline:
    """Turn an outline clockwise about a point."""
    turn = math.radians(angle_deg)
    cos, sin = math.cos(turn), math.sin(turn)
    px, py = about
    return tuple(
        (px + cos * (x - px) - sin * (y - py), py + sin * (x - px) + cos * (y - py)) for x, y in outline
    )
