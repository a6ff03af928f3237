"""What is said where a file was named for an id, an id for a file, or a catalogue has nothing to find."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice

from seealike.catalog import AskedWith, Catalog, Catalogs, Hits, SearchOptions
from seealike.cli.printing.text import echo, one_line
from seealike.errors import CatalogError, PictureError, UnknownItemError
from seealike.types import Area, SkipReason
from seealike.wording import counted

_SUGGESTED = 3


@contextmanager
def file_hint(catalog: Catalog | Catalogs, remedy: str, product: str) -> Iterator[None]:
    """Add a remedy to the error about an id that is unknown, but the name of a file, or of a product.

    Raises:
        UnknownItemError: as the block raised it, with ``remedy`` for a file that is there, and the item's
            id, or with ``product``, the option that takes products.
    """
    try:
        yield
    except UnknownItemError as exc:
        owners = islice((item.id for item in catalog.items() if _is_of(item.path, exc.item_id)), _SUGGESTED)
        ids = " or ".join(map(repr, owners))
        if os.path.isfile(exc.item_id):
            remedy += f", or name its item: {ids}" if ids else ""
        elif ids and not exc.alike:
            remedy = f"it is the file of the item {ids}"
        elif any(item.group == exc.item_id for item in catalog.items()):
            remedy = f"it is a product: say {product} {one_line(exc.item_id)}"
        else:
            raise
        raise UnknownItemError(exc.item_id, remedy=remedy) from None


def _is_of(path: str | None, name: str) -> bool:
    """Whether a path is that of a named file, or ends in the name."""
    return path is not None and (
        path == os.path.abspath(name) or path.endswith(os.sep + os.path.normpath(name))
    )


def check_files(catalog: Catalog | Catalogs, names: Sequence[str], option: str) -> None:
    """Refuse names of files that are not there, but ids of items; ``option`` is what takes those.

    Raises:
        PictureError: there is such a name.
    """
    for name in names:
        if not os.path.lexists(name) and name in catalog:
            detail = f"no such file, but it is the id of an item: say {option}"
            raise PictureError(name, SkipReason.UNREADABLE, detail)


def say_what_was_seen(names: Sequence[str], answers: Sequence[Hits], *, quiet: bool) -> None:
    """Say which part of each picture that is liked ``--focus`` looked at."""
    for name, hits in zip(names, answers, strict=True):
        for one in _pictured(hits) if hits.asked.options.focus and not quiet else ():
            crop = "" if one.seen is None else ",".join(f"{share:.3f}" for share in one.seen)
            said = (
                f"looked at --crop {crop}"
                if crop
                else "nothing stands out from its ground; looked at the whole"
            )
            own = one.id or (one.image if isinstance(one.image, str) else name)
            echo(f"{one_line(own)}: {said}", err=True)


def seen_of(hits: Hits) -> Area | None:
    """The part that counted of the one picture that is liked, None where that was all, or there are more."""
    seen = [one.seen for one in _pictured(hits)]
    return seen[0] if len(seen) == 1 else None


def _pictured(hits: Hits) -> list[AskedWith]:
    """The liked examples of which a part can be looked at: files and items."""
    return [one for one in hits.asked.like if one.id is not None or one.is_picture]


def check_not_empty(catalog: Catalog | Catalogs) -> None:
    """Refuse to look for anything in a catalogue that has no items.

    Raises:
        CatalogError: it has none.
    """
    if len(catalog):
        return
    skipped = catalog.info().skipped
    why = f" ({counted(skipped, 'file')} skipped; `seealike ls --skipped` lists them)" if skipped else ""
    raise CatalogError(catalog.path, f"{catalog.path} is empty{why}; `seealike index SOURCE` adds pictures")


def check_colours(catalog: Catalog | Catalogs, options: SearchOptions) -> None:
    """Say how many pictures' colours are not known, where colours count."""
    if options.colour_share and catalog.unsigned:
        unknown = counted(catalog.unsigned, "item has", "items have")
        echo(f"{unknown} no colour signature yet; `seealike index` makes them", err=True)


def say_where_it_is_explained(options: SearchOptions, form: str, page: object, *, quiet: bool) -> None:
    """Say where explanations can be seen, where they were asked for and cannot."""
    if options.explain and page is None and form not in ("json", "jsonl") and not quiet:
        echo("a table has no room for why: add --gallery why.html, or --format json", err=True)
