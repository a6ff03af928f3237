"""What is asked of a catalogue, as one value: whoever asks makes one, whatever answers reads it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seealike.errors import UsageError, check_count, check_number, known_member
from seealike.types import Float32Array, Metric

DISLIKE_WEIGHT = 0.5


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """How a search works.

    Args:
        min_score: leave out hits below this score (in the metric's own units).
        exact: search every vector, whatever the size of the catalogue.
        metric: how vectors are compared.
    """

    min_score: float | None = None
    exact: bool = False
    metric: Metric = Metric.COSINE

    def __post_init__(self) -> None:
        """Refuse what would silently find nothing, or something else."""
        object.__setattr__(self, "metric", known_member(Metric, self.metric, "metric"))
        if self.min_score is not None:
            check_number(self.min_score, "min_score")


@dataclass(frozen=True, slots=True)
class Examples:
    """What the hits of one list are to be like.

    Args:
        like: ids of items, none of which is to be among the hits.
        dislike: ids of items that the hits are to be unlike, and which are not among them either.
        vectors: pictures or texts that are liked, as the catalogue's encoder gives them; (m, d).
    """

    like: tuple[str, ...] = ()
    dislike: tuple[str, ...] = ()
    vectors: Float32Array | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """Any number of lists wanted at once, each with examples of its own; one is a batch of one.

    Args:
        examples: one entry a list.
        k: how many hits each list has, where there are as many.
        options: which items may be hits, and how they are compared.
    """

    examples: Sequence[Examples]
    k: int = 10
    options: SearchOptions = SearchOptions()

    def __post_init__(self) -> None:
        """Refuse a number of hits that makes no sense."""
        check_count(self.k, "k")


def taste(liked: Float32Array, disliked: Float32Array) -> Float32Array:
    """The direction from the disliked towards the liked.

    Shapes: liked is (m, d), disliked (p, d), either may be empty, rows of unit norm; the result is (d,), of
    unit norm too.

    Raises:
        UsageError: nothing is liked, or the dislikes cancel the likes.

    Source: Rocchio's relevance feedback with weights 1 and 0.5 on the means.
    """
    if not len(liked):
        raise UsageError("nothing to go by: name at least one liked item")
    query = liked.astype(np.float64).mean(axis=0)
    if len(disliked):
        query = query - DISLIKE_WEIGHT * disliked.astype(np.float64).mean(axis=0)
    norm = float(np.linalg.norm(query))
    if norm < 1e-6:
        raise UsageError("what is liked and what is not cancel each other; change one of them")
    return np.asarray(query / norm, dtype=np.float32)
