"""Speaking to a Milvus, and its errors as ours."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from importlib.util import find_spec
from typing import Any, TypeAlias, TypeVar

import grpc
import numpy as np
from pymilvus import CollectionSchema, MilvusClient
from pymilvus.exceptions import MilvusException
from pymilvus.milvus_client import IndexParams

from seealike.engines.milvus.address import Address
from seealike.engines.milvus.filters import Filter
from seealike.errors import CatalogBusyError, CatalogError, MissingExtraError, UnreachableError, UsageError
from seealike.types import Float32Array

Result = TypeVar("Result")
Row: TypeAlias = dict[str, Any]

CONNECT_TIMEOUT_S = 10
CALL_TIMEOUT_S = 60
RETRIES = 1
_LOST = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, 2)  # 2: the library could not connect
_ILLEGAL, _TOO_LARGE = (6, 1100), (grpc.StatusCode.RESOURCE_EXHAUSTED,)
_GONE, _NOT_LOADED = 100, 101
_PAUSE_S = 0.5
_LOGGING = ("pymilvus", "milvus_lite")  # errors with tracebacks, which they raise as well
_LOCKED = "another process has it open: one at a time can, and a server of Milvus is for several"


class CollectionGoneError(CatalogError):
    """There is no such collection, or no more."""


class Database:
    """Calls to a Milvus. Safe to use from several threads; a forked child speaks for itself.

    ``name`` is how people call it, ``prefix`` what the names of the catalogue's collections begin with.
    """

    def __init__(self, url: str) -> None:
        """Nothing is opened yet."""
        self.address = Address(url)
        self.name, self.prefix = self.address.name, self.address.prefix
        self._closed = False
        self._begin()

    def _begin(self) -> None:
        self._process_id = os.getpid()
        self._guard = threading.Lock()
        self._client: MilvusClient | None = None
        self.is_lite = False
        # milvus-lite is one writer's, and is asked one question after the other.
        self._turn: AbstractContextManager[object] = threading.RLock() if self.address.file else nullcontext()

    def close(self) -> None:
        """Close the connection; nothing is asked afterwards."""
        self._closed = True
        self._forget(self._client)

    # -- rows --------------------------------------------------------------------------------------

    def query(
        self, collection: str, kept: Filter, fields: Sequence[str], *, limit: int | None = None
    ) -> list[Row]:
        """The rows of a collection that a filter keeps, in no order; 16,384 at most.

        Raises:
            CollectionGoneError: there is no such collection.
        """
        most = {} if limit is None else {"limit": limit}

        def ask(client: MilvusClient) -> list[Row]:
            asked = kept.asked(is_lite=self.is_lite)
            asked |= {"output_fields": [*fields], **most}
            return [dict(row) for row in client.query(collection, retry_times=RETRIES, **asked)]

        return self._run(ask, collection)

    def nearest(
        self, collection: str, queries: Float32Array, k: int, kept: Filter, how: dict[str, int]
    ) -> list[list[tuple[int, float]]]:
        """Keys and cosines of the rows nearest to each query that a filter keeps, nearest first."""
        data = [*queries] if self.is_lite else [*queries.astype(np.float16)]

        def ask(client: MilvusClient) -> list[list[tuple[int, float]]]:
            asked = kept.asked(is_lite=self.is_lite)
            found = client.search(
                collection,
                data=data,
                limit=k,
                anns_field="vector",
                search_params={"metric_type": "COSINE", "params": how},
                output_fields=["key"],
                retry_times=RETRIES,
                **asked,
            )
            return [[(hit["key"], hit["distance"]) for hit in hits] for hits in found]

        return self._run(ask, collection)

    def put(self, collection: str, rows: Sequence[Row]) -> None:
        """Put rows into a collection, each in the place of one with its key."""
        if rows:
            self._run(lambda client: client.upsert(collection, [*rows], retry_times=RETRIES), collection)

    def delete(self, collection: str, kept: Filter) -> None:
        """Delete the rows that a filter keeps."""
        self._run(
            lambda client: client.delete(collection, retry_times=RETRIES, **kept.asked(is_lite=self.is_lite)),
            collection,
        )

    # -- collections -------------------------------------------------------------------------------

    def has(self, collection: str) -> bool:
        """Whether there is a collection of that name, and made to its end."""
        return self._run(lambda client: _is_made(client, collection))

    def make(self, collection: str, schema: CollectionSchema, index: IndexParams) -> None:
        """Make a collection that ``has`` does not find; its rows are seen as soon as they are written."""

        def made(client: MilvusClient) -> None:
            client.drop_collection(collection)  # somebody may have been killed in the middle
            client.create_collection(collection, schema=schema, consistency_level="Strong")
            client.create_index(collection, index, sync=False)  # the library would sleep for half a second
            client.load_collection(collection)

        self._run(made)

    def drop(self, collection: str) -> None:
        """Drop a collection, if there is one."""
        self._run(lambda client: client.drop_collection(collection))

    def name_live(self, alias: str, collection: str) -> None:
        """Let an alias mean a collection."""

        def name(client: MilvusClient) -> None:
            known = client.list_aliases().get("aliases", [])
            (client.alter_alias if alias in known else client.create_alias)(collection, alias)

        self._run(name)

    def tidy(self, collection: str) -> None:
        """Have milvus-lite forget what was deleted, which it looks through until then."""
        if self.is_lite:
            self._run(lambda client: client.flush(collection), collection)

    def settle(self, collection: str) -> None:
        """Wait until the rows of a collection are indexed."""

        def wait(client: MilvusClient) -> None:
            client.flush(collection)
            while not self.is_lite:
                pending = client.describe_index(collection, "vector").get("pending_index_rows", 0)
                if not int(pending):
                    return
                time.sleep(_PAUSE_S)

        self._run(wait, collection)

    # -- calls -------------------------------------------------------------------------------------

    def _run(self, ask: Callable[[MilvusClient], Result], collection: str = "") -> Result:
        """What is asked of a client. Where the connection was lost, it is asked again over a new one.

        Raises:
            UnreachableError: the server cannot be reached.
            CatalogBusyError: it took too long.
            UsageError, CatalogError: it refused.
        """
        with self._translated():
            client, was_there = self._connected()
            try:
                return self._asked(client, ask, collection)
            except (MilvusException, grpc.RpcError) as exc:
                if _code(exc) not in _LOST:
                    raise
                self._forget(client)
                if not was_there:
                    raise
            client, _ = self._connected()
            return self._asked(client, ask, collection)

    def _asked(self, client: MilvusClient, ask: Callable[[MilvusClient], Result], collection: str) -> Result:
        with self._turn:
            try:
                return ask(client)
            except MilvusException as exc:
                if (
                    _code(exc) != _NOT_LOADED or not collection
                ):  # milvus-lite has loaded nothing when it begins
                    raise
            client.load_collection(collection)
            return ask(client)

    def _connected(self) -> tuple[MilvusClient, bool]:
        """A client, and whether it was there already."""
        if self._process_id != os.getpid():
            self._begin()
        if self._closed:
            raise UsageError("the catalogue has been closed")
        with self._guard:
            if self._client is not None:
                return self._client, True
            if self.address.file and find_spec("milvus_lite") is None:
                raise MissingExtraError("milvus-lite", "milvus-lite")
            for library in _LOGGING:
                logging.getLogger(library).setLevel(logging.CRITICAL + 1)
            self._client = MilvusClient(
                **self.address.connecting(),
                timeout=CONNECT_TIMEOUT_S,
                dedicated=True,
                grpc_options=_OPTIONS,
            )
            self.is_lite = "lite" in str(self._client.get_server_version(timeout=CONNECT_TIMEOUT_S))
            return self._client, False

    def _forget(self, client: MilvusClient | None) -> None:
        with self._guard:
            if self._client is not client:
                return
            self._client = None
        if client is not None:
            with suppress(Exception):  # it may have gone already
                client.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn the library's errors into ours, by what the caller can do about them."""
        try:
            yield
        except (MilvusException, grpc.RpcError) as exc:
            code, told = _code(exc), self.address.without_secrets(_line(exc))
            if code in _LOST:
                raise UnreachableError(self.name, told) from exc
            if "Open local milvus failed" in told:
                what = (
                    _LOCKED
                    if os.path.isdir(os.path.dirname(self.address.file))
                    else "there is no such folder"
                )
                raise UnreachableError(self.name, what) from exc
            if code is grpc.StatusCode.DEADLINE_EXCEEDED:
                raise CatalogBusyError(
                    self.name, "somebody for long, or the question takes too long"
                ) from exc
            if code == _GONE:
                raise CollectionGoneError(self.name, f"{self.name} refused: {told}") from exc
            if code in _ILLEGAL or code in _TOO_LARGE:
                raise UsageError(f"{self.name} cannot store that, or compare with it: {told}") from exc
            raise CatalogError(self.name, f"{self.name} refused: {told}") from exc


_OPTIONS = {
    "grpc.use_local_subchannel_pool": 1,  # or a new connection waits for as long as the lost one would
    "grpc.max_reconnect_backoff_ms": 2000,
    # With a deadline that it knows of the library tries again until then, also where nobody listens.
    "grpc.service_config": json.dumps({"methodConfig": [{"name": [{}], "timeout": f"{CALL_TIMEOUT_S}s"}]}),
}


def _is_made(client: MilvusClient, collection: str) -> bool:
    return bool(client.has_collection(collection) and client.list_indexes(collection))


def _code(exc: BaseException) -> object:
    found = getattr(exc, "code", None)
    return found() if callable(found) else found


def _line(exc: BaseException) -> str:
    told = getattr(exc, "message", None) or getattr(exc, "details", lambda: "")() or str(exc)
    return " ".join(str(told).split())[:300]
