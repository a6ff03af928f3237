"""The lists of all items as ``id, rank, similar_id, score``: CSV, JSON Lines or Parquet, streamed."""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Iterable, Iterator
from enum import StrEnum
from itertools import islice
from typing import TextIO

from seealike.cli.formats import json_text, safe_cell
from seealike.cli.text import encodable
from seealike.errors import MissingExtraError, UnknownNameError
from seealike.recommend import SimilarList
from seealike.store import FileSystem

ROWS_AT_ONCE = 4096
COLUMNS = ("id", "rank", "similar_id", "score")
Row = tuple[str, int, str, float]
_CSV_END = "\r\n"  # not written, but also says what to put in quotes


class ListFormat(StrEnum):
    """The files that ``recommend --all`` can write."""

    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"


def format_of(output: str | None, form: str | None) -> ListFormat:
    """The format: said, or what the file's name ends in, or CSV.

    Raises:
        UnknownNameError: the ending, or the name, is none of the three.
    """
    name = form or (os.path.splitext(output)[1].lstrip(".").lower() if output else "csv")
    try:
        chosen = ListFormat(name)
    except ValueError:
        raise UnknownNameError("format of lists", name, [known.value for known in ListFormat]) from None
    if chosen is ListFormat.PARQUET and output is None:
        raise UnknownNameError("format on standard output", name, ["csv", "jsonl"])
    if chosen is ListFormat.PARQUET:
        _pyarrow()
    return chosen


def write_lists(lists: Iterable[SimilarList], output: str | None, form: ListFormat) -> int:
    """Write all lists; ``output`` appears whole or not at all. The number of lists.

    Raises:
        StorageError: the disk refused; a file of that name from before is untouched.
    """
    counted = _Counted(lists)
    rows = _rows(counted)
    if output is None:
        _write_text(rows, sys.stdout, form)
        return counted.count
    with FileSystem().replacing(os.path.abspath(output)) as temporary:
        if form is ListFormat.PARQUET:
            _write_parquet(rows, temporary)
        else:
            with open(temporary, "w", encoding="utf-8", newline="") as stream:
                _write_text(rows, stream, form)
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


def _write_text(rows: Iterator[Row], stream: TextIO, form: ListFormat) -> None:
    lines = _Lines(stream)
    if form is ListFormat.CSV:
        writer = csv.writer(lines, lineterminator=_CSV_END)
        writer.writerow(COLUMNS)
        writer.writerows(
            (safe_cell(item_id), rank, safe_cell(similar_id), score)
            for item_id, rank, similar_id, score in rows
        )
        return
    for row in rows:
        lines.write(json_text(dict(zip(COLUMNS, row, strict=True)), stream))


class _Lines:
    """Writes lines to a stream, and escapes what its encoding cannot say."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, line: str) -> int:
        return self._stream.write(encodable(line.removesuffix(_CSV_END), self._stream.encoding) + "\n")


def _write_parquet(rows: Iterator[Row], path: str) -> None:
    _pyarrow()
    import pyarrow as pa
    from pyarrow import parquet

    types = (pa.string(), pa.int32(), pa.string(), pa.float32())
    schema = pa.schema(list(zip(COLUMNS, types, strict=True)))
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
