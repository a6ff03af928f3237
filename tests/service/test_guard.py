"""Who may come in, how often, and how much they may bring."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from fastapi.exceptions import RequestValidationError
from tests.service.asgi import Client
from tests.service.conftest import wait_until_ready

from seealike.errors import MissingExtraError, ReplacedCatalogError, ServiceError, StorageError, UsageError
from seealike.service import Access, Keys, ServiceOptions, create_app
from seealike.service.ending import Ending
from seealike.service.guard.bodies import BodyMemory
from seealike.service.guard.buckets import Buckets
from seealike.service.kept.uploads import Uploads
from seealike.service.messages.problems import of_validation, problem
from seealike.service.state import Service

READ, WRITE = "r" * 20, "w" * 20
JPEG = {"content-type": "image/jpeg"}


@pytest.fixture(scope="module")
def guarded(shop: Path) -> Iterator[Client]:
    """A service with keys, small bodies and little patience."""
    keys = Keys.parse(f"# ours\nread {READ}\nwrite {WRITE}  # the shop\n")
    options = ServiceOptions(
        host="0.0.0.0",
        keys=keys,
        hosts=("shop.example",),
        body_bytes=5000,
        body_s=0.3,
    )
    with Client(create_app(shop / "catalog", options)) as asked:
        while asked("GET", "/readyz", headers={"host": "shop.example"}).status != 200:
            pass
        yield asked


def _get(
    client: Client, address: str, key: str | None = None, host: str = "shop.example:8765"
) -> tuple[int, str]:
    headers = {"host": host} | ({} if key is None else {"authorization": f"Bearer {key}"})
    reply = client("GET", address, headers=headers)
    return reply.status, reply.json.get("code", "")


def test_a_service_that_all_can_reach_needs_keys() -> None:
    with pytest.raises(UsageError, match="--key-file"):
        ServiceOptions(host="0.0.0.0")


@pytest.mark.parametrize("text", ["", "read short", "owner " + READ, "read", f"read {READ} more"])
def test_a_key_file_that_would_let_nobody_in_or_anybody_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        Keys.parse(text)


def test_a_key_allows_what_it_is_for_and_all_before_it(guarded: Client) -> None:
    assert _get(guarded, "/stats", READ) == _get(guarded, "/stats", WRITE) == (200, "")
    assert _get(guarded, "/stats") == (401, "no_key")
    assert _get(guarded, "/stats", "x" * 20) == (403, "forbidden")
    for key, status in ((READ, 403), (WRITE, 200)):
        headers = {"host": "shop.example", "x-api-key": key}
        assert guarded("DELETE", "/items/gone", headers=headers).status == status
    assert Keys().access_of(None) is Access.ADMIN


def test_the_host_is_looked_at_before_anything_else(guarded: Client) -> None:
    for host in (
        "evil.example",
        "shop.example.evil",
        "shop.example@evil",
        "evil@shop.example",
        "[",
        "::1",
        "",
    ):
        assert _get(guarded, "/stats", WRITE, host) == (421, "unknown_host")
        assert _get(guarded, "/healthz", None, host) == (421, "unknown_host")
    assert _get(guarded, "/healthz", None, "127.0.0.1:8765") == (200, "")  # whoever watches it here
    assert _get(guarded, "/healthz") == (200, "")
    assert _get(guarded, "/stats", READ, "SHOP.example:1") == (200, "")


def test_a_body_that_is_too_large_is_not_read(guarded: Client) -> None:
    read = 0

    def parts(count: int) -> Iterator[bytes]:
        nonlocal read
        for _ in range(count):
            read += 1000
            yield b"x" * 1000

    headers = {"host": "shop.example", "authorization": f"Bearer {READ}"} | JPEG
    for body, more in (
        (parts(1), {"content-length": "6000"}),
        (parts(100), {}),
        (parts(1), {"content-length": "-1"}),
    ):
        reply = guarded("POST", "/search", body, headers=headers | more)
        assert (reply.status, reply.json["code"], reply.headers["connection"]) == (413, "too_large", "close")
    assert read == 6000
    reply = guarded("POST", "/recommend", parts(100), headers=headers | {"content-type": "application/json"})
    assert (reply.status, reply.json["code"]) == (413, "too_large")


def test_a_body_that_trickles_is_ended(guarded: Client) -> None:
    def for_ever() -> Iterable[bytes]:
        while True:
            yield b""

    headers = {"host": "shop.example", "authorization": f"Bearer {READ}"} | JPEG
    reply = guarded("POST", "/search", for_ever(), headers=headers)
    assert (reply.status, reply.json["code"]) == (408, "body_too_slow")


def test_every_reply_says_what_browsers_must_not_do(client: Client) -> None:
    for address in ("/stats", "/nowhere", "/items/gone"):
        headers = client("GET", address).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "require-trusted-types-for 'script'" in headers["content-security-policy"]
        assert "access-control-allow-origin" not in headers
        assert len(headers["x-request-id"]) == 16


def test_an_asker_has_so_many_requests_and_gets_them_back_with_time() -> None:
    now = 0.0
    buckets = Buckets(2.0, 3, lambda: now)
    assert [buckets.wait_s("a") for _ in range(4)] == [0, 0, 0, 0.5]
    assert buckets.wait_s("b") == 0
    now = 0.5
    assert [buckets.wait_whole_s("a"), buckets.wait_whole_s("a")] == [0, 1]
    now = 100.0
    assert [buckets.wait_s("a") > 0 for _ in range(4)] == [False, False, False, True]
    assert Buckets(0, 1).wait_s("a") == Buckets(0, 1).wait_s("a") == 0


def test_too_many_requests_are_told_when_to_come_back(shop: Path) -> None:
    with Client(create_app(shop / "catalog", ServiceOptions(rate=0.01, burst=2))) as asked:
        wait_until_ready(asked)
        # Without keys a new one each time is no new asker.
        replies = [asked("GET", "/stats", headers={"x-api-key": f"key-{number}"}) for number in range(3)]
    assert [reply.status for reply in replies] == [200, 200, 429]
    assert 90 <= int(replies[-1].headers["retry-after"]) <= 100


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (StorageError("disk", "full"), 507, "storage_refused"),
        (ReplacedCatalogError("catalog"), 503, "catalog_replaced"),
        (MissingExtraError("this", "serve"), 501, "missing_extra"),
        (RuntimeError("a secret"), 500, "internal"),
    ],
)
def test_a_fault_of_the_service_is_problem_details_too_and_logged(
    shop: Path,
    error: Exception,
    status: int,
    code: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(_: Service) -> None:
        raise error

    with Client(create_app(shop / "catalog")) as asked:
        wait_until_ready(asked)
        monkeypatch.setattr(Service, "catalog", property(broken))
        with caplog.at_level("ERROR", logger="seealike.service"):
            reply = asked("GET", "/readyz")
    assert (reply.status, reply.json["code"]) == (status, code)
    assert reply.headers["content-type"] == "application/problem+json"
    assert b"secret" not in reply.body
    (logged,) = caplog.messages
    assert json.loads(logged)["request"] == reply.headers["x-request-id"]


def test_a_million_places_that_do_not_fit_are_not_all_told() -> None:
    places = [{"loc": ("body", "x" * 1000), "msg": "y" * 1000}] * 1_000_000
    reply = of_validation(RequestValidationError(places))
    assert len(reply.body) < 20_000
    assert len(json.loads(bytes(reply.body))["errors"]) == 20


def test_what_is_no_utf8_is_told_all_the_same() -> None:
    assert json.loads(bytes(problem(404, "unknown_item", "no \udcff").body))["detail"] == "no ?"


SHOP, EVIL = "https://shop.example", "https://evil.example"


def test_pages_of_others_may_ask_only_where_that_is_said(shop: Path) -> None:
    keys = Keys.parse(f"write {WRITE}")
    with Client(create_app(shop / "catalog", ServiceOptions(keys=keys, origins=(SHOP,)))) as asked:
        wait_until_ready(asked)
        asks = {"origin": SHOP, "access-control-request-headers": "authorization"}
        for method, status in (("GET", 200), ("POST", 200), ("PUT", 400), ("DELETE", 400)):
            headers = asks | {"access-control-request-method": method}
            reply = asked("OPTIONS", "/items/a", headers=headers)
            assert (reply.status, b"foreign_origin" in reply.body) == (status, status == 400)
            if status == 400:
                assert reply.headers["content-type"] == "application/problem+json"
        reply = asked("GET", "/stats", headers={"origin": SHOP})
        assert (reply.status, reply.headers["access-control-allow-origin"]) == (401, SHOP)
        reply = asked("GET", "/stats", headers={"origin": EVIL, "x-api-key": WRITE})
        assert "access-control-allow-origin" not in reply.headers
        headers = JPEG | {"origin": SHOP, "x-api-key": WRITE, "content-length": str(2**30)}
        reply = asked("POST", "/search", headers=headers)
        assert (reply.status, reply.headers["access-control-allow-origin"]) == (413, SHOP)


def test_without_keys_a_page_of_others_can_do_nothing(client: Client, shop: Path) -> None:
    for origin in (EVIL, "null", "http://127.0.0.1:9", "http://127.0.0.1.evil.example"):
        for method in ("GET", "POST", "PUT", "DELETE", "OPTIONS"):
            reply = client(method, "/items/bags%2F00.jpg", headers={"origin": origin})
            assert (reply.status, reply.json["code"]) == (403, "foreign_origin")
    own = {"origin": "http://127.0.0.1:8765", "host": "127.0.0.1:8765"}
    assert client("GET", "/stats", headers=own).status == 200
    with Client(create_app(shop / "catalog", ServiceOptions(origins=(SHOP,)))) as asked:
        wait_until_ready(asked)
        assert asked("GET", "/stats", headers={"origin": SHOP}).status == 200
        assert asked("GET", "/stats", headers={"origin": EVIL}).status == 403


def test_a_client_that_leaves_while_it_sends_is_no_fault(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", logger="seealike.service"):
        for address, headers in (("/search", JPEG), ("/recommend", {"content-type": "application/json"})):
            client("POST", address, [b"{"], headers=headers, leaves=True)
    assert [json.loads(line).get("status") for line in caplog.messages] == [499, 499]


def test_who_asks_for_the_head_alone_gets_that_of_the_whole(client: Client) -> None:
    for address in ("/healthz", "/readyz", "/stats"):
        assert client("HEAD", address).status == 200


def test_it_says_that_it_is_not_ready_once_it_ends(shop: Path) -> None:
    ending = Ending()
    with Client(create_app(shop / "catalog", ServiceOptions(), ending)) as asked:
        wait_until_ready(asked)
        ending.has_begun = True
        reply = asked("GET", "/readyz")
        assert (reply.status, reply.json["code"]) == (503, "ending")
        assert asked("GET", "/stats").status == asked("GET", "/healthz").status == 200


def test_room_for_bodies_comes_back() -> None:
    memory = BodyMemory(10)
    memory.take(6)
    with pytest.raises(ServiceError) as refused:
        memory.take(5)
    assert (refused.value.code, refused.value.status) == ("overloaded", 503)
    memory.give_back(6)
    memory.take(10)


def test_uploads_make_room_for_new_ones_and_end() -> None:
    now = 0.0
    uploads = Uploads(10, 60, lambda: now)
    first, second = uploads.keep(b"12345"), uploads.keep(b"1234")
    assert uploads.picture(first) == b"12345"  # used last: the other one goes
    third = uploads.keep(b"xyz")
    assert [uploads.picture(token) for token in (first, third)] == [b"12345", b"xyz"]
    for token, error in ((second, "upload it again"), ("none", "upload it again")):
        with pytest.raises(Exception, match=error):
            uploads.picture(token)
    now = 59.0
    assert uploads.picture(third) == b"xyz"
    now = 61.0
    with pytest.raises(Exception, match="no more"):
        uploads.picture(first)
    assert uploads.picture(third) == b"xyz"
    with pytest.raises(Exception, match="larger"):
        uploads.keep(b"12345678901")


def test_without_keys_no_foreign_page_can_show_pictures_or_begin_work(shop: Path) -> None:
    """`<img>` sends no Origin, but browsers say where a request comes from."""
    with Client(create_app(shop / "catalog", ServiceOptions())) as asked:
        wait_until_ready(asked)
        for site in ("cross-site", "same-site"):
            for address in ("/images/bags%2F01.jpg", "/map", "/stats", "/items"):
                reply = asked("GET", address, headers={"sec-fetch-site": site})
                assert (reply.status, reply.json["code"]) == (403, "foreign_origin"), address
            assert asked("GET", "/", headers={"sec-fetch-site": site}).status == 200  # a link to the page
        assert asked("GET", "/items", headers={"sec-fetch-site": "same-origin"}).status == 200
