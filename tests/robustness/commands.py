"""The command line in a process group of its own, as a terminal would start it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
from tests.robustness.herd import Tags, committed

from seealike.errors import CatalogError

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 200.0
"""After so long what should have come comes no more, on a slow and loaded machine either."""


class Command:
    """A running ``seealike`` command with the slow fake encoder."""

    def __init__(self, *arguments: str, slow_s: float = 0.0, until: Path | None = None) -> None:
        """``slow_s``: how long its batches take, or until that file is there."""
        self._popen = subprocess.Popen(
            [sys.executable, "-m", "tests.robustness.slow_command", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "SLOW_S": str(slow_s), "SLOW_UNTIL": str(until or "")},
            start_new_session=True,
        )
        self._family: list[psutil.Process] = []

    @property
    def process_id(self) -> int:
        """Its id."""
        return self._popen.pid

    def interrupt(self) -> None:
        """Ctrl-C, as the terminal sends it: to everything in the group."""
        self._family = psutil.Process(self._popen.pid).children(recursive=True)
        os.killpg(self._popen.pid, signal.SIGINT)

    def kill(self) -> None:
        """``kill -9``, this process alone."""
        self._popen.kill()
        self._popen.communicate()

    def finish(self) -> tuple[int, str, str]:
        """Wait for it: exit code, output, messages. What it started is gone by then."""
        out, err = self._popen.communicate(timeout=PATIENCE_S)
        _, alive = psutil.wait_procs(self._family, timeout=PATIENCE_S)
        assert not alive
        return self._popen.returncode, out, err


def wait_for(condition: Callable[[], bool]) -> None:
    """Poll until the condition holds."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def seen(catalog: Path) -> Tags:
    """What a reader sees; nothing before there is a catalogue."""
    try:
        return committed(str(catalog))
    except CatalogError:
        return {}
