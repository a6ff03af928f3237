"""Limits that hold for whoever asks: how much, how often, and that nothing of a request becomes a path."""

from __future__ import annotations

import hmac
import json
import shutil
import socket
import struct
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.service.asgi import Client
from tests.service.conftest import wait_until_ready
from tests.service.processes import WAIT_S, ask, serving
from tests.service.processes import wait_until_ready as wait_for

from seealike.cli.main import run
from seealike.service import Keys, ServiceOptions, create_app

JPEG = {"content-type": "image/jpeg"}
FORM = {"content-type": "multipart/form-data; boundary=X"}
PART = 65536


def test_of_a_body_without_a_length_no_more_is_taken_than_the_limit_and_a_part(shop: Path) -> None:
    limit, taken = 300_000, 0

    def for_ever() -> Iterator[bytes]:
        nonlocal taken
        while True:
            taken += PART
            yield b"x" * PART

    options = ServiceOptions(body_bytes=limit)
    with Client(create_app(shop / "catalog", options)) as asked:
        for address, kind in (
            ("/search", "image/jpeg"),
            ("/search", "multipart/form-data; boundary=X"),
            ("/recommend", "application/json"),
            ("/images", "application/octet-stream"),
            ("/batch", "multipart/form-data; boundary=X"),
            ("/session", "application/json"),
        ):
            taken = 0
            reply = asked("POST", address, for_ever(), headers={"content-type": kind})
            assert (reply.status, reply.headers["content-type"]) in {
                (413, "application/problem+json"),
                (400, "application/problem+json"),  # a form that does not begin as one
            }, address
            assert taken <= limit + PART
        reply = asked("PUT", "/items/a", for_ever(), headers=JPEG | {"content-length": str(2**40)})
        assert (reply.status, reply.json["code"]) == (413, "too_large")


@pytest.mark.enable_socket
def test_a_body_without_an_end_gets_its_413_over_the_network_too(shop: Path) -> None:
    with serving(shop / "catalog", "--body-mb", "1") as (_, port):
        with socket.create_connection(("127.0.0.1", port), timeout=WAIT_S) as connection:
            head = b"POST /images HTTP/1.1\r\nhost: 127.0.0.1\r\ntransfer-encoding: chunked\r\n"
            connection.sendall(head + b"content-type: image/jpeg\r\n\r\n")
            chunk = b"%x\r\n%s\r\n" % (PART, b"x" * PART)
            for _ in range(2**20 // PART + 1):
                connection.sendall(chunk)
            reply = connection.recv(PART)
        assert reply.startswith(b"HTTP/1.1 413")
        assert b"application/problem+json" in reply
        wait_for(port)


def _png(width: int, height: int) -> bytes:
    """A small file that says that it has so many pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = chunk(b"IDAT", zlib.compress(b"\0" * 100_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + rows + chunk(b"IEND", b"")


def test_a_picture_has_so_many_pixels_however_it_comes(client: Client) -> None:
    bomb = _png(40_000, 40_000)
    headers = {"content-type": "image/png"}
    for method, address in (("POST", "/search"), ("POST", "/images"), ("PUT", "/items/bomb")):
        reply = client(method, address, bomb, headers=headers)
        assert (reply.status, reply.json["code"]) == (422, "unusable_picture")
        assert reply.json["reason"] == "too_many_pixels"
    reply = client("POST", "/batch", _form(bomb), headers=FORM)
    assert reply.json["answers"][0]["problem"]["reason"] == "too_many_pixels"
    assert client("GET", "/items/bomb").status == 404


def _form(*files: bytes, field: str = "image", name: str = 'filename="a.jpg"') -> bytes:
    head = f'content-disposition: form-data; name="{field}"; {name}\r\n\r\n'.encode()
    return b"".join(b"--X\r\n" + head + data + b"\r\n" for data in files) + b"--X--\r\n"


def test_a_form_has_so_many_parts(client: Client, shop: Path) -> None:
    data = (shop / "photos" / "003.jpg").read_bytes()
    assert client("POST", "/search", _form(data), headers=FORM).status == 200
    for address, body in (
        ("/search", _form(data, data)),
        ("/images", _form(*[b""] * 1000)),
        ("/batch", _form(*[b""] * 101)),
        ("/search", _form(b"a value", name="x")),  # a field that is no file
        ("/search", _form(data).replace(b"\r\n\r\n", b"\r\n" + b"a: b\r\n" * 10_000 + b"\r\n", 1)),
        ("/search", _form(data).replace(b"\r\n\r\n", b"\r\na: " + b"b" * 100_000 + b"\r\n\r\n", 1)),
        ("/search", _form(data, field="x" * 100_000)),
    ):
        reply = client("POST", address, body, headers=FORM)
        assert (reply.status, reply.headers["content-type"]) == (400, "application/problem+json"), body[:100]
        assert reply.json["code"] == "bad_request"
    reply = client("POST", "/search", _form(data, field="picture"), headers=FORM)
    assert (reply.status, reply.json["code"]) == (422, "invalid_request")


def test_each_key_has_a_bucket_of_its_own_and_what_is_no_key_has_that_of_its_address(shop: Path) -> None:
    keys = Keys.parse("\n".join(f"read {letter * 20}" for letter in "ab"))
    with Client(create_app(shop / "catalog", ServiceOptions(keys=keys, rate=0.001, burst=2))) as asked:
        wait_until_ready(asked)

        def statuses(*given: str) -> list[int]:
            return [asked("GET", "/items?limit=1", headers={"x-api-key": key * 20}).status for key in given]

        assert statuses(*"aaa") == [200, 200, 429]
        assert statuses(*"bbb") == [200, 200, 429]
        assert statuses(*"xyz") == [403, 403, 429]  # a new guess is no new asker
        assert asked("GET", "/stats").status == 429
        assert asked("GET", "/healthz").status == 200


def test_every_key_is_compared_and_none_by_its_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[int, int]] = []
    whole = hmac.compare_digest

    def noted(one: bytes, other: bytes) -> bool:
        compared.append((len(one), len(other)))
        return whole(one, other)

    keys = Keys.parse("\n".join(f"read {letter * 20}" for letter in "abc"))
    monkeypatch.setattr(hmac, "compare_digest", noted)
    for given in ("a" * 20, "c" * 20, "x", "x" * 10_000, "", None):
        compared.clear()
        keys.access_of(given)
        assert compared == [(32, 32)] * 3


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "shop.example", "127.0.0.2"])
def test_the_command_listens_for_others_only_with_keys(
    shop: Path, host: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["serve", "-C", str(shop / "catalog"), "--host", host, "--port", "0"]) == 2
    assert "--key-file" in capsys.readouterr().err


def test_the_host_comes_before_keys_bodies_methods_and_addresses(shop: Path) -> None:
    options = ServiceOptions(keys=Keys.parse("read " + "a" * 20), body_bytes=10, rate=0.001, burst=1)
    with Client(create_app(shop / "catalog", options)) as asked:
        for method, address, more in (
            ("GET", "/nowhere", {}),
            ("POST", "/search", {"content-length": "100"}),
            ("OPTIONS", "/stats", {"origin": "https://evil.example"}),
            ("GET", "/stats", {"x-api-key": "wrong"}),
            ("GET", "/", {}),
            ("POST", "/session", {}),
            ("GET", "/page/main.js", {}),
        ):
            for _ in range(2):
                reply = asked(method, address, headers={"host": "rebound.example"} | more)
                assert (reply.status, reply.json["code"]) == (421, "unknown_host")


def test_the_policy_of_every_reply_is_the_strict_one(client: Client) -> None:
    strict = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' blob:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }
    for method, address in (
        ("GET", "/"),
        ("GET", "/page/main.js"),
        ("GET", "/stats"),
        ("GET", "/images/bags%2F01.jpg?size=20"),
        ("GET", "/images/gone"),
        ("POST", "/search"),
        ("PATCH", "/items"),
        ("GET", "/metrics"),
    ):
        headers = client(method, address).headers
        said = dict(one.strip().split(" ", 1) for one in headers["content-security-policy"].split(";"))
        assert said == strict
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert not {"access-control-allow-origin", "server", "x-powered-by"} & headers.keys()


_opened: list[str] | None = None


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if _opened is not None and event in {
        "open",
        "os.listdir",
        "os.scandir",
        "os.remove",
        "os.rename",
        "os.mkdir",
    }:
        _opened.append(repr(arguments))


@contextmanager
def _what_is_opened() -> Iterator[list[str]]:
    """Every path that this process opens, lists, makes or removes."""
    global _opened  # noqa: PLW0603 - a hook stays as long as the process
    if not getattr(sys, "_seealike_hook", False):
        sys.addaudithook(_note)
        sys._seealike_hook = True  # type: ignore[attr-defined]
    _opened = []
    try:
        yield _opened
    finally:
        _opened = None


MARK = "zzmark"
PLACES = [
    f"../../{MARK}",
    f"..%2f..%2f{MARK}",
    f"%2e%2e%2f{MARK}",
    f"%2Fetc%2F{MARK}",
    f"/etc/{MARK}",
    f"file:%2F%2F%2F{MARK}",
    f"{MARK}%00.jpg",
    f"C:%5C{MARK}",
    f"%5C%5Chost%5C{MARK}",
    f"~%2F{MARK}",
    f"{MARK}%0a",
    MARK * 300,
]


def test_nothing_of_a_request_becomes_a_path(tmp_path: Path, shop: Path) -> None:
    shutil.copytree(shop / "catalog", tmp_path / "catalog")
    shutil.copy(shop / "model.onnx", tmp_path / "model.onnx")
    data = (shop / "photos" / "003.jpg").read_bytes()
    with Client(create_app(tmp_path / "catalog")) as asked:
        wait_until_ready(asked)
        with _what_is_opened() as opened:
            for place in PLACES:
                for address in ("items", "images", "page", "uploads"):
                    asked("GET", f"/{address}/{place}")
                assert asked("PUT", f"/items/{place}?group={place}", data, headers=JPEG).status in {201, 422}
                assert asked("GET", f"/images/{place}?size=30").status in {200, 404}
                asked("GET", f"/items/{place}/similar?same={MARK}")
                asked("DELETE", f"/items/{place}")
                asked.post("/search", {"id": place, "image": place})
                asked.post("/recommend", {"like": [{"product": place}], "where": f"{MARK} = 1"})
                asked("POST", "/search", _form(data, name=f'filename="{place}"'), headers=FORM)
            assert opened  # pictures that are put are written
    assert not [one for one in opened if MARK in one]


def test_what_is_logged_names_no_item_file_key_or_address(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("DEBUG"):
        for address in (f"/items/{MARK}", f"/items?start={MARK}", f"/{MARK}", f"/images/{MARK}?size=3"):
            client("GET", address, headers={"x-api-key": MARK, "cookie": f"seealike={MARK}", "referer": MARK})
        client.post("/search", {"id": MARK})
        client("POST", "/search", _form(b"no picture", name=f'filename="{MARK}"'), headers=FORM)
    assert len(caplog.messages) >= 6
    assert MARK not in caplog.text
    assert {"request", "route", "status"} <= json.loads(caplog.messages[0]).keys()


@pytest.mark.enable_socket
def test_the_log_of_a_process_is_lines_of_json_without_secrets(shop: Path, tmp_path: Path) -> None:
    key = "k" * 20
    (tmp_path / "keys.txt").write_text(f"read {key}\n")
    told: list[str] = []
    with serving(shop / "catalog", "--key-file", str(tmp_path / "keys.txt"), log=told) as (running, port):
        wait_for(port)
        for given in (key, f"{MARK}{key}"):
            ask(port, f"/items/{MARK}", authorization=f"Bearer {given}")
            body = json.dumps({"key": given}).encode()
            ask(port, "/session", "POST", body, **{"content-type": "application/json"})
        running.terminate()  # what it has answered is logged by then
        running.wait(WAIT_S)
    lines = [json.loads(line) for line in "".join(told).splitlines()]
    assert len([line for line in lines if line.get("route") == "/session"]) == 2
    assert not [word for word in (key, MARK) if word in "".join(told)]
