"""Ids: how a name of the file system becomes text that is always valid, and how repeats are found.

Knows nothing of folders or tables.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable

import numpy as np


def printable(text: str) -> str:
    r"""Return ``text`` as valid Unicode: bytes that were not UTF-8 become ``\xNN``.

    ``text`` is as ``os.fsdecode`` gives it. Two different names may become equal this way; whoever
    makes ids of them has to check.
    """
    if text.isascii():
        return text
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return _escaped(text)
    return text


def _escaped(text: str) -> str:
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # halves of surrogate pairs: JSON and Windows names can hold them
        return text.encode("utf-8", "backslashreplace").decode("utf-8")


class RepeatFinder:
    """Finds which of very many ids occur more than once, in 8 bytes an id.

    Keeps a hash of every id. :meth:`ledger` then needs to remember only ids whose hash repeats,
    which are the repeated ids and, rarely, a chance collision; so its answers are exact.
    """

    def __init__(self) -> None:
        self._hashes = array("q")

    def __len__(self) -> int:
        return len(self._hashes)

    def see(self, item_id: str) -> None:
        """Note one more use of an id."""
        self._hashes.append(hash(item_id))

    def ledger(self) -> IdLedger:
        """Return what tells first uses from later ones."""
        ordered = np.sort(np.frombuffer(self._hashes, dtype=np.int64))
        return IdLedger(ordered[1:][ordered[1:] == ordered[:-1]].tolist())


class IdLedger:
    """Tells the first use of an id from a later one; ids that were seen once cost no memory."""

    def __init__(self, repeated_hashes: Iterable[int]) -> None:
        self._repeated = frozenset(repeated_hashes)
        self._used: set[str] = set()

    def is_new(self, item_id: str) -> bool:
        """Whether this is the first use of the id; the next use is not."""
        if hash(item_id) not in self._repeated:
            return True
        if item_id in self._used:
            return False
        self._used.add(item_id)
        return True
