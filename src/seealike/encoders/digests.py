"""The SHA-256 of large files, remembered: hashing half a gigabyte at every query would take most of its time.

A digest is trusted while the file has the size and the time of change it had when it was hashed, and had lain
still for a while then. Nothing is lost with what is kept here: it is computed again.
"""

from __future__ import annotations

import hashlib
import json
import os
import time

from seealike.encoders.blobs import BlobCache
from seealike.encoders.weights import file_sha256
from seealike.errors import EncoderError

_SETTLED_NS = 2_000_000_000  # no file system counts time in coarser steps


def remembered_sha256(path: str, cache_dir: str) -> str:
    """Return the digest of a file, computed only where it is not known from an earlier time.

    Raises:
        EncoderError: the file cannot be read.
    """
    real = os.path.realpath(path)
    try:
        stat = os.stat(real)
    except (OSError, ValueError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else str(exc)
        raise EncoderError(f"the weights {path} cannot be read: {reason}") from exc
    state = [real, stat.st_size, stat.st_mtime_ns]
    kept = _kept(path, cache_dir)
    if kept is not None and kept[0] == [*state, True]:
        return kept[1]
    settled = time.time_ns() - stat.st_mtime_ns > _SETTLED_NS
    digest = file_sha256(path)
    content = json.dumps({"state": [*state, settled], "sha256": digest})
    BlobCache(cache_dir).put(_key(path), content.encode())
    return digest


def last_sha256(path: str, cache_dir: str) -> str | None:
    """Return the digest that a file, perhaps gone since, had when it was last hashed, if it ever was."""
    kept = _kept(path, cache_dir)
    return kept[1] if kept is not None else None


def _key(path: str) -> str:
    named = os.path.abspath(path).encode(errors="surrogateescape")
    return f"sha256-{hashlib.sha256(named).hexdigest()[:32]}"


def _kept(path: str, cache_dir: str) -> tuple[list[object], str] | None:
    content = BlobCache(cache_dir).get(_key(path))
    if content is None:
        return None
    try:
        found = json.loads(content)
        return list(found["state"]), str(found["sha256"])
    except (ValueError, KeyError, TypeError):
        return None
