"""From all vectors of a catalogue to a snapshot file that has been measured against exact search."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from seealike.indexes import rows
from seealike.indexes.effort import TARGET_RECALL, TUNED_FOR, Effort, Task, recalls, tuned_efforts
from seealike.indexes.faiss import FaissEngine, library, search_in_threads
from seealike.indexes.reduction import Reduction, fit_reduction
from seealike.indexes.snapshot import SnapshotRecord, write_parts
from seealike.indexes.survey import SEED, reduce_all, survey
from seealike.vectors import VectorType

if TYPE_CHECKING:
    from seealike.indexes.survey import Blocks, Survey
    from seealike.types import Float32Array, Int64Array

COMPARE_ALL_BELOW = 1000  # distinct vectors: fewer are not worth an approximation
DIMENSIONS_TRIED = (192, 384, 768)  # in this order; then all there are
MEASURED_QUERIES = 384


@dataclass(frozen=True, slots=True)
class _Built:
    reduction: Reduction
    engine: FaissEngine | None = None
    lists: int = 0
    efforts: tuple[Effort, ...] = ()
    recall_at_10: float = 1.0


def build_snapshot(
    blocks: Blocks, *, count: int, dimension: int, path: str, kept: VectorType = VectorType.FLOAT16
) -> SnapshotRecord:
    """Build the approximate index of all vectors and write them and it to ``path``.

    ``path`` should be a temporary name; flushing and renaming are the caller's.

    Args:
        blocks: called two or more times; each call yields all (keys, float16 vectors), keys ascending and
            positive, in blocks of any size.
        count: how many vectors the blocks hold.
        dimension: of each.
        path: written, replacing what is there.
        kept: in which numbers the vectors are written.

    Raises:
        ValueError: the blocks are not as promised.
        OSError: the disk refused.
    """
    started = time.perf_counter()
    checksums = np.zeros(count if rows.CAN_BE_READ else 0, dtype=np.uint32)
    try:
        with open(path, "wb") as file:
            first = rows.written(blocks(), file, checksums, kept) if rows.CAN_BE_READ else blocks()
            found = survey(first, count, dimension)
            built = _built(blocks, found, dimension)
            keys, starts = found.members()
            parts_bytes, sha256 = write_parts(
                file,
                {
                    "checksums": checksums,
                    "directions": built.reduction.directions,
                    "offset": built.reduction.offset,
                    "keys": keys,
                    "starts": starts,
                    **({"faiss": built.engine.to_bytes()} if built.engine else {}),
                },
            )
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(path)
        raise
    return SnapshotRecord(
        count=count,
        distinct=found.distinct,
        rows=len(checksums),
        dimension=dimension,
        first_key=int(found.keys[0]) if count else 0,
        last_key=int(found.keys[-1]) if count else 0,
        library=library(),
        reduced=len(built.reduction.offset),
        lists=built.lists,
        efforts=built.efforts,
        recall_at_10=round(built.recall_at_10, 6),
        queries=min(MEASURED_QUERIES, len(found.sample)),
        size_bytes=len(checksums) * kept.bytes_of(dimension) + parts_bytes,
        sha256=sha256,
        took_s=round(time.perf_counter() - started, 3),
        vectors=kept.value,
    )


def _built(blocks: Blocks, found: Survey, dimension: int) -> _Built:
    if found.distinct < COMPARE_ALL_BELOW:
        return _Built(Reduction(np.zeros((0, dimension), np.float32), np.zeros(0, np.float32)))
    best: _Built | None = None
    for reduction in _reductions(found.sample):
        built = _built_with(blocks, found, reduction)
        if best is None or built.recall_at_10 > best.recall_at_10:
            best = built
        if best.recall_at_10 >= TARGET_RECALL:
            break
    assert best is not None
    return best


def _built_with(blocks: Blocks, found: Survey, reduction: Reduction) -> _Built:
    reduced, truth = reduce_all(blocks, found, reduction, MEASURED_QUERIES, TUNED_FOR[-1])
    lists = 2 ** round(np.log2(2 * np.sqrt(found.distinct)))
    engine = FaissEngine.trained(reduced, lists, SEED)
    queries = reduction.apply(truth.queries)
    task = Task(
        propose=lambda rows, *effort: search_in_threads(engine, queries[rows], *effort),
        own=truth.own,
        truth=truth.neighbours,
        like=int((truth.own >= 0).sum()),
        lists=lists,
        vectors=found.distinct,
    )
    efforts, recall_at_10 = tuned_efforts(task)
    return _Built(reduction, engine, lists, efforts, recall_at_10)


def _reductions(sample: Float32Array) -> Iterator[Reduction]:
    """Maps to try, smallest first, without those that fail on the sample alone: the whole is denser."""
    d = sample.shape[1]
    full = -(-d // 4) * 4
    sizes = [size for size in DIMENSIONS_TRIED if size < full] + [full]
    everything = fit_reduction(sample, sizes[-1])
    queries = sample[:: max(1, len(sample) // MEASURED_QUERIES)]
    truth = _closest(queries, sample, TUNED_FOR[0])
    for size in sizes:
        reduction = everything.first(size)
        if size < sizes[-1]:
            reduced = reduction.apply(sample)
            proposed = _closest(reduction.apply(queries), reduced, 6 * TUNED_FOR[0])
            if recalls(proposed, truth).mean() < TARGET_RECALL:
                continue
        yield reduction


def _closest(queries: Float32Array, vectors: Float32Array, k: int) -> Int64Array:
    """By Euclidean distance, unordered, each query among them."""
    distances = np.einsum("nd,nd->n", vectors, vectors) - 2 * queries @ vectors.T
    k = min(k + 1, len(vectors))
    closest: Int64Array = np.argpartition(distances, k - 1, axis=1)[:, :k]
    return closest
