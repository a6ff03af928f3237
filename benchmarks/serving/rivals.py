"""A plain server for comparison: Flask and torch, one picture a request, as recipes on the web write it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from benchmarks.report import Row
from benchmarks.serving.clients import CLIENTS, asked, post, serving

PICTURES = {"resnet18": 300, "resnet50": 150}
_OURS = 1_000
_SERVER = Path(__file__).with_name("flask_server.py")
_GOAL = ">= 10 x"


def rows(target: Path, pictures: Sequence[bytes], work: Path) -> list[Row]:
    own = work / "flask" / "bin" / "python"
    python = own if own.exists() else Path(sys.executable)
    if subprocess.run([python, "-c", "import flask, torch"], capture_output=True, check=False).returncode:
        return [Row("a plain Flask server", "not measured", _GOAL, f"no flask or torch for {python}")]
    requests = [post("/search?k=10", picture) for picture in pictures]
    with serving(target) as (_, port):
        asyncio.run(asked(port, requests[:200]))
        ours = _rate(port, requests[:_OURS])
    found = []
    for network, count in PICTURES.items():
        with subprocess.Popen(
            [python, _SERVER, network], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as running:
            try:
                assert running.stdout is not None
                port = int(running.stdout.readline())
                _wait(port, requests[0])
                theirs = _rate(port, requests[:count], kept=False)  # it closes them
            finally:
                running.terminate()
        value = f"{ours:.0f} against {theirs:.1f}/s: {ours / theirs:.1f} x"
        note = "one picture a request, random weights: speed does not depend on them"
        found.append(Row(f"against Flask with torch's {network}, {CLIENTS} clients", value, _GOAL, note))
    return found


def _rate(port: int, requests: Sequence[bytes], *, kept: bool = True) -> float:
    started = time.perf_counter()
    replies = asyncio.run(asked(port, requests, kept=kept))
    assert {reply.status for reply in replies} == {200}
    return len(replies) / (time.perf_counter() - started)


def _wait(port: int, request: bytes) -> None:
    while True:
        with suppress(OSError, asyncio.IncompleteReadError):
            asyncio.run(asked(port, [request], 1))
            return
        time.sleep(0.1)
