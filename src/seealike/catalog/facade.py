"""The catalogue as its users see it: the composition root that joins every stage."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Self

from seealike.catalog import ann, checkup
from seealike.catalog.adding import AddReport, NewPicture, PictureAdder, add_all
from seealike.catalog.answering import all_vectors, as_vectors, listed, listed_ids, public_item
from seealike.catalog.current import Current, Reading, opened_writer
from seealike.catalog.known_sources import (
    absolute_paths,
    asked_source,
    forget_source,
    index_all,
    known_sources,
    named_source,
    source_roots,
)
from seealike.catalog.options import CatalogInfo, IndexOptions, SourceInfo, VerifyReport
from seealike.catalog.pictures import EncoderAtHand, PictureEncoder, encoded_unit
from seealike.catalog.pipeline import pipeline
from seealike.catalog.sync import ProgressCallback, SyncJob
from seealike.catalog.texts import TextQueries
from seealike.catalog.turn import Turn
from seealike.encoders import EncoderSpec
from seealike.errors import (
    CatalogBusyError,
    CatalogError,
    PictureError,
    ReplacedCatalogError,
    UsageError,
    check_count,
)
from seealike.forking import keep_for_ever, tell_of_forks
from seealike.images import DecodeLimits, DecodePool
from seealike.protocols import Encoder, Source
from seealike.recommend import Examples, Query, SearchOptions, SimilarList, hits, similar_lists
from seealike.store import (
    FileSystem,
    SqliteStore,
    StoreWriter,
    remove_other_databases,
)
from seealike.types import (
    EncoderIdentity,
    Float32Array,
    Hit,
    ImageInput,
    IndexReport,
    Item,
    Metadata,
    PathInput,
    Progress,
    Skipped,
)

SMALL_CHANGE_WAIT_S = 10.0


def _silent(_: Progress) -> None:
    """Progress nobody watches."""


class Catalog:
    """A set of pictures that can be searched by likeness. Get one from ``create`` or ``open``.

    Any number of threads may read at once; each answer belongs to one committed generation. Changes are
    made one at a time, also across processes.
    """

    def __init__(
        self,
        store: SqliteStore,
        *,
        encoder: Encoder | EncoderSpec | None = None,
        files: FileSystem | None = None,
        limits: DecodeLimits = DecodeLimits(),
    ) -> None:
        """Use ``seealike.create`` or ``seealike.open`` instead."""
        self._identity, self._encoder_spec = store.identity, store.encoder_spec
        self._files = files or FileSystem()
        self._encoder = EncoderAtHand(store, encoder, limits)
        self._path = store.directory
        self._begin(Current(store))
        tell_of_forks(self, Catalog._after_fork)

    def _begin(self, current: Current) -> None:
        self._current = current
        self._pictures = PictureEncoder(self._encoder)
        self._texts = TextQueries(self._encoder)
        self._adder = PictureAdder(self._encoder, self._pictures)
        self._turn = Turn(self._path)

    def _after_fork(self) -> None:
        """In a forked child: go on with a connection, processes and an encoder of its own."""
        if not self._current.closed:
            keep_for_ever(self._current)  # not even to close a parent's connection to SQLite is safe
            self._begin(self._current.anew())

    @property
    def path(self) -> str:
        """The catalogue's directory."""
        return self._path

    @property
    def encoder(self) -> EncoderIdentity:
        """The embedding space all vectors live in."""
        return self._identity

    @property
    def encoder_spec(self) -> str:
        """How its encoder was asked for, as ``create`` takes it; empty for an object of yours."""
        return self._encoder_spec

    @property
    def placed_spec(self) -> str:
        """How its encoder is asked for where it is now: a copy of its own, or where it came from."""
        return "" if self._encoder.given is not None else str(self._encoder.spec())

    @property
    def limits(self) -> DecodeLimits:
        """What one picture may cost that is decoded for it."""
        return self._encoder.limits

    @property
    def generation(self) -> int:
        """Grows with every committed change."""
        return self._store.state().generation

    def __len__(self) -> int:
        """The number of items."""
        return self._store.state().count

    def __contains__(self, item_id: object) -> bool:
        """Whether there is an item with this id."""
        return isinstance(item_id, str) and self._store.item(item_id) is not None

    def __enter__(self) -> Self:
        """Use the catalogue in a ``with`` block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Free processes, models and files. The catalogue cannot be used afterwards."""
        self._pictures.close()
        self._texts.close()
        self._adder.close()
        self._current.close()

    # -- what is in it -----------------------------------------------------------------------------

    def item(self, item_id: str) -> Item:
        """The item with this id.

        Raises:
            UnknownItemError: there is none.
        """
        return public_item(self._store.known_item(item_id), absolute_paths(self._store))

    def items(self) -> Iterator[Item]:
        """Every item, in id order."""
        store = self._store
        absolute = absolute_paths(store)
        return (public_item(item, absolute) for item in store.items())

    def digests(self) -> Iterator[tuple[str, bytes | None]]:
        """Every item's id, in id order, and the SHA-256 of its file; None where its picture was no file's."""
        return ((item.id, item.sha256) for item in self._store.items())

    def skipped(self) -> list[Skipped]:
        """Every file of the sources that is not in the catalogue, with the reason."""
        return list(self.iter_skipped())

    def iter_skipped(self) -> Iterator[Skipped]:
        """``skipped``, one at a time: there may be a million."""
        store = self._store
        roots = source_roots(store)
        for number, row in store.skipped():
            yield replace(row, path=os.path.join(roots.get(number, self.path), row.path))

    def sources(self) -> tuple[SourceInfo, ...]:
        """The sources that the catalogue is kept equal to, in the order in which they came."""
        return checkup.described_sources(self._store)

    def vectors(self) -> tuple[list[str], Float32Array]:
        """All ids, in id order, and their vectors, one row each.

        Shapes: the array is (n, d). Units: rows have norm 1.
        """
        return all_vectors(self._store)

    def info(self) -> CatalogInfo:
        """Counts, sizes, generation, encoder and the state of the approximate index."""
        return checkup.describe(self._store)

    def verify(self, *, repair: bool = False, sample: int = 200) -> VerifyReport:
        """Check every checksum, orphans, and the approximate index against exact search.

        Args:
            repair: put right what can be: damaged items are removed (the next ``index`` reads their
                pictures again), derived files are made anew.
            sample: how many items' neighbours to compare for the recall.
        """
        if not repair:
            return checkup.verify(self._current, sample)
        with self._writer(SMALL_CHANGE_WAIT_S) as (reading, writer):
            return checkup.repair(*reading, writer, self._files, sample)

    # -- changing it -------------------------------------------------------------------------------

    def index(
        self,
        source: PathInput | Source | None = None,
        *,
        options: IndexOptions = IndexOptions(),
        progress: ProgressCallback | None = None,
    ) -> IndexReport:
        """Make the catalogue equal to a source: a folder, a glob pattern or a table; or to all that it has.

        A catalogue may have any number of sources. Each has items of its own: no other source's are touched.
        May be interrupted at any moment; what was committed stays, and the next call goes on.

        Raises:
            SourceError: a source cannot be read; of several, the others are up to date then.
            CatalogBusyError: another process is writing.
            StorageError: the disk refused.
            EncoderError: it is to be linked, and is not where it came from.
        """
        known = known_sources(self.path, self._store.state())
        if source is None:
            return index_all(
                known, lambda place: self.index(place, options=options, progress=progress), options
            )
        limits = options.limits or self.limits
        opened = asked_source(source, options.root, known)
        report_progress = progress or _silent
        if options.dry_run:
            store = self._store
            with opened_writer(store) as writer:
                return SyncJob(store, writer, opened, options, limits, report_progress).run(_never)
        with self._writer(options.wait_s) as ((store, _), writer):
            ann.remove_leftovers(store, self._files)
            remove_other_databases(self.path, self._files)
            self._encoder.keep(self._files, link=options.link_encoder)
            job = SyncJob(store, writer, opened, options, limits, report_progress)
            with pipeline(self._encoder, options.workers, limits) as open_pipeline:
                report = job.run(open_pipeline)
        self._renew_ann(report_progress, look_closely=True)
        return report

    def forget(self, source: PathInput) -> int:
        """Drop a source, its items and its skipped files. No picture is deleted. The number of items removed.

        Args:
            source: the folder, pattern or table, or the name that ``sources()`` gives.

        Raises:
            SourceError: the catalogue has no such source.
        """
        with self._writer(SMALL_CHANGE_WAIT_S, any_encoder=True) as ((store, _), writer):
            record = named_source(source, known_sources(self.path, store.state()))
            removed = forget_source(store, writer, record.number)
        self._renew_ann(_silent)
        return removed

    def add(
        self,
        item_id: str,
        image: ImageInput,
        *,
        group: str | None = None,
        metadata: Metadata | None = None,
        wait_s: float = SMALL_CHANGE_WAIT_S,
    ) -> None:
        """Add one picture under an id, replacing the item that has it. ``index`` never removes it.

        Raises:
            PictureError: the picture cannot be used.
            UsageError: id, group or metadata cannot be stored.
            CatalogBusyError: somebody else is writing, for more than ``wait_s``.
        """
        picture = NewPicture(item_id, image, group, metadata or {})
        for row in self.add_many([picture], wait_s=wait_s).skipped:
            raise PictureError(row.path or repr(row.id), row.reason, row.detail)

    def add_many(
        self,
        pictures: Iterable[NewPicture],
        *,
        wait_s: float = SMALL_CHANGE_WAIT_S,
        progress: ProgressCallback | None = None,
    ) -> AddReport:
        """``add`` for any number of pictures, each with an id of its own, in bounded memory.

        Those that cannot be used are in the report; items that have their ids stay. Commits are made on the
        way, each waits ``wait_s`` for another writer: what was committed stays, whatever happens next.

        Raises:
            CatalogBusyError: somebody else is writing.
            StorageError: the disk refused.
        """
        told = progress or _silent
        report = add_all(self._store, self._adder.rows(pictures), lambda: self._committing(wait_s), told)
        self._renew_ann(told)
        return report

    def remove(self, ids: Iterable[str], *, wait_s: float = SMALL_CHANGE_WAIT_S) -> int:
        """Remove items from the catalogue (never from the disk). The number removed.

        Also from a catalogue that has another encoder by now: ids are the same there.

        Raises:
            UnknownItemError: one of the ids is not in the catalogue; then nothing is removed.
            CatalogBusyError: somebody else is writing, for more than ``wait_s``.
        """
        wanted = list(dict.fromkeys(listed_ids(ids)))
        with self._writer(wait_s, any_encoder=True) as ((store, _), writer):
            for item_id in wanted:
                store.known_item(item_id)
            removed = writer.remove(wanted)
        self._renew_ann(_silent)
        return removed

    # -- asking it ---------------------------------------------------------------------------------

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
        return self.search_vectors(self._pictures.encode(listed(images, "pictures")), k, options=options)

    def search_text(
        self, texts: Sequence[str], k: int = 10, *, options: SearchOptions = SearchOptions()
    ) -> list[list[Hit]]:
        """``search`` for texts; one list each. ``UsageError`` where the encoder has no text tower."""
        check_count(k, "k")
        return self.search_vectors(self._texts.encode(texts), k, options=options)

    def search_vectors(
        self,
        queries: Float32Array,
        k: int = 10,
        *,
        options: SearchOptions = SearchOptions(),
    ) -> list[list[Hit]]:
        """``search`` for vectors of this catalogue's encoder. Shapes: queries is (q, d)."""
        queries = as_vectors(queries)
        if queries.ndim != 2 or queries.shape[1] != self.encoder.dimension:
            raise UsageError(f"queries must be (q, {self.encoder.dimension}), not {queries.shape}")
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
        pictures = self._pictures.encode(listed(like_images, "pictures"))
        return self._ask([Examples(liked, disliked, pictures)], k, options)[0]

    def recommend_all(
        self,
        k: int = 10,
        *,
        options: SearchOptions = SearchOptions(),
        progress: ProgressCallback | None = None,
    ) -> Iterator[SimilarList]:
        """The ``k`` most similar items of every item, in id order, in bounded memory."""
        check_count(k, "k")
        told = progress or _silent
        store, searcher = self._current.reading()
        return similar_lists(
            store, searcher, k, options, lambda done, total: told(Progress("lists", done, total))
        )

    def thumbnail(self, image: str | bytes | os.PathLike[str], side_px: int = 240) -> bytes:
        """A small JPEG of a picture file, without its metadata.

        Raises:
            PictureError: the picture cannot be used.
        """
        check_count(side_px, "side_px")
        return self._pictures.thumbnail(image, side_px)

    # -- inside ------------------------------------------------------------------------------------

    def _ask(self, examples: Sequence[Examples], k: int, options: SearchOptions) -> list[list[Hit]]:
        store, searcher = self._current.reading()
        return hits(store, searcher, Query(examples, k, options), lambda: absolute_paths(store))

    @property
    def _store(self) -> SqliteStore:
        return self._current.reading().store

    def _renew_ann(self, progress: ProgressCallback, *, look_closely: bool = False) -> None:
        """Make the approximate index anew where that is due; others may write meanwhile.

        While somebody else writes for long it stays as it is, and the next change tries again.
        """
        with suppress(CatalogBusyError, ReplacedCatalogError):
            store = self._store
            if look_closely or ann.is_due(store):
                writing = partial(self._committing, SMALL_CHANGE_WAIT_S, only=store)
                ann.refresh(store, self._files, writing, progress)

    @contextmanager
    def _writer(self, wait_s: float, *, any_encoder: bool = False) -> Iterator[tuple[Reading, StoreWriter]]:
        with self._turn.taken(wait_s):
            reading = self._current.to_write(any_encoder=any_encoder)
            try:
                with opened_writer(reading.store) as writer:
                    yield reading, writer
                if not reading.store.is_current():  # removed or replaced by somebody who asks for no lock
                    what = f"{self.path} was replaced while it was written; do it again"
                    raise CatalogError(self.path, what)
            finally:
                with suppress(CatalogError):  # what cannot be read is told by whoever reads it
                    reading.searcher.require(reading.store.state().generation)

    @contextmanager
    def _committing(self, wait_s: float, *, only: SqliteStore | None = None) -> Iterator[StoreWriter]:
        """A writer of the catalogue; with ``only``, not of a database that has taken that one's place."""
        with self._writer(wait_s) as (reading, writer):
            if only is not None and reading.store is not only:
                raise ReplacedCatalogError(self.path)
            yield writer


def _never() -> tuple[DecodePool, Encoder]:
    raise AssertionError("a dry run decodes nothing")
