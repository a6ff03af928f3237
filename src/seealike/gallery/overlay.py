"""What is drawn over a picture: the part that was asked with, and what each place adds to a score."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np

from seealike.types import Area, Heat

_SIDE_PX = 8  # of a place; the browser does the rest
_DARK, _WARM = (9, 12, 34), (255, 196, 60)
_DARKEST, _WARMEST = 190, 70  # of 255


def overlay(heat: Heat | None, seen: Area | None, regions: Sequence[Area] = ()) -> str:
    """What lies over a picture, as an SVG that is as large: places that add little are darkened.

    Args:
        heat: what each place adds.
        seen: the part that was looked at; the rest is veiled.
        regions: framed.
    """
    drawn = []
    if seen is not None:
        drawn += [_around(seen, "veil"), f'<path class="seen" d="{_outline(seen)}"/>']
    if heat is not None:
        x, y, width, height = (f"{100 * part:.2f}" for part in heat.area)
        data = base64.b64encode(_painted(heat)).decode("ascii")
        drawn.append(
            f'{_around(heat.area, "dark")}<image x="{x}" y="{y}" width="{width}" height="{height}" '
            f'preserveAspectRatio="none" href="data:image/png;base64,{data}"/>'
        )
    for region in regions:
        x, y, width, height = (f"{100 * part:.2f}" for part in region)
        drawn.append(f'<rect class="region" x="{x}" y="{y}" width="{width}" height="{height}" rx="2"/>')
    if not drawn:
        return ""
    return (
        '<svg class="overlay" viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true">'
        f"{''.join(drawn)}</svg>"
    )


def _outline(area: Area) -> str:
    left, top, width, height = (f"{100 * part:.2f}" for part in area)
    return f"M{left} {top}h{width}v{height}h-{width}z"


def _around(area: Area, kind: str) -> str:
    """All but an area, which may reach beyond the picture."""
    left, top, width, height = area
    right, bottom = min(1.0, left + width), min(1.0, top + height)
    inside = (max(0.0, left), max(0.0, top), right - max(0.0, left), bottom - max(0.0, top))
    return f'<path class="{kind}" fill-rule="evenodd" d="M0 0h100v100h-100z{_outline(inside)}"/>'


def _painted(heat: Heat) -> bytes:
    """A PNG of a grid: dark where a place adds nothing, clear and then warm where it adds much."""
    from PIL import Image

    grid = np.clip(np.array(heat.shares, dtype=np.float32), 0.0, None)
    grid /= max(float(grid.max()), 1e-9)
    rows, columns = grid.shape
    size = (columns * _SIDE_PX, rows * _SIDE_PX)
    smooth = np.asarray(Image.fromarray(grid).resize(size, Image.Resampling.BICUBIC)).clip(0.0, 1.0)
    low, high = np.clip(1.0 - 2.0 * smooth, 0.0, 1.0), np.clip(2.0 * smooth - 1.0, 0.0, 1.0)
    painted = np.where((smooth < 0.5)[..., None], _DARK, _WARM)
    alpha = _DARKEST * low + _WARMEST * high
    file = io.BytesIO()
    Image.fromarray(np.dstack([painted, alpha]).astype(np.uint8)).save(file, "PNG", optimize=True)
    return file.getvalue()
