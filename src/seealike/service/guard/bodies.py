"""What requests bring: not more than is allowed, not for ever, not more at once than there is room for."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from starlette.types import Message, Receive, Scope, Send

from seealike.errors import ServiceError
from seealike.service.messages.problems import problem_of
from seealike.service.options import ServiceOptions

RETRY_S = 1


class BodyMemory:
    """How many bytes the bodies of all requests may still take. Used by the event loop alone."""

    def __init__(self, most_bytes: int) -> None:
        self._left = most_bytes

    def take(self, count: int) -> None:
        """Keep room.

        Raises:
            ServiceError: there is none.
        """
        if count > self._left:
            told = "the bodies of other requests take all the room; try again soon"
            raise ServiceError("overloaded", told, retry_after_s=RETRY_S)
        self._left -= count

    def give_back(self, count: int) -> None:
        """A request is over."""
        self._left += count


class Body:
    """The body of one request as it comes in, and the reply: that the body was refused, where it was."""

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, options: ServiceOptions, memory: BodyMemory
    ) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self._options, self._memory = options, memory
        self._until_s = asyncio.get_running_loop().time() + options.body_s
        self._bytes = self._taken = 0
        self._ended = self._has_answered = self._is_told = False
        self._refused: ServiceError | None = None

    def admit(self, headers: Mapping[bytes, bytes]) -> None:
        """Before any of it is read: refuse what says that it is too large, or for which there is no room now.

        Raises:
            ServiceError: it is refused.
        """
        said = headers.get(b"content-length", b"0")
        if not said.isdigit() or int(said) > self._options.body_bytes:
            raise _too_large(self._options.body_bytes)
        self._keep_room(int(said))

    def over(self) -> None:
        """The request is over."""
        self._memory.give_back(self._taken)
        self._taken = 0

    async def receive(self) -> Message:
        """The next part; after the last one, that the client has left.

        Raises:
            ServiceError: it is too much, or comes too late, or not at all.
        """
        if self._refused is None:
            try:
                return await self._next()
            except ServiceError as exc:
                self._refused = exc
        raise self._refused

    async def _next(self) -> Message:
        if self._ended:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._until_s):
                message = await self._receive()
        except TimeoutError:
            told = f"the body did not arrive within {self._options.body_s:g} s"
            raise ServiceError("body_too_slow", told, status=408) from None
        if message["type"] == "http.disconnect":
            raise ServiceError("given_up", "the client has left", status=499)
        self._bytes += len(message.get("body", b""))
        self._ended = not message.get("more_body", False)
        if self._bytes > self._options.body_bytes:
            raise _too_large(self._options.body_bytes)
        self._keep_room(self._bytes)
        return message

    def _keep_room(self, count: int) -> None:
        if count > self._taken:
            self._memory.take(count - self._taken)
            self._taken = count

    async def send(self, message: Message) -> None:
        """Pass on a part of the reply, unless the framework took a refused body for one it cannot read."""
        if self._refused is None or self._has_answered:
            self._has_answered = True
            await self._send(message)
        elif not self._is_told:
            self._is_told = True
            await problem_of(self._refused)(self._scope, self._receive, self._send)


def _too_large(most_bytes: int) -> ServiceError:
    return ServiceError("too_large", f"a body may have {most_bytes} bytes at most", status=413)
