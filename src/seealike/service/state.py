"""What all requests of a service share: the open catalogue, who may come in, where work is done."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

import numpy as np
from starlette.requests import Request
from threadpoolctl import threadpool_limits

from seealike import catalog as catalogs
from seealike.catalog import Catalog, Catalogs, Hits, SearchOptions, is_address
from seealike.errors import PictureError, SeealikeError, ServiceError
from seealike.service.batching.embedder import FEEDERS, MOST, SHARED, BatchingEmbedder, Ticket, current_ticket
from seealike.service.batching.gathering import Gathering, Most
from seealike.service.changes import Changes, EngineChanges
from seealike.service.ending import Ending
from seealike.service.kept.described import Described
from seealike.service.kept.lru import LruCache
from seealike.service.kept.pictures import KeptPictures
from seealike.service.kept.thumbnails import Thumbnails
from seealike.service.kept.uploads import Uploads
from seealike.service.longwork.work import Found, LongWork, UnderWay
from seealike.service.messages.shown import shown_hits, shown_name
from seealike.service.options import ServiceOptions
from seealike.types import Area, Embedded, Picture, Refused, SameFile

if TYPE_CHECKING:
    from seealike.protocols import Embedder
    from seealike.types import PathInput

Result = TypeVar("Result")
GIVES_WAY = 5  # so much nicer are threads that work
MOST_KNOWN_BYTES = 2**26  # of answers that are kept: some 30,000 of ten hits
SPARE_THREADS = 8  # for what has no pictures, when every picture waits
MOST_CHANGES = 16  # that wait at once
RETRY_S = 1
SOON_S = 0.05  # what usually takes less is not worth watching whether its client leaves


class Answered(NamedTuple, Generic[Result]):
    """What a call gave, how long it took, and the state of the catalogue that it is of."""

    value: Result
    took_ms: float
    generation: int


class Shown(NamedTuple):
    """Hits as JSON, what they are of, and which part of each liked picture counted."""

    hits: bytes
    generation: int
    seen: Sequence[Area | None]


class Service:
    """One open catalogue, or several as one, that many ask at a time.

    The event loop only admits requests and waits; whatever takes time is done by threads, and pictures by the
    decoding processes and the encoder. As many pictures as ``ServiceOptions.pictures`` may be under way.
    """

    def __init__(self, paths: Sequence[PathInput], options: ServiceOptions, ending: Ending) -> None:
        """Open nothing yet."""
        self.paths, self.options = paths, options
        self.uploads = Uploads(options.upload_bytes, options.upload_s)
        self.thumbnails = Thumbnails()
        self.described, self.long_work = Described(), LongWork(paths[0])
        self._asking, self._changing = _Room(options.pictures), _Room(MOST_CHANGES)
        pictures = KeptPictures(os.fspath(paths[0]))
        self.changes = EngineChanges() if is_address(paths[0]) else Changes(pictures)
        self._threads = ThreadPoolExecutor(
            options.pictures + MOST_CHANGES + SPARE_THREADS, "seealike-request", _give_way
        )
        self._ending = ending
        self._known = LruCache[Shown](MOST_KNOWN_BYTES, lambda shown: len(shown.hits))
        self._by_id = Gathering(self._threads, self._similar_batch, Most(questions=64, batches=1, worth=1))
        self._by_picture = Gathering(
            self._threads, self._search_batch, Most(questions=MOST, batches=FEEDERS, worth=SHARED)
        )
        self._catalog: Catalog | Catalogs | None = None
        self._inner: Catalog | Catalogs | None = None
        self._batching: BatchingEmbedder | None = None
        self._limits: threadpool_limits | None = None

    def open(self) -> None:
        """Open the catalogue and load what the first request needs. Takes seconds; others wait meanwhile.

        Raises:
            CatalogError: it cannot be opened.
        """
        _give_way()  # so do the threads and processes that this one begins
        self._inner = inner = _opened(self.paths)
        self._batching = BatchingEmbedder(CatalogEmbedder(inner))
        catalog = _opened(self.paths, self._batching)
        catalog.search(np.zeros((8, 8, 3), np.uint8), k=1)  # loads the encoder, and what is searched
        # Requests are threads already. Those of a product of matrices wait by spinning, all for each other.
        self._limits = threadpool_limits(1, "blas")
        gc.collect()
        gc.freeze()  # what is there now stays: looking through it held everybody up for a tenth of a second
        self._catalog = catalog
        if isinstance(catalog, Catalog):
            with suppress(SeealikeError):  # it is tidied up another time
                self.changes.collect(catalog)

    def close(self) -> None:
        """Finish what is under way, then close the catalogue."""
        self.long_work.close()
        self._threads.shutdown()
        gc.unfreeze()
        if self._limits is not None:
            self._limits.restore_original_limits()
        for one in (self._catalog, self._inner):
            if one is not None:
                one.close()

    @property
    def is_ready(self) -> bool:
        """Whether the catalogue is open."""
        return self._catalog is not None

    @property
    def is_several(self) -> bool:
        """Whether several catalogues are asked as one."""
        return len(self.paths) > 1

    @property
    def only(self) -> Catalog:
        """The open catalogue, for what cannot be done with several.

        Raises:
            ServiceError: there are several, or it is not open yet.
        """
        catalog = self.catalog
        if isinstance(catalog, Catalogs):
            told = "several catalogues answer here as one; ask a service of one of them alone for this"
            raise ServiceError("several_catalogs", told, status=409)
        return catalog

    @property
    def catalog(self) -> Catalog | Catalogs:
        """The open catalogue, or several.

        Raises:
            ServiceError: it is not open yet.
            CatalogError: it cannot be opened.
        """
        if self._ending.failed is not None:
            raise self._ending.failed
        if self._catalog is None:
            raise ServiceError("not_ready", "the service is starting; try again soon", retry_after_s=RETRY_S)
        return self._catalog

    @property
    def admitted(self) -> int:
        """How many pictures are under way; a question without any counts as one."""
        return self._asking.taken

    @property
    def waiting(self) -> int:
        """How many pictures nobody works on yet."""
        return self._by_picture.waiting + (0 if self._batching is None else self._batching.waiting)

    async def run(self, request: Request, call: Callable[[], Result], *, pictures: int = 1) -> Result:
        """Have a thread do something, unless there is too much to do already.

        Args:
            request: whose client may leave meanwhile.
            call: what to do.
            pictures: how many pictures are embedded for it, or as much work as for so many.

        Raises:
            ServiceError: the service is full, or it took too long.
        """
        return await self._in_thread(request, call, self._asking, pictures)

    async def change(self, request: Request, call: Callable[[], Result]) -> Result:
        """``run`` for a change of the catalogue. Changes that wait keep no questions out.

        Raises:
            ServiceError: many changes are waiting, or it took too long.
        """
        return await self._in_thread(request, call, self._changing, 1)

    async def _in_thread(
        self, request: Request, call: Callable[[], Result], room: _Room, number: int
    ) -> Result:
        room.take(number)
        ticket = Ticket()

        def done() -> Result:
            current_ticket.set(ticket)
            ticket.check()
            return call()

        work = asyncio.get_running_loop().run_in_executor(self._threads, contextvars.copy_context().run, done)
        work.add_done_callback(lambda over: room.leave(number, over))
        try:
            return await self._awaited(request, work)
        finally:
            ticket.given_up.set()

    async def _awaited(self, request: Request, work: asyncio.Future[Result]) -> Result:
        """What comes of some work, unless its client leaves, or it takes too long."""
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
            leaving.cancel()
            await asyncio.gather(leaving, return_exceptions=True)

    async def found(self, request: Request, ask: Callable[[], Hits], *, pictures: int) -> Answered[Shown]:
        """``run`` for a question: its hits as JSON, how long it took, and the generation that they are of."""
        started = time.perf_counter()
        shown = await self.run(request, lambda: _shown(ask()), pictures=pictures)
        return Answered(shown, ms_since(started), shown.generation)

    async def similar(
        self, request: Request, wanted: str | bytes, k: int, options: SearchOptions
    ) -> Answered[Shown]:
        """``found`` for what is like an item or a picture, answered with others: wishes are to be cheap.

        Raises:
            ServiceError: the service is full, or it took too long.
            UnknownItemError: there is no such item.
            PictureError: the picture cannot be used.
        """
        started = time.perf_counter()
        self._asking.take(1)
        if isinstance(wanted, str):
            answer, give_up = self._by_id.ask(wanted, k, options), self._by_id.give_up
        else:
            answer, give_up = self._by_picture.ask(wanted, k, options), self._by_picture.give_up
        answer.add_done_callback(lambda over: self._asking.leave(1, over))
        try:
            if isinstance(wanted, str):
                await asyncio.wait((answer,), timeout=SOON_S)
            shown = answer.result() if answer.done() else await self._awaited(request, answer)
        finally:
            give_up(answer)
        return Answered(shown, ms_since(started), shown.generation)

    def places(self) -> tuple[tuple[int, int], ...]:
        """What tells a catalogue that was put back from one that had counted to the same number."""
        return tuple(
            (one.st_ino, one.st_mtime_ns)
            for one in (os.stat(path) for path in self.paths if not is_address(path))
        )

    @property
    def names(self) -> list[str]:
        """What the catalogues are called in public: of an engine's, neither server nor user."""
        return [*map(shown_name, self.paths)]

    def _similar_batch(self, ids: list[str], k: int, options: SearchOptions) -> list[Shown]:
        """Pages of items are looked at again and again: answers are kept while nothing has changed."""
        catalog = self.catalog
        generation = catalog.generation
        state = generation, self.places(), catalog.calibration
        asked = state, k, options
        known = {one: shown for one in ids if (shown := self._known.get((one, asked))) is not None}
        new = [one for one in dict.fromkeys(ids) if one not in known]
        for one, hits in zip(new, catalog.similar_batch(new, k, options=options) if new else (), strict=True):
            known[one] = shown = _shown(hits)
            if shown.generation == generation:
                self._known.put((one, asked), shown)
        return [known[one] for one in ids]

    def _search_batch(
        self, pictures: list[bytes], k: int, options: SearchOptions
    ) -> list[Shown | PictureError]:
        """A picture that cannot be used costs the others nothing."""
        catalog, batching = self.catalog, self._batching
        assert batching is not None
        numbered = (Picture(number, picture) for number, picture in enumerate(pictures))
        seen = [*batching.embed(numbered, urgent=True)]
        vectors = [one.vector for one in seen if isinstance(one, Embedded)]
        found = iter(catalog.search_vectors(np.stack(vectors), k, options=options) if vectors else ())
        return [_shown(next(found)) if isinstance(one, Embedded) else refusal(one) for one in seen]

    async def work(self, request: Request, name: str, *, stale: bool) -> tuple[Found | UnderWay, bool]:
        """What work on the whole catalogue has found, or where it is; whether it is of an earlier state.

        See ``LongWork.ask``.
        """

        def asked() -> tuple[Found | UnderWay, bool]:
            generation, places = self.only.generation, self.places()
            found = self.long_work.ask(name, generation, places=places, stale=stale)
            is_old = isinstance(found, Found) and (found.generation, found.places) != (generation, places)
            return found, is_old

        return await self.run(request, asked)

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


class _Room:
    """How much may be under way at once; one thing alone always may. Used by the event loop alone."""

    def __init__(self, most: int) -> None:
        self._most, self.taken = most, 0

    def take(self, number: int) -> None:
        """Begin something.

        Raises:
            ServiceError: there is too much.
        """
        if self.taken and self.taken + number > self._most:
            told = "the service has too much to do; try again soon"
            raise ServiceError("overloaded", told, retry_after_s=RETRY_S)
        self.taken += number

    def leave(self, number: int, over: asyncio.Future[Result]) -> None:
        """It is over. Nobody may wait for it any more, so its error counts as seen."""
        self.taken -= number
        if not over.cancelled():
            over.exception()


def _opened(paths: Sequence[PathInput], embedder: Embedder | None = None) -> Catalog | Catalogs:
    """A catalogue, or several as one."""
    if len(paths) == 1:
        return catalogs.open(paths[0], embedder=embedder)
    with ExitStack() as opening:
        each = [opening.enter_context(catalogs.open(path, embedder=embedder)) for path in paths]
        several = Catalogs(each)
        opening.pop_all()
        return several


class CatalogEmbedder:
    """The embedder of a catalogue, which is closed with that catalogue."""

    def __init__(self, catalog: Catalog | Catalogs) -> None:
        """An open one."""
        self.identity, self.embed = catalog.encoder, catalog.embed

    def close(self) -> None:
        """Leave it open."""


def _shown(hits: Hits) -> Shown:
    return Shown(shown_hits(hits), hits.asked.generation, [one.seen for one in hits.asked.like])


def _give_way() -> None:
    """Have the event loop, which has little to do, come before what this thread does."""
    if sys.platform == "linux":  # elsewhere all threads of a process are equal
        thread = threading.get_native_id()
        with suppress(OSError):  # not everywhere can one be nice
            os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + GIVES_WAY)


def refusal(outcome: SameFile | Refused) -> PictureError:
    """Why a picture cannot be used."""
    assert isinstance(outcome, Refused)  # no file is known already
    return PictureError("the given bytes", outcome.reason, outcome.detail)


def ms_since(started: float) -> float:
    """How long ago a moment of ``time.perf_counter`` was."""
    return round((time.perf_counter() - started) * 1000, 3)


async def _left(request: Request) -> None:
    """Wait until the client has left: the body has been read, so nothing else can come."""
    while (await request.receive())["type"] != "http.disconnect":
        continue
