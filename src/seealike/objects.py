"""Object storage by its addresses, such as ``s3://BUCKET/PREFIX``, by the optional package obstore.

Credentials come from the environment, as each cloud's own programs read them; they are never in an address.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from seealike.errors import MissingExtraError, StorageError, UnknownNameError, UsageError

if TYPE_CHECKING:
    from typing import BinaryIO

Result = TypeVar("Result")
SCHEMES = ("s3", "gs", "az")
TRIED_S = 60.0  # after which nothing is tried again that failed; one answer may take 30 s
_MARK = "://"
# Parameters of addresses that are signed for a time, by Amazon, Google, Azure and CloudFront.
_SIGNATURES = frozenset({"x-amz-signature", "x-goog-signature", "signature", "sig"})
_OF_SIGNATURES = re.compile(
    r"x-amz-.+|x-goog-.+|awsaccesskeyid|googleaccessid|signature|expires|policy|key-pair-id|keyname|"
    r"sig|se|sp|sv|sr|st|spr|skoid|sktid|skt|ske|sks|skv|sip|ss|srt"
)
_CREDENTIALS = "credentials come from the environment, see `seealike help many-machines`"
_REMEDIES = {"401": _CREDENTIALS, "403": _CREDENTIALS, "404": "see that there is such a bucket"}
_KNOWN = (  # words of obstore, what they mean, and what helps
    ("http://169.254.169.254/", "there are no credentials", _CREDENTIALS),  # whom a machine in a cloud asks
    ("Missing AccessKeyId", "there are no credentials", _CREDENTIALS),
    ("Missing SecretAccessKey", "there are no credentials", _CREDENTIALS),
    ("builder error", "the address of its server is refused", "one without TLS needs AWS_ALLOW_HTTP=true"),
    (
        "error sending request",
        "its server does not answer",
        "see that the network and AWS_ENDPOINT_URL are right",
    ),
)
_KEYS = re.compile(r"((access|auth|session|id)[-_]?)?token|api[-_]?key|auth|secret|password|jwt")


@dataclass(frozen=True, slots=True)
class ObjectFound:
    """An object that a listing names."""

    name: str
    size_bytes: int
    mtime_ns: int


def is_address(name: object) -> bool:
    """Whether this is an address, of object storage, the web or an engine, and no path of a file system."""
    return isinstance(name, str) and _MARK in name


def without_secrets(path: str) -> str:
    """An address of the web without what lets somebody in; any other path as it is.

    What signs it is left out, so however often it is signed, it is the same. Of other keys a hash stays, for
    they may be what tells two pictures apart.
    """
    if not path.startswith(("http://", "https://")):
        return path
    try:
        parts = urlsplit(path)
    except ValueError:  # no address that anybody could be asked at
        return path
    given = parts.query.split("&")
    is_signed = not _SIGNATURES.isdisjoint(map(_parameter, given))
    kept = [_hashed(one) for one in given if not (is_signed and _OF_SIGNATURES.fullmatch(_parameter(one)))]
    netloc = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, netloc, parts.path, "&".join(kept), parts.fragment))


def _parameter(given: str) -> str:
    """The name of ``NAME=VALUE``."""
    return unquote(given.partition("=")[0]).lower()


def _hashed(given: str) -> str:
    name, mark, value = given.partition("=")
    if not value or not _KEYS.fullmatch(_parameter(given)):
        return given
    return f"{name}{mark}sha256-{hashlib.sha256(value.encode(errors='replace')).hexdigest()[:16]}"


def place_in(root: str, path: str) -> str:
    """A path as it was stored, which may be relative to a root, or else is absolute or an address."""
    return path if is_address(path) else os.path.join(root, path)


class ObjectStore:
    """The objects whose keys begin with a prefix and ``/``, called by what follows.

    Raises:
        UsageError: it is no address of object storage, or one with credentials or a query in it.
        MissingExtraError: obstore is not installed.
    """

    def __init__(self, address: str) -> None:
        scheme, mark, rest = address.partition(_MARK)
        if not mark or scheme not in SCHEMES:
            raise UnknownNameError("kind of address", f"{scheme}{mark}", [f"{one}{_MARK}" for one in SCHEMES])
        bucket, _, prefix = rest.rstrip("/").partition("/")
        if not bucket or "@" in bucket or urlsplit(address).query:
            raise UsageError(
                f"{scheme}{_MARK}BUCKET/PREFIX is an address; credentials come from the environment"
            )
        self.address = address.rstrip("/")
        try:
            from obstore.store import from_url
        except ImportError as exc:
            raise MissingExtraError("object storage", "cloud") from exc
        with self._translated("read"):
            self._store = from_url(  # which takes % and # for signs of its own
                f"{scheme}{_MARK}{bucket}/{quote(prefix)}",
                retry_config={"retry_timeout": timedelta(seconds=TRIED_S)},
            )

    @property
    def label(self) -> str:
        """How messages call it."""
        return self.address

    def read(self, name: str) -> bytes | None:
        """The content of an object, ``None`` where there is none.

        Raises:
            StorageError: it cannot be read.
        """
        import obstore

        with self._translated("read"), suppress(FileNotFoundError):
            return _waited_for(lambda: bytes(obstore.get(self._store, name).bytes()))
        return None

    def read_part(self, name: str, start: int, size: int) -> bytes:
        """Some bytes of an object.

        Raises:
            StorageError: they cannot be read.
        """
        import obstore

        if not size:
            return b""
        with self._translated("read"):
            return _waited_for(lambda: bytes(obstore.get_range(self._store, name, start=start, length=size)))

    @contextmanager
    def opened(self, name: str) -> Iterator[BinaryIO]:
        """An object as a file that can be read and sought in.

        Raises:
            StorageError: it cannot be read.
        """
        import obstore

        with self._translated("read"):
            reader = _waited_for(lambda: obstore.open_reader(self._store, name))
            yield _File(reader)  # type: ignore[misc]  # as far as needed

    def write(self, name: str, data: bytes) -> None:
        """Put an object there, or in the place of another, whole or not at all.

        Raises:
            StorageError: that is refused.
        """
        import obstore

        with self._translated("write"):
            _waited_for(lambda: obstore.put(self._store, name, data))

    def found(self) -> Iterator[ObjectFound]:
        """Every object, in the order of the keys where the storage has one.

        Raises:
            StorageError: they cannot be listed.
        """
        import obstore

        with self._translated("read"):
            blocks = iter(obstore.list(self._store))
            while block := _waited_for(lambda: next(blocks, None)):
                for meta in block:
                    mtime_ns = int(meta["last_modified"].timestamp() * 1_000_000) * 1000
                    yield ObjectFound(meta["path"], meta["size"], mtime_ns)

    def names(self) -> Iterator[str]:
        """The names of all objects.

        Raises:
            StorageError: they cannot be listed.
        """
        return (one.name for one in self.found())

    def remove(self, name: str) -> None:
        """Remove an object; one that is gone already is fine.

        Raises:
            StorageError: that is refused.
        """
        import obstore

        with self._translated("write"), suppress(FileNotFoundError):
            _waited_for(lambda: obstore.delete(self._store, name))

    def locked(self) -> AbstractContextManager[None]:
        """Nothing: object storage knows no turns. Two who write shards of the same make the same."""
        return nullcontext()

    @contextmanager
    def _translated(self, doing: str) -> Iterator[None]:
        from obstore.exceptions import BaseError

        try:
            yield
        except (BaseError, OSError, ValueError) as exc:
            cause, remedy = _cause(exc)
            raise StorageError(
                self.label, cause, remedy, doing="write" if doing == "write" else "read"
            ) from exc


class _File:
    """A reader of obstore as ``tarfile`` and pyarrow know files."""

    def __init__(self, reader: object) -> None:
        self._reader = reader
        self.closed = False

    def read(self, size: int = -1) -> bytes:
        reader = self._reader
        return _waited_for(
            lambda: bytes(reader.readall() if size < 0 else reader.read(size))  # type: ignore[attr-defined]
        )

    def seek(self, place: int, whence: int = 0) -> int:
        return int(self._reader.seek(place, whence))  # type: ignore[attr-defined]

    def tell(self) -> int:
        return int(self._reader.tell())  # type: ignore[attr-defined]

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def close(self) -> None:
        self.closed = True


def _waited_for(call: Callable[[], Result]) -> Result:
    """What a call of the library gives. It heeds no Ctrl-C; who waits for it in a thread does."""
    if threading.current_thread() is not threading.main_thread():
        return call()
    found = Future[Result]()

    def work() -> None:
        try:
            found.set_result(call())
        except BaseException as exc:  # noqa: BLE001  whoever waits must hear of it
            found.set_exception(exc)

    threading.Thread(target=work, name="seealike-storage", daemon=True).start()
    return found.result()


def _cause(error: Exception) -> tuple[str, str]:
    """What went wrong, and what helps; without the request, whose address may be a secret one."""
    text = str(error).partition("\n")[0]
    for sign, cause, remedy in _KNOWN:
        if sign in text:
            return cause, remedy
    status = re.search(r"status code: ((\d+) [\w ]+)", text)
    if status:
        return f"the storage answers {status[1].strip()}", _REMEDIES.get(status[2], "")
    return re.sub(r"Error performing \w+ \S+|https?://\S+", "it", text)[:200], ""
