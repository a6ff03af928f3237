"""Questions by id: asked for the first time, asked again, by another client; how soon they can be asked."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil

import seealike
from benchmarks.report import Row
from benchmarks.serving.clients import CLIENTS, HEALTH, asked, get, measured, serving, text_of

FIRST, AGAIN = 4_000, 6_000
WRK_S = 4
_ROUTE = 'seealike_requests_total{method="GET",route="/items/{item_id:path}/similar",status="200"}'
_SCRIPT = """
local n = 0
request = function()
  n = n + 1
  return wrk.format("GET", string.format("/items/%06d/similar", n % 4000))
end
"""


def rows(catalog: Path, count: int, goal: int) -> list[Row]:
    with seealike.open(catalog) as opened:
        ids = [item.id for item in opened.items_from("", FIRST)]
        opened.similar(ids[0])
        started = time.perf_counter()
        for item_id in ids[:300]:
            opened.similar(item_id)
        alone = 300 / (time.perf_counter() - started)
    requests = [get(f"/items/{one}/similar") for one in ids]
    again = [requests[number % FIRST] for number in range(AGAIN)]
    with serving(catalog) as (process, port):
        of_items = f"{count:,} items, {CLIENTS} clients"
        found = [
            _row(f"questions by id, {of_items}, each for the first time", process, port, requests, alone),
            _row(f"the same, asked again, {of_items}", process, port, again, alone, f">= {goal:,}"),
        ]
        told = asyncio.run(text_of(port, "/metrics"))
        counted = int(float(next(line for line in told.splitlines() if line.startswith(_ROUTE)).split()[-1]))
        what = f"`/metrics` after {FIRST + AGAIN:,} questions"
        found.append(Row(what, f"{counted:,} counted", "equal to the client's count"))
        return found + _wrk(catalog, process, port, goal)


def _row(
    what: str, process: psutil.Process, port: int, requests: Sequence[bytes], alone: float, goal: str = ""
) -> Row:
    with measured(process) as spent:
        replies = asyncio.run(asked(port, requests))
    assert {reply.status for reply in replies} == {200}
    rate = len(replies) / spent[0].clock
    return Row(what, f"{rate:.0f}/s", goal, f"{rate / alone:.1f} x the library one by one; {spent[0]}")


def _wrk(catalog: Path, process: psutil.Process, port: int, goal: int) -> list[Row]:
    """The questions that were asked before, by a client in C."""
    if shutil.which("wrk") is None:
        return [Row("asked again by `wrk`", "not measured", "", "wrk is not installed")]
    script = catalog.parent / "serving.lua"
    script.write_text(_SCRIPT, encoding="utf-8")
    command = ["wrk", "-t1", f"-c{CLIENTS}", f"-d{WRK_S}s", f"-s{script}", f"http://127.0.0.1:{port}"]
    before = os.times()
    with measured(process) as spent:
        told = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    after = os.times()
    own = sum(after[2:4]) - sum(before[2:4])
    rate = float(re.search(r"Requests/sec:\s*([\d.]+)", told)[1])  # type: ignore[index]
    assert "Non-2xx" not in told, told
    note = f"wrk {own:.1f} s, service {spent[0].service:.1f} s of processor time in {spent[0].clock:.1f} s"
    return [Row("asked again by `wrk`", f"{rate:.0f}/s", f">= {goal:,}", note)]


def start(catalog: Path, count: int) -> list[Row]:
    """How soon after the process begins it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "seealike", "serve", "-C", str(catalog), "--port", str(port)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as running:
        try:
            started = time.perf_counter()
            alive_s = _answers_after(port, HEALTH, started)
            ready_s = _answers_after(port, get("/readyz"), started)
        finally:
            running.terminate()
    what = f"from the start with {count:,} items until"
    return [
        Row(f"{what} `/healthz` answers", f"{alive_s:.2f} s", "<= 1 s (100,000 items)"),
        Row(f"{what} `/readyz` does", f"{ready_s:.2f} s", "<= 3 s (100,000 items)"),
    ]


def _answers_after(port: int, request: bytes, started: float) -> float:
    while True:
        with suppress(OSError):
            if asyncio.run(asked(port, [request], 1))[0].status == 200:
                return time.perf_counter() - started
        time.sleep(0.01)
