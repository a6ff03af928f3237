"""All keys in the order of their ids, which Milvus cannot give, kept from generation to generation."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from seealike.recommend import StaleViewError
from seealike.store.sqlite import is_on_record
from seealike.types import Int64Array

if TYPE_CHECKING:
    from seealike.engines.milvus.records import Build
    from seealike.engines.milvus.store import MilvusStore

_PIVOTS = 32  # ids that are looked at between two places, at once


class IdOrder:
    """Keys in the order of their ids. Safe to use from several threads."""

    def __init__(self, store: MilvusStore) -> None:
        """Nothing is read yet."""
        self._store = store
        self._reading = threading.Lock()
        self._known: tuple[int, Int64Array] | None = None

    def at(self, build: Build) -> Int64Array:
        """All keys of a generation; read at the first call, later only those that are new."""
        with self._reading:
            if self._known is None or self._known[0] != build.state.generation:
                self._known = build.state.generation, self._later(build)
            return self._known[1]

    def _later(self, build: Build) -> Int64Array:
        state = build.state
        if self._known is not None:
            generation, order = self._known
            last = int(order.max(initial=0))
            if is_on_record(state, generation, last):
                gone = self._store.dead_since(build, generation)
                order = order[~np.isin(order, np.array(gone, dtype=np.int64))]
                return self._with(order, self._ids(build, last))
        named = sorted(self._ids(build, 0))
        return np.array([key for _, key in named], dtype=np.int64)

    def _ids(self, build: Build, after: int) -> list[tuple[str, int]]:
        blocks = self._store.blocks(build, ("key", "id"), after=after)
        return [(row["id"], row["key"]) for rows in blocks for row in rows]

    def _with(self, order: Int64Array, new: Sequence[tuple[str, int]]) -> Int64Array:
        named = sorted(new)
        places = self.places(order, [item_id for item_id, _ in named])
        return np.insert(order, places, [key for _, key in named])

    def places(self, order: Int64Array, ids: Sequence[str]) -> list[int]:
        """Before how many keys each id would come; looks at a few dozen ids at a time.

        Raises:
            StaleViewError: some of the keys are gone by now.
        """
        lows, highs = [0] * len(ids), [len(order)] * len(ids)
        while still := [n for n in range(len(ids)) if lows[n] < highs[n]]:
            pivots = {n: _between(lows[n], highs[n]) for n in still}
            keys = {int(order[place]) for places in pivots.values() for place in places}
            known = {row["key"]: row["id"] for row in self._store.rows_of(sorted(keys), ("key", "id"))}
            if len(known) != len(keys):
                raise StaleViewError
            for n, places in pivots.items():
                less = [place for place in places if known[int(order[place])] < ids[n]]
                if less:
                    lows[n] = less[-1] + 1
                if len(less) < len(places):
                    highs[n] = places[len(less)]
        return lows


def _between(low: int, high: int) -> list[int]:
    return sorted({low + (high - low) * step // _PIVOTS for step in range(_PIVOTS)})
