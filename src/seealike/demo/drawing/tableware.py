"""Mugs and plants in pots."""

from __future__ import annotations

from random import Random

from seealike.demo.drawing.geometry import Outline, box, ellipse, path, symmetric, turned
from seealike.demo.drawing.part import Material, Part, Styles, both, layered, shine, stitch


def straight_mug(rng: Random) -> tuple[Part, ...]:
    """Draw a mug with straight sides."""
    return _mug(0.52, rng.uniform(0.46, 0.52), rng.uniform(0.62, 0.72), 0.52)


def round_mug(rng: Random) -> tuple[Part, ...]:
    """Draw a mug with a round belly."""
    return _mug(0.48, rng.uniform(0.34, 0.4), rng.uniform(0.48, 0.56), 0.72)


def tall_mug(rng: Random) -> tuple[Part, ...]:
    """Draw a tall mug that is narrower at its foot."""
    return _mug(0.46, rng.uniform(0.30, 0.35), rng.uniform(0.84, 0.92), 0.44)


def _mug(rim: float, foot: float, bottom: float, belly: float) -> tuple[Part, ...]:
    top = -0.46
    lip = rim * 0.26
    middle = (top + bottom) / 2
    handle = path(
        f"M {rim - 0.06},{top + 0.24} Q {rim + 0.42},{top + 0.16} {rim + 0.36},{middle + 0.06} "
        f"Q {rim + 0.28},{bottom - 0.24} {rim - 0.1},{bottom - 0.24}"
    )
    body = symmetric(
        f"M 0,{top} L {rim},{top} Q {belly},{middle} {foot},{bottom - 0.04} "
        f"Q {foot * 0.9},{bottom + 0.05} 0,{bottom + 0.07}"
    )
    return layered(
        Part(handle, Material.BASE, 0.05, width=0.13),
        Part(body, Material.CLOTH, 0.2),
        shine(
            path(f"M {-rim + 0.14},{top + 0.2} Q {-belly + 0.16},{middle} {-foot + 0.14},{bottom - 0.14}"),
            strength=0.42,
            width=0.07,
            blur=0.03,
        ),
        Part(ellipse((0, top), (rim, lip)), Material.PALE),
        Part(ellipse((0, top + 0.01), (rim - 0.045, lip - 0.035)), Material.DEEPER),
        Part(ellipse((0, top + 0.07), (rim - 0.1, lip - 0.06)), Material.COFFEE, inside=True),
        Part(
            path(f"M {-foot * 0.9},{bottom} Q 0,{bottom + 0.09} {foot * 0.9},{bottom}"),
            Material.SHADE,
            width=0.05,
            blur=0.02,
            opacity=0.3,
            inside=True,
        ),
    )


def broad_leaf_plant(rng: Random) -> tuple[Part, ...]:
    """Draw a house plant with broad leaves."""
    leaves: list[Part] = []
    spread = rng.uniform(0.9, 1.1)
    for angle, length in (
        (-62, 0.62),
        (62, 0.62),
        (-36, 0.82),
        (38, 0.8),
        (-84, 0.42),
        (82, 0.44),
        (-12, 0.9),
        (14, 0.94),
    ):
        reach = length * rng.uniform(0.9, 1.05)
        leaves += _leaf(angle * spread, reach, reach * 0.30, rng)
    return layered(leaves, _pot(0.36, 0.27))


def snake_plant(rng: Random) -> tuple[Part, ...]:
    """Draw a plant with upright, sword-shaped leaves."""
    leaves: list[Part] = []
    for angle, length in ((-26, 0.86), (28, 0.8), (-15, 1.06), (16, 1.0), (-5, 1.22), (5, 0.92)):
        leaves += _leaf(angle, length * rng.uniform(0.92, 1.04), 0.105, rng)
    return layered(leaves, _pot(0.38, 0.32))


def cactus(rng: Random) -> tuple[Part, ...]:
    """Draw a cactus with arms and a flower."""
    tall = rng.uniform(-0.78, -0.62)
    trunk = symmetric(f"M 0,{tall} Q 0.24,{tall} 0.24,{tall + 0.26} L 0.22,0.3 L 0,0.3")
    arm = path("M 0.2,-0.04 Q 0.46,0.0 0.46,-0.14 L 0.46,-0.34")
    other = path("M -0.2,0.08 Q -0.42,0.1 -0.42,-0.04 L -0.42,-0.18")
    ribs = [
        stitch(path(f"M {x},{tall + 0.06} Q {x * 1.1},-0.2 {x},0.3"), width=0.02, strength=0.28)
        for x in (-0.14, -0.05, 0.05, 0.14)
    ]
    return layered(
        Part(arm, Material.LEAF, 0.06, width=0.17),
        Part(other, Material.LEAF, 0.06, width=0.15),
        Part(trunk, Material.LEAF, 0.14),
        ribs,
        [
            Part(turned(ellipse((0, tall - 0.07), (0.055, 0.09)), a, about=(0, tall)), Material.TRIM, 0.02)
            for a in (-50, 0, 50)
        ],
        _pot(0.4, 0.3),
    )


def _leaf(angle_deg: float, length: float, width: float, rng: Random) -> list[Part]:
    root = (0.0, 0.26)
    tip = root[1] - length
    middle = root[1] - length * 0.5
    outline = symmetric(
        f"M 0,{tip} Q {width * 0.9},{middle - length * 0.2} {width},{middle} "
        f"Q {width * 0.8},{middle + length * 0.3} 0.02,{root[1]} L 0,{root[1]}"
    )
    vein: Outline = ((0.0, tip + length * 0.08), root)
    material = rng.choice((Material.LEAF, Material.LEAF, Material.LEAF_DEEP, Material.LEAF_PALE))
    return [
        Part(turned(outline, angle_deg, about=root), material, 0.07),
        Part(turned(vein, angle_deg, about=root), Material.GLOW, width=0.014, opacity=0.35, inside=True),
    ]


def _pot(rim: float, foot: float) -> tuple[Part, ...]:
    return layered(
        Part(ellipse((0, 0.24), (rim * 0.96, 0.07)), Material.SOIL, inside=False),
        Part(
            symmetric(f"M 0,0.3 L {rim},0.25 L {foot},0.9 Q {foot * 0.8},0.95 0,0.96"), Material.CLOTH, 0.14
        ),
        Part(box(-rim - 0.03, 0.22, rim + 0.03, 0.36, corner=0.04), Material.DEEP, 0.05),
        both(shine(path(f"M {-rim + 0.12},0.42 L {-foot + 0.08},0.84"), strength=0.2, width=0.05, blur=0.03))[
            :1
        ],
    )


MUGS: Styles = (("straight mug", straight_mug), ("round mug", round_mug), ("tall mug", tall_mug))
PLANTS: Styles = (("rubber plant", broad_leaf_plant), ("snake plant", snake_plant), ("cactus", cactus))
