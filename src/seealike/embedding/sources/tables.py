"""Parquet tables that hold pictures: a column of bytes, or of structures with such a field."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from seealike.errors import MissingExtraError, SourceError
from seealike.sources.ids import printable
from seealike.sources.layout import TableLayout
from seealike.sources.parquet_rows import ParquetRows, open_parquet
from seealike.sources.rows import ID, PATH, BadRow, typed_row
from seealike.types import Skipped, SkipReason, SourceItem

if TYPE_CHECKING:
    import pyarrow as pa

PARQUET = "parquet"
_BUFFER_BYTES = 1 << 20  # read at a time; without, a whole row group is held
BYTES = "bytes"  # the field of a structure, as in the data sets of Hugging Face


def picture_column(file: str, named: str | None, layout: TableLayout) -> str | None:
    """The column of a table that holds pictures: the one named, or where no column has paths, the only one.

    Raises:
        MissingExtraError: pyarrow is not installed.
        SourceError: it is no Parquet, has no such column, or has several.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as exc:
        raise MissingExtraError("a Parquet table", "parquet") from exc
    try:
        schema = pq.read_schema(file)
    except (pa.ArrowException, OSError) as exc:
        raise SourceError(f"cannot read {printable(file)} as Parquet: {exc}") from exc
    holding = [field.name for field in schema if _holds_pictures(field.type)]
    if named is not None and named not in holding:
        listed = ", ".join(holding) or "none"
        raise SourceError(f"{printable(file)} has no column {named!r} of bytes; those of bytes: {listed}")
    if named is not None or layout.columns.get(PATH, PATH) in schema.names or not holding:
        return named
    if len(holding) > 1:
        raise SourceError(
            f"{printable(file)} has several columns of bytes ({', '.join(holding)}); --column picture=NAME"
        )
    return str(holding[0])


class ParquetSource:
    """The rows of Parquet files as pictures; ids are the column ``id``, or ``FILE.parquet/ROW``.

    Files of several folders are called by the folder too, from the one that holds all of them.
    """

    root = ""

    def __init__(self, label: str, files: Sequence[str], column: str, layout: TableLayout) -> None:
        self.label = printable(label)
        self._files = [os.path.abspath(file) for file in files]
        self._folder = os.path.commonpath([os.path.dirname(file) for file in self._files])
        self._column, self._layout = column, layout

    def count(self) -> int:
        """How many rows the files have, by what they say of themselves.

        Raises:
            SourceError: one cannot be read, or lacks the column.
        """
        import pyarrow.parquet as pq

        for path in self._files:
            picture_column(path, self._column, self._layout)
        return sum(pq.read_metadata(path).num_rows for path in self._files)

    def scan(self) -> Iterator[SourceItem | Skipped]:
        """See ``Source``; the pictures themselves are not read.

        Raises:
            SourceError: one cannot be read, or lacks the column.
        """
        used: set[str] = set()
        for path in self._files:
            picture_column(path, self._column, self._layout)  # the first has it, another may not
            name = printable(os.path.relpath(path, self._folder).replace(os.sep, "/"))
            mtime_ns = os.stat(path).st_mtime_ns
            rows = open_parquet(path, name, self._layout, needs_path=False)
            has_ids = ID in rows.columns.values()
            for number, cells in enumerate(_cells(path, rows)):
                place = f"{PARQUET}://{path}#{number}/{self._column}"
                usual_id = f"{name}/{number}"
                if isinstance(cells, str):
                    yield Skipped(usual_id, place, SkipReason.UNREADABLE, f"row {number + 1}: {cells}")
                    continue
                given = {ID: usual_id, **cells} if not has_ids else cells
                row = typed_row(number + 1, {**given, PATH: usual_id})
                if isinstance(row, BadRow):
                    yield Skipped(usual_id, place, SkipReason.UNREADABLE, f"row {number + 1}: {row.detail}")
                elif row.id in used:
                    detail = f"row {number + 1}: the id has been used by a row before"
                    yield Skipped(row.id, place, SkipReason.DUPLICATE_ID, detail)
                else:
                    used.add(row.id)
                    yield SourceItem(row.id, place, 0, mtime_ns, row.group, row.metadata)


class ParquetBytes:
    """Reads cells of one column after the other, in the order of the rows, a few in memory."""

    def __init__(self) -> None:
        self._key: tuple[str, str] | None = None
        self._batches: Iterator[pa.RecordBatch] = iter(())
        self._batch: list[object] = []
        self._start = 0

    def read(self, path: str, row: int, column: str) -> bytes | None:
        """The bytes of a cell; ``None`` where it has none.

        Raises:
            OSError, ValueError: it cannot be read.
        """
        try:
            if self._key != (path, column) or row < self._start:
                self._seek(path, row, column)
            while row >= self._start + len(self._batch):
                batch = next(self._batches).column(0).to_pylist()
                self._start, self._batch = self._start + len(self._batch), batch
        except (LookupError, StopIteration) as exc:
            raise ValueError("the table changed while it was read, and has no such cell any more") from exc
        cell = self._batch[row - self._start]
        cell = cell.get(BYTES) if isinstance(cell, dict) else cell
        return cell if isinstance(cell, bytes) else None

    def _seek(self, path: str, row: int, column: str) -> None:
        import pyarrow.parquet as pq

        file = pq.ParquetFile(path, buffer_size=_BUFFER_BYTES, pre_buffer=False)
        group = start = 0
        while start + (count := file.metadata.row_group(group).num_rows) <= row:
            group, start = group + 1, start + count
        groups = range(group, file.metadata.num_row_groups)
        self._batches = file.iter_batches(batch_size=32, row_groups=groups, columns=[column])
        self._key, self._start, self._batch = (path, column), start, []


def _cells(path: str, rows: ParquetRows) -> Iterator[dict[str, object] | str]:
    """What each row says beside its picture, which may be nothing at all."""
    if rows.columns:
        return rows.cells(rows.columns)
    import pyarrow.parquet as pq

    return ({} for _ in range(pq.read_metadata(path).num_rows))


def _holds_pictures(kind: pa.DataType) -> bool:
    import pyarrow as pa

    if pa.types.is_struct(kind):
        with suppress(KeyError):
            index = kind.get_field_index(BYTES)
            return index >= 0 and _holds_pictures(kind.field(index).type)
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))
