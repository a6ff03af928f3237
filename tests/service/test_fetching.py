"""Pictures from the web: what is fetched, and that nothing else is ever connected to."""

from __future__ import annotations

import http.server
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

import pytest
from tests.service.asgi import Client
from tests.service.conftest import wait_until_ready

from seealike.errors import ServiceError
from seealike.fetching.fetcher import MOST_LOOK_UPS, Fetcher, connected
from seealike.fetching.public import is_public
from seealike.service import ServiceOptions, create_app

PUBLIC = "93.184.215.14"
TLS = ssl.create_default_context()

# By hand, from the registries of special addresses (IANA), RFCs 3056, 4193, 4380, 5214, 6052 and 6890, and
# from what clouds say about their metadata; the kinds that libraries for this let through are among them.
NOT_PUBLIC = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.100.100.200",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "169.254.170.2",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.31.196.1",
    "192.52.193.1",
    "192.88.99.1",
    "192.168.0.1",
    "192.168.255.255",
    "192.175.48.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::2",
    "::127.0.0.1",
    "::8.8.8.8",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:8.8.8.8",
    "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a00:1",
    "64:ff9b::808:808",
    "64:ff9b:1::a00:1",
    "100::1",
    "100:0:0:1::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:f5ff:fffe",
    "2001:2::1",
    "2001:3::1",
    "2001:4:112::1",
    "2001:10::1",
    "2001:20::1",
    "2001:30::1",
    "2001:1ff:ffff::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a00:1::1",
    "2002:808:808::1",
    "2620:4f:8000::1",
    "3fff::1",
    "3fff:fff:ffff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fd12:3456::1",
    "fe80::1",
    "fe80::1%eth0",
    "febf::1",
    "fec0::1",
    "fee0::1",
    "ff02::1",
    "ff0e::1",
    "4000::1",
    "8000::1",
    "1fff:ffff::1",
    "2001:470:1:1:0:5efe:10.0.0.1",
    "2a00:1450:1:1:200:5efe:192.168.0.1",
    "2606:4700::1111%1",
]
IS_PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.1",
    "100.63.255.255",
    "100.128.0.1",
    "126.255.255.255",
    "128.0.0.1",
    "168.63.129.15",
    "169.253.255.255",
    "169.255.0.1",
    "172.15.255.255",
    "172.32.0.1",
    "191.255.255.255",
    "192.0.1.1",
    "192.0.3.1",
    "192.167.255.255",
    "192.169.0.1",
    "198.17.255.255",
    "198.20.0.1",
    "198.51.99.1",
    "203.0.112.1",
    "223.255.255.255",
    "93.184.215.14",
    "2001:200::1",
    "2001:4860:4860::8888",
    "2003::1",
    "2400:cb00::1",
    "2606:4700:4700::1111",
    "2a00:1450:4001::200e",
    "2620:fe::fe",
    "3ffe:ffff::1",
    "3fff:1000::1",
    "2001:470:1:1::5efe:1",
]


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_what_only_some_can_reach_is_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", IS_PUBLIC)
def test_what_everybody_can_reach_is_public(address: str) -> None:
    assert is_public(ip_address(address))


class _Net:
    """Resolves as it is told, and writes down what is connected to; ``replies`` are those of servers."""

    def __init__(self, names: Mapping[str, Sequence[Sequence[str]]], *replies: bytes) -> None:
        self._names = {name: iter(answers) for name, answers in names.items()}
        self._replies = iter(replies)
        self.connects: list[tuple[str, int]] = []
        self.asked: list[str] = []
        self.heads: list[bytes] = []

    def resolve(self, host: str, _: int) -> Sequence[str]:
        self.asked.append(host)
        for answer in self._names.get(host, iter(())):
            return answer
        try:
            return [socket.inet_ntoa(socket.inet_aton(host))]  # as systems read 0x7f.1 and 2130706433
        except OSError:
            raise socket.gaierror(-2, "Name or service not known") from None

    def connect(self, address: str, port: int, _: float) -> socket.socket:
        self.connects.append((address, port))
        reply = next(self._replies, None)
        if reply is None:
            raise ConnectionRefusedError
        here, there = socket.socketpair()

        def serve() -> None:
            with there:
                self.heads.append(there.recv(65536))
                there.sendall(reply)

        threading.Thread(target=serve, daemon=True).start()
        return here

    def fetcher(self, most_bytes: int = 1000, within_s: float = 60.0) -> Fetcher:
        return Fetcher(most_bytes, resolve=self.resolve, connect=self.connect, tls=TLS, within_s=within_s)


def _refusal(net: _Net, url: str) -> str:
    with pytest.raises(ServiceError) as refused:
        net.fetcher().fetch(url)
    return refused.value.code


def _ok(data: bytes, head: str = "") -> bytes:
    return f"HTTP/1.1 200 OK\r\ncontent-length: {len(data)}\r\n{head}\r\n".encode() + data


def _moved(to: str) -> bytes:
    return f"HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n".encode()


def _written(address: IPv4Address) -> Iterator[str]:
    """One address in the ways in which programs have read it."""
    a, b, c, d = address.packed
    number = int(address)
    yield f"{a}.{b}.{c}.{d}"
    yield f"{a}.{b}.{c}.{d}."
    yield from (
        str(number),
        f"{number:#x}",
        f"{number:#X}",
        f"0{number:o}",
        f"0o{number:o}",
        f"{number + 2**32}",
    )
    yield from (f"{a}.{b}.{c * 256 + d}", f"{a}.{number & 0xFFFFFF}", f"{a:#x}.{b:#x}.{c:#x}.{d:#x}")
    yield from (f"0{a:o}.0{b:o}.0{c:o}.0{d:o}", f"0000{a:o}.{b}.{c}.{d}", f"{a:#x}.{number & 0xFFFFFF}")
    yield from (f"{a + 256}.{b}.{c}.{d}", f"{a}.{b}.{c}.{d:#x}", f"00{a}.{b}.{c}.{d}", f"{a}.{b}.{c}.{d}.5")
    yield from (f"{a}。{b}。{c}。{d}", f"{a}．{b}．{c}．{d}", f"{a}｡{b}｡{c}｡{d}")
    yield "".join(chr(0xFF10 + int(one)) if one.isdigit() else one for one in str(address))  # fullwidth
    yield "".join(chr(0x245F + int(one)) if one in "123456789" else one for one in str(address))  # circled
    yield "".join(f"%{ord(one):02x}" for one in str(address))
    for shown in (f"::ffff:{address}", f"::{address}", f"64:ff9b::{address}", f"::ffff:0:{address}"):
        yield f"[{shown}]"
    yield f"[2002:{number >> 16:x}:{number & 0xFFFF:x}::1]"
    yield f"[2001::{~number >> 16 & 0xFFFF:x}:{~number & 0xFFFF:x}]"
    yield f"[::ffff:{number >> 16:x}:{number & 0xFFFF:x}]"
    yield f"[::ffff:{address}%25eth0]"
    yield from (f"{address}.name.example", f"{a}-{b}-{c}-{d}.name.example")  # names that resolve to it


def _hostile() -> Iterator[str]:
    """Addresses on the web that must not have anything connected to."""
    inner = [
        ip_address(one) for one in ("127.0.0.1", "169.254.169.254", "10.0.0.1", "192.168.1.1", "0.0.0.0")
    ]
    for address in inner:
        for written in _written(IPv4Address(address)):
            yield f"http://{written}/"
            yield f"https://{written}:443/latest/meta-data"
    for one in NOT_PUBLIC:
        host = f"[{one}]" if ":" in one else one
        yield f"http://{host}/"
        yield f"https://user@{host}/"
        yield f"http://public.example:80@{host}/"
        yield f"http://public.example#@{host}/\\"
        yield f"http:\\\\{host}\\"
        yield f"http://{host}\\@public.example/"
        yield f"http://public.example\\@{host}/"
    for name in (
        "localhost",
        "LOCALHOST",
        "localhost.",
        "intranet",
        "metadata.google.internal",
        "rebound.example",
    ):
        yield f"http://{name}/"
        yield f"http://ⓛocalhost.{name}/"
    for scheme in ("file", "ftp", "gopher", "dict", "ldap", "ws", "data", "jar", "http+unix", "HtTpx"):
        yield f"{scheme}://public.example/"
        yield f"{scheme}:/etc/passwd"
    for port in (
        0,
        1,
        22,
        25,
        79,
        81,
        442,
        444,
        2375,
        6379,
        8080,
        8765,
        65535,
        65536,
        65616,
        -80,
        "80a",
        "８０",
    ):
        yield f"http://public.example:{port}/"
    yield from (
        "",
        "/",
        "//public.example/",
        "http:",
        "http:/",
        "http:///",
        "http://",
        "https:///public.example/",
    )
    yield from (
        "http:public.example",
        "http://?",
        "http://#",
        "http://@/",
        "http://:80/",
        "http://[/",
        "http://]/",
    )
    yield from (
        "http://[::1/",
        "http://[v1.x]/",
        "http://[]/",
        "http://[127.0.0.1]/",
        "http://[::1]x/",
        "http://.",
    )
    for letter in "\0\t\n\r \x0b\x7f\x85\xa0\u200b\u2028\ufeff\udc80\\":
        yield f"http://public.example{letter}/"
        yield f"{letter}http://public.example/"
        yield f"ht{letter}tp://public.example/"
        yield f"http://public.example/{letter}HTTP/1.1{letter}host: intranet"
    for names in (
        "a..b",
        "a.",
        "-" * 64,
        "x" * 64,
        ".".join(["x" * 63] * 5),
        "a_b.",
        "xn--",
        "*",
        "a,b",
        "a;b",
    ):
        yield f"http://{names}/"


HOSTILE = sorted({*_hostile()})
INSIDE = "127.0.0.1"


def _hostile_net(*replies: bytes) -> _Net:
    """Every name leads inside, but for the public one."""

    class Net(_Net):
        def resolve(self, host: str, port: int) -> Sequence[str]:
            try:
                return super().resolve(host, port)
            except OSError:
                return [PUBLIC] if host == "public.example" else [INSIDE]

    return Net({}, *replies)


def test_no_hostile_address_is_connected_to() -> None:
    assert len(HOSTILE) > 700
    for url in HOSTILE:
        net = _hostile_net(_ok(b"inside"))
        assert _refusal(net, url) == "url_refused", url
        assert net.connects == [], url


def test_no_redirect_leads_to_where_nothing_may_be_fetched() -> None:
    for url in HOSTILE:
        if any(letter in url for letter in "\r\n") or not url.isascii() or not url.strip():
            continue  # that is no header
        net = _hostile_net(_moved(url), _ok(b"a picture"))
        with suppress(ServiceError):
            net.fetcher().fetch("http://public.example/start")
        assert {*net.connects} <= {(PUBLIC, 80), (PUBLIC, 443)}, url


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_a_name_with_one_address_inside_is_refused_as_a_whole(address: str) -> None:
    for answer in ([address], [PUBLIC, address], [address, PUBLIC], [PUBLIC, "1.1.1.1", address]):
        net = _Net({"mixed.example": [answer]}, _ok(b"inside"))
        assert _refusal(net, "http://mixed.example/") == "url_refused"
        assert net.connects == []


def test_a_name_that_means_something_else_the_second_time_is_asked_once() -> None:
    answers = [[PUBLIC], [INSIDE], [INSIDE]]
    net = _Net({"rebound.example": answers}, _ok(b"a picture"))
    assert net.fetcher().fetch("http://rebound.example/a.jpg") == b"a picture"
    assert (net.asked, net.connects) == (["rebound.example"], [(PUBLIC, 80)])
    # A redirect to itself is a new connection: the name is asked, and checked, again.
    net = _Net({"rebound.example": answers}, _moved("/b.jpg"), _ok(b"inside"))
    assert _refusal(net, "http://rebound.example/a.jpg") == "url_refused"
    assert net.connects == [(PUBLIC, 80)]


def test_nobody_learns_which_names_there_are_inside() -> None:
    told = []
    net = _Net({"intranet": [[INSIDE]], "odd": [["none"]], "empty": [[]]})
    for url in (
        "http://intranet/",
        "http://nowhere.example/",
        "http://10.0.0.1/",
        "http://odd/",
        "http://empty/",
    ):
        with pytest.raises(ServiceError) as refused:
            net.fetcher().fetch(url)
        told.append((refused.value.code, str(refused.value), refused.value.status))
    assert len({*told}) == 1
    assert net.connects == []


def test_the_name_is_kept_and_the_address_connected_to() -> None:
    net = _Net({"shop.example": [["2606:4700:4700::1111", "1.1.1.1"]]}, _ok(b"a picture"))
    assert net.fetcher().fetch("HTTP://Shop.Example:80/a%20b.jpg?size=2&x=%2F#part") == b"a picture"
    assert net.connects == [("2606:4700:4700::1111", 80)]
    head = net.heads[0].decode().split("\r\n")
    assert head[0] == "GET /a%20b.jpg?size=2&x=%2F HTTP/1.1"
    assert "host: shop.example" in head
    told = {line.split(":")[0] for line in head[1:] if line}
    assert told == {"host", "user-agent", "accept", "accept-encoding", "connection"}


def test_another_port_is_asked_only_where_it_is_named() -> None:
    net = _Net({"shop.example": [[PUBLIC]] * 2}, _ok(b"a picture"))
    assert _refusal(net, "http://shop.example:8080/") == "url_refused"
    fetcher = Fetcher(1000, ports=(8080,), resolve=net.resolve, connect=net.connect)
    assert fetcher.fetch("http://shop.example:8080/") == b"a picture"
    assert b"host: shop.example:8080\r\n" in net.heads[0]


def test_it_follows_three_redirects_and_no_fourth() -> None:
    names = {f"{n}.example": [[PUBLIC]] for n in range(6)}
    moves = [_moved(f"http://{n}.example/x") for n in range(1, 5)]
    net = _Net(names, *moves[:3], _ok(b"a picture"))
    assert net.fetcher().fetch("http://0.example/") == b"a picture"
    assert [head.split(b"\r\n")[1] for head in net.heads] == [b"host: %d.example" % n for n in range(4)]
    net = _Net({f"{n}.example": [[PUBLIC]] for n in range(6)}, *moves, _ok(b"a picture"))
    assert _refusal(net, "http://0.example/") == "url_failed"
    assert len(net.connects) == 4


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"nothing\r\n\r\n",
        b"HTTP/1.1 404 Not Found\r\n\r\n",
        b"HTTP/1.1 500 No\r\n\r\n",
        b"HTTP/1.1 302 Found\r\n\r\n",
        b"HTTP/1.1 206 Partial\r\n\r\nx",
        b"HTTP/1.1 101 Switching\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nsh",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nx\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\na: " + b"b" * 70_000 + b"\r\n\r\n",
        _ok(b"x" * 1001),
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1001,
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3e9\r\n" + b"x" * 1001 + b"\r\n0\r\n\r\n",
        _moved("http://[/"),
        _moved("http://shop.example/\u00e9"),
    ],
)
def test_what_does_not_come_as_it_should_is_said_to_have_failed(reply: bytes) -> None:
    assert _refusal(_Net({"shop.example": [[PUBLIC]] * 9}, reply), "http://shop.example/") in {
        "url_failed",
        "url_refused",
    }


def test_of_several_addresses_the_first_that_answers_is_taken() -> None:
    class Net(_Net):
        def connect(self, address: str, port: int, within_s: float) -> socket.socket:
            if address == "1.1.1.1":
                return super().connect(address, port, within_s)
            self.connects.append((address, port))
            raise TimeoutError

    net = Net({"shop.example": [["2606:4700:4700::1111", "1.1.1.1", "1.1.1.1"]]}, _ok(b"a picture"))
    assert net.fetcher().fetch("http://shop.example/") == b"a picture"
    assert net.connects == [("2606:4700:4700::1111", 80), ("1.1.1.1", 80)]
    assert _refusal(_Net({"shop.example": [[PUBLIC, "1.1.1.1"]]}), "http://shop.example/") == "url_failed"


@contextmanager
def _server(reply: Callable[[socket.socket], None], tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """A server on this machine that answers whoever connects; its port."""
    with socket.create_server((INSIDE, 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                try:
                    if tls is not None:
                        connection = tls.wrap_socket(connection, server_side=True)
                    reply(connection)
                except OSError:
                    pass
                finally:
                    connection.close()

        serving = threading.Thread(target=serve)
        serving.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
    serving.join()


def _here(port: int, **more: ssl.SSLContext | float) -> Fetcher:
    """A fetcher for which this machine is public, and called shop.example."""
    return Fetcher(
        10_000_000,
        ports=(port,),
        is_allowed=lambda address: str(address) == INSIDE,
        resolve=lambda host, _: [INSIDE] if host == "shop.example" else [],
        **more,  # type: ignore[arg-type]
    )


def test_a_name_that_is_looked_up_without_end_is_left_and_so_are_too_many_at_once() -> None:
    answered, asked = threading.Event(), list[str]()

    def resolve(host: str, _: int) -> Sequence[str]:
        asked.append(host)
        answered.wait()
        return []

    fetcher = Fetcher(1000, resolve=resolve, within_s=0.02)
    try:
        for number in range(MOST_LOOK_UPS + 3):
            with pytest.raises(ServiceError) as failed:
                fetcher.fetch(f"http://{number}.example.org/")
            assert (failed.value.code, answered.is_set()) == ("url_failed", False)
        assert len(asked) <= MOST_LOOK_UPS
    finally:
        answered.set()


def _trickle(start: bytes) -> Callable[[socket.socket], None]:
    def reply(connection: socket.socket) -> None:
        connection.sendall(start)
        while True:
            connection.sendall(b"x")
            threading.Event().wait(0.01)

    return reply


@pytest.mark.enable_socket
@pytest.mark.parametrize(
    "start",
    [
        b"",
        b"HTTP/1.1 200 OK\r\na: ",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffff\r\n",
    ],
)
def test_a_server_that_trickles_is_left(start: bytes) -> None:
    with _server(_trickle(start)) as port, pytest.raises(ServiceError) as failed:
        _here(port, within_s=0.5).fetch(f"http://shop.example:{port}/")
    assert failed.value.code == "url_failed"


@pytest.mark.enable_socket
@pytest.mark.parametrize("start", [b"", b"\x16\x03\x03\x7f\xff"])
def test_a_greeting_that_trickles_is_left_too(start: bytes) -> None:
    with _server(_trickle(start)) as port, pytest.raises(ServiceError) as failed:
        _here(port, within_s=0.5).fetch(f"https://shop.example:{port}/")
    assert failed.value.code == "url_failed"


@pytest.mark.enable_socket
@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not here")
def test_a_certificate_is_that_of_the_name_not_of_the_address(tmp_path: Path) -> None:
    key, cert = str(tmp_path / "key.pem"), str(tmp_path / "cert.pem")
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=shop"
    )
    names = ["-addext", "subjectAltName=DNS:shop.example", "-keyout", key, "-out", cert]
    subprocess.run([*command.split(), *names], check=True, capture_output=True)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(cert, key)
    asked: list[str | None] = []
    server.sni_callback = lambda _, name, __: asked.append(name)

    def reply(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(_ok(b"a picture"))

    with _server(reply, server) as port:
        believed = ssl.create_default_context(cafile=cert)
        assert _here(port, tls=believed).fetch(f"https://shop.example:{port}/") == b"a picture"
        for fetcher, host in ((_here(port, tls=believed), INSIDE), (_here(port), "shop.example")):
            with pytest.raises(ServiceError) as failed:
                fetcher.fetch(f"https://{host}:{port}/")
            assert failed.value.code == "url_failed"
    assert asked == ["shop.example", None, "shop.example"]


@pytest.mark.enable_socket
def test_an_address_is_connected_to_without_being_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    with _server(lambda connection: connection.sendall(b"x")) as port, monkeypatch.context() as without:
        without.delattr(socket, "getaddrinfo")
        with connected(INSIDE, port, 60) as connection:
            assert connection.recv(1) == b"x"


class _Photos(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.enable_socket
def test_a_picture_on_the_web_is_asked_with_like_one_that_is_uploaded(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for proxy in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(proxy, "http://127.0.0.1:9")  # nobody is there
    (shop / "photos" / "page.html").write_text("<html>")

    def photos(*args: object) -> _Photos:
        return _Photos(*args, directory=str(shop / "photos"))  # type: ignore[arg-type]

    with http.server.ThreadingHTTPServer((INSIDE, 0), photos) as server:
        threading.Thread(target=server.serve_forever).start()
        port = server.server_address[1]
        app = create_app(shop / "catalog", ServiceOptions(takes_urls=True), fetcher=_here(port))
        with Client(app) as asked:
            wait_until_ready(asked)
            here = f"http://shop.example:{port}"
            token = asked.post("/images", {"url": f"{here}/003.jpg"}).json["image"]
            by_url = asked.post("/search", {"image": token, "k": 5}).json["hits"]
            data = (shop / "photos" / "003.jpg").read_bytes()
            sent = asked("POST", "/search?k=5", data, headers={"content-type": "image/jpeg"}).json["hits"]
            replies = [
                asked.post("/images", {"url": url})
                for url in (f"{here}/page.html", f"{here}/none.jpg", f"http://{INSIDE}:1/", "x" * 3000)
            ]
        server.shutdown()
    assert by_url == sent
    told = [(reply.status, reply.json["code"]) for reply in replies]
    assert told == [
        (422, "unusable_picture"),
        (422, "url_failed"),
        (403, "url_refused"),
        (422, "invalid_request"),
    ]


def test_nothing_is_fetched_unless_that_was_allowed(client: Client, shop: Path) -> None:
    reply = client.post("/images", {"url": "https://shop.example/bag.jpg"})
    assert (reply.status, reply.json["code"]) == (403, "url_refused")
    assert "--allow-urls" in reply.json["detail"]
    net = _Net({"shop.example": [[PUBLIC]]}, _ok((shop / "photos" / "003.jpg").read_bytes()))
    for takes_urls, status in ((False, 403), (True, 201)):
        options = ServiceOptions(takes_urls=takes_urls)
        with Client(create_app(shop / "catalog", options, fetcher=net.fetcher(10**6))) as asked:
            wait_until_ready(asked)
            assert asked.post("/images", {"url": "http://shop.example/bag.jpg"}).status == status
        assert len(net.connects) == takes_urls


def test_the_kinds_of_addresses_are_those_that_python_knows() -> None:
    for one in (*NOT_PUBLIC, *IS_PUBLIC):
        assert isinstance(ip_address(one), IPv4Address | IPv6Address)
    assert len(NOT_PUBLIC) >= 42
