"""Pictures that came without a file, in pieces that fit into a field of Milvus."""

from __future__ import annotations

import base64

from pymilvus import DataType, MilvusClient

from seealike.engines.milvus.database import Database
from seealike.engines.milvus.filters import compared, joined

_PIECE = 45_000  # bytes, of which base64 makes 60,000
_AT_ONCE = 200  # pieces
_BITS = 12  # of a piece's number


def collection_of(database: Database, number: int) -> str:
    """The collection of the pictures of a build."""
    return f"{database.prefix}_pictures_{number}"


def make(database: Database, number: int) -> None:
    """Make the collection of a build, where it is not there yet."""
    collection = collection_of(database, number)
    if database.has(collection):
        return
    schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field("piece", DataType.INT64, is_primary=True)
    schema.add_field("key", DataType.INT64)
    schema.add_field("data", DataType.VARCHAR, max_length=65_535)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=2)  # which every collection must have
    index = MilvusClient.prepare_index_params()
    index.add_index("vector", index_type="FLAT", metric_type="L2")
    database.make(collection, schema, index)


def keep(database: Database, number: int, key: int, data: bytes) -> None:
    """Keep the picture of an item."""
    pieces = [data[start : start + _PIECE] for start in range(0, len(data), _PIECE)]
    rows = [
        {
            "piece": (key << _BITS) + place,
            "key": key,
            "data": base64.b64encode(piece).decode(),
            "vector": [0.0, 0.0],
        }
        for place, piece in enumerate(pieces)
    ]
    for start in range(0, len(rows), _AT_ONCE):
        database.put(collection_of(database, number), rows[start : start + _AT_ONCE])


def read(database: Database, number: int, key: int) -> bytes | None:
    """The picture of an item, as it came, if it came without a file."""
    pieces: list[bytes] = []
    first = key << _BITS
    while True:
        part = [compared("piece", sign, first + len(pieces) + n) for sign, n in ((">=", 0), ("<", _AT_ONCE))]
        rows = database.query(collection_of(database, number), joined("and", part), ("piece", "data"))
        rows = [row for row in rows if row["piece"] >> _BITS == key]
        pieces += [base64.b64decode(row["data"]) for row in sorted(rows, key=lambda row: int(row["piece"]))]
        if len(rows) < _AT_ONCE:
            return b"".join(pieces) if pieces else None
