"""Many at a time: questions are answered together, and what is too much is told so."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

import pytest
from tests.service.asgi import Client
from tests.service.conftest import wait_until_ready

import seealike
from seealike import Hits
from seealike.service import ServiceOptions, create_app

JPEG = {"content-type": "image/jpeg"}


def test_questions_at_the_same_time_have_the_answers_they_have_alone(
    client: Client, catalog: seealike.Catalog
) -> None:
    asked = [(f"bags/{number:02}.jpg", k) for number in range(40) for k in (3, 5)] + [("gone", 3)] * 3

    def ask(one: tuple[str, int]) -> object:
        reply = client("GET", f"/items/{one[0].replace('/', '%2F')}/similar?k={one[1]}")
        return reply.json.get("code") or [hit["id"] for hit in reply.json["hits"]]

    with ThreadPoolExecutor(32) as threads:
        found = list(threads.map(ask, asked))
    expected = [
        catalog.similar(item_id, k).ids if item_id != "gone" else "unknown_item" for item_id, k in asked
    ]
    assert found == expected


class _Held:
    """Lets no search end until it may."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.may_end, self.calls = threading.Event(), 0
        self._guard = threading.Lock()
        usual: Callable[..., Hits] = seealike.Catalog.recommend

        def recommend(*given: object, **named: object) -> Hits:
            with self._guard:
                self.calls += 1
            self.may_end.wait()
            return usual(*given, **named)

        monkeypatch.setattr(seealike.Catalog, "recommend", recommend)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.may_end.set()

    def wait_for(self, calls: int) -> None:
        while self.calls < calls:
            pass


def test_what_is_too_much_is_told_when_to_come_back_and_the_rest_is_answered(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Client(create_app(shop / "catalog", ServiceOptions(pictures=4))) as asked:
        wait_until_ready(asked)
        with ThreadPoolExecutor(8) as threads, _Held(monkeypatch) as held:
            question = {"like": [{"id": "bags/01.jpg"}]}
            under_way = [threads.submit(asked.post, "/recommend", question) for _ in range(4)]
            held.wait_for(4)
            refused = asked.post("/recommend", question)
            assert (refused.status, refused.json["code"], refused.headers["retry-after"]) == (
                503,
                "overloaded",
                "1",
            )
            assert asked("GET", "/healthz").status == 200
            held.may_end.set()
            assert [one.result().status for one in under_way] == [200] * 4
        assert asked.post("/recommend", question).status == 200
        assert b"seealike_pictures_admitted 0.0" in asked("GET", "/metrics").body


def test_a_client_who_leaves_makes_room_only_when_the_work_is_over(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Client(create_app(shop / "catalog", ServiceOptions(pictures=1))) as asked:
        wait_until_ready(asked)
        data = (shop / "photos" / "001.jpg").read_bytes()
        with _Held(monkeypatch):
            assert asked("POST", "/search", data, headers=JPEG, leaves=True).status == 499
            assert asked("POST", "/search", data, headers=JPEG).json["code"] == "overloaded"
        while asked("POST", "/search", data, headers=JPEG).status != 200:
            pass


def test_a_request_has_so_long_and_no_longer(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Client(create_app(shop / "catalog", ServiceOptions(deadline_s=0.05))) as asked:
        wait_until_ready(asked)
        with _Held(monkeypatch):
            reply = asked.post("/recommend", {"like": [{"id": "bags/01.jpg"}]})
        assert (reply.status, reply.json["code"]) == (504, "took_too_long")


def test_what_is_counted_is_what_was_asked(shop: Path) -> None:
    with Client(create_app(shop / "catalog", ServiceOptions())) as asked:
        wait_until_ready(asked)
        with ThreadPoolExecutor(8) as threads:
            for _ in range(50):
                threads.submit(asked, "GET", "/items/bags%2F01.jpg/similar?k=1")
                threads.submit(asked, "GET", "/items/gone")
        told = asked("GET", "/metrics").body.decode()
    for route, status in (("/items/{item_id:path}/similar", 200), ("/items/{item_id:path}", 404)):
        assert f'seealike_requests_total{{method="GET",route="{route}",status="{status}"}} 50.0' in told
    assert "bags" not in told
