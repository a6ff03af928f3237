"""Small pictures for a page with many: each a WebP of its own, all together within a budget."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from seealike.errors import PictureError
from seealike.gallery.thumbnails import BASE64, fitting_side
from seealike.maps.value import Map
from seealike.types import Progress, ProgressCallback

if TYPE_CHECKING:
    from seealike.catalog import Catalog
    from seealike.types import Int64Array

SIDES_PX = (128, 96, 72, 56, 48, 40, 32)
BUDGET_BYTES = 40_000_000
_QUALITY = 62
_FINEST_LEVEL = 12  # 4,096 x 4,096 cells


@dataclass(frozen=True, slots=True)
class TilesOptions:
    """How many small pictures a page may hold.

    Args:
        budget_bytes: what they may take on the page, text encoding included.
        sides_px: their longer sides, the best first; the first that fits is taken. Where none fits, as many
            pictures as fit are taken at the last, spread over the map.
    """

    budget_bytes: int = BUDGET_BYTES
    sides_px: tuple[int, ...] = SIDES_PX


@dataclass(frozen=True, slots=True)
class Tiles:
    """Small pictures by the row of their item. ``unreadable`` counts items whose file could not be used."""

    side_px: int = 0
    pictures: Mapping[int, bytes] = field(default_factory=dict)
    unreadable: int = 0


def make_tiles(
    catalog: Catalog,
    made: Map,
    options: TilesOptions = TilesOptions(),
    *,
    progress: ProgressCallback | None = None,
) -> Tiles:
    """Make small pictures of a map's items; a picture that cannot be read is left out and counted."""
    report = progress or (lambda _: None)
    order = [int(row) for row in spread_order(made, made.options.seed) if made.paths[row] is not None]
    budget = int(options.budget_bytes / BASE64)

    def size(row: int, side_px: int) -> int | None:
        tile = _tile(catalog, made.paths[row], side_px)
        return None if tile is None else len(tile)

    side, fits = fitting_side(order, size, options.sides_px, budget)
    pictures: dict[int, bytes] = {}
    unreadable = taken = 0
    for done, row in enumerate(order[:fits]):
        report(Progress("pictures", done, fits))
        tile = _tile(catalog, made.paths[row], side)
        if tile is None:
            unreadable += 1
        elif taken + len(tile) > budget:
            break
        else:
            pictures[row] = tile
            taken += len(tile)
    report(Progress("pictures", fits, fits))
    return Tiles(side, pictures, unreadable)


def spread_order(made: Map, seed: int) -> Int64Array:
    """Rows in an order whose every beginning is spread over the map: sparse parts are not forgotten.

    Cells of a grid give one item each at random, then those of a grid twice as fine, and so on. (n,)
    """
    n = len(made)
    shuffled = np.random.default_rng(seed).permutation(n)
    if n < 2:
        return shuffled
    low = made.positions.min(axis=0)
    span = float((made.positions.max(axis=0) - low).max()) or 1.0
    unit = (made.positions - low) / (span * 1.0001)
    chosen, waiting = [shuffled[:0]], shuffled
    for level in range(2, _FINEST_LEVEL + 1):
        cells = (unit[waiting] * 2**level).astype(np.int64)
        first = np.unique(cells[:, 0] << level | cells[:, 1], return_index=True)[1]
        first.sort()
        chosen.append(waiting[first])
        waiting = np.delete(waiting, first)
    return np.concatenate([*chosen, waiting])


def _tile(catalog: Catalog, path: str | None, side: int) -> bytes | None:
    """One small picture, or nothing where the file cannot be used."""
    from PIL import Image

    if path is None:
        return None
    try:
        small = catalog.thumbnail(path, side)
    except PictureError:
        return None
    out = io.BytesIO()
    with Image.open(io.BytesIO(small), formats=["JPEG"]) as picture:
        picture.save(out, "WEBP", quality=_QUALITY, method=4)
    return out.getvalue()
