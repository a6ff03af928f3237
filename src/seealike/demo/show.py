"""The demonstration's page: what a person should understand in ten seconds."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from seealike.demo.drawing import DrawnCatalogue
from seealike.demo.searches import ItemSearch, OutsideSearch, median_search_ms
from seealike.gallery import Command, Describer, Fact, GalleryPage, GallerySection, Thumbnails
from seealike.types import IndexReport, Skipped

_COMMANDS = (
    Command("seealike index photos/", "Name a folder, or a product table such as products.csv."),
    Command(
        "seealike search photo.jpg --catalog photos --gallery found.html",
        "Ask with any picture, and get a page like this one.",
    ),
    Command(
        "seealike recommend --all -k 10 --catalog photos -o similar.csv",
        "Or get the ten most similar for every picture at once.",
    ),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Everything the page tells about."""

    drawn: DrawnCatalogue
    report: IndexReport
    items: int
    skipped: tuple[Skipped, ...]
    encoder: str
    outside: OutsideSearch
    searches: Sequence[ItemSearch]


def show(outcome: Outcome, thumbnail: Callable[[str | bytes, int], bytes], page: str) -> GalleryPage:
    """Make the page.

    Args:
        outcome: what it tells about.
        thumbnail: makes a small picture of a file, at most so many pixels a side.
        page: where it will be.
    """
    describe = Describer(Thumbnails(thumbnail), page=page)
    sections = [_outside_section(outcome.outside, describe)]
    sections += [_item_section(search, describe) for search in outcome.searches]
    return GalleryPage(
        title="What else looks like this?",
        subtitle=(
            "The outlined picture on the left is the question, the pictures beside it are seealike’s answer, "
            "closest first. It looked at the pictures alone: no names, no labels, no training, no network."
        ),
        sections=tuple(sections),
        facts=_facts(outcome),
        commands=_COMMANDS,
        skipped=outcome.skipped,
        items=outcome.items,
        skipped_by_reason=Counter(file.reason.value for file in outcome.skipped),
        encoder=outcome.encoder,
        took_s=(outcome.outside.took_ms + sum(search.took_ms for search in outcome.searches)) / 1000,
        note="The shop is made up: its pictures were drawn for this page, the same ones every time.",
    )


def _facts(outcome: Outcome) -> tuple[Fact, ...]:
    report = outcome.report
    facts = [Fact(f"{outcome.items:,}", "pictures in the catalogue")]
    if report.added:
        rate = report.added / max(report.took_s, 1e-9)
        facts.append(Fact(f"{report.took_s:.1f} s", f"to index them, {rate:,.0f} a second"))
    else:
        facts.append(Fact(_milliseconds(report.took_s * 1000), "to see that nothing had changed"))
    facts.append(Fact(_milliseconds(median_search_ms(outcome.searches)), "to find the most similar"))
    facts.append(Fact(str(len(outcome.skipped)), "unreadable files, skipped with a reason"))
    return tuple(facts)


def _milliseconds(took_ms: float) -> str:
    return f"{took_ms:.0f} ms" if took_ms >= 9.5 else f"{took_ms:.1f} ms"


def _outside_section(search: OutsideSearch, describe: Describer) -> GallerySection:
    name = os.path.basename(search.path)
    query = replace(describe.file(name, search.path), caption="A shoe seen in the street", detail=name)
    return GallerySection(
        (query,),
        tuple(map(describe.item, search.hits)),
        title="A photo from outside the catalogue",
        note=f"Never indexed. Read, understood and answered in {_milliseconds(search.took_ms)}.",
    )


def _item_section(search: ItemSearch, describe: Describer) -> GallerySection:
    query = (describe.item(search.item),)
    groups = () if search.item.group is None else (search.item.group,)
    hits = tuple(
        describe.item(hit, label="the original" if hit.id == search.original else "", groups=groups)
        for hit in search.hits
    )
    if search.original is None:
        return GallerySection(query, hits)
    return GallerySection(
        query,
        hits,
        title="A copy without a name",
        note="A supplier sent it, cropped and renamed. Which product is it?",
    )
