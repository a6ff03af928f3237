"""Rows for other programs, a line each, so that any number of them takes no memory."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import TextIO

from seealike.cli.text import encodable, one_line
from seealike.sources.ids import printable

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_END = "\r\n"  # not written, but also says what to put in quotes
# Which JSON allows and terminals obey: controls, other line ends, and what turns the direction of writing.
_CONTROLS = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")

Cell = str | float | int | None


def csv_line(cells: Sequence[Cell], stream: TextIO) -> str:
    """A row of CSV without its end. No text is taken for a formula, and by a terminal none for orders."""
    line = io.StringIO()
    texts = [safe_cell(cell) if isinstance(cell, str) else cell for cell in cells]
    csv.writer(line, lineterminator=_END).writerow(texts)
    text = line.getvalue().removesuffix(_END)
    return encodable(one_line(text) if stream.isatty() else text, stream.encoding)


def safe_cell(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    text = printable(text)
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def row_lines(
    columns: Sequence[str], rows: Iterable[Sequence[Cell]], form: str, stream: TextIO
) -> Iterator[str]:
    """The lines of a table as ``csv``, ``json`` or ``jsonl``, one row a line."""
    if form == "csv":
        return (csv_line(row, stream) for row in chain([columns], rows))
    named = (dict(zip(columns, map(_valid, row), strict=True)) for row in rows)
    return json_rows(named, stream) if form == "json" else json_lines(named, stream)


def _valid(cell: Cell) -> Cell:
    return printable(cell) if isinstance(cell, str) else cell


def write_lines(lines: Iterable[str], stream: TextIO) -> None:
    """Write lines; what the stream cannot say is escaped."""
    stream.writelines(encodable(line, stream.encoding) + "\n" for line in lines)


def json_text(value: object, stream: TextIO, *, indent: int | None = None) -> str:
    """Return JSON; letters as they are where the stream can show them all."""
    is_unicode = (stream.encoding or "utf-8").lower().replace("_", "-") in {"utf-8", "utf8"}
    text = json.dumps(value, ensure_ascii=not is_unicode, indent=indent)
    return _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def json_rows(rows: Iterable[Mapping[str, object]], stream: TextIO) -> Iterator[str]:
    """The lines of one JSON list with an object a line."""
    yield "["
    before = ""
    for row in rows:
        if before:
            yield f"{before},"
        before = json_text(row, stream)
    if before:
        yield before
    yield "]"


def json_lines(rows: Iterable[Mapping[str, object]], stream: TextIO) -> Iterator[str]:
    """An object a line."""
    return (json_text(row, stream) for row in rows)
