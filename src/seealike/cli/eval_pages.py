"""What the commands that measure write beside their figures: pages, whole or not at all, and a warning."""

from __future__ import annotations

import os
from collections.abc import Sequence

from seealike.catalog import Catalog
from seealike.cli.echo import echo
from seealike.evaluation import CompareReport, EvalReport, compare_page, eval_page
from seealike.gallery import GalleryPage, render_gallery
from seealike.store import FileSystem


def write_eval_page(path: str, catalog: Catalog, report: EvalReport, *, quiet: bool) -> None:
    """Write what ``eval`` measured.

    Raises:
        StorageError: the disk refused.
    """
    _write(path, eval_page(report, catalog.thumbnail), quiet=quiet)


def write_compare_page(path: str, catalog: Catalog, report: CompareReport, *, quiet: bool) -> None:
    """Write what ``compare`` measured.

    Raises:
        StorageError: the disk refused.
    """
    _write(path, compare_page(report, catalog.thumbnail), quiet=quiet)


def warn_of_unmatched(labels: Sequence[str], *, quiet: bool) -> None:
    """Say which labels to ignore nothing has; they may be misspelt."""
    if labels and not quiet:
        echo(f"--ignore-label: no item has the label {' or '.join(map(repr, labels))}", err=True)


def _write(path: str, page: GalleryPage, *, quiet: bool) -> None:
    FileSystem().write(os.path.abspath(path), render_gallery(page).encode("utf-8", "backslashreplace"))
    if not quiet:
        echo(f"wrote {path}", err=True)
