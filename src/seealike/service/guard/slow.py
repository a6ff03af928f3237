"""Clients that take their time: a deadline for the head of a request, for which the server has none."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

DEFAULT_HEADER_S = 10.0


class DeadlineProtocol(HttpToolsProtocol):
    """Ends a connection whose request's head is not there in time: ``with_deadline`` says in which."""

    header_s = DEFAULT_HEADER_S
    _ends: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has come: its first request is awaited."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._head_is_there()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """The first byte of a request; of a further one on the same connection too."""
        super().on_message_begin()
        if self._ends is None:
            self._await_head()

    def on_headers_complete(self) -> None:
        """The head is there."""
        self._head_is_there()
        super().on_headers_complete()

    def _await_head(self) -> None:
        self._ends = self.loop.call_later(self.header_s, self._end)

    def _head_is_there(self) -> None:
        if self._ends is not None:
            self._ends.cancel()
            self._ends = None

    def _end(self) -> None:
        self._ends = None
        self.transport.close()


def with_deadline(header_s: float) -> type[DeadlineProtocol]:
    """The protocol with a deadline of one's own."""
    return type("DeadlineProtocol", (DeadlineProtocol,), {"header_s": header_s})
