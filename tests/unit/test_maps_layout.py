"""Look-alikes lie side by side, whatever the number of items, and the same seed gives the same map."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from seealike.errors import MissingExtraError
from seealike.maps import MapMethod, MapOptions
from seealike.maps.clusters import cluster, default_count
from seealike.maps.layout import lay_out
from seealike.maps.reduction import neighbours, reduced
from seealike.types import Float32Array, Metric, Progress, unwatched

TSNE = MapOptions()


def unit(vectors: np.ndarray) -> Float32Array:
    rows: Float32Array = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return rows


def blobs(count: int, each: int, d: int = 64, spread: float = 0.25, seed: int = 0) -> Float32Array:
    """``count`` groups of ``each`` unit vectors around random directions, one group after the other."""
    rng = np.random.default_rng(seed)
    middles = np.repeat(unit(rng.standard_normal((count, d))), each, axis=0)
    return unit(middles + spread * unit(rng.standard_normal((count * each, d))))


def curve(n: int, seed: int = 0) -> Float32Array:
    """Vectors along a closed curve in many dimensions: every item has neighbours of its own."""
    angle = np.random.default_rng(seed).uniform(0, 2 * np.pi, n)[:, None]
    waves = np.arange(1, 9)[None] * angle
    return unit(np.hstack([np.cos(waves), np.sin(waves)]) / np.tile(np.arange(1, 9), 2))


def nearest(points: np.ndarray, k: int) -> np.ndarray:
    """The ``k`` nearest other rows of each, by comparing all with all."""
    wide = points.astype(np.float64)
    squares = ((wide[:, None] - wide[None]) ** 2).sum(axis=-1)
    np.fill_diagonal(squares, np.inf)
    return np.argsort(squares, axis=1, kind="stable")[:, :k]


def preserved(vectors: Float32Array, places: Float32Array) -> float:
    """The share of the 10 nearest on the map that are among the 50 nearest in the full space."""
    near, far = nearest(places, 10), nearest(vectors, 50)
    return float(
        np.mean([len(set(a) & set(b)) / 10 for a, b in zip(near.tolist(), far.tolist(), strict=True)])
    )


@pytest.mark.parametrize("shape", [(300, 40), (30, 40), (12, 25_088)])
def test_components_are_those_of_the_singular_value_decomposition(shape: tuple[int, int]) -> None:
    vectors = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
    left, strength, _ = np.linalg.svd(
        (vectors - vectors.mean(axis=0)).astype(np.float64), full_matrices=False
    )
    flat = reduced(vectors)
    wanted = np.abs(left * strength)[:, : flat.shape[1]]
    np.testing.assert_allclose(np.abs(flat), wanted, atol=1e-3)


def test_the_components_keep_every_distance_that_so_many_dimensions_can() -> None:
    vectors = blobs(4, 20, d=30)
    flat = reduced(vectors, 30)
    wanted = np.linalg.norm(vectors[:, None] - vectors[None], axis=-1)
    assert np.allclose(np.linalg.norm(flat[:, None] - flat[None], axis=-1), wanted, atol=1e-5)
    values = np.linalg.svd(vectors - vectors.mean(axis=0), compute_uv=False)
    assert np.allclose(np.linalg.norm(flat, axis=0), values, atol=1e-4)
    assert reduced(vectors, 5).shape == (80, 5)
    assert reduced(vectors[:0]).shape == (0, 30)


@pytest.mark.parametrize("metric", list(Metric))
def test_neighbours_are_those_of_comparing_all_with_all(metric: Metric) -> None:
    vectors = blobs(5, 30)
    found, far = neighbours(vectors, 12, metric, seed=0)
    assert np.array_equal(found, nearest(vectors, 12))
    cosines = np.take_along_axis(vectors @ vectors.T, found, axis=1)
    wanted = 1 - cosines if metric is Metric.COSINE else np.sqrt(2 - 2 * cosines)
    assert np.allclose(far, wanted, atol=2e-4)


def test_an_item_is_not_its_own_neighbour_even_among_many_equal_ones() -> None:
    vectors = unit(np.ones((40, 8)))
    found, far = neighbours(vectors, 5, Metric.COSINE, seed=0)
    assert not np.any(found == np.arange(40)[:, None])
    assert far.max() < 1e-6


def test_inverted_lists_find_nearly_all_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = curve(3000)
    exact = neighbours(vectors, 30, Metric.COSINE, seed=0)[0]
    monkeypatch.setattr("seealike.maps.reduction.EXACT_UP_TO", 100)
    listed = neighbours(vectors, 30, Metric.COSINE, seed=0)[0]
    found = np.mean([len(set(a) & set(b)) / 30 for a, b in zip(exact.tolist(), listed.tolist(), strict=True)])
    assert found > 0.98


def test_the_two_strongest_components_are_a_map_that_needs_no_library(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for library in ("openTSNE", "sklearn"):
        monkeypatch.setitem(sys.modules, library, None)
    points = blobs(4, 20)
    centred = points - points.mean(axis=0)
    values, axes = np.linalg.eigh(centred.T @ centred)
    expected = np.abs(centred @ axes[:, np.argsort(values)[::-1][:2]])
    found = np.abs(lay_out(reduced(points), MapOptions(MapMethod.COMPONENTS), unwatched))
    assert found == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("method", [MapMethod.TSNE, MapMethod.UMAP])
def test_a_missing_library_is_named_with_its_remedy(
    method: MapMethod, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openTSNE", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'seealike\[map\]'"):
        lay_out(blobs(2, 10), MapOptions(method), unwatched)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 8, 9, 10, 36, 100])
def test_any_number_of_items_has_a_map_with_a_place_for_each(n: int) -> None:
    pytest.importorskip("openTSNE")
    places = lay_out(reduced(blobs(10, 10)[:n]), TSNE, unwatched)
    assert places.shape == (n, 2)
    assert np.isfinite(places).all()
    assert len(np.unique(places, axis=0)) == n


@pytest.mark.parametrize("n", [2, 9, 200])
def test_equal_items_lie_side_by_side(n: int) -> None:
    pytest.importorskip("openTSNE")
    places = lay_out(reduced(unit(np.ones((n, 16)))), TSNE, unwatched)
    assert len(np.unique(places, axis=0)) == n
    gaps = np.linalg.norm(places[:, None] - places[None], axis=-1) + 1e9 * np.eye(n)
    assert gaps.min(axis=1).min() > 0.5
    assert gaps.min(axis=1).max() < 2.5


def test_duplicates_among_others_are_no_trouble() -> None:
    pytest.importorskip("openTSNE")
    vectors = blobs(3, 20)
    vectors = np.concatenate([vectors, np.repeat(vectors[:1], 150, axis=0)])
    places = lay_out(reduced(vectors), TSNE, unwatched)
    assert np.isfinite(places).all()


def test_groups_stay_groups_on_the_map() -> None:
    pytest.importorskip("openTSNE")
    labels = np.repeat(np.arange(6), 40)
    places = lay_out(reduced(blobs(6, 40)), TSNE, unwatched)
    assert np.mean(labels[nearest(places, 1)[:, 0]] == labels) == 1.0


def test_neighbours_on_the_map_are_neighbours_in_full_space() -> None:
    pytest.importorskip("openTSNE")
    vectors = curve(600)
    share = preserved(vectors, lay_out(reduced(vectors), TSNE, unwatched))
    assert share > 0.9  # chance: 50 / 599
    assert preserved(vectors, np.random.default_rng(99).random((600, 2), np.float32)) < 0.15


def test_the_same_seed_gives_the_same_map() -> None:
    pytest.importorskip("openTSNE")
    flat = reduced(blobs(5, 30))
    one, two = (lay_out(flat, MapOptions(seed=3), unwatched) for _ in range(2))
    assert np.array_equal(one, two)


def test_progress_never_goes_back_and_ends_at_the_end() -> None:
    pytest.importorskip("openTSNE")
    told: list[Progress] = []
    lay_out(reduced(blobs(3, 30)), TSNE, told.append)
    for stage in ("neighbours", "layout"):
        done = [progress.done for progress in told if progress.stage == stage]
        assert done == sorted(done)
        assert done[0] == 0
        assert done[-1] == 90
    assert len(told) > 40


@pytest.mark.heavy
def test_umap_keeps_neighbours_and_the_same_seed_gives_the_same_map() -> None:
    pytest.importorskip("umap")
    pytest.importorskip("openTSNE")
    vectors = curve(400)
    one, two = (lay_out(reduced(vectors), MapOptions(MapMethod.UMAP, seed=5), unwatched) for _ in range(2))
    assert np.array_equal(one, two)
    assert preserved(vectors, one) > 0.9
    for n in (0, 1, 3, 9, 12, 20):
        places = lay_out(reduced(blobs(5, 10)[:n]), MapOptions(MapMethod.UMAP), unwatched)
        assert places.shape == (n, 2)
        assert np.isfinite(places).all()
    assert np.isfinite(
        lay_out(reduced(np.repeat(vectors[:3], 30, axis=0)), MapOptions(MapMethod.UMAP), unwatched)
    ).all()


@pytest.mark.heavy
def test_many_items_are_laid_out_by_interpolation() -> None:
    pytest.importorskip("openTSNE")
    vectors = curve(10_500)
    places = lay_out(reduced(vectors), TSNE, unwatched)
    some = np.random.default_rng(0).choice(len(vectors), 200, replace=False)
    wide, flat = vectors.astype(np.float64), places.astype(np.float64)
    shares = []
    for row in some.tolist():
        near = np.argsort(((flat - flat[row]) ** 2).sum(axis=1))[1:11]
        far = np.argsort(((wide - wide[row]) ** 2).sum(axis=1))[1:51]
        shares.append(len(set(near.tolist()) & set(far.tolist())) / 10)
    assert np.mean(shares) > 0.8


def test_clusters_are_the_groups_and_the_largest_comes_first() -> None:
    pytest.importorskip("sklearn")
    vectors = np.concatenate([blobs(4, 50)[: 3 * 50 + 20], blobs(1, 90, seed=9)])
    truth = np.repeat([0, 1, 2, 3, 4], [50, 50, 50, 20, 90])
    found = cluster(reduced(vectors), 5, seed=0)
    assert len({(a, b) for a, b in zip(truth.tolist(), found.tolist(), strict=True)}) == 5
    assert np.bincount(found).tolist() == [90, 50, 50, 50, 20]
    assert np.array_equal(found, cluster(reduced(vectors), 5, seed=0))


@pytest.mark.parametrize("n", [0, 1, 2, 5])
def test_few_items_have_no_more_clusters_than_items(n: int) -> None:
    pytest.importorskip("sklearn")
    found = cluster(reduced(blobs(5, 1)[:n]), 40, seed=0)
    assert sorted(set(found.tolist())) == list(range(n))
    assert not cluster(reduced(unit(np.ones((7, 8)))), None, seed=0).any()


def test_the_default_number_of_clusters_grows_slowly() -> None:
    assert [default_count(n) for n in (0, 1, 36, 3000, 100_000)] == [1, 1, 3, 13, 24]
