"""Shards made on a Ray cluster: an actor on every node, each with an embedder of its own.

A plain pool: what is to be done goes to whoever is free, two parts at a time, so that no more of the source
is read than is under way. What a node that died was doing is done by another; a node that joins gets work.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Protocol

from seealike.catalog import LocalEmbedder, NamedEncoder
from seealike.embedding.reading import PictureReader
from seealike.embedding.work import Made, ShardMaker, Task
from seealike.errors import MissingExtraError, SeealikeError, SourceError, UsageError
from seealike.images import DecodeLimits
from seealike.shards import open_place, read_manifest
from seealike.types import EncoderIdentity, SkipReason

if TYPE_CHECKING:
    from ray import ObjectRef

RAY = "ray"
ADDRESS = "ray://"
CPUS = 8  # of a node for an actor; a node with more has several
UNDER_WAY = 2  # parts that an actor has at a time: one is read while the other is written
TRIES = 10  # of one part, each on an actor that then died
WITHOUT_NODES_S = 60.0
LOOK_S = 2.0  # how often nodes are counted


@dataclass(frozen=True, slots=True)
class Setup:
    """What an actor must know to make shards.

    Args:
        encoder: how it is asked for.
        identity: what it must be.
        limits: what one picture may cost.
        output, earlier: the places of the shards, and of those of an earlier run.
        root, again: as for ``ShardMaker``.
        workers: decoding processes; None: one a core of the actor.
    """

    encoder: str
    identity: EncoderIdentity
    limits: DecodeLimits
    output: str
    earlier: str
    root: str
    again: frozenset[SkipReason]
    workers: int | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """What stops a whole run, as an actor tells it: its errors do not travel."""

    message: str


class ShardActor:
    """What runs on a node: makes shards, and loads the encoder for the first of them."""

    def __init__(self, setup: Setup, cores: tuple[int, ...]) -> None:
        """Nothing heavy is loaded yet.

        Args:
            setup: what to make.
            cores: those to keep to, where the node has others for another actor; empty: all.
        """
        if cores and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, cores)
        self._setup = setup
        self._guard = threading.Lock()
        self._maker: ShardMaker | None = None

    def make(self, task: Task) -> Made | Failed:
        """Make the shard of a part."""
        try:
            return self._ready().make(task)
        except SeealikeError as exc:
            return Failed(f"{socket.gethostname()}: {exc}")

    def _ready(self) -> ShardMaker:
        with self._guard:
            if self._maker is None:
                setup = self._setup
                place = open_place(setup.output)
                manifest = read_manifest(place)
                if manifest is None:
                    raise SourceError(
                        f"{place.label} is another folder on this node; name one that all share, or s3://"
                    )
                named = NamedEncoder(setup.encoder, setup.limits)
                if named.identity != setup.identity:
                    raise SourceError(f"{setup.encoder} is another encoder on this node; install the same")
                embedder = LocalEmbedder(named, workers=setup.workers, limits=setup.limits)
                reader = PictureReader(setup.root, setup.limits)
                self._maker = ShardMaker(embedder, place, open_place(setup.earlier), reader, setup.again)
            return self._maker


class _Method(Protocol):
    def remote(self, task: Task) -> ObjectRef[Made | Failed]: ...


class _Actor(Protocol):
    """A handle of a ``ShardActor``."""

    make: _Method


def check_cluster(address: str) -> None:
    """Refuse what is no cluster.

    Raises:
        UsageError: it is neither ``ray`` nor an address of one.
        MissingExtraError: Ray is not installed.
    """
    if address != RAY and not address.startswith(ADDRESS):
        raise UsageError(
            f"--on {RAY} starts Ray here or takes RAY_ADDRESS, --on {ADDRESS}HEAD:10001 joins one"
        )
    try:
        import ray  # noqa: F401
    except ImportError as exc:
        raise MissingExtraError("a Ray cluster", "ray") from exc


def made_on(address: str, setup: Setup, tasks: Iterator[Task]) -> Iterator[Made]:
    """Make the shards of all tasks, in whatever order they are done.

    Raises:
        SeealikeError: no shard can be made on a node, or there is no node.
    """
    first = next(tasks, None)
    if first is None:  # nothing to ask a cluster for
        return
    with _connected(address):
        pool = _Pool(setup)
        try:
            yield from pool.run(chain([first], tasks))
        finally:
            pool.close()


@contextmanager
def _connected(address: str) -> Iterator[None]:
    """Ray, connected; what was not connected before is left alone afterwards."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported to anybody
    import ray

    if ray.is_initialized():
        yield
        return
    here = address == RAY and not os.environ.get("RAY_ADDRESS")
    try:
        if here:
            ray.init(include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        else:
            join = address if address != RAY else "auto"
            ray.init(address=join, log_to_driver=False, logging_level="ERROR")
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as exc:
        where = address if address != RAY else os.environ.get("RAY_ADDRESS", "this machine")
        raise SeealikeError(f"no Ray cluster answers at {where}: {str(exc).splitlines()[0]}") from exc
    try:
        yield
    finally:
        ray.shutdown()


class _Pool:
    """The actors, and what each is doing."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._actors: dict[tuple[str, int], _Actor] = {}  # by the node and the place on it
        self._doing: dict[ObjectRef[Made | Failed], tuple[tuple[str, int], Task]] = {}
        self._again: deque[Task] = deque()
        self._tries = Counter[int]()
        self._looked_s, self._alone_s = -LOOK_S, time.monotonic()

    def run(self, tasks: Iterator[Task]) -> Iterator[Made]:
        """Give out the tasks and yield what comes back."""
        import ray

        while self._give_out(tasks) or self._doing:
            if not self._doing:
                time.sleep(LOOK_S / 4)
                continue
            done, _ = ray.wait(list(self._doing), num_returns=1, timeout=LOOK_S)
            yield from filter(None, map(self._result, done))

    def _give_out(self, tasks: Iterator[Task]) -> bool:
        """Give every actor what it can take; whether there is more to be done.

        Raises:
            SeealikeError: for long there has been no actor.
        """
        self._look_for_nodes()
        if self._actors:
            self._alone_s = time.monotonic()
        elif time.monotonic() - self._alone_s > WITHOUT_NODES_S:
            raise SeealikeError("the cluster has no node that takes work; the same command goes on later")
        for place in self._free():
            task = self._again.popleft() if self._again else next(tasks, None)
            if task is None:
                return False
            self._doing[self._actors[place].make.remote(task)] = place, task
        return True

    def close(self) -> None:
        """End the actors, whatever they are doing: a shard is there whole or not at all."""
        for place in list(self._actors):
            self._forget(place)

    def _free(self) -> list[tuple[str, int]]:
        """The actors that can take a part, each as often as it can, those with least to do first."""
        busy = Counter(place for place, _ in self._doing.values())
        turns = [(turn, place) for place in self._actors for turn in range(busy[place], UNDER_WAY)]
        return [place for _, place in sorted(turns)]

    def _result(self, ref: ObjectRef[Made | Failed]) -> Made | None:
        """What has become of a task; None where it must be done again."""
        import ray

        place, task = self._doing.pop(ref)
        try:
            found: Made | Failed = ray.get(ref)
        except ray.exceptions.RayTaskError as exc:
            raise SeealikeError(f"a shard cannot be made: {exc.cause}") from exc
        except ray.exceptions.RayError as exc:
            self._forget(place)
            self._again.append(task)
            self._tries[task.number] += 1
            if self._tries[task.number] >= TRIES:
                first = task.part.first
                raise SeealikeError(f"{TRIES} actors died of the part that begins with {first!r}") from exc
            return None
        if isinstance(found, Failed):
            raise SeealikeError(found.message)
        return found

    def _forget(self, place: tuple[str, int]) -> None:
        import ray

        actor = self._actors.pop(place, None)
        if actor is not None:
            ray.kill(actor)

    def _look_for_nodes(self) -> None:
        """Start an actor where a node lacks one."""
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        now_s = time.monotonic()
        if now_s - self._looked_s < LOOK_S:
            return
        self._looked_s = now_s
        for node in ray.nodes():
            cpus = int(node["Resources"].get("CPU", 0)) if node["Alive"] else 0
            size = min(CPUS, cpus)
            for number in range(cpus // size if size else 0):
                place = node["NodeID"], number
                if place in self._actors:
                    continue
                several = range(number * size, (number + 1) * size) if cpus >= 2 * size else ()
                strategy = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
                self._actors[place] = (
                    ray.remote(ShardActor)
                    .options(num_cpus=size, max_concurrency=UNDER_WAY, scheduling_strategy=strategy)
                    .remote(self._setup, tuple(several))
                )
