"""The core works by itself: with no network, and with no optional package."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.pictures import write_pictures

# Runs first in the main process and in every decoding process.
ALONE = """
import sys

def guard(event, arguments):
    if event.startswith("socket.") and event != "socket.gethostname":
        with open(NOTES, "a") as notes:
            notes.write(f"{event} {arguments!r}\\n")
        raise RuntimeError(f"no network: {event}")

sys.addaudithook(guard)
for name in ("pyarrow", "pillow_heif", "torch", "timm"):
    sys.modules[name] = None
with open(STARTED, "a") as started:
    started.write("x")
"""
# The main process hands the guard on, for its children read no site packages. It may start Python alone.
MAIN = """
import subprocess
start = subprocess.Popen.__init__

def guarded_start(popen, command, *arguments, **options):
    assert command[0] == sys.executable, command
    start(popen, [*command[:-1], GUARD + command[-1]], *arguments, **options)

subprocess.Popen.__init__ = guarded_start
from seealike.__main__ import main
main()
"""


class Alone:
    """A machine with nothing but the core: commands are run there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.notes, self.started = folder / "notes", folder / "started"
        guard = f"NOTES = {str(self.notes)!r}\nSTARTED = {str(self.started)!r}\n{ALONE}"
        self._guarded = f"{guard}\nGUARD = {guard!r}\n"
        self._environment = {**os.environ, "SEEALIKE_CACHE": str(folder / "cache")}

    def python(self, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", self._guarded + code, *arguments],
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=500,
            check=False,
        )

    def seealike(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.python(MAIN, *arguments)

    def tried(self) -> str:
        return self.notes.read_text() if self.notes.exists() else ""

    def processes(self) -> int:
        """How many guarded processes there have been."""
        return self.started.stat().st_size if self.started.exists() else 0


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Alone:
    machine = Alone(tmp_path_factory.mktemp("alone"))
    write_pictures(machine.folder / "photos", range(12))
    return machine


def test_indexing_and_searching_open_no_connection_and_need_no_optional_package(alone: Alone) -> None:
    for arguments in (
        ("index", "photos"),
        ("search", "photos/003.jpg", "--gallery", "found.html"),
        ("recommend", "--all", "-k", "3", "-o", "similar.csv"),
        ("verify",),
        ("info", "--format", "json"),
    ):
        done = alone.seealike(*arguments)
        assert done.returncode == 0, f"{arguments}: {done.stderr}"
    assert alone.tried() == ""
    assert len((alone.folder / "similar.csv").read_text().splitlines()) == 1 + 12 * 3


def test_the_guard_notices_a_connection(alone: Alone) -> None:
    done = alone.python("import socket; socket.create_connection(('127.0.0.1', 9))")
    assert "no network" in done.stderr
    assert "socket." in alone.tried()
    alone.notes.unlink()


def test_decoding_processes_are_guarded_too(alone: Alone) -> None:
    before = alone.processes()
    write_pictures(alone.folder / "more", range(4))
    assert alone.seealike("index", "more", "--workers", "1").returncode == 0
    assert alone.processes() == before + 2


def test_a_missing_optional_package_is_named_with_its_remedy(alone: Alone) -> None:
    (alone.folder / "table.parquet").write_bytes(b"PAR1")
    for arguments in (
        ("index", "table.parquet"),
        ("recommend", "--all", "-C", "photos", "-o", "similar.parquet"),
    ):
        done = alone.seealike(*arguments)
        assert done.returncode == 1
        assert "pip install 'seealike[parquet]'" in done.stderr
        assert done.stderr.count("\n") == 1
