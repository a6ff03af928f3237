"""Other libraries' indexes behind one small interface, each tuned to the same recall. None is needed.

python -m benchmarks.rivals              builds them; the search benchmark uses what is there
"""

from __future__ import annotations

import importlib.util
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks import synthetic
from seealike.types import Float16Array, Float32Array

Ask = Callable[[Float32Array, int], list[int]]  # one query, effort -> positions of its ten closest


@dataclass(frozen=True, slots=True)
class Rival:
    """A built index. ``efforts`` are tried in order until the recall suffices."""

    name: str
    ask: Ask
    efforts: tuple[int, ...]
    build_s: float
    memory_bytes: int  # what loading it took; of a mapped file, its size


def rivals(vectors: Float16Array, work: Path) -> Iterator[Rival | str]:
    """Every installed one; a sentence for each that is not."""
    for package, build in (("annoy", _annoy), ("hnswlib", _hnswlib), ("usearch", _usearch)):
        if importlib.util.find_spec(package) is None:
            yield f"{package} is not installed"
        else:
            yield build(vectors, work)


def _built(path: Path, build: Callable[[], None]) -> float:
    """Build unless done before; the seconds it took."""
    note = path.with_suffix(".json")
    if not (path.exists() and note.exists()):
        started = time.perf_counter()
        build()
        note.write_text(json.dumps(time.perf_counter() - started))
    return float(json.loads(note.read_text()))


def _memory() -> int:
    return int(psutil.Process().memory_info().rss)


def _annoy(vectors: Float16Array, work: Path) -> Rival:
    import annoy

    n, d = vectors.shape
    path = work / f"annoy46-{n}.ann"

    def build() -> None:
        index = annoy.AnnoyIndex(d, "angular")
        for row in range(n):
            index.add_item(row, vectors[row].astype(np.float32))
        index.build(46, n_jobs=-1)
        index.save(str(path))

    took = _built(path, build)
    index = annoy.AnnoyIndex(d, "angular")
    index.load(str(path))

    def ask(query: Float32Array, effort: int) -> list[int]:
        found: list[int] = index.get_nns_by_vector(query, 10, effort)
        return found

    efforts = tuple(range(1000, 20_001, 500))
    return Rival("Annoy, 46 trees", ask, efforts, took, path.stat().st_size)


def _hnswlib(vectors: Float16Array, work: Path) -> Rival:
    import hnswlib

    n, d = vectors.shape
    path = work / f"hnswlib16-{n}.bin"

    def build() -> None:
        index = hnswlib.Index(space="ip", dim=d)
        index.init_index(max_elements=n, M=16, ef_construction=100)
        for start in range(0, n, 16_384):
            index.add_items(vectors[start : start + 16_384].astype(np.float32))
        index.save_index(str(path))

    took = _built(path, build)
    before = _memory()
    index: Any = hnswlib.Index(space="ip", dim=d)
    index.load_index(str(path))
    memory = _memory() - before
    index.set_num_threads(1)

    def ask(query: Float32Array, effort: int) -> list[int]:
        if effort != index.ef:
            index.set_ef(effort)
        labels, _ = index.knn_query(query, k=10)
        return [int(label) for label in labels[0]]

    return Rival("hnswlib, M 16", ask, (10, 16, 24, 32, 48, 64, 96, 128, 192), took, memory)


def _usearch(vectors: Float16Array, work: Path) -> Rival:
    from usearch.index import Index

    n, d = vectors.shape
    path = work / f"usearch16-{n}.usearch"

    def build() -> None:
        index = Index(ndim=d, metric="ip", dtype="f16", connectivity=16, expansion_add=100)
        for start in range(0, n, 16_384):
            part = np.array(vectors[start : start + 16_384])
            index.add(np.arange(start, start + len(part)), part)
        index.save(str(path))

    took = _built(path, build)
    before = _memory()
    index: Any = Index(ndim=d, metric="ip", dtype="f16", connectivity=16, expansion_add=100)
    index.load(str(path))
    memory = _memory() - before

    def ask(query: Float32Array, effort: int) -> list[int]:
        if effort != index.expansion_search:
            index.expansion_search = effort
        return [int(key) for key in index.search(query, 10, threads=1).keys]

    return Rival("usearch f16", ask, (16, 24, 32, 48, 64, 96, 128, 192, 256), took, memory)


def main() -> None:
    data, work = Path("../shared/data").resolve(), Path(".bench").resolve()
    work.mkdir(exist_ok=True)
    for rival in rivals(synthetic.make(data, work), work):
        print(rival if isinstance(rival, str) else f"{rival.name}: {rival.build_s:.0f} s", flush=True)


if __name__ == "__main__":
    main()
