"""Result pages: hits of the facade as a gallery page, with thumbnails made on the spot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import click

from seealike.catalog import Catalog
from seealike.catalog.output_kinds import RESULTS_PAGE
from seealike.catalog.outputs import OutputFile
from seealike.cli.outputs import output_option, write_text
from seealike.errors import UsageError
from seealike.gallery import (
    Describer,
    GalleryPage,
    GalleryPicture,
    GallerySection,
    Thumbnails,
    render_gallery,
    shown_with_pictures,
)
from seealike.types import Hit, Item, Metric
from seealike.wording import counted

Function = TypeVar("Function", bound=Callable[..., object])


@dataclass(frozen=True, slots=True)
class Query:
    """What was asked with: items, pictures under their names, or words; and what answers are to be unlike."""

    items: tuple[Item, ...] = ()
    pictures: tuple[tuple[str, str | bytes], ...] = ()
    words: str = ""
    disliked: tuple[Item, ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """What to show. ``metric`` says what the scores mean."""

    title: str
    answers: Sequence[tuple[Query, Sequence[Hit]]]
    took_s: float
    min_score: float | None
    metric: Metric = Metric.COSINE
    note: str = ""


@dataclass(frozen=True, slots=True)
class Gallery:
    """Where a page goes, which column its items are called by, and whether it links to their files."""

    output: OutputFile
    caption: str | None
    links: bool


def gallery_options(text: str) -> Callable[[Function], Function]:
    """``--gallery FILE.html``, ``--caption COLUMN`` and ``--no-links``; see ``asked_gallery``."""
    file = output_option("--gallery", kind=RESULTS_PAGE, metavar="FILE.html", text=text)
    caption = click.option(
        "--caption",
        metavar="COLUMN",
        help="With --gallery: what pictures are called by.  [default: name or title]",
    )
    links = click.option("--no-links", is_flag=True, help="With --gallery: no links to the files.")
    return lambda function: file(caption(links(function)))


def asked_gallery(output: OutputFile | None, caption: str | None, *, no_links: bool) -> Gallery | None:
    """What the options of ``gallery_options`` ask for.

    Raises:
        click.UsageError: they say how a page looks, but not where it goes.
    """
    if output is not None:
        return Gallery(output, caption, not no_links)
    if caption is not None or no_links:
        raise click.UsageError("--caption and --no-links go with --gallery FILE.html")
    return None


def write_page(gallery: Gallery, catalog: Catalog, page: Page, *, quiet: bool) -> None:
    """Write the page; whole or not at all.

    Raises:
        UsageError: the file must not be written, or no item on the page has the column asked for.
        StorageError: the disk refused.
    """
    _check_caption(gallery.caption, page)
    info = catalog.info()
    shown = shown_with_pictures([[hit.id for hit in hits] for _, hits in page.answers])
    thumbnails: Thumbnails[str | bytes] = Thumbnails(catalog.thumbnail)
    thumbnails.fit(
        [
            file
            for (query, hits), count in zip(page.answers, shown, strict=True)
            for file in (*_files(query), *(hit.path for hit in hits[:count]))
        ]
    )
    describe = Describer(
        thumbnails, caption=gallery.caption, page=gallery.output.path if gallery.links else None
    )
    empty = "Nothing similar was found."
    if page.min_score is not None:
        empty = f"Nothing similar with a score of {page.min_score:g} or more."
    html = render_gallery(
        GalleryPage(
            title=page.title,
            subtitle=f"The most alike of {counted(info.items, 'picture')}, closest first.",
            sections=tuple(
                GallerySection(_queries(query, describe), _hits(query, hits, count, describe), empty=empty)
                for (query, hits), count in zip(page.answers, shown, strict=True)
            ),
            items=info.items,
            skipped_by_reason={reason.value: count for reason, count in info.skipped_by_reason.items()},
            encoder=info.encoder.name,
            took_s=page.took_s,
            metric=page.metric,
            note=page.note,
        )
    )
    write_text(gallery.output, html, catalog, quiet=quiet)


def _check_caption(column: str | None, page: Page) -> None:
    columns: set[str] = set()
    for query, hits in page.answers:
        columns.update(*(item.metadata for item in query.items), *(hit.metadata for hit in hits))
    if column is not None and columns and column not in columns:
        known = ", ".join(sorted(columns))
        raise UsageError(f"no picture on the page has a column {column!r}; there are {known}")


def _files(query: Query) -> list[str | bytes | None]:
    return [
        *(item.path for item in (*query.items, *query.disliked)),
        *(picture for _, picture in query.pictures),
    ]


def _queries(query: Query, describe: Describer) -> tuple[GalleryPicture, ...]:
    return (
        *(describe.item(item, label="liked" if query.disliked else "") for item in query.items),
        *(describe.file(name, picture) for name, picture in query.pictures),
        *([GalleryPicture(query.words, words=query.words)] if query.words else ()),
        *(replace(describe.item(item, label="not"), disliked=True) for item in query.disliked),
    )


def _hits(
    query: Query, hits: Sequence[Hit], with_picture: int, describe: Describer
) -> tuple[GalleryPicture, ...]:
    groups = {item.group for item in query.items if item.group is not None}
    return tuple(
        describe.item(hit, groups=groups, pictured=place < with_picture) for place, hit in enumerate(hits)
    )
