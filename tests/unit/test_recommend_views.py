"""Views of the catalogue: what a refresh reads, who refreshes, and who goes on with what there is."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.counting import CountingStore, commit, made_store, new_item, searcher_of, vector

from seealike.recommend import Example, Examples, Query, Searcher, View, answered
from seealike.store import KeyChanges, State, StoredItem, StoreWriter, schema, writer
from seealike.store.writer import Change

ITEMS = 300


@pytest.fixture
def store(tmp_path: Path) -> Iterator[CountingStore]:
    made = made_store(tmp_path / "catalog")
    commit(made, [new_item(f"item {number:04}", number) for number in range(ITEMS)])
    yield made
    made.close()


@pytest.fixture
def searcher(store: CountingStore) -> Searcher:
    made = searcher_of(store)
    made.view()
    store.calls.clear()
    store.rows = 0
    return made


def best_ids(store: CountingStore, searcher: Searcher, number: int, k: int) -> list[str]:
    view = searcher.view()
    (ranked,) = searcher.rank(view, vector(number)[None].astype(np.float32), k)
    rows = store.items_of(ranked[0].tolist())
    return [rows[key].id for key in ranked[0].tolist()]


def by_exhaustive_search(store: CountingStore, number: int, k: int) -> list[str]:
    """All ids, scored in float64 from the stored vectors, equal scores in id order."""
    query = vector(number).astype(np.float64)
    pairs = []
    for item in store.items():
        row = store.vectors_of([item.key])[1][0].astype(np.float64)
        score = round(float(row @ query / (np.linalg.norm(row) * np.linalg.norm(query))), 6)
        pairs.append((-score, item.id))
    return [item_id for _, item_id in sorted(pairs)[:k]]


def assert_fresh(view: View, store: CountingStore) -> None:
    """The keys, their order by id and the vectors are those of the newest generation."""
    items = list(store.items())
    assert view.generation == store.state().generation
    assert view.keys.tolist() == sorted(item.key for item in items)
    by_id = view.keys[np.argsort(view.living.ranks)]
    assert by_id.tolist() == [item.key for item in items]
    assert view.memory is not None
    found, vectors = view.memory.vectors_of(view.keys)
    keys, stored = store.vectors_of(view.keys.tolist())
    assert np.array_equal(found, keys)
    assert np.array_equal(vectors, stored)


def test_one_more_item_costs_one_row_however_many_there_are(store: CountingStore, searcher: Searcher) -> None:
    for number in range(20):
        before = store.rows
        commit(store, [new_item(f"item {number:04} and more", 1000 + number)])
        view = searcher.view()
        assert store.rows - before == 2  # where its id belongs, and its vector
        assert_fresh(view, store)
    assert store.calls == {"changes": 20}


def test_no_statement_of_a_refresh_looks_at_every_row(store: CountingStore, searcher: Searcher) -> None:
    statements: list[str] = []
    commit(store, [new_item("item 0100", 1), new_item("new", 2)], remove=["item 0004"])
    store._connection.set_trace_callback(statements.append)
    searcher.view()
    store._connection.set_trace_callback(None)
    asked = [statement for statement in statements if statement.startswith("SELECT")]
    assert len(asked) >= 6
    for statement in asked:
        plan = store._connection.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall()
        assert all(step[3].startswith("SEARCH") for step in plan), (statement, plan)


def test_a_deletion_costs_one_row_however_many_there_are(store: CountingStore, searcher: Searcher) -> None:
    for number in (0, 150, 299):
        before = store.rows
        commit(store, remove=[f"item {number:04}"])
        view = searcher.view()
        assert store.rows - before == 1
        assert_fresh(view, store)
        assert f"item {number:04}" not in best_ids(store, searcher, number, 5)
    assert store.calls == {"changes": 3}


def test_several_generations_are_caught_up_with_in_one_go(store: CountingStore, searcher: Searcher) -> None:
    commit(store, [new_item("zzz", 1), new_item("", 2), new_item("item 0100", 3)])
    commit(store, [new_item("item 0100 b", 4), new_item("zz", 5)], remove=["zzz", "item 0007"])
    commit(store, [new_item("item 0100", 6)])
    assert_fresh(searcher.view(), store)
    assert store.calls == {"changes": 1}
    for number in (3, 6, 7, 40):
        assert best_ids(store, searcher, number, 9) == by_exhaustive_search(store, number, 9)


def test_an_empty_catalogue_is_caught_up_with(tmp_path: Path) -> None:
    store = made_store(tmp_path / "empty")
    searcher = searcher_of(store)
    assert len(searcher.view()) == 0
    commit(store, [new_item("b", 1), new_item("a", 2)])
    assert_fresh(searcher.view(), store)
    commit(store, remove=["a", "b"])
    assert len(searcher.view()) == 0
    commit(store, [new_item("c", 1)])
    assert_fresh(searcher.view(), store)
    assert store.calls == {"all": 1, "changes": 3}
    store.close()


def test_a_changed_id_is_noticed(store: CountingStore, searcher: Searcher) -> None:
    item = store.item("item 0005")
    assert item is not None
    made = StoreWriter(store.database_path)
    made.rewrite(lambda change: change.update(replace(item, id="zzz")))
    assert_fresh(searcher.view(), store)
    assert store.calls["all"] == 1
    made.rewrite(lambda change: change.update(replace(item, id="zzz", group="other")))
    assert_fresh(searcher.view(), store)
    assert store.calls["all"] == 1  # only the row is another one
    made.close()


def test_what_is_not_on_record_any_more_is_read_anew(
    store: CountingStore, searcher: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "MOST_TOMBSTONES", 10)
    for number in range(12):
        commit(store, remove=[f"item {number:04}"])
    assert_fresh(searcher.view(), store)
    assert store.calls["all"] == 1
    commit(store, remove=[f"item {number:04}" for number in range(20, 31)])  # more than are kept at once
    assert_fresh(searcher.view(), store)
    assert store.calls["all"] == 2
    commit(store, remove=["item 0100"])
    assert_fresh(searcher.view(), store)
    assert store.calls["all"] == 2
    connection = schema.connect(store.database_path)
    assert (
        connection.execute("SELECT count(*) FROM tombstones").fetchone()[0] == store.state().tombstones <= 10
    )
    connection.close()


def test_a_record_that_lost_a_row_is_not_believed(store: CountingStore, searcher: Searcher) -> None:
    commit(store, remove=["item 0001", "item 0002"])
    connection = schema.connect(store.database_path)
    connection.execute("DELETE FROM tombstones WHERE key = 2")
    connection.close()
    assert_fresh(searcher.view(), store)
    assert store.calls["all"] == 1


def test_a_catalogue_from_before_there_was_a_record_is_read_anew(
    store: CountingStore, searcher: Searcher
) -> None:
    state, item = store.state(), store.item("item 0004")
    assert item is not None
    fields = json.loads(state.to_json())
    for name in ("tombstones", "recorded_from", "rewritten", "renamed"):
        del fields[name]
    fields["generation"] += 1
    fields["count"] -= 1
    fields["key_sum"] -= item.key
    fields["item_sum"] -= item.row()[-1]
    connection = schema.connect(store.database_path)
    for table in ("vectors", "items"):
        connection.execute(f"DELETE FROM {table} WHERE key = ?", (item.key,))
    schema.put_state(connection, "catalog", json.dumps(fields))
    connection.close()
    assert_fresh(searcher.view(), store)
    assert store.calls["all"] == 1


def test_rows_that_were_rewritten_meanwhile_are_not_mixed_with_an_older_ranking(
    store: CountingStore, searcher: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One commit labels the closest item and adds an equal one: an answer has both or neither."""
    closest = store.item("item 0010")
    assert closest is not None
    items_of = store.items_of

    def after_a_commit(keys: Sequence[int]) -> dict[int, StoredItem]:
        monkeypatch.setattr(store, "items_of", items_of)

        def apply(change: Change) -> None:
            change.update(replace(closest, group="labelled"))
            change.insert([new_item("zzz", 10)])

        made = StoreWriter(store.database_path)
        made.rewrite(apply)
        made.close()
        return items_of(keys)

    monkeypatch.setattr(store, "items_of", after_a_commit)
    query = Query([Examples((Example(vector=vector(10).astype(np.float32)),))], 2)
    ((first, second),) = answered(store, searcher, query).lists
    assert (first.id, first.group, second.id) == ("item 0010", "labelled", "zzz")


# -- several threads ---------------------------------------------------------------------------------------


def run(calls: list[Callable[[], object]]) -> None:
    errors: list[BaseException] = []

    def guarded(call: Callable[[], object]) -> None:
        try:
            call()
        except BaseException as exc:
            errors.append(exc)

    threads = [threading.Thread(target=guarded, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []


def test_eight_threads_after_one_commit_of_their_own_make_one_refresh_and_all_see_it(
    store: CountingStore, searcher: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(store, [new_item("mine", 1)])
    generation = store.state().generation
    searcher.require(generation)
    asked = threading.Semaphore(0)
    state, key_changes = store.state, store.key_changes

    def counted_state() -> State:
        asked.release()
        return state()

    def slow(generation: int, last_key: int) -> KeyChanges | None:
        for _ in range(8):  # until all have found that something is new
            assert asked.acquire(timeout=500)
        time.sleep(0.2)
        return key_changes(generation, last_key)

    monkeypatch.setattr(store, "state", counted_state)
    monkeypatch.setattr(store, "key_changes", slow)
    seen: list[int] = []
    run([lambda: seen.append(searcher.view().generation)] * 8)
    assert seen == [generation] * 8
    assert store.calls == {"changes": 1}


def test_while_one_thread_refreshes_the_others_go_on_with_the_generation_there_is(
    store: CountingStore, searcher: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = searcher.view().generation
    commit(store, [new_item("of another process", 1)])
    others_done = threading.Event()
    begun = threading.Event()
    key_changes = store.key_changes

    def slow(generation: int, last_key: int) -> KeyChanges | None:
        begun.set()
        assert others_done.wait(60)
        return key_changes(generation, last_key)

    monkeypatch.setattr(store, "key_changes", slow)
    seen: list[int] = []
    refreshing = threading.Thread(target=lambda: seen.append(searcher.view().generation))
    refreshing.start()
    assert begun.wait(60)
    run([lambda: seen.append(searcher.view().generation)] * 7)
    assert seen == [old] * 7
    others_done.set()
    refreshing.join(60)
    assert seen[7:] == [old + 1]
    assert store.calls == {"changes": 1}


def test_who_could_not_read_a_generation_to_the_end_waits_for_a_newer_one(
    store: CountingStore, searcher: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = searcher.view().generation
    commit(store, [new_item("new", 1)])
    begun, go_on = threading.Event(), threading.Event()
    key_changes = store.key_changes

    def slow(generation: int, last_key: int) -> KeyChanges | None:
        begun.set()
        assert go_on.wait(60)
        return key_changes(generation, last_key)

    monkeypatch.setattr(store, "key_changes", slow)
    seen: list[int] = []
    threads = [
        threading.Thread(target=lambda after=after: seen.append(searcher.view(after=after).generation))
        for after in (-1, old)
    ]
    threads[0].start()
    assert begun.wait(60)
    threads[1].start()
    threads[1].join(0.2)
    assert seen == []
    go_on.set()
    for thread in threads:
        thread.join(60)
    assert seen == [old + 1] * 2
    assert store.calls == {"changes": 1}


def test_a_generation_that_nothing_followed_is_given_again(searcher: Searcher) -> None:
    view = searcher.view()
    assert searcher.view(after=view.generation) is view
