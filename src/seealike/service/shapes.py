"""The shapes of all items in a few bytes each, from which a page lays out pictures that it has not seen."""

from __future__ import annotations

import gzip
import hashlib
import threading
from typing import NamedTuple

import numpy as np

from seealike.catalog import Catalog, Catalogs

UNIT = 1000  # a square picture; the widest and the highest ones are at the ends of 16 bits


class PackedShapes(NamedTuple):
    """Width by height of every item in id order, in thousandths, as 16 bits each, the lesser first."""

    generation: int
    data: bytes
    gzipped: bytes
    tag: str


class Shapes:
    """Packs them once for every generation. Safe to use from several threads."""

    def __init__(self) -> None:
        """Nothing is packed yet."""
        self._guard = threading.Lock()
        self._newest: PackedShapes | None = None
        self._places: object = None

    def of(self, catalog: Catalog | Catalogs, places: object) -> PackedShapes:
        """Those of the newest generation; ``places``: see ``Service.places``."""
        with self._guard:
            generation, width_px, height_px = catalog.sizes()
            if self._newest is None or (self._newest.generation, self._places) != (generation, places):
                self._places = places
                ratios = np.rint(UNIT * width_px / np.maximum(height_px, 1))
                data = np.clip(ratios, 1, 65535).astype("<u2").tobytes()
                gzipped = gzip.compress(data, compresslevel=1, mtime=0)
                tag = hashlib.sha256(data).hexdigest()[:32]
                self._newest = PackedShapes(generation, data, gzipped, tag)
            return self._newest
