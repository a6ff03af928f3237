"""The report on lists against figures made by hand and by slow, plain loops."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.counting import D, commit, made_store, new_item, vector

from seealike.recommend import Hub, ReportedLists, SimilarList
from seealike.recommend.lists import report
from seealike.store import SqliteStore
from seealike.store.records import BY_HAND, NewItem


def shop(path: Path, groups: dict[str, str | None]) -> SqliteStore:
    store = made_store(path)
    rows = [
        NewItem(item_id, None, None, None, None, group, "{}", 3, 4, BY_HAND, vector(number).tobytes())
        for number, (item_id, group) in enumerate(groups.items(), start=10)
    ]
    commit(store, rows)
    return store


def lists_of(lists: dict[str, str]) -> Iterator[SimilarList]:
    return (SimilarList(item_id, tuple(others), (0.5,) * len(others)) for item_id, others in lists.items())


def test_who_is_in_no_list_and_who_in_most_is_counted(tmp_path: Path) -> None:
    store = shop(tmp_path / "catalog", dict.fromkeys("abcdefg"))
    counted = ReportedLists(lists_of({"a": "bc", "b": "ac", "c": "ba", "d": "c", "e": "ca", "f": ""}), store)
    assert [entry.id for entry in counted] == list("abcdef")
    found = counted.report()
    assert (found.lists, found.entries, found.empty) == (6, 9, 1)
    assert (found.items, found.recommended, found.never) == (7, 3, ("d", "e", "f", "g"))
    assert found.top == (Hub("c", 4), Hub("a", 3), Hub("b", 2))
    mean, numbers = 9 / 7, [3, 2, 4, 0, 0, 0, 0]
    second, third = (sum((number - mean) ** power for number in numbers) / 7 for power in (2, 3))
    assert found.skewness == pytest.approx(third / second**1.5)
    assert (found.products, found.products_recommended, found.own_product) == (None, None, None)
    store.close()


def test_a_hub_is_in_more_than_five_times_as_many_lists_as_the_mean_item(tmp_path: Path) -> None:
    ids = [f"{number:02}" for number in range(30)]
    store = shop(tmp_path / "catalog", dict.fromkeys(ids))
    one_hub = {item_id: [ids[0]] for item_id in ids[1:]} | {ids[0]: [ids[1]]}
    counted = ReportedLists(
        (SimilarList(item_id, tuple(others), (1.0,)) for item_id, others in one_hub.items()), store
    )
    assert len(list(counted)) == 30
    found = counted.report()
    assert (found.hubs, found.hub_above, found.top[0]) == (1, 5.0, Hub("00", 29))
    store.close()


def test_products_are_groups_and_items_without_one(tmp_path: Path) -> None:
    store = shop(tmp_path / "catalog", {"a": "red", "b": "red", "c": "blue", "d": None, "e": None})
    counted = ReportedLists(lists_of({"a": "bd", "b": "d", "c": "d", "d": "b", "e": "d"}), store)
    assert len(list(counted)) == 5
    found = counted.report()
    assert (found.products, found.products_recommended) == (4, 2)  # red and d
    assert found.own_product == 1 / 5  # the list of a has b
    store.close()


def test_similarity_within_lists_is_the_mean_over_all_pairs(tmp_path: Path) -> None:
    ids = [f"{number:03}" for number in range(40)]
    store = shop(tmp_path / "catalog", dict.fromkeys(ids))
    draw = random.Random(3)
    lists = {item_id: draw.sample(ids, draw.choice((0, 1, 2, 7))) for item_id in ids}
    counted = ReportedLists(
        (SimilarList(item_id, tuple(others), (0.0,) * len(others)) for item_id, others in lists.items()),
        store,
    )
    assert len(list(counted)) == 40
    means = []
    for others in lists.values():
        rows = [vector(10 + ids.index(item_id)).astype(np.float64) for item_id in others]
        pairs = list(itertools.combinations([row / np.linalg.norm(row) for row in rows], 2))
        if pairs:
            means.append(sum(float(one @ other) for one, other in pairs) / len(pairs))
    assert counted.report().similarity == pytest.approx(sum(means) / len(means), abs=1e-6)
    store.close()


def test_the_lists_that_are_looked_at_are_spread_over_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "SAMPLE", 8)
    ids = [f"{number:03}" for number in range(100)]
    store = shop(tmp_path / "catalog", dict.fromkeys(ids, "one"))
    counted = ReportedLists((SimilarList(item_id, (ids[0],), (0.0,)) for item_id in ids), store)
    assert len(list(counted)) == 100
    assert [entry.id for entry in counted._sample] == ids[::8]
    assert counted.report().sample == 13
    store.close()


def test_items_that_went_since_the_lists_were_made_are_left_out(tmp_path: Path) -> None:
    store = shop(tmp_path / "catalog", dict.fromkeys("abc", "one"))
    counted = ReportedLists(lists_of({"a": "bc", "b": "ac", "c": "ab"}), store)
    assert len(list(counted)) == 3
    commit(store, [new_item("d", 30)], remove=["a"])
    found = counted.report()
    assert (found.items, found.recommended, found.never) == (3, 2, ("d",))
    assert found.similarity == pytest.approx(
        float(np.dot(unit(11), unit(12))), abs=1e-3
    )  # only the list of a has two left
    store.close()


def unit(number: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    row = vector(number).astype(np.float64)
    assert row.shape == (D,)
    return row / np.linalg.norm(row)


def test_no_lists_are_no_failure(tmp_path: Path) -> None:
    store = made_store(tmp_path / "catalog")
    found = ReportedLists(iter(()), store).report()
    assert (found.lists, found.items, found.skewness, found.similarity) == (0, 0, 0.0, None)
    store.close()
