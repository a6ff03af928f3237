"""What an actor does on its node, without Ray."""

from __future__ import annotations

import os

import pytest

from seealike.cluster import Task, WorkActor


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
