"""The lists of all items, streamed: on standard output in any format, or into a file."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from enum import StrEnum
from itertools import islice
from typing import TYPE_CHECKING, TextIO

from seealike.catalog.output_kinds import LIST_COLUMNS, PARQUET_KEY, PARQUET_LISTS
from seealike.cli.printing.results import hit_lines, write_paths
from seealike.cli.printing.rows import row_lines, write_lines
from seealike.cli.printing.text import one_line
from seealike.errors import MissingExtraError, UnknownItemError, UsageError
from seealike.types import Hit

if TYPE_CHECKING:
    from seealike import SimilarList
    from seealike.catalog import Catalog
    from seealike.catalog.outputs import OutputFile

ROWS_AT_ONCE = 4096
Row = tuple[str, int, str, float]


class ListFormat(StrEnum):
    """How ``recommend --all`` writes: to standard output all but Parquet, to files those with an ending."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"
    PATHS = "paths"
    PARQUET = "parquet"


_IN_FILES = (ListFormat.CSV, ListFormat.JSON, ListFormat.JSONL, ListFormat.PARQUET)


def format_of(output: OutputFile | None, form: str | None) -> ListFormat:
    """The format: what the file's name ends in; on standard output what is said, or CSV.

    Raises:
        UsageError: the file's name does not end in what is said.
        MissingExtraError: pyarrow, which Parquet takes, is not installed.
    """
    if output is None or output.is_stream:
        return ListFormat(form or "csv")
    chosen = ListFormat(os.path.splitext(os.path.realpath(output.path))[1].lstrip(".").lower())
    if form and form != chosen and form in _IN_FILES:
        raise UsageError(f"--format {form} goes into a file that ends in .{form}, not into {output.path}")
    if form and form != chosen:
        raise UsageError(f"--format {form} is for standard output; leave out --output {output.path}")
    if chosen is ListFormat.PARQUET:
        _pyarrow()
    return chosen


def write_lists(
    lists: Iterable[SimilarList], output: OutputFile | None, form: ListFormat, catalog: Catalog
) -> int:
    """Write all lists; a file appears whole or not at all. The number of lists.

    Raises:
        UsageError: the file must not be written.
        StorageError: the disk refused; a file of that name from before is untouched.
    """
    counted = _Counted(lists)
    if output is None:
        _write(counted, sys.stdout, form, catalog)
        return counted.count
    with output.replacing(catalog.path) as place:
        if form is ListFormat.PARQUET:
            _write_parquet(_rows(counted), place)
        else:
            with open(place, "a", encoding="utf-8", newline="") as stream:
                _write(counted, stream, form, catalog)
    return counted.count


class _Counted:
    def __init__(self, lists: Iterable[SimilarList]) -> None:
        self._lists = lists
        self.count = 0

    def __iter__(self) -> Iterator[SimilarList]:
        for entry in self._lists:
            self.count += 1
            yield entry


def _rows(lists: Iterable[SimilarList]) -> Iterator[Row]:
    for entry in lists:
        for rank, (similar_id, score) in enumerate(
            zip(entry.similar_ids, entry.scores, strict=True), start=1
        ):
            yield entry.id, rank, similar_id, round(score, 6)


def _write(lists: Iterable[SimilarList], stream: TextIO, form: ListFormat, catalog: Catalog) -> None:
    if form is ListFormat.PATHS:
        write_paths((_path(catalog, row[2]) for row in _rows(lists)), stream)
        return
    is_table = form is ListFormat.TABLE
    lines = _table(lists, stream) if is_table else row_lines(LIST_COLUMNS, _rows(lists), form, stream)
    write_lines(lines, stream)


def _table(lists: Iterable[SimilarList], stream: TextIO) -> Iterator[str]:
    for number, entry in enumerate(lists):
        if number:
            yield ""
        pairs = zip(entry.similar_ids, entry.scores, strict=True)
        hits = [Hit(item_id, score, None) for item_id, score in pairs]
        yield f"similar to {one_line(entry.id)}:" if hits else f"nothing similar to {one_line(entry.id)}"
        if hits:
            yield from hit_lines(hits, stream)


def _path(catalog: Catalog, item_id: str) -> str | None:
    try:
        return catalog.item(item_id).path
    except UnknownItemError:  # removed since its list was made
        return None


def _write_parquet(rows: Iterator[Row], path: str) -> None:
    _pyarrow()
    import pyarrow as pa
    from pyarrow import parquet

    types = (pa.string(), pa.int32(), pa.string(), pa.float32())
    schema = pa.schema(list(zip(LIST_COLUMNS, types, strict=True)), metadata={PARQUET_KEY: PARQUET_LISTS})
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        while chunk := list(islice(rows, 16 * ROWS_AT_ONCE)):
            columns = [
                pa.array(column, kind) for column, kind in zip(zip(*chunk, strict=True), types, strict=True)
            ]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))


def _pyarrow() -> None:
    try:
        import pyarrow as pa  # noqa: F401
    except ImportError:
        raise MissingExtraError("Parquet", "parquet") from None
