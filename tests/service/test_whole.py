"""What all of a catalogue is like, over HTTP: its shapes, places, numbers, as plain Python counts them."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from PIL import Image
from pydantic import BaseModel
from tests.made_models import save_model
from tests.pictures import picture, write_pictures
from tests.service.asgi import Client
from tests.service.conftest import wait_until_ready

import seealike
from seealike import Example, NewPicture
from seealike.service import ServiceOptions, create_app
from seealike.service.kept.lru import LruCache
from seealike.service.messages import models
from seealike.service.options import Access, Keys
from seealike.service.watching import Watching
from seealike.types import Crop, Cropped

JPEG = {"content-type": "image/jpeg"}
SIZES = [(60, 40), (40, 60), (30, 30), (90, 20), (21, 64), (33, 47), (64, 21), (200, 3), (3, 200)]


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalogue of pictures of many shapes, in a folder called `my shop`."""
    folder = tmp_path_factory.mktemp("whole") / "my shop"
    folder.mkdir()
    model = save_model(folder / "model.onnx")
    pictures = []
    for number, size in enumerate(SIZES * 3):
        path = folder / "photos" / "zy"[number % 2] / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture(number).resize(size).save(path)
        pictures.append(NewPicture(f"{'zyx'[number % 3]}/{number:02}.png", path, metadata=_said(number)))
    with seealike.create(folder / ".seealike", encoder=f"onnx:{model}") as catalog:
        catalog.add_many(pictures)
    return folder


def _said(number: int) -> dict[str, str | int | float | bool | None]:
    """What is said of a picture."""
    return {"kind": ["shoe", "bag", "hat"][number % 3], "price": number * 1.5, "sku": f"sku-{number:04}"}


@pytest.fixture(scope="module")
def whole(mixed: Path) -> Iterator[Client]:
    """Somebody who asks it over HTTP."""
    with Client(create_app(mixed / ".seealike", ServiceOptions())) as asked:
        wait_until_ready(asked)
        yield asked


@pytest.fixture
def library(mixed: Path) -> Iterator[seealike.Catalog]:
    """The same catalogue, asked by Python."""
    with seealike.open(mixed / ".seealike") as opened:
        yield opened


def test_shapes_are_those_of_all_items_in_id_order(whole: Client, library: seealike.Catalog) -> None:
    reply = whole("GET", "/shapes")
    expected = [min(65535, max(1, round(1000 * one.width_px / one.height_px))) for one in library.items()]
    assert max(expected) == 65535
    assert [*struct.unpack(f"<{len(library)}H", reply.body)] == expected
    assert reply.headers["content-type"] == "application/octet-stream"
    assert int(reply.headers["x-generation"]) == library.generation
    packed = whole("GET", "/shapes", headers={"accept-encoding": "br, gzip;q=0.8"})
    assert (packed.headers["content-encoding"], packed.headers["vary"]) == ("gzip", "accept-encoding")
    assert gzip.decompress(packed.body) == reply.body
    assert "content-encoding" not in whole("GET", "/shapes", headers={"accept-encoding": "gzip;q=0"}).headers
    again = whole("GET", "/shapes", headers={"if-none-match": reply.headers["etag"]})
    assert (again.status, again.body) == (304, b"")
    assert packed.headers["etag"] != reply.headers["etag"]


def test_items_are_listed_from_any_place_of_the_order(whole: Client, library: seealike.Catalog) -> None:
    items = [*library.items()]
    for at, limit in ((0, 3), (5, 4), (len(items) - 2, 10), (len(items), 1), (2**40, 1)):
        page = whole("GET", f"/items?at={at}&limit={limit}").json
        assert [one["id"] for one in page["items"]] == [one.id for one in items[at : at + limit]]
        assert page["next"] == (items[at + limit].id if at + limit < len(items) else None)
        assert page["generation"] == library.generation
    for at, step, limit in ((0, 2, 3), (1, 3, 50), (len(items), 2, 1)):
        page = whole("GET", f"/items?at={at}&step={step}&limit={limit}").json
        assert [one["id"] for one in page["items"]] == [one.id for one in items[at::step][:limit]]
    assert whole("GET", "/items?step=2").json["code"] == "invalid_query"
    assert (
        whole("GET", "/items?at=3").json["items"] == whole("GET", f"/items?start={items[3].id}").json["items"]
    )
    assert whole("GET", "/items?at=-1").json["code"] == "invalid_request"
    assert whole("GET", "/items?at=1&start=x").json["code"] == "invalid_query"


def test_places_and_shapes_follow_what_changes(tmp_path: Path) -> None:
    model = save_model(tmp_path / "model.onnx")
    place = tmp_path / "catalog"
    seealike.create(place, encoder=f"onnx:{model}").close()
    with Client(create_app(place, ServiceOptions())) as asked, seealike.open(place) as other:
        wait_until_ready(asked)
        assert asked("GET", "/shapes").body == b""
        for number, name in enumerate("dbeac"):
            other.add(name, picture(number).resize((10 * (number + 1), 10)))
        for gone in ("", "b", "d"):
            other.remove([gone] if gone else [])
            expected = [item.id for item in other.items()]
            assert [item["id"] for item in asked("GET", "/items?at=0").json["items"]] == expected
            assert [item.id for item in other.items_at(1, 2).items] == expected[1:3]
            ratios = [1000 * item.width_px // item.height_px for item in other.items()]
            assert [*struct.unpack(f"<{len(expected)}H", asked("GET", "/shapes").body)] == ratios


def test_hits_say_how_large_their_pictures_are(whole: Client, library: seealike.Catalog) -> None:
    (one, *_) = library.items()
    hits = whole("GET", f"/items/{quote(one.id, safe='')}/similar?k=30").json["hits"]
    sizes = {item.id: (item.width_px, item.height_px) for item in library.items()}
    assert {hit["id"]: (hit["width_px"], hit["height_px"]) for hit in hits} == {
        item_id: size for item_id, size in sizes.items() if item_id != one.id
    }
    assert {(hit.width_px, hit.height_px) for hit in library.similar(one.id, 30)} <= {*SIZES}


def test_a_part_of_an_item_is_asked_with_among_others(
    client: Client, catalog: seealike.Catalog, shop: Path
) -> None:
    crop, item = Crop.parse("0.0,0.25,0.5,0.5"), catalog.item("bags/11.jpg")
    assert item.path is not None
    part = Example("bags/11.jpg", image=Cropped(item.path, crop), weight=2)
    unlike = Example(image=Cropped(str(shop / "photos" / "002.jpg"), crop))
    expected = catalog.recommend([part, "bags/30.jpg"], [unlike], k=6)
    assert expected == catalog.recommend(
        [Example("bags/11.jpg", crop=crop, weight=2), "bags/30.jpg"],
        [Example(image=str(shop / "photos" / "002.jpg"), crop=crop)],
        k=6,
    )
    token = client("POST", "/images", (shop / "photos" / "002.jpg").read_bytes(), headers=JPEG).json["image"]
    asked = {
        "like": [{"id": "bags/11.jpg", "crop": str(crop), "weight": 2}, {"id": "bags/30.jpg"}],
        "dislike": [{"image": token, "crop": str(crop)}],
        "k": 6,
    }
    found = client.post("/recommend", asked).json["hits"]
    assert [hit["id"] for hit in found] == expected.ids
    assert "bags/11.jpg" not in expected.ids
    assert expected.ids != catalog.recommend(["bags/11.jpg", "bags/30.jpg"], [unlike], k=6).ids
    alone = client.post("/search", {"id": "bags/11.jpg", "crop": str(crop)}).json["hits"]
    assert [hit["id"] for hit in alone] == catalog.recommend([Example("bags/11.jpg", crop=crop)]).ids
    refused = client.post("/recommend", {"like": [{"product": "product-4", "crop": str(crop)}]})
    assert (refused.status, refused.json["code"]) == (422, "invalid_query")


def test_an_uploaded_picture_is_shown_small_until_it_is_gone(client: Client, shop: Path) -> None:
    data = (shop / "photos" / "002.jpg").read_bytes()
    token = client("POST", "/images", data, headers=JPEG).json["image"]
    reply = client("GET", f"/uploads/{token}?size=40")
    assert (reply.status, reply.headers["content-type"]) == (200, "image/jpeg")
    assert max(Image.open(io.BytesIO(reply.body)).size) == 40
    again = client("GET", f"/uploads/{token}?size=40", headers={"if-none-match": reply.headers["etag"]})
    assert (again.status, again.body) == (304, b"")
    assert client("GET", "/uploads/somebody-elses").json["code"] == "unknown_image"
    assert client("GET", "/uploads/..%2Fx").status == 404
    with Client(create_app(shop / "catalog", ServiceOptions(upload_bytes=len(data) + 1))) as small:
        wait_until_ready(small)
        first, _ = (small("POST", "/images", data, headers=JPEG).json["image"] for _ in range(2))
        assert small("GET", f"/uploads/{first}").json["code"] == "unknown_image"


def test_the_numbers_of_the_catalogue_are_those_of_the_library(
    whole: Client, client: Client, library: seealike.Catalog, shop: Path
) -> None:
    while (told := whole("GET", "/stats").json)["columns"] is None:
        time.sleep(0.01)
    assert told["name"] == "my shop"
    assert (told["items"], told["generation"]) == (len(library), library.generation)
    assert (told["encoder"], told["dimension"]) == (library.encoder.name, library.encoder.dimension)
    assert {"kind", "price", "sku", "group", "folder", "width_px"} <= {*told["columns"]}
    assert (told["groups"], client("GET", "/stats").json["groups"]) == (False, True)
    assert (told["reads_text"], told["takes_urls"], told["indexing"]) == (False, False, None)
    assert (told["signed"], told["access"]) == (True, "admin")
    assert client("GET", "/stats").json["name"] == "catalog"
    for each in (whole, client):
        assert str(shop.parent) not in each("GET", "/stats").body.decode()


def test_numbers_are_told_while_columns_are_read_and_counted_once(
    mixed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_end, counts = threading.Event(), list[int]()
    facets, info = seealike.Catalog.facets, seealike.Catalog.info

    def slow(self: seealike.Catalog, *, most: int) -> seealike.catalog.Facets:
        may_end.wait()
        return facets(self, most=most)

    def counted(self: seealike.Catalog) -> seealike.CatalogInfo:
        counts.append(1)
        return info(self)

    monkeypatch.setattr(seealike.Catalog, "facets", slow)
    monkeypatch.setattr(seealike.Catalog, "info", counted)
    with Client(create_app(mixed / ".seealike", ServiceOptions())) as asked:
        wait_until_ready(asked)
        for _ in range(3):
            told = asked("GET", "/stats").json
            assert (told["items"], told["columns"]) == (len(SIZES) * 3, None)
        may_end.set()
        while asked("GET", "/stats").json["columns"] is None:
            time.sleep(0.01)
    assert len(counts) == 1


def test_everybody_is_told_what_they_may_do(mixed: Path) -> None:
    keys = Keys(tuple((access.name.lower() * 10, access) for access in (Access.READ, Access.WRITE)))
    with Client(create_app(mixed / ".seealike", ServiceOptions(keys=keys))) as asked:
        headers = {"x-api-key": "read" * 10}
        while (reply := asked("GET", "/stats", headers=headers)).status == 503:
            pass
        assert reply.json["access"] == "read"
        assert asked("GET", "/stats", headers={"x-api-key": "write" * 10}).json["access"] == "write"
        assert asked("GET", "/stats").status == 401


def test_numbers_for_prometheus_keep_nobody_waiting(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    threads = list[str]()
    usual: Callable[[Watching], bytes] = Watching.exposition

    def noted(self: Watching) -> bytes:
        threads.append(threading.current_thread().name)
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()
        return usual(self)

    monkeypatch.setattr(Watching, "exposition", noted)
    assert b"seealike_items 40.0" in client("GET", "/metrics").body
    assert len(threads) == 1


def test_a_picture_is_made_small_once_whatever_else_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, usual = list[object](), seealike.Catalog.thumbnail

    def thumbnail(self: seealike.Catalog, image: str | bytes, side_px: int) -> bytes:
        made.append(image)
        return usual(self, image, side_px)

    model, path = save_model(tmp_path / "model.onnx"), tmp_path / "a.png"
    picture(1, (80, 60)).save(path)
    with seealike.create(tmp_path / "catalog", encoder=f"onnx:{model}") as catalog:
        catalog.add("a", path)
    monkeypatch.setattr(seealike.Catalog, "thumbnail", thumbnail)
    with Client(create_app(tmp_path / "catalog", ServiceOptions())) as asked:
        wait_until_ready(asked)
        first = asked("GET", "/images/a?size=20")
        with seealike.open(tmp_path / "catalog") as other:
            other.add("b", path)
        assert asked("GET", "/images/a?size=20").body == first.body
        assert asked("GET", "/images/b?size=20").body == first.body
        assert len(made) == 1
        picture(2, (60, 80)).save(path)
        assert asked("GET", "/images/a?size=20").headers["etag"] != first.headers["etag"]
        path.unlink()
        assert asked("GET", "/images/a?size=20").json["code"] == "no_picture"


def test_what_was_not_used_for_longest_makes_room() -> None:
    cache = LruCache[bytes](10, len)
    for key in "abc":
        cache.put(key, b"123")
    assert cache.get("a") == b"123"
    cache.put("d", b"1234")
    assert [cache.get(key) for key in "abcd"] == [b"123", None, b"123", b"1234"]
    cache.put("a", b"1")
    cache.put("e", b"12")
    assert [cache.get(key) for key in "acde"] == [b"1", b"123", b"1234", b"12"]
    cache.put("large", b"0" * 11)
    assert [cache.get(key) for key in ("a", "e", "large")] == [None, None, b"0" * 11]
    cache.drop_unused(lambda value: len(value) > 10)
    assert cache.get("large") is None


def test_every_example_of_the_description_is_what_it_describes(client: Client) -> None:
    described = client("GET", "/openapi.json").json["components"]["schemas"]
    shown = {name: schema["example"] for name, schema in described.items() if "example" in schema}
    assert {"StatsOut", "FacetsOut", "SkippedFilesOut", "DuplicatesOut", "MapOut", "UnderWayOut"} <= set(
        shown
    )
    for name, example in shown.items():
        model: type[BaseModel] = getattr(models, name)
        assert json.loads(model.model_validate(example).model_dump_json(exclude_none=True)) == example


def _counted(said: Iterable[Any]) -> list[tuple[Any, int]]:
    """Values and how often each is said, the most frequent first, equally frequent ones in their order."""
    return sorted(Counter(said).items(), key=lambda pair: (-pair[1], pair[0]))


@pytest.mark.parametrize(
    ("where", "keeps"),
    [
        (None, lambda _: True),
        ("price < 20", lambda said: said["price"] < 20),
        ("kind != 'bag' and price >= 6", lambda said: said["kind"] != "bag" and said["price"] >= 6),
        ("kind = 'glove'", lambda _: False),
    ],
)
def test_facets_count_what_the_condition_keeps(
    whole: Client,
    library: seealike.Catalog,
    where: str | None,
    keeps: Callable[[Mapping[str, Any]], bool],
) -> None:
    kept = [item for item in library.items() if keeps(item.metadata)]
    told = whole("GET", "/facets?most=5" + ("" if where is None else f"&where={quote(where)}")).json
    assert (told["total"], told["of"], told["generation"]) == (len(kept), len(library), library.generation)
    facets = {one["name"]: one for one in told["columns"]}
    kind, price = facets["kind"], facets["price"]
    kinds = _counted(item.metadata["kind"] for item in kept)
    assert [(one["value"], one["count"]) for one in kind["values"]] == kinds
    assert (kind["kind"], kind["distinct"], kind["missing"], kind["more"]) == ("text", len(kinds), 0, 0)
    prices = sorted({float(str(item.metadata["price"])) for item in kept})
    assert (price["kind"], price["distinct"], price["least"], price["most"]) == (
        *("number", len(prices)),
        *((prices[0], prices[-1]) if prices else (None, None)),
    )
    assert (price["values"], price["more"]) == ([], len(prices)) if len(prices) > 5 else not price["more"]
    folders = _counted(Path(str(item.path)).parent.name for item in kept)
    assert [(one["value"], one["count"]) for one in facets["folder"]["values"]] == folders
    assert {"folder", "width_px"} <= {*facets}
    assert not {"id", "path", "group"} & {*facets}
    named = whole("GET", "/facets?columns=sku&columns=id&most=2").json["columns"]
    assert [(one["name"], one["distinct"], len(one["values"]), one["more"]) for one in named] == [
        (name, len(library), 2, len(library) - 2) for name in ("sku", "id")
    ]


def test_a_condition_that_is_none_and_a_column_that_is_not_there_are_told_of_facets(whole: Client) -> None:
    for query, code in (
        ("where=price%20%3C", "invalid_query"),
        ("where=prize%20%3C%203", "unknown_name"),
        ("where=%20", "invalid_query"),
        ("columns=prize", "unknown_name"),
        ("most=0", "invalid_request"),
        ("&".join(["columns=kind"] * 51), "invalid_request"),
    ):
        reply = whole("GET", f"/facets?{query}")
        assert (reply.status, reply.json["code"]) == (422, code)


@pytest.mark.parametrize(("kept", "offered"), [(12, set()), (11, {"folder"})])
def test_a_folder_that_says_what_a_column_says_already_is_no_facet(
    tmp_path: Path, kept: int, offered: set[str]
) -> None:
    model = save_model(tmp_path / "model.onnx")
    for name in ("hats", "bags"):
        write_pictures(tmp_path / name, range(6))
    with seealike.create(tmp_path / "catalog", encoder=f"onnx:{model}") as catalog:
        catalog.add_many(
            NewPicture(str(number), path, metadata={"kind": path.parent.name[:3] if number < kept else "x"})
            for number, path in enumerate(sorted(tmp_path.glob("*s/*.jpg")))
        )
        assert {one.name for one in catalog.facets().columns} - {"size_bytes"} == {"kind", *offered}


def test_columns_that_name_items_or_say_nothing_are_no_facets(tmp_path: Path) -> None:
    model, paths = save_model(tmp_path / "model.onnx"), write_pictures(tmp_path / "photos", range(2))
    said = [
        {
            "sku": f"sku-{number}",
            "pair": f"pair-{number // 2}",
            "brand": f"brand-{number // 4}",
            "few": number % 50,
            "same": "all",
            "on": number % 3 == 0,
            "weight": None if number == 7 else 2**70 + number,
            "mixed": "n/a" if number % 2 else number % 10,
            "shelf": "ab"[number % 2],
        }
        for number in range(204)
    ]
    with seealike.create(tmp_path / "catalog", encoder=f"onnx:{model}") as catalog:
        catalog.add_many(
            NewPicture(f"{number:03}", paths[number % 2], metadata=one) for number, one in enumerate(said)
        )
        facets = {one.name: one for one in catalog.facets(most=3).columns}
        assert {*facets} & {*said[0]} == {"brand", "few", "on", "weight", "mixed", "shelf"}
        assert not {"modified", "folder", "prefix"} & {*facets}  # the prefix of `000` is none
        assert (facets["on"].kind, facets["on"].values) == ("truth", ((False, 136), (True, 68)))
        assert facets["mixed"].kind == "text"
        assert facets["mixed"].values[0] == ("n/a", 102)
        least = facets["weight"].least  # of numbers that SQLite takes for equal any one may be told
        assert (float(least or 0), facets["weight"].missing) == (float(2**70), 1)
        assert [*catalog.facets(columns=["same"]).columns[0].values] == [("all", 204)]
    with Client(create_app(tmp_path / "catalog", ServiceOptions())) as asked:
        wait_until_ready(asked)
        weight = asked("GET", "/facets?columns=weight").json["columns"][0]
        assert weight["least"] == float(2**70)
        assert asked("GET", "/items?limit=1").json["items"][0]["metadata"]["weight"] == float(2**70)
