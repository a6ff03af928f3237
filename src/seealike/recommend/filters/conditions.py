"""What a condition says, in the terms of whoever is asked: columns in memory, or the query of a database.

Logic has three values, as in SQL: where an item says nothing in a column, a comparison with it is neither
true nor false, nor is its opposite, and the item is left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, TypeVar

from seealike.errors import UnknownNameError, UsageError
from seealike.recommend.columns import kind_of

if TYPE_CHECKING:
    from seealike.types import MetadataValue

DAY = re.compile(r"\d{4}-\d\d-\d\d")
MOMENT = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:?\d\d)?)?")
Value = str | int | float | bool


class Operator(StrEnum):
    """How a column is compared with a value."""

    EQUAL = "="
    UNEQUAL = "!="
    LESS = "<"
    AT_MOST = "<="
    MORE = ">"
    AT_LEAST = ">="


class Described(Protocol):
    """What must be known of a column to say whether a value can be in it."""

    @property
    def kinds(self) -> frozenset[str]:
        """What kinds of values there are, in words."""

    @property
    def example(self) -> MetadataValue:
        """One of them; ``None`` where there is none."""


AColumn = TypeVar("AColumn", bound=Described)
Said = TypeVar("Said")


class Terms(Protocol[AColumn, Said]):
    """What conditions are said in: for which items each is true, and for which false."""

    def column(self, name: str) -> AColumn:
        """The column that is meant.

        Raises:
            UnknownNameError: there is none.
        """

    def holds_days(self, column: AColumn) -> bool:
        """Whether there are values, and every one is a day or a moment."""

    def one_of(self, column: AColumn, values: Sequence[Value]) -> Said:
        """It says one of some values, of which days and moments are compared as such; true is not 1."""

    def compared(self, column: AColumn, how: Operator, value: str | float) -> Said:
        """It says less or more: two texts, as days and moments where both are some, or two numbers."""

    def like(self, column: AColumn, pattern: str, *, folded: bool) -> Said:
        """It says a text of a pattern; ``folded``: whatever the case of its letters."""

    def nothing(self, column: AColumn) -> Said:
        """It says nothing: the one comparison that is always true or false."""

    def opposite(self, part: Said) -> Said:
        """True where this is false, and false where it is true."""

    def all_of(self, parts: Sequence[Said]) -> Said:
        """True where all are, and false where any is."""

    def any_of(self, parts: Sequence[Said]) -> Said:
        """True where any is, and false where all are."""


class Node(Protocol):
    """A piece of a condition."""

    def said(self, terms: Terms[AColumn, Said]) -> Said:
        """What it says.

        Raises:
            UsageError: a column is not there, or holds no values of the kind it is compared with.
        """


@dataclass(frozen=True, slots=True)
class Literal:
    """A value, and where it stands in the text."""

    value: Value
    at: int


@dataclass(frozen=True, slots=True)
class Named:
    """A column, and where its name stands in the text."""

    name: str
    at: int

    def of(self, terms: Terms[AColumn, Said]) -> AColumn:
        """The column itself.

        Raises:
            UsageError: there is none of that name.
        """
        try:
            return terms.column(self.name)
        except UnknownNameError as exc:
            raise UnknownNameError("column", self.name, exc.known, f"at character {self.at + 1}") from None

    def check(self, terms: Terms[AColumn, Said], column: AColumn, literal: Literal) -> None:
        """Refuse what no item could ever say in the column: 'x' where there are numbers.

        Raises:
            UsageError: that is so.
        """
        kinds, value = column.kinds, literal.value
        if kinds and kind_of(value) not in kinds:
            said = column.example
            wrong = f"{value!r} at character {literal.at + 1} is none"
            if literal.at == self.at:  # the column alone is the condition
                wrong = f"alone it is no condition: compare it, as with = {said!r}"
            held = " and ".join(sorted(kinds))
            raise UsageError(f"the column {self.name!r} holds {held}, such as {said!r}; {wrong}")
        is_no_date = isinstance(value, str) and MOMENT.fullmatch(value) and moment(value) is None
        if is_no_date and terms.holds_days(column):
            raise UsageError(f"there is no such day as {value}, at character {literal.at + 1}")


@dataclass(frozen=True, slots=True)
class Comparison:
    """``price < 100``."""

    column: Named
    operator: Operator
    literal: Literal

    def said(self, terms: Terms[AColumn, Said]) -> Said:
        """See ``Node``."""
        if self.operator is Operator.EQUAL:
            return Membership(self.column, (self.literal,)).said(terms)
        if self.operator is Operator.UNEQUAL:
            return Negation(Membership(self.column, (self.literal,))).said(terms)
        column, value = self.column.of(terms), self.literal.value
        self.column.check(terms, column, self.literal)
        if isinstance(value, bool):
            what = f"{self.operator.value} at character {self.literal.at + 1} is for numbers and text"
            raise UsageError(f"{what}, and {self.column.name!r} holds true and false; write = or !=")
        return terms.compared(column, self.operator, value)


@dataclass(frozen=True, slots=True)
class Membership:
    """``brand in ('a', 'b')``."""

    column: Named
    literals: tuple[Literal, ...]

    def said(self, terms: Terms[AColumn, Said]) -> Said:
        """See ``Node``."""
        column = self.column.of(terms)
        for literal in self.literals:
            self.column.check(terms, column, literal)
        return terms.one_of(column, [literal.value for literal in self.literals])


@dataclass(frozen=True, slots=True)
class Like:
    """``name like 'shoe%'``: ``%`` is any text, ``_`` any character; ``\\`` before one takes it as it is."""

    column: Named
    pattern: Literal
    folded: bool

    def said(self, terms: Terms[AColumn, Said]) -> Said:
        """See ``Node``."""
        column = self.column.of(terms)
        if not isinstance(self.pattern.value, str):
            place = f"at character {self.pattern.at + 1}"
            raise UsageError(f"a pattern is a text, not {self.pattern.value!r} {place}; write it in quotes")
        self.column.check(terms, column, self.pattern)
        return terms.like(column, self.pattern.value, folded=self.folded)


@dataclass(frozen=True, slots=True)
class IsNull:
    """``note is null``: the one thing that is known of an item that says nothing."""

    column: Named

    def said(self, terms: Terms[AColumn, Said]) -> Said:
        """See ``Node``."""
        return terms.nothing(self.column.of(terms))


@dataclass(frozen=True, slots=True)
class Negation:
    """``not ...``."""

    part: Node

    def said(self, terms: Terms[AColumn, Said]) -> Said:
        """See ``Node``."""
        return terms.opposite(self.part.said(terms))


@dataclass(frozen=True, slots=True)
class Conjunction:
    """``... and ...``."""

    parts: tuple[Node, ...]

    def said(self, terms: Terms[AColumn, Said]) -> Said:
        """See ``Node``."""
        return terms.all_of([part.said(terms) for part in self.parts])


@dataclass(frozen=True, slots=True)
class Disjunction:
    """``... or ...``."""

    parts: tuple[Node, ...]

    def said(self, terms: Terms[AColumn, Said]) -> Said:
        """See ``Node``."""
        return terms.any_of([part.said(terms) for part in self.parts])


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


def matcher(pattern: str, *, folded: bool) -> Callable[[str], bool]:
    """Says whether a text is as a pattern has it; ``folded``: whatever the case of its letters."""
    matches = _pattern(pattern, folded=folded).fullmatch
    return lambda said: matches(said) is not None


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
