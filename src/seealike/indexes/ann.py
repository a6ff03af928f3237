"""Approximate search over a loaded snapshot: proposes keys, never scores."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from seealike.indexes import rows
from seealike.indexes.effort import (
    NEARLY_ALL,
    REFINED_NARROW,
    REFINED_WIDE,
    Effort,
    EffortAmong,
    Way,
    effort_among,
    effort_for,
    needs_more,
    within_gap,
)
from seealike.indexes.faiss import FaissEngine, Selected, threads
from seealike.indexes.reduction import Reduction
from seealike.indexes.rows import VectorRows
from seealike.indexes.snapshot import SnapshotDamagedError, SnapshotRecord, read_parts
from seealike.types import Proposal
from seealike.vectors import VectorType

if TYPE_CHECKING:
    from seealike.types import Float32Array, Int64Array

_SELECTED_KEPT = 8
_FEW_SHARE = 0.05  # of all keys: fewer are looked up one by one


class FaissProposer:
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
        self._known_selected: tuple[tuple[Int64Array, Selected | None], ...] = ()

    def __len__(self) -> int:
        """The number of vectors."""
        return self.record.count

    @property
    def last_key(self) -> int:
        """The greatest key."""
        return self.record.last_key

    def candidates(self, queries: Float32Array, k: int, allowed: Int64Array | None = None) -> list[Proposal]:
        """See ``Proposer.candidates``: the closest are among them with the recorded recall.

        Roughly closest first. Where one of several equal vectors is proposed, all are that are allowed. What
        is allowed is searched as it lies: however few there are and wherever, ``k`` are found.
        """
        engine = self._engine
        if not len(queries):
            return []
        if engine is None:
            everything = self._expanded(np.arange(self.record.distinct))
            return [_only(everything, allowed)] * len(queries)
        effort = self._effort(max(k, 1))
        vectors, lists = self.record.distinct, self.record.lists
        if allowed is not None and effort_among(len(allowed), effort, vectors, lists).way is Way.ALL:
            return [self._those(allowed)] * len(queries)
        selected = None if allowed is None else self._selected(engine, allowed)
        among = None
        if allowed is not None and selected is not None and selected.count < NEARLY_ALL * vectors:
            among = effort_among(selected.count, effort, vectors, lists)
            if among.way is Way.ALL:  # they are twins
                return [self._those(allowed)] * len(queries)

        # One by one, as a query that is asked alone: sums in another order would be another query.
        reduced = np.concatenate([self._reduction.apply_one(query) for query in queries])
        with threads(1):  # who asks for many asks in threads
            if among is None or selected is None:
                found = self._closest(engine, reduced, effort, selected)
            else:
                found = [_closest_among(engine, row[np.newaxis], among, selected) for row in reduced]
        proposals = [self._expanded(labels) for labels in found]
        return [_only(one, allowed) for one in proposals] if self._has_twins else proposals

    def neighbourhoods(self, keys: Int64Array) -> Int64Array:
        """A number for every key, the same for those that are near: of the inverted list it is in.

        Those that are not in here get one of their own. Shapes: keys and the result are (m,).
        """
        if self._engine is None:
            return np.zeros(len(keys), dtype=np.int64)
        own, labels = self._by_key
        places = np.minimum(np.searchsorted(own, keys), len(own) - 1)
        return np.where(own[places] == keys, self._engine.list_of[labels[places]], -1)

    def _those(self, allowed: Int64Array) -> Proposal:
        """All allowed keys that are here."""
        return _only(self._expanded(self._labels_of(allowed)), allowed)

    def _labels_of(self, allowed: Int64Array) -> Int64Array:
        """The vectors of which a key is allowed, ascending."""
        keys, labels = self._by_key
        if len(allowed) < _FEW_SHARE * len(keys):
            places = np.minimum(np.searchsorted(keys, allowed), len(keys) - 1)
            places = places[keys[places] == allowed]
        else:
            places = np.flatnonzero(np.isin(keys, allowed, assume_unique=True))
        return np.unique(labels[places]) if self._has_twins else places

    @cached_property
    def _by_key(self) -> tuple[Int64Array, Int64Array]:
        """All keys, ascending, and the label of each."""
        order = np.argsort(self._keys)
        return self._keys[order], np.repeat(np.arange(self.record.distinct), np.diff(self._starts))[order]

    def _effort(self, k: int) -> Effort:
        """The effort for ``k``; the last one is remembered, for most callers always ask for as many."""
        known = self._known_effort
        if known is None or known.k != k:
            known = effort_for(k, self.record.efforts, self.record.distinct, self.record.lists)
            self._known_effort = known
        return known

    def _closest(
        self, engine: FaissEngine, queries: Float32Array, effort: Effort, selected: Selected | None
    ) -> list[Int64Array]:
        """For every query the closest labels, of those that are selected. Shapes: queries is (q, r)."""

        def search(rows: Sequence[int], fetched: int, probed: int, refined: int) -> None:
            if rows:
                answers = engine.search(queries[rows], fetched, probed, refined, selected)
                for row, labels, distances in zip(rows, *answers, strict=True):
                    found[row] = _found(labels, distances)

        found: dict[int, tuple[Int64Array, Float32Array]] = {}
        search(range(len(queries)), effort.fetched, effort.probed, REFINED_NARROW)
        unsure = [row for row, (_, distances) in found.items() if needs_more(distances, effort)]
        search(unsure, effort.wide_fetched, effort.wide_probed, REFINED_WIDE)
        least = min(effort.k, self.record.distinct if selected is None else selected.count)
        short = [row for row, (labels, _) in found.items() if len(labels) < least]
        search(short, effort.wide_fetched, self.record.lists, REFINED_WIDE)
        return [found[row][0] for row in range(len(queries))]

    def _selected(self, engine: FaissEngine, allowed: Int64Array) -> Selected | None:
        """What FAISS is told of the allowed keys, ``None`` if all are. Many calls have the same array."""
        for known, selected in self._known_selected:
            if known is allowed:
                return selected
        labels = self._labels_of(allowed)
        selected = None if len(labels) == self.record.distinct else engine.selected(labels)
        self._known_selected = (*self._known_selected[1 - _SELECTED_KEPT :], (allowed, selected))
        return selected

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


def _closest_among(
    engine: FaissEngine, query: Float32Array, effort: EffortAmong, selected: Selected
) -> Int64Array:
    """The closest labels that are selected: as many as it takes to have the closest ``k`` among them."""
    if effort.way is Way.CODES:
        answers = engine.compare_selected(query, effort.fetched, selected)
    else:
        probed = engine.lists_with(query, effort.scanned, selected)
        answers = engine.search(query, effort.fetched, probed, REFINED_NARROW, selected)
    labels, distances = _found(answers[0][0], answers[1][0])
    return labels[: within_gap(distances, effort)]


def _found(labels: Int64Array, distances: Float32Array) -> tuple[Int64Array, Float32Array]:
    """The labels that were found for one query, and their squared distances."""
    found = labels >= 0
    return labels[found], distances[found]


def _only(found: Proposal, allowed: Int64Array | None) -> Proposal:
    """Those of the keys that are among ``allowed``, which ascend."""
    if allowed is None:
        return found
    places = np.minimum(np.searchsorted(allowed, found.keys), len(allowed) - 1)
    which = allowed[places] == found.keys if len(allowed) else np.zeros(len(found.keys), dtype=bool)
    return found if which.all() else Proposal(found.keys[which], found.groups[which])


def load_snapshot(path: str, record: SnapshotRecord) -> tuple[FaissProposer, VectorRows | None]:
    """Read a snapshot, having checked that it is the recorded one: who proposes, and the exact vectors.

    There are none of these where they were not written, or cannot be read.

    Raises:
        SnapshotDamagedError: it is missing, damaged, another one, or of a FAISS this one cannot read.
    """
    parts = read_parts(path, record.size_bytes, record.sha256, record.rows_bytes)
    shapes = {
        "checksums": (record.rows,),
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
    keys, vectors = parts["keys"].astype(np.int64), None
    if record.rows and rows.CAN_BE_READ:
        try:
            checksums = parts["checksums"].astype(np.uint32)
            kept = VectorType(record.vectors)
            vectors = VectorRows(path, np.sort(keys), checksums, record.dimension, kept)
        except OSError as exc:
            raise SnapshotDamagedError(path, exc.strerror or str(exc)) from exc
    proposer = FaissProposer(
        record,
        Reduction(parts["directions"].astype(np.float32), parts["offset"].astype(np.float32)),
        keys,
        parts["starts"].astype(np.int64),
        engine,
    )
    return proposer, vectors
