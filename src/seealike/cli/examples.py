"""Typed examples become those of the catalogue, with their weights."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator

from seealike.catalog import Catalog, Catalogs, Example
from seealike.cli.hints import check_files, file_hint
from seealike.cli.options.examples import TypedExamples

_WEIGHTED = re.compile(r"(?P<name>.+):(?P<weight>\d*\.?\d+)", re.DOTALL)


def read_examples(typed: TypedExamples, catalog: Catalog | Catalogs) -> tuple[list[Example], list[Example]]:
    """What is liked, and what is not.

    A weight is what follows the last colon, unless there is an item or a file of the whole name.

    Raises:
        UnknownItemError, PictureError: there is no such item, or file.
    """
    with file_hint(catalog, "it is a file: say --like-file"):
        items = [list(_items(ids, catalog)) for ids in (typed.like, typed.dislike)]
    return (
        [*items[0], *_others(typed.like_file, typed.like_text, typed.like_product, catalog)],
        [*items[1], *_others(typed.dislike_file, typed.dislike_text, typed.dislike_product, catalog)],
    )


def _items(ids: tuple[str, ...], catalog: Catalog | Catalogs) -> Iterator[Example]:
    for typed in ids:
        name, weight = _weighted(typed, catalog.__contains__)
        yield Example(catalog.item(name).id, weight=weight)


def _others(
    files: tuple[str, ...], words: tuple[str, ...], products: tuple[str, ...], catalog: Catalog | Catalogs
) -> Iterator[Example]:
    named = [_weighted(typed, os.path.lexists) for typed in files]
    check_files(catalog, [name for name, _ in named], "--like")
    yield from (Example(image=name, weight=weight) for name, weight in named)
    yield from (Example(text=name, weight=weight) for name, weight in map(_weighted, words))
    yield from (Example(product=name, weight=weight) for name, weight in map(_weighted, products))


def _weighted(typed: str, is_there: Callable[[str], bool] = lambda _: False) -> tuple[str, float]:
    found = _WEIGHTED.fullmatch(typed)
    if found is None or is_there(typed):
        return typed, 1.0
    return found["name"], float(found["weight"])
