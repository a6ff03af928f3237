"""Durable file writes: the one place that creates, renames or removes files which must survive a crash.

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

from seealike.errors import StorageError

TEMPORARY_PREFIX = ".writing-"


class FileSystem:
    """Durable operations on the real file system. Tests put a failing double in its place."""

    def write(self, path: str, data: bytes) -> None:
        """Replace ``path`` by ``data``, all or nothing.

        Raises:
            StorageError: the disk refused; the file is as it was before.
        """
        with self.replacing(path) as temporary, open(temporary, "wb") as file:
            file.write(data)

    @contextlib.contextmanager
    def replacing(self, path: str, final_name: Callable[[], str] | None = None) -> Iterator[str]:
        """Yield a temporary path to fill; on a clean exit it becomes ``path``, durably.

        A link stays, what it leads to is replaced. A pipe or a device is yielded itself: it is written to.

        Args:
            path: the final path.
            final_name: called when the file is complete, where the final path depends on the content.

        Raises:
            StorageError: the disk refused; nothing has changed.
        """
        temporary = ""
        try:
            if _is_special(path):
                yield path
                return
            place = os.path.realpath(path) if os.path.islink(path) else path
            handle, temporary = tempfile.mkstemp(prefix=TEMPORARY_PREFIX, dir=os.path.dirname(place) or ".")
            os.close(handle)
            yield temporary
            self._sync_file(temporary)
            os.chmod(temporary, 0o666 & ~_umask())
            target = final_name() if final_name else place
            os.replace(temporary, target)
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
        """Remove a derived file; one that is gone already is fine."""
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
