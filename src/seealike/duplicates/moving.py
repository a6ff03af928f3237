"""Moving the pictures that are not kept into a folder, and back. Nothing is deleted, nothing is overwritten.

What is about to be moved is written to a list on the disk before the first file moves: whatever interrupts
the work, the list says where everything is. A file moves only while it and a kept one still hold the bytes
that they held when they were indexed, and a name goes only when another name in another folder has them.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from seealike.catalog.outputs.places import check_outside
from seealike.duplicates.values import DuplicateGroup, Member
from seealike.errors import StorageError, UsageError
from seealike.files import FileSystem
from seealike.types import Progress, ProgressCallback, unwatched

if TYPE_CHECKING:
    from seealike.catalog import Catalog

LIST_NAME = "seealike-moved-{}.jsonl"
_PART = 1 << 20
_CHANGED = "it has changed since it was indexed; run `seealike index`"
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
        back: how many files of a list are back at their place already.
    """

    moved: tuple[tuple[str, str], ...]
    left: tuple[Left, ...]
    gone: int
    undo: str | None = None
    dry_run: bool = False
    back: int = 0


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
        UsageError: the folder lies in a source or a catalogue, leads to its pictures, or is none.
        StorageError: the list of what is moved cannot be written; nothing has been moved.
    """
    if not folder:
        raise UsageError("the folder to move to has no name; for the current one write .")
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
        why = _leading_elsewhere(place, move.target) or _moved(move, disk)
        if why:
            left.append(Left(move.source, why))
        else:
            moved.append((move.source, move.target))
        progress(Progress("move", done, len(planned)))
    return MoveReport(tuple(moved), tuple(left), gone, undo)


def move_back(undo: str, *, files: FileSystem | None = None) -> MoveReport:
    """Move the files of a list back to where they were, but those that have changed since.

    Raises:
        UsageError: it is no list of moved files.
        StorageError: it cannot be read.
    """
    disk = files or FileSystem()
    moved, left, gone, back = [], [], 0, 0
    for move in _read_list(undo):
        if not os.path.lexists(move.target):
            is_back = _holds(move.source, move.sha256)
            back, gone = back + is_back, gone + (not is_back)
            continue
        why = _moved(_Move(move.target, move.source, move.sha256), disk)
        if why:
            left.append(Left(move.target, why))
        else:
            moved.append((move.target, move.source))
    return MoveReport(tuple(moved), tuple(left), gone, back=back)


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
    name_of, device, pictures = names_in_folder(catalog), _device(place), _real_places(catalog)
    planned: list[_Move] = []
    left: list[Left] = []
    gone, targets = 0, set[str]()
    for done, group in enumerate(groups, start=1):
        kept = next((member for member in group.kept if _is_as_indexed(member)), None)
        place_kept = "" if kept is None else kept.item.path or ""
        seen = (place_kept, _look(place_kept))
        for member in group.dropped:
            path = member.file
            if path is None or not os.path.lexists(path):
                gone += path is not None
                continue
            target = os.path.join(place, name_of(path))
            _check_target(place, target, pictures)
            why = _CHANGED_KEPT if kept is None else ""
            why = why or _obstacle(member, kept, device) or _occupied(path, target, targets)
            if why or member.sha256 is None:
                left.append(Left(path, why))
            else:
                targets.add(os.path.normcase(target))
                planned.append(_Move(path, target, member.sha256, seen))
        progress(Progress("check", done, len(groups)))
    return planned, left, gone


def _real_places(catalog: Catalog) -> set[str]:
    """Where the pictures of a catalogue lie, whatever links lead there."""
    real_folder = lru_cache(maxsize=None)(os.path.realpath)
    return {
        os.path.normcase(os.path.join(real_folder(os.path.dirname(item.path)), os.path.basename(item.path)))
        for item in catalog.items()
        if item.path is not None
    }


def _check_target(place: str, target: str, pictures: set[str]) -> None:
    real = os.path.join(os.path.realpath(os.path.dirname(target)), os.path.basename(target))
    if os.path.normcase(real) in pictures:
        raise UsageError(f"{place} is no other place: {target} is a picture of the catalogue; choose another")
    if why := _leading_elsewhere(place, target):
        raise UsageError(f"{why}; choose a folder without links in it")


def _leading_elsewhere(place: str, target: str) -> str:
    """Which folder of a target leads out of the place; empty where none does."""
    folder = os.path.dirname(target)
    inside = os.path.normpath(os.path.join(os.path.realpath(place), os.path.relpath(folder, place)))
    if os.path.normcase(os.path.realpath(folder)) == os.path.normcase(inside):
        return ""
    return f"{folder} is a link, or below one, and leads elsewhere"


def names_in_folder(catalog: Catalog) -> Callable[[str], str]:
    """What gives a file's name in the folder that it is moved to: its path in its source.

    Where there are several sources, below the name of its source's folder; without any, below its own's.
    """
    roots = sorted({source.root for source in catalog.sources() if source.root}, key=len, reverse=True)

    def name_of(path: str) -> str:
        path = os.path.normpath(path)
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
    return "" if _is_as_indexed(member) else _CHANGED


def _occupied(path: str, target: str, targets: set[str]) -> str:
    """Why a name in the folder cannot be had: empty where it is free, or a move was cut off half-way."""
    free = not os.path.lexists(target) or _was_cut_off(path, target)
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
    folder = os.path.dirname(move.target)
    try:
        disk.make_directory(folder)
        if not _was_cut_off(move.source, move.target):
            _add_name(move.source, move.target)
    except FileExistsError:
        return f"there is a {move.target} already"
    except (OSError, StorageError) as exc:
        return _said(exc)
    try:
        if why := _changed(move):
            os.unlink(move.target)
            return why
        disk.sync_directory(folder)
        os.unlink(move.source)
    except OSError as exc:
        return _said(exc)
    return ""


def _was_cut_off(source: str, target: str) -> bool:
    """Whether a file has both names, in two folders: an earlier run came no further.

    A link that leads back makes two paths to one name; without it, nothing of the file would be left.
    """
    try:
        one, other = os.lstat(source), os.lstat(target)
        apart = not os.path.samefile(os.path.dirname(source), os.path.dirname(target))
    except OSError:
        return False
    return apart and stat.S_ISREG(other.st_mode) and os.path.samestat(one, other) and other.st_nlink > 1


def _add_name(source: str, target: str) -> None:
    """Give a file a second name, or make a copy where the file system has none. Never over what is there."""
    try:
        os.link(source, target, follow_symlinks=False)
    except FileExistsError:
        raise
    except (OSError, NotImplementedError):
        with open(source, "rb") as file, open(target, "xb") as copy:
            try:
                shutil.copyfileobj(file, copy, _PART)
                copy.flush()
                os.fsync(copy.fileno())
                shutil.copystat(source, target)
            except BaseException:
                os.unlink(target)
                raise


def _changed(move: _Move) -> str:
    """What has changed too much for the old name to go: its file, or the one that is kept for it."""
    kept, look = move.kept
    names = [move.target] if os.path.samefile(move.source, move.target) else [move.source, move.target]
    if any(os.path.islink(name) or not _holds(name, move.sha256) for name in names):
        return _CHANGED if kept else "it has changed since it was moved"
    return _CHANGED_KEPT if kept and _look(kept) != look else ""


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
