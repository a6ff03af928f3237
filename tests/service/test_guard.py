"""Who may come in, how often, and how much they may bring."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from tests.service.asgi import Client
from tests.service.conftest import wait_until_ready

from seealike.errors import UsageError
from seealike.service import Access, Keys, ServiceOptions, create_app
from seealike.service.guard.buckets import Buckets
from seealike.service.uploads import Uploads

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
    for host in ("evil.example", "127.0.0.1", "shop.example.evil", "shop.example@evil", ""):
        assert _get(guarded, "/stats", WRITE, host) == (421, "unknown_host")
        assert _get(guarded, "/healthz", None, host) == (421, "unknown_host")
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
        replies = [asked("GET", "/stats") for _ in range(3)]
    assert [reply.status for reply in replies] == [200, 200, 429]
    assert 90 <= int(replies[-1].headers["retry-after"]) <= 100


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
