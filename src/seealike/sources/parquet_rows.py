"""Parquet tables, by the optional package pyarrow."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seealike.errors import MissingExtraError, SourceError
from seealike.sources.files import error_detail
from seealike.sources.ids import IdLedger, RepeatFinder
from seealike.sources.rows import GROUP, ID, PATH, BadRow, Row, clean, key_of, make_row

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_BATCH = 2048
_RESERVED = frozenset({PATH, ID, GROUP})


@dataclass(frozen=True, slots=True)
class ParquetRows:
    """A Parquet file whose schema has been read; see :func:`open_parquet`."""

    path: str
    label: str
    columns: tuple[str, ...]
    unit: str = "row"

    def read(self) -> tuple[IdLedger, Iterator[Row | BadRow]]:
        """Find the repeated ids; see the protocol."""
        repeats = RepeatFinder()
        key = ID if ID in self.columns else PATH
        for cells in self._cells((key,)):
            repeats.see(key_of(cells))
        return repeats.ledger(), self._rows()

    def _rows(self) -> Iterator[Row | BadRow]:
        for number, cells in enumerate(self._cells(self.columns), 1):
            metadata = {name: clean(value) for name, value in cells.items() if name not in _RESERVED}
            yield make_row(number, cells, metadata)

    def _cells(self, columns: tuple[str, ...]) -> Iterator[dict[str, object]]:
        with _opened(self.path, self.label) as file:
            for batch in file.iter_batches(batch_size=_BATCH, columns=list(columns)):
                values = [_plain(batch.column(name)).to_pylist() for name in columns]
                for row in zip(*values, strict=True):
                    yield dict(zip(columns, row, strict=True))


def open_parquet(path: str, label: str) -> ParquetRows:
    """Read a Parquet file's schema; columns that hold bytes are left out.

    Raises:
        MissingExtraError: pyarrow is not installed.
        SourceError: not Parquet, or it has no column ``path``.
    """
    with _opened(path, label) as file:
        schema = file.schema_arrow
        columns = tuple(field.name for field in schema if not _holds_bytes(field.type))
    if PATH not in columns:
        raise SourceError(f"{label} has no column 'path' of text; its columns: {', '.join(schema.names)}")
    return ParquetRows(path, label, columns)


@contextmanager
def _opened(path: str, label: str) -> Iterator[pq.ParquetFile]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as exc:
        raise MissingExtraError("Parquet tables", "parquet") from exc
    try:
        with open(path, "rb") as stream, pq.ParquetFile(stream) as file:
            yield file
    except (pa.ArrowException, OSError, UnicodeDecodeError) as exc:
        raise SourceError(f"cannot read {label} as Parquet: {error_detail(exc)}") from exc


def _holds_bytes(kind: pa.DataType) -> bool:
    """Whether values of a type are bytes, or contain some."""
    import pyarrow as pa

    types = pa.types
    if types.is_dictionary(kind):
        return _holds_bytes(kind.value_type)
    if types.is_nested(kind):
        return any(_holds_bytes(kind.field(i).type) for i in range(kind.num_fields))
    return bool(types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind))


def _plain(column: pa.Array) -> pa.Array:
    """Return a column whose values Python knows without loss: times as ISO text."""
    import pyarrow as pa

    return column.cast(pa.string()) if pa.types.is_temporal(column.type) else column
