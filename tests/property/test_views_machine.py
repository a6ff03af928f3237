"""Several open catalogues over one directory: each answers like a dictionary and an exhaustive search."""

from __future__ import annotations

import math
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import Phase
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    precondition,
    rule,
)
from tests.counting import commit, new_item, vector
from tests.machines import run_machine

import seealike
from seealike import Metric, SearchOptions
from seealike.catalog import ann
from seealike.store import SqliteStore
from seealike.testing import FakeEncoder
from seealike.types import Float16Array, Float32Array

ANN_THRESHOLD = 6
IDS = st.sampled_from(["a", "a b", "a/1", "a/10", "a/2", "B", "b", "c\0d", "e" * 300, "ü", "☃", "z"])
NUMBERS = st.sampled_from([1, 1, 1, 2, 2, 3, 4, 5, -1, -2, -3])  # few: most have twins; below 0 nearly twins
CATALOGS = st.integers(0, 2)


def scored(query: Float16Array | Float32Array, number: int, metric: Metric) -> float:
    """By the textbook, in float64, to six decimals."""
    one, other = query.astype(np.float64), vector(number).astype(np.float64)
    cosine = min(1.0, round(float(one @ other / (np.linalg.norm(one) * np.linalg.norm(other))), 6))
    return cosine if metric is Metric.COSINE else round(-math.sqrt(2 - 2 * float(np.float32(cosine))), 6)


class ViewsMachine(RuleBasedStateMachine):
    """Three open catalogues on one side, a dictionary on the other."""

    def __init__(self) -> None:
        super().__init__()
        self.base = Path(tempfile.mkdtemp(prefix="views-"))
        self.threshold, ann.THRESHOLD = ann.THRESHOLD, ANN_THRESHOLD
        self.encoder = FakeEncoder(dimension=8)
        seealike.create(self.base / "catalog", encoder=self.encoder).close()
        self.catalogs = [seealike.open(self.base / "catalog", encoder=self.encoder) for _ in range(3)]
        self.store = SqliteStore(str(self.base / "catalog"))
        self.items: dict[str, int] = {}

    def teardown(self) -> None:
        for catalog in self.catalogs:
            catalog.close()
        self.store.close()
        self.encoder.close()
        ann.THRESHOLD = self.threshold
        shutil.rmtree(self.base)

    @rule(items=st.dictionaries(IDS, NUMBERS, max_size=5), gone=st.sets(IDS, max_size=3))
    def another_process_commits(self, items: dict[str, int], gone: set[str]) -> None:
        rows = [new_item(item_id, number) for item_id, number in items.items()]
        commit(self.store, rows, remove=sorted(gone))
        self.items = {item_id: number for item_id, number in self.items.items() if item_id not in gone}
        self.items.update(items)

    @precondition(lambda self: self.items)
    @rule(which=CATALOGS, data=st.data())
    def one_of_them_removes(self, which: int, data: st.DataObject) -> None:
        gone = data.draw(st.sets(st.sampled_from(sorted(self.items)), min_size=1, max_size=3))
        assert self.catalogs[which].remove(sorted(gone)) == len(gone)
        for item_id in gone:
            del self.items[item_id]

    @rule(
        which=CATALOGS,
        number=NUMBERS,
        k=st.integers(1, 9),
        exact=st.booleans(),
        metric=st.sampled_from(list(Metric)),
    )
    def searches(self, which: int, number: int, k: int, exact: bool, metric: Metric) -> None:
        query = vector(number).astype(np.float32)
        query /= np.linalg.norm(query)
        options = SearchOptions(exact=exact, metric=metric)
        (hits,) = self.catalogs[which].search_vectors(query[None], k, options=options)
        self.check([(hit.id, hit.score) for hit in hits], query, k, metric, without=None)

    @rule(which=CATALOGS, k=st.integers(1, 9), exact=st.booleans(), metric=st.sampled_from(list(Metric)))
    def makes_the_lists(self, which: int, k: int, exact: bool, metric: Metric) -> None:
        options = SearchOptions(exact=exact, metric=metric)
        lists = list(self.catalogs[which].recommend_all(k, options=options))
        assert [entry.id for entry in lists] == sorted(self.items)
        similar = self.catalogs[which].similar_batch(sorted(self.items), k, options=options)
        for entry, hits in zip(lists, similar, strict=True):
            pairs = list(zip(entry.similar_ids, entry.scores, strict=True))
            assert pairs == [(hit.id, hit.score) for hit in hits]
            self.check(pairs, vector(self.items[entry.id]), k, metric, without=entry.id)

    @rule(which=CATALOGS)
    def builds_the_approximate_index(self, which: int) -> None:
        assert self.catalogs[which].verify(repair=True).ok

    @rule(which=CATALOGS)
    def restarts(self, which: int) -> None:
        self.catalogs[which].close()
        self.catalogs[which] = seealike.open(self.base / "catalog", encoder=self.encoder)

    def check(
        self,
        pairs: list[tuple[str, float]],
        query: Float16Array | Float32Array,
        k: int,
        metric: Metric,
        *,
        without: str | None,
    ) -> None:
        """Equal to everything scored and sorted: highest first, equal scores in id order, always k."""
        everything = sorted(
            (-scored(query, number, metric), item_id)
            for item_id, number in self.items.items()
            if item_id != without
        )
        assert [item_id for item_id, _ in pairs] == [item_id for _, item_id in everything[:k]]
        for (_, score), (negated, _) in zip(pairs, everything, strict=False):
            assert abs(score + negated) < 1e-9


def test_open_catalogues_answer_like_a_dictionary_and_an_exhaustive_search() -> None:
    run_machine(ViewsMachine, examples=15, steps=25, phases=(Phase.reuse, Phase.generate))


@pytest.mark.heavy
def test_open_catalogues_answer_like_a_dictionary_and_an_exhaustive_search_for_long() -> None:
    run_machine(ViewsMachine, examples=200, steps=60, phases=tuple(Phase))
