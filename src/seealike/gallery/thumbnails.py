"""Small pictures for a page: each made once, and as large as lets all of them together fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from seealike.errors import PictureError

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
