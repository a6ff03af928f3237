"""Does a picture find its own copies? Needs no label: every picture knows what it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from seealike.catalog import Catalog
from seealike.errors import PictureError
from seealike.evaluation.measure.disturbances import Disturbance, disturbances
from seealike.evaluation.measure.space import embedded
from seealike.evaluation.statistics.intervals import Resampling, estimates
from seealike.evaluation.statistics.ranking import Standing, sampled, standing
from seealike.evaluation.values import CopyReport, CopyResult, Example, LostCopy, Neighbour
from seealike.rows import Rows
from seealike.types import Int64Array, Item, Picture, Progress, ProgressCallback

BASE_PX = 512
NEAR = 10
SHOWN = 6
WORST = 12
_OF_ONE_PICTURE = 2  # among the worst, or one odd picture fills the page


@dataclass(frozen=True, slots=True)
class Copies:
    """Copies and where their originals stand; rows of ``standing`` are those of the two arrays.

    Args:
        kinds: which disturbance each copy is.
        originals: which row of the items each copy is of.
        standing: where the original stands.
        pictures: the JPEGs of the copies furthest from their originals, by row, worst first.
    """

    kinds: Int64Array
    originals: Int64Array
    standing: Standing
    pictures: dict[int, bytes]


def copies_of(
    catalog: Catalog,
    items: Sequence[Item],
    vectors: Rows,
    sample: int,
    seed: int,
    progress: ProgressCallback,
) -> Copies:
    """Disturb a sample of pictures, and look for the originals among all items.

    Shapes: vectors is (n, d), one row an item.
    """
    rows = [row for row, item in enumerate(items) if item.path is not None]
    chosen = [rows[place] for place in sampled(len(rows), sample, seed)] if sample else []
    kinds = disturbances()
    usable, queries = embedded(catalog, disturbed(catalog, items, chosen, kinds, progress))
    numbers = np.array([picture.token for picture in usable], dtype=np.int64)
    originals, which = np.divmod(numbers, len(kinds))
    where = standing(queries, vectors, originals, NEAR, progress)
    pictures = {}
    for row in _worst_rows(originals, where):
        base = _base(catalog, items[originals[row]])
        if base is not None:
            pictures[row] = kinds[which[row]].copy_of(base)
    return Copies(which, originals, where, pictures)


def copy_report(items: Sequence[Item], copies: Copies, how: Resampling) -> CopyReport | None:
    """Everything about copies; ``None`` where no picture could be read."""
    if not len(copies.originals):
        return None
    ranks, kinds = copies.standing.ranks, disturbances()
    first = (ranks == 1).astype(np.float64)
    near = (ranks <= NEAR).astype(np.float64)
    results = []
    for number, kind in enumerate(kinds):
        mine = copies.kinds == number
        if not mine.any():
            continue
        both = np.stack([first[mine], near[mine]], axis=1)
        at_1, at_10 = estimates(both, copies.originals[mine], how)
        results.append(
            CopyResult(
                kind.name,
                kind.description,
                int(mine.sum()),
                at_1,
                at_10,
                float(np.median(ranks[mine])),
                int(ranks[mine].max()),
            )
        )
    return CopyReport(
        pictures=len(np.unique(copies.originals)),
        searched=len(items),
        overall=estimates(first[:, None], copies.originals, how)[0],
        results=tuple(results),
        worst=tuple(_lost(items, copies, row, kinds) for row in copies.pictures),
    )


def disturbed(
    catalog: Catalog,
    items: Sequence[Item],
    chosen: Sequence[int],
    kinds: Sequence[Disturbance],
    progress: ProgressCallback,
) -> Iterator[Picture]:
    """Every copy of every picture that can be read; its token tells its item's row and its disturbance."""
    for done, row in enumerate(chosen, 1):
        base = _base(catalog, items[row])
        if base is not None:
            for number, kind in enumerate(kinds):
                yield Picture(row * len(kinds) + number, kind.copy_of(base))
        progress(Progress("disturb", done, len(chosen)))


def _base(catalog: Catalog, item: Item) -> bytes | None:
    """What copies are made of, a JPEG; None where the picture is gone, or changed since it was indexed."""
    try:
        return catalog.thumbnail(item.path or "", BASE_PX)
    except PictureError:
        return None


def _worst_rows(originals: Int64Array, where: Standing) -> list[int]:
    """The copies furthest from their originals, worst first; at most two of one picture."""
    order = np.lexsort((where.own_scores, -where.ranks))
    seen: dict[int, int] = {}
    rows: list[int] = []
    for row in order.tolist():
        if where.ranks[row] == 1 or len(rows) == WORST:
            break
        original = int(originals[row])
        seen[original] = seen.get(original, 0) + 1
        if seen[original] <= _OF_ONE_PICTURE:
            rows.append(row)
    return rows


def _lost(items: Sequence[Item], copies: Copies, row: int, kinds: Sequence[Disturbance]) -> LostCopy:
    target = int(copies.originals[row])
    where = copies.standing
    pairs = zip(where.nearest[row, :SHOWN].tolist(), where.scores[row, :SHOWN].tolist(), strict=True)
    nearest = tuple(
        Neighbour(items[place].id, items[place].path, "", score, place == target)
        for place, score in pairs
        if place >= 0
    )
    return LostCopy(
        kinds[int(copies.kinds[row])].name,
        Example(items[target].id, items[target].path, "", nearest),
        int(where.ranks[row]),
        float(where.own_scores[row]),
        copies.pictures[row],
    )
