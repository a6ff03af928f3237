"""What an item is, according to its owner: a column, its folder, its group, or how its file's name begins.

All that sorts items by what they are called reads them here, so that one name is one class everywhere.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from seealike.errors import UnknownNameError, UsageError
from seealike.recommend import columns
from seealike.recommend.columns import Columns, Facts
from seealike.recommend.filters import mask_of
from seealike.recommend.query import check_condition
from seealike.types import Int64Array, Item, MetadataValue

GROUP = columns.GROUP
_EXACT = 2**53  # whole numbers below are written out; floats above skip some of them


def check_conditions(conditions: Iterable[str]) -> None:
    """Refuse what is no condition.

    Raises:
        UsageError: one is none; the message says where and what was expected there.
    """
    for condition in conditions:
        check_condition(condition)


def matching(items: Sequence[Item], conditions: Sequence[str]) -> list[bool]:
    """Which items keep all conditions. Sizes and times of files are not known here.

    Raises:
        UsageError: a condition does not fit the columns that the items have.
    """
    facts = [Facts(one.id, one.path, one.group, one.metadata, one.width_px, one.height_px) for one in items]
    said = Columns.of(np.arange(1, len(facts) + 1), lambda after, _: facts[after:])
    masks = [mask_of(condition, said) for condition in conditions if items]
    return np.logical_and.reduce(masks).tolist() if masks else [True] * len(items)


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


def labels_of(items: Iterable[Item], column: str, option: str = "--label") -> list[str | None]:
    """The label of every item, ``None`` where it has none (or an empty one). Goes through the items once.

    Args:
        items: the items.
        column: what it is called.
        option: what asked for it, for messages.

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
        _refuse(column, [*names, columns.FOLDER, *[GROUP] * grouped, columns.PREFIX], option)
    return found


def _refuse(column: str, known: Sequence[str], option: str) -> None:
    """Say why no item has this label."""
    kind = "label" if option == "--label" else "column"
    if column in known:
        raise UsageError(f"the {kind} {column!r} is empty for every item; name another by {option}")
    raise UnknownNameError(kind, column, known)


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
