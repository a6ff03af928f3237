"""Conditions as SQL with parameters: the same logic of three values, over the columns of an engine.

What is compared comes as parameters; what becomes SQL is made here, of names that were made here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from seealike.engines.facts import Kind, as_float, bound_of, microseconds, storable
from seealike.recommend.columns import is_number
from seealike.recommend.filters.conditions import DAY, MOMENT, Operator, Value, moment, pieces_of
from seealike.types import MetadataValue

NOWHERE = "FALSE"
# Small letters that are others without regard to case, and those others, as Python's ``re`` has it.
_VARIANTS = (
    "\u0131\u017f\u03bc\u03b9\u1fbe\u1fd3\u1fe3\u03d0\u03f5\u03d1\u03f0\u03d6\u03f1\u03c3"
    "\u03d5\u1c80\u1c81\u1c82\u1c83\u1c84\u1c85\u1c86\u1c87\ua64b\u1e9b\ufb06"
)
_PLAIN = (
    "\u0069\u0073\u00b5\u0345\u0345\u0390\u03b0\u03b2\u03b5\u03b8\u03ba\u03c0\u03c1\u03c2"
    "\u03c6\u0432\u0434\u043e\u0441\u0442\u0442\u044a\u0463\u1c88\u1e61\ufb05"
)


class Sql(NamedTuple):
    """A piece of a statement, and what it compares with."""

    text: str
    parameters: tuple[object, ...] = ()


@dataclass(frozen=True)
class TypedColumn:
    """A column as it is stored: the expression of each kind of its values.

    Args:
        expressions: by kind, all that any item has or had.
        kinds: what kinds of values there are now, in words.
        example: one of them.
        holds_days: whether there are values, and every one is a day or a moment.
    """

    expressions: Mapping[Kind, str]
    kinds: frozenset[str]
    example: MetadataValue
    holds_days: Callable[[], bool]

    def get(self, kind: Kind) -> str | None:
        """The expression of its values of a kind, if there are any."""
        return self.expressions.get(kind)

    @property
    def says_something(self) -> str:
        """Whether an item has any value."""
        said = [one for kind, one in self.expressions.items() if kind not in (Kind.MOMENT, Kind.NOTHING)]
        return f"({' OR '.join(f'{one} IS NOT NULL' for one in said)})" if said else NOWHERE


@dataclass(frozen=True)
class SqlTerms:
    """Conditions as expressions that are true, false or null as the condition is true, false or neither.

    See ``EngineTerms``.

    Args:
        stored_name: under which name a column is stored.
        typed: what is stored under one.
    """

    stored_name: Callable[[str], str]
    typed: Callable[[str], TypedColumn]
    nowhere = Sql(NOWHERE)

    def column(self, name: str) -> TypedColumn:
        """See ``Terms``."""
        return self.typed(self.stored_name(name))

    def holds_days(self, column: TypedColumn) -> bool:
        """See ``Terms``."""
        return column.holds_days()

    def one_of(self, column: TypedColumn, values: Sequence[Value]) -> Sql:
        """See ``Terms``."""
        return self.members(column, values, as_moments=True)

    def members(self, column: TypedColumn, values: Sequence[MetadataValue], *, as_moments: bool) -> Sql:
        """See ``EngineTerms``."""
        tests: list[Sql] = []
        texts = [storable(one) for one in values if isinstance(one, str)]
        if (text := column.get(Kind.TEXT)) is not None and texts:
            plain = [one for one in texts if not (as_moments and MOMENT.fullmatch(one))]
            tests += [_text(column, text, Operator.EQUAL, one) for one in texts if one not in plain]
            if plain:
                tests.append(Sql(f"{text} = ANY(%s::text[])", (plain,)))
        if truths := [one for one in values if isinstance(one, bool)]:
            tests += [Sql(f"{one} = ANY(%s::boolean[])", (truths,)) for one in _of(column, Kind.TRUTH)]
        numbers = [one for one in values if is_number(one) and not isinstance(one, str) and one is not None]
        if numbers:
            floats = [near for one in numbers if (near := as_float(one)) is not None]
            wholes = [Decimal(one) for one in numbers]
            tests += [Sql(f"{one} = ANY(%s::float8[])", (floats,)) for one in _of(column, Kind.NUMBER)]
            tests += [Sql(f"{one} = ANY(%s::numeric[])", (wholes,)) for one in _of(column, Kind.WHOLE)]
        found = joined(" OR ", [Sql(f"coalesce({test.text}, FALSE)", test.parameters) for test in tests])
        text_of = found.text if tests else NOWHERE
        return Sql(f"(CASE WHEN {column.says_something} THEN {text_of} END)", found.parameters)

    def compared(self, column: TypedColumn, how: Operator, value: str | float) -> Sql:
        """See ``Terms``."""
        if not isinstance(value, str):
            return _number(column, how, value)
        text = column.get(Kind.TEXT)
        return Sql("NULL::boolean") if text is None else _text(column, text, how, value)

    def like(self, column: TypedColumn, pattern: str, *, folded: bool) -> Sql:
        """See ``Terms``."""
        text = column.get(Kind.TEXT)
        if text is None:
            return Sql("NULL::boolean")
        pieces = [one if one in "%_" else _escaped(one[-1]) for one in pieces_of(storable(pattern))]
        if not folded:
            return Sql(f"({text} LIKE %s)", ("".join(pieces),))
        fold = f"translate(lower({{}} COLLATE \"pg_c_utf8\"), '{_VARIANTS}', '{_PLAIN}')".format
        return Sql(f"({fold(text)} LIKE {fold('%s::text')})", ("".join(pieces),))

    def nothing(self, column: TypedColumn) -> Sql:
        """See ``Terms``."""
        return Sql(f"(NOT {column.says_something})")

    def opposite(self, part: Sql) -> Sql:
        """See ``Terms``."""
        return Sql(f"(NOT {part.text})", part.parameters)

    def all_of(self, parts: Sequence[Sql]) -> Sql:
        """See ``Terms``."""
        return joined(" AND ", parts)

    def any_of(self, parts: Sequence[Sql]) -> Sql:
        """See ``Terms``."""
        return joined(" OR ", parts)


def joined(joint: str, parts: Sequence[Sql]) -> Sql:
    """Several pieces as one."""
    text = joint.join(part.text for part in parts)
    return Sql(f"({text})", tuple(value for part in parts for value in part.parameters))


def _of(column: TypedColumn, kind: Kind) -> list[str]:
    found = column.get(kind)
    return [] if found is None else [found]


def _text(column: TypedColumn, text: str, how: Operator, value: str) -> Sql:
    """A text compared with another: as days or moments where both are some."""
    at, sign, wanted, value = column.get(Kind.MOMENT), how.value, moment(value), storable(value)
    if at is None or wanted is None:
        return Sql(f"({text} {sign} %s)", (value,))
    if DAY.fullmatch(value):
        return Sql(f"(CASE WHEN {at} IS NULL THEN {text} ELSE left({text}, 10) END {sign} %s)", (value,))
    plain, as_moment = f"{text} {sign} %s", f"{at} {sign} %s"
    return Sql(f"(CASE WHEN {at} IS NULL THEN {plain} ELSE {as_moment} END)", (value, microseconds(wanted)))


def _number(column: TypedColumn, how: Operator, value: float) -> Sql:
    number, whole = column.get(Kind.NUMBER), column.get(Kind.WHOLE)
    parts: list[Sql] = []
    if whole is not None:
        parts.append(Sql(f"{whole} {how.value} %s::numeric", (Decimal(value),)))
    if number is not None:
        sign, bound = bound_of(how, value)
        is_number = f"{number}::float8 <> 'NaN'"  # which PostgreSQL has above all numbers
        parts.append(Sql(f"({is_number} AND {number} {sign.value} %s::float8)", (bound,)))
    if not parts:
        return Sql("NULL::boolean")
    found = joined(", ", parts)
    return Sql(f"coalesce{found.text}", found.parameters)


def _escaped(letter: str) -> str:
    return f"\\{letter}" if letter in "%_\\" else letter
