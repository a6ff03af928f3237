"""A catalogue's items and vectors for other programs."""

from __future__ import annotations

import io
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from seealike.catalog.items import public_item
from seealike.catalog.outputs.kinds import PARQUET_KEY, PARQUET_VECTORS
from seealike.catalog.outputs.places import OutputFile
from seealike.catalog.sync.sources import absolute_paths
from seealike.errors import MissingExtraError
from seealike.sources.ids import printable
from seealike.store import SqliteStore
from seealike.vectors import unit_rows

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

ROWS_AT_ONCE = 2048


def export_vectors(store: SqliteStore, output: OutputFile) -> int:
    """See ``Catalog.export``."""
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise MissingExtraError("Parquet", "parquet") from None
    dimension, count, absolute = store.identity.dimension, 0, absolute_paths(store)
    kinds = {
        "id": pa.string(),
        "path": pa.string(),
        "group": pa.string(),
        "metadata": pa.string(),
        "vector": pa.list_(pa.float32(), dimension),
    }
    about = {PARQUET_KEY: PARQUET_VECTORS, b"encoder": json.dumps(asdict(store.identity)).encode()}
    schema = pa.schema(list(kinds.items()), metadata=about)
    with (
        output.replacing(store.directory) as place,
        _CountedFile(place, "w") as file,
        parquet.ParquetWriter(file, schema, compression="zstd") as writer,
    ):
        for stored, vectors in store.items_and_vectors(block=ROWS_AT_ONCE):
            items = [public_item(item, absolute) for item in stored]
            columns = [
                pa.array([item.id for item in items]),
                pa.array(
                    [None if item.path is None else printable(item.path) for item in items], pa.string()
                ),
                pa.array([item.group for item in items], pa.string()),
                pa.array([json.dumps(dict(item.metadata), ensure_ascii=False) for item in items]),
                pa.FixedSizeListArray.from_arrays(pa.array(unit_rows(vectors).reshape(-1)), dimension),
            ]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))
            count += len(items)
    return count


class _CountedFile(io.FileIO):
    """A file that knows its place by itself: a pipe cannot be asked, and Parquet's footer names places."""

    _written = 0

    def write(self, data: ReadableBuffer) -> int:
        view, done = memoryview(data).cast("B"), 0
        while done < len(view):
            done += super().write(view[done:]) or 0
        self._written += done
        return done

    def tell(self) -> int:
        return self._written
