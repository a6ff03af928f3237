"""The kinds of product the sample shop sells."""

from __future__ import annotations

from dataclasses import dataclass

from seealike.demo.drawing import accessories, apparel, footwear, furniture, tableware
from seealike.demo.drawing.part import Styles
from seealike.demo.drawing.pattern import Pattern

_CLOTH = (
    *(Pattern.PLAIN,) * 5,
    *(Pattern.STRIPES,) * 3,
    *(Pattern.DOTS,) * 2,
    *(Pattern.CHECKS,) * 2,
    Pattern.PINSTRIPES,
    Pattern.FADE,
)
_LEATHER = (*(Pattern.PLAIN,) * 10, Pattern.FADE, Pattern.FADE, Pattern.CHECKS, Pattern.STRIPES)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind: how its styles look, how they are called, and how they are photographed.

    ``folder`` is also the kind's name for people; ``code`` begins its ids; ``pitch`` is the usual
    repeat of its patterns in object space.
    """

    folder: str
    code: str
    styles: Styles
    patterns: tuple[Pattern, ...]
    price: float
    standing: bool
    pitch: float = 0.14


KINDS: tuple[Kind, ...] = (
    Kind("t-shirts", "tee", apparel.T_SHIRTS, _CLOTH, 19.0, standing=False),
    Kind("sweaters", "sweater", apparel.SWEATERS, _CLOTH, 49.0, standing=False),
    Kind("dresses", "dress", apparel.DRESSES, _CLOTH, 59.0, standing=False),
    Kind("trousers", "trousers", apparel.TROUSERS, _CLOTH, 45.0, standing=False, pitch=0.12),
    Kind("sneakers", "sneaker", footwear.SNEAKERS, _CLOTH, 69.0, standing=True, pitch=0.12),
    Kind("boots", "boot", footwear.BOOTS, _LEATHER, 119.0, standing=True),
    Kind("bags", "bag", accessories.BAGS, _CLOTH, 54.0, standing=True),
    Kind("watches", "watch", accessories.WATCHES, _LEATHER, 149.0, standing=False),
    Kind("sunglasses", "shades", accessories.SUNGLASSES, _LEATHER, 39.0, standing=False),
    Kind("mugs", "mug", tableware.MUGS, _CLOTH, 14.0, standing=True, pitch=0.16),
    Kind("plants", "plant", tableware.PLANTS, _CLOTH, 24.0, standing=True),
    Kind("chairs", "chair", furniture.CHAIRS, _CLOTH, 129.0, standing=True),
    Kind("lamps", "lamp", furniture.LAMPS, _CLOTH, 79.0, standing=True),
    Kind("cushions", "cushion", furniture.CUSHIONS, _CLOTH, 22.0, standing=False, pitch=0.16),
)
