"""Parts to a picture: antialiased, lit from the upper left, with a soft shadow on its backdrop."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, TypeAlias

from seealike.demo.drawing.backdrop import Backdrop, paint_backdrop
from seealike.demo.drawing.geometry import Affine, Outline, placed
from seealike.demo.drawing.palette import BLACK, WHITE, Colourway
from seealike.demo.drawing.part import Material, Part
from seealike.demo.drawing.pattern import Weave, pattern_mask

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

Box: TypeAlias = tuple[int, int, int, int]
_Placed: TypeAlias = "tuple[Part, Box, Image.Image]"

SIZE = (400, 480)
_FRAME = (0.78, 0.80)  # how much of the picture a product fills
_OVER = 3  # outlines are drawn this many times larger, then reduced
_SOFT = 4  # light and shadow are computed this many times smaller: they have no sharp edges


@dataclass(frozen=True, slots=True)
class Shot:
    """How a product was photographed."""

    backdrop: Backdrop
    standing: bool
    scale: tuple[float, float]
    angle_deg: float
    shear: float
    shift: tuple[float, float]
    cut_out: bool = False


def render(parts: tuple[Part, ...], colours: Colourway, weave: Weave, shot: Shot) -> Image.Image:
    """Draw one picture: RGB, or RGBA where the product is cut out of its backdrop."""
    from PIL import Image, ImageChops

    to_pixels = _camera(parts, shot)
    silhouette = Image.new("L", SIZE)
    masks = []
    for part in parts:
        area, mask = _mask(part, to_pixels)
        if part.inside:
            mask = ImageChops.multiply(mask, silhouette.crop(area))
        elif not part.blur:
            silhouette.paste(255, area, mask)
        masks.append((part, area, mask))
    picture = Image.new("RGB", SIZE, WHITE)
    if not shot.cut_out:
        extent = silhouette.getbbox() or (0, 0, *SIZE)
        picture = paint_backdrop(shot.backdrop, SIZE, stands_at=extent[3] if shot.standing else None)
        _cast_shadow(picture, silhouette, shot)
    _paint(picture, masks, colours, pattern_mask(weave, to_pixels, SIZE))
    _light(picture, silhouette)
    if shot.cut_out:
        picture.putalpha(silhouette)
    return picture


def _camera(parts: tuple[Part, ...], shot: Shot) -> Affine:
    """Fit the product into the picture's middle, then move the camera as the shot says."""
    solid = [point for part in parts if not part.blur for point in part.outline]
    left, top = (min(point[i] for point in solid) for i in (0, 1))
    right, bottom = (max(point[i] for point in solid) for i in (0, 1))
    unit = min(SIZE[0] * _FRAME[0] / (right - left), SIZE[1] * _FRAME[1] / (bottom - top))
    turn = placed(
        scale=(unit * shot.scale[0], unit * shot.scale[1]),
        angle_deg=shot.angle_deg,
        shear=shot.shear,
        shift=(0.0, 0.0),
    )
    ((x, y),) = turn([((left + right) / 2, (top + bottom) / 2)])
    return replace(turn, c=SIZE[0] * (0.5 + shot.shift[0]) - x, f=SIZE[1] * (0.5 + shot.shift[1]) - y)


def _mask(part: Part, to_pixels: Affine) -> tuple[Box, Image.Image]:
    """Draw how much of each pixel a part covers, in the smallest box that holds it."""
    from PIL import Image, ImageDraw, ImageFilter

    points = to_pixels(part.outline)
    zoom = to_pixels.magnification
    blur = part.blur * zoom
    margin = 2 + part.width * zoom / 2 + blur * 3
    left, top = (max(0, int(min(p[i] for p in points) - margin)) for i in (0, 1))
    right, bottom = (min(SIZE[i], int(max(p[i] for p in points) + margin) + 1) for i in (0, 1))
    area = (left, top, max(left + 1, right), max(top + 1, bottom))
    sheet = Image.new("L", ((area[2] - left) * _OVER, (area[3] - top) * _OVER))
    large = tuple(((x - left) * _OVER, (y - top) * _OVER) for x, y in points)
    draw = ImageDraw.Draw(sheet)
    if part.width:
        _line(draw, large, max(1, round(part.width * zoom * _OVER)))
    else:
        draw.polygon(large, fill=255)
    mask = sheet.reduce(_OVER)
    if blur:
        mask = mask.filter(ImageFilter.GaussianBlur(blur))
    return area, mask


def _line(draw: ImageDraw.ImageDraw, points: Outline, width: int) -> None:
    draw.line(points, fill=255, width=width, joint="curve")
    radius = width / 2
    for x, y in (points[0], points[-1]):
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)


def _cast_shadow(picture: Image.Image, silhouette: Image.Image, shot: Shot) -> None:
    from PIL import Image, ImageDraw, ImageFilter

    small = silhouette.reduce(_SOFT)
    extent = small.getbbox()
    if extent is None:
        return
    shade = Image.new("L", small.size)
    if shot.standing:
        left, _, right, bottom = extent
        reach = (right - left) * 0.08
        draw = ImageDraw.Draw(shade)
        draw.ellipse((left - reach, bottom - 5, right + reach * 2.2, bottom + 3), fill=190)
        draw.ellipse((left + reach, bottom - 3, right - reach, bottom + 1), fill=255)
        shade = shade.filter(ImageFilter.GaussianBlur(2.2))
    else:
        shade.paste(150, (2, 3), small)
        shade = shade.filter(ImageFilter.GaussianBlur(3.2))
    mask = shade.resize(SIZE, Image.Resampling.BICUBIC).point(_ramp(0.0, 0.62))
    picture.paste(shot.backdrop.shadow, (0, 0), mask)


def _paint(
    picture: Image.Image, masks: list[_Placed], colours: Colourway, pattern: Image.Image | None
) -> None:
    from PIL import Image

    for part, area, whole in masks:
        mask = whole if part.opacity >= 1 else whole.point(_ramp(0.0, part.opacity))
        picture.paste(part.material.colour(colours), area, mask)
        if pattern is not None and part.material is Material.CLOTH:
            second = Image.new("RGB", mask.size, colours.second_rgb)
            ground = picture.crop(area)
            picture.paste(Image.composite(second, ground, pattern.crop(area)), area, mask)
        if part.relief:
            _round(picture, area, mask, part.relief * SIZE[0] * 0.46)


def _round(picture: Image.Image, area: Box, mask: Image.Image, relief_px: float) -> None:
    """Shade a piece as if it were padded: light where its surface faces the upper left."""
    from PIL import Image, ImageChops, ImageFilter

    pad = int(relief_px * 1.5) // _SOFT * _SOFT + _SOFT
    width, height = mask.size
    padded = Image.new("L", (width + 2 * pad, height + 2 * pad))
    padded.paste(mask, (pad, pad))
    small = padded.reduce(_SOFT).filter(ImageFilter.GaussianBlur(relief_px / _SOFT))
    step = max(1, round(relief_px / _SOFT / 2))
    slope = ImageChops.subtract(
        ImageChops.offset(small, -step, -step), ImageChops.offset(small, step, step), 2.0, 128
    )
    full = slope.resize(padded.size, Image.Resampling.BICUBIC).crop((pad, pad, pad + width, pad + height))
    picture.paste(BLACK, area, ImageChops.multiply(full.point(_dark()), mask))
    picture.paste(WHITE, area, ImageChops.multiply(full.point(_bright()), mask))


def _light(picture: Image.Image, silhouette: Image.Image) -> None:
    """Let the whole product grow a little darker towards the lower right."""
    from PIL import Image, ImageChops

    extent = silhouette.getbbox()
    if extent is None:
        return
    size = (extent[2] - extent[0], extent[3] - extent[1])
    down = Image.linear_gradient("L")
    ramp = Image.blend(down, down.transpose(Image.Transpose.ROTATE_90), 0.35).resize(size)
    mask = ImageChops.multiply(ramp.point(_ramp(90, 0.20)), silhouette.crop(extent))
    picture.paste(BLACK, extent, mask)


@cache
def _ramp(start: float, gain: float) -> list[int]:
    return [min(255, max(0, round((level - start) * gain))) for level in range(256)]


@cache
def _dark() -> list[int]:
    return [min(120, max(0, round((128 - level) * 1.15))) for level in range(256)]


@cache
def _bright() -> list[int]:
    return [min(110, max(0, round((level - 128) * 0.95))) for level in range(256)]
