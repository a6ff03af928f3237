"""Chairs, lamps and cushions."""

from __future__ import annotations

from random import Random

from seealike.demo.drawing.geometry import box, ellipse, path, symmetric
from seealike.demo.drawing.part import Material, Part, Styles, both, fold, layered, shine, stitch


def dining_chair(rng: Random) -> tuple[Part, ...]:
    """Draw a wooden chair with an upholstered seat."""
    top = rng.uniform(-0.92, -0.84)
    slats = [Part(box(x - 0.04, top + 0.1, x + 0.04, 0.02), Material.WOOD, 0.02) for x in (-0.18, 0.0, 0.18)]
    return layered(
        both(Part(path("M 0.34,0.1 L 0.42,0.74"), Material.WOOD_DEEP, 0.02, width=0.07)),
        both(Part(path(f"M 0.36,{top} L 0.34,0.1"), Material.WOOD, 0.03, width=0.085)),
        slats,
        Part(
            symmetric(
                f"M 0,{top - 0.04} Q 0.3,{top - 0.04} 0.41,{top + 0.02} L 0.41,{top + 0.18} "
                f"Q 0.3,{top + 0.13} 0,{top + 0.12}"
            ),
            Material.WOOD,
            0.05,
        ),
        both(Part(path("M 0.5,0.2 L 0.54,0.94"), Material.WOOD, 0.03, width=0.085)),
        Part(
            symmetric("M 0,-0.02 L 0.4,-0.02 L 0.56,0.16 Q 0.58,0.22 0.5,0.23 L 0,0.23"), Material.CLOTH, 0.10
        ),
        Part(symmetric("M 0,0.22 L 0.55,0.22 L 0.54,0.3 L 0,0.3"), Material.WOOD_DEEP, 0.02),
        Part(path("M -0.52,0.62 L 0.52,0.62"), Material.WOOD, 0.02, width=0.045),
    )


def armchair(rng: Random) -> tuple[Part, ...]:
    """Draw an upholstered armchair."""
    top = rng.uniform(-0.78, -0.64)
    buttons = [Part(ellipse((x, -0.28), (0.03, 0.03)), Material.DEEPER) for x in (-0.2, 0.0, 0.2)]
    return layered(
        both(Part(path("M 0.5,0.6 L 0.56,0.9"), Material.WOOD, 0.03, width=0.08)),
        Part(
            symmetric(f"M 0,{top} Q 0.4,{top} 0.52,{top + 0.16} Q 0.58,-0.1 0.56,0.4 L 0,0.4"),
            Material.CLOTH,
            0.16,
        ),
        buttons,
        Part(symmetric("M 0,0.06 L 0.46,0.06 Q 0.52,0.1 0.5,0.34 L 0,0.36"), Material.CLOTH, 0.10),
        Part(symmetric("M 0,0.32 L 0.56,0.3 L 0.56,0.66 Q 0.4,0.7 0,0.7"), Material.DEEP, 0.07),
        both(
            Part(
                path("M 0.46,-0.06 Q 0.6,-0.2 0.76,-0.06 Q 0.84,0.06 0.78,0.66 Q 0.7,0.72 0.5,0.68"),
                Material.CLOTH,
                0.14,
            )
        ),
        stitch(path("M -0.48,0.34 L 0.48,0.34"), strength=0.4, width=0.02),
    )


def stool(rng: Random) -> tuple[Part, ...]:
    """Draw a round stool."""
    bar = rng.uniform(0.36, 0.5)
    return layered(
        both(Part(path("M 0.2,-0.2 L 0.28,0.76"), Material.WOOD_DEEP, 0.02, width=0.06)),
        both(Part(path("M 0.36,-0.18 L 0.52,0.92"), Material.WOOD, 0.03, width=0.08)),
        Part(path(f"M {-0.44},{bar} L 0.44,{bar}"), Material.WOOD, 0.02, width=0.05),
        Part(
            symmetric("M 0,-0.4 L 0.54,-0.4 Q 0.58,-0.28 0.5,-0.2 Q 0.3,-0.12 0,-0.11"), Material.CLOTH, 0.08
        ),
        Part(ellipse((0, -0.4), (0.54, 0.16)), Material.CLOTH, 0.08),
        Part(ellipse((0, -0.4), (0.54, 0.16)), Material.GLOW, opacity=0.14),
    )


def table_lamp(rng: Random) -> tuple[Part, ...]:
    """Draw a bedside lamp with a round foot."""
    neck = rng.uniform(0.08, 0.14)
    belly = rng.uniform(0.28, 0.4)
    return layered(
        _glow(-0.3),
        Part(path("M 0,-0.3 L 0,0.3"), Material.GOLD, 0.02, width=0.06),
        Part(
            symmetric(
                f"M 0,0.16 L {neck},0.16 Q {neck},0.26 {belly},0.5 Q {belly + 0.04},0.76 0.2,0.88 L 0,0.88"
            ),
            Material.TRIM,
            0.14,
        ),
        Part(box(-0.26, 0.86, 0.26, 0.95, corner=0.03), Material.GOLD, 0.03),
        _shade(0.3, 0.62, -0.82, -0.02),
    )


def floor_lamp(rng: Random) -> tuple[Part, ...]:
    """Draw a lamp on a tall stand with three legs."""
    spread = rng.uniform(0.28, 0.36)
    return layered(
        _glow(-0.56),
        both(Part(path(f"M 0.02,0.1 L {spread},0.95"), Material.WOOD, 0.02, width=0.045)),
        Part(path("M 0,-0.5 L 0,0.94"), Material.WOOD_DEEP, 0.02, width=0.045),
        _shade(0.22, 0.4, -0.95, -0.38),
    )


def pendant_lamp(rng: Random) -> tuple[Part, ...]:
    """Draw a dome lamp that hangs from a cord."""
    drop = rng.uniform(0.22, 0.36)
    return layered(
        Part(path("M 0,-0.98 L 0,-0.3"), Material.INK, width=0.025),
        Part(ellipse((0, drop + 0.05), (0.17, 0.15)), Material.LIGHT, 0.06),
        Part(box(-0.08, -0.46, 0.08, -0.28, corner=0.03), Material.GOLD, 0.03),
        Part(
            symmetric(f"M 0,-0.34 Q 0.58,-0.3 0.66,{drop} Q 0.3,{drop + 0.06} 0,{drop + 0.06}"),
            Material.CLOTH,
            0.16,
        ),
        Part(path(f"M -0.65,{drop} Q 0,{drop + 0.12} 0.65,{drop}"), Material.GOLD, width=0.03),
        shine(path(f"M -0.44,{drop - 0.1} Q -0.4,-0.12 -0.18,-0.24"), strength=0.4, width=0.06, blur=0.03),
    )


def _shade(top: float, bottom: float, high: float, low: float) -> tuple[Part, ...]:
    return layered(
        Part(
            symmetric(
                f"M 0,{high - 0.03} Q {top * 0.7},{high - 0.03} {top},{high} L {bottom},{low} "
                f"Q {bottom * 0.6},{low + 0.06} 0,{low + 0.06}"
            ),
            Material.CLOTH,
            0.10,
        ),
        Part(
            ellipse((0, (high + low) / 2 + 0.08), (bottom * 0.55, (low - high) * 0.34)),
            Material.LIGHT,
            blur=0.07,
            opacity=0.55,
            inside=True,
        ),
        stitch(
            path(f"M {-bottom},{low - 0.02} Q 0,{low + 0.08} {bottom},{low - 0.02}"),
            strength=0.25,
            width=0.03,
        ),
    )


def _glow(height: float) -> Part:
    return Part(ellipse((0, height), (0.72, 0.56)), Material.LIGHT, blur=0.12, opacity=0.5)


def square_cushion(rng: Random) -> tuple[Part, ...]:
    """Draw a square cushion with piping."""
    puff = rng.uniform(0.60, 0.66)
    side = path(
        f"M -0.72,-0.72 Q 0,{-puff} 0.72,-0.72 Q {puff},0 0.72,0.72 Q 0,{puff} -0.72,0.72 "
        f"Q {-puff},0 -0.72,-0.72"
    )
    return layered(
        Part(side, Material.CLOTH, 0.22),
        Part(side, Material.TRIM, 0.02, width=0.04),
        both(fold(path("M 0.66,-0.66 Q 0.46,-0.5 0.36,-0.3"), strength=0.22, width=0.05)),
        both(fold(path("M 0.66,0.66 Q 0.46,0.5 0.36,0.34"), strength=0.22, width=0.05)),
    )


def round_cushion(rng: Random) -> tuple[Part, ...]:
    """Draw a round cushion with a button."""
    high = rng.uniform(0.62, 0.7)
    rays = [
        fold(tuple((0.1 + (x - 0.1) * t, y * t) for t in (0.2, 0.7)), strength=0.14)
        for x, y in (
            (0.7, 0.0),
            (0.4, 0.55),
            (-0.2, 0.62),
            (-0.6, 0.2),
            (-0.5, -0.4),
            (0.0, -0.64),
            (0.5, -0.4),
        )
    ]
    return layered(
        Part(ellipse((0, 0), (0.72, high)), Material.CLOTH, 0.22),
        rays,
        Part(ellipse((0, 0), (0.72, high)), Material.TRIM, 0.02, width=0.035),
        Part(ellipse((0, 0), (0.06, 0.055)), Material.TRIM, 0.03),
    )


def long_cushion(rng: Random) -> tuple[Part, ...]:
    """Draw a long cushion with tassels."""
    high = rng.uniform(0.34, 0.42)
    tassels = [
        Part(path(f"M {side * 0.84},{y} L {side * 0.95},{y}"), Material.TRIM, width=0.03)
        for side in (-1, 1)
        for y in (-0.28, -0.2, -0.12, -0.04, 0.04, 0.12, 0.2, 0.28)
    ]
    return layered(
        tassels,
        Part(
            path(
                f"M -0.86,{-high} Q 0,{-high + 0.04} 0.86,{-high} Q 0.8,0 0.86,{high} Q 0,{high - 0.04} "
                f"-0.86,{high} Q -0.8,0 -0.86,{-high}"
            ),
            Material.CLOTH,
            0.18,
        ),
        both(fold(path("M 0.8,-0.3 Q 0.6,-0.2 0.5,-0.06"), strength=0.2, width=0.05)),
    )


CHAIRS: Styles = (("dining chair", dining_chair), ("armchair", armchair), ("stool", stool))
LAMPS: Styles = (("table lamp", table_lamp), ("floor lamp", floor_lamp), ("pendant lamp", pendant_lamp))
CUSHIONS: Styles = (
    ("square cushion", square_cushion),
    ("round cushion", round_cushion),
    ("long cushion", long_cushion),
)
