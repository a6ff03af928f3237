"""How many threads torch computes in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

SMALL = 20_000
"""Up to so many items a head is trained in one thread: its steps take a millisecond, and where something else
wants the cores too, threads that wait for each other after every step take thirty times as long as one."""


@contextmanager
def threads_for(items: int) -> Iterator[None]:
    """Compute in one thread while the ``with`` block runs, if there are few items."""
    import torch

    before = torch.get_num_threads()
    if items <= SMALL:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
