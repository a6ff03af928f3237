"""Parquet tables, by the optional package pyarrow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seealike.errors import MissingExtraError, SourceError, UsageError
from seealike.sources.files import error_detail
from seealike.sources.ids import IdLedger, RepeatFinder
from seealike.sources.layout import TableLayout
from seealike.sources.rows import (
    ID,
    LONGEST_ROW,
    PATH,
    TOO_LONG,
    BadRow,
    Row,
    clean,
    key_of,
    repeated_name,
    typed_row,
)

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_BATCH = 2048
_AT_ONCE_BYTES = 256 * 2**20


@dataclass(frozen=True, slots=True)
class ParquetRows:
    """A Parquet file whose schema has been read; see :func:`open_parquet`. ``columns``: what each means."""

    path: str
    label: str
    columns: Mapping[str, str]
    unit: str = "row"

    def read(self) -> tuple[IdLedger, Iterator[Row | BadRow]]:
        """Find the repeated ids; see the protocol."""
        repeats = RepeatFinder()
        key = ID if ID in self.columns.values() else PATH
        for cells in self.cells({name: key for name, meaning in self.columns.items() if meaning == key}):
            if not isinstance(cells, str):
                repeats.see(key_of(cells))
        return repeats.ledger(), self._rows()

    def _rows(self) -> Iterator[Row | BadRow]:
        for number, cells in enumerate(self.cells(self.columns), 1):
            yield BadRow(number, cells) if isinstance(cells, str) else typed_row(number, cells)

    def cells(self, columns: Mapping[str, str]) -> Iterator[dict[str, object] | str]:
        """Yield every row's cells, or why they cannot be read."""
        with _opened(self.path, self.label) as file:
            for batch in file.iter_batches(batch_size=_BATCH, columns=list(columns)):
                # A cell takes at most what all of them take together, but a text that is stored once may
                # be in every row.
                rows = max(1, _AT_ONCE_BYTES // (batch.nbytes + 1))
                for start in range(0, len(batch), rows):
                    yield from _cells_of(batch.slice(start, rows), columns)


def open_parquet(path: str, label: str, layout: TableLayout, *, needs_path: bool = True) -> ParquetRows:
    """Read a Parquet file's schema; columns that hold bytes are left out.

    Raises:
        MissingExtraError: pyarrow is not installed.
        SourceError: not Parquet, a column is not there, or twice.
        UsageError: an encoding is given; Parquet has its own.
    """
    if layout.encoding:
        raise UsageError(f"{label} is Parquet, which has an encoding of its own; leave --encoding away")
    with _opened(path, label) as file:
        schema = file.schema_arrow
        repeated = _repeated(list(schema))
        readable = [field.name for field in schema if field.name and not _holds_bytes(field.type)]
    if repeated is not None:
        raise SourceError(f"{label} has more than one column {repeated!r}; rename all but one")
    if needs_path:
        layout.check(label, readable, " of text or numbers")
    meant = zip(readable, layout.renamed(readable), strict=True)
    return ParquetRows(path, label, {name: meaning for name, meaning in meant if meaning})


@contextmanager
def _opened(path: str, label: str) -> Iterator[pq.ParquetFile]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as exc:
        raise MissingExtraError("a Parquet table", "parquet") from exc
    try:
        with open(path, "rb") as stream, pq.ParquetFile(stream) as file:
            yield file
    except (pa.ArrowException, OSError, UnicodeDecodeError) as exc:
        raise SourceError(f"cannot read {label} as Parquet: {error_detail(exc)}") from exc


def _cells_of(batch: pa.RecordBatch, columns: Mapping[str, str]) -> Iterator[dict[str, object] | str]:
    """Yield the cells of some rows; where a cell cannot be read, that costs its own row only."""
    try:
        values = [_values(batch.column(name)) for name in columns]
    except (ValueError, OverflowError) as exc:  # Arrow's own errors are ValueErrors too
        if len(batch) == 1:
            yield f"a cell cannot be read: {exc}"
            return
        for number in range(len(batch)):
            yield from _cells_of(batch.slice(number, 1), columns)
        return
    for row in zip(*values, strict=True):
        too_long = sum(len(value) for value in row if isinstance(value, str)) > LONGEST_ROW
        yield TOO_LONG if too_long else dict(zip(columns.values(), row, strict=True))


def _values(column: pa.Array) -> list[object]:
    """Return a column's values as text and numbers."""
    import pyarrow as pa

    kind = _readable(column.type)
    if kind != column.type:
        column = column.cast(kind, safe=False)  # a duration loses its nanoseconds
    values: list[object] = column.to_pylist()
    if pa.types.is_nested(kind):
        return [clean(_with_objects(value, kind)) for value in values]
    if pa.types.is_string(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return values
    return [clean(value) for value in values]


def _readable(kind: pa.DataType) -> pa.DataType:
    """Return the type to cast a column to: one whose values Python knows; times as ISO text."""
    import pyarrow as pa

    types = pa.types
    if types.is_dictionary(kind):
        return _readable(kind.value_type)
    if isinstance(kind, pa.BaseExtensionType) and kind.extension_name != "arrow.uuid":
        return _readable(kind.storage_type)
    if types.is_duration(kind):
        return pa.duration("us") if kind.unit == "ns" else kind
    if types.is_temporal(kind):
        return pa.string()
    return _readable_inside(kind) if types.is_nested(kind) else kind


def _readable_inside(kind: pa.DataType) -> pa.DataType:
    import pyarrow as pa

    types = pa.types
    if types.is_map(kind):
        return pa.map_(_readable(kind.key_type), _readable(kind.item_type))
    if types.is_fixed_size_list(kind):
        return pa.list_(_readable(kind.value_type), kind.list_size)
    if types.is_large_list(kind):
        return pa.large_list(_readable(kind.value_type))
    if types.is_list(kind):
        return pa.list_(_readable(kind.value_type))
    if types.is_struct(kind):
        return pa.struct([field.with_type(_readable(field.type)) for field in kind])
    return kind


def _with_objects(value: object, kind: pa.DataType) -> object:
    """Return a nested value with a dict for every map, which Arrow gives as a list of pairs."""
    import pyarrow as pa

    if isinstance(value, dict):
        return {field.name: _with_objects(value[field.name], field.type) for field in kind}
    if not isinstance(value, list):
        return value
    if pa.types.is_map(kind):
        return {name: _with_objects(held, kind.item_type) for name, held in value}
    return [_with_objects(held, kind.value_type) for held in value]


def _repeated(fields: list[pa.Field], before: str = "") -> str | None:
    """Return the name of a column that occurs twice, or of such a field in one: ``point.x``."""
    repeated = repeated_name(field.name for field in fields if field.name)
    if repeated is not None:
        return before + repeated
    inside = (
        _repeated([field.type.field(i) for i in range(field.type.num_fields)], f"{before}{field.name}.")
        for field in fields
    )
    return next(filter(None, inside), None)


def _holds_bytes(kind: pa.DataType) -> bool:
    """Whether values of a type are bytes, or contain some."""
    import pyarrow as pa

    types = pa.types
    if isinstance(kind, pa.BaseExtensionType):
        return kind.extension_name != "arrow.uuid" and _holds_bytes(kind.storage_type)
    if types.is_dictionary(kind):
        return _holds_bytes(kind.value_type)
    if types.is_nested(kind):
        return any(_holds_bytes(kind.field(i).type) for i in range(kind.num_fields))
    return any(
        test(kind)
        for test in (
            types.is_binary,
            types.is_large_binary,
            types.is_fixed_size_binary,
            types.is_binary_view,
            types.is_interval,
        )
    )
