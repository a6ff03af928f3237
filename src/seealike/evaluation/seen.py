"""Which items an encoder has seen while it learnt: they say nothing about how it does on others."""

from __future__ import annotations

import os
from collections.abc import Iterable

import numpy as np

from seealike.encoders import mark_of, marks_from_text, parse_spec, read_card, record_for
from seealike.types import Int64Array

NOTHING: Int64Array = np.empty(0, np.int64)


def learnt_marks(encoder: str) -> Int64Array | None:
    """The marks of what an encoder learnt from, by its card; ``None`` where the card is not at hand.

    Args:
        encoder: how it is asked for; anything else for an object, which has no card.

    Shapes: the result is (n,), ascending.

    Raises:
        EncoderError: the card cannot be read.
    """
    spec = parse_spec(encoder)
    copy = record_for(spec) if spec.is_copy else None
    file = copy.file if copy is not None else spec.file
    if file is None:
        return NOTHING
    card = read_card(file)
    if card is None:
        return NOTHING if os.path.isfile(file) else None
    return marks_from_text(card.learnt)


def seen_ids(
    digests: Iterable[tuple[str, bytes | None]], marks: Iterable[Int64Array | None]
) -> frozenset[str]:
    """The ids of those pictures, given with the SHA-256 of their files, that are among the marks."""
    known = np.unique(np.concatenate([NOTHING, *(part for part in marks if part is not None)]))
    if not len(known):
        return frozenset()
    ids, own = [], []
    for item_id, sha256 in digests:
        ids.append(item_id)
        own.append(mark_of(item_id, sha256))
    seen = np.isin(np.array(own, np.int64), known)
    return frozenset(ids[row] for row in np.flatnonzero(seen).tolist())
