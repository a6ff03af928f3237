"""Archives of pictures: tar files as WebDataset lays them out, with what is said of each picture."""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import BinaryIO

from seealike.errors import SourceError
from seealike.sources.ids import printable
from seealike.sources.rows import clean
from seealike.types import Metadata, MetadataValue, Skipped, SkipReason, SourceItem

TAR = "tar"
_LABELS = frozenset({".json", ".txt", ".cls"})
_MOST_TEXT = 1 << 20  # bytes of what is said of one picture


class ArchiveSource:
    """The pictures of tar files, one after the other; ids are ``ARCHIVE.tar/MEMBER``.

    Members of one name but for the ending belong together: the fields of ``.json`` are metadata, ``.txt`` and
    ``.cls`` are the columns ``text`` and ``class``; all others are pictures.
    """

    root = ""

    def __init__(self, label: str, files: Sequence[str]) -> None:
        self.label = printable(label)
        self._files = [os.path.abspath(file) for file in files]
        self._folder = os.path.commonpath([os.path.dirname(file) for file in self._files])

    def scan(self) -> Iterator[SourceItem | Skipped]:
        """See ``Source``; only headers and texts are read.

        Raises:
            SourceError: one is no tar file, or is compressed as a whole.
        """
        for path in self._files:
            name = printable(os.path.relpath(path, self._folder).replace(os.sep, "/"))
            try:
                with open(path, "rb") as file:
                    yield from members(file, f"{TAR}://{path}", name, os.fstat(file.fileno()).st_mtime_ns)
            except OSError as exc:
                raise SourceError(f"cannot read {printable(path)}: {exc.strerror or exc}") from exc


def members(file: BinaryIO, place: str, name: str, mtime_ns: int) -> Iterator[SourceItem | Skipped]:
    """The pictures of an open archive.

    Args:
        file: can be read and sought in.
        place: its address, that of a member begins with.
        name: what ids begin with.
        mtime_ns: when it was written.

    Raises:
        SourceError: it is no tar file.
    """
    used: set[str] = set()
    try:
        with tarfile.open(fileobj=file, mode="r:") as archive:
            for _, group in groupby(filter(tarfile.TarInfo.isfile, archive), key=_stem):
                together = list(group)
                said = _said(archive, together)
                for member in together:
                    if _ending(member) in _LABELS:
                        continue
                    item_id = f"{name}/{printable(member.name)}"
                    path = f"{place}#{member.offset_data}+{member.size}/{member.name}"
                    if item_id in used:
                        detail = "an earlier member has the name"
                        yield Skipped(item_id, path, SkipReason.DUPLICATE_ID, detail, member.size, mtime_ns)
                        continue
                    used.add(item_id)
                    yield SourceItem(item_id, path, member.size, mtime_ns, metadata=said)
    except tarfile.TarError as exc:
        raise SourceError(f"{name} is no tar file that is not compressed: {exc}") from exc


def _said(archive: tarfile.TarFile, together: Sequence[tarfile.TarInfo]) -> Metadata:
    """What is said of the pictures among some members."""
    said: dict[str, MetadataValue] = {}
    for member in together:
        if (ending := _ending(member)) not in _LABELS or member.size > _MOST_TEXT:
            continue
        file = archive.extractfile(member)
        text = printable(os.fsdecode(file.read())) if file else ""
        if ending == ".json":
            try:
                fields = json.loads(text)
            except (ValueError, RecursionError):
                continue
            if isinstance(fields, dict):
                said |= {printable(key): clean(value) for key, value in fields.items() if key}
        elif ending == ".txt":
            said["text"] = text.strip()
        else:
            said["class"] = int(text) if text.strip().isdecimal() else text.strip()
    return said


def _stem(member: tarfile.TarInfo) -> str:
    """What the names of those that belong together share: all up to the first dot of the file's own name."""
    folder, _, file = member.name.rpartition("/")
    return f"{folder}/{file.partition('.')[0]}"


def _ending(member: tarfile.TarInfo) -> str:
    return os.path.splitext(member.name)[1].lower()
