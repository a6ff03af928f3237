"""What is asked of all items at once, and what others notice of work on all of them."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Sequence
from pathlib import Path

import psutil

import seealike
from benchmarks.report import Row
from benchmarks.serving.clients import Reply, asked, get, serving, text_of

TIMES = 20
QUESTIONS = 1_000
_WORK = "/duplicates"


def rows(catalog: Path, count: int) -> list[Row]:
    """How long all items take to be described, the first time and again; questions beside long work."""
    with seealike.open(catalog) as opened:
        ids = [item.id for item in opened.items_at(0, QUESTIONS, max(1, count // QUESTIONS)).items]
    requests = [get(f"/items/{one}/similar?k=10") for one in ids]
    with serving(catalog) as (process, port):
        found = [
            _twice(port, address, count)
            for address in ("/stats", "/facets", "/facets?where=share%20%3C%200.3", "/shapes")
        ]
        found.append(_twice(port, f"/items?at={count - 200}&limit=200", count))
        idle = asyncio.run(asked(port, requests[::2], 1))  # each once: what was asked before is known
        assert '"finding"' in asyncio.run(text_of(port, _WORK))
        beside = asyncio.run(asked(port, requests[1::2], 1))
        still = '"finding"' in asyncio.run(text_of(port, _WORK))
        return [*found, *_beside(idle, beside, still=still), _ending(process)]


def _twice(port: int, address: str, count: int) -> Row:
    replies = asyncio.run(asked(port, [get(address)] * (TIMES + 1), 1))
    assert {reply.status for reply in replies} == {200}
    again = statistics.median(reply.took_s for reply in replies[1:])
    note = f"{replies[0].took_s * 1000:.0f} ms the first time"
    return Row(f"`{address}`, {count:,} items, again", f"{again * 1000:.1f} ms", "", note)


def _beside(idle: Sequence[Reply], beside: Sequence[Reply], *, still: bool) -> list[Row]:
    """Waits for an answer, alone and while a worker looks for duplicates."""
    found = []
    for name, replies in (("alone", idle), ("while duplicates are found", beside)):
        waits = sorted(reply.took_s * 1000 for reply in replies)
        p99 = waits[len(waits) * 99 // 100]
        note = "" if still or replies is idle else "they were found before the last question"
        told = f"{statistics.median(waits):.1f}, {p99:.1f} ms"
        found.append(Row(f"a question by id, {name}: median, p99", told, "", note))
    return found


def _ending(process: psutil.Process) -> Row:
    """How long the service takes to end while a worker is at it."""
    children = [child for child in process.children(recursive=True) if "worker" in " ".join(child.cmdline())]
    process.terminate()
    process.wait(60)
    left = [child for child in children if child.is_running()]
    return Row("workers left once the service has ended", f"{len(left)} of {len(children)}", "0")
