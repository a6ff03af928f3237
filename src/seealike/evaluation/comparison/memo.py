"""What was measured before, kept beside the vectors it was measured on: a second look is instant.

Derived and small: a file that is missing, damaged or not writable only means measuring again.
"""

from __future__ import annotations

import json
import os
import stat
from contextlib import suppress

from seealike.errors import StorageError
from seealike.files import FileSystem

MEMO_NAME = "measured.json"


class Memo:
    """Figures by name, each with the key that says what it is a figure of."""

    def __init__(self, directory: str) -> None:
        """``directory`` is a catalogue's."""
        self._path = os.path.join(directory, MEMO_NAME)

    def get(self, name: str, key: str) -> object:
        """What was kept under a name, or ``None`` where it was of something else."""
        kept = self._read().get(name)
        return kept.get("value") if isinstance(kept, dict) and kept.get("key") == key else None

    def put(self, name: str, key: str, value: object) -> None:
        """Keep a value that JSON can hold."""
        content = {**self._read(), name: {"key": key, "value": value}}
        with suppress(StorageError):
            FileSystem().write(self._path, json.dumps(content).encode(), follow=False, durable=False)

    def _read(self) -> dict[str, object]:
        try:
            if not stat.S_ISREG(
                os.lstat(self._path).st_mode
            ):  # a link is not followed, a pipe not waited for
                return {}
            with open(self._path, encoding="utf-8") as file:
                content = json.load(file)
        except (OSError, ValueError, RecursionError):
            return {}
        return content if isinstance(content, dict) else {}
