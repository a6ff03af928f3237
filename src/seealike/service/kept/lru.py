"""Values that are kept in memory: by key, up to so many bytes, or what was made last alone."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class LruCache(Generic[Value]):
    """Values by key: the ones that were not used for longest make room. Safe to use from several threads.

    One alone is kept whatever its size.
    """

    def __init__(self, most_bytes: int, size_of: Callable[[Value], int]) -> None:
        """Nothing is kept yet.

        Args:
            most_bytes: of all of them together.
            size_of: tells how many one has.
        """
        self._most_bytes, self._size_of = most_bytes, size_of
        self._guard = threading.Lock()
        self._kept: OrderedDict[Hashable, Value] = OrderedDict()
        self._bytes = 0

    def get(self, key: Hashable) -> Value | None:
        """What is kept under a key; it counts as used."""
        with self._guard:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
            return found

    def put(self, key: Hashable, value: Value) -> None:
        """Keep something, in the place of what had its key."""
        with self._guard:
            self._drop(key)
            self._kept[key] = value
            self._bytes += self._size_of(value)
            while self._bytes > self._most_bytes and len(self._kept) > 1:
                self._drop(next(iter(self._kept)))

    def drop_unused(self, is_over: Callable[[Value], bool]) -> None:
        """Drop what was not used for longest, as long as that is over."""
        with self._guard:
            while self._kept and is_over(next(iter(self._kept.values()))):
                self._drop(next(iter(self._kept)))

    def _drop(self, key: Hashable) -> None:
        if key in self._kept:
            self._bytes -= self._size_of(self._kept.pop(key))


class Newest(Generic[Value]):
    """What was made last, while it is asked for by the same key. Safe to use from several threads."""

    def __init__(self) -> None:
        """Nothing is made yet."""
        self._guard = threading.Lock()
        self._kept: tuple[Hashable, Value] | None = None

    def of(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """What ``make`` made for this key; others wait while it does."""
        with self._guard:
            if self._kept is None or self._kept[0] != key:
                self._kept = key, make()
            return self._kept[1]
