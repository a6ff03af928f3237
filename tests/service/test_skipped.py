"""Files that are left out, and runs that go on, as a service tells them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.made_models import save_model
from tests.pictures import write_pictures
from tests.service.asgi import Client
from tests.service.conftest import wait_until_ready

import seealike
from seealike.catalog import ann
from seealike.catalog.sync import progress
from seealike.catalog.sync.progress import NotedProgress, indexing_in
from seealike.errors import StorageError, UsageError
from seealike.files import FileSystem
from seealike.indexes import build_snapshot
from seealike.service import ServiceOptions, create_app
from seealike.store import WriterLock, builder_lock
from seealike.types import Progress, SkipReason

BROKEN = 7
_RUN = """
import sys, seealike
from seealike.catalog.sync import progress
progress.EVERY_S = 0
def told(one):
    if one.stage == "index" and one.done == 0:
        print("at it", flush=True)
        sys.stdin.readline()
with seealike.open(sys.argv[1]) as catalog:
    catalog.index(sys.argv[2], progress=told)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalogue of two folders, with files that are none, or lead elsewhere."""
    folder = tmp_path_factory.mktemp("skipped")
    for name in ("one", "two"):
        write_pictures(folder / name, range(3))
        for number in range(BROKEN):
            (folder / name / f"broken {number}.jpg").write_bytes(b"" if number % 2 else b"text")
        (folder / name / "away.jpg").symlink_to("/etc/hostname")
    model = save_model(folder / "model.onnx")
    with seealike.create(folder / "catalog", encoder=f"onnx:{model}") as catalog:
        for name in ("one", "two"):
            catalog.index(folder / name, options=seealike.IndexOptions(prefix=f"{name}/"))
    return folder


@pytest.fixture(scope="module")
def asked(folder: Path) -> Iterator[Client]:
    """Somebody who asks it over HTTP."""
    with Client(create_app(folder / "catalog", ServiceOptions())) as client:
        wait_until_ready(client)
        yield client


def _pages(asked: Client, query: str) -> tuple[list[dict[str, str]], list[int]]:
    rows, totals = list[dict[str, str]](), list[int]()
    start: str | None = ""
    while start is not None:
        page = asked("GET", f"/skipped?start={start}&{query}").json
        rows += page["skipped"]
        totals.append(page["total"])
        start = page["next"]
    return rows, totals


@pytest.mark.parametrize("reason", [None, "empty_file", "not_an_image", "outside_root", "stalled"])
@pytest.mark.parametrize("limit", [1, 4, 1000])
def test_skipped_files_are_listed_once_whatever_the_page(
    asked: Client, folder: Path, reason: str | None, limit: int
) -> None:
    with seealike.open(folder / "catalog") as catalog:
        assert len(catalog.skipped()) == 2 * (BROKEN + 1)
        expected = [row for row in catalog.skipped() if reason in (None, row.reason.value)]
        whole = catalog.skipped_from("", 1000, reason=None if reason is None else SkipReason(reason))
        assert (whole.skipped, whole.total, whole.next) == (expected, len(expected), None)
    rows, totals = _pages(asked, f"limit={limit}" + ("" if reason is None else f"&reason={reason}"))
    assert [(row["id"], row["reason"]) for row in rows] == [(row.id, row.reason.value) for row in expected]
    assert set(totals) == {len(expected)}


def test_a_detail_says_why_but_names_no_place_of_the_machine(asked: Client, folder: Path) -> None:
    rows, _ = _pages(asked, "limit=100")
    details = {row["reason"]: row["detail"] for row in rows}
    assert details["outside_root"] == "a link to …"
    assert len(details["empty_file"]) > 5
    for each in ("/skipped", "/stats"):
        body = asked("GET", each).body.decode()
        assert str(folder) not in body
        assert "/etc" not in body


def test_what_is_no_place_in_the_list_is_refused(asked: Client, folder: Path) -> None:
    for start in ("x", "bm9uZQ", "W10", "WzEsICJhIiwgIngiXQ", "WzEsIDIsICIiXQ", "%C3%A9", "e30"):
        reply = asked("GET", f"/skipped?start={start}")
        assert (reply.status, reply.json["code"]) == (422, "invalid_query")
    assert asked("GET", "/skipped?reason=bad").json["code"] == "invalid_request"
    with seealike.open(folder / "catalog") as catalog, pytest.raises(UsageError, match="leave it out"):
        catalog.skipped_from("x")


# -- runs that go on -------------------------------------------------------------------------------


@pytest.mark.parametrize("killed", [False, True])
def test_a_run_in_another_process_is_told_while_it_goes_on(
    folder: Path, asked: Client, *, killed: bool
) -> None:
    write_pictures(folder / "more", range(10, 14))
    assert asked("GET", "/stats").json["indexing"] is None
    command = [sys.executable, "-c", _RUN, str(folder / "catalog"), str(folder / "more")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "at it\n"
        assert asked("GET", "/stats").json["indexing"]["stage"] in {"scan", "compare"}
        if killed:
            run.send_signal(signal.SIGKILL)
        run.communicate("\n")
    assert (folder / "catalog" / "progress.json").exists() == killed
    assert asked("GET", "/stats").json["indexing"] is None
    with seealike.open(folder / "catalog") as catalog:
        catalog.index(folder / "more")
        assert not (folder / "catalog" / "progress.json").exists()
        catalog.forget(folder / "more")


def test_a_note_is_believed_only_of_the_process_that_holds_the_lock(tmp_path: Path) -> None:
    lock = WriterLock(str(tmp_path))
    note = {"pid": os.getpid(), "stage": "index", "done": 30, "total": 90, "took_s": 3.0}
    path = tmp_path / "progress.json"
    path.write_text(json.dumps(note))
    assert indexing_in(str(tmp_path)) is None
    lock.acquire(1)
    try:
        found = indexing_in(str(tmp_path))
        assert found is not None
        assert (found.stage, found.done, found.total, found.rate, found.left_s) == ("index", 30, 90, 10, 6)
        path.write_text(json.dumps(note | {"total": None, "done": 0}))
        found = indexing_in(str(tmp_path))
        assert found is not None
        assert (found.rate, found.left_s) == (None, None)
        path.write_text(json.dumps(note | {"pid": os.getpid() + 1}))
        assert indexing_in(str(tmp_path)) is None
        for damaged in ("", "[]", "{}", '{"pid": 1', json.dumps(note | {"done": "x"})):
            path.write_text(damaged)
            assert indexing_in(str(tmp_path)) is None
    finally:
        lock.release()


@pytest.mark.parametrize("full", [False, True])
def test_progress_is_noted_once_a_second_and_a_full_disk_is_no_reason_to_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, full: bool
) -> None:
    class Counting(FileSystem):
        def write(self, path: str, data: bytes, *, follow: bool = True, durable: bool = True) -> None:
            writes.append(path)
            if full:
                raise StorageError(path, "no space left")
            super().write(path, data, follow=follow, durable=durable)

    now_s, writes, told = [100.0], list[str](), list[Progress]()
    monkeypatch.setattr("seealike.catalog.sync.progress.time.monotonic", lambda: now_s[0])
    with NotedProgress(str(tmp_path), Counting(), told.append) as noted:
        for tenth in range(35):
            now_s[0] += 0.1
            noted(Progress("index", tenth, 35))
            assert told[-1] == Progress("index", tenth, 35)
    assert len(writes) == 4
    assert [*tmp_path.iterdir()] == []


def test_the_building_of_an_index_is_told_while_somebody_builds(tmp_path: Path) -> None:
    note = {"pid": os.getpid(), "stage": "ann", "done": 0, "total": 90, "took_s": 0.0}
    (tmp_path / "progress.json").write_text(json.dumps(note))
    assert indexing_in(str(tmp_path)) is None
    with builder_lock(str(tmp_path)) as alone:
        assert alone
        found = indexing_in(str(tmp_path))
        assert found is not None
        assert (found.stage, found.done, found.total, found.rate) == ("ann", 0, 90, None)


def test_an_index_that_is_built_is_told(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ann, "THRESHOLD", 5)
    told = list[tuple[str, str]]()
    with seealike.create(tmp_path / "catalog", encoder=f"onnx:{folder / 'model.onnx'}") as catalog:
        usual = build_snapshot

        def built(*given: Any, **named: Any) -> Any:  # noqa: ANN401
            found = catalog.indexing()
            told.append(("building", "" if found is None else found.stage))
            return usual(*given, **named)

        monkeypatch.setattr(ann, "build_snapshot", built)
        write_pictures(tmp_path / "photos", range(8))
        catalog.index(tmp_path / "photos")
        assert told == [("building", "ann")]
        assert catalog.indexing() is None


def test_a_reindex_is_told_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "EVERY_S", 0.0)
    other = save_model(folder / "other.onnx", seed=5)
    told = list[str]()

    def look(_: Progress) -> None:
        with seealike.open(folder / "catalog") as catalog:
            found = catalog.indexing()
        if found is not None:
            told.append(found.stage)

    seealike.reindex(folder / "catalog", f"onnx:{other}", progress=look)
    assert {"scan", "index"} <= {*told}
