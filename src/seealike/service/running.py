"""The service as a process: listening, saying where, ending when it is told to."""

from __future__ import annotations

import asyncio
import ctypes
import dataclasses
import os
import socket
import struct
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import uvicorn

from seealike.errors import UsageError
from seealike.service.app import create_app
from seealike.service.ending import Ending
from seealike.service.guard.slow import with_deadlines
from seealike.service.options import ServiceOptions
from seealike.service.watching import log_to

if TYPE_CHECKING:
    from seealike.types import PathInput

GRACE_S = 30  # for requests that are under way when it is told to end
LEAVING_S = 0.3  # that it ends can be seen, and it goes on
ACCEPTING_S = 0.1  # for those who have connected by then
KEEP_ALIVE_S = 20
BACKLOG = 1024  # connections that wait for the event loop
OTHER_FILES = 1024  # of the catalogue, of decoding processes
_SO_ATTACH_FILTER = 26


def serve(
    paths: PathInput | Sequence[PathInput], options: ServiceOptions, *, say: Callable[[str], None] = print
) -> None:
    """Serve a catalogue until SIGTERM or Ctrl-C; requests that are under way are answered first.

    Args:
        paths: the catalogue's directory, or those of several that answer as one.
        options: what the service takes on, and from whom.
        say: told the address once it listens.

    Raises:
        UsageError: the address is taken, or none of this machine.
        SeealikeError: the catalogue cannot be opened.
    """
    log_to(sys.stderr)
    ending = Ending()
    listening = _listening(options.host, options.port)
    options = dataclasses.replace(options, port=listening.getsockname()[1])  # that may have been any free one
    config = uvicorn.Config(
        create_app(paths, options, ending),
        host=options.host,
        port=options.port,
        http=with_deadlines(options, ending),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
    )
    _allow_files(options.connections + OTHER_FILES)
    say(address_of(listening))
    _Server(config, ending).run([listening])
    if ending.failed is not None:
        raise ending.failed


class _Server(uvicorn.Server):
    """Ends when the application has failed, and without a request that was sent and gets no reply."""

    def __init__(self, config: uvicorn.Config, ending: Ending) -> None:
        super().__init__(config)
        self._ending = ending

    async def on_tick(self, counter: int) -> bool:
        """Whether it is to end."""
        return await super().on_tick(counter) or self._ending.failed is not None

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Go on for a moment, for those who have connected; then close."""
        self._ending.has_begun = True
        await asyncio.sleep(LEAVING_S)
        for listening in sockets or ():
            _drop_new(listening)
        await asyncio.sleep(ACCEPTING_S)
        await super().shutdown(sockets)


def _allow_files(count: int) -> None:
    """Have so many open at once, or as many as may be: many systems begin with 1024 in all."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _drop_new(listening: socket.socket) -> None:
    """Have nobody else connect while those who wait are accepted: a socket that closes would reset them.

    Linux alone can: a filter (BPF) drops what begins a connection, which is tried again and refused.
    """
    if sys.platform != "linux":
        return
    code = (  # byte 13 of a TCP header has the flags
        (0x30, 0, 0, 13),
        (0x45, 0, 1, 0x02),
        (0x06, 0, 0, 0),
        (0x06, 0, 0, 0xFFFFFFFF),
    )
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *one) for one in code))
    with suppress(OSError):
        listening.setsockopt(
            socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", len(code), ctypes.addressof(program))
        )


def _listening(host: str, port: int) -> socket.socket:
    """A socket to which clients can connect already, though nobody answers yet.

    Raises:
        UsageError: the address is taken, or none of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family)
    if os.name != "nt":  # there it would let two services have one port
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(BACKLOG)
    except (OSError, OverflowError) as exc:
        listening.close()
        said = exc.strerror if isinstance(exc, OSError) else str(exc)
        raise UsageError(
            f"cannot listen on {host}, port {port}: {said}; give another --port or --host"
        ) from exc
    return listening


def address_of(listening: socket.socket) -> str:
    """Where a socket is asked."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
