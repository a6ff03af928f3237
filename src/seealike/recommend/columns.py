"""What is said of the items of one generation, by columns: their metadata, their group, their files.

Whatever filters, groups or weighs items reads them here, as arrays in the order of ``View.keys``, instead of
one row after the other. A column holds each different value once, and for every item which of them it is.
"""

from __future__ import annotations

import json
import math
import os
import re
import threading
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from seealike.errors import UnknownNameError, UsageError
from seealike.types import Int64Array, Metadata, MetadataValue

if TYPE_CHECKING:
    import numpy.typing as npt

    Float64Array = npt.NDArray[np.float64]
    Mask = npt.NDArray[np.bool_]

Array = TypeVar("Array", bound="npt.NDArray[Any]")

GROUP, FOLDER, PREFIX, ID, PATH = "group", "folder", "prefix", "id", "path"
METADATA = "metadata."  # before the name of a column of the metadata that one of ours hides
MODIFIED = "modified"
_MEASURES = ("width_px", "height_px", "size_bytes", MODIFIED)
_NAMES, _PLACES = (ID, PATH), (FOLDER, PREFIX)
_BEGINNING = re.compile(r"[^\W\d_]+")
_NULL = -(1 << 63)  # of a measure that is not known
_REMEMBERED = 16


class Facts(NamedTuple):
    """What is read of an item; ``path`` is absolute. ``None``: it is not known, or there is none."""

    id: str
    path: str | None
    group: str | None
    metadata: Metadata
    width_px: int
    height_px: int
    size_bytes: int | None = None
    mtime_ns: int | None = None


Rows = Callable[[int, bool], Iterable[Facts]]  # of the items with greater keys, and whether with their paths


@dataclass(frozen=True, eq=False)
class Column:
    """The different values of a column, and which of them each item has: -1 where it has none.

    Equal numbers are one value, whatever their type; true is not 1. Every value is one that some item has.
    Shapes: codes is (n,).
    """

    codes: Int64Array
    values: Sequence[MetadataValue]

    @cached_property
    def kinds(self) -> frozenset[str]:
        """What kinds of values there are, in words."""
        return frozenset(map(kind_of, self.values))

    @property
    def example(self) -> MetadataValue:
        """One of the values; ``None`` where there is none."""
        return next((value for value in self.values if value is not None), None)

    @cached_property
    def numbers(self) -> Float64Array:
        """The values as numbers, NaN for what is none. Shapes: (number of values,)."""
        values = self.values
        return np.array([_as_float(v) if is_number(v) else math.nan for v in values], dtype=np.float64)

    @cached_property
    def largest(self) -> float:
        """The greatest of the numbers, without its sign; 0 if there are none."""
        return float(np.nanmax(np.abs(self.numbers), initial=0.0))

    def places_of(self, codes: Iterable[int]) -> Int64Array:
        """Where the items are that have one of some values, ascending; costs in proportion to these."""
        order, starts = self._by_code
        found = [order[starts[code] : starts[code + 1]] for code in codes]
        return np.sort(np.concatenate([np.empty(0, dtype=np.int64), *found]))

    @cached_property
    def _by_code(self) -> tuple[Int64Array, Int64Array]:
        order = np.argsort(self.codes, kind="stable")
        return order, np.searchsorted(self.codes[order], np.arange(len(self.values) + 1))

    def code_of(self, value: MetadataValue) -> int | None:
        """Which of the values this one is, if it is one."""
        return self._codes_of_values.get(_identity(value))

    @cached_property
    def _codes_of_values(self) -> dict[Hashable, int]:
        return {_identity(value): code for code, value in enumerate(self.values)}

    def taken(self, places: Int64Array | Mask) -> Column:
        """Only some items, and the values that these have."""
        codes = self.codes[places]
        is_used = np.zeros(len(self.values) + 1, dtype=bool)
        is_used[codes] = True
        is_used[-1] = False  # of the items that have none
        new = np.where(is_used, np.cumsum(is_used) - 1, -1)
        return Column(new[codes], [self.values[code] for code in np.flatnonzero(is_used).tolist()])

    @classmethod
    def joined(cls, one: Column, other: Column) -> Column:
        """The items of one after those of the other."""
        codes = dict(one._codes_of_values)
        new = np.array([codes.setdefault(_identity(v), len(codes)) for v in other.values] + [-1], np.int64)
        values = [
            *one.values,
            *(v for v, code in zip(other.values, new, strict=False) if code >= len(one.values)),
        ]
        return cls(np.concatenate([one.codes, new[other.codes]]), values)


class Columns:
    """The columns of one generation. Immutable to its callers, and safe to use from several threads.

    Besides the names in the metadata there are ``group``, ``folder`` (the name of the folder that the
    picture lies in), ``prefix`` (the letters that its file's name begins with), ``id``, ``path``,
    ``width_px``, ``height_px``, ``size_bytes`` and ``modified`` (the file's time, as text in UTC). These win:
    a column of the metadata with such a name is ``metadata.NAME``. Of objects in the metadata, which are kept
    as JSON text, ``NAME.KEY`` is what they say under a key.
    """

    def __init__(
        self, keys: Int64Array, coded: Mapping[str, Column], measures: Mapping[str, Int64Array], rows: Rows
    ) -> None:
        """Use ``of`` instead."""
        self.keys = keys
        self._coded, self._measures, self._rows = coded, measures, rows
        self._derived: dict[str, Column] = {}
        self._remembered: dict[Hashable, Any] = {}
        self._deriving = threading.RLock()

    @classmethod
    def of(cls, keys: Int64Array, rows: Rows, held: Columns | None = None) -> Columns:
        """What is said of some items.

        Args:
            keys: theirs, ascending.
            rows: gives what is said of them, in this order; asked again where ids or paths are needed.
            held: columns of an older generation, in which no row has changed since.
        """
        before = None if held is None else held.only(keys)
        if before is None:
            return _read(keys, rows(0, False), rows)
        after = int(held.keys[-1]) if held is not None and len(held) else 0
        new = keys[np.searchsorted(keys, after, side="right") :]
        if len(before) + len(new) != len(keys):  # it is of a newer one, where some are gone
            return _read(keys, rows(0, False), rows)
        return before.extended(_read(new, rows(after, False), rows), rows)

    def __len__(self) -> int:
        """The number of items."""
        return len(self.keys)

    def only(self, keys: Int64Array) -> Columns:
        """Those of ``keys`` that are here."""
        here = np.isin(self.keys, keys, assume_unique=True)
        if here.all():
            return self
        found = Columns(
            self.keys[here],
            {name: column.taken(here) for name, column in self._coded.items()},
            {name: measure[here] for name, measure in self._measures.items()},
            self._rows,
        )
        if self._knows_places:
            found._derived.update((name, self._derived[name].taken(here)) for name in _PLACES)
        return found

    def extended(self, new: Columns, rows: Rows) -> Columns:
        """With others whose keys are greater; ``rows`` gives them all."""
        coded: dict[str, Column] = {}
        for name in dict.fromkeys((*self._coded, *new._coded)):
            one, other = self._coded.get(name), new._coded.get(name)
            coded[name] = Column.joined(one or _nothing(len(self)), other or _nothing(len(new)))
        measures = {name: np.concatenate([self._measures[name], new._measures[name]]) for name in _MEASURES}
        found = Columns(np.concatenate([self.keys, new.keys]), coded, measures, rows)
        if self._knows_places:
            after = int(self.keys[-1]) if len(self) else 0
            places = _names_of(len(new), rows(after, True), _PLACES)
            found._derived.update(
                (name, Column.joined(self._derived[name], one)) for name, one in places.items()
            )
        return found

    @property
    def _knows_places(self) -> bool:
        """Whether places have been read. That takes seconds: columns of newer generations begin with them."""
        return _PLACES[-1] in self._derived

    # -- reading -----------------------------------------------------------------------------------

    @property
    def names(self) -> tuple[str, ...]:
        """The columns there are, ours after those of the metadata."""
        own = [name.removeprefix(METADATA) for name in self._coded if name.startswith(METADATA)]
        ours = (*_NAMES, *_PLACES, GROUP, *_MEASURES)
        return (*sorted(METADATA + name if name in ours else name for name in own), *ours)

    @property
    def width_px(self) -> Int64Array:
        """How wide each item's picture is, upright. Shapes: (n,)."""
        return self._measures["width_px"]

    @property
    def height_px(self) -> Int64Array:
        """How high it is. Shapes: (n,)."""
        return self._measures["height_px"]

    def column(self, name: str) -> Column:
        """A column by its name.

        Raises:
            UnknownNameError: there is none; the error lists those there are.
            StaleViewError: the names of this generation cannot be read any more.
        """
        with self._deriving:
            found = self._coded.get(name) if name == GROUP else self._derived.get(name)
            if found is None:
                found = self._derived[name] = self._made(name)
            return found

    def codes(self, name: str) -> Int64Array:
        """Which value each item has: equal values have equal numbers, -1 is none. Shapes: (n,).

        Raises:
            UnknownNameError: there is no such column.
        """
        return self.column(name).codes

    def numbers(self, name: str) -> Float64Array:
        """A column of numbers, NaN where an item has none; true is 1 and false 0. Shapes: (n,).

        Raises:
            UnknownNameError: there is no such column.
            UsageError: it holds text.
        """
        column = self.column(name)
        for value in column.values:
            if isinstance(value, str):
                raise UsageError(f"the column {name!r} holds text, such as {value!r}, not numbers")
        return np.array([*map(_as_float, column.values), np.nan])[column.codes]

    def remembered(self, what: Hashable, make: Callable[[], Array]) -> Array:
        """What is derived from the columns, under a name of its own, made once."""
        with self._deriving:
            known: Array | None = self._remembered.get(what)
        if known is not None:
            return known
        found = make()
        found.flags.writeable = False
        with self._deriving:
            while len(self._remembered) >= _REMEMBERED:
                del self._remembered[next(iter(self._remembered))]
            self._remembered[what] = found
        return found

    def _made(self, name: str) -> Column:
        if name in self._measures:
            return _measured(name, self._measures[name])
        for names in (_NAMES, _PLACES):
            if name in names:
                self._derived.update(_names_of(len(self), self._rows(0, True), names))
                return self._derived[name]
        found = self._coded.get(METADATA + name.removeprefix(METADATA)) or self._coded.get(METADATA + name)
        if found is None:
            found = self._nested(name)
        if found is None:
            raise UnknownNameError("column", name, self.names)
        return found

    def _nested(self, name: str) -> Column | None:
        """What a column's objects say under a key; ``None`` where it holds no object that has it."""
        outer, dot, inner = name.rpartition(".")
        if not dot or outer == METADATA.rstrip("."):
            return None
        held = self._coded.get(METADATA + outer) or self._coded.get(METADATA + outer.removeprefix(METADATA))
        if held is None:
            held = self._nested(outer)
        if held is None:
            return None
        objects = [object_in(value) for value in held.values]
        if not any(inner in entry for entry in objects):
            return None
        return _merged(held.codes, [scalar_of(entry.get(inner)) for entry in objects])


class _Column:
    """A column in the making."""

    def __init__(self) -> None:
        self._places: list[int] = []
        self._said: list[MetadataValue] = []

    def add(self, place: int, value: MetadataValue) -> None:
        """Let the item at a place say something, or nothing."""
        if value is not None:
            self._places.append(place)
            self._said.append(value)

    def made(self, count: int) -> Column:
        """The column, of so many items."""
        said: Sequence[Hashable] = self._said
        if bool in (kinds := set(map(type, said))) and len(kinds) > 1:
            said = [_identity(value) for value in self._said]
        distinct = dict(zip(said, self._said, strict=True))
        code_of = {identity: code for code, identity in enumerate(distinct)}
        codes = np.full(count, -1, dtype=np.int64)
        codes[self._places] = np.fromiter(map(code_of.__getitem__, said), dtype=np.int64, count=len(said))
        return Column(codes, list(distinct.values()))


def _read(keys: Int64Array, rows: Iterable[Facts], again: Rows) -> Columns:
    group = _Column()
    metadata: dict[str, _Column] = {}
    measured: list[tuple[int, int, int, int]] = []
    for place, row in enumerate(rows):
        group.add(place, row.group or None)
        for name, value in row.metadata.items():
            column = metadata.get(name)
            if column is None:
                column = metadata[name] = _Column()
            column.add(place, value)
        size, time = row.size_bytes, row.mtime_ns
        known = (_NULL if size is None else size, _NULL if time is None else time)
        measured.append((row.width_px, row.height_px, *known))
    measures = np.array(measured, dtype=np.int64).reshape(len(keys), len(_MEASURES)).T
    coded = {METADATA + name: column.made(len(keys)) for name, column in metadata.items()}
    coded[GROUP] = group.made(len(keys))
    return Columns(keys, coded, dict(zip(_MEASURES, np.ascontiguousarray(measures), strict=True)), again)


def _names_of(count: int, rows: Iterable[Facts], names: Sequence[str]) -> dict[str, Column]:
    """What items, or their places, are called, which is not always asked for."""
    columns = {name: _Column() for name in names}
    for place, row in enumerate(rows):
        said = row.path.replace(os.sep, "/") if row.path is not None else None
        where = said if said is not None else row.id
        called = {ID: row.id, PATH: said, FOLDER: folder_of(where) or None, PREFIX: prefix_of(where) or None}
        for name, column in columns.items():
            column.add(place, called[name])
    return {name: column.made(count) for name, column in columns.items()}


def folder_of(place: str) -> str:
    """The name of the folder in which a picture lies. ``place`` has ``/`` between folders."""
    return place.rpartition("/")[0].rpartition("/")[2]


def prefix_of(place: str) -> str:
    """The letters that its file's name begins with, such as ``camper`` of ``camper12.jpg``."""
    beginning = _BEGINNING.match(place.rpartition("/")[2])
    return beginning[0] if beginning else ""


def _measured(name: str, measure: Int64Array) -> Column:
    known = measure != _NULL
    distinct, codes = np.unique(measure, return_inverse=True)
    codes = codes.reshape(-1).astype(np.int64)
    if not known.all():
        codes, distinct = codes - 1, distinct[1:]
    if name != MODIFIED:
        return Column(codes, distinct.tolist())
    return _merged(codes, [*map(text_of_time, distinct.tolist())])


def text_of_time(time_ns: int) -> str:
    """A file's time, as conditions compare it: in UTC, to the second."""
    return str(np.datetime64(time_ns // 10**9, "s")).replace("T", " ") + "Z"


def _merged(codes: Int64Array, values: Sequence[MetadataValue]) -> Column:
    """A column whose ``values`` may be there several times, or be none."""
    column = _Column()
    for place, value in enumerate(values):
        column.add(place, value)
    of_values = column.made(len(values))
    return Column(np.append(of_values.codes, -1)[codes], of_values.values)


def _nothing(count: int) -> Column:
    return Column(np.full(count, -1, dtype=np.int64), [])


def _identity(value: MetadataValue) -> Hashable:
    """What equal values have in common: True is not 1, though Python says so."""
    return (value,) if isinstance(value, bool) else value


def kind_of(value: MetadataValue) -> str:
    """What a value is, in words."""
    if isinstance(value, bool):
        return "true or false"
    return "text" if isinstance(value, str) else "numbers"


def is_number(value: MetadataValue) -> bool:
    """Whether it is one; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def object_in(value: object) -> Mapping[str, object]:
    """What a value says that is an object, kept as JSON text; empty where it is none."""
    if isinstance(value, str) and value.startswith("{"):
        try:
            found = json.loads(value)
        except (ValueError, RecursionError):
            return {}
        if isinstance(found, dict):
            return found
    return {}


def scalar_of(value: object) -> MetadataValue:
    """What an object says under a key, as a value: what is no scalar is JSON text again."""
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    assert value is None or isinstance(value, str | int | float)
    return value


def _as_float(value: MetadataValue) -> float:
    assert value is not None
    try:
        return float(value)
    except OverflowError:  # a whole number of more than 308 digits
        return math.inf if int(value) > 0 else -math.inf
