"""What the file system says about one path, in words for people; and which paths lie inside a root.

Opens no file.
"""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass

from seealike.errors import SourceError
from seealike.sources.ids import printable

_NOTHING_THERE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG})


def nothing_there(error: OSError | ValueError) -> bool:
    """Whether a refusal says that there is no such file, and not that nobody was let to look."""
    return not isinstance(error, OSError) or error.errno in _NOTHING_THERE


def error_detail(error: OSError | ValueError) -> str:
    """Return why the operating system refused a path: ``permission denied``."""
    text = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
    return printable(text[:1].lower() + text[1:])


def kind_detail(mode: int) -> str:
    """Return what something that is no regular file is."""
    for test, name in (
        (stat.S_ISDIR, "a folder"),
        (stat.S_ISFIFO, "a named pipe"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISCHR, "a device"),
        (stat.S_ISBLK, "a device"),
    ):
        if test(mode):
            return f"{name}, not a file"
    return "not a regular file"


@dataclass(frozen=True, slots=True)
class Boundary:
    """The directory nothing may lead out of: as named (``path``), and with its links resolved."""

    path: str
    real: str

    @classmethod
    def around(cls, directory: str) -> Boundary:
        """Return the boundary around a directory that exists.

        Raises:
            SourceError: there is no such directory.
        """
        path = os.path.abspath(directory)
        try:
            if not stat.S_ISDIR(os.stat(path).st_mode):
                raise SourceError(f"{printable(path)} is no folder")
            return cls(path, os.path.realpath(path))
        except (OSError, ValueError) as exc:
            raise SourceError(f"cannot read the folder {printable(path)}: {error_detail(exc)}") from exc

    def holds(self, real_path: str) -> bool:
        """Whether a path without links lies inside, or is the directory itself."""
        return is_below(real_path, self.real)

    def id_prefix(self, directory: str) -> str:
        """Return how ids of the files of ``directory`` begin: empty, or ending in ``/``.

        Raises:
            SourceError: the directory lies outside.
        """
        try:
            relative = os.path.relpath(directory, self.path)
        except ValueError:  # another drive
            relative = os.pardir
        if relative.split(os.sep, 1)[0] == os.pardir or not self.holds(os.path.realpath(directory)):
            where, root = printable(directory), printable(self.path)
            raise SourceError(f"{where} lies outside the root {root}; name a root that holds it")
        return "" if relative == os.curdir else relative.replace(os.sep, "/") + "/"


def is_below(path: str, directory: str) -> bool:
    """Whether ``path`` is ``directory`` or lies in it; both absolute and without links."""
    path, directory = os.path.normcase(path), os.path.normcase(directory)
    return path == directory or path.startswith(directory.rstrip(os.sep) + os.sep)
