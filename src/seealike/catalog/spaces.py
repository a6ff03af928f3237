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
from contextlib import contextmanager
from dataclasses import asdict

from seealike.catalog.facade import Catalog
from seealike.catalog.opening import create, open
from seealike.catalog.options import IndexOptions
from seealike.catalog.sync import ProgressCallback
from seealike.encoders import identity_of
from seealike.errors import DamagedCatalogError, EncoderMismatchError, ForeignFileError
from seealike.protocols import Source
from seealike.store import FileSystem, SqliteStore, WriterLock, disinherit, is_catalog
from seealike.store.files import check_own_folder
from seealike.types import EncoderIdentity, Skipped, SkipReason, SourceItem

SPACES = "spaces"
OPENING_WAIT_S = 30.0
_KEPT_OF_NAME = 40


class ItemSource:
    """A catalogue's own items as a source: with the ids, groups and metadata they have there."""

    label = "the items of a catalogue"
    number = 1  # it is a space's only source

    def __init__(self, catalog: Catalog) -> None:
        """Nothing is read yet."""
        self._catalog = catalog
        self.root = os.path.abspath(os.sep)  # the items of several sources may lie anywhere

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
                yield Skipped(item.id, item.path, SkipReason.UNREADABLE, exc.strerror or str(exc))
                continue
            yield SourceItem(
                item.id, item.path, status.st_size, status.st_mtime_ns, item.group, dict(item.metadata)
            )


@contextmanager
def in_space(
    catalog: Catalog,
    encoder: str,
    *,
    progress: ProgressCallback | None = None,
    workers: int | None = None,
) -> Iterator[Catalog]:
    """The items of ``catalog`` embedded by another encoder, up to date; the second time at once.

    Items whose pictures cannot be read any more are missing; ``skipped()`` of the result lists them. So are
    those that were added without a file. With the catalogue's own encoder, it is the catalogue itself.

    Raises:
        UnknownNameError, UsageError, MissingExtraError, EncoderError: the encoder cannot be used.
        CatalogBusyError: another process is filling this space.
        ForeignFileError: the folder of spaces is a link.
        StorageError: the disk refused.
    """
    identity = identity_of(encoder)
    if identity == catalog.encoder:
        yield catalog
        return
    folder = os.path.join(catalog.path, SPACES)
    check_own_folder(folder)
    FileSystem().make_directory(folder)
    opening = WriterLock(folder)  # one process makes a space, or makes it anew, while others wait
    opening.acquire(OPENING_WAIT_S)
    try:
        opened = _opened(space_path(catalog, identity), encoder)
    finally:
        opening.release()
    with opened as space:
        source: Source = ItemSource(catalog)
        space.index(source, options=IndexOptions(prune_missing=True, workers=workers), progress=progress)
        yield space


def space_path(catalog: Catalog, identity: EncoderIdentity) -> str:
    """Where the space of this encoder is kept; another setting of it is another space."""
    text = json.dumps(asdict(identity), sort_keys=True)
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", identity.name)[:_KEPT_OF_NAME]
    return os.path.join(catalog.path, SPACES, f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}")


def _opened(path: str, encoder: str) -> Catalog:
    """The space at ``path``; one that is damaged is made anew, for it is only a copy."""
    if os.path.islink(path):
        FileSystem().remove(path)  # the link alone
    if is_catalog(path):
        try:
            store = SqliteStore(path)
            try:
                if any(source.label != ItemSource.label for source in store.state().sources):
                    disinherit(store, ItemSource.number)
            finally:
                store.close()
            return open(path, encoder=encoder)
        except (DamagedCatalogError, EncoderMismatchError, ForeignFileError):
            shutil.rmtree(path, ignore_errors=True)
    return create(path, encoder=encoder)
