"""What tests of several machines need: an S3 server, and a cluster, both on this machine."""

from __future__ import annotations

import os
import random
import socket
import urllib.request
from collections.abc import Iterator

import pytest

import seealike

SECRET = "a-secret-that-no-file-holds"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests of this folder need sockets, and libraries that warn."""
    for item in items:
        if item.path.parent.name == "cluster":
            item.add_marker(pytest.mark.cluster)
            item.add_marker(pytest.mark.enable_socket)


@pytest.fixture(scope="session", autouse=True)
def own_group() -> None:
    """Ray ends processes by their group: let that never be the group of whoever has started the tests."""
    if os.name != "nt" and os.getpgrp() != os.getpid():
        os.setpgrp()


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The address of a server that speaks S3."""
    server = pytest.importorskip(
        "moto.server", reason="moto is not installed; `make test-cluster` installs it"
    )
    pytest.importorskip("obstore", reason="the extra 'cloud' is not installed")
    running = server.ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    running.start()
    try:
        host, port = running.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        running.stop()


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the environment has to tell a storage, wherever it is."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "someone")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")


@pytest.fixture
def bucket(
    s3_server: str, credentials: None, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> str:
    """The address of an empty bucket, for which the environment has credentials."""
    name = f"b{abs(hash(request.node.name)) % 10**9}"
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    urllib.request.urlopen(urllib.request.Request(f"{s3_server}/{name}", method="PUT")).close()
    return f"s3://{name}"


class Nodes:
    """A head without processors, and nodes that come and go."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        head = {"num_cpus": 0, "include_dashboard": False, "ray_client_server_port": port}
        self._cluster = Cluster(initialize_head=True, head_node_args=head)
        self.alive: list[object] = []
        self.address, self.client_address = self._cluster.address, f"ray://127.0.0.1:{port}"

    def add(self, gpus: int = 0) -> None:
        self.alive.append(self._cluster.add_node(num_cpus=1, num_gpus=gpus))

    def kill(self, rng: random.Random) -> None:
        """End a node and all its processes without a word."""
        self._cluster.remove_node(self.alive.pop(rng.randrange(len(self.alive))), allow_graceful=False)

    def close(self) -> None:
        self._cluster.shutdown()


@pytest.fixture(scope="session")
def cluster() -> Iterator[Nodes]:
    """Started once: it takes longer than the tests. Its processes find this checkout's package."""
    source = os.path.dirname(os.path.dirname(seealike.__file__))
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patched.setenv("PYTHONPATH", source, prepend=os.pathsep)
        made = Nodes()
        try:
            patched.setenv("RAY_ADDRESS", made.address)
            yield made
        finally:
            import ray

            ray.shutdown()
            made.close()


@pytest.fixture
def nodes(cluster: Nodes) -> Nodes:
    """The cluster with two nodes."""
    while len(cluster.alive) < 2:
        cluster.add()
    return cluster
