"""Principal components against numpy's singular value decomposition."""

from __future__ import annotations

import numpy as np
import pytest

from seealike.indexes.reduction import fit_reduction
from seealike.types import Float32Array


def stretched(rows: int, d: int) -> Float32Array:
    rng = np.random.default_rng(3)
    return (rng.standard_normal((rows, d)) * np.linspace(3, 0.1, d) + 5).astype(np.float32)


@pytest.mark.parametrize(("rows", "d"), [(400, 24), (30, 64)])
def test_the_strongest_directions_are_those_of_a_singular_value_decomposition(rows: int, d: int) -> None:
    sample = stretched(rows, d)
    reduced = fit_reduction(sample, 8).apply(sample)
    centred = sample.astype(np.float64) - sample.mean(axis=0)
    _, strengths, directions = np.linalg.svd(centred, full_matrices=False)
    assert np.allclose(np.abs(reduced), np.abs(centred @ directions[:8].T), atol=2e-2)
    assert np.allclose(np.linalg.norm(reduced, axis=0), strengths[:8], rtol=1e-3)


def test_one_vector_and_a_block_are_reduced_alike() -> None:
    sample = stretched(100, 16)
    reduction = fit_reduction(sample, 4)
    one = np.concatenate([reduction.apply_one(row) for row in sample])
    assert np.allclose(one, reduction.apply(sample), atol=1e-5)


def test_all_directions_keep_every_distance_and_missing_ones_are_zero() -> None:
    sample = stretched(40, 10)
    reduced = fit_reduction(sample, 12).apply(sample)
    assert reduced.shape == (40, 12)
    assert not reduced[:, 10:].any()
    distances = np.linalg.norm(reduced[0] - reduced, axis=1)
    assert np.allclose(distances, np.linalg.norm(sample[0] - sample, axis=1), atol=1e-3)


def test_a_sample_without_any_variation_reduces_to_zeros() -> None:
    for rows in (3, 50):
        sample = np.ones((rows, 8), dtype=np.float32)
        assert np.allclose(fit_reduction(sample, 4).apply(sample), 0, atol=1e-5)
