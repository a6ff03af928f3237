"""What is said where a file was named for an id, an id for a file, or a catalogue has nothing to find."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from seealike.catalog import Catalog
from seealike.errors import CatalogError, PictureError, UnknownItemError
from seealike.types import SkipReason
from seealike.wording import counted


@contextmanager
def file_hint(remedy: str) -> Iterator[None]:
    """Add a remedy to the error about an id that is unknown, but a file's name.

    Raises:
        UnknownItemError: as the block raised it, with the remedy.
    """
    try:
        yield
    except UnknownItemError as exc:
        if os.path.isfile(exc.item_id):
            raise UnknownItemError(exc.item_id, remedy=remedy) from None
        raise


def check_files(catalog: Catalog, names: Sequence[str], option: str) -> None:
    """Refuse names of files that are not there, but ids of items; ``option`` is what takes those.

    Raises:
        PictureError: there is such a name.
    """
    for name in names:
        if not os.path.lexists(name) and name in catalog:
            detail = f"no such file, but it is the id of an item: say {option}"
            raise PictureError(name, SkipReason.UNREADABLE, detail)


def check_not_empty(catalog: Catalog) -> None:
    """Refuse to look for anything in a catalogue that has no items.

    Raises:
        CatalogError: it has none.
    """
    if len(catalog):
        return
    skipped = catalog.info().skipped
    why = f" ({counted(skipped, 'file')} skipped; `seealike ls --skipped` lists them)" if skipped else ""
    raise CatalogError(catalog.path, f"{catalog.path} is empty{why}; `seealike index SOURCE` adds pictures")
