"""Typed examples become those of the catalogue, with their weights."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator

from seealike.catalog import LEAST_WEIGHT, MOST_WEIGHT, Catalog, Catalogs, Example
from seealike.cli.hints import check_files, file_hint
from seealike.cli.options.examples import TypedExamples
from seealike.errors import UsageError

_WEIGHTED = re.compile(r"(?P<name>.+):(?P<weight>\d*\.?\d+)", re.DOTALL)


def read_examples(
    typed: TypedExamples, catalog: Catalog | Catalogs, group_by: str
) -> tuple[list[Example], list[Example]]:
    """What is liked, and what is not.

    A weight is what follows the last colon, unless there is an item, a file or a product of the whole name,
    or words end in two numbers, as ``sofa 16:9`` does.

    Args:
        typed: what was typed.
        catalog: whose items and products are named.
        group_by: the column that says which product an item shows.

    Raises:
        UnknownItemError, PictureError: there is no such item, or file.
        UsageError: there is no such column, or what follows the name of an item, a file or a product is no
            weight.
    """

    def is_product(name: str) -> bool:
        return catalog.has_product(name, group_by=group_by)

    with file_hint(catalog, "it is a file: say --like-file", "--like-product"):
        items = [list(_items(ids, catalog)) for ids in (typed.like, typed.dislike)]
    liked = _others(typed.like_file, typed.like_text, typed.like_product, catalog, is_product)
    disliked = _others(typed.dislike_file, typed.dislike_text, typed.dislike_product, catalog, is_product)
    return [*items[0], *liked], [*items[1], *disliked]


def _items(ids: tuple[str, ...], catalog: Catalog | Catalogs) -> Iterator[Example]:
    for typed in ids:
        name, weight = _weighted(typed, catalog.__contains__)
        yield Example(catalog.item(name).id, weight=weight)


def _others(
    files: tuple[str, ...],
    words: tuple[str, ...],
    products: tuple[str, ...],
    catalog: Catalog | Catalogs,
    is_product: Callable[[str], bool],
) -> Iterator[Example]:
    named = [_weighted(typed, os.path.lexists) for typed in files]
    check_files(catalog, [name for name, _ in named], "--like")
    yield from (Example(image=name, weight=weight) for name, weight in named)
    weighted = [_weighted(typed, _ends_in_two_numbers, is_named=False) for typed in words]
    yield from (Example(text=name, weight=weight) for name, weight in weighted)
    weighted = [_weighted(typed, is_product) for typed in products]
    yield from (Example(product=name, weight=weight) for name, weight in weighted)


def _ends_in_two_numbers(words: str) -> bool:
    return words.rpartition(":")[0][-1:].isdecimal()


def _weighted(typed: str, is_whole: Callable[[str], bool], *, is_named: bool = True) -> tuple[str, float]:
    """A name and its weight. ``is_named``: ``is_whole`` says whether there is something of a name."""
    if is_whole(typed):
        return typed, 1.0
    if found := _WEIGHTED.fullmatch(typed):
        return found["name"], float(found["weight"])
    name, colon, weight = typed.rpartition(":")
    if is_named and colon and is_whole(name):
        limits = f"from {LEAST_WEIGHT:g} to {MOST_WEIGHT:g}"
        raise UsageError(f"a weight must be a number {limits}, not {weight!r} as in {typed!r}")
    return typed, 1.0
