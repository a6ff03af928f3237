"""Services that run as processes of their own."""

from __future__ import annotations

import http.client
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

WAIT_S = 60


@contextmanager
def serving(
    catalog: Path, *options: str, log: list[str] | None = None
) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A service and its port. What it logs is added to ``log``, once it has ended."""
    command = [sys.executable, "-m", "seealike", "serve", "-C", str(catalog), "--port", "0", *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        said = running.stderr.readline()
        assert "serving at http://127.0.0.1:" in said, said
        port = int(said.split(" (")[0].rpartition(":")[2])
        told: list[str] = [] if log is None else log
        stderr = running.stderr
        lines = threading.Thread(target=lambda: told.append(stderr.read()))  # it is never kept from logging
        lines.start()
        try:
            yield running, port
        finally:
            running.kill()
            lines.join()


def ask(port: int, address: str, method: str = "GET", body: bytes = b"", **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S)
    try:
        connection.request(method, address, body or None, {"content-type": "image/jpeg"} | headers)
        reply = connection.getresponse()
        return reply.status, reply.read()
    finally:
        connection.close()


def wait_until_ready(port: int) -> None:
    until = time.monotonic() + WAIT_S
    while ask(port, "/readyz")[0] != 200:
        assert time.monotonic() < until
