"""One request to a hub, by the standard library: where it goes, what it tells, and what an answer means.

Proxies and certificates are those of the environment, by the variables that other programs read too. Nothing
is sent but the request itself. Imported only where something is to be fetched: the libraries take a while.
"""

from __future__ import annotations

import email.utils
import http.client
import os
import re
import ssl
import string
import time
import urllib.error
import urllib.request
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, urljoin, urlsplit

from seealike._version import __version__
from seealike.encoders.hub.files import CutError, Hub, RemoteFile, split_url
from seealike.errors import EncoderError, NotOnHubError

if TYPE_CHECKING:
    from email.message import Message

_MOST_REDIRECTS = 10
_REDIRECTS = (301, 302, 303, 307, 308)
_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")  # SSL_CERT_FILE and SSL_CERT_DIR are heeded by ssl itself
_RESET = re.compile(r"\bt=(\d+)")
_DIGEST = re.compile(r'(?:W/)?"?([0-9a-f]{64})"?')


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, its body still to be read.

    Args:
        body: the rest of the file, as it comes.
        start: where in the file it begins.
        total: the size of the whole file; None where nobody says.
        announced: the SHA-256 that the hub says the file has; None where it says none.
        host: who sends it.
    """

    body: http.client.HTTPResponse
    start: int
    total: int | None
    announced: str | None
    host: str


@dataclass(frozen=True, slots=True)
class _Linked:
    """What a hub says, on the way to it, that a large file is."""

    sha256: str | None = None
    size: int | None = None

    def or_by(self, headers: Message) -> _Linked:
        """The same, with what these headers say where nobody has said it before."""
        digest = _DIGEST.fullmatch(headers.get("X-Linked-Etag", ""))
        size = _number(headers.get("X-Linked-Size")) if self.size is None else self.size
        return _Linked(self.sha256 or (digest[1] if digest else None), size)


def ask(hub: Hub, file: RemoteFile, start: int) -> Answer | None:
    """Ask for a file, from byte ``start`` on; None where the server says that it does not reach that far.

    Raises:
        CutError: it may be asked for again.
        EncoderError: it may not; the message says why, and what to do.
    """
    try:
        return _asked(hub, file, start, token=None)
    except _TokenWantedError:
        if hub.token is None or not hub.endpoint.startswith("https:"):
            raise EncoderError(_who_asks(hub, file)) from None
    try:
        return _asked(hub, file, start, token=hub.token)
    except _TokenWantedError:
        raise EncoderError(
            f"{hub.host} does not take HF_TOKEN for {file.repository} (401); accept the licence at "
            f"{hub.page(file.repository)} with its account, or set another"
        ) from None


def size_of(hub: Hub, file: RemoteFile) -> int | None:
    """How large a file is, where the hub says so.

    Raises:
        EncoderError: it has no such file, or does not give it.
    """
    with suppress(CutError):  # whoever fetches it asks again, and says why it failed
        answer = ask(hub, file, 0)
        if answer is not None:
            with closing(answer.body):
                return answer.total
    return None


class _TokenWantedError(Exception):
    """The hub wants to know who asks."""


def _who_asks(hub: Hub, file: RemoteFile) -> str:
    unsafe = "" if hub.endpoint.startswith("https:") else "; no token is sent over plain http"
    return (
        f"{hub.host} gives {file.repository} only to those it knows, or has none of that name (401); accept "
        f"the licence at {hub.page(file.repository)}, and set HF_TOKEN{unsafe}"
    )


def _asked(hub: Hub, file: RemoteFile, start: int, token: str | None) -> Answer | None:
    """Ask, and follow the hub to where it keeps its large files; the token stays at home."""
    opener, url, linked = _opener(), hub.url(file), _Linked()
    for _ in range(_MOST_REDIRECTS):
        headers = {"User-Agent": f"seealike/{__version__}", "Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
        if token is not None and _origin(url) == _origin(hub.endpoint):
            headers["Authorization"] = f"Bearer {token}"
        try:
            request = urllib.request.Request(url, headers=headers)  # noqa: S310  a hub's address is http or https
            response = opener.open(request, timeout=hub.silence_s)
        except (OSError, http.client.HTTPException) as exc:
            raise _unreachable(hub, file, exc) from exc
        if response.status in (http.HTTPStatus.OK, http.HTTPStatus.PARTIAL_CONTENT):
            return _answer(response, start, linked.or_by(response.headers))
        with response:
            if start and response.status == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                return None
            if response.status not in _REDIRECTS or "Location" not in response.headers:
                raise _meaning(hub, file, response)
            linked = linked.or_by(response.headers)
            url = _next(hub, url, response.headers["Location"])
    raise EncoderError(f"{urlsplit(url).netloc} redirects without end; nothing was fetched")


def _opener() -> urllib.request.OpenerDirector:
    """What asks over http and https, by the proxies of the environment, and decides nothing about answers."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(context=_certificates()),
    ):
        opener.add_handler(handler)
    return opener


def _next(hub: Hub, url: str, location: str) -> str:
    """Where to ask next: never from https to http, nor to what is no server.

    Raises:
        EncoderError: it would be there.
    """
    schemes = {"https", urlsplit(hub.endpoint).scheme}
    try:
        found = urljoin(url, quote(location, safe=string.punctuation))
        if split_url(found).scheme in schemes and split_url(found).hostname:
            return found
    except ValueError:
        pass
    raise EncoderError(
        f"{urlsplit(url).netloc} leads to {location[:200]!r}, which is not safe; nothing was fetched"
    )


def _answer(response: http.client.HTTPResponse, start: int, linked: _Linked) -> Answer:
    host = urlsplit(response.url).netloc
    encoding = response.headers.get("Content-Encoding", "identity")
    if encoding != "identity":
        response.close()
        raise EncoderError(f"{host} sends the file packed ({encoding}), though it was asked not to")
    if response.status != http.HTTPStatus.PARTIAL_CONTENT:
        length = _number(response.headers.get("Content-Length"))
        return Answer(response, 0, length if linked.size is None else linked.size, linked.sha256, host)
    found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
    if found is None or int(found[1]) != start:
        response.close()
        raise EncoderError(f"{host} sends another part of the file than it was asked for")
    return Answer(response, start, _number(found[2]) or linked.size, linked.sha256, host)


def _meaning(hub: Hub, file: RemoteFile, response: http.client.HTTPResponse) -> Exception:
    """What an answer other than the file says."""
    host, status = urlsplit(response.url).netloc, response.status
    if status == http.HTTPStatus.UNAUTHORIZED:
        return _TokenWantedError()
    if status >= http.HTTPStatus.INTERNAL_SERVER_ERROR:
        return CutError(f"{host} has a fault of its own ({status})")
    if status == http.HTTPStatus.NOT_FOUND:
        return NotOnHubError(
            f"{host} has no {file.path} in {file.repository} at revision {file.revision} (404)"
        )
    said = {
        403: f"does not give {file.repository} to you (403); accept the licence at "
        f"{hub.page(file.repository)} with the account of HF_TOKEN",
        429: f"asks to wait{_wait(response.headers)}: too many requests (429); run this then, and it goes on",
    }
    return EncoderError(f"{host} {said.get(status) or f'answers {status} for {file}'}")


def _wait(headers: Message) -> str:
    """How long a server wants to be left alone: in seconds, until a date, or as ``RateLimit`` says."""
    after = headers.get("Retry-After", "").strip()
    seconds: float | None = _number(after)
    if seconds is None and after:
        try:
            seconds = email.utils.parsedate_to_datetime(after).timestamp() - time.time()
        except (ValueError, TypeError, OverflowError):
            seconds = None
    if seconds is None:
        reset = _RESET.search(headers.get("RateLimit", ""))
        seconds = _number(reset[1]) if reset else None
    return "" if seconds is None else f" {max(1, round(seconds)):,} s"


def _unreachable(hub: Hub, file: RemoteFile, exc: Exception) -> Exception:
    reason = exc.reason if isinstance(exc, urllib.error.URLError) else exc
    if isinstance(reason, ssl.SSLCertVerificationError):
        return EncoderError(
            f"the certificate of {hub.host} is not trusted here ({reason.verify_message}); SSL_CERT_FILE "
            "names a file with those that are"
        )
    said = " ".join(str(getattr(reason, "strerror", None) or reason).split()) or type(reason).__name__
    if isinstance(reason, TimeoutError | http.client.HTTPException | ConnectionResetError):
        return CutError(f"{hub.host} does not answer ({said})")
    digest = f", SHA-256 {file.sha256}" if file.sha256 else ""
    return EncoderError(
        f"{hub.host} cannot be reached ({said}); where it can be, fetch {hub.url(file)}{digest}, "
        "and bring it here: --from PATH"
    )


def _origin(url: str) -> tuple[str, str | None, int | None]:
    at = split_url(url)
    return at.scheme, at.hostname, at.port or {"https": 443, "http": 80}.get(at.scheme)


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() else None


def _certificates() -> ssl.SSLContext:
    """Whom to trust: as the variables of other programs say, else as the system does.

    Raises:
        EncoderError: what a variable names cannot be read.
    """
    name = next((name for name in _BUNDLES if os.environ.get(name)), None)
    if name is None:
        return ssl.create_default_context()
    bundle = os.environ[name]
    try:
        if os.path.isdir(bundle):
            return ssl.create_default_context(capath=bundle)
        return ssl.create_default_context(cafile=bundle)
    except OSError as exc:
        raise EncoderError(f"{name} names {bundle}, which cannot be read: {exc.strerror or exc}") from exc
