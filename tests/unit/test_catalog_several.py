"""Several catalogues asked together, against one catalogue that holds all of their items."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.kept import as_kept
from tests.pictures import picture, write_pictures

import seealike
from seealike import Catalog, Catalogs, Combine, Example, Hits, NewPicture, SearchOptions
from seealike.catalog import ann
from seealike.errors import EncoderMismatchError, UnknownItemError, UsageError
from seealike.recommend import Beta, Calibration, Curve
from seealike.testing import FakeEncoder
from seealike.types import Float16Array, Relation

WINTER = [(f"winter/{number}", number, f"sku {number // 2}") for number in range(10)]
SUMMER = [(f"summer/{number}", number, f"sku {number // 3}") for number in range(10, 24)]
BOTH = [("coat", 30, "sku 2"), ("shirt", 31, None)]


@pytest.fixture
def shops(tmp_path: Path) -> Iterator[tuple[Catalogs, Catalog]]:
    encoder = FakeEncoder(dimension=16)

    def made(name: str, items: list[tuple[str, int, str | None]]) -> Catalog:
        catalog = seealike.create(tmp_path / name, encoder=encoder)
        for item_id, number, group in items:
            catalog.add(item_id, picture(number), group=group, metadata={"number": number})
        return catalog

    winter, summer = made("winter", WINTER + BOTH[:1]), made("summer", SUMMER + BOTH[1:])
    whole = made("whole", WINTER + SUMMER + BOTH)
    with Catalogs([winter, summer]) as both:
        yield both, whole
    whole.close()


def bare(hits: Hits) -> list[object]:
    return [replace(hit, catalog=None) for hit in hits]


@pytest.mark.parametrize(
    "options",
    [
        SearchOptions(),
        SearchOptions(pictures=True),
        SearchOptions(min_score=0.3),
        SearchOptions(where="number > 4 and number < 20"),
        SearchOptions(metric=seealike.Metric.EUCLIDEAN),
        SearchOptions(group_by="number"),
        SearchOptions(diversity=0.5),
        SearchOptions(dedup=0.5),
        SearchOptions(hub_correction=True),
        SearchOptions(boost={"number": 0.3}),  # type: ignore[arg-type]  # a mapping will do
        SearchOptions(combine=Combine.EACH),
        SearchOptions(color=0.5),
        SearchOptions(palette="#c0392b"),
    ],
)
@pytest.mark.parametrize("k", [1, 5, 50])
def test_hits_are_those_of_one_catalogue_of_all_items(
    shops: tuple[Catalogs, Catalog], options: SearchOptions, k: int
) -> None:
    both, whole = shops
    assert bare(both.search(picture(50), k, options=options)) == bare(
        whole.search(picture(50), k, options=options)
    )
    vector = whole.encode([picture(51)])
    plain = replace(options, color=None)  # a vector has no colours
    assert bare(both.search_vectors(vector, k, options=plain)[0]) == bare(
        whole.search_vectors(vector, k, options=plain)[0]
    )
    for item_id in ("winter/3", "summer/17", "coat", "shirt"):
        found = both.similar(item_id, k, options=options)
        assert bare(found) == bare(whole.similar(item_id, k, options=options))
    likes: list[str | Example] = ["winter/3", Example("summer/12", weight=2.0), Example(image=picture(60))]
    found = both.recommend(likes, ["coat"], k, options=options)
    assert bare(found) == bare(whole.recommend(likes, ["coat"], k, options=options))
    products = [Example(product="sku 2")]
    found = both.recommend(products, k=k, options=replace(options, group_by="group"))
    assert bare(found) == bare(whole.recommend(products, k=k, options=replace(options, group_by="group")))


def test_hits_say_which_catalogue_they_are_of_and_count_the_products_pictures_in_all(
    shops: tuple[Catalogs, Catalog],
) -> None:
    both, whole = shops
    paths = {"winter": both.catalogs[0].path, "summer": both.catalogs[1].path}
    found = both.search(picture(50), 50)
    assert {hit.catalog for hit in found} == set(paths.values())
    for hit in found:
        assert hit.id in BOTH[0] + BOTH[1] or hit.catalog == paths[hit.id.split("/")[0]]
    expected = {hit.id: hit.others for hit in whole.search(picture(50), 50)}
    assert {hit.id: hit.others for hit in found} == expected


CHANGING = [
    SearchOptions(),
    SearchOptions(color=0.5),
    SearchOptions(where="number > 4"),
    SearchOptions(hub_correction=True, boost={"number": 0.3}),  # type: ignore[arg-type]
]


def test_what_comes_and_goes_in_any_of_them_is_seen(shops: tuple[Catalogs, Catalog]) -> None:
    both, whole = shops

    def are_equal() -> None:
        for options in CHANGING:
            found = both.similar("winter/3", 30, options=options)
            # Equal scores are in the order of the catalogues first.
            assert {hit.id: hit for hit in found}.keys() == set(
                whole.similar("winter/3", 30, options=options).ids
            )
            assert sorted(found.scores) == sorted(whole.similar("winter/3", 30, options=options).scores)

    are_equal()
    for catalog in (both.catalogs[0], whole):
        catalog.add("winter/new", picture(40), group="sku 9", metadata={"number": 9})
    are_equal()
    for catalog in (both.catalogs[1], whole):
        catalog.remove(["summer/11"])
        catalog.add("summer/12", picture(41), metadata={"number": 3})
    are_equal()
    for catalog in (both.catalogs[0], whole):
        catalog.add("winter/4", picture(4), group="sku 7", metadata={"number": 1})
    are_equal()


def test_a_search_sees_what_was_changed_through_any_of_them_while_another_loads_something_else(
    shops: tuple[Catalogs, Catalog],
) -> None:
    both, _ = shops
    both.search(picture(50))
    _, searcher = both._session.reading()
    found: list[str] = []
    for number in (0, 1):
        both.catalogs[number].add(f"new {number}", picture(70 + number))
        asking = threading.Thread(target=lambda n=number: found.extend(both.search(picture(70 + n), 1).ids))
        with searcher._refreshing:  # as a thread has it that loads an older generation
            asking.start()
            asking.join(0.3)
        asking.join(60)
    assert found == ["new 0", "new 1"]


def test_a_new_approximate_index_of_any_of_them_is_taken_up(
    shops: tuple[Catalogs, Catalog], monkeypatch: pytest.MonkeyPatch
) -> None:
    both, whole = shops
    expected = bare(both.search(picture(50)))
    monkeypatch.setattr(ann, "THRESHOLD", 13)  # the second one has more
    both.catalogs[1]._session.renew_ann(lambda *_: None, look_closely=True)
    _, searcher = both._session.reading()
    assert [part.ann is not None for part in searcher.view().parts] == [False, True]
    assert searcher.view() is searcher.view()
    assert bare(both.search(picture(50))) == expected == bare(whole.search(picture(50)))


def test_nothing_is_held_of_catalogues_that_are_closed(shops: tuple[Catalogs, Catalog]) -> None:
    both, _ = shops
    both.search(picture(50))
    _, searcher = both._session.reading()
    assert len(searcher.view()) == 26
    both.close()
    assert searcher._view is None
    with pytest.raises(UsageError, match="closed"):
        both.search(picture(50))


def test_a_product_of_items_with_equal_ids_is_explained(tmp_path: Path) -> None:
    write_pictures(tmp_path, range(3), extension="png")
    parts = [seealike.create(tmp_path / name, encoder=FakeEncoder()) for name in ("one", "other")]
    for number, catalog in enumerate(parts):
        catalog.add("front", tmp_path / f"{number:03}.png", group="coat")
    parts[0].add("hat", tmp_path / "002.png")
    with Catalogs(parts) as both:
        (hat,) = both.recommend([Example(product="coat")], options=SearchOptions(explain=True))
    assert hat.explanation is not None
    assert not hat.explanation.problem
    assert abs(hat.explanation.rest + sum(hat.explanation.examples) - hat.score) < 1e-5


def test_what_the_second_one_knows_counts_like_what_the_first_one_knows(
    shops: tuple[Catalogs, Catalog],
) -> None:
    both, _ = shops
    for wrong in ("winter/33", "summer/117"):
        with pytest.raises(UnknownItemError, match="did you mean") as caught:
            both.similar(wrong)
        assert {name.split("/")[0] for name in caught.value.alike} >= {wrong.split("/")[0]}
    hits = both.search(picture(50))
    assert hits.columns()["catalog"] == [hit.catalog for hit in hits]
    assert "catalog" not in both.catalogs[0].search(picture(50)).columns()
    curve = Curve(
        Relation.SIMILAR, Beta(5.0, 5.0, 0.0), 0.0, "kind", 9, 4, 5, 5, "item", 0.5, 0.0, 0.0, 0.0, ()
    )
    both.catalogs[1].keep_calibration(Calibration((curve,), 10, 0.5, "2026-11-28", 9))
    assert both.search(picture(50))[0].relation is not None
    assert both.info().calibration == both.catalogs[1].calibration
    assert both.info().changed_since == both.catalogs[1].info().changed_since


def test_recent_is_told_within_each_catalogue(shops: tuple[Catalogs, Catalog]) -> None:
    both, _ = shops
    recent = both.similar("winter/3", 30, options=SearchOptions(recent=1.0, pictures=True))
    scores = dict(
        zip(
            *((hits := both.similar("winter/3", 30, options=SearchOptions(pictures=True))).ids, hits.scores),
            strict=True,
        )
    )
    came = [
        {item_id: place / (len(ids) - 1) for place, item_id in enumerate(ids)}
        for ids in ([*(one[0] for one in WINTER), "coat"], [*(one[0] for one in SUMMER), "shirt"])
    ]
    expected = sorted(scores, key=lambda item_id: -(scores[item_id] + (came[0] | came[1])[item_id]))
    assert recent.ids == expected


def test_the_lists_of_all_items_are_those_of_one_catalogue(shops: tuple[Catalogs, Catalog]) -> None:
    both, whole = shops
    for options in (SearchOptions(), SearchOptions(diversity=0.5, color=0.5)):
        expected = {one.id: one for one in whole.recommend_all(5, options=options)}
        assert {one.id: one for one in both.recommend_all(5, options=options)} == expected
    products = list(whole.recommend_all(5, by_product=True))
    assert list(both.recommend_all(5, by_product=True)) == products
    for _ in range(2):
        updated = {one.id: one for one in both.updated_lists(5).lists}
        assert updated == {one.id: one for one in whole.recommend_all(5)}
        for catalog in (both.catalogs[0], whole):
            catalog.add("winter/5", picture(60), group="sku 2")
    both.catalogs[1].add("coat", picture(5))
    with pytest.raises(
        UsageError, match="two of the catalogues have an item 'coat'; make the lists of one alone"
    ):
        list(both.recommend_all(5))


def test_lists_are_made_anew_where_a_catalogue_was_put_back_and_given_other_items(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its keys are given a second time; those of the other catalogue, all greater, are what they were."""
    monkeypatch.setattr("seealike.recommend.view._NEWEST", 4)
    encoder = FakeEncoder(dimension=16)

    def add(name: str, numbers: dict[str, int]) -> None:
        with seealike.open(tmp_path / name, encoder=encoder) as catalog:
            catalog.add_many(NewPicture(one, np.asarray(picture(number))) for one, number in numbers.items())

    for name in ("first", "second"):
        seealike.create(tmp_path / name, encoder=encoder).close()
    add("first", {f"first/{number}": number for number in range(8)})
    add("second", {f"second/{number}": 20 + number // 2 for number in range(12)})
    shutil.copytree(tmp_path / "first", tmp_path / "copy")
    for numbers in ((60, 61), (62, 63)):
        shutil.copytree(tmp_path / "copy", tmp_path / "first", dirs_exist_ok=True)
        add("first", {"new 1": numbers[0], "new 2": numbers[1]})
        paths = [tmp_path / "first", tmp_path / "second"]
        with Catalogs([seealike.open(path, encoder=encoder) for path in paths]) as both:
            assert list(both.updated_lists(3).lists) == list(both.recommend_all(3))


def test_another_encoder_is_refused_in_one_line_that_names_both(tmp_path: Path) -> None:
    for name, dimension in (("one", 8), ("other", 16)):
        seealike.create(tmp_path / name, encoder=FakeEncoder(dimension=dimension)).close()
    with pytest.raises(EncoderMismatchError) as caught:
        seealike.open_several([tmp_path / "one", tmp_path / "other"])
    said = str(caught.value)
    assert "\n" not in said
    assert str(tmp_path / "one") in said
    assert str(tmp_path / "other") in said


def test_an_id_that_several_have_is_refused_and_one_that_none_has_is_unknown(
    shops: tuple[Catalogs, Catalog],
) -> None:
    both, _ = shops
    both.catalogs[1].add("coat", picture(5))
    with pytest.raises(UsageError, match=r"winter and .*summer have an item 'coat'; ask one of them alone"):
        both.similar("coat")
    with pytest.raises(UnknownItemError):
        both.similar("cloak")
    assert "shirt" in both
    assert "cloak" not in both
    assert len(both) == 27
    assert both.item("shirt").id == "shirt"


def test_catalogues_are_named_once_and_at_least_one(shops: tuple[Catalogs, Catalog]) -> None:
    with pytest.raises(UsageError, match="at least one"):
        seealike.open_several([])
    with pytest.raises(UsageError, match="named twice"):
        Catalogs([shops[0].catalogs[0], shops[0].catalogs[0]])


def test_catalogues_that_keep_other_numbers_are_asked_together(tmp_path: Path) -> None:
    encoder = FakeEncoder(dimension=16)
    vectors: dict[str, Float16Array] = {}
    opened = []
    for kept, numbers in (("float16", range(8)), ("int8", range(6, 20))):
        catalog = seealike.create(tmp_path / kept, encoder=encoder, vectors=kept)
        opened.append(catalog)
        catalog.add_many([NewPicture(f"{kept} {number}", picture(number)) for number in numbers])
        rows = as_kept(catalog.encode([picture(number) for number in numbers]), kept)
        vectors |= {f"{kept} {number}": row for number, row in zip(numbers, rows, strict=True)}
    (query,) = opened[0].encode([picture(50)])
    scores = {}
    for item_id, row in vectors.items():
        wide = row.astype(np.float64)
        scores[item_id] = round(float(wide @ query / np.linalg.norm(wide) / np.linalg.norm(query)), 6)
    with Catalogs(opened) as both:
        hits = both.search(picture(50), 22, options=SearchOptions(pictures=True))
        assert {hit.id: pytest.approx(hit.score, abs=2e-6) for hit in hits} == scores
        assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
        assert both.similar("int8 7", 1)[0].id == "float16 7"
