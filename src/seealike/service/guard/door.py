"""The door: what every request passes before any route sees it, and every reply on its way out."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Mapping, Sequence

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from seealike.errors import ServiceError
from seealike.service.ending import Ending
from seealike.service.guard.bodies import RETRY_S, Body, BodyMemory
from seealike.service.guard.buckets import Buckets
from seealike.service.messages.problems import problem_of
from seealike.service.options import Access, ServiceOptions
from seealike.service.sessions import Sessions
from seealike.service.watching import Seen, Watching

OPEN = frozenset(
    {"/healthz", "/readyz", "/", "/favicon.svg"}
)  # the page asks for a key, and needs none itself
_PAGE_FILE = re.compile(r"/page/[\w-]+(?:\.[\w-]+)*", re.ASCII)  # no part of it is empty, a dot, or encoded
SESSION = "/session"  # where a key is exchanged for a cookie
_SAME_SITE = (b"same-origin", b"none")  # a page of the service itself, or somebody who typed the address
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
_PICTURE = re.compile(r"/(images|uploads)/")  # what an <img> shows
_ORIGIN_METHODS = ("GET", "POST")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[\w.-]+)(?::\d*)?", re.ASCII)  # a name, perhaps a port, and no more
_ENDING = frozenset({408, 413})


class Door:
    """Checks names, origins, keys, rates and sizes; adds what every reply says; tells what it has seen."""

    def __init__(
        self, app: ASGIApp, options: ServiceOptions, sessions: Sessions, watching: Watching, ending: Ending
    ) -> None:
        self._app, self._options, self._watching, self._ending = app, options, watching, ending
        self._sessions = sessions
        self._buckets = Buckets(options.rate, options.burst)
        self._memory = BodyMemory(options.body_memory)
        self._inner: ASGIApp = self._admit
        if options.origins:  # around the keys: a browser asks first, without any
            self._inner = _Cors(
                self._admit, allow_origins=options.origins, allow_methods=_ORIGIN_METHODS, allow_headers=["*"]
            )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI. Anything but HTTP is turned away."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1000})
            return
        # Addresses stay as they were written: a slash within an id is no slash between parts. The server
        # itself leaves the body out where only the head is asked for.
        path = scope.get("raw_path", scope["path"].encode()).decode("ascii", "replace")
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        scope = {**scope, "path": path, "method": method}
        is_shown = bool(self._options.origins) and _PICTURE.match(path) is not None
        visit = _Visit(scope, send, b"cross-origin" if is_shown else b"same-origin")
        try:
            self._check_host([value for name, value in scope["headers"] if name == b"host"])
            self._check_origin(path, dict(scope["headers"]))
            await self._inner(scope, receive, visit.send)
        except Exception as exc:  # noqa: BLE001 - no request ends without a reply, and none with a traceback
            self._watching.failed(visit.request_id, exc)
            if not visit.status:
                await problem_of(exc)(scope, receive, visit.send)
        finally:
            self._watching.seen(visit.seen())

    async def _admit(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        body = Body(scope, receive, send, self._options, self._memory)
        try:
            self._check(scope, headers)
            body.admit(headers)
        except ServiceError as exc:
            await problem_of(exc)(scope, receive, send)
            return
        try:
            await self._app(scope, body.receive, body.send)
        finally:
            body.over()

    def _check(self, scope: Scope, headers: Mapping[bytes, bytes]) -> None:
        """Raise what keeps a request out; else note what its sender may do."""
        if scope["path"] == "/readyz" and self._ending.has_begun:
            raise ServiceError("ending", "the service is ending; ask another one", retry_after_s=RETRY_S)
        if _is_open(scope["path"]):
            return
        key = _key(headers)
        if key is None:
            key = self._sessions.key_in(headers)
        access = scope["access"] = self._options.keys.access_of(key)
        address = (scope.get("client") or ("",))[0]
        asker = key if key and access and self._options.keys.access else address
        if wait_s := self._buckets.wait_whole_s(asker):
            raise ServiceError("too_many_requests", "too many requests", status=429, retry_after_s=wait_s)
        if scope["path"] == SESSION:
            return
        if access < _needed(scope["method"], scope["path"]):
            if key is None:
                raise ServiceError("no_key", "give a key: Authorization: Bearer KEY", status=401)
            raise ServiceError("forbidden", "this key does not allow that", status=403)

    def _check_host(self, hosts: Sequence[bytes]) -> None:
        found = _HOST.fullmatch(hosts[0].decode("latin-1")) if len(hosts) == 1 else None
        if found is None or found[1].strip("[]").lower() not in self._options.called:
            raise ServiceError(
                "unknown_host", "the service does not go by this name; start it with --allow-host", status=421
            )

    def _check_origin(self, path: str, headers: Mapping[bytes, bytes]) -> None:
        """Who knows a key may ask from anywhere. A cookie, and where there are no keys, any page can use."""
        origin = headers.get(b"origin", b"").decode("latin-1")
        allowed = {*self._options.origins}
        if path == SESSION or (_key(headers) is None and self._sessions.key_in(headers) is not None):
            allowed = set()
            if headers.get(b"sec-fetch-site", b"none") not in _SAME_SITE:
                raise _foreign("pages of other origins may not use a session")
        elif self._options.keys.access or "*" in allowed:
            return
        elif not (allowed or _is_open(path)) and headers.get(b"sec-fetch-site", b"none") not in _SAME_SITE:
            raise _foreign("pages of other origins may not ask; start the service with --allow-origin")
        own = headers[b"host"].decode("latin-1").lower()
        if origin and origin not in allowed and origin.partition("://")[2].lower() != own:
            raise _foreign("pages of this origin may not ask; start the service with --allow-origin")


class _Cors(CORSMiddleware):
    """Refuses by problem details, as everything here does."""

    def preflight_response(self, request_headers: Headers) -> Response:
        """See ``CORSMiddleware``."""
        usual = super().preflight_response(request_headers)
        if usual.status_code < 400:
            return usual
        told = "pages of this origin may not ask that: GET and POST, where --allow-origin names them"
        return problem_of(ServiceError("foreign_origin", told, status=usual.status_code))


class _Visit:
    """One request on its way: its id, when it came, and what went out.

    ``resource_policy`` says which pages may have what goes out in them without asking for it by CORS.
    """

    def __init__(self, scope: Scope, send: Send, resource_policy: bytes) -> None:
        self._scope, self._send = scope, send
        self._resource_policy = (b"cross-origin-resource-policy", resource_policy)
        self._started = time.perf_counter()
        self.request_id = secrets.token_hex(8)
        self.status = 0
        self._bytes = 0

    async def send(self, message: Message) -> None:
        """Pass a part of the reply on."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            own = [self._resource_policy, (b"x-request-id", self.request_id.encode())]
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


def _foreign(told: str) -> ServiceError:
    return ServiceError("foreign_origin", told, status=403)


def _is_open(path: str) -> bool:
    """Whether it is for everybody: it holds nothing of the catalogue."""
    return path in OPEN or _PAGE_FILE.fullmatch(path) is not None


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
