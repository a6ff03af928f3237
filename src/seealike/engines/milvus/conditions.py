"""Conditions as filters of Milvus with parameters: the same logic of three values.

A condition becomes two filters: what it is true of, and what it is false of. Neither denies what may not be
known, so it does not matter what an engine takes for the opposite of that. What the language of filters
lacks, patterns beyond a beginning, is compared here, with every different text of the column.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from seealike.engines.columns import WORDS
from seealike.engines.facts import as_float, bound_of, microseconds, storable
from seealike.engines.milvus.fields import KINDS, MAIN, Slot, extreme, whole
from seealike.engines.milvus.filters import EVERYTHING, Filter, Value, both, compared, either, one_of
from seealike.engines.milvus.records import Name
from seealike.recommend.columns import is_number
from seealike.recommend.filters.conditions import DAY, MOMENT, Operator, matcher, moment, pieces_of
from seealike.types import MetadataValue

_SIGNS = {one: one.value for one in Operator} | {Operator.EQUAL: "=="}
_OPPOSITE = {
    Operator.EQUAL: Operator.UNEQUAL,
    Operator.UNEQUAL: Operator.EQUAL,
    Operator.LESS: Operator.AT_LEAST,
    Operator.AT_LEAST: Operator.LESS,
    Operator.MORE: Operator.AT_MOST,
    Operator.AT_MOST: Operator.MORE,
}


class Truth(NamedTuple):
    """What keeps a condition, and what its opposite; ``None``: nothing does."""

    true: Filter | None
    false: Filter | None


NEITHER = Truth(None, None)


@dataclass(frozen=True)
class TypedColumn:
    """A column as it is stored.

    Args:
        fields: by slot, of all that any item says there now.
        find_example: gives the first value that any item says.
        texts: gives every different text.
    """

    fields: Mapping[Slot, Name]
    find_example: Callable[[], MetadataValue]
    texts: Callable[[], Iterable[str]]
    has_other_texts: Callable[[], bool]

    @property
    def kinds(self) -> frozenset[str]:
        """What kinds of values there are, in words."""
        return frozenset(WORDS[KINDS[slot]] for slot in self.fields if slot in KINDS)

    @property
    def example(self) -> MetadataValue:
        """One of them."""
        return self.find_example()


def present(field: Name) -> Filter:
    """What says something in a field."""
    return Filter(f"({field.field} is not null)" if field.is_typed else f"(exists {field.field})")


def absent(field: Name) -> Filter:
    """What says nothing there."""
    return Filter(f"({field.field} is null)" if field.is_typed else f"(not (exists {field.field}))")


@dataclass(frozen=True)
class FilterTerms:
    """Conditions as two filters each: see ``EngineTerms``.

    Args:
        stored_name: under which name a column is stored.
        typed: what is stored under one.
    """

    stored_name: Callable[[str], str]
    typed: Callable[[str], TypedColumn]
    nowhere = NEITHER

    def column(self, name: str) -> TypedColumn:
        """See ``Terms``."""
        return self.typed(self.stored_name(name))

    def holds_days(self, column: TypedColumn) -> bool:
        """See ``Terms``."""
        is_text = column.kinds == {"text"} and Slot.MOMENT in column.fields
        return is_text and not column.has_other_texts()

    def one_of(self, column: TypedColumn, values: Sequence[MetadataValue]) -> Truth:
        """See ``Terms``."""
        return self.members(column, values, as_moments=True)

    def members(self, column: TypedColumn, values: Sequence[MetadataValue], *, as_moments: bool) -> Truth:
        """See ``EngineTerms``."""
        slots: list[Truth] = []
        if (text := column.fields.get(Slot.TEXT)) is not None:
            texts = [storable(one) for one in values if isinstance(one, str)]
            dates = [one for one in texts if as_moments and MOMENT.fullmatch(one)]
            equal = [_text(column, text, Operator.EQUAL, one) for one in dates]
            plain = _in_slot(text, [one for one in texts if one not in dates])
            slots.append(self.any_of([plain, *equal]))
        numbers = [one for one in values if is_number(one) and isinstance(one, int | float)]
        floats = [near for one in numbers if (near := as_float(one)) is not None]
        stored: dict[Slot, Sequence[Value]] = {
            Slot.NUMBER: [one for one in floats if math.isfinite(one)],
            Slot.EXTREME: [extreme(one) for one in floats if not math.isfinite(one)],
            Slot.WHOLE: [whole(int(one)) for one in numbers if _is_whole(one)],
            Slot.TRUTH: [one for one in values if isinstance(one, bool)],
        }
        slots += [
            _in_slot(column.fields[slot], some) for slot, some in stored.items() if slot in column.fields
        ]
        return Truth(either(*(one.true for one in slots)), either(*(one.false for one in slots)))

    def compared(self, column: TypedColumn, how: Operator, value: str | float) -> Truth:
        """See ``Terms``."""
        if isinstance(value, str):
            text = column.fields.get(Slot.TEXT)
            return NEITHER if text is None else _text(column, text, how, value)
        far = column.fields.get(Slot.EXTREME)
        no_number = None if far is None else one_of(far.field, [extreme(math.nan)])  # not less, nor more
        false = _number(column, _OPPOSITE[how], value)
        return Truth(_number(column, how, value), either(false, no_number))

    def like(self, column: TypedColumn, pattern: str, *, folded: bool) -> Truth:
        """See ``Terms``."""
        text = column.fields.get(Slot.TEXT)
        return NEITHER if text is None else _like(column, text, storable(pattern), folded=folded)

    def nothing(self, column: TypedColumn) -> Truth:
        """See ``Terms``."""
        fields = [column.fields[slot] for slot in MAIN if slot in column.fields]
        if not fields:
            return Truth(EVERYTHING, None)
        return Truth(both(*map(absent, fields)), either(*map(present, fields)))

    def opposite(self, part: Truth) -> Truth:
        """See ``Terms``."""
        return Truth(part.false, part.true)

    def all_of(self, parts: Sequence[Truth]) -> Truth:
        """See ``Terms``."""
        return Truth(both(*(one.true for one in parts)), either(*(one.false for one in parts)))

    def any_of(self, parts: Sequence[Truth]) -> Truth:
        """See ``Terms``."""
        return Truth(either(*(one.true for one in parts)), both(*(one.false for one in parts)))


def _in_slot(field: Name, values: Sequence[Value]) -> Truth:
    """Which items have one of some values in a field, and which have another."""
    if not values:
        return Truth(None, present(field))
    if isinstance(values[0], bool):
        true = either(*(compared(field.field, "==", one) for one in dict.fromkeys(values)))
        others = [one for one in (True, False) if one not in values]
        return Truth(true, either(*(compared(field.field, "==", one) for one in others)))
    inside = one_of(field.field, values)
    return Truth(inside, both(present(field), Filter(f"(not {inside.text})", inside.values)))


def _is_whole(value: float) -> bool:
    return isinstance(value, int) or value.is_integer()


def _text(column: TypedColumn, text: Name, how: Operator, value: str) -> Truth:
    """A text compared with another: as days or moments where both are some."""
    compare = partial(_text_is, column, text, value=value)
    return Truth(compare(how), compare(_OPPOSITE[how]))


def _text_is(column: TypedColumn, text: Name, how: Operator, *, value: str) -> Filter | None:
    at, wanted, sign = column.fields.get(Slot.MOMENT), moment(value), _SIGNS[how]
    plain = both(present(text), compared(text.field, sign, storable(value)))
    if at is None or wanted is None:
        return plain
    as_day = DAY.fullmatch(value) is not None
    field = column.fields[Slot.DAY] if as_day else at
    told = compared(field.field, sign, value if as_day else microseconds(wanted))
    return either(both(present(field), told), both(absent(field), plain))


def _number(column: TypedColumn, how: Operator, value: float) -> Filter | None:
    found: list[Filter | None] = []
    if (number := column.fields.get(Slot.NUMBER)) is not None:
        found.append(_finite(number, how, value))
    if (far := column.fields.get(Slot.EXTREME)) is not None:
        kept = [extreme(one) for one in (math.inf, -math.inf) if _holds(one, how, value)]
        found.append(one_of(far.field, kept) if kept else None)
    if (large := column.fields.get(Slot.WHOLE)) is not None:
        found.append(_large(large, how, value))
    return either(*found)


def _finite(field: Name, how: Operator, value: float) -> Filter | None:
    """Comparison of floats with a number, which need not be one."""
    how, bound = bound_of(how, value)
    if math.isinf(bound):
        return present(field) if _holds(0.0, how, bound) else None
    return both(present(field), compared(field.field, _SIGNS[how], bound))


def _large(field: Name, how: Operator, value: float) -> Filter | None:
    """Comparison of whole numbers beyond those that are floats with a number."""
    if not isinstance(value, int) and math.isinf(value):
        return present(field) if _holds(0.0, how, value) else None
    below, above = math.floor(value), math.ceil(value)
    bound = above if how in (Operator.LESS, Operator.AT_LEAST) else below
    return both(present(field), compared(field.field, _SIGNS[how], whole(bound)))


def _holds(number: float, how: Operator, value: float) -> bool:
    match how:
        case Operator.LESS:
            return number < value
        case Operator.AT_MOST:
            return number <= value
        case Operator.MORE:
            return number > value
        case _:
            return number >= value


def _like(column: TypedColumn, text: Name, pattern: str, *, folded: bool) -> Truth:
    pieces = pieces_of(pattern)
    beginning = "".join(piece[-1] for piece in pieces[:-1])
    is_beginning = pieces[-1:] == ["%"] and not {"%", "_"} & set(pieces[:-1]) and not folded
    after = _following(beginning)
    if is_beginning and after is not None:
        at_least, less = compared(text.field, ">=", beginning), compared(text.field, "<", after)
        others = either(compared(text.field, "<", beginning), compared(text.field, ">=", after))
        return Truth(both(present(text), at_least, less), both(present(text), others))
    keeps = matcher(pattern, folded=folded)
    return _in_slot(text, [one for one in column.texts() if keeps(one)])


def _following(beginning: str) -> str | None:
    """What comes after every text with a beginning; ``None`` where there is no such text."""
    for place in range(len(beginning) - 1, -1, -1):
        code = ord(beginning[place]) + 1
        if code <= 0x10FFFF:
            return beginning[:place] + chr(0xE000 if 0xD800 <= code < 0xE000 else code)
    return None
