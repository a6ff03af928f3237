"""Work on the whole catalogue, over HTTP: it has the library's answers, keeps nobody waiting, and ends."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tests.made_models import save_model
from tests.pictures import photograph, write_pictures
from tests.service.asgi import Client, Reply
from tests.service.conftest import wait_until_ready
from tests.service.processes import ask, serving
from tests.service.processes import wait_until_ready as wait_until_serving

import seealike
from seealike.duplicates import DuplicateOptions, Level, find_duplicates
from seealike.errors import CatalogError
from seealike.maps import MapMethod, MapOptions, make_map
from seealike.service import ServiceOptions, create_app
from seealike.service.longwork import work as longwork
from seealike.service.longwork.work import Found, LongWork, Pace, UnderWay
from seealike.service.messages import shown

COUNT = 12


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalogue in which some pictures are there twice, as they are or smaller."""
    folder = tmp_path_factory.mktemp("twice")
    for name in "abc":
        (folder / "photos" / name).mkdir(parents=True)
    for number in range(COUNT):
        path = folder / "photos" / "a" / f"{number:02}.jpg"
        whole = photograph(number, (300, 200))
        whole.save(path, quality=92)
        if number % 3 == 0:
            shutil.copy(path, folder / "photos" / "b")
        if number % 4 == 0:
            whole.resize((150, 100)).save(folder / "photos" / "c" / path.name, quality=80)
    model = save_model(folder / "model.onnx")
    with seealike.create(folder / "catalog", encoder=f"onnx:{model}") as catalog:
        catalog.index(folder / "photos")
    return folder


@pytest.fixture(scope="module")
def asked(folder: Path) -> Iterator[Client]:
    """Somebody who asks it over HTTP."""
    with Client(create_app(folder / "catalog", ServiceOptions())) as client:
        wait_until_ready(client)
        yield client


@pytest.fixture
def library(folder: Path) -> Iterator[seealike.Catalog]:
    """The same catalogue, asked by Python."""
    with seealike.open(folder / "catalog") as opened:
        yield opened


def ready(ask_once: Callable[[], Reply]) -> Reply:
    """The reply once it is there."""
    while (reply := ask_once()).status == 202:
        assert reply.headers["retry-after"] == "1"
        assert reply.json["status"] in {"finding", "laying out"}
        assert reply.json["done"] >= 0
        time.sleep(0.02)
    return reply


@pytest.mark.parametrize("level", [*Level])
def test_duplicates_are_those_of_the_library(asked: Client, library: seealike.Catalog, level: Level) -> None:
    report = find_duplicates(library, DuplicateOptions(level))
    expected = [
        {
            "centre": group.centre,
            "decided": False,
            "members": [
                {
                    "id": member.item.id,
                    "group": member.item.group,
                    "image": f"/images/{member.item.id.replace('/', '%2F')}",
                    "width_px": member.item.width_px,
                    "height_px": member.item.height_px,
                    "size_bytes": member.size_bytes,
                    "format": member.format,
                    "sha256": None if member.sha256 is None else member.sha256.hex(),
                    "level": member.link.level.value,
                    "likeness": pytest.approx(member.link.likeness, abs=1e-4),
                    "kept": member.kept,
                    "why": member.why,
                }
                for member in group.members
            ],
        }
        for group in report.groups
    ]
    assert len(expected) >= 3
    reply = ready(lambda: asked("GET", f"/duplicates?level={level}"))
    assert (reply.json["status"], reply.json["generation"]) == ("ready", library.generation)
    assert (reply.json["total"], reply.json["items"]) == (len(expected), len(library))
    assert (reply.json["groups"], reply.json["next"]) == (expected, None)
    groups = list[Any]()
    start: str | None = "0"
    while start is not None:
        page = asked("GET", f"/duplicates?level={level}&start={start}&limit=2").json
        groups += page["groups"]
        start = page["next"]
    assert groups == expected
    assert asked("GET", f"/duplicates?level={level}&start=1000").json["groups"] == []
    assert asked("GET", "/duplicates?level=alike").json["code"] == "invalid_request"


def test_the_map_is_that_of_the_library(asked: Client, library: seealike.Catalog) -> None:
    reply = ready(lambda: asked("GET", "/map"))
    told = reply.json
    expected = make_map(library, MapOptions(MapMethod(told["method"])))
    assert told["ids"] == [*expected.ids] == [item.id for item in library.items()]
    assert pytest.approx(expected.positions, abs=1e-3) == np.array([told["x"], told["y"]]).T
    assert told["clusters"] == expected.clusters.tolist()
    assert told["ratios"] == [round(one.width_px / one.height_px, 3) for one in library.items()]
    assert (told["total"], told["generation"]) == (len(library), library.generation)
    packed = asked("GET", "/map", headers={"accept-encoding": "gzip"})
    assert json.loads(gzip.decompress(packed.body)) == told
    again = asked("GET", "/map", headers={"if-none-match": reply.headers["etag"]})
    assert (again.status, again.body) == (304, b"")


# -- with workers that do as they are told ---------------------------------------------------------

_WORKER = """#!{python}
import json, os, sys, time
name, path = sys.argv[-1], sys.stdin.read()
folder = {folder!r}
def say(**said):
    print(json.dumps(said), flush=True)
say(generation=int(open(os.path.join(folder, "generation")).read()))
with open(os.path.join(folder, "begun"), "a") as file:
    file.write(name + " " + str(os.getpid()) + "\\n")
with open(os.path.join(folder, "told"), "w") as file:
    file.write(path)
say(stage="compare", done=3, total=9)
while not os.path.exists(os.path.join(folder, "may end")):
    time.sleep(0.01)
if name == "fails":
    say(error="OSError", detail="no such thing")
elif name != "dies":
    say(about={{"name": name}}, parts=2)
    print("[1]\\n[2]", flush=True)
"""


class Workers:
    """Workers that wait until they may end, and what is known of them."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder = folder
        program = folder / "worker"
        program.write_text(_WORKER.format(python=sys.executable, folder=str(folder)))
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setattr("seealike.service.longwork.work.sys.executable", str(program))
        self.generation = 1

    @property
    def generation(self) -> int:
        return int((self._folder / "generation").read_text())

    @generation.setter
    def generation(self, value: int) -> None:
        (self._folder / "generation").write_text(str(value))

    @property
    def begun(self) -> list[str]:
        """The work that was begun."""
        path = self._folder / "begun"
        return path.read_text().split()[::2] if path.exists() else []

    @property
    def pid(self) -> int:
        """The process that was begun last."""
        return int((self._folder / "begun").read_text().split()[-1])

    def may_end(self, *, may: bool = True) -> None:
        (self._folder / "may end").touch() if may else (self._folder / "may end").unlink()


@pytest.fixture
def workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workers:
    """Workers of one's own."""
    return Workers(tmp_path, monkeypatch)


@pytest.fixture
def work(workers: Workers, tmp_path: Path) -> Iterator[LongWork]:
    """What they do."""
    opened = LongWork(tmp_path)
    yield opened
    opened.close()


def _until(holds: Callable[[], object]) -> None:
    until_s = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < until_s
        time.sleep(0.01)


AT = ("compare", 3, 9)


def _at(work: LongWork, name: str, generation: int) -> tuple[object, ...]:
    """Where work is, however long it will take."""
    return tuple(work.ask(name, generation))[:3]


def test_one_thing_is_done_at_a_time_and_what_was_found_is_kept(work: LongWork, workers: Workers) -> None:
    _until(lambda: _at(work, "one", 1) == AT)
    assert work.ask("two", 1) == UnderWay()
    workers.may_end()
    _until(lambda: isinstance(work.ask("one", 1), Found))
    assert work.ask("one", 1) == Found(1, {"name": "one"}, [b"[1]", b"[2]"])
    _until(lambda: isinstance(work.ask("two", 1), Found))
    assert isinstance(work.ask("one", 1), Found)
    assert workers.begun == ["one", "two"]


def test_an_address_with_a_password_is_no_argument_that_a_list_of_processes_shows(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[list[str]] = []
    popen = subprocess.Popen

    def noted(command: list[str], stdin: int, stdout: int, stderr: int) -> subprocess.Popen[bytes]:
        begun.append(command)
        return popen(command, stdin=stdin, stdout=stdout, stderr=stderr)

    monkeypatch.setattr(subprocess, "Popen", noted)
    workers.may_end()
    work = LongWork("postgresql://me:hunter22@db/shop")
    _until(lambda: isinstance(work.ask("one", 1), Found))
    work.close()
    (folder,) = {Path(command[0]).parent for command in begun}
    assert (folder / "told").read_text() == "postgresql://me:hunter22@db/shop"
    assert not any("hunter22" in argument for command in begun for argument in command)


def test_work_is_begun_anew_where_the_catalogue_has_changed(work: LongWork, workers: Workers) -> None:
    _until(lambda: _at(work, "one", 1) == AT)
    workers.generation = 2
    assert work.ask("one", 2) == UnderWay()
    _until(lambda: _at(work, "one", 2) == AT)
    assert workers.begun == ["one", "one"]
    workers.may_end()
    _until(lambda: isinstance(work.ask("one", 2), Found))
    assert workers.begun == ["one", "one"]


def test_who_takes_what_is_older_has_it_while_a_newer_one_is_made(work: LongWork, workers: Workers) -> None:
    workers.may_end()
    _until(lambda: isinstance(work.ask("one", 1), Found))
    workers.may_end(may=False)
    workers.generation = 2
    old = work.ask("one", 2, stale=True)
    assert isinstance(old, Found)
    assert old.generation == 1
    _until(lambda: len(workers.begun) == 2)
    _until(lambda: work.ask("two", 3) == UnderWay())
    workers.generation = 3
    assert work.ask("one", 3, stale=True) == old  # and what is under way goes on
    workers.may_end()
    _until(lambda: getattr(work.ask("one", 2, stale=True), "generation", 0) == 2)
    assert workers.begun == ["one", "one"]


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 100.0
        monkeypatch.setattr(longwork, "time", SimpleNamespace(monotonic=lambda: self.now_s))


def test_a_stage_takes_for_the_rest_what_it_took_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    pace = Pace(None)
    clock.now_s += 7  # of another stage
    pace.told("layout")
    assert pace.left_s(UnderWay("layout", 0, 1000)) is None
    clock.now_s += 10
    pace.told("layout")
    assert pace.left_s(UnderWay("layout", 200, 1000)) == 40
    clock.now_s += 3
    assert pace.left_s(UnderWay("layout", 200, 1000)) == 37
    assert pace.left_s(UnderWay("layout", 1000, 1000)) is None


def test_what_is_usual_is_told_until_the_work_tells_more(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    pace = Pace(0.004)
    assert pace.left_s(UnderWay("read", 0, None)) is None
    pace.told("read")
    clock.now_s += 30
    assert pace.left_s(UnderWay("neighbours", 0, 100_000)) == 370
    clock.now_s += 400  # it takes longer than usual: nobody knows
    assert pace.left_s(UnderWay("neighbours", 0, 100_000)) is None


def test_how_long_it_took_is_what_it_takes_the_next_time(
    work: LongWork, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    _until(lambda: work.ask("one", 1) == (*AT, None))
    clock.now_s += 90
    workers.may_end()
    _until(lambda: isinstance(work.ask("one", 1), Found))
    workers.may_end(may=False)
    workers.generation = 2
    _until(lambda: work.ask("one", 2) == (*AT, 90))
    assert work.under_way() == ("one", (*AT, 90))
    clock.now_s += 20
    assert work.ask("one", 2) == (*AT, 70)


@pytest.mark.parametrize("name", ["fails", "dies"])
def test_work_that_fails_is_told_once_and_may_be_tried_again(
    work: LongWork, workers: Workers, name: str
) -> None:
    workers.may_end()
    for _ in range(2):
        with pytest.raises(CatalogError, match="no such thing" if name == "fails" else "without a result"):
            _until(lambda: isinstance(work.ask(name, 1), Found))
    assert workers.begun == [name, name]


def test_what_is_found_takes_so_much_memory_and_no_more(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(longwork, "MOST_BYTES", 8)
    small = LongWork("")
    workers.may_end()
    _until(lambda: isinstance(small.ask("one", 1), Found))
    _until(lambda: isinstance(small.ask("two", 1), Found))
    assert not isinstance(small.ask("one", 1), Found)
    small.close()


def test_work_under_way_ends_with_the_service_and_holds_nothing_up(
    folder: Path, library: seealike.Catalog, workers: Workers
) -> None:
    workers.generation = library.generation
    with Client(create_app(folder / "catalog", ServiceOptions())) as asked:
        wait_until_ready(asked)
        _until(lambda: asked("GET", "/map").json["stage"] == "compare")
        reply = asked("GET", "/duplicates")
        assert (reply.status, reply.json) == (
            202,
            {"status": "finding", "stage": "", "done": 0, "total": None, "left_s": None},
        )
        os.kill(workers.pid, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(workers.pid, 0)


def test_what_is_of_an_earlier_state_says_so_and_where_the_newer_one_is(tmp_path: Path) -> None:
    paths = write_pictures(tmp_path / "photos", range(4))
    model = save_model(tmp_path / "model.onnx")
    with seealike.create(tmp_path / "catalog", encoder=f"onnx:{model}") as opened:
        opened.index(tmp_path / "photos")
        with Client(create_app(tmp_path / "catalog", ServiceOptions())) as asked:
            wait_until_ready(asked)
            for address in ("/map", "/duplicates"):
                assert ready(lambda address=address: asked("GET", address)).json["stale"] is False  # type: ignore[misc]
            assert asked("GET", "/stats").json["working"] is None
            opened.add("new.jpg", paths[0])
            for address, name in (("/map", "map"), ("/duplicates", "duplicates-near")):
                old = asked("GET", f"{address}?stale=1").json
                assert (old["stale"], old["generation"]) == (True, opened.generation - 1)
                working = asked("GET", "/stats").json["working"]
                assert {
                    "name",
                    "stage",
                    "done",
                    "total",
                    "left_s",
                } == working.keys()  # a process has just begun
                assert working["name"] == name
                new = ready(lambda address=address: asked("GET", address)).json  # type: ignore[misc]
                assert (new["stale"], new["generation"]) == (False, opened.generation)


def test_a_map_is_packed_once(asked: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = list[int]()

    def compress(data: bytes, **said: int) -> bytes:
        packed.append(len(data))
        return gzip.compress(data, **said)

    monkeypatch.setattr(shown, "gzip", SimpleNamespace(compress=compress))
    ready(lambda: asked("GET", "/map"))
    packed.clear()
    for _ in range(3):
        assert asked("GET", "/map", headers={"accept-encoding": "gzip"}).status == 200
    assert packed == []


@pytest.mark.enable_socket
@pytest.mark.skipif(sys.platform != "linux", reason="what it looks at is in /proc")
def test_a_service_that_is_told_to_end_leaves_no_worker_behind(folder: Path) -> None:
    with serving(folder / "catalog") as (process, port):
        wait_until_serving(port)
        assert ask(port, "/map")[0] == 202
        tasks = Path(f"/proc/{process.pid}/task").glob("*/children")
        children = {child for task in tasks for child in task.read_text().split()}
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) in (0, -signal.SIGTERM)
    workers = [child for child in children if _is_worker(child)]
    assert not workers


def _is_worker(pid: str) -> bool:
    try:
        return b"seealike.service.longwork.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def test_what_was_found_before_a_catalogue_was_put_back_is_not_said_of_it(
    work: LongWork, workers: Workers
) -> None:
    workers.may_end()
    _until(lambda: isinstance(work.ask("one", 1, places="before"), Found))
    assert work.ask("one", 1, places="put back") == UnderWay()
    _until(lambda: isinstance(work.ask("one", 1, places="put back"), Found))
    assert workers.begun == ["one", "one"]


def test_work_imports_nothing_from_the_folder_that_the_service_was_started_in(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "orjson.py").write_text("open('imported', 'w').close()\nraise SystemExit\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    work = LongWork(shop / "catalog")
    try:
        generation = 0
        with seealike.open(shop / "catalog") as opened:
            generation = opened.generation
        _until(lambda: isinstance(work.ask("duplicates-exact", generation), Found))
    finally:
        work.close()
    assert not (tmp_path / "imported").exists()
