"""The note left in a drawn folder: what was drawn, so that a second run need not draw it again."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import asdict, dataclass, field

from seealike.files import FileSystem

_NAME = "drawn-by-seealike.json"


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a folder holds. ``sizes_bytes`` is empty until everything is there."""

    key: str
    sizes_bytes: dict[str, int] = field(default_factory=dict)
    pictures: int = 0
    broken: int = 0
    duplicates: tuple[tuple[str, str], ...] = ()


def write_marker(folder: str, record: Drawn) -> None:
    """Leave the note; it replaces an older one at once or not at all."""
    content = json.dumps(asdict(record), indent=1).encode()
    FileSystem().write(os.path.join(folder, _NAME), content, follow=False, durable=False)


def read_marker(folder: str) -> Drawn | None:
    """Read the note; ``None`` where there is none. An unreadable one says that nothing is complete."""
    try:
        with open(os.path.join(folder, _NAME), encoding="utf-8") as stream:
            text = stream.read()
    except FileNotFoundError:
        return None
    with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
        said = json.loads(text)
        return Drawn(
            key=str(said["key"]),
            sizes_bytes={str(path): int(size) for path, size in said["sizes_bytes"].items()},
            pictures=int(said["pictures"]),
            broken=int(said["broken"]),
            duplicates=tuple((str(copy), str(original)) for copy, original in said["duplicates"]),
        )
    return Drawn("")


def is_complete(folder: str, record: Drawn) -> bool:
    """Tell whether every file is there in its full length."""
    return bool(record.sizes_bytes) and all(
        _size(folder, path) == size for path, size in record.sizes_bytes.items()
    )


def changed_file(folder: str, record: Drawn) -> str | None:
    """The first file that has another length than was drawn: somebody has worked on it."""
    for path, size in record.sizes_bytes.items():
        if _size(folder, path) not in (None, size):
            return os.path.join(folder, *path.split("/"))
    return None


def _size(folder: str, path: str) -> int | None:
    try:
        return os.stat(os.path.join(folder, *path.split("/"))).st_size
    except OSError:
        return None
