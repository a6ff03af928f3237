"""What is done with actors and on their nodes, without Ray."""

from __future__ import annotations

import os
from contextlib import nullcontext
from dataclasses import dataclass

import pytest

from seealike import cluster
from seealike.cluster import Task, WorkActor, done_on
from seealike.errors import SeealikeError


def does_nothing(task: Task) -> None:
    raise AssertionError(f"nobody asked for {task.name}")


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no system that binds processes to cores")
def test_an_actor_keeps_to_its_share_of_the_cores_that_its_node_may_use() -> None:
    usable = os.sched_getaffinity(0)
    last = max(usable)
    try:
        os.sched_setaffinity(0, {last})  # as a container with cores of its own
        WorkActor(lambda: does_nothing, (0,))
        assert os.sched_getaffinity(0) == {last}
        os.sched_setaffinity(0, usable)
        WorkActor(lambda: does_nothing, tuple(range(len(usable) - 1, len(usable))))
        assert os.sched_getaffinity(0) == {last}
    finally:
        os.sched_setaffinity(0, usable)


@dataclass(frozen=True)
class One:
    """A task."""

    number: int = 0
    name: str = "one"


def test_a_head_that_is_lost_in_the_middle_ends_the_run_with_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def lost(*_: object) -> None:
        raise ConnectionError("nobody there\nnor elsewhere")

    monkeypatch.setattr(cluster, "_connected", lambda _: nullcontext())
    for step in ("run", "close"):  # whichever is the first to notice
        with monkeypatch.context() as patched:
            patched.setattr(cluster._Pool, "run", lambda *_: iter(()))
            patched.setattr(cluster._Pool, step, lost)
            with pytest.raises(SeealikeError) as caught:
                list(done_on("ray://head:1", lambda: does_nothing, iter([One()])))
        assert str(caught.value) == (
            "the Ray cluster at ray://head:1 does not answer any more (nobody there); "
            "the same command goes on later"
        )
