"""A decoding process that does what a hostile picture orders: for tests of the pool alone.

An order is appended to a sound picture, behind its end, where no decoder looks.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import signal
import sys
import time
from collections.abc import Callable

from seealike.images.cost import Announce
from seealike.images.decode import DecodedPixels, decode
from seealike.images.limits import DecodeError, DecodeLimits
from seealike.images.pool import serve as worker
from seealike.types import Crop, Preprocessing, SkipReason

MARK = b"\0saboteur:"
HEAVY = ("openvino", "faiss", "click", "torch", "pyarrow", "sqlite3", "seealike.catalog")

_kept: list[bytearray] = []


def ordered(data: bytes, order: str) -> bytes:
    """A picture with an order."""
    return data + MARK + order.encode()


def main(stdin_fd: int, stdout_fd: int) -> None:
    """Serve as the usual process does, but obey."""

    def obeying(
        data: bytes,
        preprocessing: Preprocessing,
        limits: DecodeLimits,
        announce: Announce,
        crop: Crop | None,
    ) -> DecodedPixels:
        _, _, order = data.rpartition(MARK) if MARK in data else (b"", b"", b"")
        _obey(order.decode(), stdout_fd)
        return decode(data, preprocessing, limits, announce, crop)

    worker.main(stdin_fd, stdout_fd, obeying)


def _obey(order: str, stdout_fd: int) -> None:
    name, _, argument = order.partition(" ")
    if name in _ORDERS:
        _ORDERS[name]()
    elif name == "hold":
        _kept.append(bytearray(int(argument)))
    elif name == "babble":
        os.write(stdout_fd, b"premature end of JPEG file\n" * 40)
    elif name in _ONCE and not os.path.exists(argument):
        with open(argument, "wb"):
            _ONCE[name]()


def _spin() -> None:
    hashlib.pbkdf2_hmac("sha256", b"", b"", 10**9)  # minutes within C


def _hog() -> None:
    while True:
        _kept.append(bytearray(10_000_000))


def _hog_natively() -> None:
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    while True:
        ctypes.memset(libc.malloc(ctypes.c_size_t(10_000_000)), 1, 10_000_000)


def _print() -> None:
    print("corrupt JPEG data: bad Huffman code", flush=True)
    os.write(1, b"premature end of JPEG file\n")
    os.write(2, b"libtiff: a warning\n")
    print("more", file=sys.stderr, flush=True)


def _grow() -> None:
    _kept.append(bytearray(200_000_000))


def _confess() -> None:
    loaded = ", ".join(name for name in HEAVY if name in sys.modules)
    raise DecodeError(SkipReason.CORRUPT, f"loaded: {loaded or 'nothing'}")


_ONCE: dict[str, Callable[[], object]] = {
    "once": lambda: ctypes.string_at(0),
    "sleep-once": lambda: time.sleep(600),
    "pause-once": lambda: os.kill(os.getpid(), signal.SIGSTOP),
}
_ORDERS = {
    "segfault": lambda: ctypes.string_at(0),
    "abort": os.abort,
    "exit": lambda: os._exit(3),
    "exit-0": lambda: os._exit(0),
    "spin": _spin,
    "sleep": lambda: time.sleep(600),
    "nap": lambda: time.sleep(0.5),
    "hog": _hog,
    "hog-natively": _hog_natively,
    "print": _print,
    "grow": _grow,
    "confess": _confess,
}
