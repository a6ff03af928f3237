"""Figures in rows, as HTML."""

from __future__ import annotations

from seealike.gallery.page import Cell, GalleryTable
from seealike.gallery.picture import name
from seealike.gallery.text import escaped


def figures(table: GalleryTable) -> str:
    """Return a table; one that is wider than the screen scrolls by itself, also by keyboard."""
    note = f'<p class="note">{escaped(table.note)}</p>' if table.note else ""
    head = "".join(
        f'<th scope="col"{_kind(place, table)}>{escaped(heading)}</th>'
        for place, heading in enumerate(table.headings)
    )
    rows = "".join(f"<tr>{_row(row, table)}</tr>" for row in table.rows)
    title = escaped(table.title)
    return (
        f'<section class="figures"><h2>{title}</h2>{note}'
        f'<div class="scroll" tabindex="0" role="region" aria-label="{title}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div></section>"
    )


def _row(row: tuple[Cell | str, ...], table: GalleryTable) -> str:
    cells = [Cell(cell) if isinstance(cell, str) else cell for cell in row]
    first, rest = cells[:1], cells[1:]
    return "".join(f'<th scope="row">{_cell(cell, words=True)}</th>' for cell in first) + "".join(
        f"<td{_kind(place, table)}>{_cell(cell, words=place < table.texts)}</td>"
        for place, cell in enumerate(rest, start=1)
    )


def _kind(place: int, table: GalleryTable) -> str:
    return "" if place < table.texts else ' class="number"'


def _cell(cell: Cell, *, words: bool) -> str:
    text = name(cell.text) if words else escaped(cell.text)
    note = f'<span class="detail">{escaped(cell.note)}</span>' if cell.note else ""
    return f"{text}{_bar(cell.bar) if cell.bar else ''}{note}"


def _bar(bar: tuple[float, float, float]) -> str:
    """Return an interval as a bar on a line from 0 to 1, with a tick at the value."""
    low, value, high = (100 * min(1.0, max(0.0, end)) for end in bar)
    return (
        '<svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect y="3" width="100" height="2"/><rect class="on" x="{low:.2f}" y="1.5" '
        f'width="{max(0.6, high - low):.2f}" height="5"/>'
        f'<rect class="at" x="{value - 0.6:.2f}" width="1.2" height="8"/></svg>'
    )
