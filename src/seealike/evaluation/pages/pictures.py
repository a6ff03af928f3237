"""Items of reports as pictures of a page."""

from __future__ import annotations

from collections.abc import Callable

from seealike.evaluation.statistics.intervals import Estimate
from seealike.evaluation.values import Example, Neighbour
from seealike.gallery import Cell, GalleryPicture, Mark, Thumbnails

Thumbnailer = Callable[[str, int], bytes]
SIDE_PX = 200


class PagePictures(Thumbnails[str]):
    """Makes pictures of a page, each thumbnail once."""

    def query(self, example: Example) -> GalleryPicture:
        """The picture that was asked with."""
        return GalleryPicture(
            example.id, example.label or example.id, label="query", thumbnail=self.of(example.path)
        )

    def answer(self, neighbour: Neighbour, *, judged: bool = True) -> GalleryPicture:
        """One answer; marked right or wrong where it is ``judged``."""
        mark = (Mark.RIGHT if neighbour.right else Mark.WRONG) if judged else None
        caption = neighbour.label or neighbour.id
        return GalleryPicture(
            neighbour.id, caption, score=neighbour.score, thumbnail=self.of(neighbour.path), mark=mark
        )


def estimate_cell(estimate: Estimate) -> Cell:
    """A mean with its interval, drawn and in numbers."""
    if estimate.low is None or estimate.high is None:
        return Cell(f"{estimate.value:.3f}", "interval unknown")
    bounds = f"{estimate.low:.3f} to {estimate.high:.3f}"
    return Cell(f"{estimate.value:.3f}", bounds, (estimate.low, estimate.value, estimate.high))


def difference_cell(difference: Estimate, *, verdict: bool = False) -> Cell:
    """A difference with its interval, and its verdict where that is asked for."""
    if difference.low is None or difference.high is None:
        return Cell(f"{difference.value:+.3f}", difference.verdict)
    said = f" {difference.verdict}" if verdict else ""
    return Cell(f"{difference.value:+.3f}{said}", f"{difference.low:+.3f} to {difference.high:+.3f}")
