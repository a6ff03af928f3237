"""How far Milvus' index is walked: the fewer items keep a condition, the farther."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pytest

from seealike.engines.milvus.filters import EVERYTHING
from seealike.engines.milvus.proposer import MOST_EFFORT, MilvusProposer
from seealike.engines.proposer import EFFORT
from seealike.types import Float32Array


class Store:
    """An engine that only says how hard it was asked to look."""

    def __init__(self) -> None:
        self.efforts: list[int] = []

    def of_generation(self, _: int, ask: Callable[[object], object]) -> object:
        return ask(None)

    def visible(self, _: object) -> object:
        return EVERYTHING

    def condition_of(self, _: object) -> object:
        return EVERYTHING

    def nearest(
        self, queries: Float32Array, wanted: int, _: object, effort: int
    ) -> list[list[tuple[int, float]]]:
        self.efforts.append(effort)
        return [[(key, 1.0 - key / 100) for key in range(1, wanted + 1)] for _ in queries]


@pytest.mark.parametrize(
    ("allowed", "times"), [(None, 1.0), (50_000, 1.0), (10_000, 1.0), (2_500, 4.0), (500, 20.0), (1, 1e9)]
)
def test_the_fewer_match_the_farther_the_index_is_walked(
    monkeypatch: pytest.MonkeyPatch, allowed: int | None, times: float
) -> None:
    monkeypatch.setattr(MilvusProposer, "_is_few", lambda *_: False)
    store, keys = Store(), np.arange(1, 100_001)
    asked = MilvusProposer(cast("Any", store), 1, keys, exact=False)
    asked.candidates(np.ones((1, 4), np.float32), 10, None if allowed is None else keys[:allowed])
    assert store.efforts == [min(MOST_EFFORT, round(EFFORT * times))]
