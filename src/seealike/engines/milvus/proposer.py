"""What Milvus proposes: by its index, or by comparing everything here, whichever is quicker."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from seealike.engines.milvus.filters import Filter, joined, one_of
from seealike.engines.proposer import EFFORT, FEW, EngineProposer, proposal_of
from seealike.indexes import exact_scores
from seealike.types import Float16Array, Float32Array, Int64Array, Proposal

if TYPE_CHECKING:
    from seealike.engines.milvus.records import Build
    from seealike.engines.milvus.store import MilvusStore

# Of what the index walks through, only what keeps the condition counts: where fewer do, it must walk farther.
WALKED_SHARE, MOST_EFFORT = 0.1, 16_384
MOST = 16_384  # that a server gives at once
AT_ONCE = 100  # queries
MARGIN = 1e-6  # by which cosines of the engine may be wrong
_ROWS = 2048


class MilvusProposer(EngineProposer):
    """Proposes the items of one generation."""

    def __init__(self, store: MilvusStore, generation: int, keys: Int64Array, *, exact: bool) -> None:
        """Nothing is asked yet."""
        super().__init__(generation, keys, exact=exact)
        self._store = store

    def candidates(self, queries: Float32Array, k: int, allowed: Int64Array | None = None) -> list[Proposal]:
        """See ``Proposer``.

        Raises:
            StaleViewError: the engine has another generation by now.
        """
        if not len(self._keys) or (allowed is not None and not len(allowed)):
            return [proposal_of([]) for _ in queries]
        count = len(self._keys if allowed is None else allowed)
        if self._exact or self._is_few(count, k):
            ask = partial(self._compared, queries, k, allowed)
        else:
            ask = partial(self._by_index, queries, k, allowed)
        return [proposal_of(keys) for keys in self._store.of_generation(self._generation, ask)]

    def _is_few(self, count: int, k: int) -> bool:
        """Whether so many are compared one by one."""
        return count <= max(FEW, 4 * k)

    def _compared(
        self, queries: Float32Array, k: int, allowed: Int64Array | None, build: Build
    ) -> list[list[int]]:
        """The nearest of all that are allowed, and those that are as near."""
        keys = [np.empty(0, dtype=np.int64) for _ in queries]
        scores = [np.empty(0, dtype=np.float32) for _ in queries]
        for found, vectors in self._blocks(allowed, build):
            for row, seen in enumerate(exact_scores(queries, vectors)):
                keys[row], scores[row] = np.append(keys[row], found), np.append(scores[row], seen)
                if len(keys[row]) > k:
                    least = np.partition(scores[row], -k)[-k]
                    kept = scores[row] >= least
                    keys[row], scores[row] = keys[row][kept], scores[row][kept]
        return [one.tolist() for one in keys]

    def _blocks(self, allowed: Int64Array | None, build: Build) -> Iterator[tuple[Int64Array, Float16Array]]:
        wanted = self._keys if allowed is None else allowed
        if len(wanted) > len(self._keys) // 4:
            for keys, vectors in self._store.vectors_at(build):
                here = np.isin(keys, wanted)
                yield keys[here], vectors[here]
            return
        for start in range(0, len(wanted), _ROWS):
            yield self._store.vectors_of(wanted[start : start + _ROWS].tolist())

    def _by_index(
        self, queries: Float32Array, k: int, allowed: Int64Array | None, build: Build
    ) -> list[list[int]]:
        """What the index finds for every query, and whatever is as near as the last."""
        kept, farther = self._store.visible(build), 1.0
        if allowed is not None:
            asked = self._store.condition_of(allowed) or one_of("key", allowed.tolist())
            kept = joined("and", [kept, asked])
            farther = max(1.0, WALKED_SHARE * len(self._keys) / len(allowed))
        found: list[list[int]] = []
        for start in range(0, len(queries), AT_ONCE):
            part, wanted = queries[start : start + AT_ONCE], min(MOST, k + max(10, k // 2))
            found += self._nearest(part, k, wanted, kept, farther)
        return found

    def _nearest(
        self, queries: Float32Array, k: int, wanted: int, kept: Filter, farther: float
    ) -> list[list[int]]:
        effort = max(EFFORT, 2 * wanted)
        hits = self._store.nearest(
            queries, wanted, kept, max(effort, min(MOST_EFFORT, round(effort * farther)))
        )
        found = [[key for key, _ in one] for one in hits]
        tied = [
            row for row, one in enumerate(hits) if len(one) == wanted and one[k - 1][1] - one[-1][1] <= MARGIN
        ]
        if tied and wanted < MOST:  # which of them come first is said by their ids
            more = self._nearest(queries[tied], k, min(MOST, 4 * wanted), kept, farther)
            for row, one in zip(tied, more, strict=True):
                found[row] = one
        return found
