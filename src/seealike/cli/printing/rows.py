"""CSV and JSON for other programs: rows a line each, so that any number takes no memory, and whole values."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import chain
from typing import TextIO

import click

from seealike.cli.printing.text import encodable, one_line
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
    return _CONTROLS.sub(lambda letter: f"\\u{ord(letter[0]):04x}", text)


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


def print_csv(headings: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
    """Print rows as CSV; nothing is an empty cell, and no text is taken for a formula."""
    for line in row_lines(headings, rows, "csv", sys.stdout):
        click.echo(line)


def print_json(value: object) -> None:
    """Print a dataclass as JSON. Bytes are left out; paths that are not UTF-8 are shown with ``\\x``."""
    click.echo(json.dumps(plain(value), ensure_ascii=True, indent=2))


def plain(value: object) -> object:
    """A value as JSON knows it: dataclasses as objects, tuples as lists, floats rounded to six decimals."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        pairs = ((field.name, getattr(value, field.name)) for field in dataclasses.fields(value))
        return {name: plain(part) for name, part in pairs if not isinstance(part, bytes)}
    if isinstance(value, Mapping):
        return {str(name): plain(part) for name, part in value.items()}
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, Sequence):
        return [plain(part) for part in value]
    return round(value, 6) + 0.0 if isinstance(value, float) else value
