"""Fixtures that any test may ask for."""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

import pytest
from hypothesis import HealthCheck, core, settings
from tests.browser import Browser, browsing, chromium
from tests.fork_server import ForkServer
from tests.pictures import write_photographs
from tests.seeds import SEED, VARIABLE

from seealike.catalog.sync import adding
from seealike.catalog.sync import job as sync
from seealike.demo.drawing import catalogue
from seealike.demo.drawing.plan import Photo
from seealike.images.pool import process

# A shell lets what it starts in the background ignore Ctrl-C, and children inherit that. The commands that
# the tests interrupt are to notice it all the same.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A slow or loaded machine fails no example for the time it takes.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

SHARED = Path(__file__).resolve().parents[2] / "shared"
REAL_DECODERS = ("test_images_", "test_hostile_pictures", "test_decoding_memory", "test_fork")


def pytest_configure(config: pytest.Config) -> None:
    """Let Hypothesis draw by the seed of the run, unless it is given one of its own."""
    if config.getoption("--hypothesis-seed") is None:
        core.global_force_seed = SEED  # type: ignore[assignment]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what chance was drawn by."""
    terminalreporter.write_line(f"drawn by {VARIABLE}={SEED}")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser for the tests of a file, where there is one."""
    program = chromium()
    if program is None:
        pytest.skip("no Chromium that can be driven over a pipe is installed")
    with browsing(program) as opened:
        yield opened


@pytest.fixture(autouse=True)
def commits_by_number_alone() -> Iterator[None]:
    """A slow machine commits no more often than a fast one, so that generations can be counted."""
    with (
        pytest.MonkeyPatch.context() as patched
    ):  # not the test's own, which must be undone before its folder goes
        for module in (adding, sync):
            patched.setattr(module, "COMMIT_S", float("inf"))
        yield


@pytest.fixture(scope="session")
def fork_server() -> Iterator[ForkServer | None]:
    """Where decoding processes come from quickly, on systems that can do this."""
    opened = ForkServer() if hasattr(os, "pidfd_open") else None
    yield opened
    if opened is not None:
        opened.close()


@pytest.fixture(autouse=True)
def quick_decoders(request: pytest.FixtureRequest) -> Iterator[None]:
    """Tests of anything but the decoding processes have some that start quickly."""
    real = request.path.name.startswith(REAL_DECODERS)
    opened = None if real else request.getfixturevalue("fork_server")
    if opened is None:
        yield
        return
    usual, start = process.worker_command()[-1], process._start

    def quick(command: Sequence[str], shared_fd: int, complaints: IO[bytes]) -> object:
        if command[-1] == usual:
            return opened.start(shared_fd, complaints)
        return start(command, shared_fd, complaints)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(process, "_start", quick)
        yield


@pytest.fixture(scope="session")
def kept_drawings(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Photo], bytes]:
    """Draws a picture of the sample shop, or takes the file of whoever drew it before in this run."""
    base = tmp_path_factory.getbasetemp()
    kept = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "drawn"
    kept.mkdir(exist_ok=True)
    draw = catalogue._encoded

    def drawn(photo: Photo) -> bytes:
        file = kept / hashlib.sha256(f"{photo.seed} {photo.path}".encode()).hexdigest()
        if not file.exists():
            unfinished = file.with_suffix(f".{os.getpid()}")
            unfinished.write_bytes(draw(photo))
            unfinished.replace(file)
        return file.read_bytes()

    return drawn


@pytest.fixture
def drawn_once(monkeypatch: pytest.MonkeyPatch, kept_drawings: Callable[[Photo], bytes]) -> None:
    """The sample shop is drawn once for all tests that show it."""
    monkeypatch.setattr(catalogue, "_encoded", kept_drawings)


@pytest.fixture(params=["drawn", "real"])
def photos(request: pytest.FixtureRequest, tmp_path: Path) -> list[Path]:
    """Photographs: those that are drawn here, and real ones where they exist."""
    if request.param == "drawn":
        return write_photographs(tmp_path, 12)
    data: Path = request.getfixturevalue("shared_data") / "data"
    return [
        *sorted((data / "places").glob("*.jpg"))[:12],
        *sorted((data / "clothing" / "images").iterdir())[::60],
    ]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The real pictures beside the checkout, where they exist."""
    if not (SHARED / "data").is_dir():
        pytest.skip("no ../shared/data beside the checkout: real pictures are not here")
    return SHARED
