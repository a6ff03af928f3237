"""Many at a time: questions are answered together, and what is too much is told so."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self, TypeVar

import pytest
from tests.service.asgi import Client
from tests.service.conftest import wait_until_ready
from threadpoolctl import threadpool_info

import seealike
from seealike import Hits, SearchOptions
from seealike.errors import UsageError
from seealike.service import ServiceOptions, create_app
from seealike.service.batching.gathering import Gathering, Most
from seealike.service.state import GIVES_WAY

Answer = TypeVar("Answer")
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
        for name in ("recommend", "search_vectors"):
            monkeypatch.setattr(seealike.Catalog, name, self._held(getattr(seealike.Catalog, name)))

    def _held(self, usual: Callable[..., Answer]) -> Callable[..., Answer]:
        def ask(*given: object, **named: object) -> Answer:
            with self._guard:
                self.calls += 1
            self.may_end.wait()
            return usual(*given, **named)

        return ask

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
            question = {"like": [{"id": "bags/01.jpg"}, {"id": "bags/02.jpg"}]}
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
            reply = asked.post("/recommend", {"like": [{"id": "bags/01.jpg"}], "exact": True})
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


def test_what_is_like_an_item_has_so_long_and_no_longer(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    may_end = threading.Event()
    usual = seealike.Catalog.similar_batch

    def similar_batch(*given: object, **named: object) -> list[Hits]:
        may_end.wait()
        found: list[Hits] = usual(*given, **named)  # type: ignore[arg-type]
        return found

    monkeypatch.setattr(seealike.Catalog, "similar_batch", similar_batch)
    with Client(create_app(shop / "catalog", ServiceOptions(deadline_s=0.05))) as asked:
        wait_until_ready(asked)
        reply = asked("GET", "/items/bags%2F01.jpg/similar")
        assert (reply.status, reply.json["code"]) == (504, "took_too_long")
        assert asked("GET", "/items/bags%2F01.jpg/similar", leaves=True).status in {499, 504}
        assert b"seealike_pictures_admitted 0.0" not in asked("GET", "/metrics").body  # it still costs
        may_end.set()
        while b"seealike_pictures_admitted 0.0" not in asked("GET", "/metrics").body:
            pass


@pytest.mark.parametrize("wish", ["explain=true", "focus=true", "exact=true", "k=101"])
def test_a_dear_question_is_not_answered_together_with_others(
    client: Client, catalog: seealike.Catalog, monkeypatch: pytest.MonkeyPatch, wish: str
) -> None:
    expected = catalog.similar("bags/01.jpg", 101 if wish.startswith("k") else 10)
    asked = list[SearchOptions]()
    usual: Callable[..., Hits] = seealike.Catalog.recommend

    def recommend(*given: object, options: SearchOptions) -> Hits:
        asked.append(options)
        return usual(*given, options=SearchOptions())  # the encoder of the test can do nothing that is dear

    monkeypatch.setattr(seealike.Catalog, "recommend", recommend)
    monkeypatch.setattr(seealike.Catalog, "similar_batch", None)
    reply = client("GET", f"/items/bags%2F01.jpg/similar?{wish}")
    assert [hit["id"] for hit in reply.json["hits"]] == expected.ids
    name = wish.partition("=")[0]
    assert [name == "k" or getattr(one, name) for one in asked] == [True]


def test_who_waits_for_an_answer_that_cannot_even_be_begun_hears_of_it() -> None:
    executor = ThreadPoolExecutor(1)
    executor.shutdown()

    async def ask() -> list[object]:
        gathering = Gathering[str, str](executor, lambda ids, *_: ids, Most(64, 2, 8))
        asked = (gathering.ask(str(number), 1, SearchOptions()) for number in range(70))
        return await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), 30)

    assert {type(one) for one in asyncio.run(ask())} == {RuntimeError}


def test_a_request_that_was_given_up_leaves_no_error_behind(
    shop: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    may_end = threading.Event()

    def fails(*_: object, **__: object) -> Hits:
        may_end.wait()
        raise UsageError("it went wrong, and nobody waits")

    monkeypatch.setattr(seealike.Catalog, "search_vectors", fails)
    with Client(create_app(shop / "catalog", ServiceOptions())) as asked:
        wait_until_ready(asked)
        data = (shop / "photos" / "001.jpg").read_bytes()
        assert asked("POST", "/search", data, headers=JPEG, leaves=True).status == 499
        may_end.set()
        while b"seealike_pictures_admitted 0.0" not in asked("GET", "/metrics").body:
            pass
    gc.collect()
    assert "never retrieved" not in caplog.text


@pytest.mark.parametrize(
    ("method", "address", "kind"),
    [
        ("POST", "/search", "image/jpeg"),
        ("POST", "/search", "multipart/form-data; boundary=X"),
        ("POST", "/recommend", "application/json"),
        ("PUT", "/items/a", "image/jpeg"),
    ],
)
def test_a_client_who_leaves_while_it_sends_is_no_fault_of_the_service(
    client: Client, caplog: pytest.LogCaptureFixture, method: str, address: str, kind: str
) -> None:
    reply = client(method, address, [b"--X"], headers={"content-type": kind}, leaves=True)
    assert reply.status == 499
    assert not [one for one in caplog.records if one.levelname == "ERROR"]


def test_threads_that_ask_at_the_same_time_do_not_each_start_threads_that_wait_by_spinning(
    shop: Path,
) -> None:
    def most_threads() -> int:
        own = [one for one in threadpool_info() if one["user_api"] == "blas" and "numpy" in one["filepath"]]
        return max(int(one["num_threads"]) for one in own)  # others' libraries may be loaded meanwhile

    before = most_threads()
    with Client(create_app(shop / "catalog", ServiceOptions())) as asked:
        wait_until_ready(asked)
        assert most_threads() == 1
    assert most_threads() == before


def test_pictures_at_the_same_time_are_answered_as_alone_and_one_that_is_none_spoils_nothing(
    shop: Path, client: Client, catalog: seealike.Catalog
) -> None:
    pictures = [(shop / "photos" / f"{number:03}.jpg").read_bytes() for number in range(40)]
    asked = [(b"no picture" if number % 5 == 4 else one) for number, one in enumerate(pictures)]

    def ask(one: bytes) -> object:
        reply = client("POST", "/search?k=4", one, headers=JPEG)
        found = [(hit["id"], hit["score"]) for hit in reply.json.get("hits", ())]
        return reply.json.get("code") or found

    def expected(one: bytes) -> object:
        if one == b"no picture":
            return "unusable_picture"
        return [(hit.id, hit.score) for hit in catalog.search(one, 4)]

    with ThreadPoolExecutor(32) as threads:
        assert list(threads.map(ask, asked)) == [expected(one) for one in asked]


def test_the_first_question_goes_at_once_and_others_only_together_while_it_is_answered() -> None:
    asked, may_answer = list[list[int]](), threading.Event()

    def answers(questions: list[int], *_: object) -> list[int]:
        asked.append(questions)
        may_answer.wait()
        return questions

    async def ask() -> list[int]:
        gathering = Gathering[int, int](threads, answers, Most(questions=8, batches=2, worth=4))
        found = []
        for number in range(24):
            found.append(gathering.ask(number, 1, SearchOptions()))
            await asyncio.sleep(0)
        left = found.pop(20)
        gathering.give_up(left)
        assert left.cancelled()
        gathering.give_up(found[0])
        assert not found[0].done()
        may_answer.set()
        return await asyncio.gather(*found)

    with ThreadPoolExecutor(4) as threads:
        assert asyncio.run(ask()) == [number for number in range(24) if number != 20]
    assert asked[:2] == [[0], [1, 2, 3, 4]]
    assert sorted(number for batch in asked for number in batch) == [n for n in range(24) if n != 20]
    assert max(map(len, asked)) == 8


def test_what_a_service_is_made_of_is_not_looked_through_again_while_it_answers(shop: Path) -> None:
    gc.unfreeze()
    with Client(create_app(shop / "catalog", ServiceOptions())) as asked:
        wait_until_ready(asked)
        assert gc.get_freeze_count() > 10_000
    assert gc.get_freeze_count() == 0


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere all threads of a process are equal")
def test_who_answers_gives_way_to_who_admits(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def niceness(*_: object, **__: object) -> None:
        found.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        raise UsageError("that is all")

    found = list[int]()
    for name in ("similar_batch", "recommend"):
        monkeypatch.setattr(seealike.Catalog, name, niceness)
    with Client(create_app([shop / "catalog"], ServiceOptions())) as asked:
        wait_until_ready(asked)
        asked("GET", "/items/bags%2F01.jpg/similar")
        asked("GET", "/items/bags%2F01.jpg/similar?exact=true")
    usual = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    assert found == [usual + GIVES_WAY] * 2
