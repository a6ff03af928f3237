"""A page to look duplicates through: what is kept, why, and a choice that is remembered. One HTML file.

A page cannot write files: choices are kept by the browser as they are made, and saved as a file of decisions,
which the command reads. That file also says what earlier ones said, so nothing is lost by saving anew.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from importlib.resources import files
from typing import TYPE_CHECKING

from seealike.catalog.outputs.places import OutputFile
from seealike.duplicates.decisions import MARK, VERSION, Decisions, as_plain, contents_as_plain
from seealike.duplicates.values import DuplicateGroup, DuplicateReport, Level, Member
from seealike.gallery import PageKind, Thumbnails, relative_link
from seealike.gallery.album import Album, frame_shape
from seealike.gallery.picture import GONE, name
from seealike.gallery.render import brand, html_head, stylesheet
from seealike.gallery.text import escaped
from seealike.types import Progress, ProgressCallback, unwatched
from seealike.wording import counted

if TYPE_CHECKING:
    from seealike.catalog import Catalog

MOST_GROUPS = 1000
MOST_PICTURES = 5000
PICTURE_BYTES = 16_000_000
_SHAPE_SAMPLE = 200
_WORDS = {Level.EXACT: "same file", Level.NEAR: "near duplicate", Level.PRODUCT: "same product"}
_TITLE = "Which of these are there twice?"


def write_duplicates_page(
    catalog: Catalog,
    output: OutputFile,
    report: DuplicateReport,
    *,
    decisions: Decisions = Decisions(),
    progress: ProgressCallback = unwatched,
) -> int:
    """Write a self-contained page of the groups, the first ones where there are very many. How many it shows.

    Args:
        catalog: where the pictures are.
        output: the file.
        report: what was found.
        decisions: from earlier pages: they are saved along with new ones.
        progress: called as the work goes on.

    Raises:
        UsageError: the file must not be written.
        StorageError: the disk refused.
    """
    output.check(catalog.path)
    groups = _fitting(report.groups)
    thumbnails: Thumbnails[str] = Thumbnails(catalog.thumbnail)
    paths = [member.item.path for group in groups for member in group.members]
    pictures = list(dict.fromkeys(path for path in paths if path is not None))
    thumbnails.fit(pictures, PICTURE_BYTES)
    for done, path in enumerate(pictures):
        progress(Progress("pictures", done, len(pictures)))
        thumbnails.of(path)
    page = render_duplicates_page(
        report, groups, thumbnails, page=output.path, of=catalog.path, decisions=decisions
    )
    output.write(page.encode("utf-8", "backslashreplace"), catalog.path)
    return len(groups)


def render_duplicates_page(
    report: DuplicateReport,
    groups: Sequence[DuplicateGroup],
    thumbnails: Thumbnails[str],
    *,
    page: str,
    of: str = "",
    decisions: Decisions = Decisions(),
) -> str:
    """Return the page as HTML.

    Args:
        report: what was found.
        groups: those that are shown.
        thumbnails: of the files.
        page: where it will be: its pictures link to the files.
        of: what tells this catalogue from others, for the browser's memory.
        decisions: from earlier pages.
    """
    some = [
        thumbnails.of(member.item.path) for group in groups[:_SHAPE_SAMPLE] for member in group.members[:2]
    ]
    album = Album(frame_shape([picture for picture in some if picture]))
    shown = "".join(_group(number, group, thumbnails, album, page) for number, group in enumerate(groups))
    style = "\n".join((stylesheet(), _web("duplicates.css"), album.css()))
    script = _web("choices.js") + _web("duplicates.js")
    head = html_head(_TITLE, PageKind.DUPLICATES, style, script=script, pictures="data: file: 'self'")
    main = f'<main id="results">{shown or _empty(report)}</main>'
    body = "".join((_header(report, len(groups)), _web("tools.html"), main, _web("end.html")))
    return (
        f'<!doctype html>\n<html lang="en">\n{head}\n<body class="duplicates">{body}'
        f'<script type="application/json" id="data">{_data(groups, of, decisions)}</script>\n'
        f'<script type="module">{script}</script>\n</body>\n</html>\n'
    )


def _fitting(groups: Sequence[DuplicateGroup]) -> Sequence[DuplicateGroup]:
    count = pictures = 0
    for group in groups[:MOST_GROUPS]:
        pictures += len(group.members)
        if count and pictures > MOST_PICTURES:
            break
        count += 1
    return groups[:count]


def _web(file: str) -> str:
    text = (files("seealike.duplicates") / "web" / file).read_text(encoding="utf-8")
    return text.replace("\r\n", "\n")


def _data(groups: Sequence[DuplicateGroup], of: str, decisions: Decisions) -> str:
    """What the script works with; no text in it can end its element."""
    data = {
        "memory": f"seealike-duplicates-{hashlib.sha256(os.fsencode(os.path.abspath(of))).hexdigest()[:16]}",
        "format": MARK,
        "version": VERSION,
        "before": as_plain(decisions),
        "groups": [
            {
                "members": contents_as_plain((member.item.id, member.sha256) for member in group.members),
                "kept": [place for place, member in enumerate(group.members) if member.kept],
                "decided": group.decided,
            }
            for group in groups
        ],
    }
    return json.dumps(data, ensure_ascii=True, separators=(",", ":")).replace("<", "\\u003c")


def _header(report: DuplicateReport, shown: int) -> str:
    dropped = [member for group in report.groups for member in group.dropped]
    size = sum(member.size_bytes or 0 for member in dropped) / 1e6
    told = f"{counted(len(report.groups), 'group')} among {counted(report.items, 'picture')}"
    meant = "In each group every picture is alike one of them, and a rule has chosen the one to keep."
    safe = "Change what you like: nothing moves before you run a command with what you saved here."
    notes = [f"{told}. {meant} {safe}"]
    if shown < len(report.groups):
        notes.append(f"The first {shown:,} groups are shown: move these, index, and make the page again.")
    if report.unsigned:
        lack = counted(report.unsigned, "picture has no signature", "pictures have no signature")
        notes.append(f"{lack} yet and were only compared by their bytes; seealike index makes it.")
    facts = "".join(
        f"<div><dd>{escaped(value)}</dd><dt>{escaped(label)}</dt></div>"
        for value, label in (
            (f"{len(report.groups):,}", "groups"),
            (f"{len(dropped):,}", "pictures to move away"),
            (f"{size:,.1f} MB", "they take"),
        )
    )
    text = "".join(f'<p class="subtitle">{escaped(note)}</p>' for note in notes if report.groups)
    facts = f'<dl class="facts">{facts}</dl>' if report.groups else ""
    return f"<header>{brand()}<h1>{escaped(_TITLE)}</h1>{text}{facts}</header>"


def _group(number: int, group: DuplicateGroup, thumbnails: Thumbnails[str], album: Album, page: str) -> str:
    cards = "".join(
        _card(number, place, member, group, thumbnails, album, page)
        for place, member in enumerate(group.members)
    )
    weakest = group.weakest.link
    alike = _WORDS[weakest.level] + (
        "" if weakest.level is Level.EXACT else f", {weakest.likeness:.2f} at least"
    )
    return (
        f'<section class="result group" id="g{number}" aria-labelledby="h{number}"><div class="heading">'
        f'<h2 id="h{number}">{counted(len(group.members), "picture")}</h2>'
        f'<p class="note">{escaped(alike)}</p>'
        '<p class="state"></p><div class="tools"><button type="button" class="all">Keep all</button>'
        '<button type="button" class="rule">As the rule says</button>'
        '<button type="button" class="done">Done</button></div></div>'
        f'<ul class="cards">{cards}</ul></section>'
    )


def _card(
    number: int,
    place: int,
    member: Member,
    group: DuplicateGroup,
    thumbnails: Thumbnails[str],
    album: Album,
    page: str,
) -> str:
    item = member.item
    kind = album.name_of(thumbnails.of(item.path))
    link = "" if item.path is None else relative_link(item.path, page)
    spoken = escaped(item.id)
    shown = (
        f'<button type="button" class="view open" data-file="{escaped(link)}" '
        f'aria-label="Open {spoken} large"></button>'
        if kind is not None
        else GONE
    )
    size = "file gone" if member.size_bytes is None else _size(member.size_bytes)
    facts = " · ".join(filter(None, (f"{item.width_px} × {item.height_px}", size, member.format)))
    alike = (
        "the others are compared with this one"
        if member.kept
        else f"{_WORDS[member.link.level]}, {member.link.likeness:.2f}"
    )
    weakest = " weakest" if member is group.weakest and not member.kept else ""
    pressed = "true" if member.kept else "false"
    return (
        f'<li class="card"><figure><div class="frame"><div class="picture {kind or ""}">{shown}</div></div>'
        f"<figcaption>{name(item.id)}"
        f'<span class="detail">{escaped(facts)}</span>'
        f'<span class="detail alike{weakest}">{escaped(alike)}</span>'
        f'<span class="detail why">{escaped(member.why)}</span></figcaption></figure>'
        f'<button type="button" class="choice" id="c{number}-{place}" aria-pressed="{pressed}" '
        f'aria-label="Keep {spoken}"></button></li>'
    )


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.1f} MB" if size_bytes >= 100_000 else f"{size_bytes / 1e3:.1f} kB"


def _empty(report: DuplicateReport) -> str:
    return (
        f'<p class="empty">Nothing is there twice among {escaped(counted(report.items, "picture"))}'
        + ("; --level product also finds pictures of one product." if report.items else ".")
        + "</p>"
    )
