"""Items and skipped files as a catalogue lists them: a block of rows at a time, however many there are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TextIO

from seealike.catalog import Catalog
from seealike.cli.printing.results import OutputFormat, printable_metadata, says_where, write_paths
from seealike.cli.printing.rows import csv_line, json_lines, json_rows, row_lines, write_lines
from seealike.cli.printing.tables import table_lines
from seealike.sources.ids import printable
from seealike.types import Item, MetadataValue, Skipped

ROWS_A_BLOCK = 1000
_ITEM_COLUMNS = ("id", "path", "group")
_SKIPPED_COLUMNS = ("id", "path", "reason", "detail")


def write_items(catalog: Catalog, form: OutputFormat, stream: TextIO, end: str) -> None:
    """Write every item, in the order of the ids. ``end`` is what ends a path in the format ``paths``."""
    if form is OutputFormat.PATHS:
        write_paths((item.path for item in catalog.items()), stream, end)
    elif form is OutputFormat.CSV:
        write_lines(_items_csv(catalog, stream), stream)
    elif form is OutputFormat.TABLE:
        write_lines(_table(map(_item_texts, catalog.items()), stream), stream)
    else:
        objects = map(_item_fields, catalog.items())
        lines = json_rows if form is OutputFormat.JSON else json_lines
        write_lines(lines(objects, stream), stream)


def write_skipped(catalog: Catalog, form: OutputFormat, stream: TextIO, end: str) -> None:
    """Write every file that is not in the catalogue, with its reason."""
    if form is OutputFormat.PATHS:
        write_paths((row.path for row in catalog.iter_skipped()), stream, end)
    elif form is OutputFormat.TABLE:
        write_lines(_table(map(_skipped_texts, catalog.iter_skipped()), stream), stream)
    else:
        rows = ((row.id, row.path, row.reason.value, row.detail) for row in catalog.iter_skipped())
        write_lines(row_lines(_SKIPPED_COLUMNS, rows, form, stream), stream)


def _table(rows: Iterator[Mapping[str, str]], stream: TextIO) -> Iterator[str]:
    """Aligned columns, a block of rows at a time; what the first block has no use for is left out."""
    shown: list[str] = []
    while block := list(islice(rows, ROWS_A_BLOCK)):
        heading = not shown
        shown = shown or [name for name in block[0] if name == "id" or any(row[name] for row in block)]
        columns = [[name, *(row[name] for row in block)] for name in shown]
        yield from islice(table_lines(columns, slice(None), stream), 0 if heading else 1, None)


def _items_csv(catalog: Catalog, stream: TextIO) -> Iterator[str]:
    """A column for every name that occurs in the metadata: a first pass looks for them."""
    names = sorted({name for item in catalog.items() for name in item.metadata})
    headings = [f"metadata.{name}" if name in _ITEM_COLUMNS else name for name in names]
    yield csv_line((*_ITEM_COLUMNS, *headings), stream)
    for item in catalog.items():
        values = (item.metadata.get(name) for name in names)
        yield csv_line((item.id, item.path, item.group, *values), stream)


def _item_fields(item: Item) -> Mapping[str, object]:
    return {
        "id": printable(item.id),
        "path": None if item.path is None else printable(item.path),
        "group": None if item.group is None else printable(item.group),
        "metadata": printable_metadata(item.metadata),
        "width_px": item.width_px,
        "height_px": item.height_px,
    }


def _item_texts(item: Item) -> Mapping[str, str]:
    return {
        "id": item.id,
        "group": item.group or "",
        "path": "" if says_where(item) else item.path or "",
        "metadata": ", ".join(_pair(name, value) for name, value in item.metadata.items()),
    }


def _pair(name: str, value: MetadataValue) -> str:
    return f"{name}={'' if value is None else value}"


def _skipped_texts(row: Skipped) -> Mapping[str, str]:
    return {"reason": row.reason.value, "id": row.id, "detail": row.detail}
