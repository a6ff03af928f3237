"""Pictures as training sees them: another part, another light, mirrored, with something missing.

Works on whole batches, on the device where they are. All draws come from one generator.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How far a picture is changed.

    Args:
        least_area: the smallest part of the picture's area that is cut out.
        stretch: the most that a part's sides are stretched against each other.
        flip: how often it is mirrored.
        light: how far brightness, contrast and saturation go, as a share of 1.
        erase: how often a rectangle is replaced by noise (Zhong et al. 2020).
        erase_area: the largest of them, as a share of the area.
    """

    least_area: float = 0.4
    stretch: float = 4 / 3
    flip: float = 0.5
    light: float = 0.3
    erase: float = 0.25
    erase_area: float = 0.2


def augmented(
    pictures: torch.Tensor, side_px: int, how: Augmentation, generator: torch.Generator
) -> torch.Tensor:
    """Cut, mirror, light and erase. What is cut out is resized to ``side_px``, bilinear.

    Shapes: pictures is (n, 3, h, w) on the scale 0..255; the result is (n, 3, side_px, side_px).
    """
    from torch.nn import functional

    frames = _frames(len(pictures), how, generator).to(pictures.device)
    grid = functional.affine_grid(frames, [len(pictures), 3, side_px, side_px], align_corners=False)
    cut = functional.grid_sample(pictures, grid, padding_mode="reflection", align_corners=False)
    return _erased(_lit(cut, how, generator), how, generator)


def _frames(n: int, how: Augmentation, generator: torch.Generator) -> torch.Tensor:
    """Random parts of the square [-1, 1] x [-1, 1], as affine maps (n, 2, 3)."""
    import torch

    area, ratio, x, y, mirror = torch.rand(5, n, generator=generator)
    area = how.least_area + (1 - how.least_area) * area
    stretch = torch.exp((2 * ratio - 1) * math.log(how.stretch) / 2)
    width = (area.sqrt() * stretch).clamp(max=1.0)
    height = (area.sqrt() / stretch).clamp(max=1.0)
    frames = torch.zeros(n, 2, 3)
    frames[:, 0, 0] = width * torch.where(mirror < how.flip, -1.0, 1.0)
    frames[:, 1, 1] = height
    frames[:, 0, 2] = (2 * x - 1) * (1 - width)
    frames[:, 1, 2] = (2 * y - 1) * (1 - height)
    return frames


def _lit(pictures: torch.Tensor, how: Augmentation, generator: torch.Generator) -> torch.Tensor:
    import torch

    factors = 1 + how.light * (2 * torch.rand(3, len(pictures), 1, 1, 1, generator=generator) - 1)
    bright, contrast, saturation = factors.to(pictures.device)
    lit = pictures * bright
    mean = lit.mean((1, 2, 3), keepdim=True)
    lit = mean + (lit - mean) * contrast
    weights = torch.tensor([0.299, 0.587, 0.114], device=lit.device).view(1, 3, 1, 1)
    grey = (lit * weights).sum(1, keepdim=True)
    return (grey + (lit - grey) * saturation).clamp(0, 255)


def _erased(pictures: torch.Tensor, how: Augmentation, generator: torch.Generator) -> torch.Tensor:
    import torch

    n, _, height, width = pictures.shape
    often, area, ratio, x, y = torch.rand(5, n, generator=generator)
    size = (how.erase_area * area).sqrt()
    stretch = torch.exp((2 * ratio - 1) * math.log(2.0) / 2)
    across, down = (size * stretch).clamp(max=1.0), (size / stretch).clamp(max=1.0)
    left, top = x * (1 - across), y * (1 - down)
    columns = (torch.arange(width) + 0.5) / width
    rows = (torch.arange(height) + 0.5) / height
    inside_x = (columns >= left[:, None]) & (columns < (left + across)[:, None])
    inside_y = (rows >= top[:, None]) & (rows < (top + down)[:, None])
    hole = inside_y[:, :, None] & inside_x[:, None, :] & (often < how.erase)[:, None, None]
    noise = 255 * torch.rand(n, 3, 1, 1, generator=generator).to(pictures.device)
    return torch.where(hole[:, None].to(pictures.device), noise, pictures)
