"""What all parts have for an item, as its list."""

from __future__ import annotations

from collections.abc import Sequence

from seealike.listing.found import FoundRow
from seealike.recommend import Found, SimilarList


def merged(rows: Sequence[FoundRow], k: int) -> SimilarList:
    """The list of one item, of what each part has for it.

    Every part gives the best item of each product; the best of all parts stands for the product. The item's
    own product is left out. Equal scores stand in the order of ids, as in every search.
    """
    own = next((row.product for row in rows if row.product is not None), None)
    best: dict[tuple[bool, str], Found] = {}
    everything = sorted((one for row in rows for one in row.found), key=_order)
    for one in everything:
        if one.id != rows[0].id and (own is None or one.product != own):
            best.setdefault((one.product is not None, one.product or one.id), one)
    chosen = [*best.values()][:k]
    return SimilarList(rows[0].id, tuple(one.id for one in chosen), tuple(one.score for one in chosen))


def _order(one: Found) -> tuple[float, str]:
    return -one.score, one.id
