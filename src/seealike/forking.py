"""What is done in a forked child: threads are gone there, processes, pipes and connections are the parent's.

Whoever has such things hears of the fork before anybody can ask it for anything.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from functools import cache
from typing import TypeVar
from weakref import WeakKeyDictionary

Thing = TypeVar("Thing")

_living: WeakKeyDictionary[object, Callable[..., None]] = WeakKeyDictionary()


def tell_of_forks(thing: Thing, let_go: Callable[[Thing], None]) -> None:
    """Have something let go of what is the parent's, in every child that is forked as long as it lives.

    ``let_go`` is a function of its class, not bound to it. No other thread runs when it is called.
    """
    _listen()
    _living[thing] = let_go


def keep_for_ever(thing: object) -> None:
    """Never free something, not even when the process ends.

    To free what computes in threads is to wait for them, and a forked child has none: it would hang or abort.
    """
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))


@cache
def _listen() -> None:
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_in_child)


def _in_child() -> None:
    for thing, let_go in tuple(_living.items()):
        let_go(thing)
