"""The service as a process: where it listens, how it ends, and what slow clients get."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.service.processes import WAIT_S, ask, serving, wait_until_ready

pytestmark = pytest.mark.enable_socket


@pytest.fixture
def process(shop: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A service and its port."""
    with serving(shop / "catalog") as running:
        yield running


def test_it_runs_before_it_is_ready_and_ends_when_it_is_told(
    process: tuple[subprocess.Popen[str], int],
) -> None:
    running, port = process
    assert ask(port, "/healthz")[0] == 200
    wait_until_ready(port)
    running.send_signal(signal.SIGTERM)
    assert running.wait(WAIT_S) in {0, -signal.SIGTERM}


def test_requests_that_are_under_way_are_answered_before_it_ends(
    process: tuple[subprocess.Popen[str], int], shop: Path
) -> None:
    running, port = process
    wait_until_ready(port)
    data = (shop / "photos" / "003.jpg").read_bytes()
    connections = []
    for _ in range(24):
        connection = socket.create_connection(("127.0.0.1", port), timeout=WAIT_S)
        head = f"host: 127.0.0.1\r\ncontent-type: image/jpeg\r\ncontent-length: {len(data)}\r\n\r\n"
        connection.sendall(f"POST /search?k=3 HTTP/1.1\r\n{head}".encode() + data[:100])
        connections.append(connection)
    ask(port, "/healthz")  # heads that were sent before have been seen by now
    running.send_signal(signal.SIGTERM)
    for connection in connections:
        connection.sendall(data[100:])
        reply = http.client.HTTPResponse(connection)
        reply.begin()
        assert reply.status == 200
        assert len(json.loads(reply.read())["hits"]) == 3
        connection.close()
    assert running.wait(WAIT_S) in {0, -signal.SIGTERM}


@contextmanager
def _serving(shop: Path, options: str) -> Iterator[int]:
    """The port of a service with options that the command has not."""
    code = (
        "import sys; from seealike.service import serve, ServiceOptions\n"
        f"serve(sys.argv[1], ServiceOptions(port=0, {options}), say=lambda said: print(said, flush=True))"
    )
    command = [sys.executable, "-c", code, str(shop / "catalog")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as running:
        assert running.stdout is not None
        yield int(running.stdout.readline().rpartition(":")[2])
        running.kill()


@contextmanager
def _connected(port: int, sent: bytes) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=WAIT_S) as connection:
        connection.sendall(sent)
        yield connection


def _all(connection: socket.socket) -> bytes:
    """What comes until the service closes; it does."""
    return b"".join(iter(lambda: connection.recv(65536), b""))


def _send_for_ever(connection: socket.socket, data: bytes) -> None:
    while True:
        connection.sendall(data)


HOST = b"host: 127.0.0.1\r\n"
WHOLE = b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n"


def test_a_head_that_does_not_come_is_not_waited_for(shop: Path) -> None:
    with _serving(shop, "header_s=0.5") as port:
        for sent in (b"", b"\r\n", WHOLE[:15], WHOLE[:-2]):
            with _connected(port, sent) as connection:
                assert _all(connection) == b""
        for then in (b"\r\n", WHOLE[:20]):  # the second request on a connection has a deadline too
            with _connected(port, WHOLE) as connection:
                assert connection.recv(1000).startswith(b"HTTP/1.1 200")
                connection.sendall(then)
                _all(connection)
        with _connected(port, WHOLE + WHOLE[:20]) as connection:
            assert _all(connection).startswith(b"HTTP/1.1 200")


def test_a_beginning_of_the_next_request_does_not_end_the_one_that_is_answered(shop: Path) -> None:
    data = (shop / "photos" / "003.jpg").read_bytes()
    head = f"POST /search?k=3 HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: {len(data)}\r\n"
    whole = f"{head}content-type: image/jpeg\r\n\r\n".encode() + data
    with _serving(shop, "header_s=0.01") as port:
        wait_until_ready(port)
        with _connected(port, whole + WHOLE[:9]) as connection:
            assert _all(connection).startswith(b"HTTP/1.1 200")


@pytest.mark.heavy  # it waits
def test_a_reply_before_the_end_of_a_body_is_the_last_one(shop: Path) -> None:
    with _serving(shop, "body_bytes=300_000, body_memory=300_000") as port:
        for length in (b"content-length: 99", b"transfer-encoding: chunked"):
            with _connected(port, b"POST /no HTTP/1.1\r\n" + HOST + length + b"\r\n\r\n") as connection:
                reply = _all(connection)
                assert reply.startswith(b"HTTP/1.1 404")
                assert b"\r\nconnection: close\r\n" in reply
        # It is read even so, within bounds: a reset would take the reply from who still sends.
        with _connected(
            port, b"POST /no HTTP/1.1\r\n" + HOST + b"content-length: 200000\r\n\r\n"
        ) as connection:
            connection.recv(1)
            connection.sendall(b"x" * 200_000)
            assert _all(connection).startswith(b"TTP/1.1 404")
        chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
        chunked = b"POST /no HTTP/1.1\r\n" + HOST + b"transfer-encoding: chunked\r\n\r\n"
        with _connected(port, chunked) as connection, pytest.raises(ConnectionError):
            _send_for_ever(connection, chunk)


@pytest.mark.heavy  # it waits
def test_a_reply_that_is_not_read_is_not_kept_for_ever(shop: Path) -> None:
    ask_much = (b"GET /openapi.json HTTP/1.1\r\n" + HOST + b"\r\n") * 400
    with _serving(shop, "body_s=0.3") as port, socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(WAIT_S)
        connection.connect(("127.0.0.1", port))
        with pytest.raises(ConnectionError):
            _send_for_ever(connection, ask_much)


def test_there_is_an_end_to_connections_and_to_memory_for_bodies(shop: Path) -> None:
    with _serving(shop, "connections=3, body_bytes=4000, body_memory=4000") as port:
        wait_until_ready(port)
        head = b"POST /images HTTP/1.1\r\n" + HOST + b"content-type: image/jpeg\r\ncontent-length: %d\r\n\r\n"
        with _connected(port, head % 3000) as first:
            assert ask(port, "/healthz")[0] == 200
            status, body = ask(port, "/images", "POST", b"x" * 2000)
            assert (status, json.loads(body)["code"]) == (503, "overloaded")
            with _connected(port, b""), _connected(port, b""), _connected(port, b"") as fourth:
                assert fourth.recv(1) == b""
            first.sendall(b"x" * 3000)
            assert b" 503 " not in first.recv(100)
        assert ask(port, "/images", "POST", b"x" * 4000)[0] != 503


@pytest.mark.parametrize(
    "target", [b"GARBAGE", b"CONNECT a:443 HTTP/1.1", b"GET http://evil.example HTTP/1.1"]
)
def test_what_is_no_request_is_told_so_as_all_errors_are(
    process: tuple[subprocess.Popen[str], int], target: bytes
) -> None:
    with _connected(process[1], target + b"\r\n" + HOST + b"\r\n") as connection:
        reply = _all(connection)
    assert reply.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"application/problem+json" in reply
    assert json.loads(reply.partition(b"\r\n\r\n")[2])["code"] == "bad_request"


def test_what_the_command_says_of_limits_holds(shop: Path) -> None:
    with serving(shop / "catalog", "--rate", "0.001", "--body-mb", "1") as (_, port):
        assert ask(port, "/images", "POST", b"x" * (2**20 + 1))[0] == 413
        assert [ask(port, "/stats")[0] == 429 for _ in range(50)] == [False] * 49 + [True]
    with serving(shop / "catalog", "--pictures", "1", "--deadline", "0.001") as (_, port):
        wait_until_ready(port)
        assert ask(port, "/search", "POST", (shop / "photos" / "003.jpg").read_bytes())[0] == 504


def test_two_hosts_are_none(process: tuple[subprocess.Popen[str], int]) -> None:
    two = b"GET /healthz HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n" + HOST + b"\r\n"
    with _connected(process[1], two) as connection:
        assert _all(connection).startswith(b"HTTP/1.1 421")


def test_a_service_that_cannot_open_its_catalogue_ends_and_says_why(tmp_path: Path) -> None:
    code = "import sys; from seealike.service import *; serve(sys.argv[1], ServiceOptions(port=0))"
    for broken in ("", "import seealike.service.state as s; s.Service.open = lambda _: 1 / 0; "):
        command = [sys.executable, "-c", broken + code, str(tmp_path / "none")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=False)
        assert done.returncode == 1
        assert "CatalogError" in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGTERM")
def test_who_asks_while_it_ends_is_answered_and_sent_elsewhere(
    process: tuple[subprocess.Popen[str], int],
) -> None:
    running, port = process
    wait_until_ready(port)
    with _connected(port, WHOLE) as kept, _connected(port, WHOLE[:30]) as begun, _connected(port, b"") as new:
        assert kept.recv(1000).startswith(b"HTTP/1.1 200")
        running.send_signal(signal.SIGTERM)
        while ask(port, "/readyz")[0] != 503:
            pass
        begun.sendall(WHOLE[30:])
        for connection in (kept, new):
            connection.sendall(WHOLE)
        for connection in (kept, begun, new):
            reply = _all(connection)
            assert b"HTTP/1.1 200" in reply  # perhaps after the end of the one before
            assert b"connection: close" in reply
    assert running.wait(WAIT_S) in {0, -signal.SIGTERM}


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGTERM")
def test_a_port_that_is_taken_is_said_in_one_line(
    process: tuple[subprocess.Popen[str], int], shop: Path
) -> None:
    _, port = process
    command = [sys.executable, "-m", "seealike", "serve", "-C", str(shop / "catalog"), "--port", str(port)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "--port" in done.stderr


@pytest.mark.enable_socket
def test_a_cookie_is_named_after_the_port_that_was_free(shop: Path, tmp_path: Path) -> None:
    keys = tmp_path / "keys.txt"
    keys.write_text(f"read {'r' * 20}")
    with serving(shop / "catalog", "--key-file", str(keys)) as (_, port):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S)
        said = {"content-type": "application/json"}
        connection.request("POST", "/session", json.dumps({"key": "r" * 20}), said)
        cookie = connection.getresponse().headers["set-cookie"]
        connection.close()
    assert cookie.startswith(f"seealike-{port}=")


@pytest.mark.enable_socket
def test_who_has_no_pictures_yet_begins_with_an_empty_catalogue(shop: Path, tmp_path: Path) -> None:
    picture = next((shop / "photos").iterdir()).read_bytes()
    for before in ([], ["first.jpg"]):  # the same command again and again
        log = list[str]()
        with serving(tmp_path / "new.catalog", "--create", log=log) as (_, port):
            wait_until_ready(port)
            assert [one["id"] for one in json.loads(ask(port, "/items")[1])["items"]] == before
            assert ask(port, "/items/first.jpg", "PUT", picture)[0] == (200 if before else 201)
        assert (f"add some at http://127.0.0.1:{port}/?view=adding" in log[0]) is (not before)
