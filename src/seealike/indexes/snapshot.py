"""An ANN snapshot as a file: what is recorded about it, how its parts are laid out, how damage is noticed.

The file is a cache. It begins with the vectors themselves, kept as the catalogue does, in the order of their
keys: they stay on the disk, and each has a checksum among the parts behind them (see ``rows``). The parts are
read once, whole, into memory; nothing of them is interpreted before size and SHA-256 agree with the record,
because ANN libraries trust their files blindly.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import stat
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

import numpy as np

from seealike.indexes.effort import Effort
from seealike.vectors import VectorType

if TYPE_CHECKING:
    import numpy.typing as npt

    ByteArray: TypeAlias = npt.NDArray[np.uint8]
    Part: TypeAlias = npt.NDArray[np.float32] | npt.NDArray[np.int64] | npt.NDArray[np.uint32] | ByteArray

FORMAT = 2
_MAGIC = b"seealike ANN\x00\x00\x00\x02"
_ALIGNMENT = 64
_JSON_TYPES = {"int": ("int",), "float": ("int", "float"), "str": ("str",)}


class SnapshotDamagedError(Exception):
    """A snapshot or its record does not say what was written: build it anew. Never shown to users."""

    def __init__(self, path: str, what: str) -> None:
        self.path, self.what = path, what
        super().__init__(f"{path}: {what}")


@dataclass(frozen=True, slots=True)
class SnapshotRecord:
    """What must be known of a snapshot to trust it and to use it.

    Args:
        count: vectors; ``distinct`` of them differ from all before.
        rows: how many of them are in the file: all, or none where this system could not read them.
        first_key, last_key: the range of keys; both 0 in an empty snapshot.
        reduced: dimensions kept for the approximate search; ``lists`` is 0 where all vectors are
            compared.
        efforts: how hard to search for how many neighbours.
        recall_at_10: measured on ``queries`` vectors of the catalogue against exact search.
        size_bytes: of the whole file.
        sha256: of the parts, hexadecimal.
        vectors: in which numbers they are in the file.
    """

    count: int
    distinct: int
    rows: int
    dimension: int
    first_key: int
    last_key: int
    library: str
    reduced: int
    lists: int
    efforts: tuple[Effort, ...]
    recall_at_10: float
    queries: int
    size_bytes: int
    sha256: str
    took_s: float
    format: int = FORMAT
    vectors: str = VectorType.FLOAT16

    @property
    def rows_bytes(self) -> int:
        """The size of the vectors at the file's beginning."""
        return self.rows * VectorType(self.vectors).bytes_of(self.dimension)

    def to_json(self) -> str:
        """One line of JSON with every field."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> SnapshotRecord:
        """The record that ``to_json`` wrote.

        Raises:
            SnapshotDamagedError: the text is anything else, or of another format.
        """
        try:
            raw = json.loads(text)
            raw["vectors"] = VectorType(raw.get("vectors", VectorType.FLOAT16)).value  # was not said always
            efforts = tuple(Effort(**_fields_of(Effort, entry)) for entry in raw["efforts"])
            record = cls(**{**_fields_of(cls, raw), "efforts": efforts})
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as exc:
            raise SnapshotDamagedError("the snapshot's record", f"unreadable: {exc}") from exc
        if record.format != FORMAT:
            raise SnapshotDamagedError("the snapshot's record", f"format {record.format}, not {FORMAT}")
        return record


def write_parts(file: BinaryIO, parts: Mapping[str, Part]) -> tuple[int, str]:
    """Write named arrays, and nothing after them; the size in bytes and the SHA-256 of what was written."""
    table = json.dumps([[name, part.dtype.str, list(part.shape)] for name, part in parts.items()]).encode()
    digest, size = hashlib.sha256(), 0
    head = np.frombuffer(_MAGIC + len(table).to_bytes(8, "little") + table, dtype=np.uint8)
    for part in (head, *parts.values()):
        padding = np.zeros(-(size + part.nbytes) % _ALIGNMENT, dtype=np.uint8)
        for data in (np.ascontiguousarray(part).reshape(-1).view(np.uint8), padding):
            file.write(data.data)
            digest.update(data.data)
            size += data.nbytes
    return size, digest.hexdigest()


def read_parts(path: str, size_bytes: int, sha256: str, start: int = 0) -> dict[str, Part]:
    """Read what ``write_parts`` wrote from ``start`` on; the arrays share one read-only buffer.

    Raises:
        SnapshotDamagedError: the file is missing, not of its size, or not, byte for byte, what was written.
    """
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):  # a link is not followed, a pipe not waited for
            raise SnapshotDamagedError(path, "no plain file")
        with open(path, "rb") as file:
            found_size = os.fstat(file.fileno()).st_size
            if found_size != size_bytes:
                raise SnapshotDamagedError(path, f"{found_size} bytes where {size_bytes} were written")
            file.seek(start)
            data = file.read(size_bytes)
    except OSError as exc:
        raise SnapshotDamagedError(path, exc.strerror or str(exc)) from exc
    if hashlib.sha256(data).hexdigest() != sha256:
        raise SnapshotDamagedError(path, "its SHA-256 is not the recorded one")
    try:
        return _parsed(data)
    except (ValueError, TypeError, KeyError) as exc:
        raise SnapshotDamagedError(path, f"not laid out as expected: {exc}") from exc


def _parsed(data: bytes) -> dict[str, Part]:
    if data[: len(_MAGIC)] != _MAGIC:
        raise ValueError("wrong first bytes")
    start = len(_MAGIC) + 8
    place = start + int.from_bytes(data[start - 8 : start], "little")
    parts: dict[str, Part] = {}
    for name, dtype, shape in json.loads(data[start:place]):
        place += -place % _ALIGNMENT
        part = np.frombuffer(data, dtype=np.dtype(dtype), count=int(np.prod(shape)), offset=place)
        parts[name] = part.reshape(shape)
        place += part.nbytes
    return parts


def _fields_of(kind: type[Effort | SnapshotRecord], raw: object) -> dict[str, Any]:
    """``raw`` if it has exactly the fields of ``kind``, each of its type."""
    if not isinstance(raw, dict):
        raise TypeError(f"{kind.__name__} is {type(raw).__name__}")
    expected = {field.name: str(field.type) for field in fields(kind)}
    if raw.keys() != expected.keys():
        raise ValueError(f"fields {sorted(raw.keys() ^ expected.keys())}")
    for name, value in raw.items():
        wrong = type(value).__name__ not in _JSON_TYPES.get(expected[name], (type(value).__name__,))
        if wrong or (isinstance(value, float) and not math.isfinite(value)):
            raise ValueError(f"{name} is {value!r}")
    return raw
