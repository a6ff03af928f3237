"""A catalogue's items and vectors for other programs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from itertools import islice
from typing import TYPE_CHECKING, Protocol

from seealike.catalog.output_kinds import PARQUET_KEY, PARQUET_VECTORS
from seealike.catalog.outputs import OutputFile
from seealike.errors import CatalogBusyError, MissingExtraError
from seealike.recommend import ATTEMPTS
from seealike.sources.ids import printable
from seealike.types import EncoderIdentity, Item

if TYPE_CHECKING:
    from seealike.types import Float32Array

ROWS_AT_ONCE = 2048


class ExportedCatalog(Protocol):
    """What is needed of a catalogue."""

    @property
    def path(self) -> str:
        """Its directory."""

    @property
    def encoder(self) -> EncoderIdentity:
        """Its embedding space."""

    @property
    def generation(self) -> int:
        """Grows with every change."""

    def items(self) -> Iterator[Item]:
        """Every item, in id order."""

    def vectors(self, ids: list[str]) -> tuple[list[str], Float32Array]:
        """Those of some items."""


def export_vectors(catalog: ExportedCatalog, output: OutputFile) -> int:
    """See ``Catalog.export``."""
    try:
        import pyarrow as pa  # noqa: F401
    except ImportError:
        raise MissingExtraError("Parquet", "parquet") from None
    with output.replacing(catalog.path) as place:
        for _ in range(ATTEMPTS):
            generation = catalog.generation
            count = _write(catalog, place)
            if catalog.generation == generation:
                return count
        raise CatalogBusyError(catalog.path, "a process that changes it faster than it can be read")


def _write(catalog: ExportedCatalog, place: str) -> int:
    """Write the file from its beginning; items that go away meanwhile are left out."""
    import pyarrow as pa
    from pyarrow import parquet

    dimension, count = catalog.encoder.dimension, 0
    kinds = {
        "id": pa.string(),
        "path": pa.string(),
        "group": pa.string(),
        "metadata": pa.string(),
        "vector": pa.list_(pa.float32(), dimension),
    }
    about = {PARQUET_KEY: PARQUET_VECTORS, b"encoder": json.dumps(asdict(catalog.encoder)).encode()}
    schema = pa.schema(list(kinds.items()), metadata=about)
    items = catalog.items()
    with parquet.ParquetWriter(place, schema, compression="zstd") as writer:
        while block := {item.id: item for item in islice(items, ROWS_AT_ONCE)}:
            ids, vectors = catalog.vectors(list(block))
            rows = [block[item_id] for item_id in ids]
            columns = [
                pa.array(ids),
                pa.array([None if item.path is None else printable(item.path) for item in rows], pa.string()),
                pa.array([item.group for item in rows], pa.string()),
                pa.array([json.dumps(dict(item.metadata), ensure_ascii=False) for item in rows]),
                pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), dimension),
            ]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))
            count += len(ids)
    return count
