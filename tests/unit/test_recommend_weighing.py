"""What counts beside similarity: hubness, columns that are boosted, what is new."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.counting import CountingStore, D, commit, made_store, new_item, searcher_of, vector
from tests.seeds import SEED

from seealike.catalog.derived import KeptHubness
from seealike.errors import UnknownNameError, UsageError
from seealike.recommend import (
    Example,
    Examples,
    Query,
    ReportedLists,
    Searcher,
    SearchOptions,
    answered,
    similar_lists,
)
from seealike.recommend.filters import mask_of
from seealike.recommend.mixing import hubness
from seealike.recommend.mixing.hubness import Hubness, numbers_of
from seealike.recommend.mixing.weighing import standings
from seealike.recommend.view import KEY_BITS
from seealike.store import FileSystem, NewItem, SqliteStore
from seealike.testing import FakeEncoder
from seealike.types import Float16Array, Hit, Int64Array, MetadataValue, unwatched


def item(item_id: str, number: int, **said: MetadataValue) -> NewItem:
    return replace(new_item(item_id, number), metadata_json=json.dumps(said))


def similar(store: CountingStore, item_id: str, k: int, options: SearchOptions) -> list[Hit]:
    query = Query([Examples((Example(item_id),))], k, options)
    return answered(store, searcher_of(store), query).lists[0]


# -- hubness -------------------------------------------------------------------------------------------


def test_what_is_taken_from_an_item_is_what_the_documentation_says() -> None:
    rng = np.random.default_rng(SEED)
    vectors = rng.standard_normal((60, 24)).astype(np.float16)
    vectors[5] = vectors[6]
    numbers = numbers_of(np.arange(60), vectors[:40], lambda keys: vectors[keys])
    unit = vectors.astype(np.float64) / np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    for key, number in enumerate(numbers.tolist()):
        same = {key, {5: 6, 6: 5}.get(key, key)}
        others = sorted(float(unit[key] @ unit[other]) for other in range(40) if other not in same)
        assert number == pytest.approx(np.mean(others) / 2 + np.mean(others[-16:]) / 4, abs=2e-6)
    assert numbers[5] == numbers[6]


def test_the_least_is_taken_from_a_quarter_of_the_items_alike() -> None:
    measured = Hubness(np.arange(8), np.arange(8), np.array([0.1, 0.9, 0.2, 0.8, 0.7, 0.3, 0.4, 0.5]))
    assert measured.penalties().tolist() == [0.2, 0.9, 0.2, 0.8, 0.7, 0.3, 0.4, 0.5]


def test_scores_that_are_shown_are_similarities_whatever_counts_beside_them(tmp_path: Path) -> None:
    store = made_store(tmp_path / "catalog")
    commit(store, [item(f"{number:02}", number, sold=number % 7) for number in range(1, 60)])
    plain = {hit.id: hit.score for hit in similar(store, "07", 60, SearchOptions())}
    orders = []
    for options in (
        SearchOptions(hub_correction=True),
        SearchOptions(boost={"sold": 0.4}),  # type: ignore[arg-type]  # a mapping will do
        SearchOptions(recent=0.3),
    ):
        found = similar(store, "07", 60, options)
        assert {hit.id: hit.score for hit in found} == plain
        orders.append([hit.id for hit in found])
        assert orders[-1] != [*plain]
    assert len(set(map(tuple, orders))) == 3
    store.close()


def test_fewer_items_are_in_many_lists_and_fewer_in_none(tmp_path: Path) -> None:
    """Of many dimensions are hubs made: vectors without any structure but a common direction."""
    encoder = FakeEncoder(dimension=48)
    SqliteStore.create(str(tmp_path / "catalog"), encoder.identity, FileSystem()).close()
    store = SqliteStore(str(tmp_path / "catalog"))
    rows = np.random.default_rng(SEED).standard_normal((500, 48)) + 0.7
    items = [
        replace(new_item(f"{number:03}", 1), vector=row.astype(np.float16).tobytes())
        for number, row in enumerate(rows)
    ]
    commit(store, items)
    plain, corrected = (
        ReportedLists(
            similar_lists(store, Searcher(store, 48, lambda _: None), 10, options, unwatched), store
        )
        for options in (SearchOptions(), SearchOptions(hub_correction=True))
    )
    assert len(list(plain)) == len(list(corrected)) == 500
    before, after = plain.report(), corrected.report()
    assert before.skewness > 1
    assert after.skewness < before.skewness / 2
    assert after.recommended > before.recommended
    store.close()


class _Kept:
    def __init__(self) -> None:
        self.kept: Hubness | None = None
        self.writes = 0

    def read(self) -> Hubness | None:
        return self.kept

    def write(self, measured: Hubness) -> None:
        self.kept, self.writes = measured, self.writes + 1


class _Vectors:
    """Vectors by key, and which keys were asked for."""

    def __init__(self, numbers: dict[int, int]) -> None:
        self.numbers = numbers
        self.asked: list[int] = []

    def __call__(self, keys: Int64Array) -> Float16Array:
        self.asked += keys.tolist()
        found = [vector(self.numbers[key]) for key in keys.tolist()]
        return np.stack(found) if found else np.empty((0, D), np.float16)


@pytest.fixture
def _few_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hubness, "KEPT_FROM", 50)
    monkeypatch.setattr(hubness, "REFERENCES", 20)


@pytest.mark.usefixtures("_few_are_kept")
def test_what_is_kept_changes_no_number_however_the_items_came_and_went() -> None:
    draw = random.Random(SEED)
    vectors_of, keeper = _Vectors({}), _Kept()
    alive: set[int] = set()
    quick = 0
    for turn in range(40):
        for _ in range(draw.choice([1, 1, 30]) if turn else 150):
            key = len(vectors_of.numbers) + 1
            vectors_of.numbers[key] = draw.choice([key, 3, 4])
            alive.add(key)
        alive -= set(draw.sample(sorted(alive), draw.choice([0, 1, 10])))
        keys = np.array(sorted(alive))
        vectors_of.asked.clear()
        found = hubness.hubness_of(keys, vectors_of, keeper)
        quick += len(vectors_of.asked) < 2 * len(keys)
        assert found.numbers.tolist() == hubness.hubness_of(keys, vectors_of, None).numbers.tolist()
    assert 0 < quick < 40


@pytest.mark.usefixtures("_few_are_kept")
def test_nothing_is_measured_again_where_no_item_came_or_went() -> None:
    vectors_of, keeper = _Vectors({key: key for key in range(1, 1001)}), _Kept()
    keys = np.arange(1, 1001)
    first = hubness.hubness_of(keys, vectors_of, keeper)
    vectors_of.asked.clear()
    assert hubness.hubness_of(keys, vectors_of, keeper).numbers.tolist() == first.numbers.tolist()
    assert keeper.writes == 1
    assert len(vectors_of.asked) < 250  # a look at the newest items, and the sample
    hubness.hubness_of(keys[:40], vectors_of, keeper)
    assert keeper.writes == 1  # few items are measured each time


@pytest.mark.usefixtures("_few_are_kept")
def test_the_sample_is_the_same_under_whatever_keys_the_vectors_are() -> None:
    numbers = list(range(1, 301))
    first = hubness.hubness_of(np.arange(300), _Vectors(dict(enumerate(numbers))), None)
    again = hubness.hubness_of(np.arange(300), _Vectors(dict(enumerate(numbers[::-1]))), None)
    assert again.numbers.tolist() == first.numbers.tolist()[::-1]


@pytest.mark.usefixtures("_few_are_kept")
def test_keys_that_were_given_twice_are_measured_again() -> None:
    keeper, keys = _Kept(), np.arange(1, 101)
    hubness.hubness_of(keys, _Vectors({key: key for key in range(1, 101)}), keeper)
    other = _Vectors({key: key if key < 90 else 5000 + key for key in range(1, 101)})
    found = hubness.hubness_of(keys, other, keeper)
    assert found.numbers.tolist() == hubness.hubness_of(keys, other, None).numbers.tolist()
    assert keeper.writes == 2


@pytest.mark.usefixtures("_few_are_kept")
def test_keys_that_were_given_twice_are_measured_again_in_each_of_several_catalogues() -> None:
    keeper, keys = _Kept(), np.concatenate([np.arange(1, 101), (1 << KEY_BITS) + np.arange(1, 301)])
    as_before = {key: key % 1000 for key in keys.tolist()}
    hubness.hubness_of(keys, _Vectors(as_before), keeper)
    other = _Vectors({key: 5000 if key == 100 else number for key, number in as_before.items()})
    found = hubness.hubness_of(keys, other, keeper)
    assert found.numbers.tolist() == hubness.hubness_of(keys, other, None).numbers.tolist()
    assert keeper.writes == 2


def test_a_catalogue_keeps_what_was_measured_and_does_without_where_it_is_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hubness, "KEPT_FROM", 50)
    store = made_store(tmp_path / "catalog")
    commit(store, [new_item(f"{number:03}", number) for number in range(1, 100)])

    def measured() -> list[float]:
        searcher = Searcher(
            store,
            D,
            lambda _: None,
            hubness_keeper=KeptHubness(store.directory, store.catalog_id, FileSystem()),
        )
        found: list[float] = searcher.hubness(searcher.view()).penalties().tolist()
        return found

    first = measured()
    (file,) = (tmp_path / "catalog").glob("hubs-*")
    store.rows = 0
    assert measured() == first
    content = bytearray(file.read_bytes())
    content[-40] ^= 1
    file.write_bytes(content)
    assert measured() == first
    (again,) = (tmp_path / "catalog").glob("hubs-*")
    assert again.name == file.name
    assert again.read_bytes() != bytes(content)
    store.close()


# -- columns -------------------------------------------------------------------------------------------


def standing(tmp_path: Path, values: list[MetadataValue], name: str = "said") -> list[float | None]:
    store = made_store(tmp_path / "catalog")
    commit(store, [item(f"{place:02}", place + 1, said=value) for place, value in enumerate(values)])
    searcher = searcher_of(store)
    found = standings(searcher.columns(searcher.view()), name).tolist()
    store.close()
    return [None if np.isnan(number) else number for number in found]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0, 1_000_000, 3, None, 3], [0.0, 1.0, 0.5, None, 0.5]),
        ([True, False, None, True], [1.0, 0.0, None, 1.0]),
        ([7, None, 7.0], [1.0, None, 1.0]),
        (["2026-11-28", "2024-01-01", None, "2025-06-01T10:00:00+02:00"], [1.0, 0.0, None, 0.5]),
        ([None, None], [None, None]),
    ],
)
def test_standings_are_places_among_different_values(
    tmp_path: Path, values: list[MetadataValue], expected: list[float | None]
) -> None:
    assert standing(tmp_path, values) == expected


def test_what_is_no_number_and_no_date_cannot_be_boosted(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'blue', which is neither a number nor a date such as 2026-11-28"):
        standing(tmp_path, ["2026-11-28", "blue"])


def test_a_column_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="said"):
        standing(tmp_path, [1, 2], "sold")


def test_what_was_removed_has_no_say_in_an_open_process(tmp_path: Path) -> None:
    store = made_store(tmp_path / "catalog")
    commit(store, [item("a", 1, sold=1), item("b", 2, sold="many"), item("c", 3, sold=5)])
    searcher = searcher_of(store)
    with pytest.raises(UsageError, match="neither a number nor a date"):
        standings(searcher.columns(searcher.view()), "sold")
    commit(store, remove=["b"])
    columns = searcher.columns(searcher.view())
    assert standings(columns, "sold").tolist() == [0.0, 1.0]
    assert columns.column("sold").values == [1, 5]
    with pytest.raises(UsageError, match="holds numbers, such as 1; 'many' at character 8 is none"):
        mask_of("sold = 'many'", columns)
    store.close()


def test_where_small_numbers_are_better_no_number_is_not_the_best(tmp_path: Path) -> None:
    store = made_store(tmp_path / "catalog")
    same = [item("a", 5, price=10), item("b", 5), item("c", 5, price=30), item("d", 5, price=20)]
    commit(store, [*same, item("query", 5)])
    cheap = similar(store, "query", 4, SearchOptions(boost=(("price", -0.2),)))
    assert [hit.id for hit in cheap] == ["a", "d", "b", "c"]
    dear = similar(store, "query", 4, SearchOptions(boost=(("price", 0.2),)))
    assert [hit.id for hit in dear] == ["c", "d", "a", "b"]
    new = similar(store, "query", 4, SearchOptions(recent=0.1))
    assert [hit.id for hit in new] == ["d", "c", "b", "a"]
    store.close()


@pytest.mark.parametrize(
    "wrong",
    [
        {"boost": "sold"},
        {"boost": [("sold",)]},
        {"boost": [(3, 0.1)]},
        {"boost": {"sold": 2.0}},
        {"boost": {"sold": float("nan")}},
        {"boost": {"sold": "much"}},
        {"boost": [("sold", 1.0), ("sold", -1.0)]},
        {"recent": -1.5},
        {"recent": "new"},
    ],
)
def test_weights_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError) as caught:
        SearchOptions(**wrong)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
