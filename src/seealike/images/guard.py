"""Bounds on what a decoding process may use, as hard as the operating system allows.

Where it has no limit on a process's CPU time or memory (Windows; memory on macOS), a thread watches
the memory, and the pool's wall-clock limit bounds the rest.
"""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seealike.images.limits import DecodeLimits

EXIT_OUT_OF_MEMORY = 86
"""A process that found itself over its memory limit ends with this."""

_WATCH_S = 0.05
_ORPHAN_FACTOR = 4
_PAGE = 4096


class Guard:
    """Limits the process it is made in. Times are per picture, memory is above the present use."""

    def __init__(self, limits: DecodeLimits) -> None:
        self._limits, self._granted_s = limits, 0.0
        self._trim = _trimmer()
        _leave_no_core()
        self._data_limit = _limit_memory(limits.memory_bytes)
        if self._data_limit is None:
            _watch_memory(limits.memory_bytes)

    def begin(self) -> None:
        """Start one picture's time. The kernel ends a process that exceeds it, whatever it runs.

        The clock is the pool's to watch: it knows whether it stood still itself. The one here runs longer,
        for a process whose pool has gone.
        """
        if sys.platform != "win32":
            self._granted_s = self._limits.cpu_s
            signal.setitimer(signal.ITIMER_PROF, self._granted_s)
            signal.setitimer(signal.ITIMER_REAL, _ORPHAN_FACTOR * self._limits.wall_s)

    def grant(self, pixels: int) -> None:
        """Give the picture under work the processor time of its size; what it has used stays used."""
        more = self._limits.cpu_s_for(pixels) - self._granted_s
        if sys.platform != "win32" and more > 0:
            self._granted_s += more
            signal.setitimer(signal.ITIMER_PROF, signal.getitimer(signal.ITIMER_PROF)[0] + more)

    def was_short(self, frame_bytes: int) -> bool:
        """Whether this process ever was so near its memory limit that a frame of this size was refused.

        Decoders call it a broken file when they are refused memory.
        """
        return self._data_limit is not None and _peak_data_bytes() + frame_bytes > self._data_limit

    def end(self) -> None:
        """The picture is done."""
        if sys.platform != "win32":
            signal.setitimer(signal.ITIMER_PROF, 0.0)
            signal.setitimer(signal.ITIMER_REAL, 0.0)

    def tidy(self) -> None:
        """Give memory back to the system."""
        gc.collect()
        self._trim(0)


def memory_bytes() -> int:
    """Return what this process holds for itself alone now, 0 where that is not known."""
    try:
        with open("/proc/self/statm", "rb") as file:
            fields = file.read().split()
    except OSError:
        return 0
    return (int(fields[1]) - int(fields[2])) * _page_bytes()


def _page_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else _PAGE


def _leave_no_core() -> None:
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def _limit_memory(allowance: int) -> int | None:
    """Return the limit that the kernel keeps from now on, ``None`` where it keeps none."""
    if not sys.platform.startswith("linux"):
        return None
    import resource

    try:
        with open("/proc/self/statm", "rb") as file:
            in_use = int(file.read().split()[5]) * _page_bytes()
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        wanted = in_use + allowance
        if hard == resource.RLIM_INFINITY or hard > wanted:
            resource.setrlimit(resource.RLIMIT_DATA, (wanted, wanted))
            return wanted
    except (OSError, ValueError, IndexError):
        return None
    return hard


def _peak_data_bytes() -> int:
    """The most data this process ever held, mapped files (libraries) left out; 0 where that is not known."""
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as file:
            lines = dict(line.split(":", 1) for line in file if line.startswith("Vm"))
        peak, size, data = (int(lines[name].split()[0]) * 1024 for name in ("VmPeak", "VmSize", "VmData"))
    except (OSError, ValueError, KeyError):
        return 0
    return peak - (size - data)


def _watch_memory(allowance: int) -> None:
    start = _peak_bytes()
    if start is None:
        return

    def watch() -> None:
        pause = threading.Event()
        while not pause.wait(_WATCH_S):
            if (_peak_bytes() or 0) > start + allowance:
                os._exit(EXIT_OUT_OF_MEMORY)

    threading.Thread(target=watch, name="memory-watch", daemon=True).start()


def _peak_bytes() -> int | None:
    """Return the most memory this process ever held, where the platform tells."""
    if sys.platform == "win32":
        return _windows_peak_bytes()
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


if sys.platform == "win32":

    class _Counters(ctypes.Structure):
        _fields_ = (
            ("cb", ctypes.c_uint32),
            ("faults", ctypes.c_uint32),
            *(
                (name, ctypes.c_size_t)
                for name in ("peak", "now", "q1", "q2", "q3", "q4", "paged", "peak_paged")
            ),
        )

    def _windows_peak_bytes() -> int | None:
        counters = _Counters()
        counters.cb = ctypes.sizeof(counters)
        kernel32 = ctypes.windll.kernel32
        kernel32.GetCurrentProcess.restype = ctypes.c_void_p
        query = kernel32.K32GetProcessMemoryInfo
        query.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint32)
        if not query(kernel32.GetCurrentProcess(), ctypes.byref(counters), counters.cb):
            return None
        return int(counters.peak)


def _trimmer() -> Callable[[int], object]:
    """Return glibc's ``malloc_trim``, or something that does nothing."""
    try:
        trim: Callable[[int], object] = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError, TypeError):
        return lambda _: None
    return trim
