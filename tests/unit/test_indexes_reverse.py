"""Who is close to new vectors, against every product computed one by one."""

from __future__ import annotations

import numpy as np
import pytest
from tests.seeds import SEED

from seealike.indexes import ReverseSearch, exact_scores, pair_scores, reverse
from seealike.types import Float16Array


def clustered(rng: np.random.Generator, rows: int, d: int) -> Float16Array:
    """Vectors around a few centres, all of them leaning to one side."""
    centres = rng.standard_normal((6, d)) + 1.0
    return (centres[rng.integers(0, 6, rows)] + 0.4 * rng.standard_normal((rows, d))).astype(np.float16)


@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize("few", [False, True])
def test_every_pair_above_a_bound_is_found_and_hardly_any_other(
    monkeypatch: pytest.MonkeyPatch, narrow: bool, few: bool
) -> None:
    monkeypatch.setattr(reverse, "DIRECTIONS", 8)
    monkeypatch.setattr(reverse, "WORTH_IT", 0 if narrow else 1 << 60)
    monkeypatch.setattr(reverse, "_PRODUCTS_AT_ONCE", 1000)
    rng = np.random.default_rng(SEED)
    vectors, new = clustered(rng, 300, 32), clustered(rng, 5 if few else 40, 32)
    vectors[7] = new[3] = 0
    scores = exact_scores(vectors.astype(np.float32), new)
    least = rng.uniform(0.6, 0.97, 300).astype(np.float32)
    least[11], least[12] = -np.inf, 2.0
    rows, columns = ReverseSearch(new, 300).pairs(vectors, least)
    found = set(zip(rows.tolist(), columns.tolist(), strict=True))
    assert len(found) == len(rows)
    assert found >= set(map(tuple, np.argwhere(scores >= least[:, None]).tolist()))
    assert all(scores[pair] >= least[pair[0]] - 1e-4 for pair in found)


def test_nothing_is_close_to_nothing() -> None:
    vectors = np.ones((3, 4), dtype=np.float16)
    rows, columns = ReverseSearch(vectors, 0).pairs(vectors[:0], np.empty(0, dtype=np.float32))
    assert len(rows) == len(columns) == 0


def test_a_pair_has_the_same_score_alone_and_among_many() -> None:
    rng = np.random.default_rng(SEED)
    one, other = clustered(rng, 700, 48), clustered(rng, 700, 48)
    one[3] = 0
    expected = [
        exact_scores(a[None].astype(np.float32), b[None])[0, 0] for a, b in zip(one, other, strict=True)
    ]
    assert np.array_equal(pair_scores(one, other), np.array(expected, dtype=np.float32))
    assert np.array_equal(pair_scores(other, one), np.array(expected, dtype=np.float32))
