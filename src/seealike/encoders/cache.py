"""What is kept between runs, in a cache that may be lost, cut or flipped at any time and never does harm.

A file is the SHA-256 of its content followed by the content; whatever does not match its digest counts as
absent. Compiled models are kept so, and the digests of large files: hashing half a gigabyte at every query
would take most of its time. Nothing is synced: what is lost with the power is computed again. There are at
most so many files and bytes: what was not used for longest goes. The directory may be shared with others,
whose files stay.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import sys
import time
from contextlib import suppress
from typing import Literal, get_args

from seealike.errors import EncoderError, StorageError
from seealike.files import TEMPORARY_PREFIX, FileSystem

Kind = Literal["graph", "places", "precision", "sha256", "speed"]
"""What is kept that is no compiled model."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_DIGEST_BYTES = hashlib.sha256().digest_size
_SETTLED_NS = 2_000_000_000  # no file system counts time in coarser steps
MOST_FILES, MOST_BYTES = 500, 4 * 2**30
_OURS = re.compile(
    rf"(({'|'.join(get_args(Kind))})-[0-9a-f]{{32}}|[A-Za-z0-9._-]{{1,60}}-[0-9a-f]{{20}})\.blob"
)
_ABANDONED_S = 86400.0  # what was begun so long ago was killed, and is not written any more
_USED_S = 3600.0  # so long after it was noted, a use is noted again: as the time of the file's last change


def default_cache_dir() -> str:
    """Return ``SEEALIKE_CACHE``, or else the platform's cache directory for this user."""
    if chosen := os.environ.get("SEEALIKE_CACHE"):
        return chosen
    home = os.path.expanduser("~")
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or os.path.join(home, "AppData", "Local")
    elif sys.platform == "darwin":
        base = os.path.join(home, "Library", "Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or os.path.join(home, ".cache")
    return os.path.join(base, "seealike")


class BlobCache:
    """Named byte strings in a directory, each checked when it is read."""

    def __init__(self, directory: str) -> None:
        """Keep the directory's name; it is made when something is put into it."""
        self.directory = directory

    def path(self, key: str) -> str:
        """Return where the content called ``key`` is kept."""
        return os.path.join(self.directory, f"{key}.blob")

    def get(self, key: str) -> bytes | None:
        """Return the content called ``key``, or None when it is absent, unreadable or damaged."""
        try:
            with open(self.path(key), "rb") as file:
                digest, content = file.read(_DIGEST_BYTES), file.read()
                unnoted_s = time.time() - os.fstat(file.fileno()).st_mtime
        except OSError:
            return None
        if unnoted_s > _USED_S:
            with suppress(OSError):
                os.utime(self.path(key))
        return content if hashlib.sha256(content).digest() == digest else None

    def put(self, key: str, content: bytes) -> bool:
        """Keep ``content``; returns False where the directory cannot be written."""
        files = FileSystem()
        try:
            files.make_directory(self.directory)
            digest = hashlib.sha256(content).digest()
            files.write(self.path(key), digest + content, follow=False, durable=False)
        except StorageError:
            return False
        with suppress(OSError):
            self._tidy(files)
        return True

    def _tidy(self, files: FileSystem) -> None:
        found, abandoned = list[tuple[int, int, str]](), time.time() - _ABANDONED_S
        with os.scandir(self.directory) as entries:
            for entry in entries:
                with suppress(OSError):  # another process has removed it
                    status = entry.stat(follow_symlinks=False)
                    if not stat.S_ISREG(status.st_mode):
                        continue
                    if is_ours(entry.name):
                        found.append((status.st_mtime_ns, status.st_size, entry.path))
                    elif entry.name.startswith(TEMPORARY_PREFIX) and status.st_mtime < abandoned:
                        files.remove(entry.path)
        size_bytes = 0
        for place, (_, size, path) in enumerate(sorted(found, reverse=True)):
            size_bytes += size
            if place >= MOST_FILES or (place and size_bytes > MOST_BYTES):
                files.remove(path)


def is_ours(name: str) -> bool:
    """Whether something in the directory is called as what is kept there."""
    return _OURS.fullmatch(name) is not None


def key_of(kind: Kind, facts: object) -> str:
    """What is called so depends on ``facts`` and on nothing else; they are told apart by ``repr``."""
    return f"{kind}-{hashlib.sha256(repr(facts).encode()).hexdigest()[:32]}"


def model_key_of(name: str, facts: object) -> str:
    """The same for the compiled model of an encoder of that name."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", name)[:60]
    return f"{name}-{hashlib.sha256(repr(facts).encode()).hexdigest()[:20]}"


def is_sha256(text: str) -> bool:
    """Whether a text is a digest as it is written here: 64 lower hexadecimal digits."""
    return _SHA256.fullmatch(text) is not None


def file_sha256(path: str) -> str:
    """The digest of a file.

    Raises:
        EncoderError: it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as exc:
        raise EncoderError(f"the weights {path} cannot be read: {exc.strerror or exc}") from exc


def remembered_sha256(path: str, cache_dir: str) -> str:
    """Return the digest of a file, computed only where it is not known from an earlier time.

    A digest is trusted while the file has the size and the time of change it had when it was hashed, and had
    lain still for a while then.

    Raises:
        EncoderError: the file cannot be read.
    """
    real = os.path.realpath(path)
    try:
        status = os.stat(real)
    except (OSError, ValueError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else str(exc)
        raise EncoderError(f"the weights {path} cannot be read: {reason}") from exc
    cache, key = BlobCache(cache_dir), key_of("sha256", (real, status.st_size, status.st_mtime_ns))
    known = cache.get(key)
    if known is not None and len(known) == 2 * _DIGEST_BYTES:
        return known.decode()
    settled = time.time_ns() - status.st_mtime_ns > _SETTLED_NS
    digest = file_sha256(path)
    if settled:
        cache.put(key, digest.encode())
    return digest
