"""The language of conditions: from text to a ``Node``, with errors that point at the place.

It is the WHERE of SQL without functions, arithmetic and queries; nothing of it ever becomes SQL. What stands
left of a comparison is a column, what stands right of it a value: so a word without quotes is clear there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from seealike.errors import UsageError
from seealike.recommend.filters.conditions import (
    Comparison,
    Conjunction,
    Disjunction,
    IsNull,
    Like,
    Literal,
    Membership,
    Named,
    Negation,
    Node,
    Operator,
    moment,
)

if TYPE_CHECKING:
    from lark import Lark, Token, Tree, UnexpectedInput

LONGEST = 10_000
_SHOWN = 30  # letters of the rest
_KEPT = 256
_WHOLE = re.compile(r"[+-]?\d+")
_GRAMMAR = r"""
start: _either
_either: disjunction | _both
_both: conjunction | _one
_one: negation | _predicate
disjunction: _both (_OR _both)+
conjunction: _one (_AND _one)+
negation: NOT _one
_predicate: "(" _either ")" | comparison | membership | likeness | range | emptiness | truth
comparison: column OPERATOR _value
membership: column [NOT] _IN "(" _value ("," _value)* ")"
likeness: column [NOT] (LIKE | ILIKE) _value
range: column [NOT] _BETWEEN _value _AND _value
emptiness: column _IS [NOT] _NULL
truth: column
column: (NAME | QUOTED) ("." (NAME | QUOTED))*
_value: NUMBER | DAY | TEXT | QUOTED | TRUE | FALSE | WORD
_AND.2: /and(?![\w-])/i
_OR.2: /or(?![\w-])/i
NOT.2: /not(?![\w-])/i
_IN.2: /in(?![\w-])/i
LIKE.2: /like(?![\w-])/i
ILIKE.2: /ilike(?![\w-])/i
_BETWEEN.2: /between(?![\w-])/i
_IS.2: /is(?![\w-])/i
_NULL.2: /null(?![\w-])/i
TRUE.2: /true(?![\w-])/i
FALSE.2: /false(?![\w-])/i
OPERATOR: "<=" | ">=" | "<>" | "!=" | "==" | "=" | "<" | ">"
NAME: /[^\W\d][\w-]*/
WORD: /(?!(and|or|not|in|like|ilike|between|is|null)(?![\w-]))[^\W\d][\w.\/-]*/i
NUMBER: /[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?(?![\w.])/i
DAY.1: /\d{4}-\d\d-\d\d(?![\w.-])/
QUOTED: /"(""|[^"])*"/
TEXT: /'(''|[^'])*'/
%ignore /\s+/
"""
_EXPECTED = {
    "NAME": "a column",
    "NUMBER": "a value",
    "OPERATOR": "a comparison such as = or <",
    "_AND": "'and'",
    "_OR": "'or'",
    "_NULL": "'null'",
    "RPAR": "')'",
    "COMMA": "','",
}


@lru_cache(_KEPT)
def parse(text: str) -> Node:
    """Read a condition.

    Raises:
        UsageError: it is none; the message says where and what was expected there.
    """
    import lark

    if not text.strip():
        raise UsageError("the condition is empty; write one such as category = 'shoes' and price < 100")
    if len(text) > LONGEST:
        raise UsageError(f"the condition has {len(text):,} characters; {LONGEST:,} are the most")
    try:
        children: list[Any] = _parser().parse(text).children
        return _node(children[0])
    except lark.UnexpectedInput as exc:
        raise _misread(text, exc) from None
    except RecursionError:
        raise UsageError("the condition is nested too deeply; write it with fewer parentheses") from None


_PREDICATES: dict[str, Callable[[Named, Sequence[Any]], Node]] = {
    "comparison": lambda column, rest: Comparison(column, _operator(rest[0]), _value(rest[1])),
    "membership": lambda column, rest: Membership(column, tuple(map(_value, rest[1:]))),
    "likeness": lambda column, rest: Like(column, _value(rest[2]), folded=rest[1].type == "ILIKE"),
    "range": lambda column, rest: Conjunction(
        (
            Comparison(column, Operator.AT_LEAST, _value(rest[1])),
            Comparison(column, Operator.AT_MOST, _value(rest[2])),
        )
    ),
    "emptiness": lambda column, _: IsNull(column),
    "truth": lambda column, _: Comparison(column, Operator.EQUAL, Literal(True, column.at)),
}
_NEGATABLE = frozenset({"membership", "likeness", "range", "emptiness"})
_SPELLINGS: dict[str, str] = {"<>": "!=", "==": "="}


@cache
def _parser() -> Lark:
    import lark

    return lark.Lark(_GRAMMAR, parser="lalr", propagate_positions=False, maybe_placeholders=True)


def _misread(text: str, error: UnexpectedInput) -> UsageError:
    """What is wrong, in one line: the library's error as ours."""
    import lark

    accepted: set[str] = set()
    if isinstance(error, lark.UnexpectedToken):
        accepted = error.accepts
    elif isinstance(error, lark.UnexpectedCharacters):
        accepted = error.allowed
    is_end = getattr(error, "token", None) == ""
    place: Any = error.pos_in_stream
    at: int = len(text.rstrip()) if is_end else place
    words = dict.fromkeys(said for name, said in _EXPECTED.items() if name in accepted)
    rest = " ".join(text[at : at + _SHOWN].split())
    what = f"{' or '.join(words)} is expected" if words else "the condition could end there"
    if rest[:1] in {"'", '"'}:
        is_open = text[at + 1 :].count(rest[0]) == 0
        what = "a quote is opened and never closed" if is_open else f"{what}, and names have double quotes"
    elif "NUMBER" in accepted and rest.casefold().startswith("null"):
        what = "nothing is equal to null: write `is null` or `is not null`"
    where = f"at character {at + 1}, before {rest!r}" if rest else "at its end"
    return UsageError(f"cannot read the condition {' '.join(text.split())!r} {where}: {what}")


def _node(tree: Tree[Token]) -> Node:
    """What a piece of the parsed text says."""
    children: list[Any] = tree.children
    kind = str(tree.data)
    if kind in {"conjunction", "disjunction"}:
        parts = tuple(map(_node, children))
        return Conjunction(parts) if kind == "conjunction" else Disjunction(parts)
    if kind == "negation":
        return Negation(_node(children[-1]))
    found = _PREDICATES[kind](_column(children[0].children), children[1:])
    negated = kind in _NEGATABLE and children[1] is not None
    return Negation(found) if negated else found


def _column(parts: Sequence[Token]) -> Named:
    names = [_unquoted(part) if part.type == "QUOTED" else str(part) for part in parts]
    return Named(".".join(names), parts[0].start_pos or 0)


def _operator(token: Token) -> Operator:
    return Operator(_SPELLINGS.get(token, token))


def _value(token: Token) -> Literal:
    return Literal(_said(token), token.start_pos or 0)


def _said(token: Token) -> str | int | float | bool:
    if token.type in {"TRUE", "FALSE"}:
        return token.type == "TRUE"
    if token.type in {"TEXT", "QUOTED"}:
        return _unquoted(token)
    if token.type == "DAY" and moment(token) is None:
        raise UsageError(f"there is no such day as {token}, at character {(token.start_pos or 0) + 1}")
    if token.type != "NUMBER":
        return str(token)
    if not _WHOLE.fullmatch(token):
        return float(token)
    try:
        return int(token)
    except ValueError:  # Python reads no more, as that takes the square of the time
        place = f"the number at character {(token.start_pos or 0) + 1}"
        raise UsageError(f"{place} has {len(token.lstrip('+-')):,} digits; write a shorter one") from None


def _unquoted(token: Token) -> str:
    quote = token[0]
    return token[1:-1].replace(quote + quote, quote)
