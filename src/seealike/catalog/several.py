"""Several catalogues of one encoder, asked as if they were one."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from seealike.catalog.asker import Asker
from seealike.catalog.encoder.at_hand import described
from seealike.catalog.engine import name_of
from seealike.catalog.facade import Catalog
from seealike.catalog.items import public_item
from seealike.catalog.joined import JoinedSession
from seealike.catalog.opening import open
from seealike.catalog.options import CatalogInfo
from seealike.catalog.overview import Overview
from seealike.catalog.session import scale_of
from seealike.catalog.sync.progress import Indexing
from seealike.errors import EncoderMismatchError, UsageError
from seealike.images import DecodeLimits
from seealike.objects import is_address
from seealike.recommend import Calibration
from seealike.types import EncoderIdentity, Item, PathInput, SkipReason


class Catalogs(Asker, Overview):
    """Several catalogues that answer together. Get them from ``open_several``.

    Hits are those with the highest scores in any of them and say which it is (``Hit.catalog``); equal scores
    are in the order of the catalogues, then of ids. There is one result a product: items with the same group
    are of one, whichever catalogues they are in. What is asked with is not among the hits, nor its product.
    """

    def __init__(self, catalogs: Sequence[Catalog]) -> None:
        """Use ``seealike.open_several`` instead.

        Raises:
            EncoderMismatchError: two of them have different encoders; the message names both.
            UsageError: there is none, or one is there twice.
        """
        if not catalogs:
            raise UsageError("name at least one catalogue")
        first = catalogs[0]
        for other in catalogs[1:]:
            if other.encoder != first.encoder:
                both = described(first.encoder), f"{described(other.encoder)} of {other.path}"
                raise EncoderMismatchError(first.path, *both)
        paths = [os.path.realpath(one.path) for one in catalogs]
        if twice := next((path for path in paths if paths.count(path) > 1), None):
            raise UsageError(f"{twice} is named twice; name each catalogue once")
        self.catalogs = tuple(catalogs)
        self._session = JoinedSession([one._session for one in catalogs])  # noqa: SLF001  a catalogue's own

    def __len__(self) -> int:
        """The number of items in all of them."""
        return sum(map(len, self.catalogs))

    def __contains__(self, item_id: object) -> bool:
        """Whether any of them has an item with this id."""
        return any(item_id in one for one in self.catalogs)

    @property
    def path(self) -> str:
        """The directory of the first one."""
        return self._session.path

    @property
    def encoder(self) -> EncoderIdentity:
        """The embedding space that all of them are in."""
        return self._session.identity

    @property
    def generation(self) -> int:
        """Grows with every committed change of any: the sum of theirs."""
        return self._session.store.state().generation

    @property
    def calibration(self) -> Calibration | None:
        """What scores are worth, as the first of them has learnt it that has."""
        return scale_of(self._session.store)

    @property
    def unsigned(self) -> int:
        """How many items have no signature."""
        return sum(one.unsigned for one in self.catalogs)

    def item(self, item_id: str) -> Item:
        """The item with this id.

        Raises:
            UnknownItemError: none of them has one.
            AmbiguousItemError: several have.
        """
        store, searcher = self._session.reading()
        return public_item(store.known_item(item_id), searcher.path_of())

    def info(self) -> CatalogInfo:
        """Of the first one, with the number of items and the skipped files of all.

        What scores are worth is what the first one knows that knows it: that is what hits say.
        """
        each = [one.info() for one in self.catalogs]
        reasons = sum((Counter(info.skipped_by_reason) for info in each), Counter[SkipReason]())
        learnt = next((info for info in each if info.calibration is not None), each[0])
        return replace(
            each[0],
            calibration=learnt.calibration,
            changed_since=learnt.changed_since,
            items=sum(info.items for info in each),
            skipped=sum(info.skipped for info in each),
            skipped_by_reason=reasons,
        )

    def indexing(self) -> Indexing | None:
        """See ``Catalog.indexing``: of the first one that is being indexed."""
        return next(filter(None, (one.indexing() for one in self.catalogs)), None)

    def items(self) -> Iterator[Item]:
        """Every item of every catalogue, in the order of the catalogues, and there in id order."""
        for one in self.catalogs:
            yield from one.items()


def open_several(
    paths: Sequence[PathInput], *, encoder: str | None = None, limits: DecodeLimits = DecodeLimits()
) -> Catalogs:
    """Open catalogues that were made with the same encoder, to ask them together.

    Args:
        paths: their directories.
        encoder: see ``open``.
        limits: see ``open``.

    Raises:
        EncoderMismatchError: two of them have different encoders.
        UsageError: there is none, or one is there twice.
        NoCatalogError, NewerFormatError, DamagedCatalogError: see ``open``.
    """
    opened: list[Catalog] = []
    if engine := next(filter(is_address, paths), None):
        raise UsageError(f"{name_of(str(engine))} is in an engine: ask it alone, not with others")
    try:
        opened.extend(open(path, encoder=encoder, limits=limits) for path in paths)
        return Catalogs(opened)
    except BaseException:
        for one in opened:
            one.close()
        raise
