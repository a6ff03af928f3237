"""Fetching files of a hub: what arrives has its name only once it is known to be the right file.

    <into>/<name>              a whole file, checked
    <into>/<sha256>.part       one that is under way; where no digest is known, one of its name

A run that was cut, killed or out of room goes on where it was, if a digest is known. Whoever sends the bytes
need not be trusted: the SHA-256 decides.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Self

from seealike.encoders.cache import file_sha256
from seealike.encoders.hub.files import LOCK_NAME, NOTE, PART, CutError
from seealike.errors import EncoderError, NotOnHubError, StorageError
from seealike.files import FileSystem
from seealike.types import Progress, ProgressCallback, unwatched

if TYPE_CHECKING:
    from seealike.encoders.hub.files import Hub, RemoteFile
    from seealike.encoders.hub.transport import Answer

_CHUNK_BYTES = 1 << 18
_SPARE_BYTES = 16_000_000  # which a disk keeps beside what is fetched
_WRITING = os.O_RDWR | os.O_CREAT | sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_BINARY"))
STAGE = "fetching"


def fetch(
    files: Sequence[RemoteFile], into: str, *, hub: Hub, progress: ProgressCallback = unwatched
) -> list[str]:
    """Fetch files into one folder, unless they are there; the SHA-256 of each. For its ``one_writer``.

    Args:
        files: which; each is called by its ``local_name`` here. One without a SHA-256 is always fetched.
        into: the folder; it is there.
        hub: where from.
        progress: told how many bytes have come.

    Raises:
        EncoderError: one of them cannot be had, or is another file; whole ones stay, and what has come of
            the others is used the next time.
    """
    missing = [file for file in files if not is_whole(os.path.join(into, file.local_name), file.sha256)]
    if missing and hub.offline:
        raise EncoderError(
            f"there is no {missing[0]} on this machine, and it is to stay offline; --from PATH takes files"
        )
    with contextlib.ExitStack() as stack:
        parts = [stack.enter_context(_Part(into, file)) for file in missing]
        _check_room(into, sum((part.file.bytes or part.size) - part.size for part in parts))
        watch = _Watch(parts, progress)
        for part in parts:
            _complete(part, hub, watch)
            part.finish()
    fetched = {part.file: part.sha256 for part in parts}
    return [fetched.get(file) or file.sha256 or "" for file in files]


@contextlib.contextmanager
def one_writer(folder: str) -> Iterator[None]:
    """Make a folder of the hub's files, and be the one who changes it.

    Raises:
        EncoderError: another process does, or the disk refuses.
    """
    from filelock import FileLock, Timeout

    try:
        FileSystem().make_directory(folder)
        lock = FileLock(os.path.join(folder, LOCK_NAME), thread_local=False)
        lock.acquire(timeout=0)
    except Timeout:
        raise EncoderError(
            f"another process is fetching into {folder}; run this again when it has finished"
        ) from None
    except (OSError, StorageError) as exc:
        raise disk_refused(folder, exc) from exc
    try:
        yield
    finally:
        lock.release()


def remove_model(folder: str, what: str) -> int:
    """Remove a folder of the hub's files, its note first; how many bytes that frees.

    Raises:
        EncoderError: it is not there, or another process is fetching into it.
    """
    files = FileSystem()
    if not os.path.isdir(folder):
        raise EncoderError(f"there is nothing of {what} on this machine; `seealike encoders` lists what is")
    with one_writer(folder):
        within = [os.path.join(base, name) for base, _, names in os.walk(folder) for name in names]
        freed = sum(os.lstat(path).st_size for path in within)
        files.remove(os.path.join(folder, NOTE))
        files.remove_tree(folder)
    if os.name == "nt":  # where a lock that is held cannot be removed
        files.remove_tree(folder)
    return freed


def is_whole(path: str, sha256: str | None) -> bool:
    """Whether a file is there and is the right one; every byte is read. Nobody knows without a digest."""
    return sha256 is not None and os.path.isfile(path) and file_sha256(path) == sha256


def copy_files(files: Sequence[RemoteFile], source: str, into: str) -> list[str]:
    """Copy files that somebody brought, if they are the right ones; the SHA-256 of each.

    Raises:
        EncoderError: one is missing or another one, or cannot be read, or there is no room.
        StorageError: the disk refused.
    """
    return [_copied(file, found_among(file, source, len(files)), into) for file in files]


def found_among(file: RemoteFile, source: str, wanted: int = 0) -> str:
    """Where a file is among those that somebody brought: by its path in the repository, or by its name.

    ``source`` is a folder; or the file itself, where it is the only one ``wanted``.

    Raises:
        NotOnHubError: it is not there.
    """
    if wanted == 1 and os.path.isfile(source):
        return source
    names = dict.fromkeys((file.path, file.local_name, os.path.basename(file.path)))
    for path in (os.path.join(source, *name.split("/")) for name in names):
        if os.path.isfile(path):
            return path
    digest = f", SHA-256 {file.sha256}" if file.sha256 else ""
    raise NotOnHubError(f"there is no {' and no '.join(names)} in {source}: {file}{digest}")


def _copied(file: RemoteFile, path: str, into: str) -> str:
    _check_room(into, os.path.getsize(path))
    digest, target = hashlib.sha256(), os.path.join(into, file.local_name)
    with FileSystem().replacing(target, follow=False) as temporary, open(temporary, "wb") as written:
        for piece in _read(path):
            digest.update(piece)
            written.write(piece)
        if file.sha256 not in (None, found := digest.hexdigest()):
            noted = f" (which {file.noted} says)" if file.noted else ""
            raise EncoderError(f"{path} is not {file}: its SHA-256 is {found}, not {file.sha256}{noted}")
    return found


def _read(path: str) -> Iterator[bytes]:
    try:
        with open(path, "rb") as file:
            while piece := file.read(_CHUNK_BYTES):
                yield piece
    except OSError as exc:
        raise EncoderError(f"{path} cannot be read: {exc.strerror or exc}") from exc


class _Part:
    """A file that is under way."""

    def __init__(self, folder: str, file: RemoteFile) -> None:
        """Find what an earlier run left; where nobody knows the digest, that is not used."""
        self.file, self.wanted, self.folder = file, file.sha256, folder
        self.size, self._hash = 0, hashlib.sha256()
        key = file.sha256 or hashlib.sha256(str(file).encode()).hexdigest()
        self._path = os.path.join(folder, f"{key}{PART}")
        if os.path.islink(self._path) or os.path.isdir(self._path):
            FileSystem().remove_tree(self._path)
        try:
            self._open = os.fdopen(os.open(self._path, _WRITING, 0o666), "r+b")
            while self.wanted is not None and (piece := self._open.read(_CHUNK_BYTES)):
                self._count(piece)
        except OSError as exc:
            raise disk_refused(folder, exc) from exc
        self.resumed = self.size > 0
        if self.wanted is None or (file.bytes is not None and self.size > file.bytes):
            self.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):  # what is not on the disk will come again
            self._open.close()

    @property
    def sha256(self) -> str:
        """The digest of what has come."""
        return self._hash.hexdigest()

    def clear(self) -> None:
        """Begin anew."""
        self.size, self._hash, self.resumed = 0, hashlib.sha256(), False
        try:
            self._open.seek(0)
            self._open.truncate()
        except OSError as exc:
            raise disk_refused(self.folder, exc) from exc

    def append(self, piece: bytes) -> None:
        """Keep what has come."""
        try:
            self._open.write(piece)
        except OSError as exc:
            raise disk_refused(self.folder, exc) from exc
        self._count(piece)

    def finish(self) -> None:
        """Give the file its name, durably."""
        try:
            self._open.flush()
            os.fsync(self._open.fileno())
            self._open.close()
            FileSystem().rename(self._path, os.path.join(self.folder, self.file.local_name))
        except (OSError, StorageError) as exc:
            raise disk_refused(self.folder, exc) from exc

    def drop(self) -> None:
        """Remove what has come: it is no part of the file."""
        self._open.close()
        FileSystem().remove(self._path)

    def _count(self, piece: bytes) -> None:
        self._hash.update(piece)
        self.size += len(piece)


class _Watch:
    """Says how many bytes of all files have come, not too often."""

    def __init__(self, parts: Sequence[_Part], progress: ProgressCallback) -> None:
        self._parts, self._progress, self._said = parts, progress, 0
        sizes = [part.file.bytes for part in parts if part.file.bytes is not None]
        self._total = sum(sizes) if len(sizes) == len(parts) else None

    def look(self) -> None:
        """Say it, if there is something to say."""
        done = sum(part.size for part in self._parts)
        if abs(done - self._said) >= _CHUNK_BYTES or done == self._total:
            self._said = done
            self._progress(Progress(STAGE, done, self._total))


def _complete(part: _Part, hub: Hub, watch: _Watch) -> None:
    """Bring a file to its end and check it.

    Raises:
        EncoderError: it cannot be had, or it is another file.
    """
    while part.sha256 != part.wanted:
        announced = _received(part, hub, watch)
        wanted, found = part.wanted or announced, part.sha256
        if wanted in (None, found):
            return
        if not part.resumed:
            part.drop()
            noted = f" (which {part.file.noted} says)" if part.file.noted else ""
            raise EncoderError(
                f"{hub.host} serves another file than {part.file}: its SHA-256 is {found}, not "
                f"{wanted}{noted}; nothing of it was kept"
            )
        part.clear()  # a power cut may have spoilt what an earlier run wrote


def _received(part: _Part, hub: Hub, watch: _Watch) -> str | None:
    """Receive the rest of a file, asking again where that is cut; the digest that the hub says it has.

    Raises:
        EncoderError: nothing more comes.
    """
    from seealike.encoders.hub.transport import ask

    announced, failures = None, 0
    while True:
        before = part.size
        try:
            answer = ask(hub, part.file, part.size)
            if answer is not None:
                announced = answer.announced or announced
                with contextlib.closing(answer.body):
                    _receive(part, answer, hub, watch)
                return announced
            part.clear()  # it is shorter there than what is here
        except CutError as exc:
            failures = 0 if part.size - before >= hub.least_bytes else failures + 1
            if failures > len(hub.pauses_s):
                goes_on = f", and it goes on after {part.size:,} bytes" if part.size and part.wanted else ""
                raise EncoderError(f"{exc}; run this again{goes_on}: {part.file}") from exc
            time.sleep(hub.pauses_s[failures - 1] if failures else 0.0)


def _receive(part: _Part, answer: Answer, hub: Hub, watch: _Watch) -> None:
    """Receive what one answer brings.

    Raises:
        CutError: it ends too early, or next to nothing comes.
        EncoderError: it is another file, or the disk refuses.
    """
    size = part.file.bytes if part.file.bytes is not None else answer.total
    if answer.total not in (None, size):
        raise EncoderError(
            f"{answer.host} has {answer.total:,} bytes as {part.file}, not {size:,}: it is another file"
        )
    most = hub.most_bytes if size is None else size
    if most > hub.most_bytes:
        raise EncoderError(f"{answer.host} has {most:,} bytes as {part.file}, too many for what it is")
    if answer.start != part.size:
        part.clear()
    _check_room(part.folder, (size or 0) - part.size)
    for piece in _pieces(answer, hub):
        if part.size + len(piece) > most:
            part.drop()
            raise EncoderError(
                f"{answer.host} sends more than there is of {part.file}; nothing of it was kept"
            )
        part.append(piece)
        watch.look()
    if part.size < (size or 0):
        raise CutError(f"{answer.host} broke off")


def _pieces(answer: Answer, hub: Hub) -> Iterator[bytes]:
    """What an answer brings, as it comes.

    Raises:
        CutError: it breaks off, or next to nothing comes. Only the network's time counts, not the disk's.
    """
    import http.client  # slow to import, as all about the network

    waited_s, came = 0.0, 0
    while True:
        asked = time.monotonic()
        try:
            piece = answer.body.read1(_CHUNK_BYTES)
        except (OSError, http.client.HTTPException) as exc:
            said = str(exc) or type(exc).__name__
            raise CutError(f"{answer.host} broke off ({said})") from exc
        waited_s += time.monotonic() - asked
        came += len(piece)
        if not piece:
            return
        yield piece
        if came >= hub.least_bytes:
            waited_s, came = 0.0, 0
        elif waited_s > hub.stall_s:
            raise CutError(f"{answer.host} has sent next to nothing for {hub.stall_s:g} s")


def _check_room(folder: str, lacking_bytes: int) -> None:
    free = shutil.disk_usage(folder).free
    if lacking_bytes > max(0, free - _SPARE_BYTES):
        raise EncoderError(
            f"{folder} has room for {free / 1e6:,.0f} MB, and {lacking_bytes / 1e6:,.0f} MB are to come; "
            "make room, or let SEEALIKE_CACHE name another directory"
        )


def disk_refused(folder: str, exc: OSError | StorageError) -> EncoderError:
    """What to raise where the disk does not take what was fetched."""
    cause = exc.cause if isinstance(exc, StorageError) else exc.strerror or str(exc)
    return EncoderError(
        f"cannot write into {folder}: {cause}; make room, or let SEEALIKE_CACHE name another directory"
    )
