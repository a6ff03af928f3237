"""Columns of made-up items."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from seealike.recommend.columns import Columns, Facts
from seealike.types import Metadata


def columns_of(said: Sequence[Metadata]) -> Columns:
    """The columns of as many items as metadata is given."""
    rows = [Facts(f"item {number}", None, None, metadata, 3, 4) for number, metadata in enumerate(said)]

    def after(key: int, _: bool) -> Iterable[Facts]:
        return rows[key:]

    return Columns.of(np.arange(1, len(rows) + 1), after)
