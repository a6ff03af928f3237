"""A hub on this machine, which does as it is told: serves files, lies, breaks off, keeps one waiting."""

from __future__ import annotations

import hashlib
import http.server
import os
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import pytest

from seealike.encoders.hub.files import Hub, RemoteFile

REPOSITORY, REVISION = "made/model", "0123456789" * 4
VARIABLES = (
    *("HF_ENDPOINT", "HF_TOKEN", "HF_HUB_OFFLINE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"),
    *(f"{name}_proxy" for name in ("http", "https", "all", "no")),
    *(f"{name}_PROXY" for name in ("HTTP", "HTTPS", "ALL", "NO")),
)


@dataclass(frozen=True)
class Request:
    """What somebody asked for. Names of headers are in small letters."""

    path: str
    headers: Mapping[str, str]


@dataclass
class HubServer:
    """What a hub has, what it was asked for, and how it answers the next requests: one behaviour each."""

    port: int = 0
    scheme: str = "http"
    files: dict[str, bytes] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    behaviours: list[Behaviour] = field(default_factory=list)
    let_go: threading.Event = field(default_factory=threading.Event)

    @property
    def endpoint(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def hub(self, **more: object) -> Hub:
        """How to ask it, without patience."""
        told: dict[str, object] = {"silence_s": 20.0, "stall_s": 20.0, "pauses_s": (0.0, 0.0)}
        return Hub(self.endpoint, **(told | more))  # type: ignore[arg-type]

    def add(self, path: str, content: bytes, *, known: bool = True, name: str = "") -> RemoteFile:
        """Put a file into the repository; ``known``: somebody has published its size and digest."""
        file = RemoteFile(
            REPOSITORY,
            REVISION,
            path,
            len(content) if known else None,
            hashlib.sha256(content).hexdigest() if known else None,
            name,
        )
        self.files[f"/{REPOSITORY}/resolve/{REVISION}/{path}"] = content
        return file

    def ranges(self) -> list[str | None]:
        """From where on each request wanted its file."""
        return [request.headers.get("range") for request in self.requests]


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers one request."""

    protocol_version = "HTTP/1.1"
    hub: HubServer

    def setup(self) -> None:
        if isinstance(self.request, ssl.SSLSocket):
            self.request.do_handshake()
        super().setup()

    def do_GET(self) -> None:
        sent = {name.lower(): value for name, value in self.headers.items()}
        self.hub.requests.append(Request(self.path, sent))
        self.close_connection = True
        answer = self.hub.behaviours.pop(0) if self.hub.behaviours else serve
        with suppress(OSError):  # who asked has seen enough
            answer(self, self.hub.files.get(self.path.partition("?")[0]))

    def start(self) -> int | None:
        """The byte that the request wants first."""
        asked = self.headers.get("Range")
        return int(asked.removeprefix("bytes=").rstrip("-")) if asked else None

    def say(self, status: int, headers: Mapping[str, object], body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in {"Connection": "close", **headers}.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        pass


Behaviour = Callable[[Handler, bytes | None], None]


def serve(handler: Handler, content: bytes | None) -> None:
    """As a hub should."""
    start = handler.start()
    if content is None:
        handler.say(404, {"Content-Length": 0})
    elif start is None:
        handler.say(200, {"Content-Length": len(content)}, content)
    elif start >= len(content):
        handler.say(416, {"Content-Length": 0, "Content-Range": f"bytes */{len(content)}"})
    else:
        _part(handler, content, start, content[start:])


def _part(handler: Handler, content: bytes, start: int, sent: bytes) -> None:
    where = f"bytes {start}-{len(content) - 1}/{len(content)}"
    handler.say(206, {"Content-Length": len(content) - start, "Content-Range": where}, sent)


def cut_after(count: int) -> Behaviour:
    """Break off after so many bytes, which the length that was said does not."""

    def answer(handler: Handler, content: bytes | None) -> None:
        assert content is not None
        start = handler.start()
        if start is None:
            handler.say(200, {"Content-Length": len(content)}, content[:count])
        else:
            _part(handler, content, start, content[start : start + count])

    return answer


def whole_again(handler: Handler, content: bytes | None) -> None:
    """Send the whole file, whatever part of it was asked for."""
    assert content is not None
    handler.say(200, {"Content-Length": len(content)}, content)


def status(code: int, **headers: object) -> Behaviour:
    """Answer with a status alone; ``_`` in the name of a header is ``-``."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler, _: handler.say(code, {"Content-Length": 0, **named})


def saying_length(length: int) -> Behaviour:
    """Say that the file is so long."""
    return lambda handler, content: handler.say(200, {"Content-Length": length}, content or b"")


def packed(handler: Handler, content: bytes | None) -> None:
    """Send it in a form that nobody asked for."""
    handler.say(200, {"Content-Length": 3, "Content-Encoding": "gzip"}, b"abc")


def without_end(handler: Handler, _: bytes | None) -> None:
    """Send for ever, in chunks, without a length."""
    handler.say(200, {"Transfer-Encoding": "chunked"})
    while not handler.hub.let_go.is_set():
        handler.wfile.write(b"10000\r\n" + bytes(0x10000) + b"\r\n")


def silent_after(count: int) -> Behaviour:
    """Send so many bytes, and then nothing, the connection staying open."""

    def answer(handler: Handler, content: bytes | None) -> None:
        assert content is not None
        start = handler.start() or 0
        _part(handler, content, start, content[start : start + count]) if start else handler.say(
            200, {"Content-Length": len(content)}, content[:count]
        )
        handler.hub.let_go.wait()

    return answer


def never(handler: Handler, _: bytes | None) -> None:
    """Do not answer at all."""
    handler.hub.let_go.wait()


def hang_up(handler: Handler, _: bytes | None) -> None:
    """Close the connection without a word."""


def dripping(handler: Handler, content: bytes | None) -> None:
    """Send a byte at a time, with pauses."""
    assert content is not None
    handler.say(200, {"Content-Length": len(content)})
    for byte in content:
        handler.wfile.write(bytes([byte]))
        if handler.hub.let_go.wait(0.01):
            return


class Server(http.server.ThreadingHTTPServer):
    """Says nothing where whoever asks goes away."""

    def handle_error(self, *_: object) -> None:
        pass


@contextmanager
def hub_server(certificate: tuple[str, str] | None = None) -> Iterator[HubServer]:
    """A hub that runs while the block does. ``certificate``: the files of one and of its key, for https."""
    hub = HubServer(scheme="https" if certificate else "http")

    class Ours(Handler):
        pass

    Ours.hub = hub
    with Server(("127.0.0.1", 0), Ours) as server:
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            server.socket = context.wrap_socket(
                server.socket, server_side=True, do_handshake_on_connect=False
            )
        hub.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield hub
        finally:
            hub.let_go.set()
            server.shutdown()
            thread.join()


def without_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away what the machine's own environment says about hubs and ways to them."""
    for name in VARIABLES:
        if name in os.environ:
            monkeypatch.delenv(name)
