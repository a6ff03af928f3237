"""Ranking among some of the items: the same as exhaustive search among these, wherever the vectors lie."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.counting import CountingStore, commit, made_store, new_item, vector

from seealike.indexes import ExactIndex
from seealike.protocols import Proposer
from seealike.recommend import Searcher
from seealike.recommend import searcher as ranking
from seealike.store import StoreWriter
from seealike.types import Float32Array, Int64Array, Proposal

ITEMS, SNAPSHOT = 400, 250
MakeSearcher = Callable[[CountingStore, pytest.MonkeyPatch], Searcher]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[CountingStore]:
    made = made_store(tmp_path / "catalog")
    commit(made, [new_item(f"item {number:04}", number) for number in range(ITEMS)])
    commit(made, remove=[f"item {number:04}" for number in range(0, ITEMS, 7)])
    yield made
    made.close()


class Stingy:
    """Proposes one key, however many are wanted."""

    def __init__(self, held: ExactIndex) -> None:
        self._held = held
        self.last_key = held.last_key

    def __len__(self) -> int:
        return len(self._held)

    def candidates(self, queries: Float32Array, k: int, allowed: Int64Array | None = None) -> list[Proposal]:
        found = self._held.candidates(queries, k, allowed)
        return [Proposal(one.keys[:1], one.groups[:1]) for one in found]


def in_memory(store: CountingStore, _: pytest.MonkeyPatch) -> Searcher:
    return Searcher(store, store.identity.dimension, lambda _: None)


def streamed(store: CountingStore, patch: pytest.MonkeyPatch) -> Searcher:
    patch.setattr(ranking, "IN_MEMORY_BYTES", 0)
    return in_memory(store, patch)


def _with_snapshot(store: CountingStore, *, stingy: bool) -> Searcher:
    blocks = list(store.vector_blocks())
    keys, vectors = np.concatenate([keys for keys, _ in blocks]), np.concatenate([rows for _, rows in blocks])
    held = ExactIndex(keys[:SNAPSHOT], vectors[:SNAPSHOT])
    proposer: Proposer = Stingy(held) if stingy else held
    writer = StoreWriter(store.database_path)
    writer.set_ann("a snapshot")
    writer.close()
    commit(store, remove=["item 0001", "item 0002"])  # it still holds them
    return Searcher(store, store.identity.dimension, lambda _: (proposer, None))


def with_a_tail(store: CountingStore, _: pytest.MonkeyPatch) -> Searcher:
    return _with_snapshot(store, stingy=False)


def with_a_proposer_that_gives_too_few(store: CountingStore, _: pytest.MonkeyPatch) -> Searcher:
    return _with_snapshot(store, stingy=True)


def by_exhaustive_search(
    store: CountingStore, query: Float32Array, k: int, allowed: Int64Array
) -> list[tuple[int, float]]:
    wide, pairs = query.astype(np.float64), []
    for item in store.items():
        if item.key in allowed.tolist():
            row = store.vectors_of([item.key])[1][0].astype(np.float64)
            score = float(row @ wide / np.linalg.norm(row) / np.linalg.norm(wide))
            pairs.append((-round(score, 6), item.id, item.key))
    return [(key, -score) for score, _, key in sorted(pairs)[:k]]


@pytest.mark.parametrize("made", [in_memory, streamed, with_a_tail, with_a_proposer_that_gives_too_few])
@pytest.mark.parametrize("share", [0.9, 0.3, 0.02, 0.0])
def test_some_items_are_ranked_as_by_exhaustive_search(
    store: CountingStore, monkeypatch: pytest.MonkeyPatch, made: MakeSearcher, share: float
) -> None:
    searcher = made(store, monkeypatch)
    view = searcher.view()
    allowed = view.keys[np.random.default_rng(3).random(len(view)) < share]
    queries = np.stack([vector(number) for number in (1, 5, 1000)]).astype(np.float32)
    for k in (1, 10, 1000):
        for query, (keys, scores) in zip(
            queries, searcher.rank(view, queries, k, allowed=allowed), strict=True
        ):
            wanted = by_exhaustive_search(store, query, k, allowed)
            assert keys.tolist() == [key for key, _ in wanted]
            assert scores.tolist() == pytest.approx([score for _, score in wanted], abs=1.5e-6)


def test_a_few_items_are_found_without_reading_all(
    store: CountingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    searcher = streamed(store, monkeypatch)
    view = searcher.view()
    store.rows = 0
    searcher.rank(view, vector(1)[None].astype(np.float32), 3, allowed=view.keys[5:9])
    assert store.rows == 4
