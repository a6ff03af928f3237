"""Files that are written where a caller says: the one place that decides whether they may be.

Nothing of the caller's is ever lost. A name ends as its content does; nothing is written into a catalogue,
over a source, or over a picture that is an item; and what is there already is replaced only if it says itself
that seealike wrote that kind of file, or if the caller insists.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TextIO

from seealike.catalog.outputs.kinds import OutputKind, written_by_seealike
from seealike.catalog.sync.sources import known_sources, place_to_open, source_roots
from seealike.errors import SourceError, StorageError, UsageError
from seealike.sources import has_wildcard, pattern_takes
from seealike.store import FileSystem, SourceRecord, SqliteStore, is_catalog
from seealike.store.manifest import databases_in

_OPEN_ALREADY = re.compile(r"/dev/(stdout|stderr|fd/\d+)|/proc/[^/]+/fd/\d+")  # whatever lies behind it


@dataclass(frozen=True, slots=True)
class OutputFile:
    """A file that a caller wants written.

    Args:
        path: where; a pipe or a device takes anything.
        kind: what will be in it.
        force: replace a file that is there, whoever wrote it. What belongs to a catalogue stays all the same.
        option: the option that named it, for messages; empty for a call from Python.
    """

    path: str
    kind: OutputKind
    force: bool = False
    option: str = ""

    @property
    def is_stream(self) -> bool:
        """Whether it is written to, not replaced: a pipe, a device, or what stands for one."""
        if _OPEN_ALREADY.fullmatch(os.path.abspath(self.path)):
            return True
        try:
            mode = os.stat(self.path).st_mode
        except (OSError, ValueError):
            return False
        return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))

    def check_name(self) -> None:
        """Refuse a name that no such file may have, whatever the catalogue; for a start.

        Raises:
            UsageError: the file may not be written.
        """
        if not self.is_stream:
            self._check_place(None)

    def check(self, catalog: str | None = None, source: str | None = None) -> None:
        """Refuse a file that may not be written, before any work is done for it.

        Args:
            catalog: the directory of the catalogue that the content comes from, which need not be there yet.
            source: what is about to be indexed into it.

        Raises:
            UsageError: the file may not be written.
        """
        if self.is_stream:
            return
        place = self._check_place(catalog)
        try:
            status = os.stat(place)
        except FileNotFoundError:
            return
        if owner := _owner(place, status, catalog, source):
            raise self._refused(f"is {owner}; choose another name")
        if status.st_size and not self.force and not self.kind.wrote(place):
            insist = "add --force" if self.option else "pass force=True"
            raise self._refused(
                f"is there already, and is no {self.kind.what} of seealike's; choose another name, "
                f"or {insist} to replace it"
            )

    @contextlib.contextmanager
    def replacing(self, catalog: str | None = None, source: str | None = None) -> Iterator[str]:
        """Yield the path of an empty file to append to; on a clean exit it has replaced the output, durably.

        A stream is yielded itself.

        Raises:
            UsageError: the file may not be written.
            StorageError: the disk refused; what was there is as it was.
        """
        self.check(catalog, source)
        if self.is_stream:
            with self._translated():
                yield self.path
            return
        with FileSystem().replacing(os.path.realpath(self.path)) as temporary:
            yield temporary
            self.check(catalog, source)  # much may have happened meanwhile

    def write(self, data: bytes, catalog: str | None = None) -> None:
        """Write the whole content, or nothing; raises as ``replacing`` does."""
        with self.replacing(catalog) as place, open(place, "ab") as file:
            file.write(data)

    @contextlib.contextmanager
    def appending(self, catalog: str | None = None) -> Iterator[TextIO]:
        """Yield a text to add to; what was there stays if seealike wrote it. Raises as ``replacing`` does."""
        self.check(catalog)
        with self._translated():
            if not self.is_stream and not self.kind.wrote(os.path.realpath(self.path)):
                FileSystem().write(os.path.realpath(self.path), b"")
            with open(self.path, "a", encoding="utf-8") as file:
                yield file

    def _check_place(self, catalog: str | None) -> str:
        """Refuse a place where no such file may be, whatever is there; gives the place."""
        if "\0" in self.path:
            raise UsageError("the name of a file cannot hold a NUL")
        place = os.path.realpath(self.path)  # a link is judged by what it leads to
        check_outside(place, catalog, self._name)
        if os.path.isdir(place):
            raise self._refused("is a folder, not a file")
        folder = os.path.dirname(place)
        if not os.path.isdir(folder):
            raise self._refused(f"cannot be written: there is no folder {folder}")
        if os.path.splitext(place)[1].lower() not in self.kind.endings:
            endings = " or ".join(self.kind.endings)
            better = f"{self.path}{self.kind.endings[0]}"
            raise self._refused(f"must end in {endings}, as {self.kind.a} does; call it {better}")
        return place

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:  # its reader has seen enough
            raise
        except OSError as exc:
            raise StorageError(self.path, exc.strerror or str(exc)) from exc

    @property
    def _name(self) -> str:
        return f"{self.option}: {self.path}" if self.option else self.path

    def _refused(self, why: str) -> UsageError:
        return UsageError(f"{self._name} {why}")


def check_outside(path: str, catalog: str | None = None, name: str = "") -> None:
    """Refuse a place in a catalogue's directory, at any depth.

    Args:
        path: where something is to be written.
        catalog: the directory of a catalogue that need not be there yet.
        name: what the place is called in the message.

    Raises:
        UsageError: it lies in a catalogue.
    """
    if inside := _catalog_around(os.path.realpath(path), catalog):
        raise UsageError(f"{name or path} lies in the catalogue {inside}; choose a place outside it")


def _catalog_around(place: str, catalog: str | None) -> str | None:
    """The catalogue whose directory a file would lie in, at any depth."""
    made = None if catalog is None else os.path.realpath(catalog)
    folder = os.path.dirname(place)
    while True:
        # A manifest alone may be anybody's: many programs have a file of that name.
        if folder == made or (databases_in(folder) and is_catalog(folder)):
            return folder
        if os.path.dirname(folder) == folder:
            return None
        folder = os.path.dirname(folder)


def _owner(place: str, status: os.stat_result, catalog: str | None, source: str | None) -> str | None:
    """What a file is to a catalogue: ``the picture of the item 'x'``; None where it is nothing to it."""
    if catalog is None or not is_catalog(catalog):
        return None if source is None else _part_of(source, place, status)
    store = SqliteStore(os.path.abspath(catalog))
    try:
        return _part_of_catalog(store, place, status, source)
    finally:
        store.close()


def _part_of_catalog(
    store: SqliteStore, place: str, status: os.stat_result, source: str | None
) -> str | None:
    known = known_sources(store.directory, store.state())
    roots = source_roots(store)
    name = os.fsencode(os.path.basename(place))

    def is_place(number: int, path: bytes) -> bool:
        return _is_file(os.path.join(roots.get(number, store.directory), os.fsdecode(path)), status)

    for number, item_id, path in store.items_like(name, status.st_size):
        if is_place(number, path):
            return f"the picture of the item {item_id!r}"
    for spec in (*(_spec(record) for record in known), *([] if source is None else [source])):
        if found := _part_of(spec, place, status):
            return found
    if written_by_seealike(place):  # a page among the pictures is listed as no image
        return None
    for number, item_id, path in store.skipped_like(name, status.st_size):
        if is_place(number, path):
            return f"a file of the source, skipped as {item_id!r}"
    return None


def _part_of(spec: str, place: str, status: os.stat_result) -> str | None:
    """What a file is to a source: the table itself, or a file in its folder that seealike did not write."""
    if os.path.isfile(spec) and _is_file(spec, status):
        return "the table that a catalogue is made from"
    if written_by_seealike(place):
        return None
    if has_wildcard(spec) and not os.path.lexists(spec) and pattern_takes(spec, place):
        return f"a file of the source {spec}"
    if not os.path.isdir(spec):
        return None
    inside = os.path.relpath(place, os.path.realpath(spec)).split(os.sep)
    hidden = any(part.startswith(".") for part in inside)  # not offered by a folder; or outside it: ".."
    return None if hidden else f"a file of the source {spec}"


def _is_file(path: str, status: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.stat(path), status)
    except (OSError, ValueError):
        return False


def _spec(record: SourceRecord) -> str:
    """The folder, table or pattern; empty where it was an object, or nobody knows where it lies."""
    with contextlib.suppress(SourceError):
        return place_to_open(record)
    return record.spec
