"""Where pictures to embed come from, beside what ``index`` takes: archives, tables of them, the web."""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping

from seealike.catalog import IndexOptions, asked_source
from seealike.embedding.sources.archives import ArchiveSource
from seealike.embedding.sources.stored import ObjectSource
from seealike.embedding.sources.tables import ParquetSource, picture_column
from seealike.errors import SourceError, UsageError
from seealike.objects import is_address
from seealike.protocols import Source
from seealike.shards import is_shards
from seealike.sources import TableLayout, TableSource, has_wildcard, is_table_name
from seealike.types import PathInput

PICTURE = "picture"


def open_pictures(
    source: PathInput | Source,
    *,
    root: PathInput | None = None,
    columns: Mapping[str, str] | None = None,
    encoding: str | None = None,
) -> Source:
    """The source that a caller names; see ``embed``.

    Raises:
        SourceError: it cannot be read.
        UsageError: an option makes no sense for it.
        MissingExtraError: it needs a package that is not installed.
    """
    options = IndexOptions(root=root, columns=_without_picture(columns), encoding=encoding)
    if not isinstance(source, str | os.PathLike):
        return asked_source(source, options, ()).source
    named = os.fspath(source)
    if is_address(named) and not is_shards(named):
        return ObjectSource(named)
    layout = TableLayout(options.columns or {}, encoding or "")
    files = _files(named)
    endings = {os.path.splitext(file)[1].lower() for file in files}
    if endings == {".tar"}:
        return ArchiveSource(named, files)
    if endings == {".parquet"}:
        column = picture_column(files[0], (columns or {}).get(PICTURE), layout)
        if column is not None:
            return ParquetSource(named, files, column, layout)
    if PICTURE in (columns or {}):
        raise UsageError(f"--column {PICTURE}=NAME is for Parquet tables that hold pictures; {named} is none")
    if files == [named] and is_table_name(named):
        return TableSource(named, root=root, layout=layout, web=True)
    return asked_source(source, options, ()).source


def total_of(source: Source) -> int | None:
    """How many entries a source offers; ``None`` where that is not known before it has been read.

    Raises:
        SourceError: it cannot be read.
    """
    return source.count() if isinstance(source, ParquetSource) else None


def _without_picture(columns: Mapping[str, str] | None) -> dict[str, str] | None:
    return {meaning: name for meaning, name in (columns or {}).items() if meaning != PICTURE} or None


def _files(named: str) -> list[str]:
    """The file of this name, or those that a pattern takes where nothing has that name."""
    if os.path.lexists(named) or not has_wildcard(named):
        return [named] if os.path.isfile(named) else []
    try:
        return sorted(filter(os.path.isfile, glob.iglob(named, recursive=True)))
    except OSError as exc:
        raise SourceError(f"cannot read {named}: {exc.strerror or exc}") from exc
