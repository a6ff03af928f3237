"""Result pages: hits of the facade as a gallery page, with thumbnails made on the spot."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from seealike.catalog import Catalog
from seealike.catalog.outputs import OutputFile
from seealike.cli.outputs import write_text
from seealike.errors import PictureError
from seealike.gallery import GalleryPage, GalleryPicture, GallerySection, picture_budget, render_gallery
from seealike.types import Hit, Metric
from seealike.wording import counted

THUMBNAIL_PX = 240


@dataclass(frozen=True, slots=True)
class Query:
    """What was asked with: pictures' names, and paths or encoded bytes where there are any; or words."""

    pictures: tuple[tuple[str, str | bytes | None], ...]
    words: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """What to show. ``metric`` says what the scores mean."""

    title: str
    answers: Sequence[tuple[Query, Sequence[Hit]]]
    took_s: float
    min_score: float | None
    metric: Metric = Metric.COSINE
    note: str = ""


def write_page(output: OutputFile, catalog: Catalog, page: Page, *, quiet: bool) -> None:
    """Write the page; whole or not at all.

    Raises:
        UsageError: the file must not be written.
        StorageError: the disk refused.
    """
    info = catalog.info()
    shown = picture_budget([len(hits) for _, hits in page.answers])
    empty = "Nothing similar was found."
    if page.min_score is not None:
        empty = f"Nothing similar with a score of {page.min_score:g} or more."
    html = render_gallery(
        GalleryPage(
            title=page.title,
            subtitle=f"The most alike of {counted(info.items, 'picture')}, closest first.",
            sections=tuple(
                GallerySection(
                    tuple(_queries(catalog, query)), tuple(_hits(catalog, hits, count)), empty=empty
                )
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
    write_text(output, html, catalog, quiet=quiet)


def _queries(catalog: Catalog, query: Query) -> Iterator[GalleryPicture]:
    for name, picture in query.pictures:
        is_file = picture == name  # then the folder is a detail
        yield GalleryPicture(
            id=name,
            caption=os.path.basename(name) if is_file else "",
            detail=os.path.dirname(name) if is_file else "",
            thumbnail=_thumbnail(catalog, picture),
        )
    if query.words:
        yield GalleryPicture(id=query.words, words=query.words)


def _hits(catalog: Catalog, hits: Sequence[Hit], with_picture: int) -> Iterator[GalleryPicture]:
    for place, hit in enumerate(hits):
        thumbnail = _thumbnail(catalog, hit.path) if place < with_picture else None
        yield GalleryPicture(id=hit.id, score=hit.score, detail=hit.group or "", thumbnail=thumbnail)


def _thumbnail(catalog: Catalog, picture: str | bytes | None) -> bytes | None:
    if picture is None:
        return None
    try:
        return catalog.thumbnail(picture, THUMBNAIL_PX)
    except PictureError:
        return None
