"""Answers as a page of pictures, for people to look at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from seealike.catalog.hits import Asked, AskedWith, Hits
from seealike.catalog.options import CatalogInfo
from seealike.catalog.outputs.places import OutputFile
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
from seealike.recommend import Combine, SearchOptions
from seealike.signatures import palette_colours
from seealike.types import Hit, Item, Progress, ProgressCallback, unwatched
from seealike.wording import counted

_EXPLAINED = (
    "Bright is what makes two pictures alike, dark what adds little. The small picture is the query's part "
    "in it; the white frames are the two regions that answer to each other most."
)
_EXPLAINED_TOGETHER = "Bright is what makes a picture like all that was asked with, dark what adds little."
_SEEN = "Only what is framed in the query was looked at."


@dataclass(frozen=True, slots=True)
class ResultsLook:
    """How a results page looks.

    Args:
        title: its heading.
        caption: the column that pictures are called by; by default ``name`` or ``title``, where it is there.
        links: whether pictures lead to their files.
        took_s: how long the answers took.
        note: a last line.
    """

    title: str = "What else looks like this?"
    caption: str | None = None
    links: bool = True
    took_s: float | None = None
    note: str = ""


class ShownCatalog(Protocol):
    """What a page needs of a catalogue."""

    @property
    def path(self) -> str:
        """Its directory."""

    def item(self, item_id: str) -> Item:
        """The item with this id."""

    def info(self) -> CatalogInfo:
        """What it holds."""

    def thumbnail(self, image: str | bytes, side_px: int = 240) -> bytes:
        """A small picture of a file."""


def write_results_page(
    catalog: ShownCatalog,
    output: OutputFile,
    answers: Sequence[Hits],
    look: ResultsLook,
    *,
    progress: ProgressCallback = unwatched,
) -> None:
    """Write a self-contained page; whole or not at all.

    Raises:
        UnknownItemError: an item that was asked with is gone.
        UsageError: the file must not be written, or no item on the page has the column asked for.
        StorageError: the disk refused.
    """
    output.check(catalog.path)
    questions = [_Question.of(hits.asked, catalog) for hits in answers]
    _check_caption(look.caption, questions, answers)
    shown = shown_with_pictures([[hit.id for hit in hits] for hits in answers])
    thumbnails: Thumbnails[str | bytes] = Thumbnails(catalog.thumbnail)
    hit_files = [hit.path for hits, count in zip(answers, shown, strict=True) for hit in hits[:count]]
    named = [*(file for question in questions for file in question.files), *hit_files]
    files = list(dict.fromkeys(file for file in named if file is not None))
    thumbnails.fit(files)
    for done, file in enumerate(files):
        progress(Progress("pictures", done, len(files)))
        thumbnails.of(file)
    describe = Describer(thumbnails, caption=look.caption, page=output.path if look.links else None)
    sections = tuple(
        _section(question, hits, count, describe)
        for question, hits, count in zip(questions, answers, shown, strict=True)
    )
    info = catalog.info()
    options = answers[0].asked.options if answers else SearchOptions()
    page = GalleryPage(
        title=look.title,
        subtitle=_subtitle(info.items, options),
        sections=sections,
        items=info.items,
        skipped_by_reason={reason.value: count for reason, count in info.skipped_by_reason.items()},
        encoder=info.encoder.name,
        took_s=look.took_s,
        metric=options.metric,
        colour_share=options.colour_share,
        note=look.note,
    )
    output.write(render_gallery(page).encode("utf-8", "backslashreplace"), catalog.path)


@dataclass(frozen=True, slots=True)
class _Question:
    """What was asked, with the items that were named."""

    asked: Asked
    items: Mapping[str, Item]

    @classmethod
    def of(cls, asked: Asked, catalog: ShownCatalog) -> _Question:
        ids = [one.id for one in (*asked.like, *asked.dislike) if one.id is not None]
        return cls(asked, {item_id: catalog.item(item_id) for item_id in ids})

    @property
    def files(self) -> list[str | bytes | None]:
        pictures = [one.image for one in (*self.asked.like, *self.asked.dislike)]
        return [*(item.path for item in self.items.values()), *pictures]

    @property
    def groups(self) -> set[str]:
        liked = [self.items[one.id].group for one in self.asked.like if one.id is not None]
        return {group for group in liked if group is not None}

    def shown(self, describe: Describer) -> tuple[GalleryPicture, ...]:
        return (
            *(self._shown(one, describe, "liked" if self.asked.dislike else "") for one in self.asked.like),
            *(replace(self._shown(one, describe, "not"), disliked=True) for one in self.asked.dislike),
            *_palette(self.asked.options.palette),
        )

    def _shown(self, one: AskedWith, describe: Describer, label: str) -> GalleryPicture:
        if one.weight != 1.0:
            label = f"{label} \N{MULTIPLICATION SIGN}{one.weight:g}".strip()
        if one.id is not None:
            return replace(describe.item(self.items[one.id], label=label), seen=one.seen)
        words = one.words if one.product is None else f"product {one.product}"
        if words is not None:
            return GalleryPicture(words, words=words, label=label)
        name = one.image if isinstance(one.image, str) else "the given picture"
        return replace(describe.file(name, one.image, label=label), seen=one.seen)


def _palette(text: str | None) -> Iterator[GalleryPicture]:
    """The colours that were asked for."""
    if text is None:
        return
    wanted = palette_colours(text)
    said = ", ".join(
        f"{one.name} \N{MULTIPLICATION SIGN}{one.weight:g}" if one.weight != 1 else one.name for one in wanted
    )
    whole = sum(one.weight for one in wanted)
    stripes = tuple(("#{:02x}{:02x}{:02x}".format(*one.rgb), one.weight / whole) for one in wanted)
    yield GalleryPicture(text, said, label="colours", palette=stripes)


def _section(question: _Question, hits: Hits, pictured: int, describe: Describer) -> GallerySection:
    groups, asked = question.groups, question.shown(describe)
    explained = [hit.explanation for hit in hits if hit.explanation is not None]
    shown = (describe.item(hit, groups=groups, pictured=place < pictured) for place, hit in enumerate(hits))
    return GallerySection(
        asked,
        tuple(
            describe.because(hit, one, next(iter(asked), None)) for hit, one in zip(hits, shown, strict=True)
        ),
        note=" ".join(
            said
            for said, is_so in (
                (_SEEN, any(picture.seen for picture in asked)),
                (_EXPLAINED, any(why.query for why in explained)),
                (_EXPLAINED_TOGETHER, any(why.examples for why in explained)),
            )
            if is_so
        ),
        empty=f"{': '.join(filter(None, ('Nothing similar', hits.asked.why_empty)))}.",
    )


def _subtitle(items: int, options: SearchOptions) -> str:
    """What is on the page: the closest in their order, or what else was asked for."""
    said = {
        options.condition: options.narrows,
        f"diversity {options.diversity:g}": options.diversity > 0,
        "nearly equal ones once": options.dedup is not None,
        "less of what is similar to everything": options.hub_correction,
        " and ".join(f"{column} weighing {weight:g}" for column, weight in options.boost): bool(
            options.boost
        ),
        f"newness weighing {options.recent:g}": options.recent != 0,
        f"colours counting {options.colour_share:.0%}": 0 < options.colour_share < 1,
        "nothing but colours counting": options.colour_share == 1,
        "each example's neighbours in turns": options.combine is Combine.EACH,
    }
    asked = ", ".join(words for words, is_asked in said.items() if is_asked)
    return f"The most alike of {counted(items, 'picture')}, {f'with {asked}' if asked else 'closest first'}."


def _check_caption(column: str | None, questions: Sequence[_Question], answers: Sequence[Hits]) -> None:
    shown: list[Item | Hit] = [item for question in questions for item in question.items.values()]
    shown += [hit for hits in answers for hit in hits]
    columns = {name for one in shown for name in one.metadata}
    if column is not None and shown and column not in columns:
        known = ", ".join(sorted(columns)) or "none"
        raise UsageError(f"no picture on the page has a column {column!r}; there are {known}")
