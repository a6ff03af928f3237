"""Unit norm and principal components, compared with numpy in double precision."""

from __future__ import annotations

import numpy as np
import pytest

from seealike.vectors import have_directions, principal_directions, unit_rows


def test_rows_get_norm_one_and_rows_of_zeros_stay() -> None:
    vectors = np.random.default_rng(0).normal(size=(9, 640)).astype(np.float16)
    vectors[4] = 0
    wide = vectors.astype(np.float64)
    norms = np.linalg.norm(wide, axis=1, keepdims=True)
    np.testing.assert_allclose(unit_rows(vectors), wide / np.maximum(norms, 1e-9), atol=1e-7)
    assert unit_rows(vectors).dtype == np.float32


@pytest.mark.parametrize(("number", "has"), [(1.0, True), (0.0, False), (np.nan, False), (np.inf, False)])
def test_a_vector_of_zeros_or_of_no_numbers_has_no_direction(number: float, has: bool) -> None:
    vectors = np.ones((3, 5), np.float32)
    vectors[1] = number
    assert have_directions(vectors) == has


@pytest.mark.parametrize("n", [12, 400])
def test_the_directions_are_those_of_the_singular_value_decomposition(n: int) -> None:
    vectors = (np.random.default_rng(n).normal(size=(n, 30)) * 0.8 ** np.arange(30)).astype(np.float32)
    mean, directions = principal_directions(vectors, 8)
    wide = vectors.astype(np.float64)
    wanted = np.linalg.svd(wide - wide.mean(axis=0))[2][:8]
    np.testing.assert_allclose(mean, wide.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(np.abs((directions * wanted).sum(axis=1)), 1, atol=1e-4)
    assert (np.take_along_axis(directions, np.abs(directions).argmax(axis=1)[:, None], axis=1) > 0).all()


def test_vectors_that_vary_in_fewer_directions_get_zeros_for_the_rest() -> None:
    vectors = np.zeros((5, 40), np.float32)
    vectors[:, 3] = np.arange(5)
    _, directions = principal_directions(vectors, 4)
    np.testing.assert_allclose(directions, [np.eye(40)[3], *np.zeros((3, 40))], atol=1e-6)


def test_every_half_has_the_direction_that_single_precision_gives_it() -> None:
    halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    halves = halves[np.isfinite(halves)]
    pairs = np.stack([halves, np.ones_like(halves)], axis=1)
    wide = pairs.astype(np.float32)
    np.testing.assert_array_equal(unit_rows(pairs), wide / np.linalg.norm(wide, axis=1, keepdims=True))
