"""Lists of all items over shards, part by part, beside those of one catalogue that holds everything.

python -m benchmarks.sharded_lists                 289,222 vectors, divided as usual
python -m benchmarks.sharded_lists 20000 5000      20,000 vectors, in parts of at most 5,000

The vectors are those of ``benchmarks.synthetic``, written as `embed` writes shards. Every step is in a
process of its own; a sample of the lists is compared with what comparing all with all gives.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np

import seealike
from benchmarks import synthetic
from benchmarks.growth import peak_mb
from benchmarks.report import Row
from seealike import SimilarList
from seealike.catalog import DEFAULT_ENCODER, NamedEncoder
from seealike.embedding.parts import USUAL
from seealike.images import DecodeLimits
from seealike.listing import lists_of_shards
from seealike.listing.dividing import PART_VECTORS
from seealike.shards import (
    Manifest,
    ShardEntry,
    ShardRow,
    Shards,
    encoded,
    open_place,
    shard_name,
    write_manifest,
)
from seealike.types import Float16Array, Float32Array, Int64Array

TITLE = "Lists over shards"
K, SAMPLE = 10, 1_000
Figures = dict[str, float]


def rows(data: Path, work: Path, size: int = synthetic.COUNT, part_vectors: int = PART_VECTORS) -> list[Row]:
    synthetic.embeddings(data, work)
    _clear(work)
    figures: Figures = {}
    for step in STEPS:
        figures |= _in_a_process(step, size, part_vectors, work)
        print(f"{size:,} {step}: {figures}", file=sys.stderr, flush=True)
    _clear(work)
    one_s = figures["index_s"] + figures["embedded_s"]
    parts = -(-size // part_vectors)
    return [
        Row(
            f"{size:,} items, `index` of their shards",
            f"{figures['index_s']:.0f} s",
            "",
            _mb(figures["index_mb"]),
        ),
        Row("`recommend --all` of that", *_told(figures, "embedded")),
        Row(f"`recommend --all --shards`, {parts} parts", *_told(figures, "sharded", ">= 0.995")),
        Row("the same, beside both of one catalogue", f"time x {figures['sharded_s'] / one_s:.2f}"),
    ]


def _told(figures: Figures, way: str, goal: str = "") -> tuple[str, str, str]:
    value = f"{figures[f'{way}_s']:.0f} s, recall@{K} {figures[f'{way}_recall']:.4f}"
    return value, goal, _mb(figures[f"{way}_mb"])


def _mb(peak: float) -> str:
    return f"peak memory {peak:,.0f} MB"


def _clear(work: Path) -> None:
    for name in (_shards(work), _catalog(work)):
        shutil.rmtree(name, ignore_errors=True)


def _shards(work: Path) -> Path:
    return work / "sharded-lists.shards"


def _catalog(work: Path) -> Path:
    return work / "sharded-lists.catalog"


def _in_a_process(step: str, *arguments: object) -> Figures:
    command = [sys.executable, "-m", "benchmarks.sharded_lists", "--step", step, *map(str, arguments)]
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    found: Figures = json.loads(printed)
    return found


# -- steps -------------------------------------------------------------------------------------------------


def _write(size: int, _: int, work: Path) -> Figures:
    """Shards of as many rows as `embed` writes, with the ids 000000, 000001, and so on."""
    named = NamedEncoder(DEFAULT_ENCODER, DecodeLimits())
    place, entries, count = open_place(str(_shards(work))), [], 0
    for vectors in synthetic.mixed(synthetic.embeddings(work, work), size):
        for start in range(0, len(vectors), USUAL):
            part = [_row(count + row, one) for row, one in enumerate(vectors[start : start + USUAL])]
            data = encoded(part, vectors.shape[1])
            name = shard_name(f"{count:032}", data)
            place.write(name, data)
            entries.append(ShardEntry.of(name, part))
            count += len(part)
    write_manifest(place, Manifest(named.identity, named.spec, shards=tuple(entries)))
    return {}


def _row(number: int, vector: Float32Array) -> ShardRow:
    digest = number.to_bytes(32)
    return ShardRow(
        f"{number:06}", f"/{number:06}", 1, 1, None, "{}", digest, 400, 400, vector.astype(np.float16)
    )


def _index(_: int, __: int, work: Path) -> Figures:
    with seealike.create(_catalog(work)) as catalog:
        started = time.perf_counter()
        catalog.index(_shards(work))
        return _figures("index", started)


def _embedded(size: int, _: int, work: Path) -> Figures:
    started = time.perf_counter()
    with seealike.open(_catalog(work)) as catalog:
        lists = _sampled(catalog.recommend_all(K), size)
    return {**_figures("embedded", started), "embedded_recall": _recall(lists, work)}


def _sharded(size: int, part_vectors: int, work: Path) -> Figures:
    started = time.perf_counter()
    with lists_of_shards(_shards(work), K, part_vectors=part_vectors) as made:
        lists = _sampled(made, size)
    return {**_figures("sharded", started), "sharded_recall": _recall(lists, work)}


def _figures(way: str, started: float) -> Figures:
    return {f"{way}_s": time.perf_counter() - started, f"{way}_mb": peak_mb()}


def _sampled(lists: Iterable[SimilarList], size: int) -> dict[int, set[int]]:
    """Some lists of all, by their items."""
    every = max(1, size // SAMPLE)
    found: dict[int, set[int]] = {}
    count = 0
    for entry in lists:
        count += 1
        if int(entry.id) % every == 0 and len(found) < SAMPLE:
            found[int(entry.id)] = set(map(int, entry.similar_ids))
    assert count == size, f"{count} lists of {size} items"
    return found


def _recall(lists: dict[int, set[int]], work: Path) -> float:
    """The share of the truly most similar ones, found by comparing all with all, that are in the lists."""
    asked = np.array(sorted(lists))
    queries = np.concatenate(
        [block[np.isin(first + np.arange(len(block)), asked)] for first, block in _blocks(work)]
    )
    best = np.full((len(asked), K), -np.inf, dtype=np.float32)
    who: Int64Array = np.full((len(asked), K), -1)
    for first, block in _blocks(work):
        numbers = first + np.arange(len(block))
        scores = np.where(asked[:, np.newaxis] == numbers, -np.inf, queries @ block.T)
        scores, names = np.hstack([best, scores]), np.hstack([who, np.broadcast_to(numbers, scores.shape)])
        places = np.argpartition(-scores, K - 1, axis=1)[:, :K]
        best, who = np.take_along_axis(scores, places, 1), np.take_along_axis(names, places, 1)
    shares = [
        len(lists[item] & set(true)) / K for item, true in zip(asked.tolist(), who.tolist(), strict=True)
    ]
    return float(np.mean(shares))


def _blocks(work: Path) -> Iterable[tuple[int, Float32Array]]:
    """All vectors, of norm 1, a shard at a time, after the number of the first."""
    shards, first = Shards(str(_shards(work))), 0
    for entry in shards.entries:
        halves: list[Float16Array] = [row.vector for row in shards.rows(entry) if row.vector is not None]
        block = np.stack(halves).astype(np.float32)
        yield first, block / np.linalg.norm(block, axis=1, keepdims=True)
        first += len(block)


STEPS = {"write": _write, "index": _index, "embedded": _embedded, "sharded": _sharded}


def main() -> None:
    arguments = sys.argv[1:]
    if arguments[:1] == ["--step"]:
        _, step, size, part_vectors, folder = arguments
        print(json.dumps(STEPS[step](int(size), int(part_vectors), Path(folder))))
        return
    data, work = Path("../shared/data").resolve(), Path(".bench").resolve()
    work.mkdir(exist_ok=True)
    for row in rows(data, work, *map(int, arguments)):
        print(f"| {row.what} | {row.value} | {row.goal} | {row.note} |", flush=True)


if __name__ == "__main__":
    main()
