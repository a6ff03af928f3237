"""Clients that take their time, or too many connections: deadlines for which the server has none."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from starlette.types import Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from seealike.service.ending import Ending
from seealike.service.messages.problems import problem
from seealike.service.options import ServiceOptions

LINGER_S = 5.0  # for the rest of a body that nobody wants, so that the reply is not lost by a reset
LAST_HEAD_S = 1.0  # for a request that may be on its way when the service ends
_CLOSE = (b"connection", b"close")


class DeadlineProtocol(HttpToolsProtocol):
    """Ends a connection whose request does not come, or whose reply is not read: ``with_deadlines``.

    A head must be there ``header_s`` after its first byte. A reply before the end of the body is the last one
    of its connection. What is sent must be read by half within each ``body_s``.
    """

    options = ServiceOptions()
    ending = Ending()
    _head_ends: asyncio.TimerHandle | None = None
    _reply_ends: asyncio.TimerHandle | None = None
    _has_begun = False  # there is a part of a head

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has come: its first request is awaited, unless there are too many."""
        super().connection_made(transport)
        self.app = self._answer
        if len(self.connections) > self.options.connections:
            self._close()
        else:
            self._await_head(self.options.header_s)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._head_is_there()
        self._reply_is_read()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Something has come. Between requests it is the beginning of one, even if it is an empty line."""
        if self._head_ends is None and not self._is_answering():
            self._await_head(self.options.header_s)
        super().data_received(data)

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self._has_begun = True

    def on_headers_complete(self) -> None:
        """The head is there."""
        self._has_begun = False
        self._head_is_there()
        super().on_headers_complete()
        if self.ending.has_begun:
            self.cycle.keep_alive = False

    def on_response_complete(self) -> None:
        """A request is answered: of the next one there may be a part already."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._await_reading()
        elif self._has_begun and not self._is_answering():
            self._await_head(self.options.header_s)

    def pause_writing(self) -> None:
        """The client does not read as fast as it is answered."""
        super().pause_writing()
        self._await_reading()

    def resume_writing(self) -> None:
        """It has read."""
        super().resume_writing()
        if not self.transport.is_closing():
            self._reply_is_read()

    def timeout_keep_alive_handler(self) -> None:
        """It has not asked anything else."""
        self._close()

    def shutdown(self) -> None:
        """The service ends: whoever is not being answered may have sent a request that has not come yet."""
        if self._is_answering():
            super().shutdown()
        else:
            self._head_is_there()
            self._await_head(LAST_HEAD_S)

    def send_400_response(self, msg: str) -> None:
        """What came is no request: said once those before it are answered."""
        if self._is_answering() and not self.cycle.more_body:
            self.cycle.keep_alive = False
            self.flow.pause_reading()
            return
        reply = problem(400, "bad_request", msg, headers={"connection": "close"})
        head = [b"%s: %s\r\n" % one for one in (*self.server_state.default_headers, *reply.raw_headers)]
        if not (self._is_answering() and self.cycle.response_started):
            self.transport.write(
                b"".join([b"HTTP/1.1 400 Bad Request\r\n", *head, b"\r\n", bytes(reply.body)])
            )
        self._close()

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The application, whose reply is the connection's last one where the body has not ended."""
        is_last = False

        async def last(message: Message) -> None:
            nonlocal is_last
            if message["type"] == "http.response.start":
                is_last = self.cycle.scope is scope and self.cycle.more_body
                if is_last and _CLOSE not in message["headers"]:
                    message = {**message, "headers": [*message["headers"], _CLOSE]}
            elif is_last and not message.get("more_body", False):
                await send({**message, "more_body": True})
                await self._drain(receive)
                message = {"type": "http.response.body", "body": b""}
            await send(message)

        await self.config.loaded_app(scope, receive, last)

    async def _drain(self, receive: Receive) -> None:
        left = self.options.body_bytes
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_S):
                while left > 0:
                    message = await receive()
                    if not message.get("more_body", False):
                        return
                    left -= len(message["body"])

    def _is_answering(self) -> bool:
        return bool(self.cycle) and not self.cycle.response_complete

    def _await_head(self, within_s: float) -> None:
        if self._head_ends is None:
            self._head_ends = self.loop.call_later(within_s, self._head_is_late)

    def _head_is_there(self) -> None:
        if self._head_ends is not None:
            self._head_ends.cancel()
            self._head_ends = None

    def _head_is_late(self) -> None:
        self._head_ends = None
        if not self._is_answering():
            self._close()

    def _close(self) -> None:
        """Close once all is sent; who does not read it is not waited for for ever."""
        self.transport.close()
        self._await_reading()

    def _await_reading(self) -> None:
        if self._reply_ends is None:
            left = self.transport.get_write_buffer_size()
            self._reply_ends = self.loop.call_later(self.options.body_s, self._check_reading, left)

    def _reply_is_read(self) -> None:
        if self._reply_ends is not None:
            self._reply_ends.cancel()
            self._reply_ends = None

    def _check_reading(self, before: int) -> None:
        self._reply_ends = None
        if self.transport.get_write_buffer_size() * 2 >= before:
            self.transport.abort()
        else:
            self._await_reading()


def with_deadlines(options: ServiceOptions, ending: Ending) -> type[DeadlineProtocol]:
    """The protocol of a service."""
    return type("DeadlineProtocol", (DeadlineProtocol,), {"options": options, "ending": ending})
