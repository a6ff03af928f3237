"""What an item says under which name, and of which kind: the columns that an engine keeps and compares."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from seealike.recommend.columns import (
    FOLDER,
    GROUP,
    ID,
    METADATA,
    MODIFIED,
    PATH,
    PREFIX,
    folder_of,
    object_in,
    prefix_of,
    scalar_of,
    text_of_time,
)
from seealike.recommend.filters.conditions import Operator, moment
from seealike.store import StoredItem
from seealike.types import MetadataValue

OURS = (ID, PATH, FOLDER, PREFIX, GROUP, "width_px", "height_px", "size_bytes", MODIFIED)
NESTED = "nested."  # before the name of what an object says under a key
_EXACT = 2**53  # whole numbers beyond are not all floats
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Kind(StrEnum):
    """What a value is stored as. A text that is a day or a moment is stored as that too."""

    TEXT = "text"
    MOMENT = "moment"
    NUMBER = "number"
    WHOLE = "whole"
    TRUTH = "truth"
    NOTHING = "nothing"


class Said(NamedTuple):
    """One value, under the name of its column."""

    name: str
    kind: Kind
    value: MetadataValue


def facts_of(item: StoredItem) -> Iterator[tuple[str, MetadataValue]]:
    """Every name under which conditions find something of an item, and what it says; ``path`` is absolute."""
    path = None if item.path is None else os.fsdecode(item.path).replace(os.sep, "/")
    where = path if path is not None else item.id
    yield ID, item.id
    yield PATH, None if path is None else path.encode("utf-8", "backslashreplace").decode()
    yield FOLDER, folder_of(where).encode("utf-8", "backslashreplace").decode() or None
    yield PREFIX, prefix_of(where).encode("utf-8", "backslashreplace").decode() or None
    yield GROUP, item.group or None
    yield "width_px", item.width_px
    yield "height_px", item.height_px
    yield "size_bytes", item.size_bytes
    yield MODIFIED, None if item.mtime_ns is None else text_of_time(item.mtime_ns)
    for name, value in item.metadata.items():
        yield METADATA + name, value
        yield from _nested(name, value)


def _nested(name: str, value: object) -> Iterator[tuple[str, MetadataValue]]:
    for key, inner in object_in(value).items():
        said = scalar_of(inner)
        yield f"{NESTED}{name}.{key}", said
        yield from _nested(f"{name}.{key}", said)


def said_of(name: str, value: MetadataValue) -> Iterator[Said]:
    """How a value is stored: each kind in a column of its own."""
    name = storable(name)
    if value is None:
        yield Said(name, Kind.NOTHING, None)
    elif isinstance(value, bool):
        yield Said(name, Kind.TRUTH, value)
    elif isinstance(value, str):
        yield Said(name, Kind.TEXT, storable(value))
        if (at := moment(value)) is not None:
            yield Said(name, Kind.MOMENT, microseconds(at))
    elif isinstance(value, int) and abs(value) > _EXACT:
        yield Said(name, Kind.WHOLE, value)
    else:
        yield Said(name, Kind.NUMBER, float(value))


def storable(text: str) -> str:
    """A text as columns have it: U+FFFD for what no database stores, NUL and half a surrogate pair."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\0", "\ufffd")


def microseconds(at: datetime) -> int:
    """A moment as a number: since 1970, in UTC."""
    return (at - _EPOCH) // timedelta(microseconds=1)


def as_float(value: float) -> float | None:
    """A number as a float that is equal to it, if there is one."""
    near = _nearest(value)
    return near if near == value or math.isnan(near) else None


def bound_of(how: Operator, value: float) -> tuple[Operator, float]:
    """A comparison with a float that is true of the same floats as one with ``value``, which may be none."""
    near = _nearest(value)
    if near == value:
        return how, near
    above = near > value  # then what is less than the value is what is less than that, and no float is equal
    if how in (Operator.LESS, Operator.AT_MOST):
        return (Operator.LESS if above else Operator.AT_MOST), near
    return (Operator.AT_LEAST if above else Operator.MORE), near


def _nearest(value: float) -> float:
    """The float that is nearest to a number."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
