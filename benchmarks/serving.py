"""A service under load: pictures and questions a second, waits, and what too much of it does.

Clients and the service share the machine; the processor time of both is said. Rates are beside that of
indexing the same files in the same run, and of the same questions asked of a catalogue in this process.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil

import seealike
from benchmarks import synthetic
from benchmarks.large import catalog_of
from benchmarks.photos import repeated, warm
from benchmarks.report import Row

TITLE = "Serving"
UPLOADS = 3_000
CLIENTS = 32
IDLE = 60
QUESTIONS = 12_000
SMALL = 30_000
OVERLOAD_S = 15.0
_HEAD = "POST /search?k=10 HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: image/jpeg\r\ncontent-length: "


class Reply(NamedTuple):
    """One reply: its status, and how long after it was asked for it came."""

    status: int
    took_s: float


def rows(data: Path, work: Path) -> list[Row]:
    folder = repeated(data, work / f"photos-{UPLOADS}", UPLOADS)
    warm(folder)
    pictures = [path.read_bytes() for path in sorted(folder.glob("*.jpg"))]
    target = work / "serving.catalog"
    shutil.rmtree(target, ignore_errors=True)
    with seealike.create(target) as catalog:
        report = catalog.index(folder)
    indexing = report.added / report.took_s
    found = [Row(f"`index` of the same {UPLOADS:,} photos", f"{indexing:.0f} images/s")]
    with _serving(target) as (process, port):
        found += asyncio.run(_uploads(port, process, pictures, indexing))
        found += _idle(port, target, pictures)
        found += asyncio.run(_overload(port, process, pictures))
    vectors = synthetic.make(data, work)
    for count, goal in ((SMALL, 2_000), (len(vectors), 1_500)):
        path, _ = catalog_of(vectors[:count], work)
        found += _questions(Path(path), count, goal)
    return found


@contextmanager
def _serving(catalog: Path) -> Iterator[tuple[psutil.Process, int]]:
    command = [sys.executable, "-m", "seealike", "serve", "-C", str(catalog), "--port", "0"]
    log = (catalog.parent / "serving.log").open("w+")
    with log, subprocess.Popen(command, stderr=log) as running:
        try:
            while "serving at" not in (said := Path(log.name).read_text()):
                time.sleep(0.05)
            port = int(said.split(" (")[0].rpartition(":")[2])
            while (
                asyncio.run(_asked(port, [b"GET /readyz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"], 1))[0].status
                != 200
            ):
                time.sleep(0.05)
            yield psutil.Process(running.pid), port
        finally:
            running.terminate()


async def _one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> int:
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    await reader.readexactly(length)
    return int(head[9:12])


async def _asked(port: int, requests: Sequence[bytes], clients: int) -> list[Reply]:
    """Every request once, by so many clients, each of whom asks when its last reply has come."""
    left = iter(requests)
    replies: list[Reply] = []

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for request in left:
            started = time.perf_counter()
            status = await _one(reader, writer, request)
            replies.append(Reply(status, time.perf_counter() - started))
        writer.close()

    await asyncio.gather(*(client() for _ in range(clients)))
    return replies


def _request(picture: bytes) -> bytes:
    return f"{_HEAD}{len(picture)}\r\n\r\n".encode() + picture


def _cpu_s(process: psutil.Process) -> float:
    everybody = [process, *process.children(recursive=True)]
    return sum(sum(one.cpu_times()[:2]) for one in everybody)


async def _uploads(
    port: int, process: psutil.Process, pictures: Sequence[bytes], indexing: float
) -> list[Row]:
    requests = [_request(picture) for picture in pictures]
    await _asked(port, requests[:200], CLIENTS)
    own, its, started = time.process_time(), _cpu_s(process), time.perf_counter()
    watching = asyncio.ensure_future(_watched(port))
    replies = await _asked(port, requests, CLIENTS)
    took_s = time.perf_counter() - started
    stalls = await _ended(watching)
    assert all(reply.status == 200 for reply in replies)
    rate, waits = len(replies) / took_s, np.array([reply.took_s for reply in replies])
    cpu = (
        f"clients {time.process_time() - own:.1f} s, service {_cpu_s(process) - its:.1f} s of processor time"
    )
    mean_s = CLIENTS / rate
    return [
        Row(
            f"pictures searched with, {CLIENTS} clients, raw bodies",
            f"{rate:.0f}/s: {rate / indexing:.2f} of indexing",
            ">= 0.80",
            cpu,
        ),
        Row(
            "the same: p99",
            f"{np.quantile(waits, 0.99) / mean_s:.2f} x N/X",
            "<= 2",
            f"N/X {mean_s * 1000:.0f} ms",
        ),
        Row("`/healthz` meanwhile: p99", f"{np.quantile(stalls, 0.99) * 1000:.1f} ms", "<= 50 ms"),
        Row("longest wait for `/healthz` meanwhile", f"{stalls.max() * 1000:.1f} ms", "<= 100 ms"),
    ]


async def _watched(port: int) -> list[float]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    found: list[float] = []
    try:
        while True:
            started = time.perf_counter()
            await _one(reader, writer, b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
            found.append(time.perf_counter() - started)
            await asyncio.sleep(0.01)
    except asyncio.CancelledError:
        writer.close()
        return found


async def _ended(watching: asyncio.Task[list[float]]) -> np.ndarray:
    watching.cancel()
    return np.array(await watching)


def _idle(port: int, target: Path, pictures: Sequence[bytes]) -> list[Row]:
    """One client, in turns with the library in this process."""
    served, own = [], []
    with seealike.open(target) as catalog:
        catalog.search(pictures[0])
        for picture in pictures[:IDLE]:
            served.append(asyncio.run(_asked(port, [_request(picture)], 1))[0].took_s)
            started = time.perf_counter()
            catalog.search(picture)
            own.append(time.perf_counter() - started)
    both = statistics.median(served), statistics.median(own)
    value = f"{both[0] * 1000:.1f} ms: {both[0] / both[1]:.2f} x `Catalog.search`"
    return [Row("one picture, nobody else", value, "<= 1.1 x", "HTTP included")]


async def _overload(port: int, process: psutil.Process, pictures: Sequence[bytes]) -> list[Row]:
    """Requests at planned times, twice as many as the service answered at its best."""
    requests = [_request(picture) for picture in pictures]
    started = time.perf_counter()
    await _asked(port, requests[:1000], CLIENTS)
    peak = 1000 / (time.perf_counter() - started)
    before, replies = process.memory_info().rss, []

    async def sent(at: float, request: bytes) -> None:
        await asyncio.sleep(at - time.perf_counter())
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        replies.append(Reply(await _one(reader, writer, request), time.perf_counter() - at))
        writer.close()

    count, started = int(2 * peak * OVERLOAD_S), time.perf_counter()
    planned = [sent(started + n / (2 * peak), requests[n % len(requests)]) for n in range(count)]
    await asyncio.gather(*planned)
    took_s = time.perf_counter() - started
    answered = [reply for reply in replies if reply.status == 200]
    refused = np.array([reply.took_s for reply in replies if reply.status == 503] or [0.0])
    grown = (process.memory_info().rss - before) / 2**20
    return [
        Row(
            f"twice as many pictures as it can, {OVERLOAD_S:.0f} s: answered",
            f"{len(answered) / took_s / peak:.2f} of the peak",
            ">= 0.90",
            f"peak {peak:.0f}/s; {len(replies) - len(answered):,} of {count:,} refused",
        ),
        Row("the same: p99 of a refusal", f"{np.quantile(refused, 0.99) * 1000:.0f} ms", "<= 50 ms"),
        Row("the same: memory", f"{grown:+.0f} MB", "<= +64 MB"),
    ]


def _questions(catalog: Path, count: int, goal: int) -> list[Row]:
    with seealike.open(catalog) as opened:
        ids = [item.id for item in opened.items_from("", 2_000)]
        opened.similar(ids[0])
        started = time.perf_counter()
        for item_id in ids[:300]:
            opened.similar(item_id)
        alone = 300 / (time.perf_counter() - started)
    with _serving(catalog) as (process, port):
        requests = [
            f"GET /items/{ids[n % len(ids)]}/similar HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode()
            for n in range(QUESTIONS)
        ]
        asyncio.run(_asked(port, requests[:500], CLIENTS))
        own, its, started = time.process_time(), _cpu_s(process), time.perf_counter()
        replies = asyncio.run(_asked(port, requests, CLIENTS))
        took_s = time.perf_counter() - started
        cpu = f"clients {time.process_time() - own:.1f} s, service {_cpu_s(process) - its:.1f} s of processor"
    assert {reply.status for reply in replies} == {200}, json.dumps(replies[:3])
    rate = len(replies) / took_s
    note = f"{rate / alone:.1f} x the library one by one; {cpu}"
    return [
        Row(f"questions by id, {count:,} items, {CLIENTS} clients", f"{rate:.0f}/s", f">= {goal:,}", note)
    ]
