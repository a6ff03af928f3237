"""Items and hits as captioned pictures of a page: what they are called, their columns, their files."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import replace
from urllib.parse import quote

from seealike.gallery.page import GalleryPicture
from seealike.gallery.text import shortened
from seealike.gallery.thumbnails import Thumbnails
from seealike.objects import is_address
from seealike.types import Hit, Item, Metadata, MetadataValue

SAME_GROUP = "same product"
_NAMES = ("name", "title")
_COLUMNS = 4
_COLUMN_LENGTH = 32
_FIRST = "price"


class Describer:
    """Makes the pictures of one page."""

    def __init__(
        self, thumbnails: Thumbnails[str | bytes], *, caption: str | None = None, page: str | None = None
    ) -> None:
        """Take notes of how items are shown.

        Args:
            thumbnails: of their files.
            caption: the column that items are called by; by default ``name`` or ``title``, where it is there.
            page: where the page will be, if it is to have links to the files.
        """
        self._thumbnails, self._caption, self._page = thumbnails, caption, page

    def item(
        self, item: Item | Hit, *, label: str = "", groups: Collection[str] = (), pictured: bool = True
    ) -> GalleryPicture:
        """An item or a hit.

        Args:
            item: what is shown.
            label: a word or two on the picture.
            groups: of the query; a hit of one of them is said to be of the same product, where ``label`` says
                nothing else.
            pictured: whether a thumbnail is needed.
        """
        column = self._caption or next((c for c in item.metadata if c.lower() in _NAMES), None)
        name = _text(item.metadata.get(column)) if column is not None else ""
        return GalleryPicture(
            item.id,
            name or item.id,
            item.id if name and name != item.id else "",
            label or _chip(item, groups),
            item.score if isinstance(item, Hit) else None,
            self._thumbnails.of(item.path) if pictured else None,
            columns=_columns(item.metadata, column),
            link=self._link(item.path),
            stands_for=_stands_for(item),
            made_of=_made_of(item),
        )

    def because(self, hit: Hit, shown: GalleryPicture, query: GalleryPicture | None) -> GalleryPicture:
        """A hit as it is ``shown``, with why it is one: what its places, and those of ``query``, add."""
        why = hit.explanation
        if why is None:
            return shown
        pictured = shown.thumbnail is not None and query is not None and why.query is not None
        best = why.pairs[:1]
        inset = None
        if pictured and query is not None:
            inset = replace(query, heat=why.query, seen=None, label="", regions=tuple(p.query for p in best))
        regions = tuple(pair.hit for pair in best)
        return replace(shown, heat=why.hit, regions=regions, because=inset, problem=why.problem)

    def file(self, name: str, picture: str | bytes | None, *, label: str = "") -> GalleryPicture:
        """A file, or encoded bytes, under its name."""
        path = picture if isinstance(picture, str) else None
        return GalleryPicture(
            name,
            os.path.basename(name) if path else name,
            os.path.dirname(name) if path else "",
            label,
            thumbnail=self._thumbnails.of(picture),
            link=self._link(path),
        )

    def _link(self, path: str | None) -> str:
        return relative_link(path, self._page) if path is not None and self._page is not None else ""


def relative_link(path: str, page: str) -> str:
    """The address of a file as seen from a page; empty where there is none, as between drives of Windows.

    Pictures that are in no file, but in an archive, a table or an engine, have none.
    """
    if is_address(path):
        return ""
    try:
        relative = os.path.relpath(path, os.path.dirname(os.path.abspath(page)))
    except ValueError:
        return ""
    return quote(os.fsencode(relative.replace(os.sep, "/")), safe="/")


def _chip(item: Item | Hit, groups: Collection[str]) -> str:
    """What a hit is to the query, in a few words."""
    if item.group is not None and item.group in groups:
        return SAME_GROUP
    if isinstance(item, Hit) and item.relation is not None and item.probability is not None:
        return f"{item.relation.words} {item.probability:.0%}"
    return ""


def _made_of(item: Item | Hit) -> str:
    """What its colours have in a hit's score, where it is not all."""
    if not isinstance(item, Hit) or item.colour is None or not round(alike := item.score - item.colour, 3):
        return ""
    return f"shape {alike:.3f}, colours {item.colour:+.3f}"


def _stands_for(item: Item | Hit) -> str:
    """What a hit stands for beside itself, and which catalogue it is of."""
    said: list[str] = []
    if isinstance(item, Hit):
        said += [f"1 of {item.others + 1} pictures"] if item.others else []
        said += [f"1 of {item.near + 1} nearly equal"] if item.near else []
        said += [item.catalog] if item.catalog else []
    return " · ".join(said)


def _columns(metadata: Metadata, caption: str | None) -> str:
    """The first few other columns that say something, the price before all; texts speak for themselves."""
    told = [(name, value) for name, value in metadata.items() if name != caption and _text(value)]
    told.sort(key=lambda column: column[0].lower() != _FIRST)
    return "\N{NO-BREAK SPACE}· ".join(
        shortened(value if isinstance(value, str) else f"{name} {_text(value)}", _COLUMN_LENGTH)
        for name, value in told[:_COLUMNS]
    )


def _text(value: MetadataValue) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and value.is_integer():
        return f"{value:.0f}"
    return "" if value is None else str(value)
