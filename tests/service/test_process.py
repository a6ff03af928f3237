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


def test_a_head_that_does_not_come_is_not_waited_for(shop: Path) -> None:
    code = (
        "import sys; from seealike.service import serve, ServiceOptions\n"
        "serve(sys.argv[1], ServiceOptions(port=0, header_s=0.5), say=lambda said: print(said, flush=True))"
    )
    command = [sys.executable, "-c", code, str(shop / "catalog")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as running:
        assert running.stdout is not None
        port = int(running.stdout.readline().rpartition(":")[2])
        for sent in (b"", b"GET /healthz HT", b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n"):
            with socket.create_connection(("127.0.0.1", port), timeout=WAIT_S) as connection:
                connection.sendall(sent)
                assert connection.recv(100) == b""
        with socket.create_connection(("127.0.0.1", port), timeout=WAIT_S) as connection:
            whole = b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"
            connection.sendall(whole)
            assert connection.recv(1000).startswith(b"HTTP/1.1 200")
            connection.sendall(whole[:20])  # the second request on a connection has a deadline too
            while connection.recv(1000):
                pass
        running.kill()


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
