"""A gallery page to one self-contained HTML text."""

from __future__ import annotations

import base64
import hashlib
import os
from dataclasses import replace
from importlib.resources import files

from seealike.gallery.album import Album, frame_shape
from seealike.gallery.page import (
    Command,
    Fact,
    GalleryChart,
    GalleryList,
    GalleryPage,
    GalleryPicture,
    GallerySection,
    Link,
    PageKind,
)
from seealike.gallery.picture import figure, name, score_rules, score_text
from seealike.gallery.table import figures
from seealike.gallery.text import duration, escaped, shortened, visible
from seealike.gallery.thumbnails import shown_with_pictures
from seealike.types import Metric, Skipped
from seealike.wording import counted

_CONTENTS_FROM = 3  # sections, for which a table of contents is worth its space
_CHIPS_UP_TO = 12
_NAMES_A_LIST = 2000  # hits listed by name only, after those with pictures
_SHAPE_SAMPLE = 60
_MARK = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">'
    '<circle cx="12" cy="16" r="10" fill="#0e7a70"/>'
    '<circle cx="21" cy="16" r="10" fill="#e59a5b" fill-opacity=".85"/></svg>'
)


def render_gallery(page: GalleryPage) -> str:
    """Return the page as HTML that needs no network, no script and no other file."""
    shown = shown_with_pictures([[hit.id for hit in section.hits] for section in page.sections])
    album = Album(frame_shape(_some_thumbnails(page.sections)))
    sections = "".join(
        _section(section, index, count, page.metric, album)
        for index, (section, count) in enumerate(zip(page.sections, shown, strict=True), start=1)
    )
    style = "\n".join((stylesheet(), score_rules(), album.css()))
    body = "".join(
        (
            '<a class="skip" href="#results">Skip to the results</a>',
            _header(page),
            _charts(page.charts),
            "".join(map(figures, page.tables)),
            _contents(page.sections),
            f'<main id="results">{sections}</main>',
            _commands(page.commands),
            _skipped_files(page.skipped),
            _footer(page),
        )
    )
    head = html_head(page.title, page.kind, style)
    return f'<!doctype html>\n<html lang="en">\n{head}\n<body>{body}</body>\n</html>\n'


def stylesheet() -> str:
    """The style of all pages of pictures."""
    return f"{base_style()}\n{_style('style.css')}"


def base_style() -> str:
    """Colours, type and focus, as every page has them."""
    return _style("base.css")


def _style(name: str) -> str:
    return (files("seealike.gallery") / name).read_text(encoding="utf-8").replace("\r\n", "\n")


def html_head(title: str, kind: PageKind, style: str, *, script: str = "", pictures: str = "data:") -> str:
    """Return the head of a page: nothing but its own style and script, and such pictures, is let in.

    Args:
        title: of the browser's window.
        kind: what the page is for.
        style: its style sheet.
        script: what stands in its only script element, if it has one.
        pictures: where pictures may come from, as a content security policy says it.
    """
    scripts = f"script-src 'sha256-{_digest(script)}'; " if script else ""
    policy = (
        f"default-src 'none'; img-src {pictures}; style-src 'sha256-{_digest(style)}'; {scripts}"
        "base-uri 'none'; form-action 'none'"
    )
    icon = base64.b64encode(_MARK.encode()).decode("ascii")
    return (
        '<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<meta name="referrer" content="no-referrer">\n'
        f'<meta name="generator" content="{kind.generator}">\n<title>{escaped(title)}</title>\n'
        f'<link rel="icon" href="data:image/svg+xml;base64,{icon}">\n<style>{style}</style>\n</head>'
    )


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def _header(page: GalleryPage) -> str:
    subtitle = f'<p class="subtitle">{escaped(page.subtitle)}</p>' if page.subtitle else ""
    return (
        f"<header>{brand()}<h1>{escaped(page.title)}</h1>"
        f"{subtitle}{_facts(page.facts)}{_links(page.links)}</header>"
    )


def brand() -> str:
    """The mark and the name."""
    mark = _MARK.replace("<svg ", '<svg aria-hidden="true" ', 1)
    return f'<p class="brand">{mark}seealike</p>'


def _links(links: tuple[Link, ...]) -> str:
    if not links:
        return ""
    items = "".join(f'<li><a href="{escaped(one.address)}">{escaped(one.text)}</a></li>' for one in links)
    return f'<ul class="links">{items}</ul>'


def _facts(facts: tuple[Fact, ...]) -> str:
    if not facts:
        return ""
    rows = "".join(f"<div><dd>{escaped(f.value)}</dd><dt>{escaped(f.label)}</dt></div>" for f in facts)
    return f'<dl class="facts">{rows}</dl>'


def _charts(charts: tuple[GalleryChart, ...]) -> str:
    return f'<div class="charts">{"".join(map(_chart, charts))}</div>' if charts else ""


def _chart(chart: GalleryChart) -> str:
    note = f'<p class="note">{escaped(chart.note)}</p>' if chart.note else ""
    return f'<section class="figures"><h2>{escaped(chart.title)}</h2>{note}{chart.svg}</section>'


def _contents(sections: tuple[GallerySection, ...]) -> str:
    if len(sections) < _CONTENTS_FROM:
        return ""
    links = "".join(
        f'<li><a href="#s{index}"><bdi>{escaped(shortened(visible(_title(section)), 40))}</bdi></a></li>'
        for index, section in enumerate(sections, start=1)
    )
    if len(sections) <= _CHIPS_UP_TO:
        return f'<nav class="contents" aria-label="Contents"><ul>{links}</ul></nav>'
    return (
        '<nav class="contents many" aria-label="Contents"><details>'
        f"<summary>All {counted(len(sections), 'query', 'queries')}</summary><ol>{links}</ol></details></nav>"
    )


def _title(section: GallerySection) -> str:
    if section.title or not section.query:
        return section.title or "Results"
    pictures = [picture for picture in section.query if not picture.palette]
    liked = [picture for picture in pictures if not picture.disliked]
    disliked = [picture for picture in pictures if picture.disliked]
    wanted = [_first_and_more(liked)] if liked else []
    wanted += [picture.caption for picture in section.query if picture.palette]
    return " but not ".join([" in ".join(wanted), *([_first_and_more(disliked)] if disliked else [])])


def _first_and_more(pictures: list[GalleryPicture]) -> str:
    first = pictures[0].caption or pictures[0].id
    return first if len(pictures) == 1 else f"{first} and {len(pictures) - 1} more"


def _section(section: GallerySection, index: int, shown: int, metric: Metric, album: Album) -> str:
    title = visible(_title(section))
    note = f'<p class="note">{escaped(section.note)}</p>' if section.note else ""
    several = " several" if sum(not picture.palette for picture in section.query) > 1 else ""
    query = "".join(
        figure(replace(picture, label=picture.label or "query"), metric, album) for picture in section.query
    )
    return (
        f'<section class="result" id="s{index}" aria-labelledby="h{index}"><div class="heading">'
        f'<h2 id="h{index}" title="{escaped(title)}"><bdi>{escaped(shortened(title, 72))}</bdi></h2>'
        f"{note}</div>"
        f'<div class="row"><div class="query{several}">{query}</div>'
        f'<div class="answers">{_answers(section, shown, metric, album)}</div></div></section>'
    )


def _answers(section: GallerySection, shown: int, metric: Metric, album: Album) -> str:
    if section.lists:
        lists = "".join(_list(part, metric, album, section.empty) for part in section.lists)
        return f'<div class="lists">{lists}</div>'
    if not section.hits:
        return f'<p class="empty">{escaped(section.empty)}</p>'
    cards = "".join(
        f"<li>{figure(hit, metric, album, rank=rank)}</li>"
        for rank, hit in enumerate(section.hits[:shown], start=1)
    )
    return f'<ol class="hits">{cards}</ol>{_more(section.hits[shown:], shown)}'


def _list(part: GalleryList, metric: Metric, album: Album, empty: str) -> str:
    """Return the answers of one of several parties."""
    cards = "".join(
        f"<li>{figure(hit, metric, album, rank=rank)}</li>" for rank, hit in enumerate(part.hits, start=1)
    )
    note = f'<p class="note">{escaped(part.note)}</p>' if part.note else ""
    answers = f'<ol class="hits">{cards}</ol>' if cards else f'<p class="empty">{escaped(empty)}</p>'
    return f'<div class="list"><div class="who"><h3>{name(part.title)}</h3>{note}</div>{answers}</div>'


def _more(hits: tuple[GalleryPicture, ...], shown: int) -> str:
    """List hits by name, after those that have a picture on the page."""
    if not hits:
        return ""
    lines = "".join(
        f"<li><bdi>{escaped(hit.id)}</bdi> <b>{score_text(hit.score)}</b></li>"
        for hit in hits[:_NAMES_A_LIST]
    )
    unnamed = len(hits) - _NAMES_A_LIST
    rest = f"<p>{counted(unnamed, 'further result')} not listed on this page.</p>" if unnamed > 0 else ""
    return (
        f'<details class="more"><summary>The {shown:,} closest are shown with pictures; '
        f'{len(hits):,} more by name</summary><ol start="{shown + 1}">{lines}</ol>{rest}</details>'
    )


def _some_thumbnails(sections: tuple[GallerySection, ...]) -> list[bytes]:
    """Some of the pictures, which decide about the frames' shape."""
    pictures = (picture for section in sections[:_SHAPE_SAMPLE] for picture in _some_pictures(section))
    return [picture.thumbnail for picture in pictures if picture.thumbnail][:_SHAPE_SAMPLE]


def _some_pictures(section: GallerySection) -> tuple[GalleryPicture, ...]:
    hits = section.lists[0].hits if section.lists else section.hits
    return (*section.query, *hits)[:8]


def _commands(commands: tuple[Command, ...]) -> str:
    if not commands:
        return ""
    steps = "".join(
        f"<li><p>{escaped(command.purpose)}</p><pre><code>{_words(command.text)}</code></pre></li>"
        for command in commands
    )
    return (
        '<section class="try" aria-labelledby="try"><h2 id="try">Now with your own pictures</h2>'
        f"<ol>{steps}</ol></section>"
    )


def _words(command: str) -> str:
    """Keep the words of a command whole: a browser would break ``--name`` after its hyphens."""
    return " ".join(f"<span>{escaped(word)}</span>" for word in command.split(" "))


def _skipped_files(skipped: tuple[Skipped, ...]) -> str:
    if not skipped:
        return ""
    rows = "".join(
        f"<tr><td>{name(_file_name(file))}</td><td>{escaped(_reason(file.reason.value))}</td>"
        f"<td>{escaped(file.detail)}</td></tr>"
        for file in skipped[:_NAMES_A_LIST]
    )
    return (
        '<section class="skipped" aria-labelledby="skipped"><h2 id="skipped">'
        f"Skipped: {counted(len(skipped), 'file')}</h2><p>A file that cannot be read never stops a run. "
        "It is left out and listed with its reason.</p><table><thead><tr><th>File</th><th>Reason</th>"
        f"<th>Detail</th></tr></thead><tbody>{rows}</tbody></table></section>"
    )


def _file_name(file: Skipped) -> str:
    """Return the id where it says the file's name already, otherwise both."""
    base = os.path.basename(file.path)
    return file.id if base in file.id else f"{base} ({file.id})"


def _reason(reason: str) -> str:
    return reason.replace("_", " ")


def _footer(page: GalleryPage) -> str:
    facts = []
    if page.items is not None:
        facts.append(f"{counted(page.items, 'picture')} searched")
    if page.skipped_by_reason:
        counts = ", ".join(f"{count:,} {_reason(reason)}" for reason, count in page.skipped_by_reason.items())
        facts.append(f"{sum(page.skipped_by_reason.values()):,} skipped ({counts})")
    if page.encoder:
        facts.append(f"encoder {page.encoder}")
    if page.took_s is not None:
        facts.append(f"took {duration(page.took_s)}")
    lines = [
        " · ".join(facts),
        page.note,
        f"{_scale(page.metric, page.colour_share)} This page is complete in itself and loads nothing.",
    ]
    return "<footer>" + "".join(f"<p>{escaped(line)}</p>" for line in lines if line) + "</footer>"


def _scale(metric: Metric, colour_share: float) -> str:
    """What scores mean."""
    alike, identical = (
        ("cosine similarity", 1) if metric is Metric.COSINE else ("minus the Euclidean distance", 0)
    )
    if colour_share == 1:
        return "Scores say how alike the colours are: 1 is the same, 0 has nothing in common."
    if colour_share:
        shape = f"{1 - colour_share:.0%} {alike}"
        return f"Scores are {shape} and {colour_share:.0%} likeness of colours, brought to its scale."
    return f"Scores are {alike.replace('similarity', 'similarities')}: {identical} is identical."
