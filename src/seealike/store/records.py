"""The rows of the catalogue as values, and the checksums that guard them.

SQLite does not notice a flipped bit inside a row, so every row carries the CRC-32 of its own content;
the row is checked whenever it is read.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, fields, replace
from operator import attrgetter
from typing import Literal

from seealike.errors import UsageError
from seealike.types import Metadata, Signature

ItemRow = tuple[
    int, str, bytes | None, int | None, int | None, bytes | None, str | None, str, int, int, int, int
]
SignatureRow = tuple[int, bytes, bytes, int]
ITEM_COLUMNS = "key, id, path, size, mtime, sha256, grp, metadata, width, height, source, crc"
SKIPPED_COLUMNS = "source, id, path, reason, detail, size, mtime, origin, crc"
SIGNATURE_COLUMNS = "key, colour, hash, crc"
BY_HAND = 0  # the number of no source: such items are added and removed by calls alone


@dataclass(frozen=True, slots=True)
class ItemFields:
    """What is known of a picture, whoever speaks of it.

    ``path`` is relative to the root of its source, or absolute, in file system bytes. ``source`` is the
    number of the source that it belongs to, or ``BY_HAND``.
    """

    id: str
    path: bytes | None
    size_bytes: int | None
    mtime_ns: int | None
    sha256: bytes | None
    group: str | None
    metadata_json: str
    width_px: int
    height_px: int
    source: int


@dataclass(frozen=True, slots=True)
class StoredItem(ItemFields):
    """One row of ``items``."""

    key: int

    @property
    def metadata(self) -> Metadata:
        """The caller's columns."""
        loaded: dict[str, str | int | float | bool | None] = _decode(self.metadata_json)[0]
        return loaded

    def row(self) -> ItemRow:
        """The row with its checksum, in the order of ``ITEM_COLUMNS``."""
        known = (self.key, *_values(self))
        return (*known, _checksum(known))

    @classmethod
    def from_row(cls, row: ItemRow) -> StoredItem | None:
        """The item, or ``None`` if the row is not what was written."""
        if _checksum(row[:-1]) != row[-1]:
            return None
        return cls(*row[1:-1], key=row[0])

    def as_new(self, vector: bytes, signature: Signature | None) -> NewItem:
        """The same item as a new one."""
        return NewItem(*(*_values(self), vector, signature))


@dataclass(frozen=True, slots=True)
class NewItem(ItemFields):
    """What is about to become an item: everything but the key, its vector (float16 bytes) and its signature.

    Whichever numbers the catalogue keeps: whoever writes the item makes them of the vector.
    Without a signature it has none until the next ``index``.
    """

    vector: bytes
    signature: Signature | None = None

    def stored(self, key: int) -> StoredItem:
        """The row this becomes under ``key``."""
        return StoredItem(*(*_values(self), key))


_values = attrgetter(*(field.name for field in fields(ItemFields)))


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """One of the sources that a catalogue is kept equal to.

    Args:
        number: what its items and skipped files are marked with; never ``BY_HAND``.
        label: how people call it.
        root: the folder that stored paths are relative to.
        relative_root: the same, seen from the catalogue's directory, where that lies in it: so both may move.
        inside: the catalogue's directory seen from the root, where that lies in it: if it lies otherwise now,
            it has moved without its root.
        spec: the folder, pattern or table, absolute; empty where it was an object, or is not known.
        relative_spec: the same, relative to the catalogue's directory, where ``relative_root`` is given.
        prefix: what the ids of its items begin with.
        missing: how many items it did not offer at the last run and were kept all the same; while there are
            any, none of its items is removed without being told to.
        limits: what a picture could cost at the last run, as JSON; empty: the usual.
        layout: how its table is to be read, as JSON; empty: as usual.
    """

    number: int
    label: str
    root: str
    relative_root: str | None = None
    inside: str = ""
    spec: str = ""
    relative_spec: str | None = None
    prefix: str = ""
    missing: int = 0
    limits: str = ""
    layout: str = ""


@dataclass(frozen=True, slots=True)
class State:
    """The catalogue as a whole at one generation.

    ``key_sum`` is of all keys, ``item_sum`` and ``skip_sum`` are of the checksums of all items and of the
    skipped list: so that a row is missed which was lost, doubled or left behind by damage. ``counts`` are of
    the items of every source that has some, after its number: an index of the table would be quicker to
    damage than this guarded row.

    ``signed`` items have a signature.

    ``tombstones`` deletions are on record, all of those after the generation ``recorded_from``. ``rewritten``
    and ``renamed`` are the last generations in which a row, and an id, changed under its key.
    """

    generation: int = 0
    count: int = 0
    last_key: int = 0
    key_sum: int = 0
    item_sum: int = 0
    skipped: int = 0
    skip_sum: int = 0
    sources: tuple[SourceRecord, ...] = ()
    counts: tuple[tuple[int, int], ...] = ()
    ann: str | None = None
    tombstones: int = 0
    recorded_from: int = 0
    rewritten: int = 0
    renamed: int = 0
    signed: int = 0

    def to_json(self) -> str:
        """Serialise for the ``state`` row."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> State:
        """Read what ``to_json`` wrote, also that of the first format, which knew one source."""
        fields = json.loads(text)
        if "source" in fields:
            only = fields.pop("source")
            fields["sources"] = [{"number": 1, **only}] if only else []
        fields.setdefault("recorded_from", fields["generation"])  # written before there were tombstones
        sources = tuple(SourceRecord(**source) for source in fields.pop("sources"))
        counts = tuple((number, count) for number, count in fields.pop("counts", ()))
        return cls(sources=sources, counts=counts, **fields)

    def with_added(self, count: int, signed: int) -> State:
        """After so many items were added under the keys that follow, some of them with a signature."""
        first, last = self.last_key + 1, self.last_key + count
        return replace(
            self,
            count=self.count + count,
            last_key=last,
            key_sum=self.key_sum + (first + last) * count // 2,
            signed=self.signed + signed,
        )

    def without(self, keys: Collection[int], signed: int) -> State:
        """After the items with these keys went, some of which had a signature."""
        return replace(
            self,
            count=self.count - len(keys),
            key_sum=self.key_sum - sum(keys),
            signed=self.signed - signed,
        )

    def source(self, number: int) -> SourceRecord | None:
        """The source with this number, if there is one."""
        return next((source for source in self.sources if source.number == number), None)


@dataclass(frozen=True, slots=True)
class KeyChanges:
    """What became of the keys of an older generation.

    ``removed`` are gone. ``added`` are new ones, the greatest id first, each with the key of the item that
    follows it in id order (``None``: none does).
    """

    state: State
    removed: Sequence[int]
    added: Sequence[tuple[int, int | None]]


SkipOrigin = Literal["scan", "decode"]


def metadata_to_json(metadata: Metadata) -> str:
    """Metadata as canonical JSON, so that equal metadata is equal text.

    Raises:
        UsageError: a value is no text, finite number, truth value or None.
    """
    try:
        text = json.dumps(
            dict(metadata), ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
        )
    except (TypeError, ValueError) as exc:
        raise UsageError(f"metadata must be text, finite numbers, true, false or null: {exc}") from exc
    return checked_text(text, "metadata")


def checked_text(value: object, what: str) -> str:
    """A plain str that a database can hold.

    Raises:
        UsageError: it is no text, or holds half characters (surrogates).
    """
    if not isinstance(value, str):
        raise UsageError(f"{what} must be text, not {type(value).__name__}")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as exc:
        raise UsageError(f"{what} is not valid Unicode: {exc.reason}") from exc
    return str(value)


def vector_checksum(key: int, data: bytes) -> int:
    """CRC-32 over the key and the bytes of a vector or a signature."""
    return zlib.crc32(data, key & 0xFFFFFFFF)


def is_whole_vector(key: int, data: object, crc: object, size: int) -> bool:
    """Whether a row of ``vectors`` is what was written. Damage can change even the type of a value."""
    return isinstance(data, bytes) and len(data) == size and vector_checksum(key, data) == crc


def signature_row(key: int, signature: Signature) -> SignatureRow:
    """The row of ``signatures``, its checksum last."""
    return (key, signature.colour, signature.hash, vector_checksum(key, signature.colour + signature.hash))


def signature_from_row(row: SignatureRow) -> Signature | None:
    """The signature, or ``None`` if the row is not what was written."""
    key, colour, coarse, crc = row
    try:
        return Signature(colour, coarse) if vector_checksum(key, colour + coarse) == crc else None
    except TypeError:  # damage can change even the type of a value
        return None


def is_whole_text(value: object, crc: object) -> bool:
    """Whether a row of ``state`` is what was written."""
    return isinstance(value, str) and text_checksum(value) == crc


def skipped_checksum(fields: tuple[object, ...]) -> int:
    """CRC-32 of a row of ``skipped``, given in the order of ``SKIPPED_COLUMNS`` without the last."""
    return _checksum(fields)


def text_checksum(text: str) -> int:
    """CRC-32 of a text's UTF-8 bytes."""
    return zlib.crc32(text.encode("utf-8", "surrogatepass"))


def _checksum(fields: tuple[object, ...]) -> int:
    """Over a canonical form: ``repr`` would depend on which characters a Python version can print."""
    return zlib.crc32(_canonical(fields).encode())


_decode = json.JSONDecoder().raw_decode
_canonical = json.JSONEncoder(default=bytes.hex, separators=(",", ":")).encode
