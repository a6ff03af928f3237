"""Where shards lie: a folder of this machine, or a prefix of object storage."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from seealike.errors import StorageError
from seealike.files import TEMPORARY_PREFIX, FileSystem
from seealike.objects import ObjectStore, is_address
from seealike.store import LOCK_NAMES, WriterLock

MANIFEST_NAME = "shards.json"


class Place(Protocol):
    """Files by their names, each written whole or not at all."""

    @property
    def label(self) -> str:
        """How messages call it; no credentials are in it."""

    def read(self, name: str) -> bytes | None:
        """The content of a file, ``None`` where there is none.

        Raises:
            StorageError: it cannot be read.
        """

    def write(self, name: str, data: bytes) -> None:
        """Put a file there, or in the place of another, durably.

        Raises:
            StorageError: that is refused; what was there before stays.
        """

    def names(self) -> Iterator[str]:
        """The names of the files, in any order.

        Raises:
            StorageError: they cannot be listed.
        """

    def remove(self, name: str) -> None:
        """Remove a file; one that is gone already is fine."""

    def locked(self) -> AbstractContextManager[None]:
        """The turn to write, where the place knows turns.

        Raises:
            CatalogBusyError: somebody else has it.
        """


class LocalPlace:
    """A folder, which is made when the first file is written."""

    def __init__(self, directory: str) -> None:
        """Nothing is looked at yet."""
        self.directory = os.path.abspath(directory)
        self._files = FileSystem()

    @property
    def label(self) -> str:
        """See ``Place``."""
        return self.directory

    def read(self, name: str) -> bytes | None:
        """See ``Place``."""
        try:
            with open(os.path.join(self.directory, name), "rb") as file:
                return file.read()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as exc:
            raise StorageError(self.directory, exc.strerror or str(exc), doing="read") from exc

    def write(self, name: str, data: bytes) -> None:
        """See ``Place``."""
        self._files.make_directory(self.directory)
        self._files.write(os.path.join(self.directory, name), data, follow=False)

    def names(self) -> Iterator[str]:
        """See ``Place``."""
        try:
            names = os.listdir(self.directory)
        except FileNotFoundError:
            return
        except OSError as exc:
            raise StorageError(self.directory, exc.strerror or str(exc), doing="read") from exc
        yield from (
            name for name in names if name not in LOCK_NAMES and not name.startswith(TEMPORARY_PREFIX)
        )

    def remove(self, name: str) -> None:
        """See ``Place``."""
        self._files.remove(os.path.join(self.directory, name))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """See ``Place``."""
        self._files.make_directory(self.directory)
        lock = WriterLock(self.directory)
        lock.acquire(0.0)
        try:
            self._files.remove_leftovers(self.directory)
            yield
        finally:
            lock.release()


def open_place(name: str) -> Place:
    """The place that a caller names: a folder, or ``s3://BUCKET/PREFIX``; it need not be there.

    Raises:
        UsageError: there is no such kind of place.
        MissingExtraError: it is on object storage, and obstore is not installed.
    """
    return ObjectStore(name) if is_address(name) else LocalPlace(name)


def is_shards(name: str) -> bool:
    """Whether a folder, or a prefix of object storage, is one of shards, finished or not.

    Raises:
        UsageError, MissingExtraError: as ``open_place``.
        StorageError: the storage does not say.
    """
    if is_address(name):
        return ObjectStore(name).read(MANIFEST_NAME) is not None
    return os.path.isfile(os.path.join(name, MANIFEST_NAME))
