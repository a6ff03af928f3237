"""What a disk holds after a power loss, worked out from the journal that the double writes.

The rules are POSIX's: what a file was told is safe once the file was flushed, a name once its directory was.
Anything else may be there, or not, or in part.
"""

from __future__ import annotations

import os
import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

_HEAD = struct.Struct("<IIIIQQ")
_SECTOR = 512


class Kind(IntEnum):
    """The kinds of operation, numbered as in ``faultfs.c``."""

    CREATE = 1
    WRITE = 2
    TRUNCATE = 3
    SYNC_FILE = 4
    SYNC_DIRECTORY = 5
    RENAME = 6
    UNLINK = 7
    MAKE_DIRECTORY = 8
    REMOVE_DIRECTORY = 9
    MARK = 10
    LINK = 11


@dataclass(frozen=True, slots=True)
class Operation:
    """One entry of the journal. ``data`` of a rename is the new name, ``path`` of a mark its text."""

    kind: Kind
    path: str
    inode: int
    offset: int
    data: bytes


def read_journal(path: Path) -> Iterator[Operation]:
    """Every operation, in order."""
    content, place = path.read_bytes(), 0
    while place < len(content):
        kind, length, path_length, _, inode, offset = _HEAD.unpack_from(content, place)
        place += _HEAD.size
        name = os.fsdecode(content[place : place + path_length])
        place += path_length
        yield Operation(Kind(kind), name, inode, offset, content[place : place + length])
        place += length


Write = tuple[int, bytes | None]  # None: cut or extend to this length


@dataclass(eq=False, slots=True)
class _File:
    safe: bytes = b""
    pending: list[Write] = field(default_factory=list)


Names = dict[str, "_File | None"]  # None: a directory
Contents = dict[str, bytes | None]


class Disk:
    """A directory, told one operation after the other, that can say what a power loss would leave."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._safe_names: Names = {}
        self._names: Names = {}
        self._pending_names: list[Operation] = []
        self._files: dict[int, _File] = {}

    def apply(self, operation: Operation) -> None:
        """Carry out one operation."""
        match operation.kind:
            case Kind.CREATE:
                self._files[operation.inode] = _File()
                self._name(operation)
            case Kind.RENAME | Kind.LINK | Kind.UNLINK | Kind.MAKE_DIRECTORY | Kind.REMOVE_DIRECTORY:
                self._name(operation)
            case Kind.WRITE:
                self._files[operation.inode].pending.append((operation.offset, operation.data))
            case Kind.TRUNCATE:
                self._files[operation.inode].pending.append((operation.offset, None))
            case Kind.SYNC_FILE:
                file = self._files[operation.inode]
                file.safe, file.pending = _content(file.safe, file.pending), []
            case Kind.SYNC_DIRECTORY:
                safe = [entry for entry in self._pending_names if operation.path in _folders(entry)]
                self._pending_names = [entry for entry in self._pending_names if entry not in safe]
                for entry in safe:
                    self._rename(self._safe_names, entry)
            case Kind.MARK:
                pass

    def all_kept(self) -> Contents:
        """After a process died but the machine went on: everything is there."""
        return self._contents(self._names, {f: _content(f.safe, f.pending) for f in self._files.values()})

    def flushed_only(self) -> Contents:
        """After a power loss that took everything that was not flushed."""
        return self._contents(self._safe_names, {file: file.safe for file in self._files.values()})

    def some_kept(self, rng: random.Random) -> Contents:
        """After a power loss that took an arbitrary part of what was not flushed."""
        names = dict(self._safe_names)
        for entry in self._pending_names[: rng.randint(0, len(self._pending_names))]:
            self._rename(names, entry)
        filler = bytes([rng.choice((0, 0, 0xA5))])
        return self._contents(
            names,
            {f: _content(f.safe, _survivors(f.pending, rng), filler) for f in self._files.values()},
        )

    def _name(self, operation: Operation) -> None:
        self._pending_names.append(operation)
        self._rename(self._names, operation)

    def _rename(self, names: Names, operation: Operation) -> None:
        match operation.kind:
            case Kind.CREATE | Kind.LINK:
                names[operation.path] = self._files[operation.inode]
            case Kind.MAKE_DIRECTORY:
                names[operation.path] = None
            case Kind.RENAME:
                target, inside = os.fsdecode(operation.data), operation.path + os.sep
                if operation.path in names:  # its own creation may not have survived
                    names[target] = names.pop(operation.path)
                for name in [name for name in names if name.startswith(inside)]:  # what a directory holds
                    names[os.path.join(target, name.removeprefix(inside))] = names.pop(name)
            case _:
                names.pop(operation.path, None)

    def _contents(self, names: Names, contents: dict[_File, bytes]) -> Contents:
        found: Contents = {}
        for path, file in sorted(names.items()):
            folder = os.path.dirname(path)
            if folder == self._root or found.get(os.path.relpath(folder, self._root), b"") is None:
                found[os.path.relpath(path, self._root)] = None if file is None else contents[file]
        return found


def put(contents: Contents, folder: Path) -> None:
    """Write the files to ``folder``, which is empty; a directory sorts before what is in it."""
    for name, content in contents.items():
        if content is None:
            (folder / name).mkdir()
        else:
            (folder / name).write_bytes(content)


def _folders(operation: Operation) -> set[str]:
    names = [operation.path] + ([os.fsdecode(operation.data)] if operation.kind is Kind.RENAME else [])
    return {os.path.dirname(name) for name in names}


def _content(safe: bytes, writes: list[Write], filler: bytes = b"\0") -> bytes:
    if not writes:
        return safe
    content = bytearray(safe)
    for offset, data in writes:
        if data is None:
            del content[offset:]
        content.extend(filler * (offset - len(content)))
        if data is not None:
            content[offset : offset + len(data)] = data
    return bytes(content)


def _survivors(writes: list[Write], rng: random.Random) -> list[Write]:
    """Some of the writes; now and then one of which only the first sectors arrived."""
    share = rng.choice((0.2, 0.5, 0.9))
    kept: list[Write] = []
    for offset, data in writes:
        if rng.random() < share:
            torn = data is not None and len(data) > _SECTOR and rng.random() < 0.3
            kept.append((offset, _torn(data, rng) if torn and data else data))
    return kept


def _torn(data: bytes, rng: random.Random) -> bytes:
    return data[: _SECTOR * rng.randrange(1, len(data) // _SECTOR + 1)]
