"""Small pictures for tests: deterministic, each clearly different from the others, several shapes."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
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


def write_kinds(folder: Path, kinds: Sequence[str], count: int) -> None:
    """Write so many different pictures into folders, one a kind, in turns."""
    for number in range(count):
        kind = folder / kinds[number % len(kinds)]
        kind.mkdir(parents=True, exist_ok=True)
        picture(number).save(kind / f"{number:02}.png")


def write_pictures(folder: Path, numbers: range, *, extension: str = "jpg") -> list[Path]:
    """Write pictures as ``<number>.<extension>`` and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number in numbers:
        path = folder / f"{number:03}.{extension}"
        picture(number).save(path)
        paths.append(path)
    return paths


def photograph(number: int, size: tuple[int, int] = (400, 534)) -> Image.Image:
    """Photograph ``number``: soft light, shapes at every scale and grain, as a camera would see them."""
    rng = np.random.default_rng(number)
    pixels = np.full((size[1], size[0], 3), rng.uniform(90, 160, 3))
    for cells in (2, 5, 12, 30, 75, 190):
        for channel in range(3):
            grid = Image.fromarray(rng.normal(0, 60 / cells**0.4, (cells, cells)).astype(np.float32))
            pixels[..., channel] += np.asarray(grid.resize(size, Image.Resampling.BICUBIC))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def write_photographs(folder: Path, count: int) -> list[Path]:
    """Write photographs upright and across, in several sizes and qualities, and return their paths."""
    paths = []
    for number in range(count):
        width, height = 300 + 70 * (number % 5), 534
        path = folder / f"photo{number:02}.jpg"
        size = (width, height) if number % 2 else (height, width)
        photograph(number, size).save(path, quality=60 + 7 * (number % 5))
        paths.append(path)
    return paths
