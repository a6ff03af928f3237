"""Services over a copy in PostgreSQL: what one writes the other sees, whole or not at all."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from tests.engines.test_publishing import asked
from tests.made_models import save_model
from tests.pictures import picture, write_pictures
from tests.service.processes import ask, serving, wait_until_ready

import seealike
from seealike import NewPicture
from seealike.catalog import publish

pytest.importorskip("fastapi", reason="the extra `serve` is not installed")
pytestmark = [pytest.mark.engine, pytest.mark.enable_socket]
COUNT = 12


def jpeg(made: Image.Image) -> bytes:
    """A picture as a file."""
    file = io.BytesIO()
    made.save(file, "JPEG")
    return file.getvalue()


@pytest.fixture
def shop(address: str, tmp_path: Path) -> str:
    """The address of a copy of 12 pictures, two a product."""
    paths = write_pictures(tmp_path / "photos", range(COUNT))
    with seealike.create(tmp_path / "catalog", encoder=f"onnx:{save_model(tmp_path / 'model.onnx')}") as made:
        made.add_many(NewPicture(f"{n:02}", path, f"p{n // 2}", {"price": n}) for n, path in enumerate(paths))
        publish(made, address)
    return address


@pytest.fixture
def two(shop: str) -> Iterator[tuple[int, int]]:
    """The ports of two services of the same copy."""
    with serving(shop) as (_, one), serving(shop) as (_, other):  # type: ignore[arg-type]
        for port in (one, other):
            wait_until_ready(port)
        yield one, other


def told(port: int, address: str, method: str = "GET", body: bytes = b"") -> tuple[int, dict[str, object]]:
    status, data = ask(port, address, method, body)
    return status, json.loads(data)


def test_what_one_service_writes_the_other_sees_at_once(two: tuple[int, int], shop: str) -> None:
    one, other = two
    new = jpeg(picture(50))
    assert told(one, "/items/new?group=p0&metadata=%7B%22price%22%3A%201%7D", "PUT", new)[0] == 201
    status, item = told(other, "/items/new")
    assert (status, item["group"], item["metadata"]) == (200, "p0", {"price": 1})
    assert ask(other, "/images/new")[1][:2] == b"\xff\xd8"
    status, found = told(other, "/search?k=1", "POST", new)
    assert [hit["id"] for hit in found["hits"]] == ["new"]  # type: ignore[attr-defined]
    assert told(other, "/items/new?group=p0&metadata=%7B%22price%22%3A%201%7D", "PUT", new)[1]["change"] == (
        "unchanged"
    )
    assert told(other, "/items/new?group=p1", "PUT", new)[1]["change"] == "replaced"
    assert told(one, "/items/new")[1]["group"] == "p1"
    assert told(one, "/items/new", "DELETE")[1]["change"] == "removed"
    assert told(other, "/items/new")[0] == 404
    assert told(other, "/items/new", "DELETE")[1]["change"] == "unchanged"
    assert asked(shop, "SELECT count(*) FROM items") == [(COUNT,)]
    assert told(one, "/stats")[1]["items"] == COUNT
    assert told(one, "/items/nothing", "PUT", b"no picture")[0] == 422


def test_a_service_that_is_killed_while_it_writes_leaves_nothing_half(shop: str) -> None:
    pictures = [jpeg(picture(60 + number)) for number in range(4)]
    acknowledged: list[str] = []

    def put(port: int, name: str) -> None:
        for number in range(100):
            try:
                status, _ = ask(port, f"/items/{name}{number}", "PUT", pictures[number % 4])
            except OSError:
                return
            if status == 201:
                acknowledged.append(f"{name}{number}")

    with serving(shop) as (running, port):  # type: ignore[arg-type]
        wait_until_ready(port)
        threads = [threading.Thread(target=put, args=(port, name)) for name in "abc"]
        for thread in threads:
            thread.start()
        while len(acknowledged) < 10:
            threads[0].join(0.01)
        running.kill()
        for thread in threads:
            thread.join()
    with seealike.open(shop) as copy:
        ids = [item.id for item in copy.items()]
        assert len(ids) == len(copy)
        assert set(acknowledged) <= set(ids)
        for item_id in acknowledged:
            assert copy.kept_picture(item_id) in pictures  # type: ignore[attr-defined]
        answers = copy.similar(acknowledged[0], k=100, options=seealike.SearchOptions(pictures=True))
        assert len(answers) == len(ids) - 1
    build = asked(shop, "SELECT build FROM catalogues WHERE live")[0][0]
    assert asked(shop, f"SELECT count(*) FROM pictures_{build}") == [(len(ids) - COUNT,)]


def test_a_service_whose_connections_are_cut_answers_all_the_same(two: tuple[int, int], shop: str) -> None:
    cut = (
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
        "WHERE application_name = 'seealike' AND pid <> pg_backend_pid()"
    )
    for _ in range(3):
        assert told(two[0], "/items/03/similar?k=3")[0] == 200
        asked(shop, cut)
        assert told(two[0], "/items/04/similar?k=4&where=price%20%3C%209")[0] == 200
