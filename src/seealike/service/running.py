"""The service as a process: listening, saying where, ending when it is told to."""

from __future__ import annotations

import logging
import socket
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

import uvicorn

from seealike.errors import UsageError
from seealike.service.app import create_app
from seealike.service.guard.slow import with_deadline
from seealike.service.options import ServiceOptions
from seealike.service.watching import LOGGER

if TYPE_CHECKING:
    from seealike.types import PathInput

GRACE_S = 30  # for requests that are under way when it is told to end
KEEP_ALIVE_S = 20
BACKLOG = 1024  # connections that wait for the event loop


def serve(path: PathInput, options: ServiceOptions, *, say: Callable[[str], None] = print) -> None:
    """Serve a catalogue until SIGTERM or Ctrl-C; requests that are under way are answered first.

    Args:
        path: the catalogue's directory.
        options: what the service takes on, and from whom.
        say: told the address once it listens.

    Raises:
        UsageError: the address is taken, or none of this machine.
    """
    _log_to(sys.stderr)
    config = uvicorn.Config(
        create_app(path, options),
        host=options.host,
        port=options.port,
        loop="uvloop",
        http=with_deadline(options.header_s),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
    )
    listening = _listening(options.host, options.port)
    say(address_of(listening))
    uvicorn.Server(config).run([listening])


def _listening(host: str, port: int) -> socket.socket:
    """A socket to which clients can connect already, though nobody answers yet.

    Raises:
        UsageError: the address is taken, or none of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family)
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


def _log_to(stream: TextIO) -> None:
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(message)s"))
    LOGGER.handlers, LOGGER.propagate = [handler], False
    LOGGER.setLevel(logging.INFO)
