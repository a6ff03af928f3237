"""Work on a Ray cluster: actors on every node, each ready for one kind of task.

A plain pool: what is to be done goes to whoever is free, so that no more tasks are read than are under way.
What a node that died was doing is done by another; a node that joins gets work. A node that is busy with
something else gets none until it has room.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from seealike.errors import MissingExtraError, SeealikeError, UsageError

if TYPE_CHECKING:
    from ray import ObjectRef

RAY = "ray"
ADDRESS = "ray://"
CPUS = 8  # of a node for an actor; a node with more has several
TRIES = 10  # of one task, each on an actor that then died
WITHOUT_NODES_S = 60.0
LOOK_S = 2.0  # how often nodes are counted
CONNECT_S = 10.0  # for somebody to take a connection


@dataclass(frozen=True, slots=True)
class Failed:
    """What stops a whole run, as an actor tells it: its errors do not travel."""

    message: str


class Task(Protocol):
    """Something to be done by one worker."""

    @property
    def number(self) -> int:
        """Which of them it is."""

    @property
    def name(self) -> str:
        """How messages call it."""


TaskT = TypeVar("TaskT", bound=Task)
ResultT = TypeVar("ResultT")
Task_contra = TypeVar("Task_contra", contravariant=True)
Result_co = TypeVar("Result_co", covariant=True)


class WorkActor(Generic[TaskT, ResultT]):
    """What runs on a node: gets ready when the first task comes, and does one after the other."""

    def __init__(self, prepared: Callable[[], Callable[[TaskT], ResultT]], cores: tuple[int, ...]) -> None:
        """Nothing heavy is loaded yet.

        Args:
            prepared: gives what does tasks; it travels to the node.
            cores: those to keep to, of what the node may use, where another actor has others; empty: all.
        """
        if cores and hasattr(os, "sched_setaffinity"):
            usable = sorted(os.sched_getaffinity(0))  # in a container not always the first ones
            os.sched_setaffinity(0, [usable[core % len(usable)] for core in cores])
        self._prepared = prepared
        self._guard = threading.Lock()
        self._do: Callable[[TaskT], ResultT] | None = None

    def wake(self) -> None:
        """Tell that there is room here: an actor for which there is none yet cannot."""

    def do(self, task: TaskT) -> ResultT | Failed:
        """Do a task."""
        try:
            with self._guard:
                if self._do is None:
                    self._do = self._prepared()
            return self._do(task)
        except SeealikeError as exc:
            return Failed(f"{socket.gethostname()}: {exc}")


class _Call(Protocol):
    def remote(self) -> ObjectRef[None]: ...


class _Method(Protocol[Task_contra, Result_co]):
    def remote(self, task: Task_contra, /) -> ObjectRef[Result_co | Failed]: ...


class _Actor(Protocol[Task_contra, Result_co]):
    """A handle of a ``WorkActor``."""

    @property
    def wake(self) -> _Call: ...

    @property
    def do(self) -> _Method[Task_contra, Result_co]: ...


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


def done_on(
    address: str,
    prepared: Callable[[], Callable[[TaskT], ResultT]],
    tasks: Iterator[TaskT],
    *,
    at_once: int = 1,
) -> Iterator[ResultT]:
    """Do all tasks on a cluster, and yield what each gives, in whatever order they are done.

    Args:
        address: of the cluster; see ``check_cluster``.
        prepared: called once by every actor, on its node: gives what does tasks.
        tasks: read as they are given out.
        at_once: how many an actor has at a time.

    Raises:
        SeealikeError: a task cannot be done on a node, or there is no node.
    """
    first = next(tasks, None)
    if first is None:  # nothing to ask a cluster for
        return
    try:
        with _connected(address):
            pool = _Pool(prepared, at_once)
            try:
                yield from pool.run(chain([first], tasks))
            finally:
                pool.close()
    except ConnectionError as exc:
        raise _lost(address, "does not answer any more", exc) from exc


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
        _check_answers(_where(address))
        if here:
            ray.init(include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        else:
            join = address if address != RAY else "auto"
            ray.init(address=join, log_to_driver=False, logging_level="ERROR")
    except (OSError, RuntimeError, ValueError) as exc:
        raise _lost(address, "does not answer", exc) from exc
    try:
        yield
    finally:
        ray.shutdown()


def _where(address: str) -> str:
    return address if address != RAY else os.environ.get("RAY_ADDRESS", "this machine")


def _check_answers(where: str) -> None:
    """Fail at once where nobody takes connections: Ray itself would try for a quarter of an hour.

    Raises:
        OSError: nobody does.
    """
    host, _, port = where.removeprefix(ADDRESS).rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_S).close()


def _lost(address: str, what: str, exc: Exception) -> SeealikeError:
    told = (str(exc) or type(exc).__name__).splitlines()[0]
    return SeealikeError(
        f"the Ray cluster at {_where(address)} {what} ({told}); the same command goes on later"
    )


class _Pool(Generic[TaskT, ResultT]):
    """The actors, and what each is doing."""

    def __init__(self, prepared: Callable[[], Callable[[TaskT], ResultT]], at_once: int) -> None:
        self._prepared, self._at_once = prepared, at_once
        self._actors: dict[tuple[str, int], _Actor[TaskT, ResultT]] = {}  # by the node and the place on it
        self._waking: dict[ObjectRef[None], tuple[str, int]] = {}
        self._doing: dict[ObjectRef[ResultT | Failed], tuple[tuple[str, int], TaskT]] = {}
        self._again: deque[TaskT] = deque()
        self._tries = Counter[int]()
        self._looked_s, self._alone_s, self._why = -LOOK_S, time.monotonic(), "it has none, or all are busy"

    def run(self, tasks: Iterator[TaskT]) -> Iterator[ResultT]:
        """Give out the tasks and yield what comes back."""
        import ray

        while self._give_out(tasks) or self._doing:
            if not (self._doing or self._waking):
                time.sleep(LOOK_S / 4)
                continue
            done, _ = ray.wait([*self._doing, *self._waking], num_returns=1, timeout=LOOK_S)
            for ref in done:
                if ref in self._waking:
                    self._woken(ref)
                else:
                    yield from self._results(ref)

    def _give_out(self, tasks: Iterator[TaskT]) -> bool:
        """Give every actor what it can take; whether there is more to be done.

        Raises:
            SeealikeError: for long there has been no actor.
        """
        self._look_for_nodes()
        if len(self._actors) > len(self._waking):
            self._alone_s = time.monotonic()
        elif time.monotonic() - self._alone_s > WITHOUT_NODES_S:
            raise SeealikeError(
                f"no node of the cluster takes work ({self._why}); the same command goes on later"
            )
        for place in self._free():
            task = self._again.popleft() if self._again else next(tasks, None)
            if task is None:
                return False
            self._doing[self._actors[place].do.remote(task)] = place, task
        return True

    def close(self) -> None:
        """End the actors, whatever they are doing: a shard is there whole or not at all."""
        for place in list(self._actors):
            self._forget(place)

    def _free(self) -> list[tuple[str, int]]:
        """The actors that can take a part, each as often as it can, those with least to do first."""
        busy = Counter(place for place, _ in self._doing.values())
        awake = self._actors.keys() - set(self._waking.values())
        turns = [(turn, place) for place in awake for turn in range(busy[place], self._at_once)]
        return [place for _, place in sorted(turns)]

    def _woken(self, ref: ObjectRef[None]) -> None:
        """Know that an actor has room, or cannot work there."""
        import ray

        place = self._waking.pop(ref)
        try:
            ray.get(ref)
        except ray.exceptions.RayError as exc:
            self._why = str(exc).strip().splitlines()[-1]
            self._forget(place)

    def _results(self, ref: ObjectRef[ResultT | Failed]) -> Iterator[ResultT]:
        """What has become of a task; nothing where it must be done again."""
        import ray

        place, task = self._doing.pop(ref)
        try:
            found: ResultT | Failed = ray.get(ref)
        except ray.exceptions.RayTaskError as exc:
            raise SeealikeError(f"{task.name} cannot be done: {exc.cause}") from exc
        except ray.exceptions.RayError as exc:
            self._forget(place)
            self._again.append(task)
            self._tries[task.number] += 1
            if self._tries[task.number] >= TRIES:
                raise SeealikeError(f"{TRIES} actors died of {task.name}") from exc
            return
        if isinstance(found, Failed):
            raise SeealikeError(found.message)
        yield found

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
            gpus = int(node["Resources"].get("GPU", 0))  # hidden from whoever does not ask for one
            size = min(CPUS, cpus)
            for number in range(cpus // size if size else 0):
                place = node["NodeID"], number
                if place in self._actors:
                    continue
                several = range(number * size, (number + 1) * size) if cpus >= 2 * size else ()
                strategy = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
                actor = self._actors[place] = (
                    ray.remote(WorkActor)
                    .options(
                        num_cpus=size,
                        num_gpus=int(number < gpus),
                        max_concurrency=self._at_once,
                        scheduling_strategy=strategy,
                    )
                    .remote(self._prepared, tuple(several))
                )
                self._waking[actor.wake.remote()] = place
