"""What a request brings: not more than is allowed, and not for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from starlette.types import Message, Receive

from seealike.errors import ServiceError


def check_length(headers: Mapping[bytes, bytes], most_bytes: int) -> None:
    """Refuse a body that says it is too large before any of it is read.

    Raises:
        ServiceError: it does.
    """
    said = headers.get(b"content-length", b"0")
    if not said.isdigit() or int(said) > most_bytes:
        raise too_large(most_bytes)


class Body:
    """The body of one request as it comes in. ``refused`` is why the rest of it is not read."""

    def __init__(self, receive: Receive, most_bytes: int, body_s: float) -> None:
        self._receive, self._most_bytes, self._body_s = receive, most_bytes, body_s
        self._until_s = asyncio.get_running_loop().time() + body_s
        self._bytes = 0
        self._ended = False
        self.refused: ServiceError | None = None

    async def receive(self) -> Message:
        """The next part; after the last one, that the client has left.

        Raises:
            ServiceError: it is too much, or comes too late.
        """
        if self.refused is None:
            try:
                return await self._next()
            except ServiceError as exc:
                self.refused = exc
        raise self.refused

    async def _next(self) -> Message:
        if self._ended:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._until_s):
                message = await self._receive()
        except TimeoutError:
            told = f"the body did not arrive within {self._body_s:g} s"
            raise ServiceError("body_too_slow", told, status=408) from None
        if message["type"] == "http.request":
            self._bytes += len(message.get("body", b""))
            self._ended = not message.get("more_body", False)
            if self._bytes > self._most_bytes:
                raise too_large(self._most_bytes)
        return message


def too_large(most_bytes: int) -> ServiceError:
    """What is said to a body that is too large."""
    return ServiceError("too_large", f"a body may have {most_bytes} bytes at most", status=413)
