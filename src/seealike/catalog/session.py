"""What the parts of an open catalogue share: its database as it is now, the turn to write, its encoder."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import NamedTuple, Protocol

from seealike.catalog import ann
from seealike.catalog.derived import KeptHubness
from seealike.catalog.encoder.at_hand import EncoderAtHand, described
from seealike.catalog.encoder.embedder import LocalEmbedder, decoder_of_few
from seealike.catalog.encoder.places import Places
from seealike.catalog.encoder.texts import TextQueries
from seealike.catalog.sync.sources import absolute_paths
from seealike.encoders import EncoderSpec
from seealike.errors import (
    CatalogBusyError,
    CatalogError,
    EncoderMismatchError,
    ReplacedCatalogError,
    StorageError,
    UsageError,
)
from seealike.forking import keep_for_ever, tell_of_forks
from seealike.images import DecodeLimits
from seealike.protocols import Embedder, Encoder
from seealike.recommend import Calibration, Searcher
from seealike.store import FileSystem, SqliteStore, StoreWriter, WriterLock, schema
from seealike.types import ProgressCallback

SMALL_CHANGE_WAIT_S = 10.0


class Calibrated(Protocol):
    """Where it is kept what scores are worth."""

    def calibration(self) -> str | None:
        """What was learnt, if anything was."""


class Reading(NamedTuple):
    """A database and what ranks over it. Whoever answers a question uses one for all of it."""

    store: SqliteStore
    searcher: Searcher


def reading_of(store: SqliteStore) -> Reading:
    """A reading of a database, with its approximate index where there is one that can be used."""
    dimension, directory = store.identity.dimension, store.directory
    searcher = Searcher(
        store,
        dimension,
        lambda record: ann.load(directory, record),
        lambda: absolute_paths(store),
        KeptHubness(directory, store.catalog_id, FileSystem()),
    )
    return Reading(store, searcher)


def scale_of(store: Calibrated) -> Calibration | None:
    """What the scores of a catalogue are worth, where that has been learnt."""
    text = store.calibration()
    return None if text is None else Calibration.from_json(text)


@contextmanager
def opened_writer(store: SqliteStore) -> Iterator[StoreWriter]:
    """A writer of the very database that ``store`` reads.

    Raises:
        DamagedCatalogError: another one lies there by now.
    """
    writer = StoreWriter(store.database_path)
    try:
        store.check_is_this(writer.connection)
        yield writer
    finally:
        writer.close()


class Current:
    """Gives the reading to use now. Safe to use from several threads.

    A repair, or a removal and a new creation, puts another database under the catalogue's name. Where that
    has the same encoder, it is asked from then on; what is under way goes on with the old one.
    """

    def __init__(self, store: SqliteStore) -> None:
        """Begin with ``store``."""
        self._reading = reading_of(store)
        self._reopening = threading.Lock()
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether its store has been closed."""
        return self._closed

    def anew(self) -> Current:
        """One for a forked child, where this one ends: it opens a store of its own when it is asked first."""
        self._reading.searcher.close()
        return Current(self._reading.store)

    def reading(self) -> Reading:
        """The newest reading.

        Raises:
            ReplacedCatalogError: the catalogue has another encoder now.
            NoCatalogError, DamagedCatalogError: there is none any more, or none that can be opened.
        """
        reading = self._reading
        return (
            reading if self._closed or reading.store.is_current() else self._reopened(SqliteStore.is_current)
        )

    def to_write(self, *, any_encoder: bool = False) -> Reading:
        """The reading whose database is the catalogue's. The caller holds the writer lock.

        Args:
            any_encoder: for a change that no vector has a part in: also one with another encoder will do.

        Raises:
            ReplacedCatalogError: the catalogue has another encoder now.
            NoCatalogError, DamagedCatalogError: there is none any more, or none that can be opened.
        """
        reading = self._to_write(any_encoder=any_encoder)
        schema.part_from_copies(reading.store.database_path)
        return reading

    def _to_write(self, *, any_encoder: bool) -> Reading:
        if self._closed or self._reading.store.is_the_catalogs():
            return self._reading
        try:
            return self._reopened(SqliteStore.is_the_catalogs)
        except ReplacedCatalogError:
            if not any_encoder:
                raise
        return reading_of(SqliteStore(self._reading.store.directory))

    def close(self) -> None:
        """Close the store and let go of what was read of it; nothing is reopened afterwards."""
        with self._reopening:
            self._closed = True
            self._reading.store.close()
            self._reading.searcher.close()

    def _reopened(self, is_right: Callable[[SqliteStore], bool]) -> Reading:
        with self._reopening:
            old = self._reading.store
            if self._closed or is_right(old):  # another thread was quicker
                return self._reading
            store = SqliteStore(old.directory)
            if store.identity != old.identity:
                store.close()
                raise ReplacedCatalogError(old.directory)
            self._reading = reading_of(store)
            return self._reading


class Turn:
    """The writer's lock for the threads of a ``Catalog``. A thread that waits for itself is told so."""

    def __init__(self, directory: str) -> None:
        """Nobody has it yet."""
        self._directory = directory
        self._lock = threading.Lock()
        self._holder: int | None = None

    @contextmanager
    def taken(self, wait_s: float) -> Iterator[None]:
        """Hold it for the block, having waited at most ``wait_s`` for other threads and processes.

        Raises:
            CatalogBusyError: another one holds it all the time; the message names it.
            UsageError: this thread holds it.
            StorageError: the directory cannot be written.
        """
        if self._holder == threading.get_ident():
            raise UsageError(
                f"{self._directory} is being changed by the very call that leads here (a source's scan, an "
                "iterator of pictures, a report of progress); change it before that call or after it"
            )
        if math.isnan(wait_s):
            raise UsageError("wait_s must be a number of seconds, not nan")
        started = time.monotonic()
        if not self._lock.acquire(timeout=min(max(wait_s, 0.0), threading.TIMEOUT_MAX)):
            raise CatalogBusyError(self._directory, "another thread of this process")
        lock = WriterLock(self._directory)
        try:
            lock.acquire(max(0.0, wait_s - (time.monotonic() - started)))
            self._holder = threading.get_ident()
            try:
                yield
            finally:
                self._holder = None
                lock.release()
        finally:
            self._lock.release()


class Session:
    """One open catalogue, for those who read, ask and change it. Safe to use from several threads."""

    def __init__(
        self,
        store: SqliteStore,
        encoder: Encoder | EncoderSpec | None,
        files: FileSystem,
        limits: DecodeLimits,
        embedder: Embedder | None = None,
        current: Current | None = None,
    ) -> None:
        """Nothing heavy is loaded yet. An ``embedder`` does the work of the one here.

        ``current`` gives readings of what is no directory.
        """
        self.path, self.identity, self.encoder_spec = store.directory, store.identity, store.encoder_spec
        self.files = files
        self.encoder = EncoderAtHand(store, encoder, limits)
        if embedder is not None and embedder.identity != store.identity:
            wanted, given = described(store.identity), described(embedder.identity)
            raise EncoderMismatchError(store.directory, wanted, given)
        self.given_embedder = embedder
        self._begin(current or Current(store))
        tell_of_forks(self, Session._after_fork)

    def _begin(self, current: Current) -> None:
        self.current = current
        self.decoder = decoder_of_few(self.encoder.identity.preprocessing, self.encoder.limits)
        self.embedder = self.given_embedder or LocalEmbedder(self.encoder, decoder=self.decoder)
        self.texts = TextQueries(self.encoder)
        self.places = Places(self.encoder, self.decoder)
        self._turn = Turn(self.path)

    def _after_fork(self) -> None:
        """In a forked child: go on with a connection, processes and an encoder of its own."""
        if not self.current.closed:
            keep_for_ever(self.current)  # not even to close a parent's connection to SQLite is safe
            self._begin(self.current.anew())

    def close(self) -> None:
        """Free processes, models and files."""
        self.embedder.close()
        self.decoder.close()
        self.texts.close()
        self.places.close()
        self.current.close()

    def reading(self) -> Reading:
        """The newest database and what ranks over it: see ``Current.reading``."""
        return self.current.reading()

    @property
    def closed(self) -> bool:
        """Whether it cannot be used any more."""
        return self.current.closed

    @property
    def store(self) -> SqliteStore:
        """The newest database."""
        return self.reading().store

    @property
    def written(self) -> SqliteStore:
        """The newest database, as it is where it is changed."""
        return self.store

    @contextmanager
    def writing(self, wait_s: float, *, any_encoder: bool = False) -> Iterator[tuple[Reading, StoreWriter]]:
        """A writer of the catalogue as it is now, under the writer lock, and the reading of its database.

        Args:
            wait_s: how long to wait for the lock.
            any_encoder: see ``Current.to_write``.
        """
        with self._turn.taken(wait_s):
            reading = self.current.to_write(any_encoder=any_encoder)
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
    def committing(self, wait_s: float, *, only: SqliteStore | None = None) -> Iterator[StoreWriter]:
        """A writer for one commit; with ``only``, not of a database that has taken that one's place."""
        with self.writing(wait_s) as (reading, writer):
            if only is not None and reading.store is not only:
                raise ReplacedCatalogError(self.path)
            yield writer

    def renew_ann(self, progress: ProgressCallback, *, look_closely: bool = False) -> str | None:
        """Make the approximate index anew where that is due; others may write meanwhile.

        While somebody else writes for long it stays as it is, and the next change tries again. So it does
        where the disk refuses: a cache may be absent, and what was committed stands. Returns why then.
        """
        with suppress(CatalogBusyError, ReplacedCatalogError):
            try:
                store = self.store
                if look_closely or ann.is_due(store):
                    writing = partial(self.committing, SMALL_CHANGE_WAIT_S, only=store)
                    ann.refresh(store, self.files, writing, progress)
            except StorageError as exc:
                return f"{exc.path}: {exc.cause}"
        return None
