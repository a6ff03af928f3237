"""A catalogue that an engine holds, opened, asked and changed as one in a directory; and copying one there.

The one place that knows which engines there are.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from typing import Literal, NamedTuple, NoReturn
from urllib.parse import quote, unquote

from seealike.catalog.facade import Catalog
from seealike.catalog.options import (
    AnnInfo,
    CatalogInfo,
    EncoderPlace,
    IndexOptions,
    SourceInfo,
    VerifyReport,
)
from seealike.catalog.session import Session, scale_of
from seealike.catalog.sync.adding import NewPicture
from seealike.catalog.sync.progress import Indexing
from seealike.catalog.sync.sources import absolute_paths
from seealike.encoders import EncoderSpec
from seealike.engines.publishing import Publication, PublishReport
from seealike.engines.publishing import publish as publish_rows
from seealike.engines.searcher import EngineSearcher
from seealike.engines.store import Engine, EngineStore, EngineWriter
from seealike.errors import (
    MissingExtraError,
    PictureError,
    ReplacedCatalogError,
    UnknownNameError,
    UsageError,
)
from seealike.images import DecodeLimits
from seealike.objects import is_address
from seealike.protocols import Embedder, Encoder, Source
from seealike.recommend import ATTEMPTS, Calibration, SearchOptions, StaleViewError, UpdatedLists
from seealike.store import FileSystem
from seealike.store.manifest import Manifest
from seealike.store.records import metadata_to_json
from seealike.types import (
    Embedded,
    IndexReport,
    Metadata,
    PathInput,
    Picture,
    ProgressCallback,
    Refused,
    unwatched,
)
from seealike.vectors import VectorType

_POSTGRES, _MILVUS = ("postgresql", "postgres"), ("milvus",)
_PICTURE = "engine://pictures/"  # before an item's id: where a picture is that came without a file


def engine_at(address: str) -> Engine:
    """What is at an address; nothing is opened yet.

    Raises:
        UnknownNameError: no engine has such addresses.
        MissingExtraError: what speaks to it is not installed.
        UsageError: that is no address.
    """
    scheme = address.partition("://")[0]
    try:
        if scheme in _MILVUS:
            from seealike.engines.milvus.publisher import MilvusEngine

            return MilvusEngine(address)
        if scheme in _POSTGRES:
            from seealike.engines.postgres.writer import PostgresEngine

            return PostgresEngine(address)
    except ImportError as exc:
        feature, extra = ("Milvus", "milvus") if scheme in _MILVUS else ("PostgreSQL", "postgres")
        raise MissingExtraError(feature, extra) from exc
    raise UnknownNameError("engine", scheme, (_POSTGRES[0], *_MILVUS))


def name_of(address: str) -> str:
    """How an address is shown: without what must stay secret."""
    engine = engine_at(address)
    engine.close()
    return engine.name


def refuse_address(path: object, remedy: str) -> None:
    """Refuse what can only be done with a catalogue in a directory.

    Raises:
        UsageError: it is the address of an engine.
    """
    if is_address(path):
        raise UsageError(f"{name_of(str(path))} is in an engine: {remedy}, then `seealike publish`")


def publish(
    catalog: Catalog,
    address: str,
    *,
    rebuild: bool = False,
    since: PublishReport | None = None,
    progress: ProgressCallback | None = None,
) -> PublishReport:
    """Make the copy of a catalogue that an engine holds equal to it.

    Args:
        catalog: what is copied, from its directory.
        address: where to, such as ``postgresql://user@host/database`` or ``milvus://host:port/database``;
            credentials come from the environment: PGPASSWORD or ~/.pgpass, MILVUS_TOKEN.
        rebuild: copy everything beside what is there, and put it in its place at once.
        since: what the last call gave for this catalogue and address: what has been added and removed since
            is on record, and nothing else is read. Everything is compared where rows were rewritten, or
            somebody else changed the copy.
        progress: told of what is done.

    Raises:
        UsageError: another catalogue is there, and ``rebuild`` is not set.
        CatalogBusyError: another process publishes there.
        UnreachableError: the engine cannot be reached.
    """
    if isinstance(catalog, EngineCatalog):
        raise UsageError(f"{catalog.path} is a copy itself: publish the catalogue that it was copied from")
    engine = engine_at(address)
    try:
        store = catalog._session.store  # noqa: SLF001  a catalogue's own
        manifest = Manifest(store.identity, catalog_id=store.catalog_id, encoder_spec=store.encoder_spec)
        publication = Publication(store, manifest, absolute_paths(store))
        return publish_rows(publication, engine, progress or unwatched, rebuild=rebuild, since=since)
    finally:
        engine.close()


class EngineReading(NamedTuple):
    """See ``Reading``."""

    store: EngineStore
    searcher: EngineSearcher


class EngineCurrent:
    """Gives the reading to use now: see ``Current``. A copy that replaces another is asked from then on."""

    def __init__(self, engine: Engine, store: EngineStore) -> None:
        """Begin with ``store``."""
        self.engine = engine
        self._reading = EngineReading(store, EngineSearcher(store, store.identity.dimension))
        self._reopening = threading.Lock()
        self.closed = False

    def anew(self) -> EngineCurrent:
        """One for a forked child: connections are its own."""
        return EngineCurrent(self.engine, self._reading.store)

    def reading(self) -> EngineReading:
        """The newest reading."""
        held = self._reading
        store = self.engine.opened(held.store)
        if store is held.store:
            return held
        with self._reopening:
            if self._reading.store.catalog_id != store.catalog_id:
                if store.identity != held.store.identity:
                    raise ReplacedCatalogError(store.directory)
                self._reading = EngineReading(store, EngineSearcher(store, store.identity.dimension))
            return self._reading

    def written(self) -> EngineStore:
        """The live copy as it is where it is changed.

        Raises:
            ReplacedCatalogError: another encoder's has taken its place.
        """
        store = self.engine.written()
        if store.identity != self._reading.store.identity:
            raise ReplacedCatalogError(store.directory)
        return store

    def close(self) -> None:
        """Let go of what was read, and close connections."""
        self.closed = True
        self._reading.searcher.close()
        self.engine.close()


class EngineSession(Session):
    """One open catalogue of an engine. Its changes are those of the engine."""

    current: EngineCurrent  # type: ignore[assignment]  # it gives the same, of an engine

    @property
    def written(self) -> EngineStore:  # type: ignore[override]
        """See ``Session.written``."""
        return self.current.written()

    @contextmanager
    def writing(  # type: ignore[override]
        self,
        wait_s: float,
        *,
        any_encoder: bool = False,  # noqa: ARG002
    ) -> Iterator[tuple[EngineReading, EngineWriter]]:
        """See ``Session.writing``. The rows are read where they are changed, whatever replica answers."""
        reading = self.current.reading()
        with self.committing(wait_s) as writer:
            yield reading._replace(store=self.written), writer

    @contextmanager
    def committing(  # type: ignore[override]
        self,
        wait_s: float,  # noqa: ARG002
        *,
        only: object = None,  # noqa: ARG002
    ) -> Iterator[EngineWriter]:
        """See ``Session.committing``: the engine itself has one change made after the other."""
        with self.current.engine.changing(self.identity) as writer:
            yield writer
        for _ in range(ATTEMPTS):
            with suppress(StaleViewError):  # another copy has just become live: what was changed is in that
                reading = self.current.reading()
                reading.searcher.require(reading.store.state().generation)
                return

    def renew_ann(self, progress: ProgressCallback, *, look_closely: bool = False) -> str | None:  # noqa: ARG002
        """The engine keeps its index."""
        return None


class EngineCatalog(Catalog):
    """A copy of a catalogue in an engine. What only the catalogue itself has and does is refused."""

    def __init__(
        self,
        engine: Engine,
        store: EngineStore,
        *,
        encoder: Encoder | EncoderSpec | None,
        limits: DecodeLimits,
        embedder: Embedder | None,
    ) -> None:
        """Use ``seealike.open`` instead."""
        current = EngineCurrent(engine, store)
        self._engine_session = EngineSession(
            store,  # type: ignore[arg-type]  # it gives the same, of an engine
            encoder,
            FileSystem(),
            limits,
            embedder,
            current,  # type: ignore[arg-type]
        )
        self._session = self._engine_session

    def put(
        self, item_id: str, data: bytes, *, group: str | None, metadata: Metadata
    ) -> Literal["added", "replaced", "unchanged"]:
        """Make an item what it is to be, with the picture itself, in one transaction.

        Returns ``added``, ``replaced``, or ``unchanged`` where it is that already.

        Raises:
            PictureError: the picture cannot be used.
            UsageError: id, group or metadata cannot be stored.
            UnreachableError: the engine does not answer; the item is as it was, or what it was to be.
        """
        picture = NewPicture(item_id, data, group, metadata)
        store, digest = self._engine_session.written, hashlib.sha256(data).digest()
        before = store.item(item_id)
        asked = group, metadata_to_json(metadata), digest
        if before is not None and (before.group, before.metadata_json, before.sha256) == asked:
            return "unchanged"
        with closing(self._session.embedder.embed([Picture(0, data)])) as outcomes:
            seen = next(outcomes)
        if not isinstance(seen, Embedded):
            assert isinstance(seen, Refused)  # no content is known beforehand
            raise PictureError("the picture", seen.reason, seen.detail)
        path = os.fsencode(_PICTURE + quote(item_id))
        row = replace(picture.row(seen, store.directory), path=path, sha256=digest)
        with self._engine_session.committing(0.0) as writer:
            replaced = writer.add([row], {item_id: data})
        return "replaced" if replaced else "added"

    @property
    def written_generation(self) -> int:
        """The generation of what was changed last: one that reads from a replica may not have it yet."""
        return self._engine_session.written.state().generation

    def kept_picture(self, item_id: str) -> bytes | None:
        """The picture of an item that came without a file, as it came.

        Raises:
            UnknownItemError: there is no such item.
        """
        store = self._engine_store
        return store.picture_of(store.known_item(item_id).key)

    def thumbnail(self, image: str | bytes | os.PathLike[str], side_px: int = 240) -> bytes:
        """See ``Catalog.thumbnail``; the path of an item that came without a file stands for its picture."""
        if isinstance(image, str) and image.startswith(_PICTURE):
            store = self._engine_store
            item = store.item(unquote(image.removeprefix(_PICTURE)))
            image = image if item is None else store.picture_of(item.key) or image
        return super().thumbnail(image, side_px)

    @property
    def _engine_store(self) -> EngineStore:
        return self._engine_session.current.reading().store

    def info(self) -> CatalogInfo:
        """Counts, generation and encoder; of the sources and skipped files the catalogue itself knows."""
        store = self._session.store
        state, calibration = store.state(), scale_of(store)
        return CatalogInfo(
            path=store.directory,
            items=state.count,
            skipped=0,
            generation=state.generation,
            encoder=store.identity,
            sources=(),
            by_hand=0,
            size_bytes=0,
            vectors=VectorType.FLOAT16,
            vector_bytes=VectorType.FLOAT16.bytes_of(store.identity.dimension),
            ann=AnnInfo("engine", state.count),
            encoder_place=EncoderPlace("link", store.encoder_spec or store.identity.name),
            skipped_by_reason={},
            calibration=calibration,
            changed_since=0,
        )

    def sources(self) -> tuple[SourceInfo, ...]:
        """None: sources are the catalogue's."""
        return ()

    def indexing(self) -> Indexing | None:
        """Never: ``index`` runs where the catalogue is."""
        return None

    def index(
        self,
        source: PathInput | Source | None = None,  # noqa: ARG002
        *,
        options: IndexOptions = IndexOptions(),  # noqa: ARG002
        progress: ProgressCallback | None = None,  # noqa: ARG002
    ) -> IndexReport:
        """Refused: index the catalogue, then publish it."""
        self._refuse("indexed", "index the catalogue that it was copied from, then `seealike publish`")

    def forget(self, source: PathInput) -> int:  # noqa: ARG002
        """Refused: see ``index``."""
        self._refuse("without its sources", "do it with the catalogue itself, then `seealike publish`")

    def keep_calibration(self, calibration: Calibration | None) -> Calibration | None:  # noqa: ARG002
        """Refused: calibrate the catalogue, then publish it."""
        self._refuse("calibrated", "calibrate the catalogue itself, then `seealike publish`")

    def verify(self, *, repair: bool = False, sample: int = 200) -> VerifyReport:  # noqa: ARG002
        """Refused: its files are the engine's to check."""
        self._refuse("verified", "verify the catalogue itself; `seealike publish --rebuild` copies it anew")

    def updated_lists(
        self,
        k: int = 10,  # noqa: ARG002
        *,
        options: SearchOptions = SearchOptions(),  # noqa: ARG002
        by_product: bool = False,  # noqa: ARG002
        progress: ProgressCallback | None = None,  # noqa: ARG002
    ) -> UpdatedLists:
        """Refused: lists are kept beside a catalogue."""
        self._refuse("kept lists of", "make them without --update, or with the catalogue itself")

    def _refuse(self, what: str, remedy: str) -> NoReturn:
        raise UsageError(f"{self.path} is a copy in an engine and cannot be {what}: {remedy}")


def open_engine(
    address: str,
    *,
    encoder: Encoder | EncoderSpec | None,
    limits: DecodeLimits,
    embedder: Embedder | None,
) -> EngineCatalog:
    """Open the copy of a catalogue that an engine holds; see ``open``."""
    engine = engine_at(address)
    try:
        return EngineCatalog(engine, engine.opened(), encoder=encoder, limits=limits, embedder=embedder)
    except BaseException:
        engine.close()
        raise
