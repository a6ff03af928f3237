"""Durable file writes: the one place that writes a file aside and puts it in the place of another.

A file is written under a temporary name in the same directory, flushed to the disk, renamed over its
final name, and the directory is flushed too: after a crash there is the old file or the new one, whole.
(SQLite does the same for its own file by itself.)
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator

from seealike.errors import ForeignFileError, StorageError

TEMPORARY_PREFIX = ".writing-"
_READING = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"))


def check_own_file(path: str, *, alone: bool = False) -> None:
    """Refuse to use what lies under the name of a catalogue's file and is none. Nothing there is fine.

    Args:
        path: the file.
        alone: whether a second name (a hard link) is refused too, because the file is changed in place. An
            empty file has nothing to lose.

    Raises:
        ForeignFileError: it is a link, a folder, a pipe or a device.
        StorageError: it cannot be looked at.
    """
    status = _status(path)
    if status is None:
        return
    if not stat.S_ISREG(status.st_mode):
        raise ForeignFileError(path, _KINDS.get(stat.S_IFMT(status.st_mode), "a device"))
    if alone and status.st_nlink > 1 and status.st_size:
        raise ForeignFileError(path, "a file that has another name too (a hard link)")


def check_own_folder(path: str) -> None:
    """Refuse to use what lies under the name of a catalogue's folder and is none. Nothing there is fine.

    Raises:
        ForeignFileError: it is a link or a file.
        StorageError: it cannot be looked at.
    """
    status = _status(path)
    if status is None or (stat.S_ISDIR(status.st_mode) and not _is_junction(path)):
        return
    raise ForeignFileError(path, "a file" if stat.S_ISREG(status.st_mode) else "a link")


def read_own_file(path: str, size: int, *, at_end: bool = False) -> bytes:
    """The first (or last) ``size`` bytes of a catalogue's file: never followed as a link, nor waited for.

    Raises:
        ForeignFileError: it is a link, a folder, a pipe or a device.
        FileNotFoundError, NotADirectoryError: there is none.
        StorageError: it cannot be read.
    """
    check_own_file(path)
    try:
        with open(os.open(path, _READING), "rb") as file:
            if at_end:
                file.seek(max(0, os.fstat(file.fileno()).st_size - size))
            return file.read(size)
    except (FileNotFoundError, NotADirectoryError):
        raise
    except OSError as exc:
        raise StorageError(path, exc.strerror or str(exc), doing="read") from exc


def check_room(folder: str, needed_bytes: int, what: str, remedy: str = "") -> None:
    """Refuse to begin a file that does not fit where it is to lie.

    Raises:
        StorageError: there is less room in the folder than ``what`` needs.
        OSError: it cannot be looked at.
    """
    free = shutil.disk_usage(folder).free
    if free < needed_bytes:
        cause = f"{what} need {needed_bytes / 1e9:.1f} GB and {free / 1e9:.1f} GB are free"
        raise StorageError(folder, cause, remedy)


def _status(path: str) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as exc:
        raise StorageError(path, exc.strerror or str(exc), doing="read") from exc


def _is_junction(path: str) -> bool:
    """Whether Windows would go elsewhere here; known from Python 3.12 on."""
    is_junction: Callable[[str], bool] | None = getattr(os.path, "isjunction", None)
    return is_junction is not None and is_junction(path)


_KINDS = {
    stat.S_IFLNK: "a link",
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
}


class FileSystem:
    """Durable operations on the real file system. Tests put a failing double in its place."""

    def write(self, path: str, data: bytes, *, follow: bool = True, durable: bool = True) -> None:
        """Replace ``path`` by ``data``, all or nothing. ``follow`` and ``durable`` as in ``replacing``.

        Raises:
            StorageError: the disk refused; the file is as it was before.
        """
        with self.replacing(path, follow=follow, durable=durable) as temporary, open(temporary, "wb") as file:
            file.write(data)

    @contextlib.contextmanager
    def replacing(
        self,
        path: str,
        final_name: Callable[[], str] | None = None,
        *,
        follow: bool = True,
        durable: bool = True,
    ) -> Iterator[str]:
        """Yield a temporary path to fill; on a clean exit it becomes ``path``, durably.

        Args:
            path: the final path.
            final_name: called when the file is complete, where the final path depends on the content.
            follow: for a file that the user named. A link stays, what it leads to is replaced; a pipe or a
                device is yielded itself: it is written to. Otherwise, for the catalogue's own files, a link,
                a pipe or a second name is replaced, and what it led to stays as it is.
            durable: whether it outlives a power cut. A cache need not: others see it whole all the same.

        Raises:
            StorageError: the disk refused; nothing has changed.
        """
        temporary = ""
        try:
            if follow and _is_special(path):
                yield path
                return
            place = os.path.realpath(path) if follow and os.path.islink(path) else path
            handle, temporary = tempfile.mkstemp(prefix=TEMPORARY_PREFIX, dir=os.path.dirname(place) or ".")
            os.close(handle)
            yield temporary
            if durable:
                self._sync_file(temporary)
            os.chmod(temporary, 0o666 & ~_umask())
            target = final_name() if final_name else place
            os.replace(temporary, target)
            if durable:
                self.sync_directory(os.path.dirname(target) or ".")
        except OSError as exc:
            raise StorageError(path, exc.strerror or str(exc)) from exc
        finally:
            if temporary:
                with contextlib.suppress(OSError):
                    os.unlink(temporary)

    def make_directory(self, path: str) -> None:
        """Create ``path`` and its parents, durably; an existing directory is fine."""
        try:
            missing = _missing_levels(os.path.abspath(path))
            os.makedirs(path, exist_ok=True)
            for folder in missing:
                self.sync_directory(os.path.dirname(folder))
        except OSError as exc:
            raise StorageError(path, exc.strerror or str(exc)) from exc

    def rename(self, source: str, target: str) -> None:
        """Rename a complete, flushed file over ``target``, in one step and durably.

        Raises:
            StorageError: the disk refused.
        """
        try:
            os.replace(source, target)
            for folder in {os.path.dirname(target), os.path.dirname(source)}:
                self.sync_directory(folder or ".")
        except OSError as exc:
            raise StorageError(target, exc.strerror or str(exc)) from exc

    def remove(self, path: str) -> None:
        """Remove a derived file; one that is gone already is fine. Of a link, the link alone."""
        with contextlib.suppress(OSError):
            os.unlink(path)

    def remove_tree(self, path: str) -> None:
        """Remove a derived folder with what is in it; one that is gone is fine, a link alone goes."""
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path, ignore_errors=True)
        else:
            self.remove(path)

    def remove_leftovers(self, directory: str) -> None:
        """Remove temporary files that an interrupted write left. Call only as the one writer."""
        with contextlib.suppress(OSError):
            for name in os.listdir(directory):
                if name.startswith(TEMPORARY_PREFIX):
                    self.remove(os.path.join(directory, name))

    def _sync_file(self, path: str) -> None:
        descriptor = os.open(path, os.O_RDWR)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def sync_directory(self, path: str) -> None:
        """Make the names in a directory durable."""
        if os.name == "nt":  # directories cannot be opened there; NTFS journals the rename itself
            return
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _is_special(path: str) -> bool:
    """Whether ``path`` is there and no regular file: a pipe, a device, or a link to one."""
    try:
        return not stat.S_ISREG(os.stat(path).st_mode)
    except OSError:
        return False


def _missing_levels(path: str) -> list[str]:
    """``path`` and those of its parents that do not exist, outermost first."""
    levels: list[str] = []
    while not os.path.isdir(path) and os.path.dirname(path) != path:
        levels.insert(0, path)
        path = os.path.dirname(path)
    return levels


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
