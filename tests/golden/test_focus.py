"""The focused vectors of drawn pictures, of which the maps are those of a network that is written out here.

Where these numbers change, catalogues of before must not be taken for catalogues of now: count up the
revision in the identity of focused encoders, and put the new numbers beside it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from seealike.encoders import focused_maps, identity_of, quiet_of
from seealike.testing import sample_pixels
from seealike.types import Area, Float32Array, PixelArray, Preprocessing

CELL_PX, D = 32, 8
INNER = Preprocessing(resize_px=256, crop_px=224, mean=(127.0, 127.0, 127.0), std=(128.0, 128.0, 128.0))
_THING = (-0.0466, -0.1456, 0.0248, 0.8188, 0.2568, 0.3616, 0.2465, 0.2194)
_FILLED = (0.4070, 0.1160, 0.7043, 0.0152, 0.4390, 0.3613, -0.0345, -0.0060)
# By the pooling of the identity: of a thing in its scene, of one whose ground says something, and of what
# fills its picture.
GOLDEN = {
    "avg-focus2": (_THING, (0.0146, -0.0593, 0.0188, 0.7379, 0.3697, 0.4793, 0.2173, 0.1944), _FILLED),
    "avg-focus2-quiet0.07": (
        _THING,
        (-0.1001, -0.0665, -0.0331, 0.9020, 0.2434, 0.2340, 0.2031, 0.1250),
        _FILLED,
    ),
}


def scene(says: float = 0.0) -> PixelArray:
    """A patterned thing, off the middle of a grey square, on which there is so much of another pattern."""
    square: PixelArray = np.clip(140 + says * (sample_pixels(4, 448)[3] - 128.0), 0, 255).astype(np.uint8)
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


def seen(quiet: float) -> list[tuple[tuple[float, ...], Area | None]]:
    found = focused_maps(np.stack([scene(), scene(0.18), filled()]), INNER, network, quiet)
    vectors = [maps.mean(axis=(0, 1)) for maps, _ in found]
    return [
        (tuple(map(float, vector / np.linalg.norm(vector))), area)
        for vector, (_, area) in zip(vectors, found, strict=True)
    ]


@pytest.mark.parametrize(("encoder", "cuts_out"), [("efficientnet-lite0", 1), ("efficientnet-lite0-v2", 2)])
def test_focused_vectors_are_those_of_their_identity(encoder: str, cuts_out: int, tmp_path: Path) -> None:
    identity = identity_of(f"{encoder}?focus=1", cache_dir=str(tmp_path))
    found = seen(quiet_of(identity))
    assert [area is not None for _, area in found] == [place < cuts_out for place in range(3)]
    for (vector, _), expected in zip(found, GOLDEN[identity.pooling], strict=True):
        assert vector == pytest.approx(expected, abs=1e-3)
