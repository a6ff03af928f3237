"""How often somebody may ask: a token bucket for each key, or address."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable

MOST_KNOWN = 10_000  # askers; the ones who were not seen for longest are forgotten


class Buckets:
    """Every asker has ``burst`` requests, and gets ``rate`` a second back. Used by the event loop alone."""

    def __init__(self, rate: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._burst, self._clock = rate, burst, clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # tokens, and when

    def wait_s(self, asker: str) -> float:
        """0 where a request may come in, which counts then; else after how long one may."""
        if not self._rate:
            return 0.0
        now = self._clock()
        tokens, then = self._left.pop(asker, (float(self._burst), now))
        tokens = min(self._burst, tokens + (now - then) * self._rate)
        allowed = tokens >= 1.0
        self._left[asker] = (tokens - allowed, now)
        while len(self._left) > MOST_KNOWN:
            self._left.popitem(last=False)
        return 0.0 if allowed else (1.0 - tokens) / self._rate

    def wait_whole_s(self, asker: str) -> int:
        """The same in whole seconds."""
        return math.ceil(self.wait_s(asker))
