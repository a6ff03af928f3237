"""A service in a process of its own, and those who ask it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil

CLIENTS = 32
HEALTH = b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"


class Reply(NamedTuple):
    """One reply: its status, and how long after it was asked for it came."""

    status: int
    took_s: float


class Spent(NamedTuple):
    """Seconds by the clock, of this process, and of the service with its children."""

    clock: float
    clients: float
    service: float

    def __str__(self) -> str:
        return f"clients {self.clients:.1f} s, service {self.service:.1f} s of processor time"


@contextmanager
def serving(catalog: Path) -> Iterator[tuple[psutil.Process, int]]:
    """The service's process, and its port, once it is ready."""
    command = [sys.executable, "-m", "seealike", "serve", "-C", str(catalog), "--port", "0"]
    log = (catalog.parent / "serving.log").open("w+")
    with log, subprocess.Popen(command, stderr=log) as running:
        try:
            while "serving at" not in (said := Path(log.name).read_text(encoding="utf-8")):
                if running.poll() is not None:
                    raise RuntimeError(f"the service ended: {said}")
                time.sleep(0.05)
            port = int(said.split(" (")[0].rpartition(":")[2])
            while asyncio.run(asked(port, [get("/readyz")], 1))[0].status != 200:
                time.sleep(0.05)
            yield psutil.Process(running.pid), port
        finally:
            running.terminate()


def get(address: str) -> bytes:
    return f"GET {address} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode()


def post(address: str, body: bytes, kind: str = "image/jpeg") -> bytes:
    head = f"POST {address} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: {kind}\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


async def one(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
) -> tuple[int, bytes]:
    """The status and the body of one reply."""
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    return int(head[9:12]), await reader.readexactly(length)


async def asked(
    port: int, requests: Sequence[bytes], clients: int = CLIENTS, *, kept: bool = True
) -> list[Reply]:
    """Every request once, by so many clients, each of whom asks when its last reply has come.

    Each has a connection, which is ``kept``, or another one for every request.
    """
    left = iter(requests)
    replies: list[Reply] = []

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for request in left:
            started = time.perf_counter()
            if not kept:
                writer.close()
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
            status, _ = await one(reader, writer, request)
            replies.append(Reply(status, time.perf_counter() - started))
        writer.close()

    await asyncio.gather(*(client() for _ in range(clients)))
    return replies


async def planned(port: int, requests: Sequence[bytes], rate: float) -> list[Reply]:
    """Every request at its time, ``rate`` a second, whatever has become of the others."""
    replies: list[Reply] = []

    async def sent(at: float, request: bytes) -> None:
        await asyncio.sleep(at - time.perf_counter())
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        status, _ = await one(reader, writer, request)
        replies.append(Reply(status, time.perf_counter() - at))
        writer.close()

    started = time.perf_counter()
    await asyncio.gather(*(sent(started + number / rate, one) for number, one in enumerate(requests)))
    return replies


async def text_of(port: int, address: str) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    _, body = await one(reader, writer, get(address))
    writer.close()
    return body.decode()


@contextmanager
def measured(process: psutil.Process) -> Iterator[list[Spent]]:
    """What is spent within the block, as the one entry of a list that is empty until its end."""
    before, spent = _spent(process), list[Spent]()
    yield spent
    spent.append(Spent(*(now - then for now, then in zip(_spent(process), before, strict=True))))


def _spent(process: psutil.Process) -> Spent:
    everybody = [process, *process.children(recursive=True)]
    service = sum(sum(one.cpu_times()[:2]) for one in everybody)
    return Spent(time.perf_counter(), time.process_time(), service)


class Watch:
    """Asks ``/healthz`` again and again, until it is ended."""

    def __init__(self, port: int) -> None:
        self._task = asyncio.ensure_future(self._watch(port))
        self._waits_s: list[float] = []

    async def _watch(self, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            while True:
                started = time.perf_counter()
                await one(reader, writer, HEALTH)
                self._waits_s.append(time.perf_counter() - started)
                await asyncio.sleep(0.01)
        finally:
            writer.close()

    async def ended(self) -> np.ndarray:
        """How long each reply took, in seconds."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        return np.array(self._waits_s)
