"""Searches with pictures: by many clients, in batches, by one alone, at planned times, beside ``index``."""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import psutil

import seealike
from benchmarks.report import Row
from benchmarks.serving.clients import CLIENTS, Watch, asked, get, measured, planned, post, serving
from seealike.service.batching.embedder import BatchingEmbedder
from seealike.service.state import CatalogEmbedder
from seealike.types import Picture

IDLE = 60
TOGETHER, SENDERS = 16, 4
OPEN_SHARE, OPEN_S = 0.7, 12.0
INDEXED = 1_000
_BOUNDARY = "pictures"


def rows(target: Path, pictures: Sequence[bytes], indexing: float) -> list[Row]:
    requests = [post("/search?k=10", picture) for picture in pictures]
    with serving(target) as (process, port):
        asyncio.run(asked(port, requests[:200]))
        found, peak = asyncio.run(_many(port, process, requests, indexing))
        found += asyncio.run(_together(port, process, pictures, indexing))
        alone, median_s = _alone(port, target, pictures)
        found += asyncio.run(_open_loop(port, requests, peak, median_s))
    return [*found, *alone, *_batcher(target, pictures)]


async def _many(
    port: int, process: psutil.Process, requests: Sequence[bytes], indexing: float
) -> tuple[list[Row], float]:
    watch = Watch(port)
    with measured(process) as spent:
        replies = await asked(port, requests)
    waits_s = await watch.ended()
    assert all(reply.status == 200 for reply in replies)
    rate = len(replies) / spent[0].clock
    p99_s, mean_s = np.quantile([reply.took_s for reply in replies], 0.99), CLIENTS / rate
    return [
        Row(
            f"pictures searched with, {CLIENTS} clients, raw bodies",
            f"{rate:.0f}/s: {rate / indexing:.2f} of indexing",
            ">= 0.80",
            str(spent[0]),
        ),
        Row("the same: p99", f"{p99_s / mean_s:.2f} x N/X", "<= 2", f"N/X {mean_s * 1000:.0f} ms"),
        *_health("meanwhile", waits_s),
    ], rate


def _health(when: str, waits_s: np.ndarray) -> list[Row]:
    return [
        Row(f"`/healthz` {when}: p99", f"{np.quantile(waits_s, 0.99) * 1000:.1f} ms", "<= 50 ms"),
        Row(f"longest wait for `/healthz` {when}", f"{waits_s.max() * 1000:.1f} ms", "<= 100 ms"),
    ]


async def _together(
    port: int, process: psutil.Process, pictures: Sequence[bytes], indexing: float
) -> list[Row]:
    kind = f"multipart/form-data; boundary={_BOUNDARY}"
    requests = [
        post("/batch?k=10", _form(pictures[start : start + TOGETHER]), kind)
        for start in range(0, len(pictures) - TOGETHER + 1, TOGETHER)
    ]
    with measured(process) as spent:
        replies = await asked(port, requests, SENDERS)
    assert all(reply.status == 200 for reply in replies)
    rate = TOGETHER * len(replies) / spent[0].clock
    what = f"the same in batches of {TOGETHER}, {SENDERS} clients"
    return [Row(what, f"{rate:.0f}/s: {rate / indexing:.2f} of indexing", ">= 0.90", str(spent[0]))]


def _form(pictures: Sequence[bytes]) -> bytes:
    head = (
        f'--{_BOUNDARY}\r\ncontent-disposition: form-data; name="image"; filename="a.jpg"\r\n'
        "content-type: image/jpeg\r\n\r\n"
    ).encode()
    return b"".join(head + picture + b"\r\n" for picture in pictures) + f"--{_BOUNDARY}--\r\n".encode()


def _alone(port: int, target: Path, pictures: Sequence[bytes]) -> tuple[list[Row], float]:
    """One client, in turns with the library in this process; and the median wait."""
    served, own = [], []
    with seealike.open(target) as catalog:
        catalog.search(pictures[0])
        for picture in pictures[:IDLE]:
            served.append(asyncio.run(asked(port, [post("/search?k=10", picture)], 1))[0].took_s)
            started = time.perf_counter()
            catalog.search(picture)
            own.append(time.perf_counter() - started)
    both = statistics.median(served), statistics.median(own)
    value = f"{both[0] * 1000:.1f} ms: {both[0] / both[1]:.2f} x `Catalog.search`"
    return [Row("one picture, nobody else", value, "", "HTTP included")], both[0]


def _batcher(target: Path, pictures: Sequence[bytes]) -> list[Row]:
    """One picture through the batcher and past it, in turns, in this process."""
    took: tuple[list[float], list[float]] = [], []
    with seealike.open(target) as catalog:
        batching = BatchingEmbedder(CatalogEmbedder(catalog))
        for number in range(2 * IDLE):
            for embed, times in zip((batching.embed, catalog.embed), took, strict=True):
                started = time.perf_counter()
                list(embed([Picture(number, pictures[number])], urgent=True))
                times.append(time.perf_counter() - started)
        batching.close()
    batched, plain = map(statistics.median, took)
    value = f"{batched * 1000:.1f} ms: {batched / plain:.2f} x without the batcher"
    return [Row("one picture's vector, nobody else", value, "<= 1.1 x")]


async def _open_loop(port: int, requests: Sequence[bytes], peak: float, median_s: float) -> list[Row]:
    rate = OPEN_SHARE * peak
    replies = await planned(port, requests[: int(rate * OPEN_S)], rate)
    assert all(reply.status == 200 for reply in replies)
    waits_s = [reply.took_s for reply in replies]
    value = f"{np.quantile(waits_s, 0.99) / median_s:.1f} x the wait of one alone"
    note = (
        f"p99 {np.quantile(waits_s, 0.99) * 1000:.0f} ms, median {statistics.median(waits_s) * 1000:.0f} ms"
    )
    return [Row(f"at planned times, {OPEN_SHARE:.0%} of the peak: p99", value, "<= 5 x", note)]


def beside_index(target: Path, folder: Path) -> list[Row]:
    """Another process adds pictures to the catalogue that is served and asked."""
    more = target.parent / f"photos-{INDEXED}-more"
    more.mkdir(exist_ok=True)
    for path in sorted(folder.glob("*.jpg"))[:INDEXED]:
        if not (more / path.name).exists():
            (more / path.name).hardlink_to(path)
    with seealike.open(target) as catalog:
        ids = [item.id for item in catalog.items_from("", 200)]
    with serving(target) as (_, port):
        return asyncio.run(_beside(port, target, more, [get(f"/items/{one}/similar") for one in ids]))


async def _beside(port: int, target: Path, more: Path, requests: Sequence[bytes]) -> list[Row]:
    watch, statuses = Watch(port), set[int]()
    command = [sys.executable, "-m", "seealike", "index", str(more), "-C", str(target), "--prefix", "more/"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as indexing:
        while indexing.poll() is None:
            statuses |= {reply.status for reply in await asked(port, requests, 2)}
    assert (statuses, indexing.returncode) == ({200}, 0)
    return _health(f"while `index` adds {INDEXED:,} pictures", await watch.ended())
