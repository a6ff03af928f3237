"""The file system double: builds ``faultfs.c``, and lets the process it is loaded into arm it."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).with_name("faultfs.c")
NEVER = 1 << 40


def missing() -> str | None:
    """Why the double cannot be used here, or ``None``."""
    if not sys.platform.startswith("linux"):
        return "the file system double is made for Linux"
    if shutil.which("cc") is None:
        return "no C compiler (cc) to build the file system double with"
    return None


def build(folder: Path) -> Path:
    """Compile the double into ``folder``."""
    library = folder / "faultfs.so"
    flags = ["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror"]
    subprocess.run(["cc", *flags, "-o", str(library), str(SOURCE), "-ldl", "-lpthread"], check=True)
    return library


def environment(library: Path, root: Path, journal: Path | None = None) -> dict[str, str]:
    """The environment of a process whose changes below ``root`` the double sees."""
    chosen = {
        **os.environ,
        "LD_PRELOAD": str(library),
        "FAULTFS_ROOT": str(root.resolve()),
        "FAULTFS_NOSYNC": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    if journal is not None:
        chosen["FAULTFS_JOURNAL"] = str(journal)
    return chosen


class Fault:
    """Arms the double in this very process, which was started with it."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(None)
        self._library.faultfs_arm.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_int, ctypes.c_int]
        self._library.faultfs_changes.restype = ctypes.c_long
        self._library.faultfs_failures.restype = ctypes.c_long
        self._library.faultfs_mark.argtypes = [ctypes.c_char_p]

    def arm(self, change: int, error: int, *, lasting: bool = False, cut: bool = False) -> None:
        """Let the ``change``-th change from now fail with ``error``; ``lasting``: and all later ones.

        ``cut``: where it is a write, half of it is written first.
        """
        self._library.faultfs_arm(change, error, int(lasting), int(cut))

    def count_only(self, error: int = errno.EIO) -> None:
        """Start to count the changes that could fail with ``error``."""
        self.arm(NEVER, error)

    def disarm(self) -> None:
        """Let everything succeed again."""
        self.arm(0, 0)

    @property
    def changes(self) -> int:
        """Changes since the last ``arm``."""
        return int(self._library.faultfs_changes())

    @property
    def failures(self) -> int:
        """Changes that failed since the last ``arm``."""
        return int(self._library.faultfs_failures())

    def mark(self, text: str) -> None:
        """Write ``text`` into the journal, between the changes."""
        self._library.faultfs_mark(text.encode())
