"""What an item is called on a map: a metadata column, its folder, its group, or how its file's name begins.

The names mean what they mean to `seealike eval`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from seealike.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    from seealike.types import Item, MetadataValue

_BEGINNING = re.compile(r"[^\W\d_]+")


def labels_of(items: Sequence[Item], name: str) -> list[str | None]:
    """The label of every item; ``None`` where it has none.

    ``folder`` is the name of the folder that the picture lies in, ``prefix`` the letters that its file's name
    begins with, ``group`` the item's group; any other name is a column.

    Raises:
        UnknownNameError: there is no such column.
        UsageError: it is empty for every item.
    """
    special: dict[str, Callable[[Item], MetadataValue]] = {
        "folder": _folder,
        "group": lambda item: item.group,
        "prefix": _prefix,
    }
    columns = dict.fromkeys(key for item in items for key in item.metadata)
    if items and name not in special and name not in columns:
        raise UnknownNameError("label", name, [*columns, *special])
    read = special.get(name) or (lambda item: item.metadata.get(name))
    found = [_text(read(item)) or None for item in items]
    if items and not any(found):
        raise UsageError(f"the label {name!r} is empty for every item; leave --label out, or name another")
    return found


def _folder(item: Item) -> str | None:
    return _place(item).rpartition("/")[0].rpartition("/")[2] or None


def _prefix(item: Item) -> str | None:
    found = _BEGINNING.match(_place(item).rpartition("/")[2])
    return found[0] if found else None


def _place(item: Item) -> str:
    """Where the picture lies, with ``/``; the id where no file is known. Bytes that are no text show."""
    place = item.path.replace(os.sep, "/") if item.path else item.id
    return place.encode("utf-8", "backslashreplace").decode()


def _text(value: MetadataValue) -> str:
    """A value as people write it: ``12`` for 12.0, ``true`` for True."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else str(value).strip()
