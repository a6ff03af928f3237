"""Compiled models on disk: a cache that may be lost, cut or flipped at any time and never does harm.

A file is the SHA-256 of its content followed by the content. It is built aside and renamed, so processes
that start at once see a whole file or none; whatever does not match its digest counts as absent. Nothing is
synced: a file lost with the power is compiled again.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import tempfile

_DIGEST_BYTES = hashlib.sha256().digest_size


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
        except OSError:
            return None
        return content if hashlib.sha256(content).digest() == digest else None

    def put(self, key: str, content: bytes) -> bool:
        """Keep ``content``; returns False where the directory cannot be written."""
        try:
            os.makedirs(self.directory, exist_ok=True)
            handle, aside = tempfile.mkstemp(prefix=f"{key}.", suffix=".tmp", dir=self.directory)
        except OSError:
            return False
        try:
            with open(handle, "wb") as file:
                file.write(hashlib.sha256(content).digest())
                file.write(content)
            os.replace(aside, self.path(key))
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(aside)
            return False
        return True
