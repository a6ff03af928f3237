"""Every wish means the same over an engine: the tests of the pipeline, and of what proposes, asked of it."""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from tests.contract.test_index_contract import clustered
from tests.counting import D, commit, made_store
from tests.property import test_pipeline as pipeline

from seealike.catalog.engine import engine_at
from seealike.engines.publishing import Publication, publish
from seealike.engines.searcher import EngineSearcher
from seealike.engines.store import Engine, EngineStore
from seealike.recommend import Calibration, Example, Examples, Query, SearchOptions, answered
from seealike.store import NewItem, SqliteStore
from seealike.store.manifest import Manifest
from seealike.store.records import BY_HAND
from seealike.testing import FakeEncoder, check_proposer
from seealike.types import Float16Array, Hit, Int64Array, unwatched

pytestmark = pytest.mark.engine

ASKS = [
    pipeline.test_every_combination_of_wishes_is_what_a_plain_derivation_gives,
    pipeline.test_at_least_a_relation_goes_with_every_other_wish_and_hits_say_what_they_are,
    pipeline.test_there_are_k_results_whenever_k_exist_and_none_is_of_the_querys_own_product,
    pipeline.test_neither_the_order_of_items_nor_that_of_queries_nor_how_they_are_batched_changes_anything,
]


@pytest.fixture
def engine(address: str) -> Iterator[Engine]:
    opened = engine_at(address)
    yield opened
    opened.close()


def published(store: SqliteStore, engine: Engine) -> None:
    manifest = Manifest(store.identity, catalog_id=store.catalog_id)
    publish(Publication(store, manifest, lambda _: None), engine, unwatched, rebuild=True)


@pytest.mark.parametrize("by", ["comparing", "index"])
@pytest.mark.parametrize("test", ASKS, ids=lambda test: test.__name__[5:40])
def test_what_holds_of_a_catalogue_holds_of_its_copy(
    test: Callable[[], None],
    by: str,
    engine: Engine,
    kept_s: str,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    if by == "index":
        request.getfixturevalue("by_index")

    def found(
        items: Sequence[pipeline.Entry],
        wanted: Sequence[Examples],
        k: int,
        options: SearchOptions,
        scale: Calibration | None = None,
    ) -> list[list[Hit]]:
        with tempfile.TemporaryDirectory() as folder:
            with made_store_of(Path(folder) / "catalog", items) as store:
                published(store, engine)
            copy = engine.opened()
            searcher = EngineSearcher(copy, copy.identity.dimension)
            return answered(copy, searcher, Query(wanted, k, options, scale)).lists

    monkeypatch.setattr(pipeline, "found", found)
    monkeypatch.setattr(kept_s, 0)
    test()
    assert not inspect.signature(test).parameters


class made_store_of:  # noqa: N801  used as a statement
    def __init__(self, path: Path, items: Sequence[pipeline.Entry]) -> None:
        self._store = made_store(path)
        commit(self._store, [pipeline.as_item(entry) for entry in items])

    def __enter__(self) -> SqliteStore:
        return self._store

    def __exit__(self, *_: object) -> None:
        self._store.close()


@pytest.mark.parametrize("k", [1, 10])
@pytest.mark.usefixtures("by_index")
def test_along_the_index_the_ids_decide_among_many_of_the_same_picture(
    k: int, engine: Engine, tmp_path: Path
) -> None:
    same = [pipeline.Entry(f"s{number * 37 % 60:03}", 5, None) for number in range(60)]
    entries = [*same, *(pipeline.Entry(f"r{number:03}", number, None) for number in range(6, 200))]
    with made_store_of(tmp_path / "catalog", entries) as store:
        published(store, engine)
    copy = engine.opened()
    query = Query([Examples((Example("s020"),))], k, SearchOptions(pictures=True))
    (hits,) = answered(copy, EngineSearcher(copy, D), query).lists
    assert [hit.id for hit in hits] == [f"s{number:03}" for number in range(k)]


def test_after_a_change_only_what_is_new_is_asked_for_and_answers_are_as_if_all_were(
    engine: Engine, tmp_path: Path
) -> None:
    rng = np.random.default_rng(3)
    numbers = rng.integers(1, 12, 200)
    entries = [
        pipeline.Entry(f"{n:03}", int(number), (None, "a", "b", f"own{n}")[n % 4])
        for n, number in enumerate(numbers)
    ]
    with made_store_of(tmp_path / "catalog", entries[:100]) as store:
        published(store, engine)
    copy = CountingCopy(engine.opened())
    searcher = EngineSearcher(copy, D)  # type: ignore[arg-type]
    for number in range(100, 200, 5):
        with engine.changing() as writer:
            writer.add([pipeline.as_item(entry) for entry in entries[number : number + 5]])
            writer.remove([entries[number - 60].id])
        fresh = EngineSearcher(engine.opened(), D)
        for options in (
            SearchOptions(where="colour = 'red' or group = 'a'"),
            SearchOptions(other=("colour",)),
            SearchOptions(),
        ):
            query = Query([Examples((Example(entries[number].id),))], 20, options)
            assert answered(copy, searcher, query) == answered(engine.opened(), fresh, query)  # type: ignore[arg-type]
    assert copy.read.count(0) <= 5  # of the groups, the condition, and what is of another colour than three
    assert len(copy.read) == 60


class CountingCopy:
    """A copy; ``read`` has what keys the items were after that conditions and groups were asked of."""

    def __init__(self, copy: EngineStore) -> None:
        self._copy, self.read = copy, list[int]()

    def __getattr__(self, name: str) -> object:
        return getattr(self._copy, name)

    def matching(self, among: object, generation: int, *, after_key: int = 0) -> Int64Array:
        self.read.append(after_key)
        return self._copy.matching(among, generation, after_key=after_key)

    def groups(self, *, after_key: int = 0) -> object:
        self.read.append(after_key)
        return self._copy.groups(after_key=after_key)


def proposers(engine: Engine, folder: Path, *, exact: bool) -> Callable[[Int64Array, Float16Array], object]:
    """What makes a proposer of the copy in an engine, whose keys are those that are given."""

    def made(keys: Int64Array, vectors: Float16Array) -> object:
        path = folder / f"{len(keys)}-{vectors.shape[1]}"
        made_of(path, vectors).close()
        store = SqliteStore(str(path))
        published(store, engine)
        store.close()
        copy = engine.opened()
        return Renamed(copy, keys, exact=exact)

    return made


def made_of(path: Path, vectors: Float16Array) -> SqliteStore:
    from seealike.store import FileSystem, StoreWriter

    SqliteStore.create(str(path), FakeEncoder(dimension=vectors.shape[1]).identity, FileSystem()).close()
    store = SqliteStore(str(path))
    writer = StoreWriter(store.database_path)
    rows = [
        NewItem(f"{n:06}", None, None, None, None, None, f'{{"n":{n}}}', 1, 1, BY_HAND, row.tobytes())
        for n, row in enumerate(vectors)
    ]
    writer.add(rows)
    writer.close()
    return store


class Renamed:
    """A proposer under other keys: the copy's are 1, 2, 3 and so on."""

    def __init__(self, copy: object, keys: Int64Array, *, exact: bool) -> None:
        searcher = EngineSearcher(copy, copy.identity.dimension)  # type: ignore[arg-type, attr-defined]
        view = searcher.view()
        state = copy.state()  # type: ignore[attr-defined]
        self._proposer = copy.proposer(state, view.living, exact=exact)  # type: ignore[attr-defined]
        self._keys = keys

    def __len__(self) -> int:
        return len(self._proposer)

    @property
    def last_key(self) -> int:
        return int(self._keys[self._proposer.last_key - 1]) if len(self) else 0

    def candidates(self, queries: object, k: int, allowed: Int64Array | None = None) -> object:
        own = None
        if allowed is not None:
            own = np.flatnonzero(np.isin(self._keys, allowed)) + 1
        found = self._proposer.candidates(queries, k, own)
        return [type(one)(self._keys[one.keys - 1], one.groups) for one in found]


@pytest.mark.parametrize("by", ["comparing", "index"])
def test_what_proposes_keeps_the_contract(
    by: str, engine: Engine, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if by == "index":
        request.getfixturevalue("by_index")
    made = proposers(engine, tmp_path, exact=by == "comparing")
    check_proposer(made, recall=1.0 if by == "comparing" else 0.97)  # type: ignore[arg-type]


def test_the_nearest_are_found_at_every_selectivity(engine: Engine, tmp_path: Path) -> None:
    n, d, k = 6000, 32, 10
    vectors = clustered(n, d, 1).astype(np.float16)
    store = made_of(tmp_path / "catalog", vectors)
    published(store, engine)
    store.close()
    copy = engine.opened()
    searcher = EngineSearcher(copy, d)
    queries = clustered(40, d, 2)
    wide = vectors.astype(np.float64) / np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    cosines = queries.astype(np.float64) @ wide.T
    by = set()
    for share in (None, 0.9, 0.5, 0.1, 0.02, 0.002):
        options = SearchOptions() if share is None else SearchOptions(where=f"n < {int(n * share)}")
        count = n if share is None else int(n * share)
        view = searcher.view()
        allowed = None if share is None else searcher.allowed(view, searcher.among(view, options, ()))
        assert allowed is None or len(allowed) == count
        by.add(view.ann._is_few(count, k))  # type: ignore[union-attr]
        ranked = searcher.rank(view, queries, k, allowed=allowed)
        hits = 0
        for row, (keys, _) in enumerate(ranked):
            best = set((np.argsort(-cosines[row, :count])[:k] + 1).tolist())
            hits += len(best & set(keys.tolist()))
        assert hits / (len(queries) * k) >= 0.99, share
    assert by == {True, False}
