"""How many pictures a page shows, so that it opens in any browser however long its lists are."""

from __future__ import annotations

from collections.abc import Sequence

PICTURES_A_PAGE = 1800


def picture_budget(lengths: Sequence[int], *, limit: int = PICTURES_A_PAGE) -> list[int]:
    """Share ``limit`` pictures among lists: short ones are shown whole, long ones are cut alike.

    Thumbnails are needed for no more than these first hits of each section.

    Args:
        lengths: the number of hits of every section.
        limit: the number of pictures on the whole page.

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
