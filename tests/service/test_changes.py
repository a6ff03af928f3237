"""Items that are put and removed over HTTP."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from PIL import Image
from tests.made_models import save_model
from tests.pictures import picture
from tests.service.asgi import Client, Reply
from tests.service.conftest import wait_until_ready

import seealike
from seealike.service import ServiceOptions, create_app


def jpeg(number: int) -> bytes:
    """A picture with a place in its metadata."""
    file, exif = io.BytesIO(), Image.Exif()
    exif[0x010E] = "taken at home"
    picture(number, (300, 200)).save(file, "JPEG", exif=exif)
    return file.getvalue()


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """A catalogue without items."""
    model = save_model(tmp_path / "model.onnx")
    seealike.create(tmp_path / "catalog", encoder=f"onnx:{model}").close()
    return tmp_path / "catalog"


@pytest.fixture
def own(empty: Path) -> Iterator[Client]:
    """Somebody who fills it."""
    with Client(create_app(empty, ServiceOptions())) as asked:
        wait_until_ready(asked)
        yield asked


def put(client: Client, item_id: str, data: bytes, about: str = "") -> Reply:
    return client(
        "PUT", f"/items/{quote(item_id, safe='')}{about}", data, headers={"content-type": "image/jpeg"}
    )


def test_an_item_that_is_put_is_there_for_everybody_and_once(own: Client, empty: Path) -> None:
    about = "?group=g&metadata=" + quote('{"price": 3, "colour": "red"}')
    first, second = put(own, "a/b.jpg", jpeg(1), about), put(own, "a/b.jpg", jpeg(1), about)
    assert (first.status, first.json["change"], second.status, second.json["change"]) == (
        *(201, "added"),
        *(200, "unchanged"),
    )
    assert first.json["generation"] == second.json["generation"]
    with seealike.open(empty) as catalog:
        item = catalog.item("a/b.jpg")
        assert (item.group, item.metadata) == ("g", {"price": 3, "colour": "red"})
        assert catalog.generation == first.json["generation"]
        assert catalog.search(jpeg(1), 1)[0].id == "a/b.jpg"
        assert put(own, "a/b.jpg", jpeg(2), about).json["change"] == "replaced"
        assert catalog.search(jpeg(2), 1)[0].score == pytest.approx(1, abs=1e-3)
    assert len([*(empty / "pictures").rglob("*-*")]) == 1


def test_its_picture_is_shown_small_and_without_its_metadata(own: Client) -> None:
    put(own, "a/b.jpg", jpeg(1))
    assert b"taken at home" in jpeg(1)
    for size, width in (("", 300), ("?size=60", 60)):
        reply = own("GET", f"/images/a%2Fb.jpg{size}")
        assert (reply.status, reply.headers["content-type"]) == (200, "image/jpeg")
        assert Image.open(io.BytesIO(reply.body)).size[0] == width
        assert b"taken at home" not in reply.body
    again = own("GET", "/images/a%2Fb.jpg?size=60", headers={"if-none-match": reply.headers["etag"]})
    assert (again.status, again.body) == (304, b"")
    assert own("GET", "/images/gone").json["code"] == "unknown_item"


def test_removing_is_idempotent_and_takes_the_picture_along_but_nobody_elses(
    own: Client, empty: Path
) -> None:
    elsewhere = empty.parent / "mine.jpg"
    elsewhere.write_bytes(jpeg(5))
    with seealike.open(empty) as catalog:
        catalog.add("mine", elsewhere)
    put(own, "a", jpeg(1))
    assert [own("DELETE", "/items/a").json["change"] for _ in range(2)] == ["removed", "unchanged"]
    assert own("DELETE", "/items/mine").json["change"] == "removed"
    assert elsewhere.exists()
    assert not [*(empty / "pictures").rglob("*-*")]


def test_a_bad_picture_leaves_the_item_as_it_was(own: Client, empty: Path) -> None:
    put(own, "a", jpeg(1))
    reply = put(own, "a", b"no picture at all")
    assert (reply.status, reply.json["code"]) == (422, "unusable_picture")
    assert own("GET", "/items/a").json["width_px"] == 300
    assert len([*(empty / "pictures").rglob("*-*")]) == 1
    assert put(own, "a", jpeg(1), "?metadata=%5B%5D").json["code"] == "invalid_query"
    assert put(own, "a", jpeg(1), "?group=").status < 500


def test_all_items_are_listed_some_at_a_time_whatever_changes_meanwhile(own: Client) -> None:
    names = sorted(["a", "b/c", "ä", "%2F", "?x#y", "d" * 200])
    for number, name in enumerate(names):
        assert put(own, name, jpeg(number)).status == 201
        assert own("GET", f"/items/{quote(name, safe='')}").json["id"] == name
    seen: list[str] = []
    start: str | None = ""
    while start is not None:
        page = own("GET", f"/items?limit=2&start={quote(start)}").json
        seen += [item["id"] for item in page["items"]]
        if len(seen) == 2:
            own("DELETE", f"/items/{quote(seen[0], safe='')}")
        start = page["next"]
    assert seen == names
    assert all(own("GET", f"/images/{quote(name, safe='')}?size=9").status == 200 for name in names[1:])


def test_what_another_process_writes_is_answered_without_a_restart(own: Client, empty: Path) -> None:
    put(own, "a", jpeg(1))
    with seealike.open(empty) as catalog:
        catalog.add("b", picture(2))
        generation = catalog.generation
    found = own("GET", "/items/a/similar").json
    assert (found["generation"], [hit["id"] for hit in found["hits"]]) == (generation, ["b"])
    assert found["hits"][0]["image"] is None
    assert own("GET", "/images/b").json["code"] == "no_picture"
