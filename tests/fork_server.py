"""Decoding processes for tests of something else, forked from one that has its libraries loaded.

To start one takes a tenth of a second of processor time, and the tests start nearly a thousand. Tests of
these processes themselves, and commands that tests run as processes of their own, start them as users do.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import select
import signal
import socket
import subprocess
import threading
from collections.abc import Sequence
from typing import IO

from PIL import Image

from seealike.images.decode import decode
from seealike.images.limits import DecodeLimits
from seealike.images.pool import process, serve
from seealike.types import Preprocessing

_FAR = 500
"""Above the numbers that file descriptors of a test have."""


class ForkedDecoder:
    """A forked process, with what the pool uses of :class:`subprocess.Popen`."""

    def __init__(self, process_id: int, requests: int, replies: int, end: int) -> None:
        self.pid = process_id
        self.returncode: int | None = None
        self.stdin, self.stdout = open(requests, "wb", 0), open(replies, "rb", 0)  # noqa: SIM115 - the pool's
        self._end = end

    def kill(self) -> None:
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            if not select.select([self._end], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("a decoder", timeout or 0.0)
            self.returncode = int(os.read(self._end, 16))
            os.close(self._end)
        return self.returncode


class ForkServer:
    """The process that decoders are forked from, as its owner sees it."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._owner, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._popen = subprocess.Popen(
                process.worker_command("tests.fork_server"),
                stdin=theirs.fileno(),
                env={**os.environ, **process._ENVIRONMENT},
                process_group=0,
            )

    def start(self, shared_fd: int, complaints: IO[bytes]) -> ForkedDecoder:
        """A decoder, as it were one that has just started."""
        (their_requests, requests), (replies, their_replies), (end, their_end) = (os.pipe() for _ in range(3))
        given = [their_requests, their_replies, complaints.fileno(), shared_fd, their_end]
        with self._guard:
            socket.send_fds(self._owner, [str(shared_fd).encode()], given)
            process_id = int(self._owner.recv(16))
        for descriptor in (their_requests, their_replies, their_end):
            os.close(descriptor)
        return ForkedDecoder(process_id, requests, replies, end)

    def close(self) -> None:
        self._owner.close()
        self._popen.wait()


def main(stdin_fd: int, _: int) -> None:
    """Be the process that decoders are forked from, until its owner has gone."""
    for kind in ("JPEG", "PNG"):  # loads what decoding needs
        file = io.BytesIO()
        Image.new("RGB", (8, 8)).save(file, kind)
        decode(file.getvalue(), Preprocessing(8, 8, (0, 0, 0), (1, 1, 1)), DecodeLimits())
    ends: dict[int, tuple[int, int]] = {}  # of each child, its id and where to write how it ended
    with socket.socket(fileno=stdin_fd) as owner:
        while True:
            for ready in select.select([owner.fileno(), *ends], [], [])[0]:
                if ready in ends:
                    _report(ready, *ends.pop(ready))
                    continue
                number, given, _, _ = socket.recv_fds(owner, 16, 5)
                if not number:
                    return
                child = os.fork()
                if not child:
                    _be_decoder(int(number), given, [owner.fileno(), *ends])
                for descriptor in given[:-1]:
                    os.close(descriptor)
                ends[os.pidfd_open(child)] = child, given[-1]
                owner.send(str(child).encode())


def _report(descriptor: int, child: int, end: int) -> None:
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with contextlib.suppress(BrokenPipeError):
        os.write(end, str(code).encode())
    os.close(end)
    os.close(descriptor)


def _be_decoder(shared_fd: int, given: Sequence[int], others: Sequence[int]) -> None:
    code = 1
    try:
        os.setpgid(0, 0)
        requests, replies, complaints, shared = (fcntl.fcntl(one, fcntl.F_DUPFD, _FAR) for one in given[:-1])
        for descriptor in (*given, *others):
            os.close(descriptor)
        os.dup2(complaints, 2)
        os.dup2(shared, shared_fd)
        serve.main(requests, replies)
        code = 0
    finally:
        os._exit(code)
