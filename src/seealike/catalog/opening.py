"""Making, opening and repairing a catalogue's directory."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields

from seealike.catalog.encoder.at_hand import described
from seealike.catalog.encoder.copies import EncoderCopies
from seealike.catalog.engine import open_engine, refuse_address
from seealike.catalog.facade import Catalog
from seealike.catalog.options import Finding, IndexOptions, VerifyReport
from seealike.catalog.sync.shards import ShardSource
from seealike.catalog.sync.sources import asked_source
from seealike.catalog.upkeep.salvage import salvage
from seealike.encoders import EncoderSpec, identity_of, parse_spec
from seealike.encoders.kept import origin_of
from seealike.errors import (
    DamagedCatalogError,
    EncoderError,
    EncoderMismatchError,
    ReplacedCatalogError,
    SourceError,
    UsageError,
    known_member,
)
from seealike.files import read_own_file
from seealike.images import DecodeLimits
from seealike.objects import is_address
from seealike.protocols import Embedder, Encoder
from seealike.store import MANIFEST_NAME, FileSystem, SqliteStore, WriterLock
from seealike.store.manifest import MANIFEST_LIMIT
from seealike.types import PathInput
from seealike.vectors import VectorType

DEFAULT_ENCODER = "efficientnet-lite0-v2"


def create(
    path: PathInput,
    *,
    encoder: str | Encoder = DEFAULT_ENCODER,
    link_encoder: bool = False,
    vectors: str | VectorType = VectorType.FLOAT16,
    limits: DecodeLimits = DecodeLimits(),
) -> Catalog:
    """Make an empty catalogue in a new or empty directory.

    Args:
        path: the directory.
        encoder: the name of a known encoder, ``onnx:FILE``, ``timm:NAME`` or the name of an installed one,
            with options as in ``onnx:model.onnx?layer=..&pool=..``; or an object that implements
            ``seealike.protocols.Encoder``.
        link_encoder: do without a copy of the encoder's files in the catalogue; it then needs them where they
            are.
        vectors: in which numbers it keeps them: ``float16``, or ``int8`` in half the room.
        limits: what one picture may cost, as in ``open``.

    Raises:
        CatalogExistsError: there is one already, or other files.
        UnknownNameError: there is no such encoder, or there are no such numbers.
        EncoderError: it cannot be used.
        StorageError: the disk refused, for instance because it has no room for the encoder's copy.

    Example:
        >>> import seealike
        >>> catalog = seealike.create("pictures.catalog")
        >>> len(catalog)
        0
    """
    refuse_address(path, "make and index the catalogue in a directory")
    directory, files = os.path.abspath(path), FileSystem()
    kept = known_member(VectorType, vectors, "type of vectors")
    if not isinstance(encoder, str):
        store = SqliteStore.create(directory, encoder.identity, files, vectors=kept)
        return Catalog(store, encoder=encoder, limits=limits)
    asked = parse_spec(encoder)
    identity, origin = identity_of(asked), origin_of(asked)
    copies = EncoderCopies(directory, files)
    store = SqliteStore.create(
        directory,
        identity,
        files,
        encoder_spec=str(origin),
        vectors=kept,
        prepare=lambda: copies.keep(identity, asked, origin, link=link_encoder),
    )
    return Catalog(store, encoder=asked, limits=limits)


def open(
    path: PathInput,
    *,
    encoder: str | Encoder | None = None,
    limits: DecodeLimits = DecodeLimits(),
    embedder: Embedder | None = None,
) -> Catalog:
    """Open a catalogue.

    Args:
        path: the catalogue's directory; or the address of an engine that holds a copy, such as
            ``postgresql://user@host/database``.
        encoder: if given, the encoder that the catalogue must have been made with: its name, or where its
            model lies now (``onnx:FILE``; settings that are left out are those of the catalogue). Needed only
            where it is an object of yours, or a model file of which the catalogue has no copy has been moved.
        limits: what one picture may cost that this object decodes: to index it, as a query, for a thumbnail.
        embedder: turns pictures into vectors in the place of the decoding processes and the encoder here, for
            instance on other machines: for queries, ``add`` and ``index``. It is closed with the catalogue.

    Raises:
        NoCatalogError: there is none.
        NewerFormatError: a newer seealike made it.
        DamagedCatalogError: one of its files is damaged; the message names it.
        EncoderMismatchError: it was made with another encoder.
    """
    if is_address(path):
        asked = parse_spec(encoder) if isinstance(encoder, str) else encoder
        return open_engine(str(path), encoder=asked, limits=limits, embedder=embedder)
    store = SqliteStore(os.path.abspath(path))
    try:
        asked = _found(store, encoder) if isinstance(encoder, str) else encoder
        return Catalog(store, encoder=asked, limits=limits, embedder=embedder)
    except BaseException:
        store.close()
        raise


def _found(store: SqliteStore, encoder: str) -> EncoderSpec:
    """What is asked for, which must be the catalogue's encoder: as it is, or with its settings of then."""
    asked = parse_spec(encoder)
    completed = _completed(asked, store.encoder_spec)
    with contextlib.suppress(EncoderError, UsageError):
        if identity_of(str(completed)) == store.identity:
            return completed
    identity = identity_of(str(asked))
    if identity != store.identity:
        raise EncoderMismatchError(store.directory, described(store.identity), described(identity))
    return asked


def _completed(asked: EncoderSpec, remembered: str) -> EncoderSpec:
    """``asked``, where it leaves something open as ``remembered``, which may be empty."""
    then = parse_spec(remembered) if remembered else asked
    if then.scheme != asked.scheme:
        return asked
    settings = {field.name: getattr(then, field.name) for field in fields(EncoderSpec)}
    settings |= {name: getattr(asked, name) for name in settings if getattr(asked, name) is not None}
    return EncoderSpec(**settings)


@contextmanager
def temporary(*, encoder: str = DEFAULT_ENCODER) -> Iterator[Catalog]:
    """An empty catalogue that is gone afterwards (what a dry run compares with where there is none yet)."""
    with (
        tempfile.TemporaryDirectory(prefix="seealike-") as folder,
        create(folder, encoder=encoder, link_encoder=True) as catalog,
    ):
        yield catalog


def check_source(source: PathInput, options: IndexOptions, encoder: str | None = None) -> None:
    """Raise what ``index`` would raise about the source, before anything is made; ``encoder``: with this one.

    Raises:
        SourceError: the source cannot be read, or there is nothing in it.
        UsageError: it has vectors of another encoder.
    """
    opened, name = asked_source(source, options, ()).source, os.fspath(source)
    if encoder and isinstance(opened, ShardSource) and opened.identity != (asked := identity_of(encoder)):
        raise UsageError(
            f"{name} holds vectors of {opened.identity.name}, not of {asked.name} as asked for; use that "
            "encoder, or index the pictures themselves"
        )
    if next(opened.scan(), None) is None:
        begin = "`seealike serve --create` begins without pictures, and takes them on its page"
        raise SourceError(f"there is nothing to index in {name}; put pictures there, or: {begin}")


def encoder_of(source: PathInput, options: IndexOptions = IndexOptions()) -> str | None:
    """How the encoder of a source that has vectors was asked for; None for other sources.

    Raises:
        SourceError, DamagedCatalogError: it cannot be read.
    """
    opened = asked_source(source, options, ()).source
    return (opened.encoder_spec or None) if isinstance(opened, ShardSource) else None


def _manifest_bytes(directory: str) -> bytes | None:
    """The manifest as it is, which every repair and every move to another database replaces."""
    try:
        return read_own_file(os.path.join(directory, MANIFEST_NAME), MANIFEST_LIMIT)
    except (FileNotFoundError, NotADirectoryError):
        return None


def verify(path: PathInput, *, repair: bool = False, sample: int = 200) -> VerifyReport:
    """``Catalog.verify`` for a directory that may be too damaged to open.

    Raises:
        NoCatalogError, NewerFormatError, ForeignFileError, CatalogBusyError, StorageError.
    """
    refuse_address(path, "verify the catalogue in its directory")
    while True:
        with contextlib.suppress(ReplacedCatalogError):  # a reindex came in between
            return _verify(os.path.abspath(path), repair=repair, sample=sample)


def _verify(directory: str, *, repair: bool, sample: int) -> VerifyReport:
    before = _manifest_bytes(directory)
    findings: list[Finding] = []
    try:
        with open(directory) as catalog:
            report = catalog.verify(repair=repair, sample=sample)
        left = [finding for finding in report.findings if not finding.repaired]
        if not repair or all(map(EncoderCopies(directory).holds, left)):
            return report  # a new database would not mend the copy of an encoder
        findings += left
    except DamagedCatalogError as exc:
        findings.append(Finding(exc.file, exc.what))
        if not repair:
            return VerifyReport(0, tuple(findings), None, 0)
    files = FileSystem()
    lock = WriterLock(directory)
    lock.acquire(0.0)
    try:
        if _manifest_bytes(directory) == before:  # else another process has repaired or moved it meanwhile
            salvage(directory, files)
    finally:
        lock.release()
    with open(directory) as catalog:
        report = catalog.verify(repair=True, sample=sample)
    repaired = tuple(Finding(finding.file, finding.what, repaired=True) for finding in findings)
    return VerifyReport(report.items, (*repaired, *report.findings), report.recall_at_10, report.sample)
