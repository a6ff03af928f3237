"""The lists of all items, streamed: on standard output in any format, or into a file."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from enum import StrEnum
from itertools import chain, islice, repeat
from typing import TYPE_CHECKING, NamedTuple, Protocol, TextIO

from seealike.catalog.outputs.kinds import (
    LIST_COLUMNS,
    LISTS_OF_PRODUCTS_MARK,
    LISTS_REPORT_MARK,
    PARQUET_KEY,
    PARQUET_LISTS,
)
from seealike.cli.printing.results import hit_lines, write_paths
from seealike.cli.printing.rows import json_text, plain, row_lines, write_lines
from seealike.cli.printing.text import echo, one_line
from seealike.errors import MissingExtraError, UnknownItemError, UsageError
from seealike.sources.ids import printable
from seealike.types import Hit, Item
from seealike.wording import counted

if TYPE_CHECKING:
    from seealike import ListsReport, SimilarList
    from seealike.catalog import Catalog, Catalogs
    from seealike.catalog.outputs.places import OutputFile

ROWS_AT_ONCE = 4096
SHOWN = 5  # ids in a line for people
Row = tuple[str, int, str, float]


class Written(NamedTuple):
    """How many lists were written, and how many of them have nothing in them."""

    lists: int
    empty: int


class Listed(Protocol):
    """What the lists are of."""

    @property
    def path(self) -> str:
        """Where it is: no list is written into it."""

    def item(self, item_id: str) -> Item:
        """The item with this id.

        Raises:
            UnknownItemError: there is none.
        """


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
    lists: Iterable[SimilarList],
    output: OutputFile | None,
    form: ListFormat,
    catalog: Listed,
    *,
    by_product: bool = False,
) -> Written:
    """Write all lists; a file appears whole or not at all. How many there are.

    ``by_product``: they are of products, and JSON is one object with a list of names for each.

    Raises:
        UsageError: the file must not be written.
        StorageError: the disk refused; a file of that name from before is untouched.
    """
    counted = _Counted(lists)
    if output is None:
        _write(counted, sys.stdout, form, catalog, by_product)
        return counted.written
    with output.replacing(catalog.path) as place:
        if form is ListFormat.PARQUET:
            _write_parquet(iter(counted), place)
        else:
            with open(place, "a", encoding="utf-8", newline="") as stream:
                _write(counted, stream, form, catalog, by_product)
    return counted.written


def write_report(
    report: ListsReport, output: OutputFile, catalog: Catalog | Catalogs, *, of: str, quiet: bool
) -> None:
    """Write what lists of items, or products, do together as JSON, or tell people on standard error."""
    if not output.path:
        for name, said in _said(report, of).items():
            echo(f"{name:<13}{said}", err=True)
        return
    content = {"generator": LISTS_REPORT_MARK} | asdict(report)
    output.write(json.dumps(plain(content), indent=2).encode() + b"\n", catalog.path)
    if not quiet:
        echo(f"wrote {output.path}", err=True)


def _said(report: ListsReport, kind: str) -> dict[str, str]:
    """The report in a few lines, by what each is about."""

    def share(some: int, of: int, what: str) -> str:
        return f"{some:,} of {counted(of, what)} ({some / max(1, of):.1%})"

    lines = {
        "lists": f"{counted(report.lists, 'list')} with {counted(report.entries, 'entry', 'entries')}, "
        f"{report.empty:,} of them empty",
        "recommended": share(report.recommended, report.items, kind),
        "never": _named(report.never, report.items - report.recommended, kind),
        "hubs": f"{counted(report.hubs, kind)} in more than {report.hub_above:,.0f} lists each",
        "most": ", ".join(f"{hub.id} ({hub.lists:,})" for hub in report.top[:SHOWN]),
        "skewness": f"{report.skewness:.2f} of the number of lists that one is in",
    }
    looked_at = counted(report.sample, "list")
    if report.similarity is not None:
        lines["similarity"] = f"{report.similarity:.3f} between two {kind}s of a list, mean of {looked_at}"
    if report.products is not None and report.products_recommended is not None:
        lines["products"] = share(report.products_recommended, report.products, "product")
    if report.own_product is not None:
        lines["own product"] = f"in {report.own_product:.1%} of {looked_at}"
    return {name: said for name, said in lines.items() if said}


def _named(ids: Sequence[str], count: int, kind: str) -> str:
    shown = ", ".join(ids[:SHOWN]) + (", …" if count > SHOWN else "")
    return f"{counted(count, kind)}: {shown}" if count else f"no {kind}"


class _Counted:
    def __init__(self, lists: Iterable[SimilarList]) -> None:
        self._lists = lists
        self.written = Written(0, 0)

    def __iter__(self) -> Iterator[SimilarList]:
        for entry in self._lists:
            lists, empty = self.written
            self.written = Written(lists + 1, empty + (not entry.similar_ids))
            yield entry


def _rows(lists: Iterable[SimilarList]) -> Iterator[Row]:
    for entry in lists:
        for rank, (similar_id, score) in enumerate(
            zip(entry.similar_ids, entry.scores, strict=True), start=1
        ):
            yield entry.id, rank, similar_id, round(score, 6)


def _write(
    lists: Iterable[SimilarList],
    stream: TextIO,
    form: ListFormat,
    catalog: Listed,
    by_product: bool,
) -> None:
    if by_product and form is ListFormat.JSON:
        write_lines(_names_alone(lists, stream), stream)
        return
    if form is ListFormat.PATHS:
        write_paths((_path(catalog, row[2]) for row in _rows(lists)), stream)
        return
    is_table = form is ListFormat.TABLE
    lines = _table(lists, stream) if is_table else row_lines(LIST_COLUMNS, _rows(lists), form, stream)
    write_lines(lines, stream)


def _names_alone(lists: Iterable[SimilarList], stream: TextIO) -> Iterator[str]:
    """The lines of one JSON object with a list of names a line, and the mark by which it is known again."""
    yield "{"
    before = ""
    for entry in lists:
        if before:
            yield f"{before},"
        names = json_text([printable(name) for name in entry.similar_ids], stream)
        before = f"{json_text(printable(entry.id), stream)}: {names}"
    if before:
        yield before
    yield "}"
    yield LISTS_OF_PRODUCTS_MARK


def _table(lists: Iterable[SimilarList], stream: TextIO) -> Iterator[str]:
    for number, entry in enumerate(lists):
        if number:
            yield ""
        pairs = zip(entry.similar_ids, entry.scores, strict=True)
        hits = [Hit(item_id, score, None) for item_id, score in pairs]
        yield f"similar to {one_line(entry.id)}:" if hits else f"nothing similar to {one_line(entry.id)}"
        if hits:
            yield from hit_lines(hits, stream)


def _path(catalog: Listed, item_id: str) -> str | None:
    try:
        return catalog.item(item_id).path
    except UnknownItemError:  # removed since its list was made
        return None


def _write_parquet(lists: Iterator[SimilarList], path: str) -> None:
    """Column by column: a row at a time would take longer than making the lists."""
    _pyarrow()
    import pyarrow as pa
    from pyarrow import parquet

    types = (pa.string(), pa.int32(), pa.string(), pa.float32())
    schema = pa.schema(list(zip(LIST_COLUMNS, types, strict=True)), metadata={PARQUET_KEY: PARQUET_LISTS})
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        while chunk := list(islice(lists, ROWS_AT_ONCE)):
            counts = [len(entry.similar_ids) for entry in chunk]
            columns = (
                list(chain.from_iterable(map(repeat, (entry.id for entry in chunk), counts))),
                list(chain.from_iterable(range(1, count + 1) for count in counts)),
                list(chain.from_iterable(entry.similar_ids for entry in chunk)),
                list(chain.from_iterable(entry.scores for entry in chunk)),
            )
            arrays = [pa.array(column, kind) for column, kind in zip(columns, types, strict=True)]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))


def _pyarrow() -> None:
    try:
        import pyarrow as pa  # noqa: F401
    except ImportError:
        raise MissingExtraError("Parquet", "parquet") from None
