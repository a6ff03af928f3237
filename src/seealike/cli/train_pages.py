"""The page of ``seealike train``, written whole or not at all."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from seealike.cli.echo import echo
from seealike.store import FileSystem
from seealike.training.page import train_page

if TYPE_CHECKING:
    from seealike.catalog import Catalog
    from seealike.training import TrainReport


def write_train_page(path: str, catalog: Catalog, report: TrainReport, *, quiet: bool) -> None:
    """Write before and after.

    Raises:
        StorageError: the disk refused.
    """
    html = train_page(report, catalog.thumbnail)
    FileSystem().write(os.path.abspath(path), html.encode("utf-8", "backslashreplace"))
    if not quiet:
        echo(f"wrote {path}", err=True)
