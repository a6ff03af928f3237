"""Several catalogues that a service answers for as one: with the answers of ``open_several``."""

from __future__ import annotations

import json
import struct
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from tests.made_models import save_model
from tests.pictures import write_pictures
from tests.service.asgi import Client
from tests.service.conftest import wait_until_ready
from tests.service.processes import ask, serving
from tests.service.processes import wait_until_ready as wait_until_serving

import seealike
from seealike import NewPicture, SearchOptions
from seealike.errors import AmbiguousItemError
from seealike.service import ServiceOptions, create_app

JPEG = {"content-type": "image/jpeg"}
COUNT = 30


@pytest.fixture(scope="module")
def shops(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two catalogues of one encoder; both have an item `both`, and pictures of the same products."""
    folder = tmp_path_factory.mktemp("several")
    model = save_model(folder / "model.onnx")
    paths = write_pictures(folder / "photos", range(COUNT))
    places = [folder / name for name in ("summer.catalog", "winter.catalog")]
    for place, season in zip(places, (0, 1), strict=True):
        with seealike.create(place, encoder=f"onnx:{model}") as catalog:
            catalog.add_many(
                NewPicture(f"{number:02}.jpg", path, f"product {number // 4}", {"price": number})
                for number, path in enumerate(paths)
                if number % 2 == season
            )
            catalog.add("both", paths[season])
            catalog.add("gone", paths[season])
            catalog.remove(["gone"])
    return places


@pytest.fixture(scope="module")
def asked(shops: list[Path]) -> Iterator[Client]:
    """Somebody who asks both over HTTP."""
    with Client(create_app(shops, ServiceOptions())) as client:
        wait_until_ready(client)
        yield client


@pytest.fixture(scope="module")
def library(shops: list[Path]) -> Iterator[seealike.Catalogs]:
    """Both, asked by Python."""
    with seealike.open_several(shops) as opened:
        yield opened


@pytest.mark.parametrize(
    "wishes",
    [
        {},
        {"where": "price > 3 and price < 25", "diversity": 0.3},
        {"pictures": True, "color": 0.5},
        {"hub_correction": True, "dedup": 0.95},
    ],
)
def test_questions_have_the_answers_of_all_of_them(
    asked: Client, library: seealike.Catalogs, shops: list[Path], wishes: dict[str, object]
) -> None:
    options = SearchOptions(**wishes)  # type: ignore[arg-type]
    query = "&".join(f"{name}={quote(str(value))}" for name, value in wishes.items())
    data = (shops[0].parent / "photos" / "007.jpg").read_bytes()
    for reply, hits in (
        (asked("GET", f"/items/03.jpg/similar?k=9&{query}"), library.similar("03.jpg", 9, options=options)),
        (
            asked("POST", f"/search?k=9&{query}", data, headers=JPEG),
            library.search(data, 9, options=options),
        ),
        (
            asked.post("/recommend", {"like": [{"id": "03.jpg"}, {"id": "10.jpg"}], "k": 9, **wishes}),
            library.recommend(["03.jpg", "10.jpg"], k=9, options=options),
        ),
    ):
        told = reply.json
        assert [hit["id"] for hit in told["hits"]] == hits.ids
        assert [hit["catalog"] for hit in told["hits"]] == [Path(str(hit.catalog)).name for hit in hits]
        assert [hit["score"] for hit in told["hits"]] == pytest.approx(hits.scores, abs=1e-4)
        assert told["generation"] == hits.asked.generation == library.generation


def test_all_items_are_listed_in_the_order_of_the_catalogues(
    asked: Client, library: seealike.Catalogs
) -> None:
    items = [*library.items()]
    assert len(items) == COUNT + 2
    found = list[str]()
    following: str | None = ""
    while following is not None:
        page = asked("GET", f"/items?limit=7&start={following}").json
        found += [item["id"] for item in page["items"]]
        following = page["next"]
    assert found == [item.id for item in items]
    assert [item.id for item in library.items_at(13, 5).items] == [item.id for item in items[13:18]]
    assert [item["id"] for item in asked("GET", "/items?at=13&limit=5").json["items"]] == [
        item.id for item in items[13:18]
    ]
    ratios = [round(1000 * item.width_px / item.height_px) for item in items]
    assert [*struct.unpack(f"<{len(items)}H", asked("GET", "/shapes").body)] == ratios
    assert asked("GET", "/items?start=a").json["code"] == "invalid_request"


def test_counts_are_of_all_of_them(asked: Client, library: seealike.Catalogs) -> None:
    kept = [item for item in library.items() if int(str(item.metadata.get("price", 99))) < 12]
    told = asked("GET", "/facets?where=price%20%3C%2012&columns=group&columns=price").json
    group, price = told["columns"]
    assert (told["total"], told["of"]) == (len(kept), COUNT + 2)
    assert {one["value"]: one["count"] for one in group["values"]} == Counter(item.group for item in kept)
    assert (price["least"], price["most"]) == (0, 11)
    stats = asked("GET", "/stats").json
    assert (stats["items"], stats["name"]) == (COUNT + 2, "summer.catalog + winter.catalog")
    assert (stats["groups"], stats["access"], stats["indexing"]) == (True, "read", None)
    assert asked("GET", "/images/03.jpg?size=30").status == 200


@pytest.mark.parametrize(
    ("method", "address"),
    [
        ("PUT", "/items/new"),
        ("DELETE", "/items/03.jpg"),
        ("GET", "/duplicates"),
        ("GET", "/map"),
        ("GET", "/skipped"),
    ],
)
def test_what_cannot_be_done_with_several_says_so(
    asked: Client, shops: list[Path], method: str, address: str
) -> None:
    body = (shops[0].parent / "photos" / "007.jpg").read_bytes() if method == "PUT" else b""
    reply = asked(method, address, body, headers=JPEG)
    assert (reply.status, reply.json["code"]) == (409, "several_catalogs")


def test_an_id_that_two_of_them_have_is_refused_without_the_places_they_are_in(
    asked: Client, library: seealike.Catalogs, shops: list[Path]
) -> None:
    with pytest.raises(AmbiguousItemError) as caught:
        library.item("both")
    assert (caught.value.item_id, caught.value.catalogs) == ("both", tuple(map(str, shops)))
    for address in ("/items/both", "/images/both", "/items/both/similar"):
        reply = asked("GET", address)
        assert (reply.status, reply.json["code"]) == (422, "ambiguous_item")
        assert str(shops[0].parent) not in reply.body.decode()
    assert asked("GET", "/items/none").json["code"] == "unknown_item"


def test_equal_scores_are_in_the_order_of_the_catalogues_also_where_items_have_gone(
    tmp_path: Path,
) -> None:
    model, (path,) = save_model(tmp_path / "model.onnx"), write_pictures(tmp_path / "photos", range(1))
    places = [tmp_path / name for name in "ab"]
    for place in places:
        with seealike.create(place, encoder=f"onnx:{model}") as catalog:
            catalog.add_many(NewPicture(f"{number:02}", path) for number in range(12))
            catalog.search(path)
    with seealike.open_several(places) as several:
        several.search(path)
        several.catalogs[0].remove([f"{number:02}" for number in range(9)])
        hits = several.search(path, 5)
        assert [(Path(str(hit.catalog)).name, hit.id) for hit in hits] == [
            *(("a", "09"), ("a", "10"), ("a", "11")),
            *(("b", "00"), ("b", "01")),
        ]
        assert [item.id for item in several.items_at(2, 3).items] == ["11", "00", "01"]


@pytest.mark.enable_socket
def test_the_command_serves_several(shops: list[Path]) -> None:
    with serving(shops[0], "-C", str(shops[1])) as (_, port):
        wait_until_serving(port)
        status, body = ask(port, "/items/03.jpg/similar?k=3")
        with seealike.open_several(shops) as several:
            assert (status, [hit["id"] for hit in json.loads(body)["hits"]]) == (
                200,
                several.similar("03.jpg", 3).ids,
            )
