"""From a catalogue to a map: read, sample, find neighbours, lay out, group."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from seealike.errors import UsageError
from seealike.maps.clusters import cluster
from seealike.maps.labels import labels_of
from seealike.maps.layout import lay_out
from seealike.maps.reduction import reduced
from seealike.maps.value import Map, MapOptions
from seealike.types import Progress

if TYPE_CHECKING:
    from seealike.catalog import Catalog
    from seealike.types import Float32Array, Int64Array

ProgressCall: TypeAlias = Callable[[Progress], None]


def _silent(_: Progress) -> None:
    """Progress nobody watches."""


def make_map(
    catalog: Catalog, options: MapOptions = MapOptions(), *, progress: ProgressCall | None = None
) -> Map:
    """Lay out the items of a catalogue in the plane, look-alikes side by side.

    The same catalogue, options and machine give the same map.

    Raises:
        UsageError: the options make no sense, or no item has the label asked for.
        MissingExtraError: the library of the layout is not installed.
    """
    _check(options)
    report = progress or _silent
    report(Progress("read", 0, None))
    items = list(catalog.items())
    labels = labels_of(items, options.label) if options.label is not None else ()
    ids, vectors = catalog.vectors()
    by_id = {item.id: place for place, item in enumerate(items)}
    rows = _sample([row for row, item_id in enumerate(ids) if item_id in by_id], options)
    kept = [by_id[ids[row]] for row in rows]
    report(Progress("read", len(rows), len(rows)))
    flat = reduced(vectors[rows] if len(rows) < len(vectors) else vectors)
    del vectors
    positions = lay_out(flat, options, report)
    report(Progress("cluster", 0, len(rows)))
    groups = cluster(flat, options.clusters, options.seed)
    report(Progress("cluster", len(rows), len(rows)))
    return Map(
        ids=tuple(items[place].id for place in kept),
        positions=_centred(positions),
        clusters=groups,
        labels=tuple(labels[place] for place in kept) if labels else (),
        paths=tuple(items[place].path for place in kept),
        total=len(items),
        encoder=catalog.encoder.name,
        options=options,
    )


def _check(options: MapOptions) -> None:
    if options.sample < 1:
        raise UsageError(f"a sample has at least 1 item, not {options.sample}")
    if options.clusters is not None and options.clusters < 1:
        raise UsageError(f"there is at least 1 cluster, not {options.clusters}")
    if not 0 <= options.seed < 2**32:
        raise UsageError(f"a seed is a number from 0 to {2**32 - 1}, not {options.seed}")


def _sample(rows: list[int], options: MapOptions) -> Int64Array:
    """The rows to lay out, in order: all, or as many as asked for, drawn at random."""
    every = np.array(rows, dtype=np.int64)
    if len(every) <= options.sample:
        return every
    drawn = np.random.default_rng(options.seed).choice(every, options.sample, replace=False, shuffle=False)
    return np.sort(drawn)


def _centred(positions: Float32Array) -> Float32Array:
    """Positions whose bounding box has its middle at the origin. (n, 2)."""
    if not len(positions):
        return positions
    middle = (positions.min(axis=0) + positions.max(axis=0)) / 2
    return np.ascontiguousarray(positions - middle, dtype=np.float32)
