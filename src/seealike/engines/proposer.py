"""What every engine's proposer knows: the keys of one generation, and whose they are."""

from __future__ import annotations

import numpy as np

from seealike.types import Int64Array, Proposal

FEW = 2000  # items: they are compared one by one
EFFORT = 120  # ef, at least


class EngineProposer:
    """Proposes the items of one generation."""

    def __init__(self, generation: int, keys: Int64Array, *, exact: bool) -> None:
        """Nothing is asked yet."""
        self._generation, self._keys, self._exact = generation, keys, exact

    def __len__(self) -> int:
        """The number of vectors."""
        return len(self._keys)

    @property
    def last_key(self) -> int:
        """The greatest key."""
        return int(self._keys[-1]) if len(self._keys) else 0


def proposal_of(keys: list[int]) -> Proposal:
    """These keys, in no groups."""
    found = np.array(sorted(keys), dtype=np.int64)
    return Proposal(found, np.arange(len(found)))
