"""Bags, watches and sunglasses."""

from __future__ import annotations

import math
from random import Random

from seealike.demo.drawing.geometry import Outline, box, ellipse, flipped, path, symmetric
from seealike.demo.drawing.part import Material, Part, Styles, both, fold, layered, shine, stitch


def tote(rng: Random) -> tuple[Part, ...]:
    """Draw a shopping bag with two long handles."""
    top = rng.uniform(-0.34, -0.2)
    handle = path(f"M -0.3,{top + 0.1} Q -0.3,-0.94 0,-0.94 Q 0.3,-0.94 0.3,{top + 0.1}")
    return layered(
        Part(tuple((x * 0.94, y + 0.05) for x, y in handle), Material.DEEPER, width=0.07),
        Part(
            symmetric(f"M 0,{top} L 0.6,{top} Q 0.66,0.3 0.7,0.76 Q 0.68,0.82 0.6,0.82 L 0,0.84"),
            Material.CLOTH,
            0.10,
        ),
        Part(handle, Material.TRIM, 0.03, width=0.075),
        both(stitch(box(0.27, top + 0.02, 0.33, top + 0.1), width=0.01)),
        stitch(path(f"M -0.62,{top + 0.07} L 0.62,{top + 0.07}")),
        both(fold(path(f"M 0.5,{top + 0.2} Q 0.56,0.4 0.48,0.78"))),
        fold(path("M -0.1,0.1 Q -0.06,0.4 -0.14,0.8"), strength=0.12),
    )


def satchel(rng: Random) -> tuple[Part, ...]:
    """Draw a structured handbag with a flap and a clasp."""
    flap = rng.uniform(0.1, 0.24)
    return layered(
        Part(
            path("M -0.34,-0.22 Q -0.36,-0.74 0,-0.74 Q 0.36,-0.74 0.34,-0.22"),
            Material.DEEP,
            0.03,
            width=0.08,
        ),
        Part(
            symmetric(
                "M 0,-0.3 L 0.62,-0.3 Q 0.72,-0.28 0.74,-0.1 L 0.78,0.56 Q 0.78,0.68 0.66,0.68 L 0,0.7"
            ),
            Material.CLOTH,
            0.12,
        ),
        Part(
            symmetric(
                f"M 0,-0.3 L 0.63,-0.3 Q 0.72,-0.26 0.72,-0.06 Q 0.7,{flap} 0.4,{flap + 0.06} "
                f"L 0,{flap + 0.08}"
            ),
            Material.DEEP,
            0.07,
        ),
        stitch(
            symmetric(
                f"M 0,-0.26 L 0.6,-0.26 Q 0.67,-0.22 0.67,-0.06 Q 0.64,{flap - 0.04} 0.4,{flap + 0.01} "
                f"L 0,{flap + 0.03}"
            ),
            width=0.01,
        ),
        Part(box(-0.09, flap - 0.02, 0.09, flap + 0.16, corner=0.03), Material.GOLD, 0.04),
        both(Part(ellipse((0.34, -0.24), (0.05, 0.05)), Material.GOLD, 0.02)),
    )


def backpack(rng: Random) -> tuple[Part, ...]:
    """Draw a backpack with a front pocket."""
    pocket = rng.uniform(0.12, 0.22)
    return layered(
        Part(
            path("M -0.12,-0.78 Q -0.14,-0.94 0,-0.94 Q 0.14,-0.94 0.12,-0.78"), Material.DEEPER, width=0.06
        ),
        both(Part(path("M 0.42,-0.5 Q 0.7,-0.2 0.62,0.56"), Material.DEEPER, 0.03, width=0.12)),
        Part(
            symmetric(
                "M 0,-0.82 Q 0.36,-0.82 0.44,-0.56 Q 0.54,-0.1 0.56,0.66 Q 0.56,0.82 0.4,0.82 L 0,0.84"
            ),
            Material.CLOTH,
            0.14,
        ),
        Part(path("M -0.42,-0.36 Q 0,-0.5 0.42,-0.36"), Material.INK, width=0.025, opacity=0.6, inside=True),
        Part(
            symmetric(
                f"M 0,{pocket} L 0.34,{pocket} Q 0.4,{pocket} 0.4,{pocket + 0.08} L 0.4,0.6 "
                "Q 0.4,0.72 0.3,0.72 L 0,0.73"
            ),
            Material.TRIM,
            0.08,
        ),
        Part(path(f"M -0.36,{pocket + 0.1} L 0.36,{pocket + 0.1}"), Material.INK, width=0.022, opacity=0.6),
        Part(box(0.22, pocket + 0.1, 0.27, pocket + 0.22, corner=0.02), Material.GOLD, 0.015),
        Part(box(-0.1, -0.2, 0.1, -0.06, corner=0.02), Material.TAN, 0.02),
    )


def round_watch(rng: Random) -> tuple[Part, ...]:
    """Draw a watch with a round dial."""
    metal = rng.choice((Material.STEEL, Material.GOLD))
    return layered(
        _strap(0.26),
        Part(box(0.36, -0.05, 0.48, 0.05, corner=0.02), metal, 0.02),
        Part(ellipse((0, 0), (0.42, 0.42)), metal, 0.07),
        Part(ellipse((0, 0), (0.34, 0.34)), rng.choice((Material.SOLE, Material.INK, Material.PALE)), 0.03),
        _dial(rng, 0.29),
    )


def square_watch(rng: Random) -> tuple[Part, ...]:
    """Draw a watch with a square dial."""
    metal = rng.choice((Material.STEEL, Material.GOLD, Material.INK))
    return layered(
        _strap(0.3),
        Part(box(0.34, -0.06, 0.44, 0.06, corner=0.02), metal, 0.02),
        Part(box(-0.38, -0.42, 0.38, 0.42, corner=0.12), metal, 0.07),
        Part(box(-0.30, -0.34, 0.30, 0.34, corner=0.07), rng.choice((Material.SOLE, Material.PALE)), 0.03),
        _dial(rng, 0.27),
    )


def _strap(width: float) -> tuple[Part, ...]:
    narrow = width * 0.8
    holes = [
        Part(ellipse((0, 0.6 + 0.09 * i), (0.022, 0.022)), Material.SHADE, opacity=0.6) for i in range(4)
    ]
    return layered(
        Part(symmetric(f"M 0,-0.95 L {narrow},-0.95 L {width},-0.3 L 0,-0.3"), Material.CLOTH, 0.06),
        Part(
            symmetric(f"M 0,0.3 L {width},0.3 L {narrow},0.88 Q {narrow},0.97 0,0.97"), Material.CLOTH, 0.06
        ),
        holes,
        both(stitch(path(f"M {width - 0.05},0.4 L {narrow - 0.04},0.86"), width=0.014, strength=0.35)),
        both(stitch(path(f"M {width - 0.05},-0.4 L {narrow - 0.04},-0.92"), width=0.014, strength=0.35)),
        Part(box(-narrow - 0.05, -0.97, narrow + 0.05, -0.84, corner=0.03), Material.STEEL, 0.02, width=0.04),
    )


def _dial(rng: Random, radius: float) -> tuple[Part, ...]:
    ticks = []
    for hour in range(12):
        angle = math.radians(30 * hour)
        cos, sin = math.cos(angle), math.sin(angle)
        inner = radius * (0.8 if hour % 3 else 0.7)
        ticks.append(
            Part(
                ((inner * cos, inner * sin), (radius * cos, radius * sin)),
                Material.TRIM,
                width=0.016 if hour % 3 else 0.028,
            )
        )
    hands = []
    for length, width in ((0.55, 0.034), (0.8, 0.022)):
        angle = math.radians(rng.uniform(0, 360))
        tip = (radius * length * math.cos(angle), radius * length * math.sin(angle))
        hands.append(Part(((0.0, 0.0), tip), Material.TRIM, width=width))
    return layered(
        ticks,
        hands,
        Part(ellipse((0, 0), (0.03, 0.03)), Material.GOLD, 0.01),
        shine(
            path(f"M {-radius * 0.8},{-radius * 0.3} Q {-radius * 0.5},{-radius * 0.8} 0,{-radius * 0.9}"),
            strength=0.5,
            width=0.05,
            blur=0.02,
        ),
    )


def round_glasses(rng: Random) -> tuple[Part, ...]:
    """Draw sunglasses with round lenses."""
    radius = rng.uniform(0.27, 0.31)
    return _glasses(ellipse((0.37, 0.0), (radius, radius)), -0.06)


def square_glasses(rng: Random) -> tuple[Part, ...]:
    """Draw sunglasses with wide square lenses."""
    drop = rng.uniform(0.2, 0.28)
    lens = path(
        f"M 0.1,-0.24 Q 0.4,-0.3 0.72,-0.24 Q 0.74,0.0 0.62,{drop} Q 0.4,{drop + 0.08} 0.2,{drop} "
        "Q 0.1,0.1 0.1,-0.24"
    )
    return _glasses(lens, -0.14)


def aviators(rng: Random) -> tuple[Part, ...]:
    """Draw sunglasses with drop-shaped lenses."""
    drop = rng.uniform(0.26, 0.34)
    lens = path(
        f"M 0.12,-0.18 Q 0.4,-0.26 0.68,-0.18 Q 0.74,0.1 0.54,{drop} Q 0.3,{drop + 0.04} 0.16,0.1 "
        "Q 0.1,-0.02 0.12,-0.18"
    )
    return layered(_glasses(lens, -0.02), Part(path("M -0.3,-0.24 L 0.3,-0.24"), Material.GOLD, width=0.03))


def _glasses(lens: Outline, bridge: float) -> tuple[Part, ...]:
    outer = max(x for x, _ in lens)
    arm = (
        f"M {outer - 0.03},-0.16 Q {outer + 0.02},-0.36 {outer - 0.06},-0.6 "
        f"Q {outer - 0.1},-0.7 {outer - 0.2},-0.7"
    )
    centre = sum(x for x, _ in lens) / len(lens)
    closed = (*lens, lens[0], lens[1])
    return layered(
        both(Part(path(arm), Material.DEEP, 0.02, width=0.05)),
        both(Part(lens, Material.TRIM, opacity=1.0)),
        both(Part(lens, Material.INK, opacity=0.72, inside=True)),
        both(
            shine(
                path(f"M {centre - 0.14},0.1 L {centre + 0.06},-0.16"), strength=0.35, width=0.07, blur=0.012
            )
        ),
        both(
            shine(
                path(f"M {centre - 0.01},0.14 L {centre + 0.14},-0.06"), strength=0.25, width=0.03, blur=0.008
            )
        ),
        Part(path(f"M -0.14,{bridge} Q 0,{bridge - 0.12} 0.14,{bridge}"), Material.CLOTH, 0.02, width=0.06),
        Part(closed, Material.CLOTH, 0.025, width=0.065),
        Part(flipped(closed), Material.CLOTH, 0.025, width=0.065),
    )


BAGS: Styles = (("tote", tote), ("handbag", satchel), ("backpack", backpack))
WATCHES: Styles = (("round watch", round_watch), ("square watch", square_watch))
SUNGLASSES: Styles = (
    ("round sunglasses", round_glasses),
    ("square sunglasses", square_glasses),
    ("aviator sunglasses", aviators),
)
