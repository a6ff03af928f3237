"""How a service is set up."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from enum import IntEnum

from seealike.errors import UsageError, check_count

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
DEFAULT_PORT = 8765


class Access(IntEnum):
    """What somebody may do; each may do all that comes before it."""

    NOTHING = 0
    READ = 1
    WRITE = 2
    ADMIN = 3


@dataclass(frozen=True, slots=True)
class Keys:
    """Who may do what. Without any key, whoever reaches the service may do everything.

    Args:
        access: what each key allows.
    """

    access: tuple[tuple[str, Access], ...] = ()

    @classmethod
    def parse(cls, text: str) -> Keys:
        """Read the lines of a key file: ``read KEY``, ``write KEY`` or ``admin KEY``; ``#`` begins a remark.

        Raises:
            UsageError: a line says something else, or a key is short.
        """
        found = []
        for number, line in enumerate(text.splitlines(), 1):
            words = line.split("#", 1)[0].split()
            if not words:
                continue
            names = {access.name.lower(): access for access in Access if access}
            if len(words) != 2 or words[0] not in names:
                raise UsageError(
                    f"line {number} of the key file is not `read KEY`, `write KEY` or `admin KEY`"
                )
            if len(words[1]) < 16:
                raise UsageError(
                    f"the key in line {number} of the key file is short: use at least 16 letters"
                )
            found.append((words[1], names[words[0]]))
        if not found:
            raise UsageError("the key file has no key; write a line such as `read KEY`")
        return cls(tuple(found))

    def access_of(self, key: str | None) -> Access:
        """What a key allows. Every key is compared, in constant time."""
        if not self.access:
            return Access.ADMIN
        given, found = _digest(key or ""), Access.NOTHING
        for known, access in self.access:
            if hmac.compare_digest(given, _digest(known)):
                found = max(found, access)
        return found


def _digest(key: str) -> bytes:
    """Of one length, whatever the key's."""
    return hashlib.sha256(key.encode(errors="surrogatepass")).digest()


@dataclass(frozen=True, slots=True)
class ServiceOptions:
    """What a service takes on, and from whom.

    Args:
        host: the address to listen on; beyond this machine only with keys.
        port: the port; 0 takes a free one.
        keys: who may do what.
        hosts: the names by which the service may be called, beside its own address and localhost.
        origins: pages of these origins may ask it (CORS); none by default.
        body_bytes: the largest body of a request.
        body_memory: memory for the bodies of all requests that are under way.
        connections: how many may be open; further ones are closed at once.
        pictures: how many pictures may wait or be worked on at once; a request without any counts as one.
        deadline_s: after this long a request is answered that it took too long.
        header_s: how long a client may take for the head of a request.
        body_s: how long it may take for the body, and for reading half of what waits to be read.
        rate: requests a second that one key, or one address, may make in the long run; 0: any number.
        burst: how many of them at once.
        upload_bytes: memory for pictures that were uploaded to be asked with.
        upload_s: how long such a picture is kept after it was used last.
        takes_urls: whether it fetches pictures from public addresses on the web that it is asked with.
    """

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    keys: Keys = field(default_factory=Keys)
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    body_bytes: int = 32 * 2**20
    body_memory: int = 512 * 2**20
    connections: int = 1024
    pictures: int = 128
    deadline_s: float = 30.0
    header_s: float = 10.0
    body_s: float = 30.0
    rate: float = 0.0
    burst: int = 50
    upload_bytes: int = 256 * 2**20
    upload_s: float = 900.0
    takes_urls: bool = False

    def __post_init__(self) -> None:
        """Refuse what would be open to everybody, or closed to all."""
        for name in ("body_bytes", "body_memory", "connections", "pictures", "burst", "upload_bytes"):
            check_count(getattr(self, name), name)
        if self.body_memory < self.body_bytes:
            raise UsageError("body_memory is smaller than one body may be: lower body_bytes")
        if not self.rate >= 0 or not self.deadline_s > 0:
            raise UsageError("rate must not be negative, and deadline_s must be above 0")
        if not self.keys.access and self.host not in LOOPBACK:
            raise UsageError(
                f"on {self.host} everybody could change the catalogue: give a --key-file, or --host 127.0.0.1"
            )

    @property
    def called(self) -> frozenset[str]:
        """The names by which it may be called, in lower case and without a port; from this machine always."""
        own = LOOPBACK if self.host in LOOPBACK else {self.host, *LOOPBACK}
        return frozenset(name.lower() for name in (*own, *self.hosts))
