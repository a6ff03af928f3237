"""Catalogues for the page to show: the sample shop, one of very many items, small and empty ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from tests.made_models import save_model

import seealike
from seealike.demo import DrawnCatalogue, draw_catalogue
from seealike.store import NewItem, StoreWriter
from seealike.store.records import BY_HAND

MANY = 100_000
_ROWS_AT_ONCE = 5_000


def draw_shop(folder: Path) -> DrawnCatalogue:
    """The sample shop with its near-duplicates and spoilt files, indexed."""
    drawn = draw_catalogue(str(folder))
    with seealike.create(folder / ".seealike") as catalog:
        catalog.index(drawn.table)
    return drawn


def write_many(folder: Path, count: int = MANY, name: Callable[[int], str] = "{:06}".format) -> Path:
    """A catalogue of so many items of all shapes, without pictures; item 123 is usually ``000123``."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "many.catalog"
    seealike.create(path, encoder=f"onnx:{save_model(folder / 'model.onnx')}").close()
    rng = np.random.default_rng(1)
    writer = StoreWriter(str(path / "catalog.sqlite"))
    for start in range(0, count, _ROWS_AT_ONCE):
        vectors = rng.standard_normal((min(_ROWS_AT_ONCE, count - start), 12))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        writer.add(
            [
                _item(start + row, name(start + row), vector.astype(np.float16).tobytes())
                for row, vector in enumerate(vectors)
            ]
        )
    writer.close()
    return path


def _item(number: int, item_id: str, vector: bytes) -> NewItem:
    return NewItem(
        id=item_id,
        path=None,
        size_bytes=None,
        mtime_ns=None,
        sha256=None,
        group=None,
        metadata_json=json.dumps({"shelf": number % 7}),
        width_px=300 + number * 37 % 500,
        height_px=400,
        source=BY_HAND,
        vector=vector,
    )
