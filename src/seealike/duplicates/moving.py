"""Moving the pictures that are not kept into a folder, and back. Nothing is deleted, nothing is overwritten.

What is about to be moved is written to a list on the disk before the first file moves: whatever interrupts
the work, the list says where everything is. A file moves only while it and a kept one still hold the bytes
that they held when they were indexed.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seealike.catalog.outputs import check_outside
from seealike.duplicates.values import DuplicateGroup, Member
from seealike.errors import StorageError, UsageError
from seealike.files import FileSystem
from seealike.types import Progress, ProgressCallback, unwatched

if TYPE_CHECKING:
    from seealike.catalog import Catalog

LIST_NAME = "seealike-moved-{}.jsonl"
_PART = 1 << 20
_CHANGED_KEPT = "no kept picture of its group is as it was indexed"


@dataclass(frozen=True, slots=True)
class Left:
    """A file that stayed where it is, and why."""

    path: str
    why: str


@dataclass(frozen=True, slots=True)
class MoveReport:
    """What was moved, or with ``dry_run`` would be.

    Args:
        moved: from where to where.
        left: what stays, and why; nothing of it has changed.
        gone: how many files were there no more, moved by an earlier run perhaps.
        undo: the list that moves them back; ``None`` where nothing was moved.
        dry_run: whether nothing was to be moved.
    """

    moved: tuple[tuple[str, str], ...]
    left: tuple[Left, ...]
    gone: int
    undo: str | None = None
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class _Move:
    """``kept`` is the file that stays for it, and what it looked like when it was last read."""

    source: str
    target: str
    sha256: bytes
    kept: tuple[str, tuple[int, ...]] = ("", ())


def move_duplicates(
    catalog: Catalog,
    groups: Sequence[DuplicateGroup],
    folder: str,
    *,
    dry_run: bool = False,
    files: FileSystem | None = None,
    progress: ProgressCallback = unwatched,
) -> MoveReport:
    """Move what is not kept of the groups into a folder, each at its place relative to its source.

    Raises:
        UsageError: the folder lies in a source or a catalogue, or is none.
        StorageError: the list of what is moved cannot be written; nothing has been moved.
    """
    place = os.path.abspath(folder)
    _check_folder(catalog, place)
    planned, left, gone = _planned(catalog, groups, place, progress)
    if dry_run or not planned:
        wanted = tuple((one.source, one.target) for one in planned)
        return MoveReport(wanted, tuple(left), gone, dry_run=dry_run)
    disk = files or FileSystem()
    disk.make_directory(place)
    undo = _write_list(disk, place, planned)
    moved = []
    for done, move in enumerate(planned, start=1):
        why = _CHANGED_KEPT if _look(move.kept[0]) != move.kept[1] else _moved(move, disk)
        if why:
            left.append(Left(move.source, why))
        else:
            moved.append((move.source, move.target))
        progress(Progress("move", done, len(planned)))
    return MoveReport(tuple(moved), tuple(left), gone, undo)


def move_back(undo: str, *, files: FileSystem | None = None) -> MoveReport:
    """Move the files of a list back to where they were.

    Raises:
        UsageError: it is no list of moved files.
        StorageError: it cannot be read.
    """
    disk = files or FileSystem()
    moved, left, gone = [], [], 0
    for move in _read_list(undo):
        if not os.path.lexists(move.target):
            gone += 1
            continue
        why = _moved(_Move(move.target, move.source, move.sha256), disk)
        if why:
            left.append(Left(move.target, why))
        else:
            moved.append((move.target, move.source))
    return MoveReport(tuple(moved), tuple(left), gone)


# -- what is to be moved ---------------------------------------------------------------------------


def _check_folder(catalog: Catalog, place: str) -> None:
    check_outside(os.path.join(place, "file"), catalog.path, place)
    if os.path.lexists(place) and not os.path.isdir(place):
        raise UsageError(f"{place} is no folder; choose another name")
    real = os.path.realpath(place)
    for source in catalog.sources():
        if os.path.isfile(source.place):  # a table names its pictures: others in its folder are none of it
            continue
        root = os.path.realpath(source.place if os.path.isdir(source.place) else source.root)
        if root and (real == root or real.startswith(os.path.join(root, ""))):
            raise UsageError(
                f"{place} lies in the source {source.label}, and the next `seealike index` would bring its "
                "pictures back; choose a folder outside it"
            )


def _planned(
    catalog: Catalog, groups: Sequence[DuplicateGroup], place: str, progress: ProgressCallback
) -> tuple[list[_Move], list[Left], int]:
    """The moves that can be made, what stays, and how many files are there no more."""
    name_of, device = names_in_folder(catalog), _device(place)
    planned: list[_Move] = []
    left: list[Left] = []
    gone, targets = 0, set[str]()
    for done, group in enumerate(groups, start=1):
        kept = next((member for member in group.kept if _is_as_indexed(member)), None)
        place_kept = "" if kept is None else kept.item.path or ""
        seen = (place_kept, _look(place_kept))
        for member in group.dropped:
            path = member.item.path
            if path is None or not os.path.lexists(path):
                gone += path is not None
                continue
            target = os.path.join(place, name_of(path))
            why = _CHANGED_KEPT if kept is None else ""
            why = why or _obstacle(member, kept, device) or _occupied(path, target, targets)
            if why or member.sha256 is None:
                left.append(Left(path, why))
            else:
                targets.add(os.path.normcase(target))
                planned.append(_Move(path, target, member.sha256, seen))
        progress(Progress("check", done, len(groups)))
    return planned, left, gone


def names_in_folder(catalog: Catalog) -> Callable[[str], str]:
    """What gives a file's name in the folder that it is moved to: its path in its source.

    Where there are several sources, below the name of its source's folder; without any, below its own's.
    """
    roots = sorted({source.root for source in catalog.sources() if source.root}, key=len, reverse=True)

    def name_of(path: str) -> str:
        for root in roots:
            if path.startswith(os.path.join(root, "")):
                inside = os.path.relpath(path, root)
                return inside if len(roots) == 1 else os.path.join(os.path.basename(root), inside)
        return os.path.join(os.path.basename(os.path.dirname(path)), os.path.basename(path))

    return name_of


def _obstacle(member: Member, kept: Member | None, device: int) -> str:
    """Why a file cannot be moved safely; empty where it can."""
    path = member.item.path or ""
    try:
        status = os.lstat(path)
    except OSError as exc:
        return exc.strerror or str(exc)
    if not stat.S_ISREG(status.st_mode):
        return "it is a link or no plain file"
    if kept is not None and kept.item.path is not None and os.path.samefile(path, kept.item.path):
        return "it is the kept file itself, under another name"
    if status.st_dev != device:
        return "it lies on another disk than the folder; choose a folder on the same disk"
    return "" if _is_as_indexed(member) else "it has changed since it was indexed; run `seealike index`"


def _occupied(path: str, target: str, targets: set[str]) -> str:
    """Why a name in the folder cannot be had: empty where it is free, or a move was cut off half-way."""
    free = not os.path.lexists(target) or os.path.samefile(path, target)
    return "" if free and os.path.normcase(target) not in targets else f"there is a {target} already"


def _device(place: str) -> int:
    """The disk that a folder is on, or will be."""
    while not os.path.isdir(place) and os.path.dirname(place) != place:
        place = os.path.dirname(place)
    return os.stat(place).st_dev


def _is_as_indexed(member: Member) -> bool:
    return (
        member.item.path is not None and member.sha256 is not None and _holds(member.item.path, member.sha256)
    )


def _look(path: str) -> tuple[int, ...]:
    """What changes when a file is written anew."""
    try:
        status = os.stat(path)
    except OSError:
        return ()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _holds(path: str, sha256: bytes) -> bool:
    """Whether a file holds the bytes with this digest."""
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            while part := file.read(_PART):
                digest.update(part)
    except OSError:
        return False
    return digest.digest() == sha256


# -- moving ----------------------------------------------------------------------------------------


def _moved(move: _Move, disk: FileSystem) -> str:
    """Move one file; why it could not be, else nothing.

    The new name is made before the old one goes, and only if nobody has it.
    """
    try:
        disk.make_directory(os.path.dirname(move.target))
        if not (os.path.lexists(move.target) and os.path.samefile(move.source, move.target)):
            os.link(move.source, move.target, follow_symlinks=False)
    except FileExistsError:
        return f"there is a {move.target} already"
    except (OSError, StorageError, NotImplementedError) as exc:
        if os.path.lexists(move.target) or not os.path.isdir(os.path.dirname(move.target)):
            return _said(exc)
        return _renamed(move)  # file systems without second names
    try:
        if not _holds(move.target, move.sha256):
            os.unlink(move.target)
            return "it has changed since it was indexed; run `seealike index`"
        disk.sync_directory(os.path.dirname(move.target))
        os.unlink(move.source)
    except OSError as exc:
        return _said(exc)
    return ""


def _renamed(move: _Move) -> str:
    try:
        os.rename(move.source, move.target)
    except OSError as exc:
        return _said(exc)
    return ""


def _said(exc: Exception) -> str:
    return (exc.strerror if isinstance(exc, OSError) else None) or str(exc)


# -- the list --------------------------------------------------------------------------------------


def _write_list(disk: FileSystem, place: str, planned: Sequence[_Move]) -> str:
    """A new list of what is about to be moved, on the disk when this returns. Its path."""
    number = 1
    while os.path.lexists(path := os.path.join(place, LIST_NAME.format(number))):
        number += 1
    lines = (
        json.dumps({"from": one.source, "to": one.target, "sha256": one.sha256.hex()}) + "\n"
        for one in planned
    )
    disk.write(path, "".join(lines).encode("ascii"), follow=False)
    return path


def _read_list(path: str) -> Iterator[_Move]:
    try:
        with open(path, encoding="ascii") as file:
            lines = file.read().splitlines()
        found = [json.loads(line) for line in lines]
        yield from [_Move(str(one["from"]), str(one["to"]), bytes.fromhex(one["sha256"])) for one in found]
    except OSError as exc:
        raise StorageError(path, exc.strerror or str(exc), doing="read") from exc
    except (ValueError, LookupError, TypeError):
        raise UsageError(
            f"{path} is no list of moved files; `seealike duplicates --move-to` writes one into its folder"
        ) from None
