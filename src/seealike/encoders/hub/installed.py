"""Models of a hub on this machine: fetched, or taken from files, tried once, and used like any ONNX file.

    <cache>/hub/<model>/model.onnx ...       the files, and the cards that say how they are used
                        installed.json       what they are, the SHA-256 of each, and under which licence
                        arriving/            the same while they come and are tried

What was there before stays until the new has been tried. The note is written last: without it nothing is
installed. It also knows the SHA-256 of files of which nobody has published one; ``arriving`` has a note of
its own, for files that came and could not be tried. A catalogue keeps its own copy of what it uses.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from typing import TypeAlias

from seealike.encoders.cache import default_cache_dir, is_sha256, remembered_sha256
from seealike.encoders.hub.download import copy_files, disk_refused, fetch, found_among, is_whole, one_writer
from seealike.encoders.hub.files import ARRIVING, NOTE, Hub, RemoteFile
from seealike.encoders.kept import preprocessing_from
from seealike.encoders.models import EncoderRecord
from seealike.errors import EncoderError, NotOnHubError, SeealikeError, StorageError
from seealike.files import FileSystem
from seealike.types import Preprocessing, ProgressCallback, unwatched

_MOST_NOTE_BYTES = 1_000_000
Trial: TypeAlias = Callable[[EncoderRecord], None]
Announce: TypeAlias = Callable[[Sequence[RemoteFile], int | None, str], None]
"""Told which files are to come, how large they are as far as anybody says, and from where: before they do."""


def unannounced(_files: Sequence[RemoteFile], _size_bytes: int | None, _whence: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class InstalledModel:
    """What is noted of a model on this machine.

    Args:
        name: of the preset, or the spec by which a model of any repository was tried last.
        repository: see ``RemoteFile``.
        revision: see ``RemoteFile``.
        files: the SHA-256 of each file by its name here.
        licence: what the preset or the repository says.
        accepted: the licence with conditions that was accepted for it, if it has one.
        text: where the text tower is in the repository; None where none was wanted.
        weights_sha256: of the picture tower, with all its files; empty before it was tried.
        dimension: of the vectors, as it was asked for.
        size_bytes: of the picture tower, with all its files.
        path: where that is in the repository.
        config: the file there that says how pictures are prepared; empty while nobody has asked for it.
        preprocessing: what that file says.
    """

    name: str
    repository: str
    revision: str
    files: dict[str, str]
    licence: str = ""
    accepted: str | None = None
    text: str | None = None
    weights_sha256: str = ""
    dimension: int = 0
    size_bytes: int = 0
    path: str = ""
    config: str = ""
    preprocessing: Preprocessing | None = None

    def digest_of(self, file: RemoteFile) -> str | None:
        """The SHA-256 that is noted of a file of this commit."""
        same = (self.repository, self.revision) == (file.repository, file.revision)
        return self.files.get(file.local_name) if same else None


@dataclass(frozen=True, slots=True)
class Supply:
    """Where files come from.

    Args:
        hub: who has them.
        source: a file, or a folder of files, to take instead; None: the hub's.
        announce: told before anything comes.
        progress: told how much has come.
    """

    hub: Hub
    source: str | None = None
    announce: Announce = unannounced
    progress: ProgressCallback = unwatched


class Arrival:
    """Files of a model that come to be tried, beside those in use. For the ``one_writer`` of the folder."""

    def __init__(self, folder: str, supply: Supply) -> None:
        """Nothing has come.

        Raises:
            StorageError: the disk refused.
        """
        self.files: dict[str, str] = {}
        """What is here to be tried: the SHA-256 by name."""
        self.place = os.path.join(folder, ARRIVING)
        self._folder, self._supply = folder, supply
        self._before, self._came = read_note(folder), read_note(self.place)
        self._unknown: list[str] = []
        FileSystem().make_directory(self.place)

    def bring(self, files: Sequence[RemoteFile]) -> None:
        """Have these files side by side too. Those that are here are read; a damaged one comes again.

        Raises:
            EncoderError: one cannot be had, or is another one than it must be.
            OSError, StorageError: the disk refused.
        """
        missing = []
        for file in map(self._as_noted, files):
            target, place = os.path.join(self.place, file.local_name), self._place(file)
            FileSystem().make_directory(os.path.dirname(target))
            if place is None:
                missing.append(file)
                continue
            self.files[file.local_name] = str(file.sha256)
            if place != target:
                FileSystem().remove(target)
                _link(place, target)
        self._supply_missing(missing)
        for main in files[:1]:
            write_note(self.place, InstalledModel(main.path, main.repository, main.revision, self.files))

    def from_folder(self) -> None:
        """What is still to come is beside the file, where one alone was named to take."""
        source = self._supply.source
        if source is not None and os.path.isfile(source):
            self._supply = replace(self._supply, source=os.path.dirname(source) or ".")

    @contextmanager
    def trying(self) -> Iterator[None]:
        """Where this fails, files whose SHA-256 nobody knew do not stay: they come anew another time."""
        try:
            yield
        except SeealikeError:
            for name in self._unknown:
                FileSystem().remove(os.path.join(self.place, name))
            raise

    def keep(self, note: InstalledModel, cards: Iterable[str] = ()) -> None:
        """Let what was tried be what is used, with the cards that were written for it.

        Raises:
            StorageError: the disk refused.
        """
        for name in (*self.files, *cards):
            target = os.path.join(self._folder, name)
            FileSystem().make_directory(os.path.dirname(target))
            FileSystem().rename(os.path.join(self.place, name), target)
        write_note(self._folder, note)
        FileSystem().remove_tree(self.place)

    def _as_noted(self, file: RemoteFile) -> RemoteFile:
        """A file with the SHA-256 that it had when it was tried, or that came before and is still here."""
        if file.sha256 is not None:
            return file
        if self._before is not None and (digest := self._before.digest_of(file)):
            return replace(file, sha256=digest, noted=os.path.join(self._folder, NOTE))
        self._unknown.append(file.local_name)
        came = self._came.digest_of(file) if self._came is not None else None
        here = is_whole(os.path.join(self.place, file.local_name), came)
        return replace(file, sha256=came) if here else file

    def _place(self, file: RemoteFile) -> str | None:
        """Where a file is here already, whole: as it came for a try that failed, or as it is used."""
        places = (os.path.join(within, file.local_name) for within in (self.place, self._folder))
        return next((place for place in places if is_whole(place, file.sha256)), None)

    def _supply_missing(self, missing: Sequence[RemoteFile]) -> None:
        supply = self._supply
        if missing and (supply.source is not None or not supply.hub.offline):
            supply.announce(missing, self._size_bytes(missing), supply.source or supply.hub.host)
        if supply.source is None:
            came = fetch(missing, self.place, hub=supply.hub, progress=supply.progress)
        else:
            came = copy_files(missing, supply.source, self.place)
        self.files |= {file.local_name: digest for file, digest in zip(missing, came, strict=True)}

    def _size_bytes(self, missing: Sequence[RemoteFile]) -> int | None:
        """How large files are together; of those whose size nobody has published, the hub is asked.

        Raises:
            EncoderError: one is not to be had.
        """
        source = self._supply.source
        if source is not None:
            brought = 0
            for file in missing:
                with suppress(NotOnHubError):  # whoever copies it says that
                    brought += os.path.getsize(found_among(file, source, len(missing)))
            return brought
        from seealike.encoders.hub.transport import size_of  # slow to import

        sizes = [size_of(self._supply.hub, file) if file.bytes is None else file.bytes for file in missing]
        return None if None in sizes else sum(size or 0 for size in sizes)


@contextmanager
def arrival(folder: str, supply: Supply) -> Iterator[Arrival]:
    """Be the one who changes the model in a folder.

    Raises:
        EncoderError: another process does, or the disk refuses.
    """
    with one_writer(folder):
        try:
            yield Arrival(folder, supply)
        except (OSError, StorageError) as exc:
            raise disk_refused(folder, exc) from exc


def read_note(folder: str) -> InstalledModel | None:
    """The note in a folder, whatever is left of the files; None where there is none, or it is damaged."""
    try:
        with open(os.path.join(folder, NOTE), encoding="utf-8") as file:
            said = json.loads(file.read(_MOST_NOTE_BYTES))
        made = said.get("preprocessing")
        said["text"] = said.get("text") or None
        said["preprocessing"] = None if made is None else preprocessing_from(made)
        note = InstalledModel(**said)
        return note if all(map(is_sha256, note.files.values())) else None
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def write_note(folder: str, note: InstalledModel) -> None:
    """Write it, in place of the one before.

    Raises:
        StorageError: the disk refused.
    """
    content = json.dumps(asdict(note), indent=2).encode()
    FileSystem().write(os.path.join(folder, NOTE), content, follow=False)


def installed_in(folder: str) -> InstalledModel | None:
    """The note of a model that was tried and all of whose files are here."""
    note = read_note(folder)
    whole = note is not None and all(os.path.isfile(os.path.join(folder, name)) for name in note.files)
    return note if whole and note is not None and note.weights_sha256 else None


def check_undamaged(
    record: EncoderRecord, note: InstalledModel, texts: Iterable[str], asked: str, cache_dir: str | None
) -> None:
    """Refuse a model that is not what was noted, or has lost its card; ``texts`` are files of its text tower.

    Raises:
        EncoderError: it is not; ``asked`` is how to get it again.
    """
    folder, cache = record.file.removesuffix(os.path.basename(record.file)), cache_dir or default_cache_dir()
    known = (note.name.partition("?")[0], note.weights_sha256)
    damaged = [] if (record.name, record.weights_sha256) == known else [record.file]
    damaged += [
        folder + name for name in texts if remembered_sha256(folder + name, cache) != note.files[name]
    ]
    if damaged:
        raise EncoderError(f"{damaged[0]} is damaged; `seealike encoders get {asked}` fetches it again")


def _link(place: str, target: str) -> None:
    try:
        os.link(os.path.realpath(place), target)
    except OSError:  # some file systems have one name for a file
        shutil.copyfile(place, target)
