"""What a row of an item consists of: its fields, and what each has of the item.

Each name under which items say something, and each kind of value, has a field of its own. Those that are
known when a copy is begun have a type; others are among the dynamic ones, of which there may be any number.
What no field holds is put otherwise: whole numbers of any length as text in their order, infinities by their
sign.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any

import numpy as np
from pymilvus import CollectionSchema, DataType, MilvusClient
from pymilvus.milvus_client import IndexParams

from seealike.engines.facts import NESTED, OURS, Kind, facts_of, said_of
from seealike.engines.milvus.address import DISKANN
from seealike.engines.milvus.database import Row
from seealike.engines.milvus.records import LONGEST, Build, Name
from seealike.engines.store import PublishedRow
from seealike.errors import UsageError
from seealike.recommend.columns import ID
from seealike.store import StoredItem
from seealike.store.records import BY_HAND
from seealike.types import Float16Array, Int64Array, MetadataValue, Signature

MOST_TYPED = 40  # a collection may have 64 fields
ITEM = ("key", "id", "grp", "said")
SIGNED = ("key", "colour", "coarse")
_LETTERS = re.compile(r"[^a-z0-9]+")
_DIGITS = 6  # of the length of a whole number
_MOST_DIGITS = 10**_DIGITS


class Slot(StrEnum):
    """What a field holds of what is said under a name."""

    TEXT = "text"
    DAY = "day"  # of a text that is a day or a moment
    MOMENT = "moment"
    NUMBER = "number"
    EXTREME = "extreme"  # 1 and -1 for infinities, 0 for what is no number
    WHOLE = "whole"
    TRUTH = "truth"
    NOTHING = "nothing"


MAIN = (Slot.TEXT, Slot.NUMBER, Slot.EXTREME, Slot.WHOLE, Slot.TRUTH)  # of a value in exactly one
KINDS = {Slot.TEXT: Kind.TEXT, Slot.NUMBER: Kind.NUMBER, Slot.EXTREME: Kind.NUMBER} | {
    Slot.WHOLE: Kind.WHOLE,
    Slot.TRUTH: Kind.TRUTH,
}
_TYPES = {
    Slot.TEXT: DataType.VARCHAR,
    Slot.DAY: DataType.VARCHAR,
    Slot.MOMENT: DataType.INT64,
    Slot.NUMBER: DataType.DOUBLE,
    Slot.EXTREME: DataType.INT64,
    Slot.WHOLE: DataType.VARCHAR,
    Slot.TRUTH: DataType.BOOL,
}
OWN = {(ID, Slot.TEXT): Name(ID, Slot.TEXT, "id", True)}


def field_of(name: str, slot: Slot) -> str:
    """What the field is called: like the name, as far as that goes."""
    plain = _LETTERS.sub("_", name.rpartition("metadata.")[2].lower()).strip("_")[:30]
    digest = hashlib.blake2b(f"{slot}:{name}".encode(), digest_size=5).hexdigest()
    return f"m_{plain}_{slot}_{digest}"


def said_by(item: StoredItem) -> dict[tuple[str, Slot], MetadataValue]:
    """Everything that is said of an item, by name and slot."""
    found: dict[tuple[str, Slot], MetadataValue] = {}
    for name, value in facts_of(item):
        if name != ID:
            found.update(((stored, slot), one) for stored, slot, one in _slots(name, value))
        elif moments := [one for one in _slots(name, value) if one[1] is not Slot.TEXT]:
            found.update(((stored, slot), one) for stored, slot, one in moments)
    return found


def _slots(name: str, value: MetadataValue) -> Iterable[tuple[str, Slot, MetadataValue]]:
    for said in said_of(name, value):
        match said.kind:
            case Kind.TEXT:
                yield said.name, Slot.TEXT, said.value
            case Kind.MOMENT:
                yield said.name, Slot.MOMENT, said.value
                yield said.name, Slot.DAY, str(value)[:10]
            case Kind.NUMBER:
                number = float(said.value or 0)
                if math.isfinite(number):
                    yield said.name, Slot.NUMBER, number
                else:
                    yield said.name, Slot.EXTREME, extreme(number)
            case Kind.WHOLE:
                assert isinstance(said.value, int)
                yield said.name, Slot.WHOLE, whole(said.value)
            case Kind.TRUTH:
                yield said.name, Slot.TRUTH, said.value
            case Kind.NOTHING:
                yield said.name, Slot.NOTHING, None


def extreme(number: float) -> int:
    """How a number is stored that is not finite."""
    return 0 if math.isnan(number) else int(math.copysign(1, number))


def whole(number: int) -> str:
    """A whole number as a text; texts are in the order of the numbers."""
    digits = str(abs(number))
    if len(digits) >= _MOST_DIGITS:
        raise UsageError(f"a number of {len(digits):,} digits is more than is stored")
    text = f"{len(digits):0{_DIGITS}}{digits}"
    if number >= 0:
        return f"p{text}"
    return "n" + "".join(str(9 - int(digit)) for digit in text)


def names_of(said: Iterable[tuple[str, Slot]], known: Iterable[Name], *, typed: bool) -> list[Name]:
    """The names that are not known yet; ``typed``: the first of them get fields of their own."""
    new = sorted(set(said) - {(one.name, Slot(one.slot)) for one in known})
    new.sort(key=lambda pair: (pair[0] not in OURS, pair[0].startswith(NESTED)))
    found: list[Name] = []
    for name, slot in new:
        has_type = typed and slot is not Slot.NOTHING and not name.startswith(NESTED)
        taken = sum(one.is_typed for one in found)
        found.append(Name(name, slot, field_of(name, slot), has_type and taken < MOST_TYPED))
    return found


def schema_of(build: Build, names: Iterable[Name], *, is_lite: bool) -> tuple[CollectionSchema, IndexParams]:
    """The fields of a copy, and its indexes."""
    schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=True)
    schema.add_field("key", DataType.INT64, is_primary=True)
    schema.add_field("id", DataType.VARCHAR, max_length=LONGEST)
    schema.add_field("grp", DataType.VARCHAR, max_length=LONGEST, nullable=True)
    schema.add_field("origin", DataType.INT64)  # 0: only the copy has it
    schema.add_field("content", DataType.INT64)
    for text, longest in (("said", 65_535), ("colour", 4096), ("coarse", 4096)):
        schema.add_field(text, DataType.VARCHAR, max_length=longest)
    dimension = build.manifest.encoder.dimension
    kind = DataType.FLOAT_VECTOR if is_lite else DataType.FLOAT16_VECTOR  # which milvus-lite does not have
    schema.add_field("vector", kind, dim=dimension)
    index = MilvusClient.prepare_index_params()
    how: dict[str, Any] = {"index_type": "HNSW", "params": {"M": 16, "efConstruction": 200}}
    if build.index == DISKANN:
        how = {"index_type": "DISKANN"}
    index.add_index("vector", metric_type="COSINE", **how)
    index.add_index("id", index_type="INVERTED")  # every question about an item begins with it
    for name in names:
        if name.is_typed:
            slot = Slot(name.slot)
            room = {"max_length": LONGEST} if _TYPES[slot] == DataType.VARCHAR else {}
            schema.add_field(name.field, _TYPES[slot], nullable=True, **room)
    return schema, index


def row_of(row: PublishedRow, key: int, *, is_lite: bool) -> tuple[Row, list[tuple[str, Slot]]]:
    """A row as it is stored under a key, and the names and slots that it says something in.

    Raises:
        UsageError: it is too large.
    """
    item, signature = row.item, row.item.signature
    vector = np.frombuffer(item.vector, dtype=np.float16)
    stored: Row = {
        "key": key,
        "id": item.id,
        "grp": item.group,
        "origin": row.origin or 0,
        "content": row.content,
        "said": _packed(item.stored(key)),
        "colour": "" if signature is None else _text(signature.colour),
        "coarse": "" if signature is None else _text(signature.hash),
        "vector": vector.astype(np.float32).tolist() if is_lite else vector,
    }
    said = said_by(item.stored(key))
    stored |= {field_of(*pair): value for pair, value in said.items() if pair[1] is not Slot.NOTHING}
    longest = max(len(text.encode()) for text in stored.values() if isinstance(text, str))
    if longest > LONGEST:
        raise UsageError(
            f"what is said of the item {item.id!r} takes {longest:,} bytes, and a field holds {LONGEST:,}"
        )
    return stored, [*said]


def _packed(item: StoredItem) -> str:
    path = None if item.path is None else _text(item.path)
    sha256 = None if item.sha256 is None else item.sha256.hex()
    return json.dumps(
        [path, item.size_bytes, item.mtime_ns, sha256, item.metadata_json, item.width_px, item.height_px],
        ensure_ascii=False,
    )


def item_of(row: Row) -> StoredItem:
    """A row of ``ITEM`` as an item."""
    path, size, mtime, sha256, metadata, width, height = json.loads(row["said"])
    return StoredItem(
        id=row["id"],
        path=None if path is None else base64.b64decode(path),
        size_bytes=size,
        mtime_ns=mtime,
        sha256=None if sha256 is None else bytes.fromhex(sha256),
        group=row["grp"],
        metadata_json=metadata,
        width_px=width,
        height_px=height,
        source=BY_HAND,
        key=row["key"],
    )


def signature_of(row: Row) -> Signature | None:
    """A row of ``SIGNED`` as a signature, if the item has one."""
    if not row["colour"]:
        return None
    return Signature(base64.b64decode(row["colour"]), base64.b64decode(row["coarse"]))


def matrix(rows: Sequence[Row], dimension: int) -> tuple[Int64Array, Float16Array]:
    """Keys and vectors of rows, ascending by key. Shapes: (m,), (m, dimension)."""
    ascending = sorted(rows, key=lambda row: int(row["key"]))
    vectors = np.empty((len(rows), dimension), dtype=np.float16)
    for place, row in enumerate(ascending):
        told = row["vector"]
        is_half = isinstance(told[0], bytes)  # the library has its bytes in a list
        vectors[place] = np.frombuffer(told[0], dtype=np.float16) if is_half else told
    return np.array([row["key"] for row in ascending], dtype=np.int64), vectors


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
