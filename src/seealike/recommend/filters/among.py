"""Which items a list may have: those that keep a condition, and say the same as its examples, or other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from seealike.errors import UsageError
from seealike.recommend.filters.masks import mask_of

if TYPE_CHECKING:
    import numpy.typing as npt

    from seealike.recommend.columns import Columns
    from seealike.recommend.query import SearchOptions
    from seealike.types import Int64Array

    Mask = npt.NDArray[np.bool_]

Said = tuple[tuple[str, frozenset[int]], ...]


@dataclass(frozen=True, slots=True)
class Among:
    """What a list's hits are among, in the columns of one generation. Equal ones have the same items.

    Args:
        where: the condition; empty: none.
        same: columns, and the codes of which a hit has one there.
        other: columns, and the codes of which a hit has none there, but some other.
    """

    where: str
    same: Said
    other: Said

    @classmethod
    def of(cls, options: SearchOptions, columns: Columns, liked: Int64Array) -> Among:
        """What options ask for, beside the items that a list's hits are to be like, by their keys.

        Raises:
            UsageError: no item is liked that hits could be compared with.
            UnknownNameError: there is no such column.
        """
        for name, asked in (("same", options.same), ("other", options.other)):
            if asked and not len(liked):
                hint = "name one of the catalogue by its id, or the value itself by --where"
                raise UsageError(f"{name} {asked[0]!r} compares with an item, and none is liked; {hint}")
        places = np.searchsorted(columns.keys, liked)

        def said(names: tuple[str, ...]) -> Said:
            codes = {name: frozenset(columns.codes(name)[places].tolist()) - {-1} for name in names}
            return tuple(codes.items())

        return cls(options.where or "", said(options.same), said(options.other))

    def keys(self, columns: Columns) -> Int64Array:
        """The keys of these items, ascending; the same array for equal conditions.

        Raises:
            UsageError: the condition does not fit the columns.
        """
        return columns.remembered(self, lambda: columns.keys[self._places(columns)])

    def _places(self, columns: Columns) -> Int64Array:
        """Where they are: with ``same``, only items with these values are looked at."""
        places: Int64Array = np.arange(len(columns))
        for name, codes in self.same[:1]:
            places = columns.column(name).places_of(codes)
        for name, codes in self.same[1:]:
            places = places[_has_one_of(columns.codes(name)[places], codes)]
        if self.where:
            places = places[mask_of(self.where, columns)[places]]
        for name, codes in self.other:
            own = columns.codes(name)[places]
            places = places[(own >= 0) & ~_has_one_of(own, codes)] if codes else places[:0]
        return places


def _has_one_of(own: Int64Array, codes: frozenset[int]) -> Mask:
    return np.asarray(np.isin(own, np.fromiter(codes, np.int64, len(codes))))
