"""What all requests of a service share: the open catalogue, who may come in, where work is done."""

from __future__ import annotations

import asyncio
import contextvars
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

import numpy as np
from starlette.requests import Request

from seealike import catalog as catalogs
from seealike.catalog import Catalog, Hits, SearchOptions
from seealike.errors import SeealikeError, ServiceError
from seealike.service.batching import BatchingEmbedder, Ticket, current_ticket
from seealike.service.changes import Changes
from seealike.service.gathering import Gathering
from seealike.service.options import ServiceOptions
from seealike.service.pictures import KeptPictures
from seealike.service.thumbnails import Thumbnails
from seealike.service.uploads import Uploads

if TYPE_CHECKING:
    from seealike.types import PathInput

Result = TypeVar("Result")
SPARE_THREADS = 8  # for what has no pictures, when every picture waits
RETRY_S = 1


class Answered(NamedTuple, Generic[Result]):
    """What a call gave, how long it took, and the state of the catalogue that it is of."""

    value: Result
    took_ms: float
    generation: int


class Service:
    """One open catalogue that many ask at a time.

    The event loop only admits requests and waits; whatever takes time is done by threads, and pictures by the
    decoding processes and the encoder. As many pictures as ``ServiceOptions.pictures`` may be under way.
    """

    def __init__(self, path: PathInput, options: ServiceOptions) -> None:
        """Open nothing yet."""
        self.path, self.options = path, options
        self.uploads = Uploads(options.upload_bytes, options.upload_s)
        self.thumbnails = Thumbnails()
        self.admitted = 0
        self.changes = Changes(KeptPictures(os.fspath(path)))
        self._threads = ThreadPoolExecutor(options.pictures + SPARE_THREADS, "seealike-request")
        self.failed: SeealikeError | None = None
        self._similar = Gathering(self._threads, self._similar_batch)
        self._catalog: Catalog | None = None
        self._inner: Catalog | None = None
        self._batching: BatchingEmbedder | None = None

    def open(self) -> None:
        """Open the catalogue and load what the first request needs. Takes seconds; others wait meanwhile.

        Raises:
            CatalogError: it cannot be opened.
        """
        self._inner = inner = catalogs.open(self.path)
        self._batching = BatchingEmbedder(_Embedding(inner))
        catalog = catalogs.open(self.path, embedder=self._batching)
        catalog.search(np.zeros((8, 8, 3), np.uint8), k=1)  # loads the encoder, and what is searched
        self._catalog = catalog

    def close(self) -> None:
        """Finish what is under way, then close the catalogue."""
        self._threads.shutdown()
        for one in (self._catalog, self._inner):
            if one is not None:
                one.close()

    @property
    def is_ready(self) -> bool:
        """Whether the catalogue is open."""
        return self._catalog is not None

    @property
    def catalog(self) -> Catalog:
        """The open catalogue.

        Raises:
            ServiceError: it is not open yet.
            CatalogError: it cannot be opened.
        """
        if self.failed is not None:
            raise self.failed
        if self._catalog is None:
            raise ServiceError("not_ready", "the service is starting; try again soon", retry_after_s=RETRY_S)
        return self._catalog

    @property
    def waiting(self) -> int:
        """How many pictures nobody works on yet."""
        return 0 if self._batching is None else self._batching.waiting

    async def run(self, request: Request, call: Callable[[], Result], *, pictures: int = 1) -> Result:
        """Have a thread do something, unless there is too much to do already.

        Args:
            request: whose client may leave meanwhile.
            call: what to do.
            pictures: how many pictures are embedded for it.

        Raises:
            ServiceError: the service is full, or it took too long.
        """
        self._check_room(pictures)
        ticket = Ticket()
        context = contextvars.copy_context()
        context.run(current_ticket.set, ticket)
        self.admitted += pictures
        work = asyncio.get_running_loop().run_in_executor(self._threads, context.run, call)
        work.add_done_callback(lambda _: self._done(pictures))
        leaving = asyncio.ensure_future(_left(request))
        try:
            await asyncio.wait(
                (work, leaving), timeout=self.options.deadline_s, return_when=asyncio.FIRST_COMPLETED
            )
            if work.done():
                return work.result()
            if leaving.done():
                raise ServiceError("given_up", "the client has left", status=499)
            raise ServiceError(
                "took_too_long",
                f"no answer within {self.options.deadline_s:g} s; try again later",
                status=504,
                retry_after_s=RETRY_S,
            )
        finally:
            ticket.given_up.set()
            leaving.cancel()
            await asyncio.gather(leaving, return_exceptions=True)

    async def similar(self, item_id: str, k: int, options: SearchOptions) -> Answered[Hits]:
        """What is like an item, of one state of the catalogue.

        Raises:
            ServiceError: the service is full.
            UnknownItemError: there is no such item.
        """
        started = time.perf_counter()
        self._check_room(1)
        self.admitted += 1
        try:
            found = await self._similar.ask(item_id, k, options)
        finally:
            self.admitted -= 1
        return Answered(found, ms_since(started), found.asked.generation)

    def _similar_batch(self, ids: list[str], k: int, options: SearchOptions) -> list[Hits]:
        return self.catalog.similar_batch(ids, k, options=options)

    def _check_room(self, pictures: int) -> None:
        if self.admitted and self.admitted + pictures > self.options.pictures:
            told = "the service has too much to do; try again soon"
            raise ServiceError("overloaded", told, retry_after_s=RETRY_S)

    async def found(self, request: Request, ask: Callable[[], Hits], *, pictures: int) -> Answered[Hits]:
        """``run`` for a question, with how long it took and the generation that the answer is of."""
        started = time.perf_counter()
        hits = await self.run(request, ask, pictures=pictures)
        return Answered(hits, ms_since(started), hits.asked.generation)

    async def read(self, request: Request, call: Callable[[], Result]) -> Answered[Result]:
        """``run`` for what the catalogue holds; again where that changed meanwhile: it is of one state."""
        started = time.perf_counter()

        def at_one_generation() -> tuple[Result, int]:
            catalog = self.catalog
            while True:
                before = catalog.generation
                value = call()
                if catalog.generation == before:
                    return value, before

        value, generation = await self.run(request, at_one_generation)
        return Answered(value, ms_since(started), generation)

    def _done(self, pictures: int) -> None:
        self.admitted -= pictures


class _Embedding:
    """The embedder of a catalogue, which is closed with that catalogue."""

    def __init__(self, catalog: Catalog) -> None:
        self.identity, self.embed = catalog.encoder, catalog.embed

    def close(self) -> None:
        """Leave it open."""


def ms_since(started: float) -> float:
    """How long ago a moment of ``time.perf_counter`` was."""
    return round((time.perf_counter() - started) * 1000, 3)


async def _left(request: Request) -> None:
    """Wait until the client has left: the body has been read, so nothing else can come."""
    while (await request.receive())["type"] != "http.disconnect":
        continue
