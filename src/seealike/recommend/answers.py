"""The one way from a query to what a caller sees: examples, ranking, exclusions, the best k, their rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Protocol

import numpy as np

from seealike.errors import CatalogBusyError
from seealike.recommend.query import Examples, Query, taste
from seealike.recommend.ranking import Ranked
from seealike.recommend.searcher import ATTEMPTS, Searcher, StaleViewError
from seealike.recommend.view import RowReader, VectorReader, VectorStore, View
from seealike.types import Float32Array, Hit, Metadata
from seealike.vectors import unit_rows

RANKED_AT_ONCE = 1024


class ItemRow(Protocol):
    """What a hit needs to know of an item."""

    @property
    def id(self) -> str:
        """The caller's id."""

    @property
    def path(self) -> bytes | None:
        """The stored path."""

    @property
    def source(self) -> int:
        """The number of the source it belongs to."""

    @property
    def group(self) -> str | None:
        """The caller's group."""

    @property
    def metadata(self) -> Metadata:
        """The caller's columns."""


PathOf = Callable[[ItemRow], str | None]


class NamedVectors(RowReader, Protocol):
    """Where the items that a query names are looked up."""

    def keys_of(self, ids: Sequence[str]) -> list[int]:
        """The key of each id.

        Raises:
            UnknownItemError: there is no such item.
        """


class ItemStore(NamedVectors, VectorStore, Protocol):
    """The truth."""

    @property
    def directory(self) -> str:
        """The catalogue's directory."""

    def items_of(self, keys: Sequence[int]) -> Mapping[int, ItemRow]:
        """Those of ``keys`` that are alive, by key."""


def hits(
    store: ItemStore, searcher: Searcher, query: Query, path_of: Callable[[], PathOf]
) -> list[list[Hit]]:
    """The hits of every list that ``query`` wants, all of one generation.

    Asked again where the catalogue changed in between.

    Args:
        store: where items are read.
        searcher: ranks.
        query: what is wanted.
        path_of: gives what knows the absolute path of an item.

    Raises:
        UnknownItemError: an example is not in the catalogue.
        UsageError: a list has no example of what is liked, or its dislikes cancel its likes.
        CatalogBusyError: the catalogue changes faster than it can be read.
    """
    after = -1
    for _ in range(ATTEMPTS):
        view = searcher.view(after=after)
        try:
            return _hits_at(view, store, searcher, query, path_of)
        except StaleViewError:
            after = view.generation
    raise CatalogBusyError(store.directory, "a process that changes it faster than it can be read")


def _hits_at(
    view: View, store: ItemStore, searcher: Searcher, query: Query, path_of: Callable[[], PathOf]
) -> list[list[Hit]]:
    found = answer(view, store, searcher, query)
    rows, absolute = store.items_of(sorted({key for pairs in found for key, _ in pairs})), path_of()
    answers = [_as_hits(pairs, rows, absolute) for pairs in found]
    if store.state().rewritten > view.generation:
        raise StaleViewError  # the rows may be of a newer generation
    if not all(map(_are_in_order, answers)):
        raise store.damaged("the order of the ids")
    return answers


def answer(
    view: View, items: NamedVectors, searcher: Searcher, query: Query, reader: VectorReader | None = None
) -> list[list[tuple[int, float]]]:
    """The keys and scores of every list that ``query`` wants, of one generation, closest first.

    With ``reader``, see ``Searcher.rank``.

    Raises:
        StaleViewError: that generation cannot be read any more.
        UnknownItemError, UsageError: see ``hits``.
    """
    vectors, excluded = _targets(view, items, searcher, query.examples)
    k = query.k + max(map(len, excluded), default=0)
    firsts: dict[bytes, int] = {}  # equal vectors, of pictures that are there twice, are ranked once
    row_of = [firsts.setdefault(vector.tobytes(), row) for row, vector in enumerate(vectors)]
    rows = np.fromiter(firsts.values(), dtype=np.int64, count=len(firsts))
    ranked: dict[int, Ranked] = {}
    for start in range(0, len(rows), RANKED_AT_ONCE):
        part = rows[start : start + RANKED_AT_ONCE]
        best = searcher.rank(view, vectors[part], k, options=query.options, reader=reader)
        ranked.update(zip(part.tolist(), best, strict=True))
    return [_chosen(ranked[row], keys, query) for row, keys in zip(row_of, excluded, strict=True)]


def _targets(
    view: View, items: NamedVectors, searcher: Searcher, examples: Sequence[Examples]
) -> tuple[Float32Array, list[tuple[int, ...]]]:
    """The vector that each list's hits are to be close to, and the keys that are not to be among them.

    A single example is taken as it is stored: so a pair has the same score whichever of the two is asked for.
    """
    named = list(dict.fromkeys(item_id for one in examples for item_id in (*one.like, *one.dislike)))
    keys = items.keys_of(named)
    if not view.alive(np.array(keys, dtype=np.int64)).all():
        raise StaleViewError  # they are of another generation
    found, stored = items.vectors_of(keys)
    searcher.check_all_there(view, len(found), len(keys))
    place = dict(zip(named, np.searchsorted(found, keys).tolist(), strict=True))
    key_of = dict(zip(named, keys, strict=True))
    vectors = np.empty((len(examples), view.dimension), dtype=np.float32)
    excluded: list[tuple[int, ...]] = []
    for row, one in enumerate(examples):
        given = one.vectors if one.vectors is not None else vectors[:0]
        liked = stored[[place[item_id] for item_id in one.like]].astype(np.float32)
        if len(liked) + len(given) == 1 and not one.dislike:
            vectors[row] = liked[0] if len(liked) else given[0]
        else:
            disliked = stored[[place[item_id] for item_id in one.dislike]]
            vectors[row] = taste(np.concatenate([unit_rows(liked), unit_rows(given)]), unit_rows(disliked))
        excluded.append(tuple(key_of[item_id] for item_id in (*one.like, *one.dislike)))
    return vectors, excluded


def _chosen(ranked: Ranked, excluded: Sequence[int], query: Query) -> list[tuple[int, float]]:
    """The keys and scores that are wanted, of a ranking that has ``len(excluded)`` to spare."""
    least = query.options.min_score
    pairs = [
        pair for pair in zip(ranked[0].tolist(), ranked[1].tolist(), strict=True) if pair[0] not in excluded
    ]
    return [pair for pair in pairs[: query.k] if least is None or pair[1] >= least]


def _as_hits(pairs: Sequence[tuple[int, float]], rows: Mapping[int, ItemRow], absolute: PathOf) -> list[Hit]:
    """Keys and scores as hits.

    Raises:
        StaleViewError: an item is gone.
    """
    if any(key not in rows for key, _ in pairs):
        raise StaleViewError
    found = ((rows[key], score) for key, score in pairs)
    return [
        Hit(id=row.id, score=score, path=absolute(row), group=row.group, metadata=row.metadata)
        for row, score in found
    ]


def _are_in_order(found: Sequence[Hit]) -> bool:
    """Whether equal scores are in id order."""
    return all((-one.score, one.id) < (-other.score, other.id) for one, other in pairwise(found))
