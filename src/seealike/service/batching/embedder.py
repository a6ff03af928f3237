"""Pictures of many callers, embedded in batches.

An idle service waits for nothing: the first picture goes at once. While it is worked on others come, and
whatever has come by the time somebody is free is the next batch. So the busier a service is, the larger its
batches are, up to the size that decoding likes best.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import Future
from contextlib import closing
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from itertools import chain, islice

from seealike.errors import ServiceError, UsageError
from seealike.protocols import Embedder
from seealike.types import Embedded, EncoderIdentity, Picture, Refused, SameFile

MOST = 16  # pictures in a batch
SHARED = 4  # as many are encoded at once; fewer would cost as much, and are encoded one by one
FEEDERS = 3  # batches under way: one is decoded, one is encoded, one waits for neither

Outcome = Embedded | SameFile | Refused


@dataclass(frozen=True, slots=True)
class Ticket:
    """A request whose pictures wait. Once ``given_up`` is set, they need not be embedded any more."""

    given_up: threading.Event = field(default_factory=threading.Event)

    def check(self) -> None:
        """Go on only while somebody waits.

        Raises:
            ServiceError: nobody does.
        """
        if self.given_up.is_set():
            raise ServiceError("given_up", "the request was given up before its turn came")


current_ticket: ContextVar[Ticket | None] = ContextVar("current_ticket", default=None)


def check_current_ticket() -> None:
    """Go on only while somebody waits for what is done here.

    Raises:
        ServiceError: it is done for a request that was given up.
    """
    ticket = current_ticket.get()
    if ticket is not None:
        ticket.check()


@dataclass(frozen=True, slots=True)
class _Waiting:
    picture: Picture
    ticket: Ticket | None
    urgent: bool
    outcome: Future[Outcome] = field(default_factory=Future)


class BatchingEmbedder:
    """Embeds urgent pictures of all threads together, by another embedder. An :class:`Embedder`."""

    def __init__(self, embedder: Embedder) -> None:
        """Begin with nothing to do.

        Args:
            embedder: embeds the batches; it is asked by several threads at a time.
        """
        self._embedder = embedder
        self._changed = threading.Condition()
        self._waiting: deque[_Waiting] = deque()
        self._under_way = 0
        self._closed = False
        self._feeders = [
            threading.Thread(target=self._feed, name=f"seealike-batches-{number}", daemon=True)
            for number in range(FEEDERS)
        ]
        for feeder in self._feeders:
            feeder.start()

    @property
    def identity(self) -> EncoderIdentity:
        """The embedding space's name."""
        return self._embedder.identity

    @property
    def waiting(self) -> int:
        """How many pictures nobody works on yet."""
        return len(self._waiting)

    def embed(self, pictures: Iterable[Picture], *, urgent: bool = False) -> Generator[Outcome, None, None]:
        """See ``Embedder``. Several that are not urgent do not wait here: they go their own way at once.

        A single one goes with the next batch: its vector is as ever, and no process is started for it.

        Raises:
            ServiceError: the request was given up before a picture's turn came, or meanwhile.
        """
        source = iter(pictures)
        first = [] if urgent else list(islice(source, 2))
        if len(first) > 1:
            yield from self._embedder.embed(chain(first, source))
            return
        waiting = [_Waiting(picture, current_ticket.get(), urgent) for picture in chain(first, source)]
        with self._changed:
            if self._closed:
                raise UsageError("the embedder is closed")
            idle = urgent and len(waiting) < SHARED and not self._under_way and not self._waiting
            if idle:  # to wake another thread takes a while
                self._under_way += len(waiting)
            elif urgent:
                self._waiting.extend(waiting)
            else:  # first: while it is stored, nothing else can be
                self._waiting.extendleft(waiting)
            self._changed.notify_all()
        if idle:
            self._work_on(waiting)
        for one in waiting:
            outcome = one.outcome.result()
            check_current_ticket()
            yield outcome

    def close(self) -> None:
        """Embed what waits, then nothing any more; the other embedder is closed too."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for feeder in self._feeders:
            feeder.join()
        self._embedder.close()

    def _feed(self) -> None:
        while batch := self._next():
            self._work_on(batch)

    def _work_on(self, batch: Sequence[_Waiting]) -> None:
        try:
            self._embed(batch)
        except Exception as exc:  # noqa: BLE001 - whoever waits must hear of it
            for one in batch:
                if not one.outcome.done():
                    one.outcome.set_exception(exc)
        finally:
            with self._changed:
                self._under_way -= len(batch)

    def _next(self) -> Sequence[_Waiting]:
        """What is to be embedded next; nothing once there will be no more."""
        with self._changed:
            while True:
                while not self._waiting and not self._closed:
                    self._changed.wait()
                batch: list[_Waiting] = []
                while self._waiting and len(batch) < MOST:
                    one = self._waiting.popleft()
                    try:
                        if one.ticket is not None:
                            one.ticket.check()
                        batch.append(one)
                    except ServiceError as exc:
                        one.outcome.set_exception(exc)
                for _ in range(len(batch) % SHARED if len(batch) > SHARED else 0):
                    self._waiting.appendleft(batch.pop())
                self._under_way += len(batch)
                if batch or self._closed:
                    return batch

    def _embed(self, batch: Sequence[_Waiting]) -> None:
        few = len(batch) < SHARED and all(one.urgent for one in batch)
        numbered = (replace(one.picture, token=number) for number, one in enumerate(batch))
        with closing(self._embedder.embed(numbered, urgent=few)) as outcomes:
            for outcome in outcomes:
                one = batch[outcome.token]
                one.outcome.set_result(replace(outcome, token=one.picture.token))
