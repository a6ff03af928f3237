"""Pairs of pictures with nearly the same hash, found by sorting, so in about the time that sorting takes.

What is small, or was saved too often, looks blurred to an encoder: it is closer to everything else that is
blurred than to its original. The signs of its lowest frequencies are still the same.

Source: Charikar, "Similarity estimation techniques from rounding algorithms", 2002, section 3: in a random
order of the bits, strings that differ in few are often neighbours when all are sorted; several orders find
nearly all of them.
"""

from __future__ import annotations

import numpy as np

from seealike.duplicates.registration import SIDE, Int8Array
from seealike.types import Float32Array, Int64Array

_LOWEST = 12  # frequencies each way, whose signs are the bits
_ORDERS, _NEXT = 12, 3  # of bits, and pictures further on in each that are looked at
_MOST = 0.16  # of the bits that differ: in a JPEG of the worst quality half of that do, in others half of all
_SEED = 0


def alike_hashes(hashes: Int8Array) -> tuple[Int64Array, Int64Array, Float32Array]:
    """Pairs whose hashes may be of the same picture, no pair twice, and the cosine of their signs.

    A plain picture is in none. Shapes: hashes is (n, HASH_BYTES); the results are (m,): rows, the lesser
    ones, and others, and cosines.
    """
    rows = np.flatnonzero(hashes.any(axis=1))
    lowest = hashes[rows].reshape(-1, SIDE, SIDE)[:, :_LOWEST, :_LOWEST]
    bits = lowest.reshape(len(rows), _LOWEST**2)[:, 1:] < 0  # the first is the mean, which is always 0
    rng = np.random.default_rng(_SEED)
    found = []
    for bit_order in [rng.permutation(bits.shape[1]) for _ in range(_ORDERS)]:
        packed = np.packbits(bits[:, bit_order], axis=1)
        order = np.lexsort((rng.permutation(len(rows)), *packed.T[::-1]))  # equal ones in another order each
        for further in range(1, _NEXT + 1):
            one, other = order[:-further], order[further:]
            differing = np.bitwise_count(packed[one] ^ packed[other]).sum(axis=1, dtype=np.int64)
            alike = differing <= _MOST * bits.shape[1]
            ends = np.sort(np.stack([one[alike], other[alike]], axis=1), axis=1)
            found.append(np.column_stack([ends, differing[alike]]))
    one, other, differing = np.unique(np.concatenate(found), axis=0).T
    cosines = 1 - 2 * differing / bits.shape[1]
    return rows[one], rows[other], cosines.astype(np.float32)
