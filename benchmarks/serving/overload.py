"""Requests at planned times, twice as many as the service answers at its best."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import psutil

from benchmarks.report import Row
from benchmarks.serving.clients import asked, planned, post, serving

OVERLOAD_S = 15.0
_FOR_THE_PEAK = 1_500


def rows(target: Path, pictures: Sequence[bytes]) -> list[Row]:
    with serving(target) as (process, port):
        return asyncio.run(_overload(port, process, [post("/search?k=10", one) for one in pictures]))


async def _overload(port: int, process: psutil.Process, requests: Sequence[bytes]) -> list[Row]:
    await asked(port, requests[:200])
    started = time.perf_counter()
    await asked(port, requests[:_FOR_THE_PEAK])
    peak = _FOR_THE_PEAK / (time.perf_counter() - started)
    before, started = process.memory_info().rss, time.perf_counter()
    count = int(2 * peak * OVERLOAD_S)
    replies = await planned(port, [requests[number % len(requests)] for number in range(count)], 2 * peak)
    took_s = time.perf_counter() - started
    answered = [reply for reply in replies if reply.status == 200]
    refused = np.array([reply.took_s for reply in replies if reply.status == 503] or [0.0])
    assert len(replies) == count
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
