"""The core works by itself: with no network, and with no optional package."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pictures import write_pictures

# Loaded by every Python process that starts below, worker processes included.
ALONE = """
import sys

def guard(event, arguments):
    if event.startswith("socket.") and event != "socket.gethostname":
        if event == "socket.__new__" and arguments[1] == getattr(sys.modules.get("socket"), "AF_UNIX", -1):
            return  # a pipe between two of our own processes
        with open(NOTES, "a") as notes:
            notes.write(f"{event} {arguments!r}\\n")
        raise RuntimeError(f"no network: {event}")

sys.addaudithook(guard)
for name in ("pyarrow", "pillow_heif", "torch", "timm"):
    sys.modules[name] = None
with open(STARTED, "a") as started:
    started.write("x")
"""


class Alone:
    """A machine with nothing but the core: commands are run there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.notes, self.started = folder / "notes", folder / "started"
        hook = folder / "hook" / "sitecustomize.py"
        hook.parent.mkdir()
        names = f"NOTES = {str(self.notes)!r}\nSTARTED = {str(self.started)!r}\n"
        hook.write_text(names + ALONE, encoding="utf-8")
        self._environment = {**os.environ, "PYTHONPATH": str(hook.parent), "SEEALIKE_CACHE": str(folder / "cache")}

    def python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=180,
            check=False,
        )

    def seealike(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.python("-m", "seealike", *arguments)

    def tried(self) -> str:
        return self.notes.read_text() if self.notes.exists() else ""


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


def test_the_guard_is_in_every_process_and_notices_a_connection(alone: Alone) -> None:
    before = alone.started.stat().st_size if alone.started.exists() else 0
    done = alone.python("-c", "import socket; socket.create_connection(('127.0.0.1', 9))")
    assert "no network" in done.stderr
    assert "socket." in alone.tried()
    alone.notes.unlink()
    assert alone.started.stat().st_size == before + 1


def test_decoding_processes_are_guarded_too(alone: Alone) -> None:
    before = alone.started.stat().st_size if alone.started.exists() else 0
    write_pictures(alone.folder / "more", range(4))
    assert alone.seealike("index", "more", "--workers", "2").returncode == 0
    assert alone.started.stat().st_size >= before + 2


def test_a_missing_optional_package_is_named_with_its_remedy(alone: Alone) -> None:
    (alone.folder / "table.parquet").write_bytes(b"PAR1")
    for arguments in (("index", "table.parquet"), ("recommend", "--all", "-C", "photos", "-o", "similar.parquet")):
        done = alone.seealike(*arguments)
        assert done.returncode == 1
        assert "pip install 'seealike[parquet]'" in done.stderr
        assert done.stderr.count("\n") == 1
