"""Questions over HTTP have the answers of the library."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from tests.service.asgi import Client, Reply

import seealike
from seealike import Example, SearchOptions
from seealike.service.messages.models import Wishes
from seealike.types import Crop, Cropped, Hit

JPEG = {"content-type": "image/jpeg"}


def _same(reply: Reply, hits: list[Hit]) -> None:
    assert reply.status == 200, reply.body
    found = reply.json["hits"]
    assert [hit["id"] for hit in found] == [hit.id for hit in hits]
    assert [hit["score"] for hit in found] == pytest.approx([hit.score for hit in hits], abs=1e-5)
    assert [(hit["group"], hit["metadata"], hit["others"]) for hit in found] == [
        (hit.group, hit.metadata, hit.others) for hit in hits
    ]


def test_every_wish_of_the_library_can_be_said_under_its_name() -> None:
    assert set(Wishes.model_fields) == {field.name for field in fields(SearchOptions)}
    assert Wishes().options() == SearchOptions()
    said = Wishes(boost=["price:0.25"], crop="1,2,3,4", dedup=True, same=["kind"], where="price < 3")
    assert said.options() == SearchOptions(
        boost=(("price", 0.25),), crop=Crop(1, 2, 3, 4), dedup=True, same=("kind",), where="price < 3"
    )


def test_a_picture_can_be_the_body(client: Client, catalog: seealike.Catalog, shop: Path) -> None:
    data = (shop / "photos" / "007.jpg").read_bytes()
    reply = client("POST", "/search?k=5&where=price%20%3E%203&diversity=0.2", data, headers=JPEG)
    _same(reply, catalog.search(data, 5, options=SearchOptions(where="price > 3", diversity=0.2)))
    assert reply.json["generation"] == catalog.generation
    assert reply.json["took_ms"] > 0


def test_a_picture_can_come_in_a_form(client: Client, catalog: seealike.Catalog, shop: Path) -> None:
    data = (shop / "photos" / "007.jpg").read_bytes()
    head = b'--X\r\ncontent-disposition: form-data; name="image"; filename="../../etc/passwd"\r\n\r\n'
    form = head + data + b"\r\n--X--\r\n"
    reply = client("POST", "/search?k=5", form, headers={"content-type": "multipart/form-data; boundary=X"})
    _same(reply, catalog.search(data, 5))


@pytest.mark.parametrize(
    ("asked", "options"),
    [
        ({"id": "bags/03.jpg"}, {}),
        ({"id": "bags/03.jpg", "pictures": True}, {"pictures": True}),
        ({"id": "bags/03.jpg", "boost": ["price:0.5"]}, {"boost": {"price": 0.5}}),
        (
            {"id": "bags/03.jpg", "metric": "euclidean", "min_score": -0.9},
            {"metric": "euclidean", "min_score": -0.9},
        ),
    ],
)
def test_an_item_is_asked_with_by_json(
    client: Client, catalog: seealike.Catalog, asked: dict[str, object], options: dict[str, Any]
) -> None:
    expected = catalog.similar("bags/03.jpg", 6, options=SearchOptions(**options))
    _same(client.post("/search", {**asked, "k": 6}), expected)
    query = "&".join(
        f"{name}={quote(str(value[0] if isinstance(value, list) else value))}"
        for name, value in asked.items()
        if name != "id"
    )
    for written in ("bags%2F03.jpg", "bags/03.jpg"):
        _same(client("GET", f"/items/{written}/similar?k=6&{query}"), expected)


def test_a_product_and_colours_alone_are_questions(client: Client, catalog: seealike.Catalog) -> None:
    _same(client.post("/search", {"product": "product-4"}), catalog.recommend([Example(product="product-4")]))
    by_colour = SearchOptions(palette="#c0392b")
    _same(client.post("/search", {"palette": "#c0392b"}), catalog.recommend(options=by_colour))


def test_an_uploaded_picture_is_asked_with_often(
    client: Client, catalog: seealike.Catalog, shop: Path
) -> None:
    data = (shop / "photos" / "011.jpg").read_bytes()
    token = client("POST", "/images", data, headers=JPEG).json["image"]
    _same(client.post("/search", {"image": token}), catalog.search(data))
    crop = Crop.parse("0.0,0.25,0.5,0.5")
    like = [{"image": token, "crop": "0.0,0.25,0.5,0.5", "weight": 2}, {"id": "bags/30.jpg"}]
    _same(
        client.post("/recommend", {"like": like, "dislike": [{"id": "bags/02.jpg"}], "k": 4}),
        catalog.recommend(
            [Example(image=Cropped(data, crop), weight=2), "bags/30.jpg"], ["bags/02.jpg"], k=4
        ),
    )
    reply = client.post("/search", {"image": "somebody-elses"})
    assert (reply.status, reply.json["code"]) == (404, "unknown_image")


@pytest.mark.parametrize("kind", ["id", "image"])
def test_of_a_single_example_a_part_can_be_what_counts(
    kind: str, client: Client, catalog: seealike.Catalog, shop: Path
) -> None:
    data, crop = (shop / "photos" / "011.jpg").read_bytes(), "0.0,0.25,0.5,0.5"
    value = client("POST", "/images", data, headers=JPEG).json["image"] if kind == "image" else "bags/11.jpg"
    part = Cropped(data, Crop.parse(crop))
    example = Example(image=part) if kind == "image" else Example(id=value, image=part)
    _same(
        client.post("/recommend", {"like": [{kind: value, "crop": crop}], "k": 5}),
        catalog.recommend([example], k=5),
    )


def test_several_questions_at_once_each_have_their_answer_or_their_problem(
    client: Client, catalog: seealike.Catalog
) -> None:
    queries = [{"like": [{"id": "bags/01.jpg"}], "k": 3}, {"like": [{"id": "gone"}]}, {"like": []}]
    answers = client.post("/batch", {"queries": queries}).json["answers"]
    assert [hit["id"] for hit in answers[0]["hits"]] == catalog.similar("bags/01.jpg", 3).ids
    assert [one["problem"]["code"] for one in answers[1:]] == ["unknown_item", "invalid_query"]


def test_several_pictures_at_once_each_have_their_answer_or_their_problem(
    client: Client, catalog: seealike.Catalog, shop: Path
) -> None:
    pictures = [(shop / "photos" / f"{number:03}.jpg").read_bytes() for number in range(20)]
    pictures.insert(5, b"no picture")
    part = b'--X\r\ncontent-disposition: form-data; name="image"; filename="a"\r\n\r\n'
    form = b"".join(part + picture + b"\r\n" for picture in pictures) + b"--X--\r\n"
    reply = client("POST", "/batch?k=4", form, headers={"content-type": "multipart/form-data; boundary=X"})
    answers = reply.json["answers"]
    assert answers.pop(5)["problem"]["code"] == "unusable_picture"
    del pictures[5]
    assert [[hit["id"] for hit in one["hits"]] for one in answers] == [
        found.ids for found in catalog.search_batch(pictures, 4)
    ]


@pytest.mark.parametrize(
    ("address", "asked", "status", "code"),
    [
        ("/search", {"id": "gone"}, 404, "unknown_item"),
        ("/search", {"product": "gone"}, 404, "unknown_product"),
        ("/search", {"id": "bags/01.jpg", "where": "price <"}, 422, "invalid_query"),
        ("/search", {"id": "bags/01.jpg", "where": "prize < 3"}, 422, "unknown_name"),
        ("/search", {"id": "bags/01.jpg", "wheer": "price < 3"}, 422, "invalid_request"),
        ("/search", {"id": "bags/01.jpg", "k": 0}, 422, "invalid_request"),
        ("/search", {"id": "bags/01.jpg", "crop": "1,2,3"}, 422, "invalid_query"),
        ("/search", {"text": "red bags"}, 422, "invalid_query"),
        ("/search", {}, 422, "invalid_query"),
        ("/search", {"id": "a", "product": "b"}, 422, "invalid_query"),
        ("/recommend", {"like": [{"id": "bags/01.jpg", "weight": 0}]}, 422, "invalid_request"),
        ("/nowhere", {}, 404, "no_such_route"),
        ("/stats", {}, 405, "method_not_allowed"),
    ],
)
def test_what_cannot_be_answered_says_so_as_problem_details(
    client: Client, address: str, asked: dict[str, object], status: int, code: str
) -> None:
    reply = client.post(address, asked)
    assert (reply.status, reply.headers["content-type"]) == (status, "application/problem+json")
    assert (reply.json["status"], reply.json["code"]) == (status, code)
    assert all(reply.json[member] for member in ("type", "title", "detail"))


@pytest.mark.parametrize(
    ("address", "body", "at", "meant"),
    [
        ("/search", {"id": "bags/01.jpg", "diversty": 0.3}, "diversty", "diversity"),
        ("/search", {"id": "bags/01.jpg", "min-score": 0.3}, "min-score", "min_score"),
        ("/recommend", {"likes": []}, "likes", "like"),
        ("/recommend", {"like": [{"id": "a", "wieght": 2}]}, "like.0.wieght", "weight"),
        ("/batch", {"queries": [{}, {"like": [{"idd": "a"}]}]}, "queries.1.like.0.idd", "id"),
        ("/items/a/similar?min-score=0.3", None, "query.min-score", "min_score"),
        ("/search?color=0.5&colour=0.3", None, "query.colour", "color"),
        ("/items/a?grup=b", b"", "query.grup", "group"),
    ],
)
def test_a_misspelt_field_is_told_what_was_probably_meant(
    client: Client, address: str, body: object, at: str, meant: str
) -> None:
    if isinstance(body, dict):
        reply = client.post(address, body)
    else:
        reply = client("PUT" if body == b"" else "POST" if "search" in address else "GET", address)
    assert (reply.status, reply.json["code"]) == (422, "invalid_request")
    (first,) = reply.json["errors"]
    assert first["at"] == at
    assert first["problem"].startswith("there is no such field; did you mean ")
    assert meant in first["problem"].split("mean ")[1].rstrip("?").split(" or ")
    assert client.post("/search", {"zzzz": 1}).json["errors"][0]["problem"] == "there is no such field"


def test_a_million_misspelt_fields_are_answered_like_one(client: Client) -> None:
    many = {f"diversty{number}": 0 for number in range(50_000)}
    assert len(client.post("/search", many).json["errors"]) == 20
    assert client.post("/search", {"x" * 900_000: 0}).status == 422


def test_problems_say_what_to_do_over_http(client: Client) -> None:
    """Not what to type: wishes are fields here, and who asks may have no shell."""
    assert (
        client("GET", "/items/zzz").json["detail"]
        == "no item has the id 'zzz'; GET /items lists what there is"
    )
    for asked in (
        {"id": "zzz"},
        {"product": "zzz"},
        {"id": "bags/01.jpg", "at_least": "similar"},
        {"palette": "navy", "at_least": "similar"},
        {"text": "a bag", "color": 0.5},
        {"palette": "navy", "focus": True},
    ):
        detail = client.post("/search", asked).json["detail"]
        assert "--" not in detail
        assert "seealike ls" not in detail
    near = client.post("/search", {"id": "bags/01.jpeg"}).json
    assert near["detail"].startswith("no item has the id 'bags/01.jpeg'; did you mean bags/0")


@pytest.mark.parametrize("kind", ["text/plain", "image/jpeg"])
def test_a_body_that_is_no_picture_says_so(client: Client, kind: str) -> None:
    reply = client("POST", "/search", b"not a picture", headers={"content-type": kind})
    code = "unsupported_media_type" if kind == "text/plain" else "unusable_picture"
    assert reply.json["code"] == code
    assert kind == "text/plain" or reply.json["reason"] == "not_an_image"


def test_the_description_lists_every_route_and_says_what_problems_look_like(client: Client) -> None:
    told = client("GET", "/openapi.json").json
    assert {"/search", "/recommend", "/batch", "/images", "/items", "/stats", "/healthz"} <= set(
        told["paths"]
    )
    assert "application/problem+json" in json.dumps(told["paths"]["/search"]["post"]["responses"]["default"])
    wishes = {one["name"] for one in told["paths"]["/search"]["post"]["parameters"]}
    assert {field.name for field in fields(SearchOptions)} <= wishes


@pytest.mark.parametrize(
    "asked",
    [
        {"boost": ["price:0.1"] * 51},
        {"same": ["a"] * 51},
        {"other": ["a"] * 51},
        {"where": "x" * 2001},
        {"palette": "x" * 2001},
        {"text": "x" * 2001},
        {"id": "x" * 2001},
        {"same": ["x" * 2001]},
    ],
)
def test_what_a_question_says_has_a_length(client: Client, asked: dict[str, object]) -> None:
    reply = client.post("/search", {"id": "bags/01.jpg"} | asked)
    assert (reply.status, reply.json["code"], len(reply.json["errors"])) == (422, "invalid_request", 1)


@pytest.mark.parametrize("address", ["/search", "/recommend", "/batch"])
@pytest.mark.parametrize("kind", ["application/json", "application/vnd.x+json", ""])
def test_json_is_no_larger_than_a_question(client: Client, address: str, kind: str) -> None:
    reply = client("POST", address, b'{"x": "' + b"a" * 2**20 + b'"}', headers={"content-type": kind})
    assert (reply.status, reply.json["code"]) == (413, "too_large")


def test_only_some_results_are_explained(client: Client) -> None:
    question = {"like": [{"id": "bags/01.jpg"}], "explain": True}
    replies = [
        client.post("/recommend", {**question, "k": 51}),
        client.post("/search", {"id": "bags/01.jpg", "explain": True, "k": 51}),
        client("GET", "/items/bags%2F01.jpg/similar?explain=true&k=51"),
    ]
    for reply in replies:
        assert (reply.status, reply.json["code"]) == (422, "invalid_query")
        assert "50" in reply.json["detail"]
    answers = client.post("/batch", {"queries": [{**question, "k": 51}, {"like": [{"id": "bags/01.jpg"}]}]})
    assert [("problem" in one) for one in answers.json["answers"]] == [True, False]


def test_an_answer_says_what_was_looked_at(client: Client) -> None:
    example = {"id": "bags/01.jpg", "crop": "0.25,0.0,0.5,0.75"}
    both = client.post("/recommend", {"like": [example, {"id": "bags/02.jpg"}]}).json
    assert both["seen"] == [[0.25, 0.0, 0.5, 0.75], None]
    assert client("GET", "/items/bags%2F01.jpg/similar").json["seen"] == [None]
