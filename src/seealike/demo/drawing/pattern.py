"""Patterns: where on a product its second colour shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from seealike.demo.drawing.geometry import Affine, Outline, box, ellipse, turned

if TYPE_CHECKING:
    from PIL import Image

_OVER = 2  # patterns are drawn this many times larger, then reduced


class Pattern(StrEnum):
    """How cloth is coloured."""

    PLAIN = "plain"
    STRIPES = "stripes"
    PINSTRIPES = "pinstripes"
    DOTS = "dots"
    CHECKS = "checks"
    FADE = "fade"


@dataclass(frozen=True, slots=True)
class Weave:
    """The pattern of one product. ``pitch`` is the repeat in object space."""

    pattern: Pattern
    pitch: float
    angle_deg: float


def pattern_mask(weave: Weave, to_pixels: Affine, size: tuple[int, int]) -> Image.Image | None:
    """Draw where the second colour shows, as a grey picture of this size; ``None`` for plain cloth."""
    if weave.pattern is Pattern.PLAIN:
        return None
    if weave.pattern is Pattern.FADE:
        return _fade(to_pixels, size)
    if weave.pattern is Pattern.CHECKS:
        from PIL import ImageChops

        one = _polygons(_bands(weave.pitch, 0.5, weave.angle_deg), to_pixels, size, 140)
        other = _polygons(_bands(weave.pitch, 0.5, weave.angle_deg + 90), to_pixels, size, 140)
        return ImageChops.add(one, other)
    shapes: dict[Pattern, Callable[[], list[Outline]]] = {
        Pattern.STRIPES: lambda: _bands(weave.pitch, 0.42, weave.angle_deg),
        Pattern.PINSTRIPES: lambda: _bands(weave.pitch * 0.7, 0.16, weave.angle_deg + 90),
        Pattern.DOTS: lambda: _dots(weave.pitch, weave.angle_deg),
    }
    return _polygons(shapes[weave.pattern](), to_pixels, size, 255)


def _bands(pitch: float, share: float, angle_deg: float) -> list[Outline]:
    count = int(1.5 / pitch) + 1
    return [
        turned(box(-1.6, i * pitch, 1.6, i * pitch + pitch * share), angle_deg) for i in range(-count, count)
    ]


def _dots(pitch: float, angle_deg: float) -> list[Outline]:
    count = int(1.2 / pitch) + 1
    radius = pitch * 0.24
    centres = turned(
        tuple(
            ((column + 0.5 * (row % 2)) * pitch, row * pitch * 0.87)
            for row in range(-count, count + 1)
            for column in range(-count, count + 1)
        ),
        angle_deg,
    )
    return [ellipse(centre, (radius, radius))[::4] for centre in centres]


def _polygons(shapes: list[Outline], to_pixels: Affine, size: tuple[int, int], level: int) -> Image.Image:
    from PIL import Image, ImageDraw

    sheet = Image.new("L", (size[0] * _OVER, size[1] * _OVER))
    draw = ImageDraw.Draw(sheet)
    for shape in shapes:
        draw.polygon([(x * _OVER, y * _OVER) for x, y in to_pixels(shape)], fill=level)
    return sheet.reduce(_OVER)


def _fade(to_pixels: Affine, size: tuple[int, int]) -> Image.Image:
    from PIL import Image

    ((_, top),) = to_pixels([(0.0, -0.7)])
    ((_, bottom),) = to_pixels([(0.0, 0.8)])
    ramp = Image.linear_gradient("L").resize((size[0], max(2, round(bottom - top))))
    sheet = Image.new("L", size)
    sheet.paste(255, (0, round(bottom), size[0], size[1]))
    sheet.paste(ramp, (0, round(top)))
    return sheet
