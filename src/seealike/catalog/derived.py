"""Arrays that a catalogue keeps because it takes time to make them: derived, and may be deleted at any time.

Each lies in a file that is named by its content, and says in its first line what it was made of. A file that
is not what its name says, or was made of something else, is as good as none.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np
import numpy.typing as npt

from seealike.errors import SeealikeError
from seealike.files import read_own_file
from seealike.recommend import Hubness, KeptLists, SearchOptions
from seealike.store import FileSystem

SUFFIX = ".kept"
MOST_KEPT = 3  # of a kind, made of different things
_MOST_BYTES = 1 << 34

Stamp = Mapping[str, str | int]
Array = npt.NDArray[Any]


class DerivedArrays:
    """The arrays of one kind in a catalogue's directory."""

    def __init__(self, directory: str, kind: str, files: FileSystem) -> None:
        """``kind`` is what the files' names begin with."""
        self._directory, self._kind, self._files = directory, kind, files

    def read(self, stamp: Stamp) -> dict[str, Array] | None:
        """What was made of what ``stamp`` says; ``None`` where nothing was, or it is damaged."""
        for name in self._names():
            with contextlib.suppress(SeealikeError, OSError, ValueError):
                if not self._has(name, stamp):
                    continue
                content = read_own_file(self._path(name), _MOST_BYTES)
                if name == self._name_of(content):
                    with np.load(io.BytesIO(content.partition(b"\n")[2]), allow_pickle=False) as loaded:
                        return {key: loaded[key] for key in loaded.files}
        return None

    def write(self, stamp: Stamp, arrays: Mapping[str, Array]) -> None:
        """Keep arrays, in the place of those with the same stamp, and of others that were kept longest.

        Where the disk refuses nothing is kept: they can be made again.
        """
        buffer = io.BytesIO()
        buffer.write(_line(stamp))
        np.savez(buffer, **arrays)  # type: ignore[arg-type]  # the stub has a keyword that numpy 2.0 has not
        content = buffer.getvalue()
        name = self._name_of(content)
        with contextlib.suppress(SeealikeError, OSError):
            self._files.write(self._path(name), content, follow=False, durable=False)
            others = [other for other in self._names() if other != name]
            left = [other for other in others if not self._has(other, stamp)]
            for other in {*others} - {*left[: MOST_KEPT - 1]}:
                self._files.remove(self._path(other))

    def _names(self) -> list[str]:
        """The files' names, the newest first."""
        with os.scandir(self._directory) as entries:
            ours = [
                entry
                for entry in entries
                if entry.name.startswith(f"{self._kind}-") and entry.name.endswith(SUFFIX)
            ]
            ours.sort(key=lambda entry: -entry.stat(follow_symlinks=False).st_mtime)
        return [entry.name for entry in ours]

    def _name_of(self, content: bytes) -> str:
        return f"{self._kind}-{hashlib.sha256(content).hexdigest()}{SUFFIX}"

    def _has(self, name: str, stamp: Stamp) -> bool:
        line = _line(stamp)
        return read_own_file(self._path(name), len(line)) == line

    def _path(self, name: str) -> str:
        return os.path.join(self._directory, name)


def _line(stamp: Stamp) -> bytes:
    return json.dumps(stamp, sort_keys=True).encode() + b"\n"


class ListKeeper:
    """Keeps the lists of all items in a catalogue's directory, a file for each way to make them."""

    def __init__(self, directory: str, catalog_id: str, files: FileSystem) -> None:
        """Nothing is read yet."""
        self._catalog = catalog_id
        self._arrays = DerivedArrays(directory, "lists", files)

    def read(self, depth: int, options: SearchOptions) -> KeptLists | None:
        """See ``Keeper.read``."""
        found = self._arrays.read(self._stamp(depth, options))
        return None if found is None else KeptLists(**found)

    def write(self, lists: KeptLists, options: SearchOptions) -> None:
        """See ``Keeper.write``."""
        arrays = {field.name: getattr(lists, field.name) for field in fields(KeptLists)}
        self._arrays.write(self._stamp(lists.depth, options), arrays)

    def _stamp(self, depth: int, options: SearchOptions) -> Stamp:
        said = {name: str(getattr(options, name)) for name in ("exact", "metric", "pictures", "group_by")}
        return {"format": 2, "catalog": self._catalog, "depth": depth, **said}


class KeptHubness:
    """Keeps who is everybody's neighbour in a catalogue's directory."""

    def __init__(self, directory: str, catalog_id: str, files: FileSystem) -> None:
        """Nothing is read yet."""
        self._stamp: Stamp = {"format": 2, "catalog": catalog_id}
        self._arrays = DerivedArrays(directory, "hubs", files)

    def read(self) -> Hubness | None:
        """See ``HubnessKeeper``."""
        found = self._arrays.read(self._stamp)
        return None if found is None else Hubness(**found)

    def write(self, hubness: Hubness) -> None:
        """See ``HubnessKeeper``."""
        self._arrays.write(
            self._stamp, {field.name: getattr(hubness, field.name) for field in fields(Hubness)}
        )
