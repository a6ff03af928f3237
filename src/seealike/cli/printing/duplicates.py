"""Duplicates as a list, and what became of those that were moved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TextIO

from seealike.cli.printing.results import OutputFormat, write_paths
from seealike.cli.printing.rows import Cell, json_text, row_lines, write_lines
from seealike.cli.printing.tables import table_lines
from seealike.cli.printing.text import echo
from seealike.duplicates import DuplicateGroup, DuplicateReport, Member, MoveReport
from seealike.sources.ids import printable
from seealike.wording import counted

COLUMNS = (
    "group",
    "keep",
    "level",
    "likeness",
    "width_px",
    "height_px",
    "size_bytes",
    "format",
    "id",
    "path",
    "why",
)
_MOST_LEFT = 20
_MOST_NAMED = 5


def write_duplicates(report: DuplicateReport, form: OutputFormat, stream: TextIO, end: str) -> None:
    """Write a line a picture, the kept ones first; as ``paths`` only of those that are not kept."""
    if form is OutputFormat.PATHS:
        write_paths((member.item.path for group in report.groups for member in group.dropped), stream, end)
    elif form is OutputFormat.TABLE:
        write_lines(_table(report.groups, stream), stream)
    elif form is OutputFormat.JSON:
        groups = [_fields(group) for group in report.groups]
        found = {"items": report.items, "unsigned": report.unsigned, "groups": groups}
        write_lines([json_text(found, stream, indent=2)], stream)
    else:
        write_lines(row_lines(COLUMNS, _rows(report.groups), form, stream), stream)


def write_moves(report: MoveReport, form: OutputFormat, stream: TextIO, end: str) -> None:
    """Write what would be moved: from where to where; as ``paths`` only from where. Nothing of what was."""
    if not report.dry_run:
        return
    if form is OutputFormat.PATHS:
        write_paths((source for source, _ in report.moved), stream, end)
    elif form is OutputFormat.TABLE:
        write_lines((f"{printable(one)} -> {printable(to)}" for one, to in report.moved), stream)
    else:
        rows = ((printable(one), printable(to)) for one, to in report.moved)
        write_lines(row_lines(("from", "to"), rows, form, stream), stream)


def say_found(report: DuplicateReport, *, quiet: bool) -> None:
    """Say in a line or two how many there are, and what could not be compared.

    Which products would lose all their pictures is said in any case.
    """
    if report.emptied:
        few = ", ".join(map(printable, report.emptied[:_MOST_NAMED]))
        more = f" and {len(report.emptied) - _MOST_NAMED:,} more" if len(report.emptied) > _MOST_NAMED else ""
        count = counted(len(report.emptied), "product")
        echo(f"warning: {count} would lose all pictures: {few}{more}; look before you move", err=True)
    if quiet:
        return
    dropped = [member for group in report.groups for member in group.dropped]
    size = sum(member.size_bytes or 0 for member in dropped)
    found = f"{counted(len(report.groups), 'group')} of duplicates among {counted(report.items, 'picture')}"
    more = f": {counted(len(dropped), 'picture')} of {size / 1e6:,.1f} MB to move away" if dropped else ""
    echo(f"{found}{more}, in {report.took_s:.1f} s", err=True)
    if report.unsigned:
        lack = counted(report.unsigned, "picture has no signature", "pictures have no signature")
        echo(f"{lack} yet, and no near duplicates were looked for; `seealike index` makes it", err=True)


def say_moved(report: MoveReport, *, quiet: bool) -> None:
    """Say what was moved, what stays and why, and how to go on; where ``quiet``, only what stays."""
    for one in report.left[:_MOST_LEFT]:
        echo(f"left {one.path}: {one.why}", err=True)
    if len(report.left) > _MOST_LEFT:
        echo(f"and {len(report.left) - _MOST_LEFT:,} more", err=True)
    if quiet:
        return
    verb = "would be moved" if report.dry_run else "moved"
    back = f", {report.back:,} already back" if report.back else ""
    said = f"{counted(len(report.moved), 'picture')} {verb}, {len(report.left):,} left, {report.gone:,} gone"
    echo(said + back, err=True)
    if report.undo:
        echo(f"`seealike duplicates --undo {printable(report.undo)}` moves them back", err=True)
    if report.moved and not report.dry_run:
        echo("now run `seealike index`, so that the catalogue knows", err=True)


def _rows(groups: Sequence[DuplicateGroup]) -> Iterator[Sequence[Cell]]:
    for number, group in enumerate(groups, start=1):
        for member in group.members:
            values = _member(member)
            yield (number, *(values[name] for name in COLUMNS[1:]))


def _member(member: Member) -> Mapping[str, Cell]:
    item = member.item
    return {
        "keep": "keep" if member.kept else "move",
        "level": None if member.kept else member.link.level.value,
        "likeness": None if member.kept else round(member.link.likeness, 6),
        "width_px": item.width_px,
        "height_px": item.height_px,
        "size_bytes": member.size_bytes,
        "format": member.format,
        "id": printable(item.id),
        "path": None if item.path is None else printable(item.path),
        "why": printable(member.why),
    }


def _fields(group: DuplicateGroup) -> Mapping[str, object]:
    return {
        "centre": printable(group.centre),
        "decided": group.decided,
        "weakest": {
            "id": printable(group.weakest.item.id),
            "likeness": round(group.weakest.link.likeness, 6),
        },
        "members": [{**_member(member), "keep": member.kept} for member in group.members],
    }


def _table(groups: Sequence[DuplicateGroup], stream: TextIO) -> Iterator[str]:
    for number, group in enumerate(groups):
        if number:
            yield ""
        weakest = group.weakest.link
        alike = f"{weakest.level.value}, {weakest.likeness:.3f} at least"
        yield f"{counted(len(group.members), 'picture')}, {alike}:"
        yield from table_lines(
            [
                ["", *("keep" if member.kept else "move" for member in group.members)],
                ["alike", *("" if m.kept else f"{m.link.likeness:.3f}" for m in group.members)],
                ["pixels", *(f"{m.item.width_px}x{m.item.height_px}" for m in group.members)],
                ["bytes", *("gone" if m.size_bytes is None else f"{m.size_bytes:,}" for m in group.members)],
                ["format", *(member.format for member in group.members)],
                ["id", *(member.item.id for member in group.members)],
                ["why", *(member.why for member in group.members)],
            ],
            slice(4, None),
            stream,
        )
