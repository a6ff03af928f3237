"""Does a picture find its own copies? Needs no label: every picture knows what it is."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seealike.catalog import Catalog
from seealike.errors import PictureError, StorageError
from seealike.evaluation.disturbances import Disturbance, disturbances
from seealike.evaluation.embedding import Told, embedded
from seealike.evaluation.intervals import Resampling, estimates
from seealike.evaluation.ranking import Found, found
from seealike.evaluation.selection import sampled
from seealike.evaluation.values import CopyReport, CopyResult, Example, LostCopy, Neighbour
from seealike.protocols import Encoder
from seealike.types import Float32Array, Int64Array, Item, Progress

BASE_PX = 512
NEAR = 10
SHOWN = 6
WORST = 12
_OF_ONE_PICTURE = 2  # among the worst, or one odd picture fills the page


@dataclass(frozen=True, slots=True)
class Copies:
    """Copies and where their originals stand; rows of ``found`` are those of the two arrays.

    Args:
        kinds: which disturbance each copy is.
        originals: which row of the items each copy is of.
        found: where the original stands.
        pictures: the JPEGs of the copies furthest from their originals, by row, worst first.
    """

    kinds: Int64Array
    originals: Int64Array
    found: Found
    pictures: dict[int, bytes]


def copies_of(
    catalog: Catalog,
    items: Sequence[Item],
    vectors: Float32Array,
    sample: int,
    seed: int,
    *,
    told: Told,
    encoder: str | Encoder,
) -> Copies:
    """Disturb a sample of pictures, and look for the originals among all items.

    Shapes: vectors is (n, d), one row an item.
    """
    rows = [row for row, item in enumerate(items) if item.path is not None]
    chosen = [rows[place] for place in sampled(len(rows), sample, seed)] if sample else []
    try:
        with tempfile.TemporaryDirectory(prefix="seealike-", ignore_cleanup_errors=True) as folder:
            _write(catalog, [(row, items[row]) for row in chosen], folder, told)
            return _searched(catalog, vectors, folder, told=told, encoder=encoder)
    except OSError as exc:
        raise StorageError(tempfile.gettempdir(), exc.strerror or str(exc)) from exc


def copy_report(items: Sequence[Item], copies: Copies, how: Resampling) -> CopyReport | None:
    """Everything about copies; ``None`` where no picture could be read."""
    if not len(copies.originals):
        return None
    ranks, kinds = copies.found.ranks, disturbances()
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


def _write(catalog: Catalog, chosen: Sequence[tuple[int, Item]], folder: str, told: Told) -> None:
    """Write every copy of every picture that can be read, named after its row and disturbance."""
    kinds = disturbances()
    for done, (row, item) in enumerate(chosen, 1):
        try:
            base = catalog.thumbnail(item.path or "", BASE_PX)
        except PictureError:  # gone or changed since it was indexed
            continue
        for number, kind in enumerate(kinds):
            with open(os.path.join(folder, f"{row:09}-{number:02}.jpg"), "wb") as file:
                file.write(kind.copy_of(base))
        told(Progress("disturb", done, len(chosen)))


def _searched(
    catalog: Catalog, vectors: Float32Array, folder: str, *, told: Told, encoder: str | Encoder
) -> Copies:
    with embedded(catalog, folder, told, encoder=encoder) as made:
        names, queries = made.vectors()
    parts = [os.path.splitext(name)[0].split("-") for name in names]
    originals = np.array([int(row) for row, _ in parts], dtype=np.int64)
    kinds = np.array([int(number) for _, number in parts], dtype=np.int64)
    where = found(
        queries, vectors, originals, NEAR, lambda done, total: told(Progress("compare", done, total))
    )
    lost = _worst_rows(originals, where)
    pictures = {}
    for row in lost:
        with open(os.path.join(folder, names[row]), "rb") as file:
            pictures[row] = file.read()
    return Copies(kinds, originals, where, pictures)


def _worst_rows(originals: Int64Array, where: Found) -> list[int]:
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
    where = copies.found
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
