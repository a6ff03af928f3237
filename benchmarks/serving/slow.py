"""Clients who leave, and clients who send a byte a second."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil

import seealike
from benchmarks.report import Row
from benchmarks.serving.clients import asked, get, measured, planned, post, serving, text_of

LEAVING = 100
TRICKLING = 200
CALM_S, RATE = 6.0, 50.0
_HEADS_S, _BODIES_S = 10.0, 30.0
_under_way = re.compile(r"^seealike_pictures_\w+ (.*)$", re.MULTILINE)
_LATE_S = 3.0  # a timer may be so late


def rows(target: Path, pictures: Sequence[bytes]) -> list[Row]:
    with seealike.open(target) as catalog:
        ids = [item.id for item in catalog.items_from("", 300)]
    requests = [post("/search?k=10", picture) for picture in pictures]
    with serving(target) as (process, port):
        asyncio.run(asked(port, requests[:300]))
        found = asyncio.run(_leaving(port, process, requests))
        return found + asyncio.run(_trickling(port, [get(f"/items/{one}/similar") for one in ids]))


async def _leaving(port: int, process: psutil.Process, requests: Sequence[bytes]) -> list[Row]:
    with measured(process) as usual:
        await asked(port, requests[:200])
    with measured(process) as spent:
        writers = [(await asyncio.open_connection("127.0.0.1", port))[1] for _ in range(LEAVING)]
        for writer, request in zip(writers, requests, strict=False):
            writer.write(request)
        for writer in writers:
            await writer.drain()
        left = time.perf_counter()
        for writer in writers:
            writer.transport.abort()
        while _under_way.findall(await text_of(port, "/metrics")) != ["0.0", "0.0"]:
            await asyncio.sleep(0.01)
        empty_s = time.perf_counter() - left
    embedded = spent[0].service / (usual[0].service / 200)
    note = f"the processor time of {embedded:.0f} pictures; 48 in three batches may be under way"
    return [Row(f"{LEAVING} uploads whose clients leave: all over", f"after {empty_s:.2f} s", "<= 1 s", note)]


async def _trickling(port: int, requests: Sequence[bytes]) -> list[Row]:
    async def p99_ms() -> float:
        replies = await planned(port, [*requests][: int(CALM_S * RATE)], RATE)
        assert all(reply.status == 200 for reply in replies)
        return float(np.quantile([reply.took_s for reply in replies], 0.99) * 1000)

    await p99_ms()
    calm = await p99_ms()
    head, body = get("/healthz")[:-2] + b"x-long: ", post("/search", b"x" * 1000)[:-1000]
    slow = [
        asyncio.ensure_future(_until_cut(port, start, most_s))
        for start, most_s in ((head, _HEADS_S), (body, _BODIES_S))
        for _ in range(TRICKLING // 2)
    ]
    await asyncio.sleep(0.5)
    beside = await p99_ms()
    cut_s = await asyncio.gather(*slow)
    heads, bodies = cut_s[: TRICKLING // 2], cut_s[TRICKLING // 2 :]
    what = f"{TRICKLING} clients who send a byte a second"
    return [
        Row(f"{what}: heads cut", f"within {max(heads):.1f} s", f"<= {_HEADS_S:.0f} s"),
        Row("the same: bodies cut", f"within {max(bodies):.1f} s", f"<= {_BODIES_S:.0f} s"),
        Row("the same: p99 of others", f"{beside / calm:.2f} x", "<= 2 x", f"{beside:.1f} and {calm:.1f} ms"),
    ]


async def _until_cut(port: int, start: bytes, most_s: float) -> float:
    """How long a client that never ends is listened to, until it is told so or its connection ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(start)
    began = time.perf_counter()
    cut = asyncio.ensure_future(reader.read(1))
    with suppress(OSError):
        while not cut.done() and time.perf_counter() < began + most_s + _LATE_S:
            writer.write(b"x")
            await asyncio.wait((cut,), timeout=1)
        await asyncio.wait((cut,), timeout=_LATE_S)
    took_s = time.perf_counter() - began
    writer.transport.abort()
    await asyncio.gather(cut, return_exceptions=True)
    return took_s
