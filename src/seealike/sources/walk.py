"""A folder of pictures, and the stable, quick walk over it that never leaves its root.

Shared by the folder and the glob, which differ only in what they select. No file is opened and no
name is judged by its extension: whether a file is a picture is decided by its content, later.
"""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Protocol, TypeAlias

from seealike.errors import SourceError
from seealike.sources.files import Boundary, error_detail, is_below, kind_detail, nothing_there
from seealike.sources.ids import printable
from seealike.types import Skipped, SkipReason, SourceItem, Unseen

if TYPE_CHECKING:
    from seealike.types import PathInput

State: TypeAlias = frozenset[int]
_SHARDS, _MANIFEST, _DATABASE = "shards.json", "manifest.json", re.compile(r"catalog(-[0-9a-f]{16})?\.sqlite")
_name_of = attrgetter("name")


class Selection(Protocol):
    """Which names a walk takes; a state says how far down in the pattern a directory is."""

    @property
    def start(self) -> State:
        """The state of the directory where the walk begins."""

    def below(self, state: State, name: str) -> State | None:
        """Return the state of a sub-directory, or ``None`` where nothing in it can be taken."""

    def takes(self, state: State, name: str) -> bool:
        """Whether a file of this name is taken."""


class Everything:
    """Takes every name but those that begin with a dot, as shells do."""

    start: State = frozenset()

    def below(self, state: State, name: str) -> State | None:
        """Enter all but hidden directories."""
        return None if name.startswith(".") else state

    def takes(self, state: State, name: str) -> bool:  # noqa: ARG002  the protocol's signature
        """Take all but hidden files."""
        return not name.startswith(".")


class FolderSource:
    """Every file below a folder; the id is the path relative to the root, with ``/`` separators.

    Names that begin with a dot are left out, and so are seealike catalogues.

    Args:
        folder: where to look.
        root: what ids are relative to and what no link may leave; the folder itself by default.

    Raises:
        SourceError: there is no such folder, or it lies outside the root.
    """

    def __init__(self, folder: PathInput, *, root: PathInput | None = None) -> None:
        named = os.fspath(folder)
        self._top = os.path.abspath(named)
        self._boundary = Boundary.around(self._top if root is None else os.fspath(root))
        self._boundary.id_prefix(self._top)
        self.root = self._boundary.path
        self.label = printable(named.rstrip("/" + os.sep) + "/")

    def scan(self) -> Iterator[SourceItem | Skipped]:
        """Yield every file; see :class:`TreeWalk` for the order and the links."""
        return iter(TreeWalk(self._boundary, self._top, Everything()))


@dataclass(frozen=True, slots=True)
class _Directory:
    path: str
    prefix: str  # how ids in it begin, as the file system spells it
    state: State
    linked: bool = False  # reached through a link


class TreeWalk:
    """One walk: an iterable of what was found below ``top``.

    In every directory the files come first, then the sub-directories, each in the order of their
    names. Links are followed where they lead inside the boundary. A link to a directory is not
    followed where it leads back up to itself, nor inside a directory that was itself reached
    through a link: so a walk always ends, and what lies there has been offered under its own path.
    Directories that are seealike catalogues, or hold shards of ``embed``, are left out.

    What refuses to be looked at is ``Unseen`` with all below it, and so is what was there a moment ago and
    is gone now: it may have been unmounted, and the next walk tells.
    """

    def __init__(self, boundary: Boundary, top: str, selection: Selection) -> None:
        self._boundary = boundary
        self._top = _Directory(top, boundary.id_prefix(top), selection.start)
        self._selection = selection
        self._ambiguous: set[str] = set()

    def __iter__(self) -> Iterator[SourceItem | Skipped]:
        waiting = [self._top]
        while waiting:
            below: list[_Directory] = []
            yield from self._visit(waiting.pop(), below)
            waiting.extend(reversed(below))

    def _visit(self, directory: _Directory, below: list[_Directory]) -> Iterator[SourceItem | Skipped]:
        """Yield the files of one directory and append its sub-directories to ``below``."""
        try:
            with os.scandir(directory.path) as listing:
                entries = sorted(listing, key=_name_of)
        except OSError as exc:
            yield self._unreadable_directory(directory, exc)
            return
        if _is_catalog(entries):
            if directory is self._top:
                where = printable(directory.path)
                raise SourceError(f"{where} is a seealike catalogue, not a folder of pictures")
            return
        for entry in entries:
            try:
                if _is_link(entry):
                    offered = self._follow(entry, directory, below)
                elif entry.is_dir(follow_symlinks=False):
                    self._descend(entry, directory, below)
                    continue
                else:
                    offered = self._file(entry, directory, None)
            except OSError as exc:
                offered = _unseen(directory.prefix + entry.name, entry.path, error_detail(exc))
            if offered is not None:
                yield offered

    def _unreadable_directory(self, directory: _Directory, error: OSError) -> Skipped:
        if directory is self._top:
            text = f"cannot read the folder {printable(directory.path)}: {error_detail(error)}"
            raise SourceError(text) from error
        detail = f"the folder cannot be read: {error_detail(error)}"
        return _unseen(directory.prefix[:-1], directory.path, detail)

    def _descend(self, entry: os.DirEntry[str], directory: _Directory, below: list[_Directory]) -> None:
        state = self._selection.below(directory.state, entry.name)
        if state is not None:
            below.append(_Directory(entry.path, f"{directory.prefix}{entry.name}/", state, directory.linked))

    def _file(
        self, entry: os.DirEntry[str], directory: _Directory, target: os.stat_result | None
    ) -> SourceItem | Skipped | None:
        """Return the item of an entry that is no directory; ``target`` is what a link leads to."""
        if not self._selection.takes(directory.state, entry.name):
            return None
        status = target or entry.stat(follow_symlinks=False)
        if not stat.S_ISREG(status.st_mode):
            return _skipped(entry, directory, SkipReason.NOT_AN_IMAGE, kind_detail(status.st_mode))
        item_id = printable(directory.prefix + entry.name)
        if "\\" in item_id:  # only these can have been spelled alike by escaping
            if item_id in self._ambiguous:
                detail = "another file's name is shown the same way; rename one of them"
                return Skipped(
                    item_id, entry.path, SkipReason.DUPLICATE_ID, detail, status.st_size, status.st_mtime_ns
                )
            self._ambiguous.add(item_id)
        return SourceItem(item_id, entry.path, status.st_size, status.st_mtime_ns)

    def _follow(
        self, entry: os.DirEntry[str], directory: _Directory, below: list[_Directory]
    ) -> SourceItem | Skipped | None:
        """Return what a link to a file offers, or enter the directory it leads to."""
        state = self._selection.below(directory.state, entry.name)
        takes = self._selection.takes(directory.state, entry.name)
        try:
            status = os.stat(entry.path)
        except OSError as exc:
            if not nothing_there(exc):
                detail = f"the link cannot be followed: {error_detail(exc)}"
                unwanted = state is None and not takes
                return None if unwanted else _unseen(directory.prefix + entry.name, entry.path, detail)
            detail = f"a link to nothing: {error_detail(exc)}"
            return _skipped(entry, directory, SkipReason.UNREADABLE, detail) if takes else None
        is_directory = stat.S_ISDIR(status.st_mode)
        if not (state is not None if is_directory else takes):
            return None
        refused = self._refused(entry, directory, is_directory)
        if refused is not None:
            return refused
        if not is_directory:
            return self._file(entry, directory, status)
        if state is not None:
            below.append(_Directory(entry.path, f"{directory.prefix}{entry.name}/", state, linked=True))
        return None

    def _refused(self, entry: os.DirEntry[str], directory: _Directory, is_directory: bool) -> Skipped | None:
        """Return why a link is not followed, or ``None`` where it is."""
        target = os.path.realpath(entry.path)
        if not self._boundary.holds(target):
            detail = f"a link to {printable(target)}, outside {printable(self._boundary.path)}"
            return _skipped(entry, directory, SkipReason.OUTSIDE_ROOT, detail)
        if is_directory and (directory.linked or is_below(os.path.realpath(directory.path), target)):
            detail = f"a link to the folder {printable(target)}, which is looked through under its own path"
            return _skipped(entry, directory, SkipReason.DUPLICATE_ID, detail)
        return None


def _skipped(entry: os.DirEntry[str], directory: _Directory, reason: SkipReason, detail: str) -> Skipped:
    return Skipped(printable(directory.prefix + entry.name), entry.path, reason, detail)


def _unseen(name: str, path: str, detail: str) -> Unseen:
    return Unseen(printable(name), path, SkipReason.UNREADABLE, detail, below=True)


def _is_catalog(entries: list[os.DirEntry[str]]) -> bool:
    """Whether a directory is one, or holds shards."""
    names = [entry.name for entry in entries]
    return _SHARDS in names or (_MANIFEST in names and any(map(_DATABASE.fullmatch, names)))


def _is_link(entry: os.DirEntry[str]) -> bool:
    """Whether an entry leads elsewhere: a symbolic link, or a junction of Windows."""
    if entry.is_symlink():
        return True
    if sys.platform == "win32":
        tag = entry.stat(follow_symlinks=False).st_reparse_tag
        return bool(tag == stat.IO_REPARSE_TAG_MOUNT_POINT)
    return False
