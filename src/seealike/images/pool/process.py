"""One decoding process as the pool sees it: started, asked, watched, ended.

A subprocess and not :mod:`multiprocessing`, whose spawned children import the caller's main module
anew.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from typing import IO, BinaryIO, cast

from seealike.errors import SeealikeError
from seealike.images.guard import EXIT_OUT_OF_MEMORY
from seealike.images.pool import wire
from seealike.types import SkipReason

_BOOTSTRAP = """
import os, sys
pipes = os.dup(0), os.dup(1)
nowhere = os.open(os.devnull, os.O_RDWR)
os.dup2(nowhere, 0), os.dup2(nowhere, 1), os.close(nowhere)
sys.path[:] = {path}
import types
for name, folder in {packages}:
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [folder]
import importlib
importlib.import_module({module}).main(*pipes)
"""

# One thread each: the pool runs as many processes as there is work for. The allocator keeps what it
# frees between pictures of usual size, instead of asking the system for it every time.
_ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "16777216",
    "MALLOC_TRIM_THRESHOLD_": "16777216",
}


_STALLED = "the decoder stood still"


class ProcessDiedError(Exception):
    """A decoding process ended, or had to be ended, in the midst of a job.

    ``broke_protocol``: it was ended for what it said, and what it did meanwhile cannot be believed.
    """

    def __init__(self, reason: SkipReason, detail: str, *, broke_protocol: bool = False) -> None:
        self.reason, self.detail, self.broke_protocol = reason, detail, broke_protocol
        super().__init__(detail)


def worker_command(module: str = "seealike.images.pool.serve") -> list[str]:
    """Return a command that runs ``main`` of a module in a new interpreter with this one's modules.

    The packages above it are stand-ins, so that their ``__init__`` and all it imports stay out.
    """
    pool = os.path.dirname(os.path.abspath(__file__))
    images = os.path.dirname(pool)
    packages = [
        ("seealike", os.path.dirname(images)),
        ("seealike.images", images),
        ("seealike.images.pool", pool),
    ]
    path = [os.path.abspath(entry) if entry else os.getcwd() for entry in sys.path]
    code = _BOOTSTRAP.format(path=ascii(path), packages=ascii(packages), module=ascii(module))
    return [sys.executable or "python3", "-I", "-S", "-c", code]


def senseless_reply() -> ProcessDiedError:
    """The end of a process that replied nonsense."""
    return ProcessDiedError(
        SkipReason.DECODER_CRASHED, "the decoder gave a senseless reply", broke_protocol=True
    )


class DecodeProcess:
    """A running decoding process. One thread asks it; another may end it at any time."""

    def __init__(self, command: Sequence[str], hello: wire.Hello, shared_fd: int) -> None:
        """Start it.

        Raises:
            SeealikeError: it cannot be started.
        """
        try:
            self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `end`
        except OSError as exc:
            raise SeealikeError(f"cannot make a temporary file: {exc}") from exc
        try:
            self._popen = _start(command, shared_fd, self._stderr)
        except OSError as exc:
            self._stderr.close()
            raise SeealikeError(f"cannot start a decoding process with {command[0]}: {exc}") from exc
        self._requests = cast(BinaryIO, self._popen.stdin)
        self._replies = cast(BinaryIO, self._popen.stdout)
        self._overdue = False
        self._ready = False
        self._watch = _Watch()
        self._hello = hello

    def handshake(self) -> None:
        """Tell it what it must know and wait until it is ready.

        Raises:
            SeealikeError: it ends before.
        """
        try:
            kind, _ = self.ask(wire.Kind.HELLO, wire.pack_hello(self._hello), _standing_still)
        except ProcessDiedError as exc:
            raise SeealikeError(f"a decoding process cannot run: {self._last_words() or exc.detail}") from exc
        self._ready = kind is wire.Kind.READY
        if not self._ready:
            raise SeealikeError("a decoding process cannot run: it does not greet back")

    def ask(self, kind: wire.Kind, payload: bytes, progress: Callable[[], int]) -> tuple[wire.Kind, bytes]:
        """Send one request and wait for the reply.

        Raises:
            ProcessDiedError: there was none; the process is gone.
        """
        self._watch.start(progress)
        try:
            wire.send(self._requests, kind, payload)
            return wire.receive(self._replies)
        except wire.WireError as exc:
            raise self._cause_of_death(exc) from exc
        finally:
            self._watch.stop()

    @property
    def process_id(self) -> int:
        """Its id."""
        return self._popen.pid

    def check(self, wall_s: float, start_s: float) -> None:
        """Kill it when it has not got on for ``wall_s``, or ``start_s`` while it starts.

        Called several times within ``wall_s`` by the pool. Where a call comes late the pool itself stood
        still, and time that nobody had is held against nobody.
        """
        limit_s = wall_s if self._ready else max(wall_s, start_s)
        if self._watch.still_for(at_most_s=limit_s / 2) > limit_s:
            self._overdue = True
            self._popen.kill()

    def kill(self) -> None:
        """Kill it; whoever waits for a reply notices."""
        self._popen.kill()

    def end(self) -> None:
        """End it, whatever it does."""
        self._popen.kill()
        self._popen.wait()
        for stream in (self._requests, self._replies, self._stderr):
            try:
                stream.close()
            except OSError:  # a pipe nobody reads any more
                continue

    def disown(self) -> None:
        """In a forked child: close its copies of the pipes, so that the process notices its pool's end."""
        self._requests.close()
        self._replies.close()
        self._popen.returncode = 0  # nobody here may wait for it

    def _cause_of_death(self, exc: wire.WireError) -> ProcessDiedError:
        if isinstance(exc, wire.NonsenseError):
            self._popen.kill()
            return senseless_reply()
        try:
            code = self._popen.wait(timeout=1.0)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()
            return ProcessDiedError(SkipReason.DECODER_CRASHED, f"the decoder lost its way: {exc}")
        if self._overdue:
            return ProcessDiedError(SkipReason.STALLED, _STALLED)
        death = _died(code)
        if death.reason is SkipReason.DECODER_TIMEOUT and self._watch.gap_s() > self._hello.limits.wall_s / 2:
            # A machine that stood still may have charged the whole pause to whoever ran.
            return ProcessDiedError(SkipReason.STALLED, _STALLED)
        return death

    def _last_words(self) -> str:
        self._stderr.seek(0)
        lines = self._stderr.read()[-2000:].decode("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else ""


class _Watch:
    """For how long a process has been standing still, as far as anybody looked."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._progress: Callable[[], int] | None = None
        self._seen, self._looked, self._still_s, self._gap_s = -1, 0.0, 0.0, 0.0

    def start(self, progress: Callable[[], int]) -> None:
        with self._guard:
            self._progress, self._seen = progress, progress()
            self._looked, self._still_s, self._gap_s = time.monotonic(), 0.0, 0.0

    def stop(self) -> None:
        with self._guard:
            self._progress = None

    def still_for(self, at_most_s: float) -> float:
        """The seconds without progress; of those since the last look ``at_most_s`` count."""
        with self._guard:
            if self._progress is None:
                return 0.0
            now, seen = time.monotonic(), self._progress()
            passed = now - self._looked
            self._still_s = 0.0 if seen != self._seen else self._still_s + min(passed, at_most_s)
            self._gap_s = max(self._gap_s, passed)
            self._seen, self._looked = seen, now
            return self._still_s

    def gap_s(self) -> float:
        """The longest time that nobody looked."""
        with self._guard:
            return max(self._gap_s, time.monotonic() - self._looked)


def _standing_still() -> int:
    return 0


def _start(command: Sequence[str], shared_fd: int, complaints: IO[bytes]) -> subprocess.Popen[bytes]:
    environment = {**os.environ, **_ENVIRONMENT}
    if sys.platform == "win32":
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            bufsize=0,
            env=environment,
            creationflags=subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW,
        )
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=complaints,
        bufsize=0,
        env=environment,
        pass_fds=(shared_fd,),
        process_group=0,  # a Ctrl-C is for the main process
    )


def _died(code: int) -> ProcessDiedError:
    if code == EXIT_OUT_OF_MEMORY:
        return ProcessDiedError(SkipReason.OUT_OF_MEMORY, "the decoder ran out of memory")
    if code >= 0:
        return ProcessDiedError(SkipReason.DECODER_CRASHED, f"the decoder ended with exit code {code}")
    name = _signal_name(-code)
    if name in ("SIGPROF", "SIGXCPU"):
        return ProcessDiedError(SkipReason.DECODER_TIMEOUT, "the decoder used up its CPU time")
    if name == "SIGALRM":
        return ProcessDiedError(SkipReason.STALLED, _STALLED)
    if name == "SIGKILL":  # not the pool's: so do systems whose memory runs out
        return ProcessDiedError(SkipReason.OUT_OF_MEMORY, "the system killed the decoder")
    return ProcessDiedError(SkipReason.DECODER_CRASHED, f"the decoder was ended by {name}")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
