"""Which database an open catalogue reads: the one that lies in its directory now."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from seealike.catalog import ann
from seealike.errors import ReplacedCatalogError
from seealike.recommend import Searcher
from seealike.store import SqliteStore, StoreWriter, schema


class Reading(NamedTuple):
    """A database and what ranks over it. Whoever answers a question uses one for all of it."""

    store: SqliteStore
    searcher: Searcher


def reading_of(store: SqliteStore) -> Reading:
    """A reading of a database, with its approximate index where there is one that can be used."""
    dimension, directory = store.identity.dimension, store.directory
    return Reading(store, Searcher(store, dimension, lambda record: ann.load(directory, record)))


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
        """One for a forked child: it opens a store of its own when it is asked first."""
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
        """Close the store; nothing is reopened afterwards."""
        with self._reopening:
            self._closed = True
            self._reading.store.close()

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
