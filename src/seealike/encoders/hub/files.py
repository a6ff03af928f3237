"""Files of a hub: which one is meant, where it is, and what it must be, byte by byte.

A file is named by its repository, the commit of it, and its path there. What it must be is its SHA-256: the
size alone would let another file through. Where nobody has published that, the note of the model that it
belongs to has it, once that was tried; while the note is there nothing else is taken under this name.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from urllib.parse import SplitResult, quote, urlsplit

from seealike.encoders.cache import default_cache_dir, is_sha256
from seealike.errors import UsageError

_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*")
_REVISION = re.compile(r"[0-9a-f]{40}")
_TOKEN = re.compile(r"[!-~]+")
LOCK_NAME, PART, NOTE = "download.lock", ".part", "installed.json"
ARRIVING, READING = "arriving", "reading"  # where files come to be tried, and what one to be read at once is
_OURS = (LOCK_NAME, NOTE, ARRIVING, READING)
HUB = "https://huggingface.co"
_YES = {"1", "ON", "YES", "TRUE"}


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file of a hub.

    Args:
        repository: ``owner/name``.
        revision: the commit, 40 hexadecimal digits; a branch would be another file tomorrow.
        path: where it is in the repository, with ``/`` between folders.
        bytes: its size; None where nobody said.
        sha256: the digest of its content; None where nobody said.
        name: what it is called here; by default as there.
        noted: the note that has the digest, where nobody has published it.
    """

    repository: str
    revision: str
    path: str
    bytes: int | None = None
    sha256: str | None = None
    name: str = ""
    noted: str = ""

    def __post_init__(self) -> None:
        """Refuse what is no name of a file in a commit.

        Raises:
            UsageError: it is none.
        """
        if not _REPOSITORY.fullmatch(self.repository):
            raise UsageError(f"{self.repository!r} is no repository of a hub: OWNER/NAME")
        if not _REVISION.fullmatch(self.revision):
            raise UsageError(
                f"the revision {self.revision!r} of {self.repository} is no commit: 40 hexadecimal digits"
            )
        parts = self.path.split("/")
        if not self.path.isprintable() or "\\" in self.path or {"", ".", ".."} & set(parts):
            raise UsageError(f"{self.path!r} is no path of a file in {self.repository}")
        kept = self.local_name.lower()
        if not self.name and (kept in _OURS or kept.endswith(PART)):
            raise UsageError(f"a file called {self.local_name} cannot be kept: seealike writes that itself")
        if self.sha256 is not None and not is_sha256(self.sha256):
            raise UsageError(f"{self.sha256!r} is no SHA-256: 64 hexadecimal digits")

    def __str__(self) -> str:
        """The name that it has everywhere."""
        return f"{self.repository}@{self.revision}/{self.path}"

    @property
    def local_name(self) -> str:
        """What it is called in a folder here."""
        return self.name or self.path.rpartition("/")[2]


class CutError(Exception):
    """The connection, or the server, failed in the midst of it: what follows may be asked for again."""


@dataclass(frozen=True, slots=True)
class Hub:
    """Where files are fetched from, and with what patience.

    Args:
        endpoint: the address of the hub, or of a mirror of it.
        token: whom the hub takes the user for; told to nobody but the endpoint, and only where it asks.
        offline: never open a connection.
        silence_s: how long nothing at all may come.
        stall_s: how long the network may take for ``least_bytes``; what the disk takes does not count.
        least_bytes: see ``stall_s``.
        pauses_s: how long to wait before asking again, each time that nothing came.
        most_bytes: of a file; no model is larger.
    """

    endpoint: str = HUB
    token: str | None = field(default=None, repr=False)
    offline: bool = False
    silence_s: float = 30.0
    stall_s: float = 60.0
    least_bytes: int = 1 << 16
    pauses_s: tuple[float, ...] = (1.0, 5.0)
    most_bytes: int = 32_000_000_000

    def __post_init__(self) -> None:
        """Refuse what is no address, and what is no token, without showing it.

        Raises:
            UsageError: it is none.
        """
        try:
            at = split_url(self.endpoint)
            good = at.scheme in ("http", "https") and at.hostname and not (at.username or at.query)
        except ValueError:
            good = False
        if not good:
            raise UsageError("HF_ENDPOINT must be an address such as https://host, or https://host/path")
        if self.token is not None and not _TOKEN.fullmatch(self.token):
            raise UsageError(
                "HF_TOKEN holds what no token does (a space, a line end, a letter that is not ASCII)"
            )

    @classmethod
    def from_environment(cls, *, offline: bool = False) -> Hub:
        """As the variables of the environment say that other programs for hubs read too.

        ``offline``: open no connection, whatever they say.

        Raises:
            UsageError: ``HF_ENDPOINT`` is no address, or ``HF_TOKEN`` no token.
        """
        return cls(
            endpoint=(os.environ.get("HF_ENDPOINT") or HUB).rstrip("/"),
            token=(os.environ.get("HF_TOKEN") or "").strip() or None,
            offline=offline or os.environ.get("HF_HUB_OFFLINE", "").upper() in _YES,
        )

    @property
    def host(self) -> str:
        """Who is asked, for messages."""
        return urlsplit(self.endpoint).netloc

    def page(self, repository: str) -> str:
        """Where people read about a repository."""
        return f"{self.endpoint}/{repository}"

    def url(self, file: RemoteFile) -> str:
        """Where a file is."""
        return f"{self.endpoint}/{file.repository}/resolve/{file.revision}/{quote(file.path)}"


def split_url(url: str) -> SplitResult:
    """The parts of an address.

    Raises:
        ValueError: it is none.
    """
    found = urlsplit(url)
    _ = found.port  # a number, or none
    return found


def hub_dir(cache_dir: str | None = None) -> str:
    """Where models of hubs are kept: ``hub`` in ``SEEALIKE_CACHE``, or in the user's cache directory."""
    return os.path.join(cache_dir or default_cache_dir(), "hub")
