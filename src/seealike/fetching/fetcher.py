"""Fetching a picture from an address that a client has named.

What it connects to is what it has checked: a name is resolved once for each connection, all its addresses
must be allowed, and one of these very addresses is connected to; the name goes on to TLS and into ``Host``.
"""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple, Self
from urllib.parse import urljoin, urlsplit

from seealike.errors import ServiceError
from seealike.fetching.public import is_public

WITHIN_S = 10.0  # all of it, redirects included
MOST_REDIRECTS = 3
MOST_LOOK_UPS = 64  # of names, at once: those that nobody waits for any more are over when the system says so
PORTS = (80, 443)
_DEFAULT_PORTS = {"http": 80, "https": 443}
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PART = 65536  # bytes that are read at once
_PLAIN = re.compile(r"[!-\[\]-~]+")  # printable ASCII without space and backslash
_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
_NUMBER = re.compile(r"\d+|0x[0-9a-f]*")  # as the last part of a name: systems read such names as addresses
_HEADERS = {
    "user-agent": "seealike",
    "accept": "image/*",
    "accept-encoding": "identity",
    "connection": "close",
}

Address = IPv4Address | IPv6Address


class _Place(NamedTuple):
    """Where an address on the web leads."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def header(self) -> str:
        """What the server is told that it is called."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


class _Cut:
    """Ends a connection when the time is over, whatever it does then. Each step of it may be quick."""

    def __init__(self, connection: socket.socket, until_s: float) -> None:
        self._connection, self.is_late = connection, False
        self._timer = threading.Timer(_left_s(until_s), self._late)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def _late(self) -> None:
        self.is_late = True
        with suppress(OSError):  # that of TLS would say farewell first
            socket.socket.shutdown(self._connection, socket.SHUT_RDWR)


def resolved(host: str, port: int) -> Sequence[str]:
    """The addresses of a name, as the system knows them.

    Raises:
        OSError: it has none.
        UnicodeError: it cannot be a name.
    """
    return [str(one[4][0]) for one in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def connected(address: str, port: int, timeout_s: float) -> socket.socket:
    """A connection to an address, which is looked up nowhere.

    Raises:
        OSError: there is nobody.
    """
    connection = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    try:
        connection.settimeout(timeout_s)
        connection.connect((address, port))
    except BaseException:
        connection.close()
        raise
    return connection


class Fetcher:
    """Fetches what is on the web. Safe in threads.

    Args:
        most_bytes: how large a picture may be.
        ports: those that are connected to.
        is_allowed: which addresses may be connected to.
        resolve: the addresses of a name and a port; it may take as long as it likes.
        connect: a connection to an address and a port, within seconds.
        tls: whose certificates are believed; by default those that the system believes.
        within_s: how long all of it may take.
    """

    def __init__(
        self,
        most_bytes: int,
        *,
        ports: Collection[int] = PORTS,
        is_allowed: Callable[[Address], bool] = is_public,
        resolve: Callable[[str, int], Sequence[str]] = resolved,
        connect: Callable[[str, int, float], socket.socket] = connected,
        tls: ssl.SSLContext | None = None,
        within_s: float = WITHIN_S,
    ) -> None:
        self._most_bytes, self._ports, self._within_s = most_bytes, ports, within_s
        self._is_allowed, self._resolve, self._connect = is_allowed, resolve, connect
        self._tls = tls or ssl.create_default_context()
        self._look_ups = threading.BoundedSemaphore(MOST_LOOK_UPS)

    def fetch(self, url: str) -> bytes:
        """What is there. Environment, cookies and passwords play no part.

        Raises:
            ServiceError: ``url_refused``: it is not to be fetched; ``url_failed``: it cannot be.
        """
        until_s = time.monotonic() + self._within_s
        for _ in range(1 + MOST_REDIRECTS):
            try:
                found = self._ask(self._place(url), until_s)
                if isinstance(found, bytes):
                    return found
                url = urljoin(url, found)
            except (OSError, http.client.HTTPException, ValueError) as exc:
                raise _failed("the server does not answer as it should") from exc
        raise _failed(f"it has moved more than {MOST_REDIRECTS} times")

    def _place(self, url: str) -> _Place:
        """Read an address strictly: what others could read otherwise is refused.

        Raises:
            ServiceError: it is none, or not one that may be fetched.
        """
        try:
            if not _PLAIN.fullmatch(url):
                raise _refused("write it in ASCII, with punycode and %")
            parts = urlsplit(url)
            host = (parts.hostname or "").removesuffix(".")
            port = _DEFAULT_PORTS[parts.scheme] if parts.port is None else parts.port
        except (ValueError, KeyError):
            raise _refused("it must begin with http:// or https:// and a name") from None
        if "@" in parts.netloc:
            raise _refused("it must have no user name and no password")
        if port not in self._ports:
            raise _refused(f"only the ports {', '.join(map(str, self._ports))} are asked")
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return _Place(parts.scheme, host, port, target)

    def _addresses(self, place: _Place, until_s: float) -> list[str]:
        """Where a place is; of several addresses all must be allowed.

        Raises:
            ServiceError: one is not, or there is none; which of these is not told.
            TimeoutError: it is not known in time.
        """
        try:
            found = [*map(ip_address, self._literal_or_resolved(place, until_s))]
        except TimeoutError:
            raise
        except (OSError, ValueError):  # of names that cannot be one too
            found = []
        if not found or not all(map(self._is_allowed, found)):
            raise _refused("its name is not known, or not of public addresses alone")
        return [str(one) for one in dict.fromkeys(found)]

    def _literal_or_resolved(self, place: _Place, until_s: float) -> Sequence[str]:
        if ":" in place.host or _NUMBER.fullmatch(place.host.rpartition(".")[2]):
            return [place.host]  # also what is a number in some other way, which is no address then
        return self._resolved(place, until_s) if _NAME.fullmatch(place.host) else []

    def _resolved(self, place: _Place, until_s: float) -> Sequence[str]:
        """The addresses of a name. The system's own look-up has no deadline, so a thread waits for it."""
        found = Future[Sequence[str]]()

        def look_up() -> None:
            try:
                found.set_result(self._resolve(place.host, place.port))
            except Exception as exc:  # noqa: BLE001 - whoever waits must hear of it
                found.set_exception(exc)
            finally:
                self._look_ups.release()

        if not self._look_ups.acquire(timeout=_left_s(until_s)):
            raise TimeoutError
        threading.Thread(target=look_up, name="seealike-resolve", daemon=True).start()
        return found.result(_left_s(until_s))

    @contextmanager
    def _connected(self, place: _Place, until_s: float) -> Iterator[socket.socket]:
        """A connection to a place.

        Raises:
            OSError: there is none.
        """
        addresses = self._addresses(place, until_s)
        while True:
            within_s = _left_s(until_s) / len(addresses)
            try:
                connection = self._connect(addresses.pop(0), place.port, within_s)
                break
            except OSError:
                if not addresses:
                    raise
        with connection:
            connection.settimeout(_left_s(until_s))
            if place.scheme == "http":
                yield connection
                return
            with self._tls.wrap_socket(
                connection, server_hostname=place.host, do_handshake_on_connect=False
            ) as within_tls:
                yield within_tls

    def _ask(self, place: _Place, until_s: float) -> bytes | str:
        """What is at a place, or where it has moved to."""
        with self._connected(place, until_s) as connection, _Cut(connection, until_s) as cut:
            if isinstance(connection, ssl.SSLSocket):
                connection.do_handshake()
            asking = http.client.HTTPConnection(place.host, place.port)
            asking.sock, asking.auto_open = connection, 0  # it opens none of its own
            asking.request("GET", place.target, headers={"host": place.header, **_HEADERS})
            with asking.getresponse() as reply:
                location = reply.getheader("location")
                if reply.status in _REDIRECTS and location is not None:
                    return location
                if reply.status != http.client.OK:
                    raise _failed(f"the server answers with the status {reply.status}")
                data = self._read(reply)
            if cut.is_late or reply.length:
                raise _failed("it does not come whole, or not in time")
            return data

    def _read(self, reply: http.client.HTTPResponse) -> bytes:
        parts, count = [], 0
        while part := reply.read(_PART):
            count += len(part)
            if count > self._most_bytes:
                raise _failed(f"it has more than {self._most_bytes} bytes")
            parts.append(part)
        return b"".join(parts)


def _left_s(until_s: float) -> float:
    """How long there still is.

    Raises:
        TimeoutError: no longer.
    """
    left_s = until_s - time.monotonic()
    if left_s <= 0:
        raise TimeoutError
    return left_s


def _refused(why: str) -> ServiceError:
    return ServiceError("url_refused", f"this address is not fetched: {why}", status=403)


def _failed(why: str) -> ServiceError:
    return ServiceError("url_failed", f"the picture cannot be fetched: {why}", status=422)
