"""A pattern of file names such as ``photos/**/*.jpg``."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from seealike.errors import SourceError
from seealike.sources.files import Boundary
from seealike.sources.ids import printable
from seealike.sources.walk import State, TreeWalk
from seealike.types import Skipped, SourceItem

if TYPE_CHECKING:
    from seealike.types import PathInput

_WILDCARD = re.compile(r"[*?\[]")
_ANY_DEPTH = "**"


def has_wildcard(text: str) -> bool:
    """Whether a text could be a pattern."""
    return _WILDCARD.search(text) is not None


def split_pattern(text: str) -> tuple[str, list[str]]:
    """Split a pattern into the directory before its first wildcard and the segments from there on.

    Raises:
        SourceError: the pattern goes up again behind a wildcard.
    """
    parts = text.replace(os.sep, "/").split("/")
    first = next(i for i, part in enumerate(parts) if has_wildcard(part))
    segments = [part for part in parts[first:] if part not in {"", os.curdir}]
    if os.pardir in segments:
        raise SourceError(f"the pattern {printable(text)} goes up ('..') behind a wildcard; write it without")
    directory = "/".join(parts[:first])
    if first and not os.path.basename(directory):  # the root of the file system, or of a drive
        directory += "/"
    return directory or os.curdir, segments


def pattern_takes(pattern: str, path: str) -> bool:
    """Whether a pattern takes a file; both are absolute, and the file's links are resolved."""
    directory, segments = split_pattern(pattern)
    parts = os.path.relpath(path, os.path.realpath(directory)).split(os.sep)
    selection = PatternSelection(segments)
    state: State | None = selection.start
    for name in parts[:-1]:
        state = None if state is None or name == os.pardir else selection.below(state, name)
    return state is not None and selection.takes(state, parts[-1])


class PatternSelection:
    """Takes the files that a list of pattern segments describes.

    ``*``, ``?`` and ``[...]`` match within one name, ``**`` matches any number of directories, none
    included. Names that begin with a dot are taken only by segments that begin with one. A state
    holds the numbers of the segments that may match the next name.
    """

    def __init__(self, segments: Iterable[str]) -> None:
        kept: list[str] = []
        for segment in segments:
            if segment != _ANY_DEPTH or kept[-1:] != [_ANY_DEPTH]:
                kept.append(segment)
        if kept[-1:] == [_ANY_DEPTH]:
            kept.append("*")
        self._segments = tuple(kept)
        self._matchers = tuple(re.compile(fnmatch.translate(os.path.normcase(segment))) for segment in kept)
        self._last = len(kept) - 1
        self.start = self._closed({0})

    def below(self, state: State, name: str) -> State | None:
        """Enter a directory only where a deeper segment can still match."""
        following: set[int] = set()
        for position in state:
            if self._segments[position] == _ANY_DEPTH:
                if not name.startswith("."):
                    following.add(position)
            elif position < self._last and self._matches(position, name):
                following.add(position + 1)
        return self._closed(following) if following else None

    def takes(self, state: State, name: str) -> bool:
        """Take what the last segment matches."""
        return self._last in state and self._matches(self._last, name)

    def _matches(self, position: int, name: str) -> bool:
        if name.startswith(".") and not self._segments[position].startswith("."):
            return False
        return self._matchers[position].match(os.path.normcase(name)) is not None

    def _closed(self, positions: set[int]) -> State:
        """Add the segment behind every ``**``, which may stand for no directory at all."""
        behind = {position + 1 for position in positions if self._segments[position] == _ANY_DEPTH}
        return frozenset(positions | behind)


class GlobSource:
    """The files a pattern matches; the root is the longest directory before its first wildcard.

    Everything else is as in :class:`~seealike.sources.walk.FolderSource`.

    Raises:
        SourceError: the directory before the wildcard does not exist, or lies outside the root.
    """

    def __init__(self, pattern: PathInput, *, root: PathInput | None = None) -> None:
        named = os.fspath(pattern)
        directory, segments = split_pattern(named)
        self._top = os.path.abspath(directory)
        self._boundary = Boundary.around(self._top if root is None else os.fspath(root))
        self._boundary.id_prefix(self._top)
        self._selection = PatternSelection(segments)
        self.root = self._boundary.path
        self.label = printable(named)

    def scan(self) -> Iterator[SourceItem | Skipped]:
        """Yield every file that matches.

        Raises:
            SourceError: nothing matches.
        """
        empty = True
        for offered in TreeWalk(self._boundary, self._top, self._selection):
            empty = False
            yield offered
        if empty:
            raise SourceError(f"no file matches {self.label}")
