"""What an item is, according to its owner: a column, its folder, its group, or how its file's name begins.

All that sorts items by what they are called reads them here, so that one name is one class everywhere.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from seealike.errors import UnknownNameError, UsageError
from seealike.recommend import columns
from seealike.types import Int64Array, Item, MetadataValue

GROUP = columns.GROUP
_EXACT = 2**53  # whole numbers below are written out; floats above skip some of them


@dataclass(frozen=True, slots=True)
class Condition:
    """``COLUMN=VALUE``: what a column of the metadata must say."""

    column: str
    value: str

    def holds(self, item: Item) -> bool:
        """Whether it does."""
        return text_of(read(self.column)(item)) == text_of(self.value)

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
        columns.FOLDER: lambda item: columns.folder_of(_place(item)),
        GROUP: lambda item: item.group,
        columns.PREFIX: lambda item: columns.prefix_of(_place(item)),
    }
    return special.get(column, lambda item: item.metadata.get(column))


def labels_of(items: Iterable[Item], column: str) -> list[str | None]:
    """The label of every item, ``None`` where it has none (or an empty one). Goes through the items once.

    Raises:
        UnknownNameError: there is no such label; the error lists what there is.
        UsageError: it is empty for every item.
    """
    value = read(column)
    names: dict[str, None] = {}
    shared: dict[str, str] = {}  # a text is kept once, however many items say it
    found: list[str | None] = []
    grouped = False
    for item in items:
        names.update(dict.fromkeys(item.metadata))
        grouped = grouped or bool(item.group)
        text = text_of(value(item))
        found.append(shared.setdefault(text, text) or None)
    if found and not any(shared):  # no text but the empty one
        _refuse(column, [*names, columns.FOLDER, *[GROUP] * grouped, columns.PREFIX])
    return found


def _refuse(column: str, known: Sequence[str]) -> None:
    """Say why no item has this label."""
    if column in known:
        raise UsageError(f"the label {column!r} is empty for every item; name another by --label")
    raise UnknownNameError("label", column, known)


def text_of(value: MetadataValue) -> str:
    """A value of the metadata as people write it: ``12`` for 12.0, ``true`` for True; nothing is empty.

    Different numbers have different texts. Spaces around a text do not count.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < _EXACT else repr(value)
    return str(value).strip().encode("utf-8", "backslashreplace").decode()


def numbered(values: Sequence[str | None]) -> tuple[list[str], Int64Array]:
    """The different texts in alphabetical order, and which of them each value is (-1: none)."""
    names = sorted({value for value in values if value is not None})
    number = {name: place for place, name in enumerate(names)}
    return names, np.array([-1 if v is None else number[v] for v in values], dtype=np.int64)


def _place(item: Item) -> str:
    """Where the picture lies, with ``/``; the id where no file is known."""
    return item.path.replace(os.sep, "/") if item.path is not None else item.id
