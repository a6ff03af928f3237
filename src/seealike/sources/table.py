"""A table of pictures: CSV, JSON Lines or Parquet, with ids, groups and metadata."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from typing import TYPE_CHECKING

from seealike.errors import SourceError
from seealike.sources.csv_rows import open_csv
from seealike.sources.files import Boundary, error_detail, kind_detail, nothing_there
from seealike.sources.ids import printable
from seealike.sources.jsonl_rows import JsonlRows
from seealike.sources.layout import AS_USUAL, TableLayout
from seealike.sources.parquet_rows import open_parquet
from seealike.sources.rows import BadRow, Row, RowReader
from seealike.types import Skipped, SkipReason, SourceItem, Unseen

if TYPE_CHECKING:
    from seealike.types import PathInput

TABLE_SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
_DIRECTORIES_REMEMBERED = 50_000


class TableSource:
    """The pictures that the rows of a table name.

    Columns: ``path`` is needed; ``id`` defaults to the path as written, ``group`` to none; all
    others are metadata. Paths are relative to the table's folder, or to ``root`` where given, and
    must not lead out of it. ``layout`` says where columns or encoding are others. With ``web``, what begins
    with ``http://`` or ``https://`` is offered as it is, of no size and time.

    Raises:
        SourceError: not a readable table, a column is not there, or the root does not exist.
        MissingExtraError: a Parquet table, and pyarrow is not installed.
    """

    def __init__(
        self,
        table: PathInput,
        *,
        root: PathInput | None = None,
        layout: TableLayout = AS_USUAL,
        web: bool = False,
    ) -> None:
        named = os.fspath(table)
        self.label = printable(named)
        self._path = os.path.abspath(named)
        self._boundary = Boundary.around(os.path.dirname(self._path) if root is None else os.fspath(root))
        self.root = self._boundary.path
        self._layout, self._web = layout, web
        self._reader()

    def scan(self) -> Iterator[SourceItem | Skipped]:
        """Yield the picture of every row; rows that name none as ``Skipped``, with their number.

        Raises:
            SourceError: the table cannot be read, or was written to meanwhile, or its root was unmounted.
        """
        before = self._as_it_stands()
        reader = self._reader()
        ledger, rows = reader.read()
        finder = _PictureFinder(self._boundary)
        unit, name = reader.unit, os.path.basename(self.label)
        for row in rows:
            where = f"{unit} {row.number}"
            if isinstance(row, BadRow):
                detail = f"{where}: {row.detail}"
                yield Skipped(f"{name}:{row.number}", self._path, SkipReason.UNREADABLE, detail)
            elif not ledger.is_new(row.id):
                detail = f"{where}: the id has been used by a row before"
                place = row.path if self._is_web(row) else finder.place(row.path)
                yield Skipped(row.id, place, SkipReason.DUPLICATE_ID, detail)
            elif self._is_web(row):
                yield SourceItem(row.id, row.path, 0, 0, row.group, row.metadata)
            else:
                yield finder.find(row, where)
        if self._as_it_stands() != before:
            raise SourceError(f"{self.label} or its folder changed while it was read; run again")

    def _is_web(self, row: Row) -> bool:
        return self._web and row.path.startswith(("http://", "https://"))

    def _reader(self) -> RowReader:
        """Open the table by what its name ends in.

        Raises:
            SourceError, MissingExtraError: see the class.
        """
        path, label, layout = self._path, self.label, self._layout
        suffix = os.path.splitext(path)[1].lower()
        try:
            mode = os.stat(path).st_mode
        except (OSError, ValueError) as exc:
            raise SourceError(f"cannot read {label}: {error_detail(exc)}") from exc
        if not stat.S_ISREG(mode):
            raise SourceError(
                f"{label} is {kind_detail(mode)}; save the table as a file, for it is read twice"
            )
        if suffix in {".csv", ".tsv"}:
            return open_csv(path, label, "\t" if suffix == ".tsv" else ",;\t", layout)
        if suffix in {".jsonl", ".ndjson"}:
            return JsonlRows(path, label, layout)
        if suffix == ".parquet":
            return open_parquet(path, label, layout)
        raise SourceError(f"{label} is no table; tables end in {', '.join(TABLE_SUFFIXES)}")

    def _as_it_stands(self) -> tuple[int, int, int]:
        """Return what changes when the table is written to, or the disk of its pictures goes away."""
        try:
            table, root = os.stat(self._path), os.stat(self.root)
        except OSError as exc:
            text = f"cannot read {self.label} or the folder {printable(self.root)}: {error_detail(exc)}"
            raise SourceError(text) from exc
        return table.st_size, table.st_mtime_ns, root.st_dev


def is_table_name(path: str) -> bool:
    """Whether a file's name says that it is a table."""
    return os.path.splitext(path)[1].lower() in TABLE_SUFFIXES


class _PictureFinder:
    """Turns rows into items, asking the file system about every directory once and every file once."""

    def __init__(self, boundary: Boundary) -> None:
        self._boundary = boundary
        self._inside: dict[str, bool] = {}

    def place(self, written: str) -> str:
        """Return the absolute path of a path as written, in characters that every path may have."""
        path = self._absolute(written)
        try:
            os.fsencode(path)
        except UnicodeEncodeError:
            path = printable(path)
        return path.replace("\0", "\\x00")

    def _absolute(self, written: str) -> str:
        return os.path.normpath(os.path.join(self._boundary.path, written))

    def find(self, row: Row, where: str) -> SourceItem | Skipped:
        """Return a row's item, or why it has none."""
        try:
            path = self._located(row.path)
            if not self._is_inside(os.path.dirname(path)):
                return self._outside(row, path, where)
            status = os.lstat(path)
            if stat.S_ISLNK(status.st_mode):
                status = os.stat(path)
                if not self._boundary.holds(os.path.realpath(path)):
                    return self._outside(row, path, where)
        except (OSError, ValueError) as exc:
            place = self.place(row.path)
            detail = f"{where}: {_missing_detail(row.path, place, exc)}"
            refused = Skipped if nothing_there(exc) else Unseen
            return refused(row.id, place, SkipReason.UNREADABLE, detail)
        if not stat.S_ISREG(status.st_mode):
            detail = f"{where}: {kind_detail(status.st_mode)}"
            return Skipped(row.id, path, SkipReason.NOT_AN_IMAGE, detail)
        return SourceItem(row.id, path, status.st_size, status.st_mtime_ns, row.group, row.metadata)

    def _located(self, written: str) -> str:
        """Return the absolute path; ``..`` goes up from where a link leads, as in the file system."""
        if os.pardir in written.replace(os.sep, "/").split("/"):
            return os.path.realpath(os.path.join(self._boundary.path, written))
        return self._absolute(written)

    def _is_inside(self, directory: str) -> bool:
        inside = self._inside.get(directory)
        if inside is None:
            if len(self._inside) >= _DIRECTORIES_REMEMBERED:
                self._inside.clear()
            inside = self._inside[directory] = self._boundary.holds(os.path.realpath(directory))
        return inside

    def _outside(self, row: Row, path: str, where: str) -> Skipped:
        place, root = printable(path), printable(self._boundary.path)
        detail = f"{where}: {place} lies outside {root}; name a folder that holds all pictures by --root"
        return Skipped(row.id, path, SkipReason.OUTSIDE_ROOT, detail)


def _missing_detail(written: str, place: str, error: OSError | ValueError) -> str:
    """Return why a picture is not there; the place tells a wrong ``--root`` at a glance."""
    place = printable(place)
    if not isinstance(error, OSError):  # a zero byte, half a character
        return f"no file can be named so: {place}"
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        return f"{error_detail(error)}: {place}"
    if "://" in written:
        return "a web address, not a file"
    hint = " (folders are separated by / here)" if "\\" in written and os.sep == "/" else ""
    return f"no such file: {place}{hint}"
