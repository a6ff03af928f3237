"""The same items under another encoder, kept beside the catalogue's own vectors.

A space is a whole catalogue of its own in ``spaces/`` below the catalogue's directory: made once, brought up
to date when it is asked for, resumed where it was interrupted. It is derived, and may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict

from seealike.catalog.encoder.copies import NOT_AT_HAND, SPACES, EncoderCopies
from seealike.catalog.engine import refuse_address
from seealike.catalog.facade import Catalog
from seealike.catalog.opening import create, open
from seealike.catalog.options import IndexOptions
from seealike.encoders import identity_of, parse_spec
from seealike.errors import CatalogError, DamagedCatalogError, EncoderMismatchError, ForeignFileError
from seealike.files import check_own_folder
from seealike.images import DecodeLimits
from seealike.protocols import Source
from seealike.store import (
    FileSystem,
    SourceRecord,
    SqliteStore,
    WriterLock,
    disinherit,
    is_catalog,
    read_manifest,
)
from seealike.types import EncoderIdentity, ProgressCallback, Skipped, SkipReason, SourceItem, Unseen
from seealike.vectors import VectorType

OPENING_WAIT_S = 30.0
_KEPT_OF_NAME = 40


class ItemSource:
    """A catalogue's own items as a source: with the ids, groups and metadata they have there."""

    label = "the items of a catalogue"
    root = os.path.abspath(os.sep)  # the items of several sources may lie anywhere

    def __init__(self, catalog: Catalog) -> None:
        """Nothing is read yet."""
        self._catalog = catalog

    def scan(self) -> Iterator[SourceItem | Skipped]:
        """Yield every item whose picture is a file, and those whose file is gone as skipped.

        Items that were added without a file are left out: there is nothing to encode again.
        """
        for item in self._catalog.items():
            if item.path is None:
                continue
            try:
                status = os.stat(item.path)
            except OSError as exc:
                gone = isinstance(exc, FileNotFoundError | NotADirectoryError)
                refused = Skipped if gone else Unseen
                yield refused(item.id, item.path, SkipReason.UNREADABLE, exc.strerror or str(exc))
                continue
            yield SourceItem(
                item.id, item.path, status.st_size, status.st_mtime_ns, item.group, dict(item.metadata)
            )


@contextmanager
def in_space(
    catalog: Catalog,
    encoder: str,
    options: IndexOptions = IndexOptions(),
    *,
    vectors: VectorType | None = None,
    progress: ProgressCallback | None = None,
) -> Iterator[Catalog]:
    """The items of ``catalog`` embedded by another encoder, up to date; the second time at once.

    Items whose pictures cannot be read any more are missing; ``skipped()`` of the result lists them. So are
    those that were added without a file. With the catalogue's own encoder, it is the catalogue itself; unless
    its ``vectors`` are to be kept in other numbers than the catalogue's are.
    Of the ``options``, the workers and the limits count, and whether to do without a copy of the encoder
    (None: as the catalogue has its own).

    Raises:
        UnknownNameError, UsageError, MissingExtraError, EncoderError: the encoder cannot be used.
        UsageError: the catalogue is a copy in an engine.
        CatalogBusyError: another process is filling this space.
        ForeignFileError: the folder of spaces is a link.
        StorageError: the disk refused.
    """
    encoder, identity = found_encoder(catalog, encoder)
    vectors = vectors or catalog.vector_type
    if (identity, vectors) == (catalog.encoder, catalog.vector_type):
        yield catalog
        return
    refuse_address(catalog.path, "compare encoders on the catalogue in its directory")
    folder = os.path.join(catalog.path, SPACES)
    check_own_folder(folder)
    FileSystem().make_directory(folder)
    link, limits = options.link_encoder, options.limits or catalog.limits
    if link is None:
        link = EncoderCopies(catalog.path).is_linked(catalog.encoder)
    opening = WriterLock(folder)  # one process makes a space, or makes it anew, while others wait
    opening.acquire(OPENING_WAIT_S)
    try:
        place = space_path(catalog, identity, vectors)
        opened = _opened(place, encoder, vectors, link_encoder=link, limits=limits)
    finally:
        opening.release()
    with opened as space:
        source: Source = ItemSource(catalog)
        options = IndexOptions(prune_missing=True, workers=options.workers, link_encoder=link)
        space.index(source, options=options, progress=progress)
        yield space


def found_encoder(catalog: Catalog, encoder: str) -> tuple[str, EncoderIdentity]:
    """How an encoder is asked for now, and which one it is; also one that only a copy is left of.

    Raises:
        UnknownNameError, UsageError, MissingExtraError, EncoderError: it cannot be used.
    """
    try:
        return encoder, identity_of(encoder)
    except NOT_AT_HAND:
        copy = EncoderCopies(catalog.path).found(str(parse_spec(encoder)))
        if copy is None:
            raise
        return str(copy), identity_of(copy)


def space_path(catalog: Catalog, identity: EncoderIdentity, vectors: VectorType = VectorType.FLOAT16) -> str:
    """Where the space of this encoder is kept; another setting of it, or other numbers, are another space."""
    text = json.dumps(asdict(identity), sort_keys=True)
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", identity.name)[:_KEPT_OF_NAME]
    numbers = "" if vectors is VectorType.FLOAT16 else f"-{vectors}"
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    return os.path.join(catalog.path, SPACES, f"{name}-{digest}{numbers}")


def model_files(catalog: Catalog) -> Iterator[tuple[str, str]]:
    """Which files the vectors of a catalogue and of its spaces depend on: whose, in words, and the path."""
    yield from _files_of("this catalogue", catalog.encoder_spec)
    try:
        spaces = [entry.path for entry in os.scandir(os.path.join(catalog.path, SPACES))]
    except OSError:
        return
    for path in spaces:
        with suppress(CatalogError):  # a space is only a copy: a damaged one is made anew
            yield from _files_of(f"the space {path}", read_manifest(path).encoder_spec)


def _files_of(owner: str, text: str) -> Iterator[tuple[str, str]]:
    if not text:
        return
    spec = parse_spec(text)
    for file in (spec.file, spec.weights, spec.text):
        if file:
            yield owner, file


def _opened(
    path: str, encoder: str, vectors: VectorType, *, link_encoder: bool, limits: DecodeLimits
) -> Catalog:
    """The space at ``path``; one that is damaged is made anew, for it is only a copy."""
    if os.path.islink(path):
        FileSystem().remove(path)  # the link alone
    if is_catalog(path):
        try:
            store = SqliteStore(path)
            try:
                state = store.state()
                only = SourceRecord(1, ItemSource.label, ItemSource.root)
                if any(number != only.number for number, _ in state.counts) or any(
                    source.label != only.label for source in state.sources
                ):
                    disinherit(store, only)
            finally:
                store.close()
            return open(path, encoder=encoder, limits=limits)
        except (DamagedCatalogError, EncoderMismatchError, ForeignFileError):
            shutil.rmtree(path, ignore_errors=True)
    return create(path, encoder=encoder, link_encoder=link_encoder, vectors=vectors, limits=limits)
