"""The pictures of items that came over HTTP: files of the catalogue's own, named by what is in them."""

from __future__ import annotations

import hashlib
import os

from seealike.files import FileSystem, check_own_folder

FOLDER = "pictures"


class KeptPictures:
    """Files in a folder of the catalogue. No name in a request becomes part of a path: digests do."""

    def __init__(self, catalog_path: str) -> None:
        self.folder = os.path.join(os.path.abspath(catalog_path), FOLDER)
        self._files = FileSystem()

    def path_of(self, item_id: str, data: bytes) -> str:
        """Where the picture of an item is kept: the same item with the same picture has the same path."""
        both = hashlib.sha256(item_id.encode()).hexdigest()[:24], hashlib.sha256(data).hexdigest()
        return os.path.join(self.folder, both[0][:2], "-".join(both))

    def keep(self, path: str, data: bytes) -> None:
        """Write a picture; it outlives a power cut.

        Raises:
            StorageError: the disk refused.
            ForeignFileError: something else lies where the folder should.
        """
        check_own_folder(self.folder)
        self._files.make_directory(os.path.dirname(path))
        self._files.write(path, data, follow=False)

    def drop(self, path: str | None) -> None:
        """Remove a picture that no item shows any more, if it is one of these."""
        if path is not None and os.path.dirname(os.path.dirname(path)) == self.folder:
            self._files.remove(path)
