"""Unit norm, the numbers that are kept, and principal components, compared with plain or exact arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tests.kept import as_kept, codes_of

from seealike.types import Float16Array, Float32Array
from seealike.vectors import VectorType, have_directions, principal_directions, unit_rows


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


def halves(shape: tuple[int, int], seed: int = 1) -> Float16Array:
    """Unit vectors with numbers of every size, some with few that count, one of zeros."""
    rows = np.random.default_rng(seed).normal(size=shape) ** 3
    rows[1, 3:] = 0
    rows[2] = 1
    rows[3] = -rows[4]
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    rows[5] = 0
    return rows.astype(np.float16)


def test_whole_numbers_are_127ths_of_the_largest_and_read_as_norm_one() -> None:
    vectors = halves((40, 33))
    kept = VectorType.INT8.kept(vectors)
    assert kept.dtype == np.int8
    assert kept.tolist() == [codes_of(row) for row in vectors]
    found = VectorType.INT8.read(kept.tobytes(), 33)
    np.testing.assert_array_equal(found, as_kept(vectors, "int8"))
    wide = np.delete(found, 5, axis=0).astype(np.float64)
    np.testing.assert_allclose(np.linalg.norm(wide, axis=1), 1, atol=1e-3)
    assert not found[5].any()
    assert VectorType.INT8.bytes_of(33) == len(kept[0].tobytes()) == 33


def test_halves_are_kept_as_they_are() -> None:
    vectors = halves((9, 20))
    kept = VectorType.FLOAT16.kept(vectors.astype(np.float32))
    np.testing.assert_array_equal(VectorType.FLOAT16.read(kept.tobytes(), 20), vectors)
    assert VectorType.FLOAT16.bytes_of(20) == len(kept[0].tobytes()) == 40


@given(
    arrays(np.float32, st.tuples(st.integers(1, 6), st.integers(1, 40)), elements=st.floats(-1, 1, width=32))
)
def test_what_was_read_is_kept_again_as_it_was(rows: Float32Array) -> None:
    d = rows.shape[1]
    kept = VectorType.INT8.kept(unit_rows(rows))
    again = VectorType.INT8.kept(VectorType.INT8.read(kept.tobytes(), d))
    np.testing.assert_array_equal(again, kept)


def test_a_vector_is_read_as_the_same_in_any_company() -> None:
    kept = np.random.default_rng(3).integers(-127, 128, (70, 4096)).astype(np.int8)
    together = VectorType.INT8.read(kept.tobytes(), 4096)
    for row in range(70):
        np.testing.assert_array_equal(VectorType.INT8.read(kept[row].tobytes(), 4096)[0], together[row])


@pytest.mark.parametrize("kept", VectorType)
def test_no_vectors_are_read_of_no_bytes(kept: VectorType) -> None:
    assert kept.read(kept.kept(np.empty((0, 7), np.float16)).tobytes(), 7).shape == (0, 7)
