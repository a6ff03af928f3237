"""A folder of pictures, looked through recursively."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from seealike.sources.files import Boundary
from seealike.sources.ids import printable
from seealike.sources.walk import Everything, TreeWalk
from seealike.types import Skipped, SourceItem

if TYPE_CHECKING:
    from seealike.types import PathInput


class FolderSource:
    """Every file below a folder; the id is the path relative to the root, with ``/`` separators.

    Names that begin with a dot are left out, and so are seealike catalogues.

    Args:
        folder: where to look.
        root: what ids are relative to and what no link may leave; the folder itself by default.

    Raises:
        SourceError: there is no such folder, or it lies outside the root.
    """

    def __init__(self, folder: PathInput, *, root: PathInput | None = None) -> None:
        named = os.fspath(folder)
        self._top = os.path.abspath(named)
        self._boundary = Boundary.around(self._top if root is None else os.fspath(root))
        self._boundary.id_prefix(self._top)
        self.root = self._boundary.path
        self.label = printable(named.rstrip("/" + os.sep) + "/")

    def scan(self) -> Iterator[SourceItem | Skipped]:
        """Yield every file; see :class:`~seealike.sources.walk.TreeWalk` for the order and the links."""
        return iter(TreeWalk(self._boundary, self._top, Everything()))
