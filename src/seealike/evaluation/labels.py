"""What an item is, according to its owner: a column, its folder, its group, or how its file's name begins."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from seealike.errors import UnknownNameError, UsageError
from seealike.types import Int64Array, Item, MetadataValue

FOLDER, GROUP, PREFIX = "folder", "group", "prefix"
_BEGINNING = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True, slots=True)
class Condition:
    """``COLUMN=VALUE``: what a column of the metadata must say."""

    column: str
    value: str

    def holds(self, item: Item) -> bool:
        """Whether it does."""
        return text_of(read(self.column)(item)) == self.value

    def __str__(self) -> str:
        """As it was typed."""
        return f"{self.column}={self.value}"


def parse_condition(text: str) -> Condition:
    """Read ``COLUMN=VALUE``.

    Raises:
        UsageError: there is no column, or no equals sign.
    """
    column, sign, value = text.partition("=")
    if not column or not sign:
        raise UsageError(f"{text!r} is no COLUMN=VALUE, for instance split=test")
    return Condition(column, value)


def read(column: str) -> Callable[[Item], MetadataValue]:
    """What gives an item's label: ``folder``, ``group``, ``prefix``, or the name of a column.

    ``folder`` is the name of the folder that the picture lies in; ``prefix`` the letters that its file's name
    begins with, such as ``camper`` of ``camper12.jpg``.
    """
    special: dict[str, Callable[[Item], MetadataValue]] = {
        FOLDER: _folder,
        GROUP: lambda item: item.group,
        PREFIX: _prefix,
    }
    return special.get(column, lambda item: item.metadata.get(column))


def labels_of(items: Iterable[Item], column: str) -> list[str | None]:
    """The label of every item, ``None`` where it has none (or an empty one).

    Raises:
        UnknownNameError: no item has one; the error lists what there is.
    """
    rows = list(items)
    value = read(column)
    found = [text_of(value(item)) or None for item in rows]
    if rows and not any(found):
        raise UnknownNameError("label", column, choices(rows))
    return found


def choices(items: Sequence[Item]) -> list[str]:
    """What could be a label of these items: names of columns, and the special ones."""
    columns = dict.fromkeys(name for item in items for name in item.metadata)
    return [*columns, FOLDER, *([GROUP] if any(item.group for item in items) else []), PREFIX]


def text_of(value: MetadataValue) -> str:
    """A value of the metadata as people write it; nothing is an empty text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def numbered(values: Sequence[str | None]) -> tuple[list[str], Int64Array]:
    """The different texts in alphabetical order, and which of them each value is (-1: none)."""
    names = sorted({value for value in values if value is not None})
    number = {name: place for place, name in enumerate(names)}
    return names, np.array([-1 if v is None else number[v] for v in values], dtype=np.int64)


def _folder(item: Item) -> str | None:
    path = item.path if item.path is not None else item.id
    return os.path.basename(os.path.dirname(path)) or None


def _prefix(item: Item) -> str | None:
    name = os.path.basename(item.path if item.path is not None else item.id)
    beginning = _BEGINNING.match(name)
    return beginning[0] if beginning else None
