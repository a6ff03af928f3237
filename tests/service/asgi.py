"""A client of an ASGI application in the same process: no sockets, and bodies that are slow or end early."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from starlette.types import ASGIApp, Message

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Reply:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401
        """The body as JSON."""
        return json.loads(self.body)


class Client:
    """Runs an application with its lifespan in an event loop of its own, in a thread of its own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._ending: asyncio.Event
        self._lifespan: Any = None

    def __enter__(self) -> Self:
        self._thread.start()
        started = asyncio.run_coroutine_threadsafe(self._start(), self._loop)
        started.result(60)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(60)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _start(self) -> None:
        self._ending, ready = asyncio.Event(), asyncio.Event()
        sent = iter(({"type": "lifespan.startup"},))

        async def receive() -> Message:
            for message in sent:
                return message
            await self._ending.wait()
            return {"type": "lifespan.shutdown"}

        async def send(message: Message) -> None:
            if message["type"].startswith("lifespan.startup"):
                ready.set()

        self._lifespan = asyncio.ensure_future(self._app({"type": "lifespan"}, receive, send))
        await ready.wait()

    async def _end(self) -> None:
        self._ending.set()
        await self._lifespan

    def __call__(
        self,
        method: str,
        address: str,
        body: bytes | Iterable[bytes] = b"",
        *,
        headers: Mapping[str, str] | None = None,
        leaves: bool = False,
    ) -> Reply:
        """Ask. ``body`` in parts has no length; with ``leaves`` the client goes once it has sent it."""
        asked = self._ask(method, address, body, headers or {}, leaves=leaves)
        return asyncio.run_coroutine_threadsafe(asked, self._loop).result(60)

    def post(self, address: str, asked: object, **headers: str) -> Reply:
        """Ask by JSON."""
        return self(
            "POST",
            address,
            json.dumps(asked).encode(),
            headers={"content-type": "application/json"} | headers,
        )

    async def _ask(
        self,
        method: str,
        address: str,
        body: bytes | Iterable[bytes],
        headers: Mapping[str, str],
        *,
        leaves: bool,
    ) -> Reply:
        path, _, query = address.partition("?")
        given = {"host": HOST} | dict(headers)
        if isinstance(body, bytes):
            given.setdefault("content-length", str(len(body)))
        parts = iter([body] if isinstance(body, bytes) else body)
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in given.items()],
            "client": ("127.0.0.1", 1),
            "server": (HOST, 80),
        }
        status, found, got = 0, {}, b""

        async def receive() -> Message:
            for part in parts:
                await asyncio.sleep(0)
                return {"type": "http.request", "body": part, "more_body": not isinstance(body, bytes)}
            if not leaves:
                await asyncio.Event().wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            nonlocal status, found, got
            if message["type"] == "http.response.start":
                status = message["status"]
                found = {name.decode(): value.decode() for name, value in message["headers"]}
            else:
                got += message.get("body", b"")

        await self._app(scope, receive, send)
        return Reply(status, found, got)
