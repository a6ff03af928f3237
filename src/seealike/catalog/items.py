"""Items by their ids, as callers name and see them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TypeVar

from seealike.errors import UsageError, check_id
from seealike.recommend import Example, ItemRow
from seealike.store import StoredItem
from seealike.types import ImageInput, Item

Value = TypeVar("Value")


def listed(values: Iterable[Value], kind: str) -> list[Value]:
    """Several of a kind, as a list; one text would be taken for several letters.

    Raises:
        UsageError: it is one value, or none.
    """
    if isinstance(values, str | bytes | os.PathLike) or not isinstance(values, Iterable):
        raise UsageError(f"{kind} are a list, not {type(values).__name__}")
    return list(values)


def listed_ids(ids: Iterable[str]) -> list[str]:
    """Ids as a list.

    Raises:
        UsageError: they are no list of texts.
    """
    found = listed(ids, "ids")
    for item_id in found:
        check_id(item_id)
    return found


def listed_images(images: Iterable[ImageInput]) -> list[Example]:
    """Pictures as examples.

    Raises:
        UsageError: they are no list, or one of them is nothing.
    """
    found = listed(images, "pictures")
    if any(image is None for image in found):
        raise UsageError("a picture is a path, bytes, a PIL image or an (h, w, 3) uint8 array, not None")
    return [Example(image=image) for image in found]


def listed_examples(examples: Iterable[str | Example]) -> list[Example]:
    """Examples as a list; a text is the id of an item.

    Raises:
        UsageError: they are no list of such.
    """
    found = listed(examples, "examples")
    for one in found:
        if not isinstance(one, str | Example):
            raise UsageError(f"an example is the id of an item or an Example, not {type(one).__name__}")
    return [Example(one) if isinstance(one, str) else one for one in found]


def public_item(item: StoredItem, absolute: Callable[[ItemRow], str | None]) -> Item:
    """An item as callers see it."""
    return Item(item.id, absolute(item), item.group, item.metadata, item.width_px, item.height_px)
