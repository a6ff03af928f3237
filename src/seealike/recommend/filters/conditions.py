"""What a condition says, and for which items of some columns it holds.

Logic has three values, as in SQL: where an item says nothing in a column, a comparison with it is neither
true nor false, nor is its opposite, and the item is left out. Comparisons are made once for every different
value of a column, not for every item.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from seealike.errors import UnknownNameError, UsageError
from seealike.recommend.columns import is_number, kind_of

if TYPE_CHECKING:
    import numpy.typing as npt

    from seealike.recommend.columns import Column, Columns
    from seealike.types import MetadataValue

    Mask = npt.NDArray[np.bool_]

_EXACT = 2.0**53  # whole numbers beyond are not all floats
DAY = re.compile(r"\d{4}-\d\d-\d\d")
MOMENT = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:?\d\d)?)?")


class Operator(StrEnum):
    """How a column is compared with a value."""

    EQUAL = "="
    UNEQUAL = "!="
    LESS = "<"
    AT_MOST = "<="
    MORE = ">"
    AT_LEAST = ">="


_FUNCTIONS: dict[Operator, Callable[[Any, Any], Any]] = {
    Operator.EQUAL: operator.eq,
    Operator.UNEQUAL: operator.ne,
    Operator.LESS: operator.lt,
    Operator.AT_MOST: operator.le,
    Operator.MORE: operator.gt,
    Operator.AT_LEAST: operator.ge,
}


class Truth(NamedTuple):
    """For which items something is true, and for which it is false; for the others it is neither."""

    true: Mask
    false: Mask


class Node(Protocol):
    """A piece of a condition."""

    def truth(self, columns: Columns) -> Truth:
        """For which items it is true, and for which false."""


@dataclass(frozen=True, slots=True)
class Named:
    """A column, and where its name stands in the text."""

    name: str
    at: int

    def of(self, columns: Columns) -> Column:
        """The column itself.

        Raises:
            UsageError: there is none of that name.
        """
        try:
            return columns.column(self.name)
        except UnknownNameError as exc:
            raise UnknownNameError("column", self.name, exc.known, f"at character {self.at + 1}") from None


@dataclass(frozen=True, slots=True)
class Literal:
    """A value, and where it stands in the text."""

    value: str | int | float | bool
    at: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """``price < 100``."""

    column: Named
    operator: Operator
    literal: Literal

    def truth(self, columns: Columns) -> Truth:
        """See ``Node``."""
        if self.operator is Operator.EQUAL:
            return Membership(self.column, (self.literal,)).truth(columns)
        if self.operator is Operator.UNEQUAL:
            return Negation(Membership(self.column, (self.literal,))).truth(columns)
        column, value = self.column.of(columns), self.literal.value
        check_kind(column, self.column, self.literal, partial(_holds_days, column))
        self.check_ordered()
        if isinstance(value, str):
            return _of_values(column, lambda said: isinstance(said, str), _text_test(self.operator, value))
        test = _FUNCTIONS[self.operator]
        if abs(value) <= _EXACT >= column.largest:
            numbers = column.numbers
            known = ~np.isnan(numbers)
            return _spread(column, np.asarray(test(numbers, float(value))), known)
        return _of_values(column, is_number, lambda said: bool(test(said, value)))

    def check_ordered(self) -> None:
        """Refuse to compare true and false by size.

        Raises:
            UsageError: that is what it says.
        """
        if isinstance(self.literal.value, bool):
            what = f"{self.operator.value} at character {self.literal.at + 1} is for numbers and text"
            raise UsageError(f"{what}, and {self.column.name!r} holds true and false; write = or !=")


@dataclass(frozen=True, slots=True)
class Membership:
    """``brand in ('a', 'b')``."""

    column: Named
    literals: tuple[Literal, ...]

    def truth(self, columns: Columns) -> Truth:
        """See ``Node``."""
        column = self.column.of(columns)
        equal = np.zeros(len(column.values), dtype=bool)
        for literal in self.literals:
            check_kind(column, self.column, literal, partial(_holds_days, column))
            if isinstance(literal.value, str) and MOMENT.fullmatch(literal.value):
                test = _text_test(Operator.EQUAL, literal.value)
                equal |= np.array(
                    [isinstance(said, str) and test(said) for said in column.values], dtype=bool
                )
            elif (code := column.code_of(literal.value)) is not None:
                equal[code] = True
        return _spread(column, equal, np.ones(len(equal), dtype=bool))


@dataclass(frozen=True, slots=True)
class Like:
    """``name like 'shoe%'``: ``%`` is any text, ``_`` any character; ``\\`` before one takes it as it is."""

    column: Named
    pattern: Literal
    folded: bool

    def truth(self, columns: Columns) -> Truth:
        """See ``Node``."""
        column = self.column.of(columns)
        matches = self.matcher()
        check_kind(column, self.column, self.pattern, partial(_holds_days, column))
        return _of_values(column, lambda said: isinstance(said, str), lambda said: matches(str(said)))

    def matcher(self) -> Callable[[str], bool]:
        """Says whether a text is as the pattern has it.

        Raises:
            UsageError: the pattern is no text.
        """
        matches = _pattern(self.text, folded=self.folded).fullmatch
        return lambda said: matches(said) is not None

    @property
    def text(self) -> str:
        """The pattern.

        Raises:
            UsageError: it is no text.
        """
        if not isinstance(self.pattern.value, str):
            place = f"at character {self.pattern.at + 1}"
            raise UsageError(f"a pattern is a text, not {self.pattern.value!r} {place}; write it in quotes")
        return self.pattern.value


@dataclass(frozen=True, slots=True)
class IsNull:
    """``note is null``: the one thing that is known of an item that says nothing."""

    column: Named

    def truth(self, columns: Columns) -> Truth:
        """See ``Node``."""
        nothing = self.column.of(columns).codes < 0
        return Truth(nothing, ~nothing)


@dataclass(frozen=True, slots=True)
class Negation:
    """``not ...``."""

    part: Node

    def truth(self, columns: Columns) -> Truth:
        """See ``Node``."""
        true, false = self.part.truth(columns)
        return Truth(false, true)


@dataclass(frozen=True, slots=True)
class Conjunction:
    """``... and ...``."""

    parts: tuple[Node, ...]

    def truth(self, columns: Columns) -> Truth:
        """See ``Node``."""
        truths = [part.truth(columns) for part in self.parts]
        return Truth(
            np.logical_and.reduce([one.true for one in truths]),
            np.logical_or.reduce([one.false for one in truths]),
        )


@dataclass(frozen=True, slots=True)
class Disjunction:
    """``... or ...``."""

    parts: tuple[Node, ...]

    def truth(self, columns: Columns) -> Truth:
        """See ``Node``."""
        true, false = Conjunction(tuple(map(Negation, self.parts))).truth(columns)
        return Truth(false, true)


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition as it was written, and what it says. Equal texts are equal conditions."""

    text: str
    root: Node = field(compare=False)

    def mask(self, columns: Columns) -> Mask:
        """For which items it holds. Shapes: (n,).

        Raises:
            UsageError: a column is not there, or holds no values of the kind it is compared with.
        """
        return columns.remembered(("where", self.text), lambda: self.root.truth(columns).true)

    def __str__(self) -> str:
        """As it was written."""
        return self.text


def _spread(column: Column, true: Mask, known: Mask) -> Truth:
    """From values to items. Shapes: true and known are those of the column's values."""
    return Truth(np.append(true & known, False)[column.codes], np.append(known & ~true, False)[column.codes])


def _of_values(
    column: Column, is_known: Callable[[MetadataValue], bool], test: Callable[[MetadataValue], bool]
) -> Truth:
    known = np.fromiter(map(is_known, column.values), dtype=bool, count=len(column.values))
    true = np.fromiter(
        (here and test(said) for said, here in zip(column.values, known.tolist(), strict=True)),
        dtype=bool,
        count=len(known),
    )
    return _spread(column, true, known)


class Described(Protocol):
    """What must be known of a column to say whether a value can be in it."""

    @property
    def kinds(self) -> frozenset[str]:
        """What kinds of values there are, in words."""

    @property
    def example(self) -> MetadataValue:
        """One of them; ``None`` where there is none."""


def _holds_days(column: Column) -> bool:
    """Whether there are values, and every one is a day or a moment."""
    return bool(column.values) and all(moment(str(said)) for said in column.values)


def check_kind(column: Described, named: Named, literal: Literal, holds_days: Callable[[], bool]) -> None:
    """Refuse what no item could ever say: 'x' where there are numbers.

    Args:
        column: with what it holds.
        named: the column as the condition names it.
        literal: what it is compared with.
        holds_days: whether there are values, and every one is a day or a moment.

    Raises:
        UsageError: that is so.
    """
    kinds = column.kinds
    if kinds and kind_of(literal.value) not in kinds:
        said = column.example
        wrong = f"{literal.value!r} at character {literal.at + 1} is none"
        if literal.at == named.at:  # the column alone is the condition
            wrong = f"alone it is no condition: compare it, as with = {said!r}"
        raise UsageError(
            f"the column {named.name!r} holds {' and '.join(sorted(kinds))}, such as {said!r}; {wrong}"
        )
    value = literal.value
    is_no_date = isinstance(value, str) and MOMENT.fullmatch(value) and moment(value) is None
    if is_no_date and holds_days():
        raise UsageError(f"there is no such day as {value}, at character {literal.at + 1}")


def _text_test(how: Operator, value: str) -> Callable[[MetadataValue], bool]:
    """How a text is compared with ``value``: as dates where both are some, else letter by letter."""
    test = _FUNCTIONS[how]
    if DAY.fullmatch(value) and moment(value):
        return lambda said: bool(test(str(said)[:10] if moment(str(said)) else said, value))
    wanted = moment(value)
    if wanted is None:
        return lambda said: bool(test(said, value))

    def compared(said: MetadataValue) -> bool:
        found = moment(str(said))
        return bool(test(said, value) if found is None else test(found, wanted))

    return compared


def moment(text: str) -> datetime | None:
    """A day or a moment that is written as ISO 8601 says; one without a zone is in UTC."""
    if not MOMENT.fullmatch(text):
        return None
    try:
        found = datetime.fromisoformat(text.upper())
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def pieces_of(pattern: str) -> list[str]:
    """A pattern in pieces: ``%``, ``_``, or what stands for its own last character."""
    return re.findall(r"\\.|.", pattern, re.DOTALL)


def _pattern(pattern: str, *, folded: bool) -> re.Pattern[str]:
    """A pattern as a regular expression that never goes back further than one ``%``."""
    parts = [""]
    for piece in pieces_of(pattern):
        if piece == "%":
            parts.append("")
        else:
            parts[-1] += "." if piece == "_" else re.escape(piece[-1])
    first, *others = parts
    expression = first
    if others:
        expression += "".join(f"(?>.*?{part})" for part in others[:-1]) + f".*{others[-1]}"
    return re.compile(expression, re.DOTALL | (re.IGNORECASE if folded else 0))
