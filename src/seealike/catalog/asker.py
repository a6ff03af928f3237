"""Questions to a catalogue."""

from __future__ import annotations

import os
import weakref
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np

from seealike.catalog.derived import ListKeeper
from seealike.catalog.encoder.at_hand import encoded_unit
from seealike.catalog.encoder.embedder import embedded_images, encoded_images
from seealike.catalog.encoder.places import Focused
from seealike.catalog.encoder.texts import check_texts
from seealike.catalog.hits import Hits, Thumbnail, asked_with
from seealike.catalog.items import listed, listed_examples, listed_ids, listed_images
from seealike.catalog.joined import JoinedSession, JoinedStore
from seealike.catalog.looking import ExamplePicture, check_no_look, explained, looked_at
from seealike.catalog.session import Session, scale_of
from seealike.errors import UsageError, check_count
from seealike.recommend import (
    Example,
    Examples,
    ItemRow,
    ListsForVectors,
    Query,
    ReportedLists,
    Searcher,
    SearchOptions,
    SimilarList,
    UpdatedLists,
    Wanted,
    answered,
    product_lists,
    similar_lists,
    updated_lists,
    with_least_score,
)
from seealike.recommend.columns import GROUP
from seealike.store import SqliteStore
from seealike.types import (
    Embedded,
    Float32Array,
    ImageInput,
    Picture,
    ProgressCallback,
    Refused,
    SameFile,
    unwatched,
)

if TYPE_CHECKING:
    import numpy.typing as npt

MOST_THUMBNAIL_PX = 10_000


class Asker:
    """The part of ``Catalog`` that answers what looks like what."""

    _session: Session | JoinedSession

    def __enter__(self) -> Self:
        """Use what is open in a ``with`` block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Free processes, models and files. Nothing can be asked afterwards."""
        self._session.close()

    def search(self, image: ImageInput, k: int = 10, *, options: SearchOptions = SearchOptions()) -> Hits:
        """The items that look most like a picture: a path, bytes, a PIL image, or an (h, w, 3) uint8 array.

        Raises:
            PictureError: the picture cannot be used.
        """
        return self.search_batch([image], k, options=options)[0]

    def search_batch(
        self,
        images: Sequence[ImageInput],
        k: int = 10,
        *,
        options: SearchOptions = SearchOptions(),
    ) -> list[Hits]:
        """``search`` for several pictures; one list each, in order."""
        wanted = [Examples((example,)) for example in listed_images(images)]
        return self._ask(wanted, k, options)

    def search_text(
        self, texts: Sequence[str], k: int = 10, *, options: SearchOptions = SearchOptions()
    ) -> list[Hits]:
        """``search`` for texts; one list each. ``UsageError`` where the encoder has no text tower."""
        check_texts(texts)
        return self._ask([Examples((Example(text=text),)) for text in texts], k, options)

    def search_vectors(
        self,
        queries: Float32Array,
        k: int = 10,
        *,
        options: SearchOptions = SearchOptions(),
    ) -> list[Hits]:
        """``search`` for vectors of this catalogue's encoder. Shapes: queries is (q, d), or (d,) for one."""
        queries, dimension = np.atleast_2d(_as_vectors(queries)), self._session.identity.dimension
        if queries.ndim != 2 or queries.shape[1] != dimension:
            raise UsageError(f"queries must be (q, {dimension}), not {queries.shape}")
        return self._ask([Examples((Example(vector=row),)) for row in encoded_unit(queries)], k, options)

    def similar(self, item_id: str, k: int = 10, *, options: SearchOptions = SearchOptions()) -> Hits:
        """The items most like one of the catalogue, itself left out, and its product.

        Raises:
            UnknownItemError: there is no such item.
        """
        return self.similar_batch([item_id], k, options=options)[0]

    def similar_batch(
        self,
        ids: Sequence[str],
        k: int = 10,
        *,
        options: SearchOptions = SearchOptions(),
    ) -> list[Hits]:
        """``similar`` for several items; one list each, in order."""
        return self._ask([Examples((Example(item_id),)) for item_id in listed_ids(ids)], k, options)

    def recommend(
        self,
        like: Sequence[str | Example] = (),
        dislike: Sequence[str | Example] = (),
        k: int = 10,
        *,
        like_images: Sequence[ImageInput] = (),
        options: SearchOptions = SearchOptions(),
    ) -> Hits:
        """Items for somebody who likes some things and dislikes others; those left out, and their products.

        Args:
            like: ids of items, or examples of any kind: items, products, pictures, words, with weights.
            dislike: the same.
            k: how many.
            like_images: pictures that are liked.
            options: which items are worth showing, and how examples are combined.

        Raises:
            UnknownItemError: an id is not in the catalogue.
            UnknownProductError: no item shows such a product.
            UsageError: nothing is liked, or the examples cancel each other.
        """
        liked = (*listed_examples(like), *listed_images(like_images))
        examples = Examples(liked, tuple(listed_examples(dislike)))
        return self._ask([examples], k, options)[0]

    def recommend_all(
        self,
        k: int = 10,
        *,
        options: SearchOptions = SearchOptions(),
        by_product: bool = False,
        progress: ProgressCallback | None = None,
    ) -> Iterator[SimilarList]:
        """The ``k`` most similar items of every item, in id order, in bounded memory.

        Of several catalogues in the order of the catalogues, then of ids.

        ``by_product``: the most similar products of every product, in the order of their names.
        """
        store, searcher, options = self._listing(k, options, by_product=by_product)
        made = product_lists if by_product else similar_lists
        return made(store, searcher, k, options, progress or unwatched)

    def lists_for_vectors(self, *, options: SearchOptions = SearchOptions()) -> ListsForVectors:
        """What makes the lists of vectors that are no items here, as ``recommend_all`` makes those of items.

        Everything is read at once, and all lists are of that generation.
        """
        return ListsForVectors(*self._listing(1, options, by_product=False))

    def updated_lists(
        self,
        k: int = 10,
        *,
        options: SearchOptions = SearchOptions(),
        by_product: bool = False,
        progress: ProgressCallback | None = None,
    ) -> UpdatedLists:
        """The lists of ``recommend_all``, made from those of the last call: only what changed is made anew.

        The catalogue keeps them for the next call, as files of its own. They are those of ``recommend_all``
        where every vector is compared; with an approximate index a few neighbours may be others.
        """
        store, searcher, options = self._listing(k, options, by_product=by_product)
        keeper = ListKeeper(store.directory, store.catalog_id, self._session.files)
        wanted = Wanted(k, options, progress or unwatched, by_product)
        return updated_lists(store, searcher, keeper, wanted)

    def _listing(
        self, k: int, options: SearchOptions, *, by_product: bool
    ) -> tuple[SqliteStore | JoinedStore, Searcher, SearchOptions]:
        """Who makes lists, and what makes them."""
        check_count(k, "k")
        check_no_look(options)
        if by_product and options.pictures:
            raise UsageError("lists are of products or of single pictures, not of both")
        store, searcher = self._session.reading()
        asking = Examples((Example(product="") if by_product else Example(""),))
        return store, searcher, with_least_score(options, scale_of(store), [asking])

    def reported(
        self, lists: Iterable[SimilarList], *, by_product: bool = False, group_by: str = GROUP
    ) -> ReportedLists:
        """The lists of ``recommend_all``, counted as they pass by: ``report()`` then tells of all of them."""
        store, searcher = self._session.reading()
        products = searcher.answered(lambda view: searcher.products(view, group_by)) if by_product else None
        return ReportedLists(lists, store, products)

    def has_product(self, name: str, *, group_by: str = GROUP) -> bool:
        """Whether an item shows the product of this name; ``group_by`` is the column that says so."""
        _, searcher = self._session.reading()
        return name in searcher.answered(lambda view: searcher.products(view, group_by))

    def neighbours(
        self, ids: Sequence[str] | None = None, k: int = 10, *, options: SearchOptions = SearchOptions()
    ) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.float64]]:
        """The ids and the scores of the ``k`` items most like each of ``ids``, or each item in id order.

        Shapes: both are (q, k). Where there are fewer, rows end with ``None`` and NaN.

        Raises:
            UnknownItemError: there is no such item.
        """
        rows: list[tuple[Sequence[str], Sequence[float]]] = (
            [(one.similar_ids, one.scores) for one in self.recommend_all(k, options=options)]
            if ids is None
            else [(one.ids, one.scores) for one in self.similar_batch(ids, k, options=options)]
        )
        names = np.full((len(rows), k), None, dtype=object)
        scores = np.full((len(rows), k), np.nan, dtype=np.float64)
        for row, (similar_ids, values) in enumerate(rows):
            names[row, : len(similar_ids)], scores[row, : len(values)] = similar_ids, values
        return names, scores

    def encode(self, images: Sequence[ImageInput]) -> Float32Array:
        """Pictures as vectors of this catalogue's encoder, as a search uses them.

        Shapes: the result is (n, d). Units: rows have norm 1.

        Raises:
            PictureError: one of them cannot be used.
        """
        return encoded_images(self._session.embedder, listed(images, "pictures"))

    def embed(
        self, pictures: Iterable[Picture], *, urgent: bool = False
    ) -> Generator[Embedded | SameFile | Refused, None, None]:
        """What becomes of any number of pictures, as for ``index``; see ``seealike.protocols.Embedder``."""
        return self._session.embedder.embed(pictures, urgent=urgent)

    def thumbnail(self, image: str | bytes | os.PathLike[str], side_px: int = 240) -> bytes:
        """A small JPEG of a picture file, without its metadata.

        Raises:
            PictureError: the picture cannot be used.
        """
        if not isinstance(image, str | bytes | os.PathLike):
            raise UsageError(f"a thumbnail is made of a path or bytes, not {type(image).__name__}")
        check_count(side_px, "side_px")
        if side_px > MOST_THUMBNAIL_PX:
            raise UsageError(f"side_px must be a whole number of 1 to {MOST_THUMBNAIL_PX}, not {side_px!r}")
        if self._session.closed:
            raise UsageError("the catalogue is closed")
        return self._session.decoder.thumbnail(image, int(side_px))

    def _ask(self, wanted: Sequence[Examples], k: int, options: SearchOptions) -> list[Hits]:
        check_count(k, "k")
        store, searcher = self._session.reading()
        scale = scale_of(store)
        told = with_least_score(options, scale, wanted)
        wanted = [looked_at(one, options, self._session.places, self._path_of) for one in wanted]
        encoded, sizes = self._encoded(wanted)
        query = Query(encoded, k, told, scale)
        generation, found = answered(store, searcher, query)
        among = 0 if all(found) else store.state().count
        about = [
            replace(one, generation=generation, among=among) for one in asked_with(wanted, options, sizes)
        ]
        if options.explain:
            look = self._session.places.of
            pictures_of = partial(self._pictures_of, group_by=options.group_by)
            asked = [_with_words(one, words) for one, words in zip(wanted, encoded, strict=True)]
            pairs = zip(asked, found, strict=True)
            found = [explained(one, options, look, pictures_of, listed) for one, listed in pairs]
        thumbnail = _weakly(self)
        return [Hits(one, asked, thumbnail) for one, asked in zip(found, about, strict=True)]

    def _pictures_of(self, example: Example, group_by: str) -> Sequence[ExamplePicture]:
        """The pictures that an example is of."""
        if example.image is not None:
            return [ExamplePicture(example.image)]
        store, searcher = self._session.reading()
        if example.id is not None:
            keys = [store.known_item(example.id).key]
        else:
            products = searcher.answered(lambda view: searcher.products(view, group_by))
            keys = products.keys_of(str(example.product)).tolist()
        items, (found, vectors) = store.items_of(keys), store.vectors_of(keys)
        rows = [items[key] for key in found.tolist()]
        return [
            ExamplePicture(_file_of(item, searcher), item.id, row)
            for item, row in zip(rows, vectors, strict=True)
        ]

    def _path_of(self, item_id: str) -> str:
        store, searcher = self._session.reading()
        return _file_of(store.known_item(item_id), searcher)

    def _encoded(self, wanted: Sequence[Examples]) -> tuple[list[Examples], list[tuple[int, int]]]:
        """Pictures and words as vectors, each kind of all the lists at once; and the pictures' sizes."""
        everything = [example for one in wanted for example in (*one.like, *one.dislike)]
        pictures = [example for example in everything if example.image is not None]
        words = [example for example in everything if example.text is not None]
        images = [example.image for example in pictures if example.image is not None]
        unseen = [image for image in images if not isinstance(image, Focused)]
        embedded = iter(embedded_images(self._session.embedder, unseen))
        pictured = [image if isinstance(image, Focused) else next(embedded) for image in images]
        seen_of = iter(pictured)
        texts = [example.text for example in words if example.text is not None]
        text_vectors = iter(self._session.texts.encode(texts) if texts else ())

        def encoded(example: Example) -> Example:
            if example.image is not None:
                seen = next(seen_of)
                vector, signature = encoded_unit(seen.vector[np.newaxis])[0], seen.signature
                colour = signature.colour if signature is not None else None
                return replace(example, image=None, vector=vector, colour=colour)
            return example if example.text is None else replace(example, vector=next(text_vectors))

        lists = [Examples(tuple(map(encoded, one.like)), tuple(map(encoded, one.dislike))) for one in wanted]
        return lists, [(seen.width_px, seen.height_px) for seen in pictured]


def _file_of(item: ItemRow, searcher: Searcher) -> str:
    path = searcher.path_of()(item)
    if path is None:
        raise UsageError(f"the item {item.id} has no file that could be looked at")
    return path


def _with_words(one: Examples, encoded: Examples) -> Examples:
    """Examples of which words are vectors, as those of ``encoded`` are."""

    def said(some: Sequence[Example], vectors: Sequence[Example]) -> tuple[Example, ...]:
        both = zip(some, vectors, strict=True)
        return tuple(example if example.text is None else known for example, known in both)

    return Examples(said(one.like, encoded.like), said(one.dislike, encoded.dislike))


def _weakly(catalog: Asker) -> Thumbnail:
    """What makes thumbnails, and keeps no catalogue alive for the sake of its answers."""
    held = weakref.ref(catalog)

    def thumbnail(file: str | bytes, side_px: int) -> bytes:
        if (open_one := held()) is None:
            raise UsageError("the catalogue is closed")
        return open_one.thumbnail(file, side_px)

    return thumbnail


def _as_vectors(queries: object) -> Float32Array:
    """Numbers in rows, as an array.

    Raises:
        UsageError: they are something else.
    """
    try:
        return np.asarray(queries, dtype=np.float32)
    except (TypeError, ValueError, OverflowError):
        raise UsageError(f"queries must be an array of numbers, not {type(queries).__name__}") from None
