"""Vectors kept in bytes (``--vectors int8``) against halves: room, time and answers, side by side.

    python -m benchmarks kept

The large catalogue of bytes is made of that of halves by ``reindex``, which is timed, once.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

import seealike
from benchmarks import synthetic
from benchmarks.large import catalog_of
from benchmarks.photos import repeated, warm
from benchmarks.report import Row, spread
from benchmarks.search import truth_of
from seealike import Catalog
from seealike.evaluation import EvalOptions, evaluate
from seealike.types import Float32Array
from seealike.vectors import VectorType

TITLE = "Vectors kept in bytes"
TIMED, COLD_TIMED = 1_000, 200
PHOTOS, TURNS = 400, 3
SETS = (("clothing/catalogue.csv", "label"), ("places", "prefix"), ("steakhouse/train", "prefix"))

ROOM = {
    "database": "*.sqlite",
    "approximate index with the exact vectors": "ann-*",
    "on the disk in all": "*",
}

Ask = Callable[[Float32Array], Sequence[int]]


def rows(data: Path, work: Path) -> list[Row]:
    return [*_large(data, work), *_indexing(data, work), *_quality(data, work)]


def _large(data: Path, work: Path) -> list[Row]:
    vectors, queries = synthetic.make(data, work), synthetic.queries(data, work, TIMED)
    halves, _ = catalog_of(vectors, work)
    small, cpu_s = _of_bytes(halves)
    truth = truth_of(vectors, queries)
    with seealike.open(halves) as one, seealike.open(small) as other:
        whole = [_whole(one), _whole(other)]
        ranked = [_ranked(one), _ranked(other)]
        reached = [
            np.mean([np.isin(row, ask(query)).mean() for query, row in zip(queries, truth, strict=True)])
            for ask in ranked
        ]
        found = [
            _timed("one query, keys and exact scores", _in_turns(ranked, queries), reached),
            _timed("one query, whole call with the items' rows", _in_turns(whole, queries)),
            _timed(
                "the same, cold",
                _in_turns(whole, queries[:COLD_TIMED], forget=_files(halves) + _files(small)),
            ),
        ]
    room = [
        _ratio(
            f"{what}, bytes an item",
            _size(halves, pattern) / len(vectors),
            _size(small, pattern) / len(vectors),
        )
        for what, pattern in ROOM.items()
    ]
    note = "no picture is read; most of it is the approximate index"
    return [
        *room,
        *found,
        Row(f"`reindex --vectors int8`, {len(vectors):,} items", f"{cpu_s:.0f} s of a core", "", note),
    ]


def _of_bytes(halves: Path) -> tuple[Path, float]:
    path = halves.with_name(halves.name.replace("described", "bytes"))
    note = path.with_suffix(".json")
    if not note.exists():
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(halves, path)
        started = time.process_time()
        seealike.reindex(path, vectors=VectorType.INT8)
        note.write_text(json.dumps(time.process_time() - started))
    return path, float(json.loads(note.read_text()))


def _whole(catalog: Catalog) -> Ask:
    return lambda query: [int(hit.id) for hit in catalog.search_vectors(query[np.newaxis], 10)[0]]


def _ranked(catalog: Catalog) -> Ask:
    reading = catalog._session.reading()  # noqa: SLF001 - without the items' rows
    return lambda query: [
        int(key) - 1 for key in reading.searcher.rank(reading.searcher.view(), query[np.newaxis], 10)[0][0]
    ]


def _in_turns(both: Sequence[Ask], queries: Float32Array, forget: Sequence[int] = ()) -> list[float]:
    """The median of each, in turns at every query, twice: of the second time, unless they must forget.

    Who begins changes with every query.
    """
    times = np.empty((1 if forget else 2, len(queries), 2))
    for turn in times:
        for number, (row, query) in enumerate(zip(turn, queries, strict=True)):
            for place in (number % 2, 1 - number % 2):
                for file in forget:
                    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
                started = time.perf_counter()
                both[place](query)
                row[place] = time.perf_counter() - started
    for file in forget:
        os.close(file)
    return [float(median) for median in np.median(times[-1], axis=0)]


def _files(path: Path) -> list[int]:
    return [os.open(file, os.O_RDONLY) for file in path.iterdir() if file.is_file()]


def _timed(what: str, medians: Sequence[float], reached: Sequence[float] = ()) -> Row:
    one, other = (median * 1e3 for median in medians)
    note = " and ".join(f"{recall:.4f}" for recall in reached)
    return Row(what, f"{one:.3f} → {other:.3f} ms ({other / one:.2f} x)", "", note and f"recall@10 {note}")


def _ratio(what: str, one: float, other: float, note: str = "") -> Row:
    return Row(what, f"{one:,.0f} → {other:,.0f} ({other / one:.2f} x)", "", note)


def _size(path: Path, pattern: str) -> int:
    return sum(file.stat().st_size for file in path.glob(pattern) if file.is_file())


def _indexing(data: Path, work: Path) -> list[Row]:
    photos = repeated(data, work / f"photos-{PHOTOS}", PHOTOS)
    warm(photos)
    rates: dict[VectorType, list[float]] = {kept: [] for kept in VectorType}
    for _ in range(TURNS):
        for kept, measured in rates.items():
            target = work / "kept.catalog"
            shutil.rmtree(target, ignore_errors=True)
            with seealike.create(target, vectors=kept) as catalog:
                report = catalog.index(photos)
            measured.append(report.added / report.took_s)
    one, other = (statistics.median(measured) for measured in rates.values())
    note = "; ".join(spread(measured) for measured in rates.values())
    return [_ratio(f"`index`, {PHOTOS:,} photos, images/s", one, other, note)]


def _quality(data: Path, work: Path) -> list[Row]:
    """The very same vectors as halves, and then as bytes."""
    found = []
    for source, label in SETS:
        target = work / "kept.catalog"
        shutil.rmtree(target, ignore_errors=True)
        with seealike.create(target) as catalog:
            catalog.index(data / source)
            one = _answers(catalog, label)
            seealike.reindex(target, vectors=VectorType.INT8)
            other = _answers(catalog, label)
        same = statistics.mean(len(a & b) / len(a) for a, b in zip(one[1], other[1], strict=True))
        said = ", ".join(f"{name} {value:.4f} → {other[0][name]:.4f}" for name, value in one[0].items())
        found.append(Row(Path(source).parts[0], said, "", f"{same:.1%} of the nearest ten in common"))
    return found


def _answers(catalog: Catalog, label: str) -> tuple[dict[str, float], list[set[str]]]:
    """How good they are, and every item's nearest ten."""
    labels = evaluate(catalog, EvalOptions(label=label)).labels
    if labels is None:
        raise RuntimeError("nothing was measured")
    ids = [item.id for item in catalog.items()]
    nearest = [{hit.id for hit in hits} for hits in catalog.similar_batch(ids, 10)]
    return {name: labels.metrics[name].value for name in ("precision@10", "mAP@R")}, nearest
