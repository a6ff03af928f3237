"""Which items show the same product: as another process changes it, and as a column of any type says it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from tests.counting import commit, made_store, new_item, searcher_of

from seealike.recommend import Example, Examples, Query, answered
from seealike.recommend.choosing import first_of_alike
from seealike.recommend.products import Products
from seealike.store import StoreWriter
from seealike.store.writer import Change


def test_a_product_that_another_process_has_changed_is_seen(tmp_path: Path) -> None:
    store = made_store(tmp_path)
    rows = [replace(new_item(f"{number}", number + 1), group=f"g{number}") for number in range(4)]
    commit(store, rows)
    searcher, query = searcher_of(store), Query([Examples((Example("0"),))])
    assert {hit.id for hit in answered(store, searcher, query).lists[0]} == {"1", "2", "3"}
    (moved,) = (item for item in store.items() if item.id == "2")
    changed = replace(moved, group="g0")

    def apply(change: Change) -> None:
        change.update(changed)

    writer = StoreWriter(store.database_path)
    writer.rewrite(apply)
    writer.close()
    assert {hit.id for hit in answered(store, searcher, query).lists[0]} == {"1", "3"}
    store.close()


def test_values_that_are_written_alike_are_one_product() -> None:
    keys = np.arange(1, 6)
    products = Products.of_values("sku", keys, np.array([0, 1, 2, -1, 0]), [1, "1", "b"])
    assert products.keys_of("1").tolist() == [1, 2, 5]
    assert products.others(keys).tolist() == [2, 2, 0, 0, 2]
    assert products.items_each == 5 / 3


def test_thousands_of_equal_pictures_are_told_in_room_for_one_list() -> None:
    vectors = np.ones((40_000, 8), dtype=np.float16)
    vectors[-1, 0] = -9
    places, near, ended = first_of_alike(vectors, 1.0, 10)
    assert (places.tolist(), near.tolist(), ended) == ([0, 39_999], [39_998, 0], False)
    places, near, ended = first_of_alike(vectors, 1.0, 1)
    assert (places.tolist(), near.tolist(), ended) == ([0], [39_998], True)
