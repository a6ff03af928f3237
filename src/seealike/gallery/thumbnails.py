"""Small pictures for a page: how many it bears, and how large each, so that it opens anywhere."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from typing import Generic, TypeVar

from seealike.errors import PictureError

PICTURES_A_PAGE = 1800  # different ones: each is on the page once
CARDS_A_PAGE = 12_000
SIDES_PX = (240, 200, 160, 128, 112, 96)
PAGE_BYTES = 9_000_000  # what all pictures of a page may take in its text
BASE64 = 4 / 3
_TRIED = 40  # pictures that decide about the side
File = TypeVar("File")


class Thumbnails(Generic[File]):
    """Makes each thumbnail once."""

    def __init__(self, thumbnail: Callable[[File, int], bytes], side_px: int = SIDES_PX[0]) -> None:
        """``thumbnail`` makes a small picture of a file, at most so many pixels a side."""
        self._side_px = side_px
        self._thumbnail = thumbnail
        self._made: dict[File, bytes | None] = {}

    def of(self, file: File | None) -> bytes | None:
        """A thumbnail, or ``None`` where the file is gone."""
        if file is None:
            return None
        if file not in self._made:
            try:
                self._made[file] = self._thumbnail(file, self._side_px)
            except PictureError:
                self._made[file] = None
        return self._made[file]

    def fit(self, files: Sequence[File], budget_bytes: int = PAGE_BYTES) -> None:
        """Choose a side at which thumbnails of all the files fit, each of which is named once."""

        def size(file: File, side_px: int) -> int | None:
            small = Thumbnails(self._thumbnail, side_px).of(file)
            return None if small is None else len(small)

        self._side_px, _ = fitting_side(files, size, SIDES_PX, int(budget_bytes / BASE64))


def fitting_side(
    files: Sequence[File],
    size: Callable[[File, int], int | None],
    sides_px: Sequence[int],
    budget_bytes: int,
) -> tuple[int, int]:
    """The first side at which all files fit, judged by some of them, and how many fit at it.

    Args:
        files: what there are pictures of.
        size: how many bytes the picture of a file takes at a side; ``None`` where it has none.
        sides_px: the sides, the best first.
        budget_bytes: what all of them may take. Where no side fits, as many files as fit at the last.
    """
    tried = files[:: max(1, len(files) // _TRIED)][:_TRIED]
    mean = 0.0
    for side_px in sides_px:
        sizes = [size_bytes for file in tried if (size_bytes := size(file, side_px)) is not None]
        mean = sum(sizes) / len(sizes) if sizes else 0.0
        if mean * len(files) <= budget_bytes:
            return side_px, len(files)
    return sides_px[-1], min(len(files), round(budget_bytes / mean))


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
