"""Approximate search over a loaded snapshot: proposes keys, never scores."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from seealike.indexes.effort import REFINED_NARROW, REFINED_WIDE, Effort, effort_for, needs_more
from seealike.indexes.faiss import THREADS, FaissEngine, threads
from seealike.indexes.reduction import Reduction
from seealike.indexes.snapshot import SnapshotDamagedError, SnapshotRecord, read_parts

if TYPE_CHECKING:
    import numpy.typing as npt

    from seealike.types import Float32Array, Int64Array

_WORTH_A_THREAD = 32


@dataclass(frozen=True, slots=True)
class Proposal:
    """Keys to be scored for one query, no key twice. Neighbours of one ``group`` have equal vectors.

    Shapes: keys and groups are (m,); groups ascend.
    """

    keys: Int64Array
    groups: Int64Array

    def only(self, which: npt.NDArray[np.bool_]) -> Proposal:
        """Some of the keys."""
        return self if which.all() else Proposal(self.keys[which], self.groups[which])

    def leaders(self) -> tuple[Int64Array, Int64Array]:
        """One key of every group, and for each of ``keys`` the place of its group's one among them."""
        first = np.diff(self.groups, prepend=-1) > 0
        return self.keys[first], np.cumsum(first) - 1


class AnnIndex:
    """A loaded snapshot. Immutable, and safe to use from several threads."""

    def __init__(
        self,
        record: SnapshotRecord,
        reduction: Reduction,
        keys: Int64Array,
        starts: Int64Array,
        engine: FaissEngine | None,
    ) -> None:
        """Use ``load_snapshot`` instead. Without an engine every key is proposed."""
        self.record = record
        self._reduction, self._keys, self._starts, self._engine = reduction, keys, starts, engine
        self._has_twins = record.distinct < record.count
        self._known_effort: Effort | None = None

    def __len__(self) -> int:
        """The number of vectors."""
        return self.record.count

    def candidates(self, queries: Float32Array, k: int) -> list[Proposal]:
        """For every query, keys among which its ``k`` closest are, with the recorded recall; score them.

        At least ``min(k, n)`` keys each, roughly closest first. Where one of several equal
        vectors is proposed, all are. A query's candidates do not depend on the others asked with it.

        Shapes: queries is (q, d), unit norm.
        """
        engine = self._engine
        if engine is None:
            return [self._expanded(np.arange(self.record.distinct))] * len(queries)
        effort = self._effort(max(k, 1))
        workers = min(THREADS, len(queries) // _WORTH_A_THREAD)
        if workers < 2:
            return self._propose(engine, queries, effort)
        with ThreadPoolExecutor(workers) as pool:
            parts = pool.map(
                lambda part: self._propose(engine, part, effort), np.array_split(queries, 4 * workers)
            )
            return [row for part in parts for row in part]

    def _effort(self, k: int) -> Effort:
        """The effort for ``k``; the last one is remembered, for most callers always ask for as many."""
        known = self._known_effort
        if known is None or known.k != k:
            known = effort_for(k, self.record.efforts, self.record.distinct, self.record.lists)
            self._known_effort = known
        return known

    def _propose(self, engine: FaissEngine, queries: Float32Array, effort: Effort) -> list[Proposal]:
        with threads(1):
            return [self._expanded(self._closest(engine, query, effort)) for query in queries]

    def _closest(self, engine: FaissEngine, query: Float32Array, effort: Effort) -> Int64Array:
        reduced = self._reduction.apply_one(query)
        found = _searched(engine, reduced, effort.fetched, effort.probed, REFINED_NARROW)
        if needs_more(found[1], effort):
            found = _searched(engine, reduced, effort.wide_fetched, effort.wide_probed, REFINED_WIDE)
        if len(found[0]) < min(effort.k, self.record.distinct):
            found = _searched(engine, reduced, effort.wide_fetched, self.record.lists, REFINED_WIDE)
        return found[0]

    def _expanded(self, labels: Int64Array) -> Proposal:
        """The keys of the labels' vectors, equal ones side by side."""
        groups = np.arange(len(labels))
        if not self._has_twins or not len(labels):
            return Proposal(self._keys[labels], groups)
        starts = self._starts[labels]
        lengths = self._starts[labels + 1] - starts
        ends = np.cumsum(lengths)
        places = np.arange(ends[-1]) + np.repeat(starts - ends + lengths, lengths)
        return Proposal(self._keys[places], np.repeat(groups, lengths))


def _searched(
    engine: FaissEngine, query: Float32Array, fetched: int, probed: int, refined: int
) -> tuple[Int64Array, Float32Array]:
    """The labels that were found for one query, and their squared distances."""
    labels, distances = engine.search(query, fetched, probed, refined)
    found = labels[0] >= 0
    return labels[0][found], distances[0][found]


def load_snapshot(path: str, record: SnapshotRecord) -> AnnIndex:
    """Read a snapshot, having checked that it is the recorded one.

    Raises:
        SnapshotDamagedError: it is missing, damaged, another one, or of a FAISS this one cannot read.
    """
    parts = read_parts(path, record.size_bytes, record.sha256)
    shapes = {
        "directions": (record.reduced, record.dimension),
        "offset": (record.reduced,),
        "keys": (record.count,),
        "starts": (record.distinct + 1,),
    }
    if any(name not in parts or parts[name].shape != shape for name, shape in shapes.items()):
        raise SnapshotDamagedError(path, "holds other things than its record says")
    engine = None
    if record.lists:
        try:
            engine = FaissEngine.from_bytes(parts["faiss"].view(np.uint8))
        except (KeyError, ValueError) as exc:
            raise SnapshotDamagedError(path, str(exc)) from exc
        if engine.shape != (record.distinct, record.reduced):
            raise SnapshotDamagedError(path, f"FAISS holds {engine.shape}")
    return AnnIndex(
        record,
        Reduction(parts["directions"].astype(np.float32), parts["offset"].astype(np.float32)),
        parts["keys"].astype(np.int64),
        parts["starts"].astype(np.int64),
        engine,
    )
