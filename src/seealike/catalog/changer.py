"""Changes of a catalogue."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial

from seealike.catalog import ann
from seealike.catalog.encoder.at_hand import described
from seealike.catalog.encoder.embedder import LocalEmbedder
from seealike.catalog.items import listed_ids
from seealike.catalog.options import IndexOptions
from seealike.catalog.session import SMALL_CHANGE_WAIT_S, Session, opened_writer
from seealike.catalog.sync.adding import AddReport, NewPicture, add_all
from seealike.catalog.sync.job import SyncJob
from seealike.catalog.sync.progress import NotedProgress
from seealike.catalog.sync.shards import ShardSource
from seealike.catalog.sync.signing import sign_items
from seealike.catalog.sync.sources import (
    asked_source,
    forget_source,
    index_all,
    known_sources,
    named_source,
)
from seealike.errors import EncoderMismatchError, PictureError
from seealike.images import DecodeLimits
from seealike.protocols import Embedder, Source
from seealike.recommend import Calibration
from seealike.store import remove_other_databases
from seealike.store.records import BY_HAND
from seealike.types import ImageInput, IndexReport, Metadata, PathInput, ProgressCallback, unwatched


class Changer:
    """The part of ``Catalog`` that adds, updates and removes."""

    _session: Session

    def index(
        self,
        source: PathInput | Source | None = None,
        *,
        options: IndexOptions = IndexOptions(),
        progress: ProgressCallback | None = None,
    ) -> IndexReport:
        """Make the catalogue equal to a source: a folder, a pattern, a table, shards; or to all that it has.

        A catalogue may have any number of sources. Each has items of its own: no other source's are touched.
        May be interrupted at any moment; what was committed stays, and the next call goes on.

        Raises:
            SourceError: a source cannot be read; of several, the others are up to date then.
            CatalogBusyError: another process is writing.
            StorageError: the disk refused.
            EncoderError: it is to be linked, and is not where it came from.
        """
        session = self._session
        known = known_sources(session.path, session.store.state())
        if source is None:
            return index_all(
                known, lambda place: self.index(place, options=options, progress=progress), options
            )
        limits = options.limits or session.encoder.limits
        opened = asked_source(source, options, known)
        told = progress or unwatched
        with self._embedder(opened.source, options.workers, limits) as embedder:
            if options.dry_run:
                store = session.store
                with opened_writer(store) as writer:
                    return SyncJob(store, writer, opened, options, limits, told).run(embedder)
            with (
                session.writing(options.wait_s) as ((store, _), writer),
                NotedProgress(session.path, session.files, told) as noted,
            ):
                ann.remove_leftovers(store, session.files)
                remove_other_databases(session.path, session.files)
                session.encoder.keep(session.files, link=options.link_encoder)
                job = SyncJob(store, writer, opened, options, limits, noted)
                report = job.run(embedder)
                signed = sign_items(store, writer, (BY_HAND, job.source), options, limits, noted)
                report = replace(report, signed=signed, generation=store.state().generation)
        with NotedProgress(session.path, session.files, told) as noted:
            return replace(report, ann_refused=session.renew_ann(noted, look_closely=True))

    def forget(self, source: PathInput) -> int:
        """Drop a source, its items and its skipped files. No picture is deleted. The number of items removed.

        Args:
            source: the folder, pattern or table, or the name that ``sources()`` gives.

        Raises:
            SourceError: the catalogue has no such source.
        """
        with self._session.writing(SMALL_CHANGE_WAIT_S, any_encoder=True) as ((store, _), writer):
            record = named_source(source, known_sources(self._session.path, store.state()))
            removed = forget_source(store, writer, record.number)
        self._session.renew_ann(unwatched)
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
        session, told = self._session, progress or unwatched
        committing = partial(session.committing, wait_s)
        report = add_all(lambda: session.written, session.embedder, pictures, committing, told)
        session.renew_ann(told)
        return report

    def remove(self, ids: Iterable[str], *, wait_s: float = SMALL_CHANGE_WAIT_S) -> int:
        """Remove items from the catalogue (never from the disk). The number removed.

        Also from a catalogue that has another encoder by now: ids are the same there.

        Raises:
            UnknownItemError: one of the ids is not in the catalogue; then nothing is removed.
            CatalogBusyError: somebody else is writing, for more than ``wait_s``.
        """
        wanted = list(dict.fromkeys(listed_ids(ids)))
        with self._session.writing(wait_s, any_encoder=True) as ((store, _), writer):
            for item_id in wanted:
                store.known_item(item_id)
            removed = writer.remove(wanted)
        self._session.renew_ann(unwatched)
        return removed

    def keep_calibration(self, calibration: Calibration | None) -> Calibration | None:
        """Keep what scores are worth, or forget it. What was kept: it says of which generation it is.

        ``reindex`` forgets it: the scores of another encoder are worth something else.

        Raises:
            CatalogBusyError: somebody else is writing.
        """
        with self._session.writing(SMALL_CHANGE_WAIT_S) as ((store, _), writer):
            if calibration is not None:
                now = store.state()
                calibration = replace(
                    calibration, items=now.count, generation=now.generation, last_key=now.last_key
                )
            writer.set_calibration(None if calibration is None else calibration.to_json())
        return calibration

    @contextmanager
    def _embedder(self, source: Source, workers: int | None, limits: DecodeLimits) -> Iterator[Embedder]:
        """What embeds a source: one of its own, freed afterwards, or the one given; shards themselves.

        Raises:
            EncoderMismatchError: the shards were made by another encoder.
        """
        session = self._session
        if isinstance(source, ShardSource):
            if source.identity != session.identity:
                names = described(session.identity), described(source.identity)
                raise EncoderMismatchError(session.path, *names)
            yield source
            return
        if session.given_embedder is not None:
            yield session.given_embedder
            return
        with closing(LocalEmbedder(session.encoder, workers=workers, limits=limits)) as embedder:
            yield embedder
