"""Several catalogues of one encoder, asked as if they were one."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import fields, replace
from types import TracebackType
from typing import Self

import numpy as np

from seealike.catalog.encoder.at_hand import described
from seealike.catalog.facade import Catalog
from seealike.catalog.hits import Hits
from seealike.catalog.items import listed_examples, listed_ids, listed_images
from seealike.catalog.opening import open
from seealike.catalog.options import CatalogInfo
from seealike.errors import EncoderMismatchError, UsageError, check_count
from seealike.images import DecodeLimits
from seealike.recommend import Example, Examples, SearchOptions
from seealike.recommend.columns import GROUP
from seealike.types import Float32Array, Hit, ImageInput, Item, PathInput, SkipReason

# What can be said of one hit after the other, and so of hits of several catalogues.
_MERGED = ("min_score", "exact", "metric", "pictures", "group_by", "at_least", "where")


class Catalogs:
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

    def __enter__(self) -> Self:
        """Use the catalogues in a ``with`` block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close them."""
        self.close()

    def close(self) -> None:
        """Close every catalogue."""
        for one in self.catalogs:
            one.close()

    def __len__(self) -> int:
        """The number of items in all of them."""
        return sum(map(len, self.catalogs))

    def __contains__(self, item_id: object) -> bool:
        """Whether any of them has an item with this id."""
        return any(item_id in one for one in self.catalogs)

    @property
    def path(self) -> str:
        """The directory of the first one."""
        return self.catalogs[0].path

    @property
    def unsigned(self) -> int:
        """How many items have no signature."""
        return sum(one.unsigned for one in self.catalogs)

    def item(self, item_id: str) -> Item:
        """The item with this id.

        Raises:
            UnknownItemError: none of them has one.
            UsageError: several have; the message names two.
        """
        return self._owner(item_id).item(item_id)

    def info(self) -> CatalogInfo:
        """Of the first one, with the number of items and the skipped files of all."""
        each = [one.info() for one in self.catalogs]
        reasons = sum((Counter(info.skipped_by_reason) for info in each), Counter[SkipReason]())
        return replace(
            each[0],
            items=sum(info.items for info in each),
            skipped=sum(info.skipped for info in each),
            skipped_by_reason=reasons,
        )

    def items(self) -> Iterator[Item]:
        """Every item of every catalogue, in the order of the catalogues, and there in id order."""
        for one in self.catalogs:
            yield from one.items()

    def thumbnail(self, image: str | bytes | os.PathLike[str], side_px: int = 240) -> bytes:
        """See ``Catalog.thumbnail``."""
        return self.catalogs[0].thumbnail(image, side_px)

    def search(self, image: ImageInput, k: int = 10, *, options: SearchOptions = SearchOptions()) -> Hits:
        """See ``Catalog.search``."""
        return self.search_batch([image], k, options=options)[0]

    def search_batch(
        self, images: Sequence[ImageInput], k: int = 10, *, options: SearchOptions = SearchOptions()
    ) -> list[Hits]:
        """See ``Catalog.search_batch``."""
        return self._ask([Examples((example,)) for example in listed_images(images)], k, options)

    def search_text(
        self, texts: Sequence[str], k: int = 10, *, options: SearchOptions = SearchOptions()
    ) -> list[Hits]:
        """See ``Catalog.search_text``."""
        each = [one.search_text(texts, k, options=_checked(options)) for one in self.catalogs]
        return [self._merged(found, [], k, options) for found in zip(*each, strict=True)]

    def search_vectors(
        self, queries: Float32Array, k: int = 10, *, options: SearchOptions = SearchOptions()
    ) -> list[Hits]:
        """See ``Catalog.search_vectors``."""
        each = [one.search_vectors(queries, k, options=_checked(options)) for one in self.catalogs]
        return [self._merged(found, [], k, options) for found in zip(*each, strict=True)]

    def similar(self, item_id: str, k: int = 10, *, options: SearchOptions = SearchOptions()) -> Hits:
        """See ``Catalog.similar``."""
        return self.similar_batch([item_id], k, options=options)[0]

    def similar_batch(
        self, ids: Sequence[str], k: int = 10, *, options: SearchOptions = SearchOptions()
    ) -> list[Hits]:
        """See ``Catalog.similar_batch``."""
        return self._ask([Examples((Example(item_id),)) for item_id in listed_ids(ids)], k, options)

    def recommend(
        self,
        like: Iterable[str | Example] = (),
        dislike: Iterable[str | Example] = (),
        k: int = 10,
        *,
        options: SearchOptions = SearchOptions(),
    ) -> Hits:
        """See ``Catalog.recommend``."""
        examples = Examples(tuple(listed_examples(like)), tuple(listed_examples(dislike)))
        return self._ask([examples], k, options)[0]

    def _ask(self, wanted: Sequence[Examples], k: int, options: SearchOptions) -> list[Hits]:
        check_count(k, "k")
        _checked(options)
        answers = []
        for examples in wanted:
            named = [example for example in (*examples.like, *examples.dislike) if example.id is not None]
            owner_of = {example.id: self._owner(str(example.id)) for example in named}
            own = (
                []
                if options.pictures
                else [
                    product
                    for item_id, owner in owner_of.items()
                    if (product := _product(owner.item(str(item_id)), options)) is not None
                ]
            )
            found = [
                one.recommend(
                    self._seen_by(one, examples.like, owner_of.__getitem__),
                    self._seen_by(one, examples.dislike, owner_of.__getitem__),
                    k + len(set(own)),
                    options=options,
                )
                for one in self.catalogs
            ]
            answers.append(self._merged(found, own, k, options))
        return answers

    def _seen_by(
        self, catalog: Catalog, examples: Sequence[Example], owner_of: Callable[[str], Catalog]
    ) -> list[Example]:
        """Examples as one catalogue knows them: items of others are vectors to it."""
        seen = []
        for example in examples:
            if example.product is not None:
                raise UsageError("a product is asked for in one catalogue; name that alone")
            if example.id is not None and (owner := owner_of(example.id)) is not catalog:
                _, vectors = owner.vectors([example.id])
                seen.append(replace(example, id=None, vector=np.asarray(vectors[0])))
            else:
                seen.append(example)
        return seen

    def _owner(self, item_id: str) -> Catalog:
        owners = [one for one in self.catalogs if item_id in one]
        if len(owners) > 1:
            raise UsageError(
                f"both {owners[0].path} and {owners[1].path} have an item {item_id!r}; ask one of them alone"
            )
        if not owners:
            self.catalogs[0].item(item_id)  # which says so, and what may have been meant
        return owners[0]

    def _merged(self, found: Sequence[Hits], own: Sequence[object], k: int, options: SearchOptions) -> Hits:
        """The best of several answers, one a product."""
        everything = [
            (-hit.score, number, hit)
            for number, hits in enumerate(found)
            for hit in hits
            if options.pictures or _product(hit, options) not in own or _product(hit, options) is None
        ]
        everything.sort(key=lambda entry: (*entry[:2], entry[2].id))
        shown: dict[object, Hit] = {}
        for _, number, hit in everything:
            product = None if options.pictures else _product(hit, options)
            key = (number, hit.id) if product is None else product
            before = shown.get(key)
            if before is not None:
                shown[key] = replace(before, others=before.others + hit.others + 1)
            else:
                shown[key] = replace(hit, catalog=self.catalogs[number].path)
        asked = max((hits.asked for hits in found), key=lambda one: len(one.like) + len(one.dislike))
        return Hits(list(shown.values())[:k], asked, self.catalogs[0].thumbnail)


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
    try:
        opened.extend(open(path, encoder=encoder, limits=limits) for path in paths)
        return Catalogs(opened)
    except BaseException:
        for one in opened:
            one.close()
        raise


def _checked(options: SearchOptions) -> SearchOptions:
    """Refuse what can only be said of the hits of one catalogue.

    Raises:
        UsageError: there is such a wish.
    """
    for field in fields(SearchOptions):
        if field.name not in _MERGED and (getattr(options, field.name) or field.default) != field.default:
            raise UsageError(
                f"{field.name.replace('_', '-')} looks at one catalogue; leave it out, or ask one catalogue"
            )
    return options


def _product(item: Item | Hit, options: SearchOptions) -> object:
    """The product that an item or a hit shows; ``None``: it stands for itself."""
    return item.group if options.group_by == GROUP else item.metadata.get(options.group_by)
