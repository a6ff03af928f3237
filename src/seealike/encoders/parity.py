"""How far a copy of a network may be from the network: in float32, and in what the CPU is quickest with."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from seealike.types import Float32Array

    Float64Array: TypeAlias = "npt.NDArray[np.float64]"

LEAST_COSINE = 0.999  # in float32: less is another network
# In bfloat16: the bundled one is above 0.9958 for 99 of 100 photos, which costs nothing (docs/benchmarks.md).
LEAST_COSINE_FASTEST = 0.99


def cosines(a: Float32Array, b: Float32Array) -> Float64Array:
    """The cosine of every row of ``a`` (n, d) with the same row of ``b``; nan where one has no direction."""
    if a.shape != b.shape:
        return np.array([np.nan])
    wide, other = a.astype(np.float64), b.astype(np.float64)
    norms = np.linalg.norm(wide, axis=1) * np.linalg.norm(other, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Float64Array = np.einsum("nd,nd->n", wide, other) / norms
    return found
