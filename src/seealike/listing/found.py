"""What a part has for the items of a batch, as rows here and as Parquet in a file."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from seealike.recommend import Found
from seealike.shards import check_can_be_written

ROWS_AT_ONCE = 256  # of every part, when all are merged


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
    check_can_be_written()
    import pyarrow as pa
    import pyarrow.parquet as pq

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
    pq.write_table(
        table, buffer, compression="zstd", write_page_checksum=True, row_group_size=8 * ROWS_AT_ONCE
    )
    return buffer.getvalue()


def decoded(data: bytes) -> Iterator[FoundRow]:
    """The rows of such a file; few of them are in memory as rows.

    Raises:
        ValueError: it is not what was written.
        MissingExtraError: pyarrow is not installed.
    """
    check_can_be_written()
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True)
        for part in file.iter_batches(ROWS_AT_ONCE):
            for item, own, ids, products, scores in zip(*part.to_pydict().values(), strict=True):
                yield FoundRow(item, own, [*map(Found, ids, products, scores)])
    except (pa.ArrowException, OSError) as exc:
        raise ValueError(f"no lists of a part: {exc}") from exc
