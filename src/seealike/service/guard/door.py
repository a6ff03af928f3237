"""The door: what every request passes before any route sees it, and every reply on its way out."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from seealike.errors import ServiceError
from seealike.service.guard.bodies import Body, check_length
from seealike.service.guard.buckets import Buckets
from seealike.service.options import Access, ServiceOptions
from seealike.service.problems import problem_of
from seealike.service.watching import Seen, Watching

OPEN = frozenset({"/healthz", "/readyz"})  # whoever watches the service needs no key
_READ_BY_POST = frozenset({"/search", "/recommend", "/batch", "/images"})
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (
        b"content-security-policy",
        (
            b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
            b"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
            b"require-trusted-types-for 'script'; trusted-types 'none'"
        ),
    ),
)
_ENDING = frozenset({408, 413})


class Door:
    """Checks names, keys, rates and sizes; adds what every reply says; tells what it has seen."""

    def __init__(self, app: ASGIApp, options: ServiceOptions, watching: Watching) -> None:
        self._app, self._options, self._watching = app, options, watching
        self._buckets = Buckets(options.rate, options.burst)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI. Anything but HTTP is turned away."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1000})
            return
        # Addresses stay as they were written: a slash within an id is no slash between parts.
        scope["path"] = scope.get("raw_path", scope["path"].encode()).decode("ascii", "replace")
        visit = _Visit(scope, send, Body(receive, self._options.body_bytes, self._options.body_s))
        try:
            self._check(scope, dict(scope["headers"]))
            await self._app(scope, visit.body.receive, visit.send)
        except Exception as exc:  # noqa: BLE001 - no request ends without a reply, and none with a traceback
            self._watching.failed(visit.request_id, exc)
            if not visit.status:
                await problem_of(exc)(scope, receive, visit.send)
        finally:
            self._watching.seen(visit.seen())

    def _check(self, scope: Scope, headers: Mapping[bytes, bytes]) -> None:
        """Raise what keeps a request out."""
        self._check_host(headers.get(b"host", b""))
        if scope["path"] in OPEN:
            return
        key = _key(headers)
        access = self._options.keys.access_of(key)
        needed = _needed(scope["method"], scope["path"])
        client = scope.get("client") or ("",)
        if wait_s := self._buckets.wait_whole_s(key if access and key else client[0]):
            raise ServiceError("too_many_requests", "too many requests", status=429, retry_after_s=wait_s)
        if access < needed:
            if key is None:
                raise ServiceError("no_key", "give a key: Authorization: Bearer KEY", status=401)
            raise ServiceError("forbidden", "this key does not allow that", status=403)
        check_length(headers, self._options.body_bytes)

    def _check_host(self, host: bytes) -> None:
        name = urlsplit("//" + host.decode("latin-1")).hostname or ""
        if name not in self._options.called:
            raise ServiceError(
                "unknown_host", "the service does not go by this name; start it with --allow-host", status=421
            )


class _Visit:
    """One request on its way: its id, when it came, and what went out."""

    def __init__(self, scope: Scope, send: Send, body: Body) -> None:
        self._scope, self._send, self.body = scope, send, body
        self._started = time.perf_counter()
        self.request_id = secrets.token_hex(8)
        self.status = 0
        self._is_told = False
        self._bytes = 0

    async def send(self, message: Message) -> None:
        """Pass a part of the reply on; where the body was refused, that is the reply, whatever is said."""
        if self.body.refused is None or (self.status and not self._is_told):
            await self._pass(message)
        elif not self._is_told:  # the framework takes it for a body that cannot be read
            self._is_told = True
            await problem_of(self.body.refused)(self._scope, self.body.receive, self._pass)

    async def _pass(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            own = [(b"x-request-id", self.request_id.encode())]
            if self.status in _ENDING:
                own.append((b"connection", b"close"))  # what else would come is not read
            message = {**message, "headers": [*message.get("headers", ()), *_HEADERS, *own]}
        elif message["type"] == "http.response.body":
            self._bytes += len(message.get("body", b""))
        await self._send(message)

    def seen(self) -> Seen:
        """What may be told of it: the route, not the address, which may name a file."""
        route = self._scope.get("route")
        return Seen(
            self.request_id,
            self._scope["method"],
            getattr(route, "path", "other"),
            self.status or 499,
            time.perf_counter() - self._started,
            self._bytes,
        )


def _needed(method: str, path: str) -> Access:
    if method in {"GET", "HEAD", "OPTIONS"} or (method == "POST" and path in _READ_BY_POST):
        return Access.READ
    return Access.WRITE


def _key(headers: Mapping[bytes, bytes]) -> str | None:
    said = headers.get(b"authorization", b"").decode("latin-1")
    scheme, _, key = said.partition(" ")
    if scheme.lower() == "bearer" and key.strip():
        return key.strip()
    other = headers.get(b"x-api-key")
    return None if other is None else other.decode("latin-1")
