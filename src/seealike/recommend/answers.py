"""The one way from a query to what a caller sees: targets, candidates, those worth showing, their rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import NamedTuple, Protocol

import numpy as np

from seealike.errors import CatalogBusyError
from seealike.recommend.candidates import Candidates, candidates_of, narrowed
from seealike.recommend.choosing import diverse, first_of_alike, first_of_each
from seealike.recommend.likeness import likeness
from seealike.recommend.products import Products
from seealike.recommend.query import Combine, Query
from seealike.recommend.ranking import Scores
from seealike.recommend.scale import Calibration
from seealike.recommend.searcher import PathOf, Searcher, StaleViewError
from seealike.recommend.targets import Target, targets_of
from seealike.recommend.view import DescribedRow, KnownStore, NamedVectors, VectorReader, View
from seealike.types import Float16Array, Hit, Int64Array, Metadata, Metric

POOL, LEAST_POOL = 10, 100  # diverse results are chosen from so many times k, and at least so many
NUMBERS_AT_ONCE = 1 << 25  # 256 MiB, for candidates of many lists and colours of many items
ROWS_KEPT = 1 << 14
DEEPER = 4  # times as many candidates, where too few were worth showing


class ItemStore(NamedVectors, KnownStore, Protocol):
    """The truth."""

    @property
    def directory(self) -> str:
        """The catalogue's directory."""

    def items_of(self, keys: Sequence[int]) -> Mapping[int, DescribedRow]:
        """Those of ``keys`` that are alive, by key."""


class Answers(NamedTuple):
    """The hits of every list that a query wants, all of one ``generation``."""

    generation: int
    lists: list[list[Hit]]


def answered(store: ItemStore, searcher: Searcher, query: Query) -> Answers:
    """The hits of every list that ``query`` wants, all of one generation.

    Asked again where the catalogue changed in between.

    Args:
        store: where items are read.
        searcher: ranks.
        query: what is wanted.

    Raises:
        UnknownItemError: an example is not in the catalogue.
        UsageError: a list has no example of what is liked, or its dislikes cancel its likes.
        CatalogBusyError: the catalogue changes faster than it can be read.
    """
    try:
        return searcher.answered(lambda view: _hits_at(view, store, searcher, query))
    except StaleViewError as exc:
        raise CatalogBusyError(store.directory, exc.holder) from None


def _hits_at(view: View, store: ItemStore, searcher: Searcher, query: Query) -> Answers:
    found = answer(view, store, searcher, query)
    rows = _described(view, store, sorted({result.key for results in found for result in results}))
    path_of = searcher.path_of()
    answers = [
        _told(
            [_as_hit(one, *rows[one.key], path_of, searcher.catalog_of(one.key)) for one in results],
            results,
            query.scale,
        )
        for results in found
    ]
    if _is_sorted_by_score(query) and not all(map(_are_in_order, answers)):
        raise store.damaged("the order of the ids")
    return Answers(view.generation, answers)


def _described(
    view: View, store: ItemStore, keys: Sequence[int]
) -> Mapping[int, tuple[DescribedRow, Metadata]]:
    """The rows of some of the view's items, with their columns.

    Those of neighbours are asked for again and again: what was read, checked and decoded is kept with the
    view, whose rows they are while none has been written anew.

    Raises:
        StaleViewError: rows are of a newer generation by now, or gone.
    """
    found = {key: known for key in keys if (known := view.described.get(key)) is not None}
    unknown = [key for key in keys if key not in found]
    rows = store.items_of(unknown) if unknown else {}
    if store.state().rewritten > view.generation or len(rows) < len(unknown):
        raise StaleViewError
    new = {key: (row, row.metadata) for key, row in rows.items()}
    if len(view.described) + len(new) > ROWS_KEPT:
        view.described.clear()
    if len(new) <= ROWS_KEPT:
        view.described.update(new)
    return found | new


class Result(NamedTuple):
    """One hit of a list. ``others`` show the same product; ``near`` ones were left out for it.

    ``colour`` is what its colours have in the score; ``None`` where they do not count. ``likeness`` is
    that to the liked pictures, for the query's scale.
    """

    key: int
    score: float
    others: int
    near: int
    colour: float | None = None
    likeness: float | None = None


def answer(
    view: View, items: NamedVectors, searcher: Searcher, query: Query, reader: VectorReader | None = None
) -> list[list[Result]]:
    """Every list that ``query`` wants, of one generation, best first.

    With ``reader``, see ``Searcher.rank``.

    Raises:
        StaleViewError: that generation cannot be read any more.
        UnknownItemError, UsageError: see ``answered``.
    """
    at_once = max(
        1, NUMBERS_AT_ONCE // max(1, len(view)) if query.options.colour_share else len(query.examples)
    )
    found: list[list[Result]] = []
    for start in range(0, len(query.examples), at_once):
        part = replace(query, examples=query.examples[start : start + at_once])
        found += _answer(view, items, searcher, part, reader)
    return found


def _answer(
    view: View, items: NamedVectors, searcher: Searcher, query: Query, reader: VectorReader | None
) -> list[list[Result]]:
    products = _products_of(view, searcher, query)
    targets = targets_of(view, items, searcher, query, products)
    targets = narrowed(view, searcher, targets, query.options, reader)
    is_plain = query.options.pictures or products is None or not products.code_of
    told_apart = None if is_plain else products
    vectors_of = partial(searcher.vectors, view, reader=reader)
    found: dict[int, list[Result]] = {}
    depth = _first_depth(query, told_apart)
    while waiting := [row for row in range(len(targets)) if row not in found]:
        at_once = max(1, NUMBERS_AT_ONCE // (8 * depth))
        for start in range(0, len(waiting), at_once):
            rows = waiting[start : start + at_once]
            asked = [targets[row] for row in rows]
            deep = candidates_of(view, searcher, asked, depth, query.options, told_apart, reader)
            for row, candidates in zip(rows, deep, strict=True):
                left = _worth_showing(candidates, query, told_apart, vectors_of)
                if left is not None:
                    alike = _likeness(view, searcher, targets[row], left, query)
                    found[row] = _results(left, told_apart, alike)
        depth *= DEEPER
    return [found[row] for row in range(len(targets))]


def _products_of(view: View, searcher: Searcher, query: Query) -> Products | None:
    """Which items show the same product; ``None`` where that does not matter."""
    asked = (example for one in query.examples for example in (*one.like, *one.dislike))
    if query.options.pictures and all(example.product is None for example in asked):
        return None
    return searcher.products(view, query.options.group_by)


def _first_depth(query: Query, products: Products | None) -> int:
    """How many candidates usually do."""
    depth = _wanted(query)
    if products is not None:
        depth = math.ceil((depth + 1) * products.items_each)
    return depth if query.options.dedup is None else 2 * depth


def _wanted(query: Query) -> int:
    """How many results are chosen from."""
    return max(POOL * query.k, LEAST_POOL) if query.options.diversity else query.k


def _worth_showing(
    found: Candidates,
    query: Query,
    products: Products | None,
    vectors_of: Callable[[Int64Array], Float16Array],
) -> Candidates | None:
    """The results, of candidates that all may be some; ``None`` where deeper ones are needed."""
    options, wanted = query.options, _wanted(query) + query.spare
    if products is not None:
        found = found.at(first_of_each(products.of(found.keys)))
    if options.dedup is not None:
        places, near, ended = first_of_alike(vectors_of(found.keys), options.dedup, wanted)
        found = replace(found.at(places), near=near)
    if not found.whole and (len(found) < wanted or (options.dedup is not None and not ended)):
        return None
    found = found.at(slice(wanted))
    if options.diversity:
        # Turns are kept as they are: what comes earlier is more relevant.
        relevance = found.order if options.combine is Combine.AVERAGE else np.sort(found.order)[::-1]
        found = found.at(diverse(relevance, vectors_of(found.keys), options.diversity, query.k))
    return found.at(slice(query.k + query.spare))


def _likeness(view: View, searcher: Searcher, target: Target, found: Candidates, query: Query) -> Scores:
    """How much results are like the liked pictures; empty where nobody asks, or no picture is liked."""
    options = query.options
    if query.scale is None or not len(target.pictures):
        return np.empty(0)
    is_cosine = options.metric is Metric.COSINE and not options.colour_share
    if is_cosine and len(target.pictures) == 1 and np.array_equal(target.vectors, target.pictures):
        return found.scores
    return likeness(view, searcher, target.pictures, found.keys)


def _results(found: Candidates, products: Products | None, alike: Scores) -> list[Result]:
    others = [0] * len(found) if products is None else products.others(found.keys).tolist()
    near = found.near.tolist() if len(found.near) else [0] * len(found)
    colour = found.colour.tolist() if len(found.colour) else [None] * len(found)
    likenesses = alike.tolist() if len(alike) else [None] * len(found)
    return list(map(Result, found.keys.tolist(), found.scores.tolist(), others, near, colour, likenesses))


def _as_hit(
    result: Result, row: DescribedRow, metadata: Metadata, path_of: PathOf, catalog: str | None
) -> Hit:
    return Hit(
        row.id,
        result.score,
        path_of(row),
        row.group,
        dict(metadata),
        result.others,
        result.near,
        colour=result.colour,
        catalog=catalog,
        width_px=row.width_px,
        height_px=row.height_px,
    )


def _told(found: list[Hit], results: Sequence[Result], scale: Calibration | None) -> list[Hit]:
    """Hits that say what they are to the liked pictures, where the scale knows."""
    alike = [one.likeness for one in results if one.likeness is not None]
    if scale is None or not alike:
        return found
    said = scale.said_of(alike)
    return [
        hit if one is None else replace(hit, relation=one[0], probability=one[1])
        for hit, one in zip(found, said, strict=True)
    ]


def _is_sorted_by_score(query: Query) -> bool:
    options = query.options
    return not (options.diversity or options.weighs) and options.combine is Combine.AVERAGE


def _are_in_order(found: Sequence[Hit]) -> bool:
    """Whether equal scores are in id order."""
    return all(
        one.score > other.score
        or (one.score == other.score and (one.catalog != other.catalog or one.id < other.id))
        for one, other in pairwise(found)
    )
