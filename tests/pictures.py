"""Small pictures for tests: deterministic, each clearly different from the others, several shapes."""

from __future__ import annotations

import colorsys
from pathlib import Path

from PIL import Image, ImageDraw


def picture(number: int, size: tuple[int, int] = (96, 72)) -> Image.Image:
    """Picture ``number``: a background, a shape and stripes that depend on the number."""
    hue = (number * 0.6180339887) % 1.0
    back = tuple(round(255 * part) for part in colorsys.hsv_to_rgb(hue, 0.5, 0.9))
    front = tuple(round(255 * part) for part in colorsys.hsv_to_rgb((hue + 0.4) % 1, 0.9, 0.6))
    image = Image.new("RGB", size, back)
    draw = ImageDraw.Draw(image)
    width, height = size
    margin = 6 + number % 12
    box = (margin, margin, width - margin, height - margin)
    if number % 3 == 0:
        draw.ellipse(box, fill=front)
    elif number % 3 == 1:
        draw.rectangle(box, fill=front)
    else:
        draw.polygon(
            [(width // 2, margin), (width - margin, height - margin), (margin, height - margin)], front
        )
    for x in range(0, width, 5 + number % 7):
        draw.line((x, 0, x, height // (2 + number % 3)), fill=(number * 37 % 256, 40, 90))
    return image


def write_pictures(folder: Path, numbers: range, *, extension: str = "jpg") -> list[Path]:
    """Write pictures as ``<number>.<extension>`` and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number in numbers:
        path = folder / f"{number:03}.{extension}"
        picture(number).save(path)
        paths.append(path)
    return paths
