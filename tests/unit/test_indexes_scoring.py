"""The one scoring function: values against float64 by hand, and independence of everything around a pair."""

from __future__ import annotations

import math

import numpy as np
import pytest

from seealike import vectors as arithmetic
from seealike.indexes import exact_scores
from seealike.types import Float16Array, Float32Array
from seealike.vectors import unit_rows


def unit(rows: int, d: int, seed: int) -> Float32Array:
    vectors = np.random.default_rng(seed).standard_normal((rows, d))
    rows_of_one: Float32Array = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return rows_of_one


def cosine(a: Float32Array, b: Float16Array) -> float:
    """Summed exactly, by Python."""
    dot = math.fsum(float(x) * float(y) for x, y in zip(a, b, strict=True))
    return dot / math.sqrt(math.fsum(float(y) ** 2 for y in b))


@pytest.mark.parametrize("d", [1, 3, 17, 1280])
def test_scores_are_cosines_to_six_decimals(d: int) -> None:
    queries, vectors = unit(3, d, 1), unit(11, d, 2).astype(np.float16)
    scores = exact_scores(queries, vectors)
    assert scores.dtype == np.float32
    for q in range(3):
        for m in range(11):
            assert scores[q, m] == pytest.approx(cosine(queries[q], vectors[m]), abs=6e-7)


def test_a_pair_has_the_same_score_wherever_it_stands() -> None:
    queries, vectors = unit(9, 1280, 3), unit(700, 1280, 4).astype(np.float16)
    together = exact_scores(queries, vectors)
    for m in (0, 1, 408, 409, 410, 698, 699):
        assert np.array_equal(exact_scores(queries, vectors[m : m + 1])[:, 0], together[:, m])
    for q in range(9):
        assert np.array_equal(exact_scores(queries[q : q + 1], vectors)[0], together[q])
    backwards = exact_scores(queries, vectors[::-1])
    assert np.array_equal(backwards[:, ::-1], together)


def test_equal_vectors_tie_exactly() -> None:
    vectors = np.repeat(unit(1, 1277, 5).astype(np.float16), 1001, axis=0)
    assert len(np.unique(exact_scores(unit(1, 1277, 6), vectors))) == 1


def test_the_length_of_a_stored_vector_does_not_matter() -> None:
    query, vector = unit(1, 64, 7), unit(1, 64, 8).astype(np.float16)
    assert exact_scores(query, vector) == exact_scores(query, vector * np.float16(2))
    assert exact_scores(query, query.astype(np.float16))[0, 0] == pytest.approx(1.0, abs=1e-6)


def test_tiny_values_count_and_zeros_score_zero() -> None:
    smallest = np.full((1, 4), 2.0**-24, dtype=np.float16)  # subnormal in half precision
    assert exact_scores(np.full((1, 4), 0.5, dtype=np.float32), smallest)[0, 0] == 1.0
    assert exact_scores(unit(1, 4, 9), np.zeros((2, 4), dtype=np.float16)).tolist() == [[0.0, 0.0]]


def test_nothing_to_compare_gives_empty_arrays() -> None:
    assert exact_scores(unit(2, 5, 1), np.empty((0, 5), dtype=np.float16)).shape == (2, 0)
    assert exact_scores(np.empty((0, 5), dtype=np.float32), unit(2, 5, 1).astype(np.float16)).shape == (0, 2)


def test_unit_rows_have_norm_one_and_zeros_stay_zeros() -> None:
    vectors = (unit(50, 33, 1) * 3).astype(np.float16)
    vectors[7] = 0
    norms = np.linalg.norm(unit_rows(vectors).astype(np.float64), axis=1)
    assert norms[7] == 0
    assert np.allclose(np.delete(norms, 7), 1, atol=1e-6)


@pytest.mark.parametrize("subnormal_is_zero", [False, True])
def test_every_finite_half_is_widened_exactly(
    subnormal_is_zero: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if subnormal_is_zero:  # as a library may set the processor for its own sake
        monkeypatch.setattr(arithmetic, "_DOUBLE", arithmetic._DOUBLE._replace(smallest=0.0))
    halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    finite = halves[np.isfinite(halves)].reshape(-1, 62)
    wide = arithmetic.doubles(finite)
    assert [float(half).hex() for half in finite.ravel()] == [value.hex() for value in wide.ravel().tolist()]
