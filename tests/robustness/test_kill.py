"""``kill -9`` at random moments: nothing acknowledged is lost or doubled, nothing deleted comes back."""

from __future__ import annotations

import json
import os
import queue
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any, cast

import psutil
import pytest
from tests.robustness.herd import Herd, Tags, committed, content, tag
from tests.robustness.replacing import VECTOR_BYTES, item
from tests.robustness.victim import ANN_THRESHOLD
from tests.seeds import SEED

import seealike
from seealike import IndexOptions
from seealike.catalog import ann
from seealike.catalog.sync import job as sync
from seealike.store import DATABASE_NAME, FileSystem, SqliteStore, StoreWriter
from seealike.testing import FakeEncoder

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(os.name == "nt", reason="process groups and SIGKILL")


class Victim:
    """The child process, and the last that it said a reader can see."""

    def __init__(self, catalog: Path, folder: Path, temporary: Path) -> None:
        self._popen = subprocess.Popen(
            [sys.executable, "-m", "tests.robustness.victim", str(catalog), str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "TMPDIR": str(temporary)},
            start_new_session=True,
        )
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def order(self, order: dict[str, Any]) -> None:
        """Tell it what to do."""
        assert self._popen.stdin is not None
        self._popen.stdin.write(json.dumps(order) + "\n")
        self._popen.stdin.flush()

    def hear(self, deadline: float) -> dict[str, Any] | None:
        """The next thing it says; ``None`` if it is silent until the deadline.

        Raises:
            AssertionError: it died by itself.
        """
        try:
            line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            return None
        assert line is not None, f"the victim died by itself: {self._popen.wait()}"
        return cast(dict[str, Any], json.loads(line))

    def kill(self, *, whole_group: bool) -> list[dict[str, Any]]:
        """Kill it, or everything in its group; the last words that were still in the pipe."""
        family = psutil.Process(self._popen.pid).children(recursive=True)
        if whole_group:
            os.killpg(self._popen.pid, signal.SIGKILL)
        else:
            self._popen.kill()
        self._popen.wait()
        self._reader.join()
        for stream in (self._popen.stdin, self._popen.stdout):
            if stream is not None:
                try:
                    stream.close()
                except BrokenPipeError:
                    continue
        _, alive = psutil.wait_procs(family, timeout=500)
        assert not alive, "decoding processes outlived the process that started them"
        words = []
        while not self._lines.empty():
            line = self._lines.get()
            if line is not None and line.endswith("\n"):
                words.append(cast(dict[str, Any], json.loads(line)))
        return words

    def _read(self) -> None:
        assert self._popen.stdout is not None
        for line in self._popen.stdout:
            self._lines.put(line)
        self._lines.put(None)


class Hunt:
    """Kills one victim after the other over the same catalogue, and looks at what is left each time."""

    def __init__(self, tmp_path: Path, seed: int) -> None:
        self._rng = random.Random(seed)
        self._herd = Herd(tmp_path / "photos", self._rng, 30)
        self._catalog, self._temporary = tmp_path / "catalog", tmp_path / "tmp"
        self._extra = tmp_path / "extra"
        self._temporary.mkdir()
        self._extra.mkdir()
        self._acknowledged: Tags = {}
        self._ever: dict[str, set[str]] = {}  # every vector an id has rightly had
        self._order: dict[str, Any] | None = None
        self.met: Counter[str] = Counter()  # what was under way when the victim was killed
        seealike.create(self._catalog, encoder=FakeEncoder()).close()

    def round(self) -> None:
        """One victim's life."""
        victim = Victim(self._catalog, self._herd.folder, self._temporary)
        when = self._rng.choices(("young", "later", "commit", "ann"), (1, 4, 4, 3))[0]
        deadline = time.monotonic() + (self._rng.uniform(0.1, 1.0) if when == "young" else 60.0)
        commits = self._rng.randint(1, 12)
        self._order = None
        while (message := victim.hear(deadline)) is not None:
            self._note(message)
            commits -= "committed" in message
            if when == "later":
                when, deadline = "", time.monotonic() + self._rng.uniform(0.0, 1.2)
            if (when == "commit" and not commits) or (when == "ann" and message.get("ann") == 0):
                when, deadline = "", time.monotonic() + self._rng.uniform(0.0, 0.03)
            if self._order is None:
                self._order = self._next_order()
                victim.order(self._order)
        for message in victim.kill(whole_group=self._rng.random() < 0.5):
            self._note(message)
        self.met[self._order["do"] if self._order else "nothing"] += 1
        self._check()

    def finish(self) -> None:
        """Nobody disturbs the last run: the catalogue equals the folder, and is tidy."""
        with seealike.open(self._catalog, encoder=FakeEncoder()) as catalog:
            catalog.index(self._herd.folder, options=IndexOptions(prune_missing=True, workers=2))
            report = catalog.verify()
            info = catalog.info()
        assert report.ok, report.findings
        found = committed(str(self._catalog))
        assert {name: value for name, value in found.items() if not name.startswith("by hand")} == (
            self._herd.tags()
        )
        self._acknowledged = found
        assert info.ann.state == "ready"
        kept = ("catalog.sqlite", "manifest.json", "writer.lock", "builder.lock", "ann-")
        assert [name for name in os.listdir(self._catalog) if not name.startswith(kept)] == []
        assert len(list(self._catalog.glob("ann-*"))) == 1

    def _next_order(self) -> dict[str, Any]:
        """Something to do; what there is to index is made ready."""
        kind = self._rng.choices(("index", "command", "remove", "add", "repair"), (6, 2, 2, 2, 1))[0]
        if kind == "remove" and self._acknowledged:
            ids = self._rng.sample(sorted(self._acknowledged), min(5, len(self._acknowledged)))
            return {"do": "remove", "ids": ids}
        if kind == "add":
            number = self._herd.next_number()
            path = self._extra / f"{number}.png"
            path.write_bytes(content(number))
            item_id = f"by hand {self._rng.randrange(5)}"
            self._ever.setdefault(item_id, set()).add(tag(number))
            return {"do": "add", "id": item_id, "path": str(path), "tag": tag(number)}
        if kind == "repair":
            return {"do": "repair"}
        self._herd.mutate()
        for name, value in self._herd.tags().items():
            self._ever.setdefault(name, set()).add(value)
        return {"do": "command" if kind == "command" else "index"}

    def _note(self, message: dict[str, Any]) -> None:
        if "committed" in message:
            self._acknowledged = message["committed"]
        elif "done" in message:
            self._order = None

    def _check(self) -> None:
        with seealike.open(self._catalog, encoder=FakeEncoder()) as catalog:
            count = len(catalog)
            report = catalog.verify()
        assert report.ok, report.findings
        found = committed(str(self._catalog))
        assert len(found) == count
        for item_id in found.keys() | self._acknowledged.keys():
            assert found.get(item_id) in self._allowed(item_id), item_id
            assert item_id not in found or found[item_id] in self._ever[item_id], item_id
        if self._order is not None and self._order["do"] == "remove":
            gone = set(self._order["ids"]) - found.keys()
            assert gone in (set(), set(self._order["ids"]))  # also where its commit was the last word
        assert list(self._temporary.iterdir()) == []
        assert not [name for name in os.listdir("/dev/shm") if "seealike" in name]
        self._acknowledged = found

    def _allowed(self, item_id: str) -> set[str | None]:
        """Which vectors the item may have; ``None`` for not being there."""
        before = self._acknowledged.get(item_id)
        order = self._order or {"do": "nothing"}
        match order["do"]:
            case "add" if order["id"] == item_id:
                return {before, order["tag"]}
            case "remove" if item_id in order["ids"]:
                return {before, None}
            case "index" | "command" if not item_id.startswith("by hand"):
                return {before, self._herd.tags().get(item_id)}
            case _:
                return {before}


def hunt(tmp_path: Path, seed: int, kills: int, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    monkeypatch.setattr(ann, "THRESHOLD", ANN_THRESHOLD)
    monkeypatch.setattr(sync, "COMMIT_ITEMS", 4)
    chase = Hunt(tmp_path, seed)
    for number in range(1, kills + 1):
        chase.round()
        if number % 10 == 0 or number == kills:
            chase.finish()
    print(chase.met)
    return chase.met


def test_kill_9_at_a_few_random_moments_loses_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hunt(tmp_path, SEED, 5, monkeypatch)


@pytest.mark.heavy
def test_kill_9_at_a_hundred_random_moments_loses_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    met = hunt(tmp_path, SEED, 100, monkeypatch)
    assert met["index"] + met["command"] > 20


@pytest.mark.heavy
def test_a_hundred_thousand_items_reopen_without_being_read_after_a_kill_in_a_large_transaction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "catalog")
    encoder = FakeEncoder(dimension=VECTOR_BYTES // 2)
    SqliteStore.create(path, encoder.identity, FileSystem()).close()
    writer = StoreWriter(os.path.join(path, DATABASE_NAME))
    for start in range(0, 100_000, 10_000):
        writer.add([item(number, 0) for number in range(start, start + 10_000)])
    writer.close()
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.robustness.replacing", path], stdout=subprocess.PIPE, cwd=ROOT
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"in the midst\n"
    child.kill()
    child.communicate()
    left = [os.path.getsize(os.path.join(path, name)) for name in os.listdir(path) if "sqlite-" in name]
    assert max(left) > 10_000_000  # there is something to undo

    with monkeypatch.context() as patched:
        for reading in ("items", "items_of", "vector_blocks", "vectors_of"):
            patched.setattr(SqliteStore, reading, None)
        with seealike.open(path, encoder=encoder) as catalog:
            assert len(catalog) == 100_000
    store = SqliteStore(path)
    vectors = b"".join(rows.tobytes() for _, rows in store.vector_blocks())
    store.close()
    assert vectors == b"".join(item(number, 0).vector for number in range(100_000))
