"""The kinds of product the sample shop sells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import TypeAlias

from seealike.demo.drawing import accessories, apparel, footwear, furniture, tableware
from seealike.demo.drawing.part import Part
from seealike.demo.drawing.pattern import Pattern

Sketch: TypeAlias = Callable[[Random], tuple[Part, ...]]

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
    styles: tuple[tuple[str, Sketch], ...]
    patterns: tuple[Pattern, ...]
    price: float
    standing: bool
    pitch: float = 0.14


KINDS: tuple[Kind, ...] = (
    Kind(
        "t-shirts",
        "tee",
        (
            ("crew-neck tee", apparel.crew_tee),
            ("V-neck tee", apparel.v_neck_tee),
            ("pocket tee", apparel.pocket_tee),
        ),
        _CLOTH,
        19.0,
        standing=False,
    ),
    Kind(
        "sweaters",
        "sweater",
        (("hoodie", apparel.hoodie), ("jumper", apparel.jumper), ("cardigan", apparel.cardigan)),
        _CLOTH,
        49.0,
        standing=False,
    ),
    Kind(
        "dresses",
        "dress",
        (
            ("sun dress", apparel.sun_dress),
            ("tea dress", apparel.sleeved_dress),
            ("slip dress", apparel.slip_dress),
        ),
        _CLOTH,
        59.0,
        standing=False,
    ),
    Kind(
        "trousers",
        "trousers",
        (
            ("straight trousers", apparel.straight_trousers),
            ("wide trousers", apparel.wide_trousers),
            ("shorts", apparel.shorts),
        ),
        _CLOTH,
        45.0,
        standing=False,
        pitch=0.12,
    ),
    Kind(
        "sneakers",
        "sneaker",
        (("runner", footwear.low_sneaker), ("high-top", footwear.high_top), ("slip-on", footwear.slip_on)),
        _CLOTH,
        69.0,
        standing=True,
        pitch=0.12,
    ),
    Kind(
        "boots",
        "boot",
        (
            ("lace-up boot", footwear.ankle_boot),
            ("Chelsea boot", footwear.chelsea_boot),
            ("heeled boot", footwear.heeled_boot),
        ),
        _LEATHER,
        119.0,
        standing=True,
    ),
    Kind(
        "bags",
        "bag",
        (("tote", accessories.tote), ("handbag", accessories.satchel), ("backpack", accessories.backpack)),
        _CLOTH,
        54.0,
        standing=True,
    ),
    Kind(
        "watches",
        "watch",
        (("round watch", accessories.round_watch), ("square watch", accessories.square_watch)),
        _LEATHER,
        149.0,
        standing=False,
    ),
    Kind(
        "sunglasses",
        "shades",
        (
            ("round sunglasses", accessories.round_glasses),
            ("square sunglasses", accessories.square_glasses),
            ("aviator sunglasses", accessories.aviators),
        ),
        _LEATHER,
        39.0,
        standing=False,
    ),
    Kind(
        "mugs",
        "mug",
        (
            ("straight mug", tableware.straight_mug),
            ("round mug", tableware.round_mug),
            ("tall mug", tableware.tall_mug),
        ),
        _CLOTH,
        14.0,
        standing=True,
        pitch=0.16,
    ),
    Kind(
        "plants",
        "plant",
        (
            ("rubber plant", tableware.broad_leaf_plant),
            ("snake plant", tableware.snake_plant),
            ("cactus", tableware.cactus),
        ),
        _CLOTH,
        24.0,
        standing=True,
    ),
    Kind(
        "chairs",
        "chair",
        (
            ("dining chair", furniture.dining_chair),
            ("armchair", furniture.armchair),
            ("stool", furniture.stool),
        ),
        _CLOTH,
        129.0,
        standing=True,
    ),
    Kind(
        "lamps",
        "lamp",
        (
            ("table lamp", furniture.table_lamp),
            ("floor lamp", furniture.floor_lamp),
            ("pendant lamp", furniture.pendant_lamp),
        ),
        _CLOTH,
        79.0,
        standing=True,
    ),
    Kind(
        "cushions",
        "cushion",
        (
            ("square cushion", furniture.square_cushion),
            ("round cushion", furniture.round_cushion),
            ("long cushion", furniture.long_cushion),
        ),
        _CLOTH,
        22.0,
        standing=False,
        pitch=0.16,
    ),
)
