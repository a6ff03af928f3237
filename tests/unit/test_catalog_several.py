"""Several catalogues asked together, against one catalogue that holds all of their items."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.pictures import picture

import seealike
from seealike import Catalog, Catalogs, Example, Hits, SearchOptions
from seealike.errors import EncoderMismatchError, UnknownItemError, UsageError
from seealike.testing import FakeEncoder

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
    return [replace(hit, catalog=None, others=0) for hit in hits]


@pytest.mark.parametrize(
    "options",
    [
        SearchOptions(),
        SearchOptions(pictures=True),
        SearchOptions(min_score=0.3),
        SearchOptions(where="number > 4 and number < 20"),
        SearchOptions(metric=seealike.Metric.EUCLIDEAN),
        SearchOptions(group_by="number"),
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
    assert bare(both.search_vectors(vector, k, options=options)[0]) == bare(
        whole.search_vectors(vector, k, options=options)[0]
    )
    for item_id in ("winter/3", "summer/17", "coat", "shirt"):
        found = both.similar(item_id, k, options=options)
        assert bare(found) == bare(whole.similar(item_id, k, options=options))
    likes: list[str | Example] = ["winter/3", Example("summer/12", weight=2.0), Example(image=picture(60))]
    found = both.recommend(likes, ["coat"], k, options=options)
    assert bare(found) == bare(whole.recommend(likes, ["coat"], k, options=options))


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


@pytest.mark.parametrize(
    "options",
    [
        SearchOptions(diversity=0.5),
        SearchOptions(dedup=0.9),
        SearchOptions(hub_correction=True),
        SearchOptions(recent=0.1),
        SearchOptions(same=("number",)),
    ],
)
def test_what_can_be_said_of_one_catalogue_alone_is_refused(
    shops: tuple[Catalogs, Catalog], options: SearchOptions
) -> None:
    with pytest.raises(UsageError, match="looks at one catalogue; leave it out, or ask one catalogue"):
        shops[0].search(picture(50), options=options)
    with pytest.raises(UsageError, match="a product is asked for in one catalogue"):
        shops[0].recommend([Example(product="sku 1")])


def test_catalogues_are_named_once_and_at_least_one(shops: tuple[Catalogs, Catalog]) -> None:
    with pytest.raises(UsageError, match="at least one"):
        seealike.open_several([])
    with pytest.raises(UsageError, match="named twice"):
        Catalogs([shops[0].catalogs[0], shops[0].catalogs[0]])
