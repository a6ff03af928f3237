"""Lists that are brought up to date, however the items changed in between: those of a run from nothing."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from tests.counting import CountingStore, commit, made_store, searcher_of, vector
from tests.seeds import SEED

from seealike.catalog import ann
from seealike.catalog.derived import ListKeeper
from seealike.recommend import (
    Searcher,
    SearchOptions,
    SimilarList,
    UpdatedLists,
    Wanted,
    similar_lists,
    updated_lists,
)
from seealike.recommend.lists import making
from seealike.store import FileSystem, NewItem, StoredItem, StoreWriter
from seealike.store.records import BY_HAND
from seealike.store.writer import Change
from seealike.types import Metric, unwatched

PLAIN = SearchOptions()


def item(item_id: str, number: int, group: str | None = None) -> NewItem:
    return NewItem(item_id, None, None, None, None, group, "{}", 3, 4, BY_HAND, vector(number).tobytes())


def made_anew(store: CountingStore, k: int, options: SearchOptions) -> list[SimilarList]:
    return list(similar_lists(store, searcher_of(store), k, options, unwatched))


def updated(store: CountingStore, k: int, options: SearchOptions) -> UpdatedLists:
    keeper = ListKeeper(store.directory, store.catalog_id, FileSystem())
    return updated_lists(store, searcher_of(store), keeper, Wanted(k, options, unwatched))


def regroup(store: CountingStore, ids: Sequence[str], groups: Sequence[str | None]) -> None:
    rewrite(
        store,
        [replace(store.known_item(item_id), group=group) for item_id, group in zip(ids, groups, strict=True)],
    )


def rename(store: CountingStore, names: dict[str, str]) -> None:
    rewrite(store, [replace(store.known_item(old), id=new) for old, new in names.items()])


def rewrite(store: CountingStore, items: Sequence[StoredItem]) -> None:
    writer = StoreWriter(store.database_path)

    def apply(change: Change) -> None:
        for one in items:
            change.update(one)

    writer.rewrite(apply)
    writer.close()


class Shop:
    """Items that come, go, change and move to other products, most of them with twins."""

    def __init__(self, path: Path, draw: random.Random, *, items: int, products: int) -> None:
        self.store, self.draw = made_store(path), draw
        self.products = products
        self.ids = [f"{number:04}" for number in range(2 * items)]
        self.alive = set(draw.sample(self.ids, items))
        commit(self.store, [self.some(item_id) for item_id in sorted(self.alive)])

    def some(self, item_id: str) -> NewItem:
        number = self.draw.choice([self.draw.randrange(1, 500), self.draw.randrange(1, 30), -1, -2, -3])
        return item(item_id, number, self.group())

    def group(self) -> str | None:
        if not self.products or self.draw.random() < 0.3:
            return None
        return f"product {self.draw.randrange(self.products)}"

    def change(self, most: int) -> None:
        draw, alive = self.draw, sorted(self.alive)
        gone = set(draw.sample(alive, draw.randrange(min(most, len(alive) - 1))))
        new = set(draw.sample(self.ids, draw.randrange(most)))
        commit(self.store, [self.some(item_id) for item_id in sorted(new)], remove=sorted(gone - new))
        self.alive = (self.alive - gone) | new
        moved = draw.sample(sorted(self.alive), draw.randrange(min(most, len(self.alive))))
        regroup(self.store, moved, [self.group() for _ in moved])

    def rename(self, most: int) -> None:
        free = sorted(set(self.ids) - self.alive)
        old = self.draw.sample(sorted(self.alive), min(most, len(free), len(self.alive)))
        names = dict(zip(old, self.draw.sample(free, len(old)), strict=True))
        rename(self.store, names)
        self.alive = (self.alive - {*names}) | {*names.values()}


@pytest.mark.parametrize("products", [0, 4, 60])
@pytest.mark.parametrize(
    "options",
    [
        PLAIN,
        SearchOptions(pictures=True),
        SearchOptions(metric=Metric.EUCLIDEAN),
        SearchOptions(min_score=0.4),
    ],
    ids=["plain", "pictures", "euclidean", "min score"],
)
def test_updated_lists_are_those_of_a_run_from_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, products: int, options: SearchOptions
) -> None:
    draw = random.Random(f"{SEED} {products} {options}")
    monkeypatch.setattr(making, "SPARE", draw.choice([1, 2, 4]))
    shop = Shop(tmp_path / "catalog", draw, items=120, products=products)
    kept, before = 0, dict[str, SimilarList]()
    for turn in range(20):
        k = 3 if turn != 9 else 5
        found = updated(shop.store, k, options)
        made = {entry.id: entry for entry in found}
        assert list(made.values()) == made_anew(shop.store, k, options)
        if k == 3 and options.min_score is None:
            is_shown = [before.get(item_id) == entry for item_id, entry in made.items()]
            assert found.changed >= is_shown.count(False)
            before = made
        kept += len(shop.alive) - found.remade
        shop.change(most=(2, 2, 8, 40)[turn % 4])
        shop.rename((0, 3, 1)[turn % 3])
    assert kept > 0
    shop.store.close()


def test_nothing_is_made_anew_where_nothing_changed(tmp_path: Path) -> None:
    store = made_store(tmp_path / "catalog")
    commit(store, [item(f"{number:03}", number) for number in range(100)])
    assert updated(store, 5, PLAIN).remade == 100
    store.rows = 0
    found = updated(store, 5, PLAIN)
    assert (found.remade, list(found)) == (0, made_anew(store, 5, PLAIN))
    store.close()


def test_lists_of_equal_pictures_follow_their_names(tmp_path: Path) -> None:
    store = made_store(tmp_path / "catalog")
    commit(store, [item(f"c{number}", 7) for number in range(8)] + [item("m", 8), item("n", 9)])
    list(updated(store, 3, PLAIN))
    rename(store, {"c0": "z0", "c7": "a7", "n": "n2"})
    found = updated(store, 3, PLAIN)
    shown = list(found)
    assert shown == made_anew(store, 3, PLAIN)
    assert {entry.similar_ids[0] for entry in shown if entry.scores[0] == 1.0} == {"a7", "c1"}
    assert found.changed == 10
    assert (again := updated(store, 3, PLAIN)).changed == again.remade == 0
    rename(store, {"m": "m2"})
    one = updated(store, 3, PLAIN)
    with_it = [entry.id for entry in one if "m2" in (entry.id, *entry.similar_ids)]
    assert one.changed == len(with_it) < 10
    store.close()


def test_few_changes_make_few_lists_anew(tmp_path: Path) -> None:
    store = made_store(tmp_path / "catalog")
    commit(store, [item(f"{number:04}", number) for number in range(1, 1000)])
    list(updated(store, 10, PLAIN))
    commit(store, [item(f"{number:04}", 5000 + number) for number in range(5)], remove=["0500", "0501"])
    found = updated(store, 10, PLAIN)
    assert list(found) == made_anew(store, 10, PLAIN)
    assert 5 <= found.remade < 10  # what is new, and a list that lost more than it had to spare
    store.close()


def test_lists_of_other_wishes_are_kept_apart(tmp_path: Path) -> None:
    store = made_store(tmp_path / "catalog")
    commit(store, [item(f"{number:03}", number, f"{number // 3}") for number in range(60)])
    wishes = [(3, PLAIN), (3, SearchOptions(pictures=True)), (4, PLAIN)]
    for k, options in wishes:
        assert updated(store, k, options).remade == 60
    for k, options in wishes:
        found = updated(store, k, options)
        assert (found.remade, list(found)) == (0, made_anew(store, k, options))
    assert updated(store, 5, PLAIN).remade == 60  # a fourth: the oldest makes room
    assert len(list((tmp_path / "catalog").glob("lists-*"))) == 3
    assert updated(store, 3, PLAIN).remade == 60
    store.close()


def test_wishes_that_look_at_whole_lists_are_made_whole(tmp_path: Path) -> None:
    store = made_store(tmp_path / "catalog")
    commit(store, [item(f"{number:03}", number) for number in range(40)])
    options = SearchOptions(diversity=0.5)
    for _ in range(2):
        found = updated(store, 3, options)
        assert (found.remade, found.always_whole) == (40, ("diversity",))
        assert list(found) == made_anew(store, 3, options)
    assert not list((tmp_path / "catalog").glob("lists-*"))
    store.close()


def test_kept_lists_that_were_tampered_with_or_are_of_another_past_are_not_used(tmp_path: Path) -> None:
    store = made_store(tmp_path / "catalog")
    commit(store, [item(f"{number:03}", number) for number in range(40)])
    list(updated(store, 3, PLAIN))
    before = (tmp_path / "catalog" / "catalog.sqlite").read_bytes()
    (file,) = (tmp_path / "catalog").glob("lists-*")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    assert updated(store, 3, PLAIN).remade == 40
    commit(store, [item("new", 900)])
    list(updated(store, 3, PLAIN))
    store.close()
    for name in ("catalog.sqlite-wal", "catalog.sqlite-shm"):
        (tmp_path / "catalog" / name).unlink(missing_ok=True)
    (tmp_path / "catalog" / "catalog.sqlite").write_bytes(before)  # put back from yesterday's copy
    store = CountingStore(str(tmp_path / "catalog"))
    commit(store, [item("other", 901)])  # under the key that `new` had
    found = updated(store, 3, PLAIN)
    assert (found.remade, list(found)) == (41, made_anew(store, 3, PLAIN))
    store.close()


def test_a_disk_that_refuses_costs_only_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = made_store(tmp_path / "catalog")
    commit(store, [item(f"{number:03}", number) for number in range(40)])

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    assert list(updated(store, 3, PLAIN)) == made_anew(store, 3, PLAIN)
    assert not list((tmp_path / "catalog").glob("*lists-*"))
    store.close()


def test_with_an_approximate_index_updated_lists_find_what_a_run_from_nothing_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ann, "THRESHOLD", 100)
    store, draw = made_store(tmp_path / "catalog"), random.Random(SEED)
    ids = [f"{number:04}" for number in range(3000)]
    commit(store, [item(item_id, number) for number, item_id in enumerate(ids, start=10)])
    with contextlib.closing(StoreWriter(store.database_path)) as writer:
        ann.refresh(store, FileSystem(), lambda: contextlib.nullcontext(writer), lambda _: None)
    found = [0, 0]
    for turn in range(4):
        ranker = Searcher(store, 8, lambda record: ann.load(store.directory, record))
        assert ranker.view().ann is not None
        new = updated_lists(
            store,
            ranker,
            ListKeeper(store.directory, store.catalog_id, FileSystem()),
            Wanted(10, PLAIN, unwatched),
        )
        anew = list(similar_lists(store, ranker, 10, PLAIN, unwatched))
        exact = made_anew(store, 10, PLAIN)
        for number, made in enumerate((list(new), anew)):
            for entry, truth in zip(made, exact, strict=True):
                assert len(entry.similar_ids) == 10
                found[number] += len(set(entry.similar_ids) & set(truth.similar_ids))
        assert turn == 0 or new.remade < 100
        gone, late = draw.sample(ids, 30), draw.sample(ids, 30)
        commit(
            store,
            [item(item_id, draw.randrange(20_000)) for item_id in late],
            remove=sorted({*gone} - {*late}),
        )
    assert (
        found[0] >= 0.998 * found[1]
    )  # what came up in the place of what went was found a little less surely
    store.close()
