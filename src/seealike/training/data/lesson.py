"""What a catalogue teaches: its items with their classes, and who must stay on one side together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from seealike.catalog.labels import GROUP, labels_of, numbered
from seealike.encoders import mark_of
from seealike.errors import UsageError
from seealike.images import DecodeLimits
from seealike.rows import chosen
from seealike.training.options import Labelling, Splitting
from seealike.types import unwatched

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seealike.catalog import Catalog
    from seealike.rows import Rows
    from seealike.types import Int64Array, Item, ProgressCallback


@dataclass(frozen=True, slots=True)
class Lesson:
    """Items with their classes.

    Args:
        items: what the catalogue says of them, in id order.
        vectors: their vectors, of unit norm; held, or in a file where they are many.
        classes: the names of the classes, sorted.
        targets: the class of each item.
        marks: what each picture is known by on an encoder's card.
        units: numbers of those who must stay together (a person, a product).
        parts: the value of the split column of each item; empty strings without one.
        unit_name: what a unit is, in words.
        left_out: how many items of the catalogue have no class.
        limits: what one of the pictures may cost.

    Shapes: vectors is (n, d); targets, marks and units are (n,).
    """

    items: tuple[Item, ...]
    vectors: Rows
    classes: tuple[str, ...]
    targets: Int64Array
    marks: Int64Array
    units: Int64Array
    parts: tuple[str, ...]
    unit_name: str
    left_out: int
    limits: DecodeLimits = DecodeLimits()

    def __len__(self) -> int:
        """The number of items."""
        return len(self.items)


def read_lesson(
    catalog: Catalog,
    labelling: Labelling,
    splitting: Splitting,
    progress: ProgressCallback = unwatched,
) -> Lesson:
    """Take the items that have a class out of a catalogue.

    Raises:
        UnknownNameError: no item has such a column.
        UsageError: there are fewer than two classes, or no class has two items.
        StorageError: there is no room for the vectors.
    """
    ids, vectors = catalog.vector_rows(progress=progress)
    known = {item.id: item for item in catalog.items()}
    items = [known[item_id] for item_id in ids if item_id in known]
    marks = {item_id: mark_of(item_id, sha256) for item_id, sha256 in catalog.digests()}
    if len(items) != len(ids) or not marks.keys() >= known.keys():
        raise UsageError("the catalogue was changed while it was read; try again")
    ignored = set(labelling.ignore)
    labels = [None if label in ignored else label for label in labels_of(items, labelling.column)]
    rows = [row for row, label in enumerate(labels) if label is not None]
    classes, targets = numbered([labels[row] for row in rows])
    _check_classes(classes, targets, labelling)
    learnt = tuple(items[row] for row in rows)
    unit_name, units = _units(learnt, splitting)
    return Lesson(
        items=learnt,
        vectors=chosen(vectors, np.array(rows, np.int64)),
        classes=tuple(classes),
        targets=targets,
        marks=np.array([marks[items[row].id] for row in rows], dtype=np.int64),
        units=units,
        parts=_parts(learnt, splitting.column),
        unit_name=unit_name,
        left_out=len(items) - len(rows),
        limits=catalog.limits,
    )


def _check_classes(classes: Sequence[str], targets: Int64Array, labelling: Labelling) -> None:
    if len(classes) < 2:
        raise UsageError(
            f"there is nothing to learn from: {labelling.column} has {len(classes)} different values; "
            "it takes two or more"
        )
    if np.bincount(targets).max() < 2:
        raise UsageError(f"no two items have the same {labelling.column}: nothing is alike; name another")


def _units(items: Sequence[Item], splitting: Splitting) -> tuple[str, Int64Array]:
    """What stays together, in words, and its number for each item; one without a unit is its own."""
    by = splitting.by or GROUP
    values = [item.group for item in items] if splitting.by is None else labels_of(items, by)
    if not any(values):
        return "picture", np.arange(len(items), dtype=np.int64)
    # Ids come after the units' own numbers, so that no id is taken for a unit of the same name.
    names, numbers = numbered(values)
    alone = numbers < 0
    numbers[alone] = len(names) + np.arange(int(alone.sum()))
    return by, numbers


def _parts(items: Sequence[Item], column: str | None) -> tuple[str, ...]:
    return tuple(value or "" for value in labels_of(items, column)) if column else ("",) * len(items)
