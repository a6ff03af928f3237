"""What the columns of a copy are called and hold, and what hits are to be among: the same in every engine."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from seealike.engines.facts import NESTED, OURS, Kind
from seealike.errors import UnknownNameError, UsageError
from seealike.recommend import SearchOptions
from seealike.recommend.columns import METADATA, kind_of
from seealike.recommend.filters.conditions import Described, Terms
from seealike.recommend.filters.parsing import parse
from seealike.types import MetadataValue

WORDS = {Kind.TEXT: "text", Kind.NUMBER: "numbers", Kind.WHOLE: "numbers", Kind.TRUTH: "true or false"}
AColumn = TypeVar("AColumn", bound=Described)
Said = TypeVar("Said")
SaidBy = tuple[tuple[str, tuple[tuple[str, MetadataValue], ...]], ...]


class EngineTerms(Terms[AColumn, Said], Protocol[AColumn, Said]):
    """The language of an engine, for conditions."""

    def typed(self, stored: str) -> AColumn:
        """The column that is stored under a name."""

    def members(self, column: AColumn, values: Sequence[MetadataValue], *, as_moments: bool) -> Said:
        """It says one of some values; another one is false. True is not 1.

        ``as_moments``: texts that are days and moments are compared as such.
        """

    @property
    def nowhere(self) -> Said:
        """What no item keeps."""


@dataclass(frozen=True)
class EngineAmong:
    """What hits are among. Equal ones have the same items.

    Args:
        where: the condition; empty: none.
        same: columns, and the values of which a hit has one there, each after its kind.
        other: columns, and the values of which a hit has none there, but some other.
    """

    where: str
    same: SaidBy
    other: SaidBy

    @classmethod
    def of(
        cls,
        options: SearchOptions,
        liked: Sequence[Mapping[str, MetadataValue]] | None,
        stored_name: Callable[[str], str],
    ) -> EngineAmong:
        """What options ask for, beside what the liked items say; ``None``: none is liked.

        Raises:
            UsageError: no item is liked that hits could be compared with.
            UnknownNameError: there is no such column.
        """
        for name, asked in (("same", options.same), ("other", options.other)):
            if asked and liked is None:
                hint = "name one of the catalogue by its id, or the value itself by --where"
                raise UsageError(f"{name} {asked[0]!r} compares with an item, and none is liked; {hint}")

        def said(wanted: tuple[str, ...]) -> SaidBy:
            found = []
            for name in dict.fromkeys(wanted):
                stored = stored_name(name)
                values = {(kind_of(v), v) for one in liked or () if (v := one.get(stored)) is not None}
                found.append((stored, tuple(sorted(values, key=repr))))
            return tuple(found)

        return cls(options.where or "", said(options.same), said(options.other))

    def said(self, terms: EngineTerms[AColumn, Said]) -> Said:
        """What keeps these items, in the terms of an engine.

        Raises:
            UsageError: the condition does not fit the columns.
        """

        def one_of(stored: str, values: Iterable[tuple[str, MetadataValue]]) -> Said:
            said = [value for _, value in values]
            return terms.members(terms.typed(stored), said, as_moments=False) if said else terms.nowhere

        parts = [parse(self.where).said(terms)] if self.where else []
        parts += [one_of(stored, values) for stored, values in self.same]
        parts += [
            terms.opposite(one_of(stored, values)) if values else terms.nowhere
            for stored, values in self.other
        ]
        return terms.all_of(parts)


def stored_name(name: str, names: Collection[str], is_said: Callable[[str], bool]) -> str:
    """Under which name a column is stored; see ``Columns.column``.

    Args:
        name: as a condition has it.
        names: under which any item says, or said, something.
        is_said: whether any item says something under one of them now.

    Raises:
        UnknownNameError: there is no such column.
    """
    if name in OURS:
        return name
    inner = name.removeprefix(METADATA)
    for stored in (METADATA + inner, METADATA + name, NESTED + inner, NESTED + name):
        if stored in names and is_said(stored):
            return stored
    own = [one.removeprefix(METADATA) for one in names if one.startswith(METADATA)]
    known = (*sorted(METADATA + one if one in OURS else one for one in own), *OURS)
    raise UnknownNameError("column", name, known)
