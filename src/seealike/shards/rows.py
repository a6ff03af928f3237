"""What a shard says of each picture, as rows here and as Parquet in the file."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from seealike.errors import MissingExtraError
from seealike.objects import without_secrets
from seealike.store.records import checked_text, metadata_to_json
from seealike.types import Float16Array, Signature, Skipped, SkipReason, SourceItem, Unseen

if TYPE_CHECKING:
    import pyarrow as pa


class Origin(StrEnum):
    """Who says what a row says.

    ``PICTURE``: the picture was read: it has a vector, or cannot be used.
    ``SOURCE``: the source says that there is no picture.
    ``UNSEEN``: the source could not look, so what is known of it elsewhere stays.
    ``UNSEEN_BELOW``: so for all whose ids begin with this one and a ``/``.
    """

    PICTURE = "picture"
    SOURCE = "source"
    UNSEEN = "unseen"
    UNSEEN_BELOW = "unseen below"


@dataclass(frozen=True, slots=True)
class ShardRow:
    """One picture. ``path`` is relative to the root of the manifest, or absolute.

    With a ``reason`` it has no vector. ``metadata_json`` is an object, its keys in order. ``address``: where
    its picture is, if ``path`` does not say all; it may hold a secret, and no shard has it.

    Shapes: vector is (d,) float16.
    """

    id: str
    path: str
    size_bytes: int | None
    mtime_ns: int | None
    group: str | None = None
    metadata_json: str = "{}"
    sha256: bytes | None = None
    width_px: int | None = None
    height_px: int | None = None
    vector: Float16Array | None = None
    signature: Signature | None = None
    origin: Origin = Origin.PICTURE
    reason: SkipReason | None = None
    detail: str | None = None
    address: str | None = None


def row_of(entry: SourceItem | Skipped, root: str) -> ShardRow:
    """What is known of a source's entry before anybody has opened a picture.

    Raises:
        UsageError: id, group or metadata cannot be stored.
    """
    path = entry.path.removeprefix(os.path.join(root, ""))
    public = without_secrets(path)
    if isinstance(entry, SourceItem):
        group = None if entry.group is None else checked_text(entry.group, "a group")
        metadata = metadata_to_json(entry.metadata) if entry.metadata else "{}"
        item_id = checked_text(entry.id, "an id")
        known = ShardRow(item_id, path, entry.size_bytes, entry.mtime_ns, group, metadata)
        return known if public == path else replace(known, path=public, address=path)
    origin = Origin.SOURCE
    if isinstance(entry, Unseen):
        origin = Origin.UNSEEN_BELOW if entry.below else Origin.UNSEEN
    detail = entry.detail.encode("utf-8", "backslashreplace").decode()
    return ShardRow(
        entry.id, public, entry.size_bytes, entry.mtime_ns, origin=origin, reason=entry.reason, detail=detail
    )


def check_can_be_written() -> None:
    """Whether there is what shards are written and read with.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as exc:
        raise MissingExtraError("a shard of vectors", "parquet") from exc


def encoded(rows: Sequence[ShardRow], dimension: int) -> bytes:
    """Rows as a Parquet file.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """
    check_can_be_written()
    import pyarrow as pa
    import pyarrow.parquet as pq

    paths = [row.path.encode("utf-8", "surrogateescape") for row in rows]
    signatures = [row.signature for row in rows]
    columns = {
        "id": pa.array([row.id for row in rows], pa.string()),
        "path": pa.array([path.decode("utf-8", "replace") for path in paths], pa.string()),
        # Only where the name of a file is no text.
        "path_bytes": pa.array([None if _is_text(path) else path for path in paths], pa.binary()),
        "group": pa.array([row.group for row in rows], pa.string()),
        "metadata": pa.array([row.metadata_json for row in rows], pa.string()),
        "sha256": pa.array([row.sha256 or None for row in rows], pa.binary(32)),
        "size_bytes": pa.array([row.size_bytes for row in rows], pa.int64()),
        "mtime_ns": pa.array([row.mtime_ns for row in rows], pa.int64()),
        "width_px": pa.array([row.width_px for row in rows], pa.int32()),
        "height_px": pa.array([row.height_px for row in rows], pa.int32()),
        "vector": _vectors(rows, dimension),
        "colour": pa.array([None if one is None else one.colour for one in signatures], pa.binary()),
        "hash": pa.array([None if one is None else one.hash for one in signatures], pa.binary()),
        "origin": pa.array([row.origin.value for row in rows], pa.string()),
        "reason": pa.array([row.reason and row.reason.value for row in rows], pa.string()),
        "detail": pa.array([row.detail for row in rows], pa.string()),
    }
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer, compression="zstd", use_dictionary=False)
    return buffer.getvalue()


def decoded(data: bytes) -> list[ShardRow]:
    """The rows of a Parquet file of this kind.

    Raises:
        MissingExtraError: pyarrow is not installed.
        ValueError: it is none of this kind.
    """
    check_can_be_written()
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(pa.BufferReader(data))
        vectors = _matrix(table.column("vector"))
    except (pa.ArrowException, LookupError, OSError) as exc:
        raise ValueError(f"no shard: {exc}") from exc
    others = [column for column in table.column_names if column != "vector"]
    return [
        _row(cells, vector) for cells, vector in zip(table.select(others).to_pylist(), vectors, strict=True)
    ]


def _row(cells: dict[str, object], vector: Float16Array) -> ShardRow:
    raw = cells["path_bytes"]
    reason = cells["reason"] and SkipReason(str(cells["reason"]))
    embedded = reason is None
    colour, shape = cells["colour"], cells["hash"]
    values = {
        "path": raw.decode("utf-8", "surrogateescape") if isinstance(raw, bytes) else cells["path"],
        "origin": Origin(str(cells["origin"])),
        "reason": reason,
        "vector": vector if embedded else None,
        "signature": Signature(colour, shape)
        if isinstance(colour, bytes) and isinstance(shape, bytes)
        else None,
        "metadata_json": cells["metadata"],
    }
    same = ("id", "group", "sha256", "size_bytes", "mtime_ns", "width_px", "height_px", "detail")
    return ShardRow(**values, **{name: cells[name] for name in same})  # type: ignore[arg-type]  # of the schema


def _vectors(rows: Sequence[ShardRow], dimension: int) -> pa.Array:
    import pyarrow as pa

    matrix = np.zeros((len(rows), dimension), np.float16)
    missing = np.array([row.vector is None for row in rows], bool)
    for number, row in enumerate(rows):
        if row.vector is not None:
            matrix[number] = row.vector
    flat = pa.array(matrix.reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, dimension, mask=pa.array(missing))


def _matrix(column: pa.ChunkedArray) -> Float16Array:
    """All vectors; (n, d), with zeros where there is none."""
    array = column.combine_chunks()
    flat = array.flatten() if not array.null_count else array.values  # the values of nulls are kept there
    return np.asarray(flat.to_numpy(zero_copy_only=False), np.float16).reshape(len(array), -1)


def _is_text(path: bytes) -> bool:
    try:
        path.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
