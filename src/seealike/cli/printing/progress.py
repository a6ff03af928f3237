"""How long work shows where it stands: a line on stderr, for people only."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from seealike.types import unwatched

if TYPE_CHECKING:
    from tqdm import tqdm

    from seealike.types import Progress, ProgressCallback

_COUNTING = "{desc}: {n_fmt} [{elapsed}, {rate_noinv_fmt}]"
_WITH_TOTAL = "{desc}: {percentage:3.0f}% |{bar}| {n_fmt}/{total_fmt} [{rate_noinv_fmt}, {remaining} left]"


INSTANT_S = 1.0


@contextmanager
def progress_printer(
    quiet: bool, *, instant_s: float = INSTANT_S, in_bytes: bool = False
) -> Iterator[ProgressCallback]:
    """Give what shows progress while the ``with`` block runs: rate and time left, one line a stage.

    Silent where ``quiet``, where stderr is no terminal, and about a stage that takes less than ``instant_s``.
    What is counted are pictures, or with ``in_bytes`` that.
    """
    if quiet or not sys.stderr.isatty():
        yield unwatched
        return
    printer = _Printer(instant_s, in_bytes=in_bytes)
    try:
        yield printer.show
    finally:
        printer.close()


class _Printer:
    """One tqdm bar a stage."""

    def __init__(self, instant_s: float, *, in_bytes: bool) -> None:
        from tqdm import tqdm

        # Neither its watching thread nor a lock between processes: worker processes start beside this.
        tqdm.monitor_interval = 0
        tqdm.set_lock(threading.RLock())
        self._make = tqdm
        self._instant_s, self._in_bytes = instant_s, in_bytes
        self._bar: tqdm[None] | None = None
        self._stage = ""

    def show(self, progress: Progress) -> None:
        """Show how far a stage has come; another stage begins a line of its own."""
        if self._bar is None or progress.stage != self._stage:
            self.close()
            self._stage = progress.stage
            self._bar = self._make(
                desc=progress.stage,
                unit="B" if self._in_bytes else " images",
                unit_scale=self._in_bytes,
                file=sys.stderr,
                dynamic_ncols=True,
                initial=progress.done,
                delay=self._instant_s,
            )
        self._bar.bar_format = _COUNTING if progress.total is None else _WITH_TOTAL
        self._bar.total = progress.total
        self._bar.update(progress.done - self._bar.n)

    def close(self) -> None:
        """Leave the last stage's line as it is; none where the stage was over in an instant."""
        if self._bar is not None:
            if self._bar.format_dict["elapsed"] >= self._instant_s:
                self._bar.delay = 0.0
            self._bar.close()
            self._bar = None
