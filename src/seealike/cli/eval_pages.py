"""Pages of the commands that measure, written whole or not at all."""

from __future__ import annotations

import os

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


def _write(path: str, page: GalleryPage, *, quiet: bool) -> None:
    FileSystem().write(os.path.abspath(path), render_gallery(page).encode("utf-8", "backslashreplace"))
    if not quiet:
        echo(f"wrote {path}", err=True)
