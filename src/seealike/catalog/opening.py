"""Making, opening and repairing a catalogue's directory."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from seealike.catalog.facade import Catalog
from seealike.catalog.options import Finding, VerifyReport
from seealike.catalog.salvage import salvage
from seealike.encoders import identity_of
from seealike.errors import DamagedCatalogError, EncoderMismatchError
from seealike.protocols import Encoder
from seealike.sources import open_source
from seealike.store import FileSystem, SqliteStore, WriterLock
from seealike.types import PathInput

DEFAULT_ENCODER = "efficientnet-lite0"


def create(path: PathInput, *, encoder: str | Encoder = DEFAULT_ENCODER) -> Catalog:
    """Make an empty catalogue in a new or empty directory.

    Args:
        path: the directory.
        encoder: the name of a known encoder, or an object that implements ``seealike.protocols.Encoder``.

    Raises:
        CatalogExistsError: there is one already, or other files.
        UnknownNameError: there is no such encoder.

    Example:
        >>> import seealike
        >>> catalog = seealike.create("pictures.catalog")
        >>> len(catalog)
        0
    """
    given = None if isinstance(encoder, str) else encoder
    identity = identity_of(encoder) if isinstance(encoder, str) else encoder.identity
    return Catalog(SqliteStore.create(os.path.abspath(path), identity, FileSystem()), encoder=given)


def open(path: PathInput, *, encoder: str | Encoder | None = None) -> Catalog:
    """Open a catalogue.

    Args:
        path: the catalogue's directory.
        encoder: if given, the encoder (or its name) that the catalogue must have been made with; needed
            where it is an object of yours.

    Raises:
        NoCatalogError: there is none.
        NewerFormatError: a newer seealike made it.
        DamagedCatalogError: one of its files is damaged; the message names it.
        EncoderMismatchError: it was made with another encoder.
    """
    store = SqliteStore(os.path.abspath(path))
    try:
        _check_named(store, encoder)
        return Catalog(store, encoder=None if isinstance(encoder, str) else encoder)
    except BaseException:
        store.close()
        raise


def _check_named(store: SqliteStore, encoder: object) -> None:
    if isinstance(encoder, str) and identity_of(encoder) != store.identity:
        raise EncoderMismatchError(store.directory, store.identity.name, encoder)


@contextmanager
def temporary(*, encoder: str = DEFAULT_ENCODER) -> Iterator[Catalog]:
    """An empty catalogue that is gone afterwards (what a dry run compares with where there is none yet)."""
    with (
        tempfile.TemporaryDirectory(prefix="seealike-") as folder,
        create(folder, encoder=encoder) as catalog,
    ):
        yield catalog


def check_source(source: PathInput, *, root: PathInput | None = None) -> None:
    """Raise what ``index`` would raise about the source, before anything is made.

    Raises:
        SourceError: the source cannot be read, or no file matches the pattern.
    """
    next(open_source(source, root=root).scan(), None)


def verify(path: PathInput, *, repair: bool = False, sample: int = 200) -> VerifyReport:
    """``Catalog.verify`` for a directory that may be too damaged to open.

    Raises:
        NoCatalogError, NewerFormatError, CatalogBusyError, StorageError.
    """
    directory = os.path.abspath(path)
    findings: list[Finding] = []
    try:
        with open(directory) as catalog:
            report = catalog.verify(repair=repair, sample=sample)
        if report.ok or not repair:
            return report
        findings += [finding for finding in report.findings if not finding.repaired]
    except DamagedCatalogError as exc:
        findings.append(Finding(exc.file, exc.what))
        if not repair:
            return VerifyReport(0, tuple(findings), None, 0)
    files = FileSystem()
    lock = WriterLock(directory)
    lock.acquire(0.0)
    try:
        salvage(directory, files)
    finally:
        lock.release()
    with open(directory) as catalog:
        report = catalog.verify(repair=True, sample=sample)
    repaired = tuple(Finding(finding.file, finding.what, repaired=True) for finding in findings)
    return VerifyReport(report.items, (*repaired, *report.findings), report.recall_at_10, report.sample)
