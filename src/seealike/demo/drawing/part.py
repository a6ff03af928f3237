"""Parts: what a product is made of, each an outline with the material that fills it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from random import Random
from typing import TypeAlias

from seealike.demo.drawing.geometry import Outline, flipped
from seealike.demo.drawing.palette import BLACK, WHITE, Colourway, Rgb, darker, paler


class Material(Enum):
    """What a part is made of. The first six follow the product's colours, the rest are themselves."""

    CLOTH = "cloth"  # the main colour, with the product's pattern
    BASE = "base"
    DEEP = "deep"
    DEEPER = "deeper"
    PALE = "pale"
    TRIM = "trim"
    INK = (44, 42, 48)
    SOLE = (244, 240, 232)
    STEEL = (176, 182, 188)
    GOLD = (206, 168, 96)
    WOOD = (182, 132, 86)
    WOOD_DEEP = (138, 94, 58)
    TAN = (176, 116, 70)
    LEAF = (74, 132, 82)
    LEAF_DEEP = (44, 98, 66)
    LEAF_PALE = (132, 176, 104)
    SOIL = (84, 64, 52)
    COFFEE = (92, 58, 38)
    LIGHT = (255, 238, 196)
    SHADE = BLACK
    GLOW = WHITE

    def colour(self, colours: Colourway) -> Rgb:
        """Return the plain colour of this material in a product of these colours."""
        if isinstance(self.value, tuple):
            r, g, b = self.value
            return r, g, b
        main = colours.main_rgb
        match self:
            case Material.DEEP:
                return darker(main, 0.22)
            case Material.DEEPER:
                return darker(main, 0.45)
            case Material.PALE:
                return paler(main, 0.35)
            case Material.TRIM:
                return colours.second_rgb
            case _:
                return main


@dataclass(frozen=True, slots=True)
class Part:
    """One piece of a product. Lengths are in object space.

    ``width`` above 0 draws the outline as an open line of that width instead of filling it; ``relief``
    is how round the piece looks; ``inside`` keeps it within what was drawn before it.
    """

    outline: Outline
    material: Material
    relief: float = 0.0
    width: float = 0.0
    blur: float = 0.0
    opacity: float = 1.0
    inside: bool = False


Sketch: TypeAlias = Callable[[Random], tuple[Part, ...]]
Styles: TypeAlias = tuple[tuple[str, Sketch], ...]
"""What people call the styles of a kind of product, with what draws them."""


def both(part: Part) -> tuple[Part, Part]:
    """Return a part and its mirror image."""
    return part, Part(
        flipped(part.outline), part.material, part.relief, part.width, part.blur, part.opacity, part.inside
    )


def fold(outline: Outline, *, strength: float = 0.20, width: float = 0.035) -> Part:
    """Return a soft crease in cloth."""
    return Part(outline, Material.SHADE, width=width, blur=0.022, opacity=strength, inside=True)


def shine(outline: Outline, *, strength: float = 0.4, width: float = 0.03, blur: float = 0.012) -> Part:
    """Return a soft highlight along a line."""
    return Part(outline, Material.GLOW, width=width, blur=blur, opacity=strength, inside=True)


def stitch(outline: Outline, *, width: float = 0.012, strength: float = 0.3) -> Part:
    """Return a thin seam."""
    return Part(outline, Material.SHADE, width=width, opacity=strength, inside=True)


def layered(*groups: Part | Iterable[Part]) -> tuple[Part, ...]:
    """Put parts and groups of parts on top of each other, in order."""
    parts: list[Part] = []
    for group in groups:
        if isinstance(group, Part):
            parts.append(group)
        else:
            parts.extend(group)
    return tuple(parts)
