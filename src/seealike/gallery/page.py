"""What a gallery page says, as plain values. All text is raw: escaping is the renderer's business."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from seealike.types import Metric, Skipped


@dataclass(frozen=True, slots=True)
class GalleryPicture:
    """One picture with its caption.

    Args:
        id: the item's id, or the file's name.
        caption: what people call it; the id where empty.
        detail: a quieter second line.
        label: one or two words on the picture, such as ``liked``.
        score: as in a hit; ``None`` for a query.
        thumbnail: JPEG, PNG or WebP bytes; ``None`` shows that the file is gone.
    """

    id: str
    caption: str = ""
    detail: str = ""
    label: str = ""
    score: float | None = None
    thumbnail: bytes | None = None


@dataclass(frozen=True, slots=True)
class GallerySection:
    """One question and its answers, best first.

    Args:
        query: the picture or pictures that were asked with.
        hits: the answers.
        title: the section's heading; the first query's caption where empty.
        note: a quieter line beside the heading.
        empty: what to say where there is no hit.
    """

    query: tuple[GalleryPicture, ...]
    hits: tuple[GalleryPicture, ...]
    title: str = ""
    note: str = ""
    empty: str = "Nothing similar was found."


@dataclass(frozen=True, slots=True)
class Fact:
    """One figure worth a glance, for instance ``1.4 s`` and ``to index``."""

    value: str
    label: str


@dataclass(frozen=True, slots=True)
class Command:
    """Something to type, and what it does."""

    text: str
    purpose: str


@dataclass(frozen=True, slots=True)
class GalleryPage:
    """A whole page.

    Args:
        title: the heading, also of the browser's window.
        subtitle: one or two sentences below it.
        sections: the questions and their answers.
        facts: figures shown large at the top.
        commands: what the reader can do next, shown after the sections.
        skipped: files listed one by one, with their reasons.
        items: how many pictures were searched.
        skipped_by_reason: how many files are not among them, by reason.
        encoder: the name of the encoder.
        took_s: how long the answers took, all together.
        metric: what scores mean.
        note: a last line.
    """

    title: str
    subtitle: str = ""
    sections: tuple[GallerySection, ...] = ()
    facts: tuple[Fact, ...] = ()
    commands: tuple[Command, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    items: int | None = None
    skipped_by_reason: Mapping[str, int] = field(default_factory=dict)
    encoder: str = ""
    took_s: float | None = None
    metric: Metric = Metric.COSINE
    note: str = ""
