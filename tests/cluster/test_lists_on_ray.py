"""Lists over shards on a cluster of two nodes: those of one catalogue, also where a node dies."""

from __future__ import annotations

import os
import random
import threading
import time
from pathlib import Path

import pytest
from tests.cluster.conftest import Nodes
from tests.seeds import SEED
from tests.unit.test_listing import ITEMS, embedded_lists
from tests.unit.test_listing import shards as shards  # noqa: PLC0414  a fixture

from seealike import SearchOptions, SimilarList
from seealike.errors import SeealikeError
from seealike.listing import lists_of_shards

pytest.importorskip("ray", reason="the extra 'ray' is not installed")
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(900)]


def lists_on_ray(shards: Path) -> list[SimilarList]:
    with lists_of_shards(shards, 5, on="ray", part_vectors=30) as lists:
        return sorted(lists, key=lambda one: one.id)


def test_two_nodes_make_the_lists_of_one_catalogue(
    nodes: Nodes, shards: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(nodes.alive) == 2
    files = {file.name for file in shards.iterdir()}
    monkeypatch.chdir(shards.parent)  # nodes are elsewhere
    assert lists_on_ray(Path(shards.name)) == embedded_lists(shards, 5, SearchOptions())
    assert {file.name for file in shards.iterdir()} == files


def test_a_node_that_is_killed_in_the_middle_costs_nothing(nodes: Nodes, shards: Path) -> None:
    found: list[int] = []

    def kill() -> None:
        while len(found) < ITEMS and not found:
            found.extend([1] * sum(1 for file in shards.glob("found-*")))
            time.sleep(0.01)
        nodes.kill(random.Random(SEED))

    killing = threading.Thread(target=kill)
    killing.start()
    try:
        made = lists_on_ray(shards)
    finally:
        found.append(1)
        killing.join()
    assert made == embedded_lists(shards, 5, SearchOptions())


def test_what_a_node_cannot_read_is_told_in_one_line(nodes: Nodes, shards: Path) -> None:
    assert nodes.alive
    lists = lists_of_shards(shards, 5, on="ray")
    next(shards.glob("*.parquet")).unlink()
    with pytest.raises(SeealikeError, match=f"{os.uname().nodename}: .* any more"):
        list(lists)
