"""How many pictures a page shows, so that it opens in any browser however long its lists are."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence

PICTURES_A_PAGE = 1800  # different ones: each is on the page once
CARDS_A_PAGE = 12_000


def picture_budget(lengths: Sequence[int], *, limit: int) -> list[int]:
    """Share ``limit`` cards among lists: short ones are shown whole, long ones are cut alike.

    Args:
        lengths: the number of hits of every section.
        limit: the number of cards on the whole page.

    Returns:
        How many hits of each section are shown. Every list that has any shows at least one.
    """
    shown = [0] * len(lengths)
    left = limit
    by_length = sorted(range(len(lengths)), key=lambda index: lengths[index])
    for rank, index in enumerate(by_length):
        fair = max(1, left // (len(lengths) - rank))
        shown[index] = min(lengths[index], fair)
        left = max(0, left - shown[index])
    return shown


def shown_with_pictures(lists: Sequence[Sequence[str]]) -> list[int]:
    """How many hits of each list have a picture on the page; the others are listed by name.

    Thumbnails are needed for no more than these. As many cards as a page bears, but no more different items.

    Args:
        lists: the ids of the hits of every section.
    """
    lengths = list(map(len, lists))
    limits = range(PICTURES_A_PAGE, CARDS_A_PAGE + 1)

    def different(limit: int) -> int:
        return _different(lists, picture_budget(lengths, limit=limit))

    fitting = bisect_right(limits, PICTURES_A_PAGE, key=different)
    return picture_budget(lengths, limit=limits[max(0, fitting - 1)])


def lists_with_pictures(lists: Iterable[Sequence[str]]) -> int:
    """How many lists from the first on a page can show whole, each with its own ids; one at least."""
    count, cards, different = 0, 0, set[str]()
    for ids in lists:
        cards += len(ids)
        different.update(ids)
        if count and (cards > CARDS_A_PAGE or len(different) > PICTURES_A_PAGE):
            break
        count += 1
    return count


def _different(lists: Sequence[Sequence[str]], shown: Sequence[int]) -> int:
    return len({item_id for hits, count in zip(lists, shown, strict=True) for item_id in hits[:count]})
