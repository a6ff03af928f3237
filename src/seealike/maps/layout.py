"""Points of many dimensions to places in the plane: t-SNE, UMAP, and what a handful of points needs."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from seealike.errors import MissingExtraError
from seealike.maps.reduction import neighbours
from seealike.maps.value import MapMethod, MapOptions
from seealike.types import Progress, ProgressCallback

if TYPE_CHECKING:
    import numpy.typing as npt

    from seealike.types import Float32Array

PERPLEXITY = 30.0
FEW = 8  # up to so many points the two strongest components are the map
UMAP_NEIGHBOURS = 15
_EARLY, _LATE, _LATE_MANY = 250, 250, 500  # iterations
_MANY = 10_000
_REPORT_EVERY = 10
_START_SPREAD = 1e-4  # t-SNE unfolds best from a small, orderly beginning
_GOLDEN_ANGLE = np.pi * (3 - np.sqrt(5))


def lay_out(points: Float32Array, options: MapOptions, report: ProgressCallback) -> Float32Array:
    """Give every point its place. Shapes: points is (n, d), the result (n, 2).

    Raises:
        MissingExtraError: the library of the method is not installed.
    """
    _require(options.method)
    n = len(points)
    spread = float(points.std(axis=0).max()) if n else 0.0
    if spread < 1e-6:
        return _spiral(n)
    if n <= FEW or options.method is MapMethod.COMPONENTS:
        return _components(points)
    if options.method is MapMethod.TSNE:
        return _tsne(points, options, report)
    return _umap(points, options, report)


def _require(method: MapMethod) -> None:
    if method is MapMethod.COMPONENTS:
        return
    try:
        import openTSNE  # noqa: F401
        import sklearn  # noqa: F401
    except ImportError:
        raise MissingExtraError("a map", "map") from None
    if method is MapMethod.UMAP:
        import importlib.util

        if importlib.util.find_spec("umap") is None:
            raise MissingExtraError("a UMAP layout", "umap")


def _spiral(n: int) -> Float32Array:
    """Equal points side by side, like the seeds of a sunflower."""
    number = np.arange(n)
    radius, angle = np.sqrt(number), number * _GOLDEN_ANGLE
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).astype(np.float32)


def _components(points: Float32Array) -> Float32Array:
    """The two strongest components as they are."""
    flat = np.zeros((len(points), 2), np.float32)
    flat[:, : points.shape[1]] = points[:, :2]
    return flat


def _start(points: Float32Array) -> npt.NDArray[np.float64]:
    """The two strongest components, small."""
    flat = _components(points).astype(np.float64)
    flat *= _START_SPREAD / flat[:, 0].std()
    return flat


def _tsne(points: Float32Array, options: MapOptions, report: ProgressCallback) -> Float32Array:
    """T-SNE by openTSNE: one thread, for its sums over threads differ from run to run.

    Source: van der Maaten and Hinton 2008; interpolation by FFT, Linderman et al. 2019, above 10,000 points,
    Barnes-Hut trees below; start and learning rate after Kobak and Berens 2019.
    """
    from openTSNE import TSNE
    from openTSNE.affinity import PerplexityBasedNN
    from openTSNE.nearest_neighbors import PrecomputedNeighbors

    n = len(points)
    perplexity = min(PERPLEXITY, (n - 1) / 3)
    report(Progress("neighbours", 0, n))
    near, far = neighbours(points, min(n - 1, round(3 * perplexity)), options.metric, options.seed)
    affinities = PerplexityBasedNN(
        perplexity=perplexity, knn_index=PrecomputedNeighbors(near, far.astype(np.float64)), n_jobs=1
    )
    report(Progress("neighbours", n, n))
    late = _LATE_MANY if n > _MANY else _LATE
    stages = iter(range(0, _EARLY + late + 1, _REPORT_EVERY))

    def told(*_: object) -> None:
        report(Progress("layout", n * next(stages, late + _EARLY) // (_EARLY + late), n))

    model = TSNE(
        early_exaggeration_iter=_EARLY,
        n_iter=late,
        negative_gradient_method="fft" if n > _MANY else "bh",
        callbacks=told,
        callbacks_every_iters=_REPORT_EVERY,
        random_state=options.seed,
        n_jobs=1,
    )
    told()
    places = model.fit(affinities=affinities, initialization=_start(points))
    report(Progress("layout", n, n))
    return np.asarray(places, dtype=np.float32)


def _umap(points: Float32Array, options: MapOptions, report: ProgressCallback) -> Float32Array:
    """UMAP by umap-learn: one thread, as it needs for the same seed to give the same map.

    Source: McInnes, Healy and Melville 2018.
    """
    n = len(points)
    report(Progress("neighbours", 0, n))
    count = min(UMAP_NEIGHBOURS, n)
    near, far = neighbours(points, count - 1, options.metric, options.seed)
    own = np.arange(n, dtype=near.dtype)[:, None]
    nearest = np.hstack([own, near]), np.hstack([np.zeros((n, 1), far.dtype), far])
    report(Progress("neighbours", n, n))
    report(Progress("layout", 0, n))
    with warnings.catch_warnings():  # that new points cannot be added later: none will be
        warnings.simplefilter("ignore")
        from umap import UMAP

        model = UMAP(
            n_neighbors=count,
            init=_components(points),
            precomputed_knn=(*nearest, None),
            force_approximation_algorithm=True,
            random_state=options.seed,
            n_jobs=1,
        )
        placed = np.asarray(model.fit_transform(points), dtype=np.float32)
    report(Progress("layout", n, n))
    return placed
