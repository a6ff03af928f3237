"""From the examples of a query to what its lists are compared with, and what they leave out."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from seealike.errors import UsageError
from seealike.recommend.mixing.colour import colours_wanted
from seealike.recommend.mixing.components import PLAIN, Mix
from seealike.recommend.products import Products
from seealike.recommend.query import Combine, Example, Examples, Query, SearchOptions, taste
from seealike.recommend.searcher import Searcher, StaleViewError
from seealike.recommend.view import NamedVectors, View
from seealike.signatures import colour_levels
from seealike.types import Float32Array, Int64Array


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """What one list is compared with.

    ``weights`` say how often each of the vectors takes its turn, ``mixes`` what counts beside each.
    ``excluded`` are keys, ``own`` the codes of products; ``among`` says which items may be hits, all if it
    does not. ``pictures`` are those that are liked: of items that may be hits ``listed`` are the keys of all
    that are like enough to one of these, or where they are not listed, hits have at least a likeness of
    ``least``. Shapes: vectors is (m, d), weights and mixes (m,), pictures (p, d).
    """

    vectors: Float32Array
    weights: tuple[float, ...]
    mixes: tuple[Mix, ...]
    excluded: frozenset[int]
    own: frozenset[int]
    pictures: Float32Array
    among: Hashable | None = None
    listed: Int64Array | None = None
    least: float | None = None

    def allowed(self, view: View, searcher: Searcher) -> Int64Array | None:
        """The keys of the items that may be hits, ascending; all, if it does not say."""
        if self.listed is not None or self.among is None:
            return self.listed
        return searcher.allowed(view, self.among)


def targets_of(
    view: View, items: NamedVectors, searcher: Searcher, query: Query, products: Products | None
) -> list[Target]:
    """The target of every list of ``query``.

    Args:
        view: what is searched.
        items: where ids and their vectors are looked up.
        searcher: of that view.
        query: what is wanted.
        products: who is whose picture; ``None`` where no product is asked with and none is told apart.

    Raises:
        StaleViewError: items are of another generation.
        UnknownItemError: an example is not in the catalogue.
        UsageError: a list has no example of what is liked, or its examples cancel each other.
    """
    named = _Named.looked_up(view, items, searcher, query.examples, products)
    shares = _colour_shares(view, searcher, named, query)
    among = partial(searcher.among, view, query.options) if query.options.narrows else None
    return [_target(one, named, query, products, among, shares) for one in query.examples]


def _target(
    one: Examples,
    named: _Named,
    query: Query,
    products: Products | None,
    among_of: Callable[[Sequence[int]], Hashable] | None,
    shares: Callable[[Examples], tuple[Mix, ...] | None],
) -> Target:
    keys = [key for example in (*one.like, *one.dislike) for key in named.keys_of(example)]
    own: frozenset[int] = frozenset()
    if products is not None and not query.options.pictures:
        own = products.of_items(keys)
    vectors, weights = _compared(one, named, query.options)
    among = None
    if among_of is not None:
        among = among_of([key for example in one.like for key in named.keys_of(example)])
    mixes = shares(one)
    pictures = named.pictures(one.like)
    return Target(vectors, weights, mixes or (PLAIN,) * len(vectors), frozenset(keys), own, pictures, among)


def _colour_shares(
    view: View, searcher: Searcher, named: _Named, query: Query
) -> Callable[[Examples], tuple[Mix, ...] | None]:
    """What gives the share of colours for each of a list's vectors; ``None`` where they do not count."""
    if not query.options.colour_share:
        return lambda _: None
    colours = searcher.colours(view)
    vectors_of = partial(searcher.vectors, view)

    def levels_of(example: Example) -> Float32Array:
        given = example.colour
        return colours.levels_of(named.keys_of(example)) if given is None else colour_levels([given])

    def shares(one: Examples) -> tuple[Mix, ...]:
        options = query.options if one.like or one.dislike else replace(query.options, color=1.0)
        wanted = colours_wanted(one, options, levels_of)
        return tuple(Mix(1 - options.colour_share, colours.share(row, options, vectors_of)) for row in wanted)

    return shares


def _compared(one: Examples, named: _Named, options: SearchOptions) -> tuple[Float32Array, tuple[float, ...]]:
    """The vectors, and how much each counts.

    A single example is taken as it is stored: so a pair has the same score whichever of the two is asked for.
    """
    if options.palette is not None and not one.like and not one.dislike:
        return np.zeros((1, named.dimension), np.float32), (1.0,)
    if len(one.like) == 1 and not one.dislike:
        return named.stored(one.like[0])[np.newaxis], (1.0,)
    if options.palette is not None and not one.like:
        raise UsageError(
            "beside what is not liked, name at least one liked item; only a palette alone needs none"
        )
    liked, disliked = named.rows(one.like), named.rows(one.dislike)
    weights = [example.weight for example in one.like]
    disliked_weights = [example.weight for example in one.dislike]
    if options.combine is Combine.EACH and len(liked) > 1:
        each = [taste(row[np.newaxis], [1.0], disliked, disliked_weights) for row in liked]
        return np.stack(each), tuple(weights)
    return taste(liked, weights, disliked, disliked_weights)[np.newaxis], (1.0,)


class _Named:
    """The items that a query names, by id or by product, with their vectors."""

    def __init__(self, dimension: int, keys: Mapping[str, int], of_product: Mapping[str, Int64Array]) -> None:
        self.dimension, self._key_of, self._of_product = dimension, keys, of_product
        self._found = np.empty(0, dtype=np.int64)
        self._vectors = np.empty((0, dimension), dtype=np.float32)

    @classmethod
    def looked_up(
        cls,
        view: View,
        items: NamedVectors,
        searcher: Searcher,
        examples: Sequence[Examples],
        products: Products | None,
    ) -> _Named:
        everything = [example for one in examples for example in (*one.like, *one.dislike)]
        ids = list(dict.fromkeys(example.id for example in everything if example.id is not None))
        skus = dict.fromkeys(example.product for example in everything if example.product is not None)
        key_of = dict(zip(ids, items.keys_of(ids), strict=True))
        of_product = {sku: products.keys_of(sku) for sku in skus} if products is not None else {}
        keys = np.unique(np.concatenate([np.fromiter(key_of.values(), np.int64), *of_product.values()]))
        if not view.alive(keys).all():
            raise StaleViewError  # they are of another generation
        named = cls(view.dimension, key_of, of_product)
        named._found, stored = items.vectors_of(keys.tolist())
        searcher.check_all_there(view, len(named._found), len(keys))
        named._vectors = stored.astype(np.float32)
        return named

    def keys_of(self, example: Example) -> Sequence[int]:
        """The items that an example is of."""
        if example.id is not None:
            return [self._key_of[example.id]]
        keys: list[int] = self._of_product[example.product].tolist() if example.product is not None else []
        return keys

    def pictures(self, examples: Sequence[Example]) -> Float32Array:
        """The vectors of every single picture among examples. Shapes: (p, d)."""
        rows = [self._rows(example) for example in examples if example.is_picture]
        return np.concatenate([np.empty((0, self.dimension), np.float32), *rows])

    def _rows(self, example: Example) -> Float32Array:
        if example.vector is not None:
            return np.asarray(example.vector, dtype=np.float32)[np.newaxis]
        return self._vectors[np.searchsorted(self._found, self.keys_of(example))]

    def stored(self, example: Example) -> Float32Array:
        """The vector of an example; of a product, the mean direction of its pictures. Shapes: (d,)."""
        rows = self._rows(example)
        if len(rows) == 1:
            return np.asarray(rows[0])
        return taste(rows, [1.0] * len(rows), rows[:0], ())

    def rows(self, examples: Sequence[Example]) -> Float32Array:
        """The vectors of examples. Shapes: (m, d)."""
        rows = [self.stored(example)[np.newaxis] for example in examples]
        return np.concatenate([np.empty((0, self.dimension), np.float32), *rows])
