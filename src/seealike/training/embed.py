"""The pictures of some items through an encoder, the way ``index`` goes: the proof of what was learnt."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from seealike.catalog import create
from seealike.errors import UsageError
from seealike.types import Skipped, SkipReason, SourceItem

if TYPE_CHECKING:
    from collections.abc import Callable

    from seealike.types import Float32Array, Item, Progress


class ListedPictures:
    """The files of some items as a source; see :class:`~seealike.protocols.Source`."""

    def __init__(self, items: Sequence[Item], root: str) -> None:
        """``root``: the folder that all of them lie in."""
        self._items = items
        self.root = root
        self.label = "the items"

    def scan(self) -> Iterator[SourceItem | Skipped]:
        """Yield every item whose file is there."""
        for item in self._items:
            path = item.path or ""
            try:
                facts = os.stat(path)
            except OSError as exc:
                yield Skipped(item.id, path, SkipReason.UNREADABLE, exc.strerror or str(exc))
            else:
                yield SourceItem(item.id, path, facts.st_size, facts.st_mtime_ns)


def common_folder(items: Sequence[Item]) -> str:
    """The folder that all files lie in.

    Raises:
        UsageError: an item has no file, or they lie on several drives.
    """
    paths = [item.path for item in items if item.path]
    if len(paths) < len(items):
        lost = next(item.id for item in items if not item.path)
        raise UsageError(f"the item {lost} has no file; only --method head learns without pictures")
    try:
        return os.path.commonpath([os.path.dirname(path) for path in paths])
    except ValueError as exc:
        raise UsageError("the pictures lie on several drives; --method head needs none of them") from exc


def embed_items(
    items: Sequence[Item], encoder: str, told: Callable[[Progress], None]
) -> tuple[Float32Array, list[int]]:
    """Encode the pictures of items.

    Returns:
        The vectors of those that could be read, and their places in ``items``.

    Raises:
        UsageError: an item has no file.
        EncoderError: the encoder cannot be used.

    Shapes: vectors is (m, d), one row a place.
    """
    source = ListedPictures(items, common_folder(items))
    with (
        tempfile.TemporaryDirectory(prefix="seealike-", ignore_cleanup_errors=True) as folder,
        create(os.path.join(folder, "trial"), encoder=encoder) as trial,
    ):
        trial.index(source, progress=told)
        ids, vectors = trial.vectors()
    row = {item_id: number for number, item_id in enumerate(ids)}
    places = [place for place, item in enumerate(items) if item.id in row]
    return np.asarray(vectors[[row[items[place].id] for place in places]], dtype=np.float32), places
