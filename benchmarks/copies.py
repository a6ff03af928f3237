"""What a copy of a picture scores with its original, and how close different pictures come.

Copies are made of photos, and of the pictures that ``seealike demo`` draws. Scores are those of a search with
the bundled encoder: cosines of stored vectors.
"""

from __future__ import annotations

import io
import random
import shutil
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance

import seealike
from benchmarks.report import Row
from seealike.catalog import DEFAULT_ENCODER, is_catalog
from seealike.demo import run_demo
from seealike.evaluation.measure.disturbances import Disturbance, disturbances
from seealike.types import Float32Array

TITLE = "Scores of copies, and of different pictures"
SAMPLE = 100
LINE = 0.95


def _middle(picture: Image.Image, share: float) -> Image.Image:
    left, top = (round(side * (1 - share) / 2) for side in picture.size)
    return picture.crop((left, top, picture.width - left, picture.height - top))


def _on_white(picture: Image.Image) -> Image.Image:
    kept = _middle(picture, 0.6)
    white = Image.new("RGB", picture.size, "white")
    white.paste(kept, ((picture.width - kept.width) // 2, (picture.height - kept.height) // 2))
    return white


KINDS = (
    Disturbance("jpeg60", "saved as JPEG of quality 60", lambda picture: picture, 60),
    Disturbance("crop95", "the middle 95 % of each side", partial(_middle, share=0.95)),
    Disturbance("crop90", "the middle 90 % of each side", partial(_middle, share=0.9)),
    Disturbance("dark", "half as bright", lambda picture: ImageEnhance.Brightness(picture).enhance(0.5)),
    Disturbance("white", "the middle 60 % of each side, on white", _on_white),
    *(kind for kind in disturbances() if kind.name in {"jpeg30", "small", "mirrored", "grey", "crop80"}),
)


def rows(data: Path, work: Path, encoder: str = DEFAULT_ENCODER) -> list[Row]:
    shop = work / "copies-shop"
    run_demo(str(shop), open_catalog=partial(opened, encoder=encoder))
    with seealike.open(shop / ".seealike") as drawn:
        # The supplier's pictures, which have no group, are copies.
        products = [item for item in drawn.items() if item.group]
        ids, vectors = drawn.vectors()
    photos = data / "clothing" / "images"
    names, taken = _indexed(photos, work / "copies.catalog", encoder)
    kept = [ids.index(item.id) for item in products]
    paths, groups = [Path(item.path or "") for item in products], [item.group or "" for item in products]
    return [
        *_rows("photos of clothes", [photos / name for name in names], taken, names, work, encoder),
        *_rows("drawn products", paths, vectors[kept], groups, work, encoder),
    ]


def opened(place: str, encoder: str) -> seealike.Catalog:
    """The catalogue of a shop, made with an encoder."""
    return seealike.open(place) if is_catalog(place) else seealike.create(place, encoder=encoder)


def _rows(
    name: str, paths: list[Path], vectors: Float32Array, groups: list[str], work: Path, encoder: str
) -> list[Row]:
    """``groups``: the product that each picture shows."""
    scores = vectors @ vectors.T
    scores[np.array(groups)[:, None] == np.array(groups)] = -1
    nearest = scores.max(axis=1)
    note = f"of {len(paths):,} pictures; above {LINE}: {int((nearest > LINE).sum())}"
    found = [Row(f"{name}: the most similar picture of another", _told(nearest, (50, 99, 100)), "", note)]
    chosen = random.Random(1).sample(range(len(paths)), min(SAMPLE, len(paths)))
    for kind in KINDS:
        copies = work / "copies"
        shutil.rmtree(copies, ignore_errors=True)
        copies.mkdir()
        for row in chosen:
            (copies / f"{row:06}.jpg").write_bytes(kind.copy_of(_jpeg(paths[row])))
        names, made = _indexed(copies, work / "copies.catalog", encoder)
        own = np.einsum("nd,nd->n", made, vectors[[int(Path(item_id).stem) for item_id in names]])
        text = f"above {LINE}: {(own > LINE).mean():.0%}"
        found.append(Row(f"{name}: {kind.description}", _told(own, (50, 5, 0)), "", text))
    return found


def _told(scores: Float32Array, shares: tuple[int, int, int]) -> str:
    """The median, then the percentile, then the extreme."""
    return ", ".join(f"{value:.3f}" for value in np.percentile(scores, shares))


def _indexed(source: Path, target: Path, encoder: str) -> tuple[list[str], Float32Array]:
    shutil.rmtree(target, ignore_errors=True)
    with seealike.create(target, encoder=encoder) as catalog:
        catalog.index(source)
        return catalog.vectors()


def _jpeg(path: Path) -> bytes:
    made = io.BytesIO()
    with Image.open(path) as picture:
        picture.convert("RGB").save(made, "JPEG", quality=95, subsampling=0)
    return made.getvalue()
