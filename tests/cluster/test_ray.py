"""Pictures embedded on a cluster of two nodes, each with processes of its own, both on this machine."""

from __future__ import annotations

import hashlib
import importlib
import os
import random
import shutil
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from tests.cluster.conftest import Nodes
from tests.pictures import write_pictures
from tests.seeds import SEED
from tests.unit.test_embedding import content

import seealike
from seealike import EmbedOptions, EmbedReport, Progress, cluster
from seealike.embedding import parts
from seealike.embedding.setup import Setup
from seealike.embedding.work import Task
from seealike.errors import SeealikeError, UsageError
from seealike.shards import Shards
from seealike.testing import FakeEncoder

ray = pytest.importorskip("ray", reason="the extra 'ray' is not installed")
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(900)]
MOST_MEMORY = 600 * 10**6


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("LEAST", 4), ("USUAL", 20), ("MOST", 40)):
        monkeypatch.setattr(parts, name, value)


def photos_in(tmp_path: Path, count: int) -> Path:
    folder = tmp_path / "photos"
    write_pictures(folder, range(count))
    (folder / "empty.jpg").touch()
    return folder


def embedded(photos: Path, output: Path, progress: object = None) -> EmbedReport:
    return seealike.embed(photos, output, options=EmbedOptions(on="ray"), progress=progress)  # type: ignore[arg-type]


def actors() -> list[psutil.Process]:
    """The processes of actors, as Ray calls them."""
    found = psutil.process_iter(["cmdline"])
    return [one for one in found if "ray::WorkActor" in " ".join(one.info["cmdline"] or ())]


def with_children(process: psutil.Process) -> int:
    """The memory of a process and of those that it started, what they share counted once."""
    total = 0
    for one in [process, *process.children(recursive=True)]:
        try:
            total += one.memory_full_info().pss
        except psutil.NoSuchProcess:
            continue
    return total


def test_two_nodes_make_the_shards_that_one_machine_makes(nodes: Nodes, tmp_path: Path) -> None:
    photos = photos_in(tmp_path, 200)
    most, seen = [0], set[int]()

    def watch(_: Progress) -> None:
        for actor in actors():
            seen.add(actor.pid)
            most[0] = max(most[0], with_children(actor))

    report = embedded(photos, tmp_path / "shards", watch)
    assert (report.embedded, report.skipped_count) == (200, 1)
    assert len(seen) == 2, "each node has an actor"
    assert 0 < most[0] < MOST_MEMORY
    assert embedded(photos, tmp_path / "shards").written == 0
    assert seealike.embed(photos, tmp_path / "here").shards == report.shards
    names = [[entry.name for entry in Shards(str(tmp_path / name)).entries] for name in ("shards", "here")]
    assert names[0] == names[1]
    for name, source in (("c", tmp_path / "shards"), ("direct", photos)):
        with seealike.create(tmp_path / name) as catalog:
            catalog.index(source)
    assert content(tmp_path / "c") == content(tmp_path / "direct")
    ended_s = time.monotonic() + 60  # a busy machine takes a while to end a process
    while actors() and time.monotonic() < ended_s:
        time.sleep(0.2)
    assert not actors()


def test_a_cluster_may_be_joined_from_outside(nodes: Nodes, tmp_path: Path) -> None:
    photos, done = photos_in(tmp_path, 200), list[int]()

    def kill(progress: Progress) -> None:
        done.append(progress.done)
        if len(done) == 2:
            nodes.kill(random.Random(SEED))

    options = EmbedOptions(on=nodes.client_address)
    assert seealike.embed(photos, tmp_path / "shards", options=options, progress=kill).embedded == 200
    check_all_there(tmp_path / "shards", photos)


def test_the_rows_of_a_table_get_their_own_pictures(nodes: Nodes, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    data = [path.read_bytes() for path in write_pictures(tmp_path / "photos", range(200))]
    table = tmp_path / "t.parquet"
    pq.write_table(pa.table({"image": data}), table, row_group_size=25)
    assert embedded(table, tmp_path / "shards").embedded == 200
    found = {row.id: row.sha256 for row in Shards(str(tmp_path / "shards"))}
    assert found == {f"t.parquet/{n}": hashlib.sha256(one).digest() for n, one in enumerate(data)}


def test_a_node_that_is_killed_in_the_middle_costs_nothing(nodes: Nodes, tmp_path: Path) -> None:
    photos = photos_in(tmp_path, 300)
    done: list[int] = []

    def kill(progress: Progress) -> None:
        done.append(progress.done)
        if len(done) == 4:
            nodes.kill(random.Random(SEED))

    report = embedded(photos, tmp_path / "shards", kill)
    assert report.embedded == 300
    check_all_there(tmp_path / "shards", photos)


def check_all_there(shards: Path, photos: Path) -> None:
    rows = list(Shards(str(shards)))
    assert sorted(row.id for row in rows) == sorted(os.listdir(photos))
    assert sum(row.vector is not None for row in rows) == len(rows) - 1
    names = {entry.name for entry in Shards(str(shards)).entries}
    assert {path.name for path in shards.glob("*.parquet")} == names


@pytest.mark.heavy
@pytest.mark.timeout(2400)
def test_nodes_that_come_and_go_twenty_times_lose_nothing(nodes: Nodes, tmp_path: Path) -> None:
    rng = random.Random(SEED)
    photos = photos_in(tmp_path, 1000)
    stop = threading.Event()
    kills = 0

    def kill() -> None:
        nonlocal kills
        while not stop.wait(rng.uniform(0.0, 3.0)):
            if len(nodes.alive) > 1:
                nodes.kill(rng)
                kills += 1

    def replace(_: Progress) -> None:
        if len(nodes.alive) < 2:
            nodes.add()

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        while kills < 20:
            shards = tmp_path / f"shards{kills}"
            assert embedded(photos, shards, replace).embedded == 1000
            check_all_there(shards, photos)
            shutil.rmtree(shards)
            replace(Progress("", 0, None))
            assert killer.is_alive()
    finally:
        stop.set()
        killer.join()


def occupied(node_id: str) -> object:
    """Who takes the whole of a node for as long as this is held; nobody where the node died a moment ago."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    class Other:
        def is_here(self) -> bool:
            return True

    strategy = NodeAffinitySchedulingStrategy(node_id, soft=False)
    other = ray.remote(Other).options(num_cpus=1, scheduling_strategy=strategy).remote()
    with suppress(ray.exceptions.RayError):
        assert ray.get(other.is_here.remote())
        return other
    return None


def test_a_node_that_is_busy_with_something_else_gets_no_work(
    nodes: Nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = photos_in(tmp_path, 60)
    ray.init(address=nodes.address, log_to_driver=False, logging_level="ERROR")
    try:
        workers = [one["NodeID"] for one in ray.nodes() if one["Alive"] and one["Resources"].get("CPU")]
        busy = filter(None, map(occupied, workers))
        held = [next(busy)]
        assert embedded(photos, tmp_path / "shards").embedded == 60, "the other node does it all"
        held += busy
        assert len(held) == 2
        monkeypatch.setattr(cluster, "WITHOUT_NODES_S", 5.0)
        with pytest.raises(
            SeealikeError, match=r"no node of the cluster takes work .it has none, or all are busy.; the same"
        ):
            embedded(photos, tmp_path / "others")
    finally:
        ray.shutdown()
    assert embedded(photos, tmp_path / "others").embedded == 60


def test_an_actor_gets_a_gpu_where_its_node_has_one(nodes: Nodes) -> None:
    nodes.add(gpus=1)  # Ray only counts them
    pause_s, tasks = 0.5, (Task(number, parts.Part(str(number), ())) for number in range(12))

    def prepared() -> Callable[[Task], tuple[str, str]]:
        def seen(_: Task) -> tuple[str, str]:
            time.sleep(pause_s)
            node = str(ray.get_runtime_context().get_node_id())
            return node, os.environ.get("CUDA_VISIBLE_DEVICES", "")

        return seen

    found = set(cluster.done_on("ray", prepared, tasks))
    assert len(found) == len({node for node, _ in found}) >= 2
    assert [gpu for _, gpu in found].count("0") == 1


class Foreign:
    """What a node cannot load, as where seealike is not installed."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return importlib.import_module, ("not_installed_here",)


def test_a_node_on_which_nothing_is_installed_is_told(nodes: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "WITHOUT_NODES_S", 8.0)
    task = Task(0, parts.Part("x", ()))
    with pytest.raises(SeealikeError, match=r"takes work \(.*No module named 'not_installed_here'\)"):
        list(cluster.done_on("ray", Foreign(), iter([task])))  # type: ignore[arg-type]


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_a_cluster_that_is_not_there_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"{scheme}127.0.0.1:{free.getsockname()[1]}"
    monkeypatch.setenv("RAY_ADDRESS", address)
    options = EmbedOptions(on="ray" if not scheme else address)
    with pytest.raises(SeealikeError, match=rf"^the Ray cluster at {address} does not answer .*refused"):
        seealike.embed(photos_in(tmp_path, 1), tmp_path / "shards", options=options)


def test_what_cannot_be_on_a_cluster_is_said_before_it_is_asked(tmp_path: Path) -> None:
    photos = photos_in(tmp_path, 1)
    with pytest.raises(UsageError, match=r"an encoder that is an object stays here"):
        seealike.embed(photos, tmp_path / "s", encoder=FakeEncoder(), options=EmbedOptions(on="ray"))
    with pytest.raises(UsageError, match=r"--on ray starts Ray here"):
        seealike.embed(photos, tmp_path / "s", options=EmbedOptions(on="spark"))


def test_what_goes_wrong_on_a_node_ends_the_run_with_one_line(
    nodes: Nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = photos_in(tmp_path, 30)
    real = Setup

    def elsewhere(*arguments: object) -> Setup:
        made = real(*arguments)  # type: ignore[arg-type]
        return real(made.encoder, made.identity, made.limits, "/nowhere", made.earlier, made.root, made.again)

    monkeypatch.setattr("seealike.embedding.run.Setup", elsewhere)
    with pytest.raises(
        SeealikeError, match=r"/nowhere is another folder on this node; name one that all share"
    ):
        embedded(photos, tmp_path / "shards")
