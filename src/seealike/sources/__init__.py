"""Where pictures come from: a folder, a pattern of names, a table.

Sources know the file system and table formats. They open no picture and know nothing of catalogues
beyond how to leave them out.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from seealike.errors import SourceError, UsageError
from seealike.sources.files import error_detail, kind_detail
from seealike.sources.glob import GlobSource, has_wildcard, pattern_takes
from seealike.sources.ids import printable
from seealike.sources.layout import AS_USUAL, TableLayout
from seealike.sources.table import TABLE_SUFFIXES, TableSource, is_table_name
from seealike.sources.walk import FolderSource

if TYPE_CHECKING:
    from seealike.protocols import Source
    from seealike.types import PathInput

__all__ = [
    "AS_USUAL",
    "FolderSource",
    "GlobSource",
    "TableLayout",
    "TableSource",
    "has_wildcard",
    "is_table_name",
    "open_source",
    "pattern_takes",
]


def open_source(spec: PathInput, *, root: PathInput | None = None, layout: TableLayout = AS_USUAL) -> Source:
    """Return the source that ``spec`` names: a folder, a table or a pattern.

    What exists is taken for what it is; only a text that names nothing and has a wildcard
    (``*``, ``?``, ``[...]``) is a pattern.

    Args:
        spec: a folder, a ``.csv``, ``.tsv``, ``.jsonl``, ``.ndjson`` or ``.parquet`` file, or a
            pattern such as ``photos/**/*.jpg``.
        root: what a table's paths and all ids made of paths are relative to, and what nothing may
            lead out of. By default the folder, the table's folder, or the pattern's fixed part.
        layout: of a table, where its columns or encoding are not as usual.

    Raises:
        SourceError: nothing of these, or not readable, or outside the root.
        UsageError: a layout for something that is no table.
        MissingExtraError: a Parquet table, and pyarrow is not installed.
    """
    named = os.fspath(spec)
    label = printable(named)
    if not named:
        raise SourceError("the source has no name; name a folder, a table or a pattern")
    if layout != AS_USUAL and not is_table_name(named):
        raise UsageError(f"--column and --encoding are for tables, which {label} is not")
    try:
        mode = os.stat(named).st_mode
    except (OSError, ValueError) as exc:
        if has_wildcard(named) and not os.path.lexists(named):
            return GlobSource(named, root=root)
        missing = isinstance(exc, FileNotFoundError)
        raise SourceError(
            f"there is no {label}" if missing else f"cannot read {label}: {error_detail(exc)}"
        ) from exc
    if stat.S_ISDIR(mode):
        return FolderSource(named, root=root)
    if stat.S_ISREG(mode) and is_table_name(named):
        return TableSource(named, root=root, layout=layout)
    if not stat.S_ISREG(mode):
        raise SourceError(f"{label} is {kind_detail(mode)}; name a folder, or a table that is a file")
    known = ", ".join(TABLE_SUFFIXES)
    raise SourceError(f"{label} is neither a folder, nor a pattern, nor a table ({known})")
