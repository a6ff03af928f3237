"""Sets of files under the digest of what is in them: copied once, whole, and never changed.

    <folder>/<sha256>/NAME ...     a set: a model, and what lies beside it
    <folder>/<sha256>.json         a note of whoever keeps them

What files mean is not known here. Nothing in the folder is followed as a link.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import stat
import sys
from collections.abc import Callable, Collection, Mapping

from seealike.errors import StorageError
from seealike.files import TEMPORARY_PREFIX, FileSystem

_SET = re.compile(r"[0-9a-f]{64}")
_NOTE = re.compile(r"[0-9a-f]{64}\.json")
_CHUNK_BYTES = 1 << 20
_MOST_NOTE_BYTES = 1_000_000


class ChangedFileError(Exception):
    """A file is not what it was a moment ago."""


class FileSets:
    """The sets and the notes in one folder, which need not be there."""

    def __init__(self, folder: str, files: FileSystem | None = None) -> None:
        """Nothing is read yet."""
        self.folder = folder
        self._files = files or FileSystem()

    def place(self, digests: Mapping[str, str]) -> str:
        """The folder of a set: the SHA-256 of every file, by name (with ``/`` between folders)."""
        lines = "".join(f"{digests[name]}  {name}\n" for name in sorted(digests))
        return os.path.join(self.folder, hashlib.sha256(lines.encode()).hexdigest())

    def keep(self, sources: Mapping[str, str]) -> dict[str, str]:
        """Copy files that belong together, unless there is a whole copy of them; the digest of each.

        Args:
            sources: where each is, by the name it gets in the set.

        Raises:
            OSError: one of them cannot be read.
            ChangedFileError: one of them changes while it is copied.
            StorageError: the disk refused; the sets are as they were.
        """
        digests = {name: _sha256(source) for name, source in sources.items()}
        place = self.place(digests)
        if self.damage(digests) is None:
            return digests
        self.make_folder()
        aside = os.path.join(self.folder, TEMPORARY_PREFIX + secrets.token_hex(8))
        try:
            for name, source in sources.items():
                self._copy(source, os.path.join(aside, *name.split("/")), digests[name])
            self._files.remove_tree(place)  # a damaged one
            try:
                self._files.rename(aside, place)
            except StorageError:
                if self.damage(digests) is not None:  # or else somebody was quicker
                    raise
        finally:
            self._files.remove_tree(aside)
        return digests

    @property
    def present(self) -> bool:
        """Whether the folder is there, and no link."""
        return os.path.isdir(self.folder) and not _is_link(self.folder)

    def make_folder(self) -> None:
        """Make the folder, durably; one that is there is fine.

        Raises:
            StorageError: it cannot be made, or a link is in its place.
        """
        self._files.make_directory(self.folder)
        if _is_link(self.folder):
            raise StorageError(self.folder, "it is a link, and nothing in a catalogue is followed")

    def damage(
        self, digests: Mapping[str, str], digest_of: Callable[[str], str] | None = None
    ) -> tuple[str, str] | None:
        """The first file of a set that is not what was copied, and what is wrong with it; None: all are.

        ``digest_of`` says the SHA-256 of a file that may be read; by default it is read.
        """
        place = self.place(digests)
        for name, wanted in digests.items():
            path = os.path.join(place, *name.split("/"))
            try:
                self._check_way(path)
                found = digest_of(path) if digest_of else _sha256(path, follow=False)
            except FileNotFoundError:
                return path, "missing"
            except OSError as exc:
                return path, exc.strerror or str(exc)
            if found != wanted:
                return path, "checksum"
        return None

    def size_bytes(self, digests: Mapping[str, str]) -> int:
        """How much room a set takes; what is missing takes none."""
        total = 0
        for name in digests:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(self.place(digests), *name.split("/"))).st_size
        return total

    def write_note(self, key: str, content: bytes) -> None:
        """Keep a note under a SHA-256, in place of the one that was there.

        Raises:
            StorageError: the disk refused; the one that was there stays.
        """
        self.make_folder()
        self._files.write(self.note_path(key), content, follow=False)

    def note_path(self, key: str) -> str:
        """Where the note under ``key`` is kept."""
        return os.path.join(self.folder, f"{key}.json")

    def note(self, key: str) -> bytes | None:
        """A note's content, None where there is none.

        Raises:
            OSError: it cannot be read.
        """
        try:
            self._check_way(self.note_path(key))
            with open(self.note_path(key), "rb", opener=_unfollowed) as file:
                return file.read(_MOST_NOTE_BYTES)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def notes(self) -> list[str]:
        """The keys of all notes, sorted."""
        names = [] if _is_link(self.folder) else _names(self.folder)
        return sorted(name.removesuffix(".json") for name in names if _NOTE.fullmatch(name))

    def remove_all_but(self, notes: Collection[str], places: Collection[str]) -> None:
        """Remove the notes and sets that are not named, and what interrupted copying left; nothing else.

        Notes go first: no note ever says that there is a set which is being removed.
        """
        if _is_link(self.folder):
            return
        for key in self.notes():
            if key not in notes:
                self._files.remove(self.note_path(key))
        for name in _names(self.folder):
            path = os.path.join(self.folder, name)
            if name.startswith(TEMPORARY_PREFIX) or (_SET.fullmatch(name) and path not in places):
                self._files.remove_tree(path)

    def _copy(self, source: str, target: str, wanted: str) -> None:
        self._files.make_directory(os.path.dirname(target))
        with self._files.replacing(target) as temporary, open(temporary, "wb") as written:
            digest = _sha256(source, written.write)
        if digest != wanted:
            raise ChangedFileError(source)

    def _check_way(self, path: str) -> None:
        """Raise unless a file is plain, and every folder on the way to it from ours is one and no link.

        Raises:
            OSError: it is not, or not there.
        """
        while True:
            mode = os.lstat(path).st_mode
            if stat.S_ISLNK(mode):
                raise OSError(f"{path} is a link")
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                raise OSError(f"{path} is no plain file")
            if path == self.folder or path == os.path.dirname(path):
                return
            path = os.path.dirname(path)


def is_ours(folder: str, others: Collection[str] = ()) -> bool:
    """Whether a folder holds nothing but sets, notes, what interrupted copying left, and ``others``."""
    if _is_link(folder) or not os.path.isdir(folder):
        return False
    return all(
        name in others
        or name.startswith(TEMPORARY_PREFIX)
        or _SET.fullmatch(name) is not None
        or _NOTE.fullmatch(name) is not None
        for name in os.listdir(folder)
    )


def _sha256(path: str, put: Callable[[bytes], object] | None = None, *, follow: bool = True) -> str:
    """The SHA-256 of a file; ``put`` is given what is in it, piece by piece."""
    digest = hashlib.sha256()
    with open(path, "rb", opener=None if follow else _unfollowed) as file:
        while piece := file.read(_CHUNK_BYTES):
            digest.update(piece)
            if put is not None:
                put(piece)
    return digest.hexdigest()


def _unfollowed(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0))


def _is_link(path: str) -> bool:
    """Whether a path leads elsewhere: a symbolic link, or a junction of Windows."""
    return os.path.islink(path) or (sys.version_info >= (3, 12) and os.path.isjunction(path))


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []
