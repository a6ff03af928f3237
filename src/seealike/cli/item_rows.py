"""Items and skipped files as a catalogue lists them: a block of rows at a time, however many there are."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import TextIO, TypeVar

from seealike.catalog import Catalog
from seealike.cli.formats import OutputFormat, printable_metadata, write_paths
from seealike.cli.hit_table import aligned, fitted, says_where
from seealike.cli.rows import csv_line, json_rows, json_text, write_lines
from seealike.cli.text import one_line
from seealike.sources.ids import printable
from seealike.types import Item, MetadataValue, Skipped

ROWS_A_BLOCK = 1000
_ITEM_COLUMNS = ("id", "path", "group")
_SKIPPED_COLUMNS = ("id", "path", "reason", "detail")
_GAP = "  "
Row = TypeVar("Row", Item, Skipped)


def write_items(catalog: Catalog, form: OutputFormat, stream: TextIO, end: str) -> None:
    """Write every item, in the order of the ids. ``end`` is what ends a path in the format ``paths``."""
    if form is OutputFormat.PATHS:
        write_paths((item.path for item in catalog.items()), stream, end)
    elif form is OutputFormat.CSV:
        write_lines(_items_csv(catalog, stream), stream)
    else:
        write_lines(_lines(catalog.items(), form, stream, _item_fields, _item_texts), stream)


def write_skipped(catalog: Catalog, form: OutputFormat, stream: TextIO, end: str) -> None:
    """Write every file that is not in the catalogue, with its reason."""
    if form is OutputFormat.PATHS:
        write_paths((row.path for row in catalog.iter_skipped()), stream, end)
    elif form is OutputFormat.CSV:
        rows = ((row.id, row.path, row.reason.value, row.detail) for row in catalog.iter_skipped())
        write_lines((csv_line(row, stream) for row in chain([_SKIPPED_COLUMNS], rows)), stream)
    else:
        write_lines(_lines(catalog.iter_skipped(), form, stream, _skipped_fields, _skipped_texts), stream)


def _lines(
    rows: Iterable[Row],
    form: OutputFormat,
    stream: TextIO,
    fields: Callable[[Row], Mapping[str, object]],
    texts: Callable[[Row], Mapping[str, str]],
) -> Iterator[str]:
    if form is OutputFormat.TABLE:
        return _table(map(texts, rows), stream)
    if form is OutputFormat.JSON:
        return json_rows(map(fields, rows), stream)
    return (json_text(fields(row), stream) for row in rows)


def _table(rows: Iterator[Mapping[str, str]], stream: TextIO) -> Iterator[str]:
    """Aligned columns, a block of rows at a time; what the first block has no use for is left out."""
    shown: list[str] = []
    while block := list(islice(rows, ROWS_A_BLOCK)):
        heading = not shown
        shown = shown or [name for name in block[0] if name == "id" or any(row[name] for row in block)]
        columns = [[name, *(one_line(row[name]) for row in block)] for name in shown]
        if stream.isatty():
            room = shutil.get_terminal_size().columns - len(_GAP) * (len(columns) - 1)
            columns = fitted(columns, room)
        lines = zip(*map(aligned, columns), strict=True)
        for line in lines if heading else islice(lines, 1, None):
            yield _GAP.join(line).rstrip(" ")


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


def _skipped_fields(row: Skipped) -> Mapping[str, object]:
    values: Sequence[str] = (row.id, row.path, row.reason.value, row.detail)
    return dict(zip(_SKIPPED_COLUMNS, map(printable, values), strict=True))


def _skipped_texts(row: Skipped) -> Mapping[str, str]:
    return {"reason": row.reason.value, "id": row.id, "detail": row.detail}
