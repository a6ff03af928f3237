"""Tables of comma, semicolon or tab separated values, and what type the cells of a column have."""

from __future__ import annotations

import csv
import math
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from seealike.errors import SourceError
from seealike.sources.ids import IdLedger, RepeatFinder
from seealike.sources.layout import TableLayout
from seealike.sources.rows import (
    ID,
    LONGEST_ROW,
    PATH,
    RESERVED,
    TOO_LONG,
    BadRow,
    Row,
    key_of,
    make_row,
    repeated_name,
)
from seealike.sources.text import TextLines, TooLongError, opened_text
from seealike.types import MetadataValue

if TYPE_CHECKING:
    from _csv import Reader

_Record: TypeAlias = tuple[int, list[str] | str]
"""A record's first line, and its cells or what is wrong with it."""

Converter: TypeAlias = Callable[[str], MetadataValue]

_BATCH = 1000
_BATCH_CHARACTERS = 4 * 2**20
_field_limit_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class CsvRows:
    """A CSV file whose header has been read; see :func:`open_csv`."""

    path: str
    label: str
    delimiter: str
    encoding: str
    columns: tuple[str, ...]
    unit: str = "line"

    def read(self) -> tuple[IdLedger, Iterator[Row | BadRow]]:
        """Infer the columns' types and the repeated ids; see the protocol."""
        repeats = RepeatFinder()
        guesses = [ColumnGuess() for _ in self.columns]
        typed = self._metadata_columns()
        key = self.columns.index(ID if ID in self.columns else PATH)
        for record in self._records():
            if isinstance(record, BadRow):
                continue
            _, cells = record
            for position, _ in typed:
                guesses[position].see(cells[position])
            repeats.see(key_of({self.columns[key]: cells[key]}))
        converters = [(position, name, guesses[position].converter()) for position, name in typed]
        return repeats.ledger(), self._rows(converters)

    def _metadata_columns(self) -> list[tuple[int, str]]:
        return [(position, name) for position, name in enumerate(self.columns) if name not in RESERVED]

    def _rows(self, converters: list[tuple[int, str, Converter]]) -> Iterator[Row | BadRow]:
        for record in self._records():
            if isinstance(record, BadRow):
                yield record
                continue
            number, cells = record
            try:
                metadata = {name: convert(cells[position]) for position, name, convert in converters}
            except ValueError as exc:
                raise SourceError(f"{self.label} changed while it was read; run again") from exc
            yield make_row(number, dict(zip(self.columns, cells, strict=True)), metadata)

    def _records(self) -> Iterator[BadRow | tuple[int, list[str]]]:
        """Yield the records behind the header, each with one cell a column."""
        width = len(self.columns)
        records = read_records(self.path, self.label, self.delimiter, self.encoding)
        next(records, None)
        for number, cells in records:
            if isinstance(cells, str):
                yield BadRow(number, cells)
            elif len(cells) > width:
                yield BadRow(number, f"{len(cells)} cells, but the header has {width} columns")
            else:
                yield number, cells + [""] * (width - len(cells))


def open_csv(path: str, label: str, delimiters: str, layout: TableLayout) -> CsvRows:
    """Read a CSV file's header; the delimiter is the first one that makes a column of the paths.

    Raises:
        SourceError: a column is not there, or twice; or not readable in the encoding.
    """
    header: list[str] = []
    for delimiter in delimiters:
        _, cells = next(read_records(path, label, delimiter, layout.encoding), (0, "empty"))
        columns = [] if isinstance(cells, str) else [cell.strip() for cell in cells]
        if layout.columns.get(PATH, PATH) in columns:
            repeated = repeated_name(filter(None, columns))
            if repeated is not None:
                raise SourceError(f"{label} has more than one column {repeated!r}; rename all but one")
            layout.check(label, columns)
            return CsvRows(path, label, delimiter, layout.encoding, layout.renamed(columns))
        header = max(header, columns, key=len)
    if header:
        layout.check(label, header)
    raise SourceError(f"{label} is empty, or its first line is no header")


def read_records(path: str, label: str, delimiter: str, encoding: str) -> Iterator[_Record]:
    """Yield every record that is not blank, the header first.

    Raises:
        SourceError: in another encoding, a quote that is never closed, or unreadable.
    """
    with opened_text(path, label, encoding, ("\n", "\r")) as lines:
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        while batch := _next_records(reader, lines, label):
            yield from batch


def _next_records(reader: Reader, lines: TextLines, label: str) -> list[_Record]:
    """Read some records, with the csv module's limit on the length of a cell raised meanwhile.

    That limit is one for the whole process, so it is put back before anything else can run.
    """
    records: list[_Record] = []
    characters = 0
    with _field_limit_lock:
        limit_before = csv.field_size_limit(max(LONGEST_ROW, csv.field_size_limit()))
        try:
            while not records or (len(records) < _BATCH and characters < _BATCH_CHARACTERS):
                number = lines.number + 1
                lines.length = 0
                try:
                    cells = next(reader)
                except (csv.Error, TooLongError) as exc:
                    records.append((number, _misread(exc, number, lines.number, label)))
                else:
                    if cells:
                        records.append((number, cells))
                characters += lines.length
        except StopIteration:
            pass
        finally:
            csv.field_size_limit(limit_before)
    return records


def _misread(error: csv.Error | TooLongError, first: int, last: int, label: str) -> str:
    """Return what is wrong with one record; raise where the rows behind it cannot be told either."""
    if first == last and isinstance(error, TooLongError):
        return TOO_LONG
    if isinstance(error, TooLongError) or "unexpected end" in str(error):
        raise SourceError(f"{label}: a quote that opens in line {first} is never closed") from error
    where = "" if first == last else f" (up to line {last})"
    return f"the quotes are out of order{where}: {error}"


_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,17}")
_DECIMAL = re.compile(
    r"-?(?:(?:0|[1-9][0-9]*)\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"  # 1.5  .5  1.5e3
    r"|-?(?:0|[1-9][0-9]*)[eE][-+][0-9]+"  # 1e-05, but not 12E4, which is some product's number
)
_UNDEFINED = frozenset({"nan", "inf", "-inf", "+inf", "infinity", "-infinity", "+infinity"})
_EXACT_IN_A_FLOAT = 10**15
# What was seen in a column, as bits of a plain int, for every cell of a table passes here. A long whole
# number is one that a float would round.
_SAW_WHOLE, _SAW_LONG, _SAW_DECIMAL, _SAW_UNDEFINED, _SAW_TRUTH, _SAW_TEXT = (1 << bit for bit in range(6))


class ColumnGuess:
    """Looks at every cell of one column, then says how to convert them.

    A column is ``int``, ``float`` or ``bool`` only where that keeps what every cell says: an id
    such as ``007``, a telephone number with its ``+`` or a number of 20 digits make it text. Empty
    cells fit every type.
    """

    def __init__(self) -> None:
        self._seen = 0

    def see(self, cell: str) -> None:
        """Take one more cell into account."""
        if not self._seen & _SAW_TEXT:
            self._seen |= _kind_of(cell.strip())

    def converter(self) -> Converter:
        """Return what turns the column's cells into metadata; it raises ``ValueError`` for others."""
        kinds = self._seen & ~_SAW_UNDEFINED
        if self._seen == _SAW_TRUTH:
            return _truth
        if not kinds or kinds & (_SAW_TEXT | _SAW_TRUTH):
            return _text
        if not kinds & _SAW_DECIMAL:
            return _whole
        return _text if kinds & _SAW_LONG else _decimal


def _kind_of(cell: str) -> int:
    if not cell:
        return 0
    if _WHOLE.fullmatch(cell):
        return _SAW_WHOLE if abs(int(cell)) <= _EXACT_IN_A_FLOAT else _SAW_LONG
    if _DECIMAL.fullmatch(cell):
        return _SAW_DECIMAL
    word = cell.lower()
    if word in {"true", "false"}:
        return _SAW_TRUTH
    return _SAW_UNDEFINED if word in _UNDEFINED else _SAW_TEXT


def _text(cell: str) -> MetadataValue:
    return cell or None


def _whole(cell: str) -> MetadataValue:
    cell = cell.strip()
    if not cell or cell.lower() in _UNDEFINED:
        return None
    return int(cell)


def _decimal(cell: str) -> MetadataValue:
    number = float(cell.strip() or "nan")
    return number if math.isfinite(number) else None


def _truth(cell: str) -> MetadataValue:
    word = cell.strip().lower()
    if word not in {"", "true", "false"}:
        raise ValueError(f"{cell!r} is neither true nor false")
    return word == "true" if word else None
