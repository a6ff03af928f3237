"""Pictures on object storage: every object under a prefix, and those inside of its tar files."""

from __future__ import annotations

from collections.abc import Iterator

from seealike.embedding.sources.archives import TAR, members
from seealike.objects import ObjectFound, ObjectStore
from seealike.types import Skipped, SourceItem

_TAR = ".tar"


class ObjectSource:
    """The objects of ``s3://BUCKET/PREFIX``; ids are what follows the prefix. Of a ``.tar`` its members.

    Names with a part that begins with a dot are left out.
    """

    root = ""

    def __init__(self, address: str) -> None:
        address = address.rstrip("/")
        self._alone = ""  # the one object, where it is an archive that is named
        if address.lower().endswith(_TAR):
            address, _, self._alone = address.rpartition("/")
        self._store = ObjectStore(address)
        self.label = f"{self._store.label}/{self._alone}"

    def scan(self) -> Iterator[SourceItem | Skipped]:
        """See ``Source``; of archives, headers and texts are read.

        Raises:
            SourceError: an archive is none.
            StorageError: the storage refused.
        """
        for found in self._store.found():
            hidden = any(part.startswith(".") for part in found.name.split("/"))
            if hidden or (self._alone and found.name != self._alone):
                continue
            path = f"{self._store.address}/{found.name}"
            if found.name.lower().endswith(_TAR):
                yield from self._members(found, path)
            else:
                yield SourceItem(found.name, path, found.size_bytes, found.mtime_ns)

    def _members(self, found: ObjectFound, path: str) -> Iterator[SourceItem | Skipped]:
        with self._store.opened(found.name) as file:
            yield from members(file, f"{TAR}+{path}", found.name, found.mtime_ns)
