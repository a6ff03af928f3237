"""The colours of the sample shop: a small family that goes well together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

Rgb: TypeAlias = tuple[int, int, int]

COLOURS: dict[str, Rgb] = {
    "ivory": (240, 232, 216),
    "charcoal": (62, 64, 70),
    "navy": (38, 56, 96),
    "sky": (126, 174, 210),
    "sage": (146, 168, 138),
    "forest": (46, 92, 72),
    "mustard": (222, 168, 56),
    "terracotta": (200, 104, 72),
    "rose": (222, 150, 156),
    "plum": (112, 58, 92),
    "sand": (204, 178, 142),
    "teal": (40, 126, 132),
    "tomato": (206, 66, 56),
    "lilac": (172, 156, 206),
}

_PARTNERS: dict[str, tuple[str, ...]] = {
    "ivory": ("navy", "terracotta", "forest"),
    "charcoal": ("ivory", "mustard", "rose"),
    "navy": ("ivory", "mustard", "sky"),
    "sky": ("ivory", "navy", "tomato"),
    "sage": ("ivory", "forest", "terracotta"),
    "forest": ("ivory", "sand", "rose"),
    "mustard": ("ivory", "charcoal", "teal"),
    "terracotta": ("ivory", "navy", "sand"),
    "rose": ("ivory", "plum", "tomato"),
    "plum": ("rose", "ivory", "mustard"),
    "sand": ("ivory", "charcoal", "terracotta"),
    "teal": ("ivory", "mustard", "sand"),
    "tomato": ("ivory", "navy", "sky"),
    "lilac": ("ivory", "plum", "mustard"),
}

WHITE: Rgb = (255, 255, 255)
BLACK: Rgb = (18, 16, 22)


@dataclass(frozen=True, slots=True)
class Colourway:
    """The two colours of one product, by name."""

    main: str
    second: str

    @property
    def main_rgb(self) -> Rgb:
        """The colour the product is sold as."""
        return COLOURS[self.main]

    @property
    def second_rgb(self) -> Rgb:
        """The colour of its pattern and trimmings."""
        return COLOURS[self.second]


def colourway(main: str, choice: int) -> Colourway:
    """Pair a colour with one of those that suit it."""
    partners = _PARTNERS[main]
    return Colourway(main, partners[choice % len(partners)])


def mixed(one: Rgb, other: Rgb, share: float) -> Rgb:
    """Move ``share`` of the way from one colour to another."""
    r, g, b = (round(a + (z - a) * share) for a, z in zip(one, other, strict=True))
    return r, g, b


def darker(colour: Rgb, share: float) -> Rgb:
    """Move towards black."""
    return mixed(colour, BLACK, share)


def paler(colour: Rgb, share: float) -> Rgb:
    """Move towards white."""
    return mixed(colour, WHITE, share)
