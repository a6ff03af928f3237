"""The pictures of items that came over HTTP: files of the catalogue's own, named by what is in them."""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from contextlib import suppress

from seealike.files import FileSystem, check_own_folder

FOLDER = "pictures"
LEFT_S = 3600.0  # so old is a file that no item has before it counts as left behind


class KeptPictures:
    """Files in a folder of the catalogue. No name in a request becomes part of a path: digests do.

    Every file is written for one change and never again: whoever removes one takes nothing from another
    change, in whatever process. What a killed process leaves behind, and what two processes that replace the
    same item at the same moment leave, stays until ``collect``.
    """

    def __init__(self, catalog_path: str) -> None:
        self.folder = os.path.join(os.path.abspath(catalog_path), FOLDER)
        self._files = FileSystem()

    def keep(self, item_id: str, data: bytes) -> str:
        """Write the picture of an item; it outlives a power cut. The path, which no file had before.

        Raises:
            StorageError: the disk refused.
            ForeignFileError: something else lies where the folder should.
        """
        path = f"{self._start_of(item_id, data)}-{secrets.token_hex(8)}"
        check_own_folder(self.folder)
        self._files.make_directory(os.path.dirname(path))
        self._files.write(path, data, follow=False)
        return path

    def holds(self, path: str | None, item_id: str, data: bytes) -> bool:
        """Whether a path is that of this picture of this item, and it is still there."""
        if path is None or not path.startswith(self._start_of(item_id, data)):
            return False
        with suppress(OSError):
            return os.path.getsize(path) == len(data)
        return False

    def drop(self, path: str | None) -> None:
        """Remove a picture that no item shows any more, if it is one of these. What stays is collected."""
        if path is not None and os.path.dirname(os.path.dirname(path)) == self.folder:
            self._files.remove(path)

    def aged(self) -> set[str]:
        """The files that are so old that an item has them, or none ever will.

        Raises:
            ForeignFileError: something else lies where the folder should.
        """
        check_own_folder(self.folder)
        latest_s = time.time() - LEFT_S
        found = set()
        for folder, _, names in os.walk(self.folder):
            for path in (os.path.join(folder, name) for name in names):
                with suppress(OSError):
                    if os.lstat(path).st_mtime < latest_s:
                        found.add(path)
        return found

    def _start_of(self, item_id: str, data: bytes) -> str:
        both = hashlib.sha256(item_id.encode()).hexdigest()[:24], hashlib.sha256(data).hexdigest()
        return os.path.join(self.folder, both[0][:2], "-".join(both))
