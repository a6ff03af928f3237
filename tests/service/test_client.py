"""The Python client has the methods and the values of a catalogue."""

from __future__ import annotations

import dataclasses
import json
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
from tests.service.processes import serving, wait_until_ready

import seealike
from seealike import Example, SearchOptions
from seealike.errors import PictureError, ServiceError, UnknownItemError, UnknownProductError, UsageError
from seealike.types import Crop, Cropped, Hit, Metric

pytestmark = pytest.mark.enable_socket


@pytest.fixture(scope="module")
def client(shop: Path) -> Iterator[seealike.Client]:
    """A client of a service of its own."""
    with serving(shop / "catalog") as (_, port):
        wait_until_ready(port)
        with seealike.Client(f"http://127.0.0.1:{port}") as opened:
            yield opened


def _same(found: list[Hit], expected: list[Hit]) -> None:
    assert [dataclasses.replace(hit, path=None, score=0.0) for hit in expected] == [
        dataclasses.replace(hit, score=0.0) for hit in found
    ]
    assert [hit.score for hit in found] == pytest.approx([hit.score for hit in expected], abs=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        SearchOptions(),
        SearchOptions(pictures=True, where="price > 5 and price < 30", diversity=0.4, min_score=-1.0),
        SearchOptions(boost=(("price", 0.25),), recent=-0.5, dedup=0.9, metric=Metric.EUCLIDEAN),
        SearchOptions(palette="navy:2,white", color=0.7, hub_correction=True, exact=True),
        SearchOptions(crop=Crop(0.0, 0.25, 0.5, 0.5)),
    ],
)
def test_every_question_has_the_answer_of_the_catalogue(
    client: seealike.Client, catalog: seealike.Catalog, shop: Path, options: SearchOptions
) -> None:
    file = shop / "photos" / "013.jpg"
    _same(client.search(file, 7, options=options), catalog.search(file, 7, options=options))
    if options.crop is not None:
        part = Cropped(file.read_bytes(), options.crop)
        _same(client.search(part, 7), catalog.search(file, 7, options=options))
        return
    (found,) = client.similar_batch(["bags/03.jpg"], 7, options=options)
    _same(found, catalog.similar("bags/03.jpg", 7, options=options))
    like: list[str | Example] = [Example(image=file, weight=2.0), Example(product="product-9"), "bags/07.jpg"]
    _same(
        client.recommend(like, ["bags/30.jpg"], 7, options=options),
        catalog.recommend(like, ["bags/30.jpg"], 7, options=options),
    )


def test_items_are_those_of_the_catalogue(client: seealike.Client, catalog: seealike.Catalog) -> None:
    expected = [dataclasses.replace(item, path=None) for item in catalog.items()]
    assert [*client.items()] == expected
    assert (len(client), client.generation) == (len(catalog), catalog.generation)
    assert client.item(expected[3].id) == expected[3]
    assert "bags/03.jpg" in client
    assert "gone" not in client
    assert client.thumbnail("bags/03.jpg", 50).startswith(b"\xff\xd8")


def test_all_at_once_is_that_of_the_catalogue(client: seealike.Client, catalog: seealike.Catalog) -> None:
    assert client.facets() == catalog.facets()
    where = "price > 5 and price < 30"
    assert client.facets(where, columns=["price", "group"], most=40) == catalog.facets(
        where, columns=["price", "group"], most=40
    )
    some = [dataclasses.replace(item, path=None) for item in catalog.items()][7:12]
    assert client.items_at(7, 5) == (catalog.generation, some)
    assert client.items_from(some[0].id, 5) == some
    assert client.items_at(1, 3, 4).items == [client.item(f"bags/{n:02}.jpg") for n in (1, 5, 9)]
    assert client.skipped() == catalog.skipped() == []
    with pytest.raises(UsageError, match="prize"):
        client.facets("prize < 3")


def test_what_is_added_is_there_and_what_is_removed_is_not(client: seealike.Client, shop: Path) -> None:
    for _ in range(2):
        client.add("new/ä.jpg", shop / "photos" / "003.jpg", group="new", metadata={"price": 1.5, "on": True})
    item = client.item("new/ä.jpg")
    assert (item.group, item.metadata) == ("new", {"price": 1.5, "on": True})
    assert client.remove(["new/ä.jpg", "gone"]) == 1
    assert "new/ä.jpg" not in client


def test_errors_are_those_of_the_catalogue(client: seealike.Client, tmp_path: Path) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"no picture")
    with pytest.raises(PictureError, match="not_an_image"):
        client.search(bad)
    with pytest.raises(PictureError, match=r"gone\.jpg"):
        client.search(tmp_path / "gone.jpg")
    with pytest.raises(UnknownItemError, match=r"did you mean bags/03\.jpg"):
        client.similar("bag/03.jpg")
    with pytest.raises(UnknownProductError, match="product-99"):
        client.recommend([Example(product="product-99")])
    with pytest.raises(UsageError, match="prize"):
        client.similar("bags/03.jpg", options=SearchOptions(where="prize < 3"))
    with pytest.raises(UsageError, match="vectors"):
        client.recommend([Example(vector=[1.0])])  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="http"):
        seealike.Client("shop.example")


def test_a_service_that_is_not_there_is_said(shop: Path) -> None:
    with serving(shop / "catalog") as (process, port):
        wait_until_ready(port)
        client = seealike.Client(f"http://127.0.0.1:{port}")
        assert len(client) > 0
        process.kill()
        process.wait()
        with pytest.raises(ServiceError, match="does not answer"):
            len(client)
    assert isinstance(process, subprocess.Popen)


class _Flaky(BaseHTTPRequestHandler):
    """Ends every other connection once it has done what it was asked, without a reply."""

    protocol_version = "HTTP/1.1"
    there: ClassVar[set[str]] = set()
    came: ClassVar[list[object]] = []

    def do_DELETE(self) -> None:
        was_there = self.path in self.there
        self.there.discard(self.path)
        self.came.append(self.client_address)
        if was_there:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self._reply({"change": "unchanged"})

    def do_GET(self) -> None:
        self.came.append(self.client_address)
        self._reply({"items": 3})

    def _reply(self, said: object) -> None:
        body = json.dumps(said).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def flaky() -> Iterator[seealike.Client]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Flaky)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    _Flaky.came.clear()
    with seealike.Client(f"http://127.0.0.1:{server.server_port}") as opened:
        yield opened
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_item_whose_removal_had_to_be_asked_for_twice_counts_as_removed(flaky: seealike.Client) -> None:
    _Flaky.there.add("/items/a")
    assert flaky.remove(["a", "b"]) == 1
    assert len(_Flaky.came) == 3


def test_threads_that_come_and_go_share_connections(flaky: seealike.Client) -> None:
    for _ in range(20):
        thread = threading.Thread(target=len, args=(flaky,))
        thread.start()
        thread.join()
    assert (len(_Flaky.came), len(set(_Flaky.came))) == (20, 1)
    flaky.close()
    assert len(flaky) == 3
    assert len(set(_Flaky.came)) == 2
    (connection,) = flaky._idle
    flaky.close()
    assert connection.sock is None


def test_what_is_no_text_is_refused_before_it_is_sent(flaky: seealike.Client) -> None:
    assert "\udcff" not in flaky
    calls: list[Callable[[], object]] = [
        lambda: flaky.item("\udcff"),
        lambda: flaky.remove(["\udcff"]),
        lambda: flaky.thumbnail("\udcff"),
        lambda: flaky.add("a", b"", group="\udcff"),
        lambda: flaky.search(b"", options=SearchOptions(where="\udcff")),
        lambda: flaky.item(3),  # type: ignore[arg-type]
    ]
    for call in calls:
        with pytest.raises(UsageError):
            call()
    assert not _Flaky.came
