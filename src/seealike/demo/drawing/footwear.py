"""Shoes, seen from the side with the toe to the right."""

from __future__ import annotations

from random import Random

from seealike.demo.drawing.geometry import box, ellipse, path
from seealike.demo.drawing.part import Material, Part, Styles, fold, layered, shine, stitch


def low_sneaker(rng: Random) -> tuple[Part, ...]:
    """Draw a running shoe."""
    rise = rng.uniform(0.0, 0.06)
    return layered(
        Part(path("M -0.62,-0.36 Q -0.4,-0.26 -0.2,-0.4 L -0.22,-0.2 L -0.6,-0.2"), Material.DEEPER),
        Part(
            path(
                f"M -0.78,0.22 Q -0.86,-0.1 -0.76,{-0.44 - rise} Q -0.66,-0.36 -0.5,-0.26 "
                f"Q -0.36,-0.24 -0.2,{-0.46 - rise} Q 0.08,-0.16 0.34,-0.08 Q 0.8,-0.02 0.84,0.24"
            ),
            Material.CLOTH,
            0.12,
        ),
        Part(
            path("M 0.46,-0.05 Q 0.82,0.0 0.84,0.24 L 0.42,0.24 Q 0.36,0.08 0.46,-0.05"),
            Material.TRIM,
            0.06,
            inside=True,
        ),
        Part(
            path("M -0.80,0.0 Q -0.82,-0.2 -0.76,-0.46 L -0.58,-0.34 Q -0.6,-0.1 -0.52,0.24 L -0.8,0.24"),
            Material.DEEP,
            0.05,
            inside=True,
        ),
        Part(
            path("M -0.42,0.2 Q -0.2,0.1 0.02,-0.14 L 0.16,-0.06 Q -0.04,0.16 -0.2,0.22"),
            Material.TRIM,
            0.02,
            inside=True,
        ),
        _laces(-0.12, -0.34, 0.3, -0.1, 5),
        _sole(),
    )


def high_top(rng: Random) -> tuple[Part, ...]:
    """Draw a basketball shoe that covers the ankle."""
    top = rng.uniform(-0.74, -0.64)
    return layered(
        Part(path(f"M -0.66,{top} L -0.18,{top + 0.02} L -0.2,-0.3 L -0.66,-0.3"), Material.DEEPER),
        Part(
            path(
                f"M -0.78,0.22 Q -0.8,-0.2 -0.72,{top} Q -0.56,{top + 0.1} -0.36,{top + 0.08} "
                f"L -0.16,{top - 0.06} Q -0.14,-0.3 0.1,-0.14 Q 0.3,-0.06 0.4,-0.04 Q 0.8,-0.02 0.84,0.24"
            ),
            Material.CLOTH,
            0.12,
        ),
        Part(
            path("M 0.42,-0.04 Q 0.82,-0.02 0.84,0.24 L 0.36,0.24 Q 0.34,0.06 0.42,-0.04"),
            Material.SOLE,
            0.06,
            inside=True,
        ),
        Part(ellipse((-0.5, -0.22), (0.15, 0.15)), Material.TRIM, 0.03, inside=True),
        _laces(-0.2, top + 0.16, -0.16, -0.34, 3),
        _laces(-0.12, -0.28, 0.28, -0.1, 4),
        _sole(),
    )


def slip_on(rng: Random) -> tuple[Part, ...]:
    """Draw a canvas shoe without laces."""
    toe = rng.uniform(-0.02, 0.04)
    return layered(
        Part(path("M -0.7,-0.26 Q -0.3,-0.12 0.1,-0.26 L 0.1,0.0 L -0.7,0.0"), Material.DEEPER),
        Part(
            path(
                "M -0.8,0.22 Q -0.84,-0.06 -0.74,-0.32 Q -0.4,-0.02 -0.08,-0.16 L 0.06,-0.32 "
                f"Q 0.3,-0.2 0.46,-0.12 Q 0.84,{toe} 0.84,0.24"
            ),
            Material.CLOTH,
            0.12,
        ),
        Part(
            path("M -0.26,-0.09 Q -0.16,0.1 -0.02,0.06 Q 0.06,-0.02 -0.06,-0.18"),
            Material.INK,
            inside=True,
            opacity=0.75,
        ),
        Part(path("M -0.76,-0.3 Q -0.4,0.0 -0.08,-0.14 L 0.05,-0.3"), Material.DEEP, width=0.04, inside=True),
        Part(box(-0.82, 0.06, -0.68, 0.24), Material.DEEP, inside=True),
        _sole(),
    )


def _laces(x0: float, y0: float, x1: float, y1: float, count: int) -> list[Part]:
    parts = []
    for index in range(count):
        share = index / max(1, count - 1)
        x, y = x0 + (x1 - x0) * share, y0 + (y1 - y0) * share
        parts.append(
            Part(
                path(f"M {x - 0.09},{y + 0.13} Q {x - 0.04},{y} {x + 0.05},{y - 0.03}"),
                Material.SOLE,
                width=0.035,
            )
        )
    return parts


def _sole() -> tuple[Part, ...]:
    return layered(
        Part(
            path(
                "M -0.84,0.18 Q -0.4,0.24 0,0.22 Q 0.5,0.22 0.88,0.16 Q 0.94,0.28 0.84,0.38 "
                "Q 0.4,0.42 0,0.41 L -0.78,0.41 Q -0.9,0.34 -0.84,0.18"
            ),
            Material.SOLE,
            0.05,
        ),
        Part(path("M -0.82,0.39 Q 0.2,0.42 0.84,0.37"), Material.INK, width=0.03, opacity=0.7, inside=True),
        stitch(path("M -0.8,0.26 Q 0.1,0.3 0.86,0.24"), strength=0.2),
    )


def ankle_boot(rng: Random) -> tuple[Part, ...]:
    """Draw a laced leather boot."""
    top = rng.uniform(-0.84, -0.74)
    return layered(
        Part(
            path(f"M -0.6,{top + 0.04} Q -0.36,{top - 0.08} -0.08,{top} L -0.08,-0.3 L -0.6,-0.3"),
            Material.DEEPER,
        ),
        _boot_upper(top),
        Part(
            path("M 0.42,0.04 Q 0.8,0.08 0.82,0.34 L 0.36,0.34 Q 0.32,0.16 0.42,0.04"),
            Material.DEEP,
            0.06,
            inside=True,
        ),
        Part(path(f"M -0.2,{top + 0.06} Q -0.16,-0.2 0.2,0.0"), Material.DEEP, width=0.13, inside=True),
        [
            shine(path(f"M -0.26,{y} L -0.1,{y - 0.03}"), strength=0.9, width=0.03, blur=0.003)
            for y in (top + 0.14, top + 0.26, top + 0.38, top + 0.5)
        ],
        fold(path("M -0.56,-0.1 Q -0.3,0.0 -0.14,-0.16")),
        _boot_sole(0.0),
    )


def chelsea_boot(rng: Random) -> tuple[Part, ...]:
    """Draw a boot with elastic sides."""
    top = rng.uniform(-0.84, -0.72)
    elastic = (
        f"M -0.42,{top + 0.02} L -0.16,{top + 0.02} Q -0.18,-0.3 -0.26,-0.1 Q -0.36,-0.3 -0.42,{top + 0.02}"
    )
    return layered(
        Part(
            path(f"M -0.64,{top + 0.02} L -0.62,{top - 0.1} L -0.54,{top - 0.1} L -0.54,{top + 0.04}"),
            Material.TRIM,
        ),
        _boot_upper(top),
        Part(path(elastic), Material.TRIM, 0.03, inside=True),
        [
            stitch(path(f"M {-0.4 + 0.05 * i},{top} L {-0.38 + 0.04 * i},-0.1"), strength=0.12)
            for i in range(6)
        ],
        shine(path("M 0.3,0.06 Q 0.56,0.1 0.7,0.2"), strength=0.35, width=0.05, blur=0.03),
        _boot_sole(0.03),
    )


def heeled_boot(rng: Random) -> tuple[Part, ...]:
    """Draw a tall boot with a heel."""
    top = rng.uniform(-0.92, -0.86)
    return layered(
        Part(
            path(
                f"M -0.62,{top} L -0.1,{top} Q -0.1,-0.3 -0.08,-0.1 Q 0.2,0.14 0.46,0.26 "
                "Q 0.72,0.32 0.76,0.48 L 0.1,0.48 Q -0.2,0.3 -0.54,0.3 Q -0.54,-0.3 -0.62,-0.6"
            ),
            Material.CLOTH,
            0.12,
        ),
        Part(path("M -0.56,0.28 Q -0.3,0.28 -0.16,0.36 L -0.34,0.72 L -0.5,0.72"), Material.INK, 0.04),
        Part(
            path("M -0.2,0.34 Q 0.05,0.5 0.3,0.5 L 0.77,0.49 L 0.76,0.55 L 0.2,0.55 Q -0.04,0.52 -0.24,0.4"),
            Material.INK,
        ),
        Part(path(f"M -0.6,{top + 0.04} L -0.1,{top + 0.04}"), Material.TRIM, width=0.08, inside=True),
        Part(path("M -0.56,0.0 L -0.06,-0.04"), Material.DEEP, width=0.07, inside=True),
        Part(box(-0.3, -0.07, -0.18, 0.05, corner=0.02), Material.GOLD, 0.02, width=0.03),
        shine(path(f"M -0.22,{top + 0.2} Q -0.2,-0.4 -0.22,-0.14"), strength=0.3, width=0.05, blur=0.03),
        fold(path("M -0.5,0.1 Q -0.3,0.14 -0.1,0.02")),
    )


def _boot_upper(top: float) -> Part:
    return Part(
        path(
            f"M -0.72,0.34 Q -0.7,-0.2 -0.62,{top} Q -0.3,{top + 0.06} -0.08,{top} Q -0.1,-0.3 0.06,-0.12 "
            "Q 0.3,0.02 0.44,0.04 Q 0.8,0.08 0.82,0.34"
        ),
        Material.CLOTH,
        0.13,
    )


def _boot_sole(lift: float) -> tuple[Part, ...]:
    return layered(
        Part(path("M -0.76,0.3 Q 0,0.34 0.86,0.3 L 0.86,0.42 L -0.76,0.42"), Material.WOOD_DEEP, 0.04),
        Part(
            path(f"M -0.75,0.4 L -0.24,0.4 L -0.28,{0.56 + lift} L -0.72,{0.56 + lift}"), Material.INK, 0.04
        ),
        Part(path("M -0.2,0.41 L 0.86,0.41 L 0.82,0.48 L -0.06,0.48"), Material.INK),
    )


SNEAKERS: Styles = (("runner", low_sneaker), ("high-top", high_top), ("slip-on", slip_on))
BOOTS: Styles = (("lace-up boot", ankle_boot), ("Chelsea boot", chelsea_boot), ("heeled boot", heeled_boot))
