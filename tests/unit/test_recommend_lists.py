"""Lists of all items and single answers where many pictures are equal, and while another process writes."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.counting import CountingStore, commit, made_store, new_item, searcher_of, vector

from seealike.catalog import ann
from seealike.errors import CatalogBusyError, DamagedCatalogError
from seealike.indexes import exact_scores
from seealike.recommend import (
    Example,
    Examples,
    Query,
    Searcher,
    SearchOptions,
    SimilarList,
    answered,
    searcher,
    similar_lists,
)
from seealike.recommend.lists import making
from seealike.store import FileSystem, NewItem, StoreWriter
from seealike.types import Float16Array, Float32Array, Hit, Int64Array, Proposal, unwatched

DISTINCT = 1100  # enough for an approximate index that leaves something out
PLACEHOLDER = 5


@pytest.fixture
def pairs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many pairs were scored, call by call."""
    scored: list[int] = []

    def counting(queries: Float32Array, vectors: Float16Array) -> Float32Array:
        scored.append(len(queries) * len(vectors))
        return exact_scores(queries, vectors)

    monkeypatch.setattr(searcher, "exact_scores", counting)
    return scored


def shop(path: Path, copies: int, *, approximate: bool) -> tuple[CountingStore, Searcher]:
    """Items of which ``copies``, spread among the others, have the same picture."""
    store = made_store(path)
    rows = [new_item(f"{number:05}", number + 10) for number in range(DISTINCT)]
    rows += [
        new_item(f"{number % DISTINCT:05} placeholder {number}", PLACEHOLDER) for number in range(copies)
    ]
    for start in range(0, len(rows), 2000):
        commit(store, rows[start : start + 2000])
    if approximate:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ann, "THRESHOLD", 100)
            writer = StoreWriter(store.database_path)
            ann.refresh(store, FileSystem(), lambda: contextlib.nullcontext(writer), lambda _: None)
            writer.close()
        assert store.state().ann is not None
    return store, Searcher(store, store.identity.dimension, lambda record: ann.load(store.directory, record))


def all_lists(
    store: CountingStore, ranker: Searcher, k: int, *, exact: bool = False
) -> Iterator[SimilarList]:
    return similar_lists(store, ranker, k, SearchOptions(exact=exact), unwatched)


def similar(store: CountingStore, ranker: Searcher, item_id: str, k: int) -> list[Hit]:
    return answered(store, ranker, Query([Examples((Example(item_id),))], k)).lists[0]


def truth(store: CountingStore, k: int) -> dict[str, list[tuple[float, str]]]:
    """Everything scored and sorted, in float64: highest first, equal scores in id order."""
    items = list(store.items())
    ids = [item.id for item in items]
    keys, stored = store.vectors_of([item.key for item in items])
    rows = stored[np.searchsorted(keys, [item.key for item in items])].astype(np.float64)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    found = {}
    for row, item_id in enumerate(ids):
        scores = np.minimum(1.0, np.round(unit @ unit[row], 6))
        order = [place for place in np.argsort(-scores, kind="stable").tolist() if place != row][:k]
        found[item_id] = [(float(scores[place]), ids[place]) for place in order]
    return found


@pytest.mark.parametrize("approximate", [False, True])
def test_placeholders_cost_in_proportion_to_their_number(
    tmp_path: Path, pairs: list[int], approximate: bool
) -> None:
    scored, read = [], []
    for copies in (500, 2000):
        store, ranker = shop(tmp_path / str(copies), copies, approximate=approximate)
        ranker.view()
        pairs.clear()
        store.rows = 0
        entries = list(all_lists(store, ranker, 10))
        assert len(entries) == DISTINCT + copies
        scored.append(sum(pairs))
        pairs.clear()
        store.rows = 0
        for number in range(3):
            found = similar(store, ranker, f"{number:05} placeholder {number}", 10)
            assert {hit.score for hit in found} == {1.0}
        read.append(store.rows)
        assert sum(pairs) < 3 * 400
        store.close()
    assert scored[1] < 2 * scored[0]
    assert read[1] < 2 * read[0] < 2 * 3 * 400


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("approximate", [False, True])
def test_lists_with_many_equal_pictures_are_those_of_exhaustive_search(
    tmp_path: Path, approximate: bool, exact: bool
) -> None:
    store, ranker = shop(tmp_path / "catalog", 700, approximate=approximate)
    commit(store, [new_item("00000 tail", PLACEHOLDER), new_item("zzz tail", -1), new_item("zzz", -1)])
    commit(store, remove=[f"{number:05} placeholder {number}" for number in range(0, 60, 2)])
    expected = truth(store, 10)
    kept = 0
    for entry in all_lists(store, ranker, 10, exact=exact):
        found = list(zip([-score for score in entry.scores], entry.similar_ids, strict=True))
        assert found == sorted(found)
        assert len(found) == 10
        mine = expected[entry.id]
        kept += sum(-negated >= mine[-1][0] - 1.5e-6 for negated, _ in found)
        if exact or not approximate or "placeholder" in entry.id:
            assert [item_id for _, item_id in found] == [item_id for _, item_id in mine]
        if not exact and entry.id.endswith("7"):
            alone = similar(store, ranker, entry.id, 10)
            assert [(-hit.score, hit.id) for hit in alone] == found
    assert kept >= 0.99 * 10 * len(expected)
    store.close()


def test_vectors_of_candidates_come_from_the_snapshot_and_where_that_is_damaged_from_the_store(
    tmp_path: Path,
) -> None:
    store, ranker = shop(tmp_path / "catalog", 20, approximate=True)
    query = Query([Examples((Example(vector=vector(4321).astype(np.float32)),))], 10)
    (expected,) = answered(store, ranker, query).lists
    store.rows = 0
    assert answered(store, ranker, query).lists == [expected]
    assert store.rows == 0  # the rows of the items are known by now
    (file,) = (tmp_path / "catalog").glob("ann-*")
    key = store.known_item(expected[0].id).key
    place = (key - 1) * store.identity.dimension * 2
    content = bytearray(file.read_bytes())
    content[place] ^= 1
    file.write_bytes(content)
    store.rows = 0
    assert answered(store, ranker, query).lists == [expected]
    assert store.rows == 1
    assert ann.damage(store.directory, store.state().ann or "") == f"checksum of the vector with key {key}"
    store.close()


class _Lying:
    """Proposes everything; says that all its vectors are the query's."""

    def __init__(self, count: int) -> None:
        self.last_key = count

    def __len__(self) -> int:
        return self.last_key

    def candidates(self, queries: Float32Array, k: int, allowed: Int64Array | None = None) -> list[Proposal]:
        keys = np.arange(1, self.last_key + 1) if allowed is None else allowed
        return [Proposal(keys, np.arange(len(keys)))] * len(queries)

    def vectors_of(self, keys: Sequence[int]) -> tuple[Int64Array, Float16Array]:
        return np.array(keys), np.repeat(vector(4321)[None], len(keys), axis=0)


def test_whoever_proposes_has_no_say_in_scores(tmp_path: Path) -> None:
    store, exact = shop(tmp_path / "catalog", 20, approximate=False)
    with contextlib.closing(StoreWriter(store.database_path)) as writer:
        writer.set_ann("an engine in another process")
    asked = Searcher(store, store.identity.dimension, lambda _: (_Lying(store.state().count), None))
    query = Query([Examples((Example(vector=vector(4321).astype(np.float32)),))], 10)
    expected = answered(store, exact, query).lists
    assert answered(store, asked, query).lists == expected
    assert expected[0][0].score < 1
    store.close()


# -- beside a writer ---------------------------------------------------------------------------------------


def write_while_it_is_read(store: CountingStore, patch: pytest.MonkeyPatch) -> None:
    """Six times somebody adds, replaces and removes an item, in the midst of a reading."""
    vector_blocks, items = store.vector_blocks, store.items
    left = iter(range(6))

    def beside_a_writer(entries: Iterator[object], when: int) -> Iterator[object]:
        for place, entry in enumerate(entries):
            number = next(left, None) if place == when else None
            if number is not None:
                new = [new_item(f"{20 + number:05}", number), new_item(f"new {number}", 3)]
                commit(store, new, remove=[f"{number:05}"])
            yield entry

    def blocks(*, after_key: int = 0) -> Iterator[object]:
        return beside_a_writer(vector_blocks(after_key=after_key, block=400), 1)

    patch.setattr(store, "vector_blocks", blocks)
    patch.setattr(store, "items", lambda: beside_a_writer(items(block=300), 700))


@pytest.mark.parametrize("approximate", [False, True])
@pytest.mark.parametrize("in_memory", [False, True])
def test_lists_are_of_one_generation_whatever_is_written_meanwhile(
    tmp_path: Path, approximate: bool, in_memory: bool
) -> None:
    store, ranker = shop(tmp_path / "catalog", 20, approximate=approximate)
    with pytest.MonkeyPatch.context() as patch:
        if not in_memory:
            patch.setattr(searcher, "IN_MEMORY_BYTES", 0)
        write_while_it_is_read(store, patch)
        entries = all_lists(store, ranker, 3)
        got = [next(entries)]
    expected = truth(store, 3)
    for number in range(40):  # from now on nothing can disturb it
        commit(store, [new_item(f"{number:05}", number + 5000)], remove=[f"{900 + number:05}"])
    got += entries
    assert [entry.id for entry in got] == sorted(expected)
    for entry in () if approximate else got:
        assert list(entry.similar_ids) == [item_id for _, item_id in expected[entry.id]]
    store.close()


def test_lists_that_do_not_fit_into_memory_end_with_one_line_where_vectors_are_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, ranker = shop(tmp_path / "catalog", 20, approximate=True)
    monkeypatch.setattr(making, "MATRIX_BYTES", 0)
    assert len(list(all_lists(store, ranker, 3))) == DISTINCT + 20
    monkeypatch.setattr(making, "HELD_BYTES", 0)
    monkeypatch.setattr(making, "BLOCK", 100)
    entries = all_lists(store, ranker, 3)
    next(entries)
    commit(store, remove=[f"{number:05}" for number in range(DISTINCT)])
    with pytest.raises(CatalogBusyError) as caught:
        list(entries)
    assert "\n" not in str(caught.value)
    store.close()


@pytest.mark.parametrize("approximate", [True, False])
def test_lists_are_the_same_whichever_are_made_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, approximate: bool
) -> None:
    store, ranker = shop(tmp_path / "catalog", 20, approximate=approximate)
    expected = list(all_lists(store, ranker, 3))
    assert [one.id for one in expected] == sorted(one.id for one in expected)
    for held, block in ((0, 1), (16 * 3 * 100, 7), (16 * 3 * 100, 300)):
        monkeypatch.setattr(making, "HELD_BYTES", held)
        monkeypatch.setattr(making, "BLOCK", block)
        assert list(all_lists(store, ranker, 3)) == expected
    store.close()


def test_a_lost_vector_is_damage_and_not_a_busy_writer(tmp_path: Path) -> None:
    store, ranker = shop(tmp_path / "catalog", 3, approximate=True)
    ranker.view()
    writer = StoreWriter(store.database_path)
    writer.connection.execute("DELETE FROM vectors WHERE key=7")
    writer.close()
    with pytest.raises(DamagedCatalogError, match="without a vector"):
        list(all_lists(store, ranker, 3))
    store.close()


# -- the same both ways ------------------------------------------------------------------------------------


def test_a_pair_has_the_same_score_from_both_sides(tmp_path: Path) -> None:
    store = made_store(tmp_path / "catalog")
    commit(store, [new_item(f"{number:03}", number) for number in range(120)])
    ranker = searcher_of(store)
    scores = {
        (f"{number:03}", hit.id): hit.score
        for number in range(120)
        for hit in similar(store, ranker, f"{number:03}", 200)
    }
    assert len(scores) == 120 * 119
    assert all(score == scores[other, one] for (one, other), score in scores.items())
    for entry in all_lists(store, ranker, 119):
        for other, score in zip(entry.similar_ids, entry.scores, strict=True):
            assert score == scores[entry.id, other]
    store.close()


def test_a_query_of_any_length_is_scored_by_its_direction() -> None:
    one, other = vector(1), vector(2)
    expected = exact_scores(one[None].astype(np.float32), other[None])
    assert np.array_equal(exact_scores(4 * one[None].astype(np.float32), other[None]), expected)


@pytest.mark.parametrize("options", [SearchOptions(same=("colour",)), SearchOptions(other=("colour",))])
def test_lists_compare_with_their_item_as_it_was_when_they_began(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: SearchOptions
) -> None:
    monkeypatch.setattr(making, "HELD_BYTES", 0)
    monkeypatch.setattr(making, "COMPARED_BLOCK", 7)
    store, colours = made_store(tmp_path / "catalog"), ("red", "blue", "green", None)
    said = {f"{number:02}": colours[number % 4] for number in range(40)}
    commit(
        store,
        [
            replace(new_item(item_id, int(item_id)), metadata_json=json.dumps({"colour": colour}))
            for item_id, colour in said.items()
        ],
    )
    ranker = Searcher(store, store.identity.dimension, lambda _: None)
    wanted = {
        item_id: [
            other
            for _, other in ranking
            if said[item_id] and said[other] and (said[item_id] == said[other]) == bool(options.same)
        ][:3]
        for item_id, ranking in truth(store, 40).items()
    }
    found = similar_lists(store, ranker, 3, options, unwatched)
    answers = {(first := next(found)).id: list(first.similar_ids)}
    writer = StoreWriter(store.database_path)
    writer.rewrite(lambda change: change.update(replace(store.known_item("05"), metadata_json="{}")))
    writer.close()
    commit(store, remove=["06"])
    assert len(ranker.columns(ranker.view())) == 39
    answers |= {one.id: list(one.similar_ids) for one in found}
    assert answers == wanted
    store.close()


@pytest.mark.parametrize(
    "options",
    [
        SearchOptions(),
        SearchOptions(group_by="colour"),
        SearchOptions(pictures=True, boost=(("stock", 0.1),), hub_correction=True),
        SearchOptions(recent=0.1),
    ],
    ids=["groups", "column", "weights", "recent"],
)
@pytest.mark.parametrize("in_memory", [True, False])
def test_lists_go_on_while_somebody_writes_and_another_searches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: SearchOptions, in_memory: bool
) -> None:
    monkeypatch.setattr(making, "HELD_BYTES", 0)
    monkeypatch.setattr(making, "BLOCK", 4)
    if not in_memory:
        monkeypatch.setattr(searcher, "IN_MEMORY_BYTES", 0)
    store = made_store(tmp_path / "catalog")

    def sold(number: int) -> NewItem:
        said = json.dumps({"colour": number % 9, "stock": number % 5})
        return replace(new_item(f"{number:02}", number), group=f"{number // 2}", metadata_json=said)

    commit(store, [sold(number) for number in range(1, 40)])
    expected = list(similar_lists(store, searcher_of(store), 3, options, unwatched))
    ranker = searcher_of(store)
    entries = similar_lists(store, ranker, 3, options, unwatched)
    found = [next(entries)]
    for number in range(50, 53):
        commit(store, [sold(number)])
        for asked in (options, SearchOptions(group_by="stock"), SearchOptions(recent=0.2)):
            answered(store, ranker, Query([Examples((Example("07"),))], 3, asked))
        found.append(next(entries))
    found += entries
    assert found == expected
    store.close()


def test_lists_are_of_a_newer_generation_where_products_changed_before_the_first_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = made_store(tmp_path / "catalog")
    commit(store, [replace(new_item(f"{number:02}", number), group=f"{number // 2}") for number in range(20)])
    groups, late = store.groups, [new_item("new", 77)]

    def after_a_change() -> object:
        if late:
            commit(store, [late.pop()])
        return groups()

    monkeypatch.setattr(store, "groups", after_a_change)
    found = list(all_lists(store, searcher_of(store), 3))
    assert found == list(all_lists(store, searcher_of(store), 3))
    assert "new" in [entry.id for entry in found]
    store.close()


def test_hits_to_spare_change_none_of_those_that_are_wanted(tmp_path: Path) -> None:
    store, ranker = shop(tmp_path / "catalog", 40, approximate=True)
    examples = [Examples((Example(f"{number:05}"),)) for number in range(0, DISTINCT, 11)]
    wanted = answered(store, ranker, Query(examples, 10)).lists
    more = answered(store, ranker, Query(examples, 10, spare=4)).lists
    assert [found[:10] for found in more] == wanted
    assert {len(found) for found in more} == {14}
    store.close()
