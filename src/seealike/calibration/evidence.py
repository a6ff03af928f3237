"""What tells which pairs are right: copies made here, the groups, a label. Each becomes questions.

Where there is nothing to learn from, it is a text instead, which says why.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seealike.calibration.pairs import Questions
from seealike.catalog import Catalog
from seealike.catalog.labels import GROUP, numbered
from seealike.evaluation.measure.copies import disturbed
from seealike.evaluation.measure.disturbances import disturbances
from seealike.evaluation.measure.space import embedded
from seealike.evaluation.statistics.ranking import sampled
from seealike.rows import Rows, chosen
from seealike.types import Int64Array, Item, ProgressCallback

COPIES = "copies"
_PARTS = frozenset({"crop60", "corner"})  # a part of a picture is no copy of it


@dataclass(frozen=True, slots=True, eq=False)
class Stock:
    """Items that may be learnt from.

    Args:
        items: in id order.
        vectors: theirs, of unit norm; (n, d).
        digests: the SHA-256 of their files.
        labels: what is similar has the same; ``None`` for an item without; ``None`` altogether: nobody knows.
        split: what is held out together has the same; ``None``: by itself.
        split_by: what that is, for people.
    """

    items: Sequence[Item]
    vectors: Rows
    digests: Sequence[bytes | None]
    labels: Sequence[str | None] | None
    split: Sequence[str | None]
    split_by: str

    def parts(self) -> Int64Array:
        """The part that each item is held out with."""
        return _alone(self.split)


def asking_of_copies(
    catalog: Catalog, stock: Stock, sample: int, seed: int, progress: ProgressCallback
) -> Questions | str:
    """Disturbed copies seek their originals, or whatever has the very same file.

    Raises:
        UnknownNameError, EncoderError: the encoder cannot be used.
    """
    readable = [row for row, item in enumerate(stock.items) if item.path is not None]
    copied = [readable[place] for place in sampled(len(readable), sample, seed)] if sample else []
    kinds = [kind for kind in disturbances() if kind.name not in _PARTS]
    copies, vectors = embedded(catalog, disturbed(catalog, stock.items, copied, kinds, progress))
    if not copies:
        return "no picture could be read to make copies of"
    originals = np.array([copy.token // len(kinds) for copy in copies], np.int64)
    labels, parts = _alone([None if one is None else one.hex() for one in stock.digests]), stock.parts()
    nobody = np.full(len(copies), -1, np.int64)
    return Questions(
        stock.vectors, labels, parts, vectors, labels[originals], nobody, asking=parts[originals]
    )


def asking_of_labels(stock: Stock, label: str | None, most: int, seed: int) -> Questions | str:
    """Items seek others of their label, or of their group; those without one neither ask nor answer.

    Where a label is sought, other pictures of the query's own group do not count: they are easy prey.
    """
    groups = [item.group or None for item in stock.items]
    texts = groups if label == GROUP else stock.labels
    if texts is None:
        return "nothing says what is similar; --label COLUMN does"
    _, numbers = numbered(texts)
    known = np.flatnonzero(numbers >= 0)
    labels = numbers[known]
    several = known[np.bincount(labels)[labels] > 1] if len(known) else known
    if not len(several):
        return f"no two items have the same {label}"
    asking = np.searchsorted(known, several[sampled(len(several), most, seed)])
    vectors, parts = chosen(stock.vectors, known), stock.parts()[known]
    return Questions(
        vectors,
        labels,
        parts,
        vectors[asking],
        labels[asking],
        own=asking,
        asking=parts[asking],
        groups=None if label == GROUP or not any(groups) else numbered(groups)[1][known],
    )


def _alone(texts: Sequence[str | None]) -> Int64Array:
    """Numbers of the texts; whatever has none gets one of its own. Shapes: the result is (n,)."""
    names, numbers = numbered(texts)
    alone = np.flatnonzero(numbers < 0)
    numbers[alone] = len(names) + np.arange(len(alone))
    return numbers
