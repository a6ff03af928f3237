"""The focused vectors of drawn pictures, of which the maps are those of a network that is written out here.

Where these numbers change, catalogues of before must not be taken for catalogues of now: count up the
revision in the identity of focused encoders, and put the new numbers beside it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from seealike.encoders import focused_maps, identity_of
from seealike.testing import sample_pixels
from seealike.types import Area, Float32Array, PixelArray, Preprocessing

CELL_PX, D = 32, 8
INNER = Preprocessing(resize_px=256, crop_px=224, mean=(127.0, 127.0, 127.0), std=(128.0, 128.0, 128.0))
# By the pooling of the identity: of a thing in its scene, and of what fills its picture.
GOLDEN = {
    "avg-focus2": (
        (-0.0466, -0.1456, 0.0248, 0.8188, 0.2568, 0.3616, 0.2465, 0.2194),
        (0.4070, 0.1160, 0.7043, 0.0152, 0.4390, 0.3613, -0.0345, -0.0060),
    )
}


def scene() -> PixelArray:
    """A patterned thing, off the middle of a grey square."""
    square = np.full((448, 448, 3), 140, np.uint8)
    square[70:190, 250:390] = sample_pixels(2, 140)[1][:120]
    return square


def filled() -> PixelArray:
    """A picture on its side in a padded square, all of which says something."""
    square = np.full((448, 448, 3), 127, np.uint8)
    square[60:380] = sample_pixels(3, 448)[2][60:380]
    return square


def network(squares: PixelArray) -> Float32Array:
    """Maps of cells: the mean and the deviation of each colour there, mixed, and nothing below 0."""
    n, side = len(squares), squares.shape[1] // CELL_PX
    cells = (squares.astype(np.float64) / 128 - 1).reshape(n, side, CELL_PX, side, CELL_PX, 3)
    features = np.concatenate([cells.mean(axis=(2, 4)), 3 * cells.std(axis=(2, 4))], axis=-1)
    mixed = features @ np.cos(np.arange(6 * D).reshape(6, D) ** 2)
    return np.asarray(np.maximum(mixed, 0), dtype=np.float32)


def seen() -> list[tuple[tuple[float, ...], Area | None]]:
    found = focused_maps(np.stack([scene(), filled()]), INNER, network)
    vectors = [maps.mean(axis=(0, 1)) for maps, _ in found]
    return [
        (tuple(map(float, vector / np.linalg.norm(vector))), area)
        for vector, (_, area) in zip(vectors, found, strict=True)
    ]


def test_focused_vectors_are_those_of_their_identity(tmp_path: Path) -> None:
    identity = identity_of("efficientnet-lite0?focus=1", cache_dir=str(tmp_path))
    (cut_out, thing), (whole, none) = seen()
    assert thing is not None
    assert none is None
    for found, expected in zip((cut_out, whole), GOLDEN[identity.pooling], strict=True):
        assert found == pytest.approx(expected, abs=1e-3)
