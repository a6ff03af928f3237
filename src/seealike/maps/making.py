"""From a catalogue to a map: read, sample, find neighbours, lay out, group."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from seealike.catalog.labels import labels_of
from seealike.errors import UnknownItemError, UsageError
from seealike.maps.clusters import cluster
from seealike.maps.layout import lay_out
from seealike.maps.reduction import neighbours, reduced
from seealike.maps.value import Map, MapMethod, MapOptions
from seealike.types import Progress, ProgressCallback, unwatched

if TYPE_CHECKING:
    from seealike.catalog import Catalog
    from seealike.types import Float32Array, Int64Array, Item

NEAR = 8
_Drawn: TypeAlias = tuple[str | None, str | None]  # path and label


def make_map(
    catalog: Catalog, options: MapOptions = MapOptions(), *, progress: ProgressCallback | None = None
) -> Map:
    """Lay out the items of a catalogue in the plane, look-alikes side by side.

    The same catalogue, options and machine give the same map.

    Raises:
        UsageError: the options make no sense, or no item has the label asked for.
        MissingExtraError: the library of the layout is not installed.
    """
    _check(options)
    report = progress or unwatched
    report(Progress("read", 0, None))
    drawn, total = _drawn(catalog, options)
    ids, vectors = _vectors(catalog, drawn)
    kept = [drawn[item_id] for item_id in ids]
    report(Progress("read", len(ids), len(ids)))
    flat = reduced(vectors)
    del vectors
    positions = lay_out(flat, options, report)
    report(Progress("cluster", 0, len(ids)))
    parted = options.method is not MapMethod.COMPONENTS or options.clusters is not None
    groups = cluster(flat, options.clusters, options.seed) if parted else np.zeros(len(ids), np.int64)
    near = _near(flat, options)
    report(Progress("cluster", len(ids), len(ids)))
    return Map(
        ids=tuple(ids),
        positions=_centred(positions),
        clusters=groups,
        labels=tuple(label for _, label in kept) if options.label is not None else (),
        paths=tuple(path for path, _ in kept),
        near=near,
        total=total,
        encoder=catalog.encoder.name,
        options=options,
    )


def _near(points: Float32Array, options: MapOptions) -> Int64Array:
    """The rows of the few nearest others of every point. (n, k)."""
    n = len(points)
    if n < 2:
        return np.zeros((n, 0), np.int64)
    return neighbours(points, min(NEAR, n - 1), options.metric, options.seed)[0]


def _check(options: MapOptions) -> None:
    if options.sample < 1:
        raise UsageError(f"a sample has at least 1 item, not {options.sample}")
    if options.clusters is not None and options.clusters < 1:
        raise UsageError(f"there is at least 1 cluster, not {options.clusters}")
    if not 0 <= options.seed < 2**32:
        raise UsageError(f"a seed is a number from 0 to {2**32 - 1}, not {options.seed}")


def _drawn(catalog: Catalog, options: MapOptions) -> tuple[dict[str, _Drawn], int]:
    """Path and label of the items to lay out, by id and in id order, and how many items there are.

    The others are read as well, for a label may be theirs alone, but not kept.
    """
    noted: list[tuple[int, Item]] = []
    passing = _noted(catalog.items(), set(_sample(len(catalog), options).tolist()), noted)
    if options.label is None:
        total = sum(1 for _ in passing)
        return {item.id: (item.path, None) for _, item in noted}, total
    labels = labels_of(passing, options.label)
    return {item.id: (item.path, labels[row]) for row, item in noted}, len(labels)


def _vectors(catalog: Catalog, drawn: Iterable[str]) -> tuple[list[str], Float32Array]:
    """Those of the items drawn that are still there, and their vectors."""
    while True:
        try:
            return catalog.vectors(drawn)
        except UnknownItemError:  # removed meanwhile
            before = set(drawn)
            drawn = [item.id for item in catalog.items() if item.id in before]


def _noted(items: Iterable[Item], rows: set[int], noted: list[tuple[int, Item]]) -> Iterator[Item]:
    """Pass items on, and keep those of some rows."""
    for row, item in enumerate(items):
        if row in rows:
            noted.append((row, item))
        yield item


def _sample(count: int, options: MapOptions) -> Int64Array:
    """The rows to lay out, in order: all, or as many as asked for, drawn at random."""
    if count <= options.sample:
        return np.arange(count, dtype=np.int64)
    drawn = np.random.default_rng(options.seed).choice(count, options.sample, replace=False, shuffle=False)
    return np.sort(drawn)


def _centred(positions: Float32Array) -> Float32Array:
    """Positions whose bounding box has its middle at the origin. (n, 2)."""
    if not len(positions):
        return positions
    middle = (positions.min(axis=0) + positions.max(axis=0)) / 2
    return np.ascontiguousarray(positions - middle, dtype=np.float32)
