"""What a gallery page says, as plain values. All text is raw: escaping is the renderer's business."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from seealike.types import Area, Heat, Metric, Skipped


class PageKind(StrEnum):
    """Which kind of page it is. The page itself says so, for whoever is asked to write over it."""

    RESULTS = "results"
    EVALUATION = "evaluation"
    COMPARISON = "comparison"
    TRAINING = "training"
    MAP = "map"
    DUPLICATES = "duplicates"
    CALIBRATION = "calibration"

    @property
    def generator(self) -> str:
        """What the page's ``generator`` says."""
        return f"seealike {self.value}"


class Mark(StrEnum):
    """Whether an answer is what was sought, where that is known."""

    RIGHT = "right"
    WRONG = "wrong"


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
        mark: whether it is what was sought; ``None`` where nobody knows.
        words: what was asked in words, shown in the picture's place.
        palette: what was asked in colours, shown in the picture's place: each as ``#rrggbb``, and its share.
        columns: a quieter third line.
        link: the address of its file, as seen from the page.
        disliked: whether it is a query that answers are to be unlike.
        seen: the part of it that was asked with; the rest is veiled.
        heat: what each of its places adds to a score.
        regions: parts of it that are framed.
        because: the query's picture with what its places add to this score.
        problem: why that cannot be said.
        stands_for: a quiet line that is never cut, such as ``1 of 2 nearly equal``.
        made_of: the same about its score, above that.
    """

    id: str
    caption: str = ""
    detail: str = ""
    label: str = ""
    score: float | None = None
    thumbnail: bytes | None = None
    mark: Mark | None = None
    words: str = ""
    palette: tuple[tuple[str, float], ...] = ()
    columns: str = ""
    link: str = ""
    disliked: bool = False
    seen: Area | None = None
    heat: Heat | None = None
    regions: tuple[Area, ...] = ()
    because: GalleryPicture | None = None
    problem: str = ""
    stands_for: str = ""
    made_of: str = ""


@dataclass(frozen=True, slots=True)
class GalleryList:
    """One of several lists of answers to the same question: who gave it, a quieter line, and the answers."""

    title: str
    note: str
    hits: tuple[GalleryPicture, ...]


@dataclass(frozen=True, slots=True)
class GallerySection:
    """One question and its answers, best first.

    Args:
        query: the picture or pictures that were asked with.
        hits: the answers.
        title: the section's heading; the first query's caption where empty.
        note: a quieter line beside the heading.
        empty: what to say where there is no hit.
        lists: answers of several parties, one below the other, instead of ``hits``.
    """

    query: tuple[GalleryPicture, ...]
    hits: tuple[GalleryPicture, ...]
    title: str = ""
    note: str = ""
    empty: str = "Nothing similar was found."
    lists: tuple[GalleryList, ...] = ()


@dataclass(frozen=True, slots=True)
class Fact:
    """One figure worth a glance, for instance ``1.4 s`` and ``to index``."""

    value: str
    label: str


@dataclass(frozen=True, slots=True)
class Cell:
    """One figure of a table.

    Args:
        text: the figure.
        note: a quieter line below it.
        bar: low end, value and high end of an interval in [0, 1], drawn as a bar.
    """

    text: str
    note: str = ""
    bar: tuple[float, float, float] | None = None


@dataclass(frozen=True, slots=True)
class GalleryTable:
    """Figures in rows.

    Args:
        title: its heading.
        headings: of the columns.
        rows: a cell a column; a plain text is a cell of nothing else.
        note: one or two sentences below the heading.
        texts: how many columns from the left are words; the others are numbers, and stand to the right.
    """

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[Cell | str, ...], ...]
    note: str = ""
    texts: int = 1


@dataclass(frozen=True, slots=True)
class GalleryChart:
    """A picture of figures: its heading, a quieter line, and an ``<svg>``, whose text is escaped already."""

    title: str
    note: str
    svg: str


@dataclass(frozen=True, slots=True)
class Command:
    """Something to type, and what it does."""

    text: str
    purpose: str


@dataclass(frozen=True, slots=True)
class Link:
    """Another file beside the page, and what it holds."""

    address: str
    text: str


@dataclass(frozen=True, slots=True)
class GalleryPage:
    """A whole page.

    Args:
        title: the heading, also of the browser's window.
        subtitle: one or two sentences below it.
        sections: the questions and their answers.
        facts: figures shown large at the top.
        links: to files beside the page, below the facts.
        charts: figures as pictures, before the tables.
        tables: figures in rows, before the sections.
        commands: what the reader can do next, shown after the sections.
        skipped: files listed one by one, with their reasons.
        items: how many pictures were searched.
        skipped_by_reason: how many files are not among them, by reason.
        encoder: the name of the encoder.
        took_s: how long the answers took, all together.
        metric: what scores mean.
        colour_share: how much of each score is about colours, of 1.
        note: a last line.
        kind: what the page is for.
    """

    title: str
    subtitle: str = ""
    sections: tuple[GallerySection, ...] = ()
    facts: tuple[Fact, ...] = ()
    links: tuple[Link, ...] = ()
    charts: tuple[GalleryChart, ...] = ()
    tables: tuple[GalleryTable, ...] = ()
    commands: tuple[Command, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    items: int | None = None
    skipped_by_reason: Mapping[str, int] = field(default_factory=dict)
    encoder: str = ""
    took_s: float | None = None
    metric: Metric = Metric.COSINE
    colour_share: float = 0.0
    note: str = ""
    kind: PageKind = PageKind.RESULTS
