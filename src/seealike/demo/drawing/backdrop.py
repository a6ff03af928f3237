"""What stands behind a product in its photo."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from random import Random
from typing import TYPE_CHECKING

from seealike.demo.drawing.palette import Rgb, darker, mixed, paler

if TYPE_CHECKING:
    from PIL import Image

_TINTS: tuple[Rgb, ...] = (
    (238, 238, 236),
    (244, 238, 228),
    (242, 228, 222),
    (226, 234, 228),
    (224, 232, 240),
    (234, 228, 240),
    (248, 240, 214),
    (222, 220, 216),
)


class Setting(Enum):
    """Kinds of backdrop."""

    SWEEP = "sweep"  # a studio sweep, lighter at the top
    SPOT = "spot"  # lit in the middle
    ROOM = "room"  # a wall and a floor
    DISC = "disc"  # a paper circle behind the product
    BOARDS = "boards"  # painted boards
    WHITE = "white"


@dataclass(frozen=True, slots=True)
class Backdrop:
    """One backdrop: its kind, its colour, and how deep its floor is as a share of the picture."""

    setting: Setting
    tint: Rgb
    floor: float

    @property
    def shadow(self) -> Rgb:
        """The colour of a shadow that falls on it."""
        return darker(mixed(self.tint, (60, 50, 70), 0.35), 0.35)


def choose_backdrop(rng: Random, *, standing: bool) -> Backdrop:
    """Pick a backdrop that suits a product that stands, or one that lies flat."""
    lying = (Setting.SWEEP, Setting.SPOT, Setting.DISC, Setting.BOARDS, Setting.WHITE)
    upright = (Setting.SWEEP, Setting.SPOT, Setting.ROOM, Setting.ROOM, Setting.DISC, Setting.WHITE)
    setting = rng.choice(upright if standing else lying)
    return Backdrop(setting, rng.choice(_TINTS), rng.uniform(0.05, 0.13))


def paint_backdrop(backdrop: Backdrop, size: tuple[int, int], *, stands_at: int | None) -> Image.Image:
    """Paint a backdrop of this size; ``stands_at`` is the row of pixels the product stands on."""
    from PIL import Image

    tint = backdrop.tint
    match backdrop.setting:
        case Setting.WHITE:
            return Image.new("RGB", size, (252, 252, 251))
        case Setting.SWEEP:
            return _blend(paler(tint, 0.45), darker(tint, 0.10), Image.linear_gradient("L"), size)
        case Setting.SPOT:
            return _blend(paler(tint, 0.7), darker(tint, 0.13), Image.radial_gradient("L"), size)
        case Setting.ROOM:
            return _room(backdrop, size, round(size[1] * 0.8) if stands_at is None else stands_at)
        case Setting.DISC:
            return _disc(tint, size)
        case Setting.BOARDS:
            return _boards(tint, size)


def _blend(near: Rgb, far: Rgb, ramp: Image.Image, size: tuple[int, int]) -> Image.Image:
    from PIL import Image

    return Image.composite(
        Image.new("RGB", size, far), Image.new("RGB", size, near), ramp.resize(size, Image.Resampling.BICUBIC)
    )


def _room(backdrop: Backdrop, size: tuple[int, int], stands_at: int) -> Image.Image:
    from PIL import Image

    width, height = size
    line = min(height - 8, stands_at - round(height * backdrop.floor))
    tint = backdrop.tint
    ramp = Image.linear_gradient("L")
    room = _blend(darker(tint, 0.05), paler(tint, 0.15), ramp, size)
    floor = _blend(darker(tint, 0.20), darker(tint, 0.07), ramp, (width, height - line))
    room.paste(floor, (0, line))
    room.paste(paler(tint, 0.5), (0, line - 5, width, line))
    room.paste(darker(tint, 0.16), (0, line, width, line + 2))
    return room


def _disc(tint: Rgb, size: tuple[int, int]) -> Image.Image:
    from PIL import Image, ImageDraw

    width, height = size
    sheet = Image.new("RGB", size, paler(tint, 0.4))
    side = round(width * 0.86)
    mask = Image.new("L", (side * 2, side * 2))
    ImageDraw.Draw(mask).ellipse((0, 0, side * 2 - 1, side * 2 - 1), fill=255)
    disc = _blend(darker(tint, 0.04), darker(tint, 0.14), Image.linear_gradient("L"), (side, side))
    sheet.paste(disc, ((width - side) // 2, (height - side) // 2), mask.reduce(2))
    return sheet


def _boards(tint: Rgb, size: tuple[int, int]) -> Image.Image:
    from PIL import Image, ImageDraw

    width, height = size
    sheet = Image.new("RGB", size, tint)
    draw = ImageDraw.Draw(sheet)
    step = height // 6
    for index, top in enumerate(range(0, height, step)):
        draw.rectangle((0, top, width, top + step), fill=darker(tint, 0.02 + 0.03 * (index * 5 % 3)))
        draw.line((0, top, width, top), fill=darker(tint, 0.28), width=2)
        draw.line((0, top + 2, width, top + 2), fill=paler(tint, 0.4), width=1)
    return sheet
