"""Questions to a catalogue."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Iterator, Sequence

import numpy as np

from seealike.catalog.encoder.at_hand import encoded_unit
from seealike.catalog.encoder.embedder import vectors_of
from seealike.catalog.items import listed, listed_ids
from seealike.catalog.session import Session
from seealike.catalog.sync.sources import absolute_paths
from seealike.errors import UsageError, check_count
from seealike.recommend import Examples, Query, SearchOptions, SimilarList, hits, similar_lists
from seealike.types import (
    Embedded,
    Float32Array,
    Hit,
    ImageInput,
    Picture,
    Progress,
    ProgressCallback,
    Refused,
    SameFile,
    unwatched,
)

MOST_THUMBNAIL_PX = 10_000


class Asker:
    """The part of ``Catalog`` that answers what looks like what."""

    _session: Session

    def search(
        self, image: ImageInput, k: int = 10, *, options: SearchOptions = SearchOptions()
    ) -> list[Hit]:
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
    ) -> list[list[Hit]]:
        """``search`` for several pictures; one list each, in order."""
        check_count(k, "k")
        return self.search_vectors(self.encode(images), k, options=options)

    def search_text(
        self, texts: Sequence[str], k: int = 10, *, options: SearchOptions = SearchOptions()
    ) -> list[list[Hit]]:
        """``search`` for texts; one list each. ``UsageError`` where the encoder has no text tower."""
        check_count(k, "k")
        return self.search_vectors(self._session.texts.encode(texts), k, options=options)

    def search_vectors(
        self,
        queries: Float32Array,
        k: int = 10,
        *,
        options: SearchOptions = SearchOptions(),
    ) -> list[list[Hit]]:
        """``search`` for vectors of this catalogue's encoder. Shapes: queries is (q, d)."""
        queries, dimension = _as_vectors(queries), self._session.identity.dimension
        if queries.ndim != 2 or queries.shape[1] != dimension:
            raise UsageError(f"queries must be (q, {dimension}), not {queries.shape}")
        return self._ask([Examples(vectors=row[None]) for row in encoded_unit(queries)], k, options)

    def similar(self, item_id: str, k: int = 10, *, options: SearchOptions = SearchOptions()) -> list[Hit]:
        """The items most like one of the catalogue, itself left out.

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
    ) -> list[list[Hit]]:
        """``similar`` for several items; one list each, in order."""
        return self._ask([Examples(like=(item_id,)) for item_id in listed_ids(ids)], k, options)

    def recommend(
        self,
        like: Sequence[str] = (),
        dislike: Sequence[str] = (),
        k: int = 10,
        *,
        like_images: Sequence[ImageInput] = (),
        options: SearchOptions = SearchOptions(),
    ) -> list[Hit]:
        """Items for somebody who likes some items (and pictures) and dislikes others; those left out.

        Raises:
            UnknownItemError: an id is not in the catalogue.
            UsageError: nothing is liked.
        """
        check_count(k, "k")
        liked, disliked = tuple(listed_ids(like)), tuple(listed_ids(dislike))
        return self._ask([Examples(liked, disliked, self.encode(like_images))], k, options)[0]

    def recommend_all(
        self,
        k: int = 10,
        *,
        options: SearchOptions = SearchOptions(),
        progress: ProgressCallback | None = None,
    ) -> Iterator[SimilarList]:
        """The ``k`` most similar items of every item, in id order, in bounded memory."""
        check_count(k, "k")
        told = progress or unwatched
        store, searcher = self._session.reading()
        return similar_lists(
            store, searcher, k, options, lambda done, total: told(Progress("lists", done, total))
        )

    def encode(self, images: Sequence[ImageInput]) -> Float32Array:
        """Pictures as vectors of this catalogue's encoder, as a search uses them.

        Shapes: the result is (n, d). Units: rows have norm 1.

        Raises:
            PictureError: one of them cannot be used.
        """
        return vectors_of(self._session.embedder, listed(images, "pictures"))

    def embed(self, pictures: Iterable[Picture]) -> Generator[Embedded | SameFile | Refused, None, None]:
        """What becomes of any number of pictures, as for ``index``; see ``seealike.protocols.Embedder``."""
        return self._session.embedder.embed(pictures)

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
        return self._session.embedder.decoders().thumbnail(image, int(side_px))

    def _ask(self, examples: Sequence[Examples], k: int, options: SearchOptions) -> list[list[Hit]]:
        store, searcher = self._session.reading()
        return hits(store, searcher, Query(examples, k, options), lambda: absolute_paths(store))


def _as_vectors(queries: object) -> Float32Array:
    """Numbers in rows, as an array.

    Raises:
        UsageError: they are something else.
    """
    try:
        return np.asarray(queries, dtype=np.float32)
    except (TypeError, ValueError, OverflowError):
        raise UsageError(f"queries must be an array of numbers, not {type(queries).__name__}") from None
