"""What a part has for the items of a batch, as rows here and as Parquet in a file."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from seealike.errors import MissingExtraError
from seealike.recommend import Found


@dataclass(frozen=True, slots=True)
class FoundRow:
    """What a part has for one item, closest first.

    ``product`` is the one that the item shows, where it is of this part and shows one.
    """

    id: str
    product: str | None
    found: Sequence[Found]


def encoded(rows: Sequence[FoundRow]) -> bytes:
    """Rows as a Parquet file with checksums.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """
    pa, pq = _pyarrow()
    table = pa.table(
        {
            "id": pa.array([row.id for row in rows], pa.string()),
            "product": pa.array([row.product for row in rows], pa.string()),
            "similar_id": pa.array([[one.id for one in row.found] for row in rows], pa.list_(pa.string())),
            "similar_product": pa.array(
                [[one.product for one in row.found] for row in rows], pa.list_(pa.string())
            ),
            "score": pa.array([[one.score for one in row.found] for row in rows], pa.list_(pa.float64())),
        }
    )
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd", write_page_checksum=True)
    return buffer.getvalue()


def decoded(data: bytes) -> list[FoundRow]:
    """The rows of such a file.

    Raises:
        ValueError: it is not what was written.
        MissingExtraError: pyarrow is not installed.
    """
    pa, pq = _pyarrow()
    try:
        table = pq.read_table(pa.BufferReader(data), page_checksum_verification=True)
        columns = [table.column(name).to_pylist() for name in table.column_names]
    except (pa.ArrowException, OSError) as exc:
        raise ValueError(f"no lists of a part: {exc}") from exc
    return [
        FoundRow(item, product, [*map(Found, ids, products, scores)])
        for item, product, ids, products, scores in zip(*columns, strict=True)
    ]


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as exc:
        raise MissingExtraError("lists over shards", "parquet") from exc
    return pa, pq
