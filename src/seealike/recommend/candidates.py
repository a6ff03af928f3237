"""Who may be a hit of a list: items in the order in which they are to be shown, as deep as is asked for."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import repeat

import numpy as np
import numpy.typing as npt

from seealike.indexes import THREADS
from seealike.recommend.choosing import first_of_each
from seealike.recommend.likeness import like_enough, likeness
from seealike.recommend.mixing.components import PLAIN, Items, Mixed, mixed
from seealike.recommend.mixing.weighing import weights_of
from seealike.recommend.products import Products
from seealike.recommend.query import SearchOptions
from seealike.recommend.ranking import NOTHING, Ranked, Scores
from seealike.recommend.searcher import Searcher
from seealike.recommend.targets import Target
from seealike.recommend.view import VectorReader, View
from seealike.types import Float32Array, Int64Array

RANKED_AT_ONCE, _WORTH_A_THREAD = 256, 32
# Where more than similarity counts, so many times as many are ranked: that mostly does.
BESIDE_WEIGHTS, BESIDE_COLOURS = 2, 8


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Items for one list, best first: all that come before any other item. Shapes: all arrays are (m,).

    Args:
        keys: no key twice.
        scores: what people are shown: how similar each is.
        order: what they are sorted by; with several examples that take turns, within one example's.
        near: how many nearly equal items stand behind each.
        colour: what colours have in each score; empty where they do not count.
        whole: there are no others.
    """

    keys: Int64Array
    scores: Scores
    order: Scores
    near: Int64Array = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    colour: Scores = field(default_factory=lambda: np.empty(0))
    whole: bool = False

    def __len__(self) -> int:
        """The number of candidates."""
        return len(self.keys)

    def at(self, places: Int64Array | npt.NDArray[np.bool_] | slice) -> Candidates:
        """Some of them, in the order of ``places``."""
        near = self.near[places] if len(self.near) else self.near
        colour = self.colour[places] if len(self.colour) else self.colour
        return Candidates(
            self.keys[places], self.scores[places], self.order[places], near, colour, self.whole
        )


def narrowed(
    view: View,
    searcher: Searcher,
    targets: Sequence[Target],
    options: SearchOptions,
    reader: VectorReader | None,
) -> list[Target]:
    """Targets with what is like enough to their pictures, if hits are to be that: see ``Target``.

    Few such items are listed, so that a search among them has all; among many, results are soon found. The
    pictures of targets with the same condition are ranked together.
    """
    least = options.least_likeness
    if least is None:
        return [*targets]
    found = [*targets]
    rows_of: dict[Hashable | None, list[int]] = {}
    for row, target in enumerate(targets):
        rows_of.setdefault(target.among, []).append(row)
    for rows in rows_of.values():
        allowed = targets[rows[0]].allowed(view, searcher)
        rank = partial(
            searcher.rank,
            view,
            options=SearchOptions(exact=options.exact),
            reader=reader,
            allowed=allowed,
        )
        listed = like_enough(partial(_in_blocks, rank), [targets[row].pictures for row in rows], least)
        for row, keys in zip(rows, listed, strict=True):
            found[row] = replace(targets[row], listed=keys, least=least if keys is None else None)
    return found


def _in_blocks(
    rank: Callable[[Float32Array, int], list[Ranked]], vectors: Float32Array, k: int
) -> list[Ranked]:
    """The rankings for any number of vectors, so many at once that memory is bounded, in threads if many."""
    if len(vectors) < 2 * _WORTH_A_THREAD:
        return rank(vectors, k)
    parts = max(-(-len(vectors) // RANKED_AT_ONCE), min(THREADS, len(vectors) // _WORTH_A_THREAD))
    with ThreadPoolExecutor(THREADS) as pool:
        ranked = pool.map(rank, np.array_split(vectors, parts), repeat(k))
        return [one for part in ranked for one in part]


def candidates_of(
    view: View,
    searcher: Searcher,
    targets: Sequence[Target],
    depth: int,
    options: SearchOptions,
    products: Products | None,
    reader: VectorReader | None,
) -> list[Candidates]:
    """For every target the best ``depth`` or so of what it does not exclude; one entry each.

    Args:
        view: what is searched.
        searcher: ranks.
        targets: what is asked for.
        depth: how many; those that are excluded are not made up for in full.
        options: how items are compared.
        products: which of them targets may exclude.
        reader: see ``Searcher.rank``.

    Raises:
        StaleViewError: items of the view are gone by now.
    """
    asked = depth + min(depth, max((len(target.excluded) for target in targets), default=0))
    least = -np.inf if options.min_score is None else options.min_score
    weights = weights_of(view, searcher, options)
    found: list[Candidates] = []
    for target, (similar, count) in zip(
        targets, _ranked(view, searcher, targets, asked, options, reader), strict=True
    ):
        whole, each = asked >= count, []
        mixes = [mix.with_beside(weights) for mix in target.mixes]
        allowed = target.allowed(view, searcher)
        for vector, mix, alike in zip(target.vectors, mixes, similar, strict=True):
            if mix is PLAIN:
                ended = whole or bool(len(alike[1]) and alike[1][-1] < least)  # all others are lower still
                candidates = Candidates(*alike, alike[1], whole=ended)
            else:
                similarity_of = partial(searcher.scores, view, vector, metric=options.metric, reader=reader)
                rank = partial(
                    searcher.rank,
                    view,
                    vector[np.newaxis],
                    options=options,
                    reader=reader,
                    allowed=allowed,
                    more=True,
                )
                items = Items(view.keys, allowed, rank, similarity_of)
                candidates = _sorted(view, *mixed(alike, mix, asked, least, items))
            each.append(_eligible(candidates, target, options, products))
        if target.least is not None:
            alike_to = partial(likeness, view, searcher, target.pictures, reader=reader)
            each = [one.at(alike_to(one.keys) >= target.least) for one in each]
        if len(each) > 1 and products is not None:  # turns are of products
            each = [one.at(first_of_each(products.of(one.keys))) for one in each]
        found.append(each[0] if len(each) == 1 else interleaved(each, target.weights))
    return found


def _ranked(
    view: View,
    searcher: Searcher,
    targets: Sequence[Target],
    k: int,
    options: SearchOptions,
    reader: VectorReader | None,
) -> list[tuple[list[Ranked], int]]:
    """The most similar items for every vector of every target, and how many items there are for it.

    Targets with the same condition are ranked together, and vectors of pictures that are there twice once.
    """
    those_of: dict[object, list[Target]] = {}
    for target in targets:
        those_of.setdefault(_condition(target), []).append(target)
    asked: dict[object, dict[bytes, Ranked]] = {}
    counts: dict[object, int] = {}
    if options.weighs or options.colour_share:
        k *= BESIDE_COLOURS if options.colour_share else BESIDE_WEIGHTS
    for condition, those in those_of.items():
        allowed = those[0].allowed(view, searcher)
        counts[condition] = len(view if allowed is None else allowed)
        ranked = {
            row.tobytes(): NOTHING
            for target in those
            for row, mix in zip(target.vectors, target.mixes, strict=True)
            if mix.similarity
        }
        distinct = np.frombuffer(b"".join(ranked), dtype=np.float32).reshape(len(ranked), view.dimension)
        rank = partial(searcher.rank, view, options=options, reader=reader, allowed=allowed, more=True)
        best = _in_blocks(rank, distinct, k)
        asked[condition] = dict(zip(ranked, best, strict=True))
    return [
        ([asked[condition].get(row.tobytes(), NOTHING) for row in target.vectors], counts[condition])
        for condition, target in zip(map(_condition, targets), targets, strict=True)
    ]


def _condition(target: Target) -> object:
    """Equal for targets among whose hits may be the same items."""
    return target.among if target.listed is None else id(target)


def _sorted(view: View, found: Mixed, whole: bool) -> Candidates:
    keys = view.keys[found.places]
    order = np.lexsort((view.living.ranks[found.places], -found.order))
    return Candidates(keys, found.scores, found.order, colour=found.colour, whole=whole).at(order)


def _eligible(
    found: Candidates, target: Target, options: SearchOptions, products: Products | None
) -> Candidates:
    """What the target does not exclude and scores high enough."""
    out = np.array([key in target.excluded for key in found.keys.tolist()], dtype=bool)
    if target.own and products is not None:
        own = np.fromiter(target.own, np.int64, len(target.own))
        out |= np.isin(products.of(found.keys), own)
    if options.min_score is not None:
        out |= found.scores < options.min_score
    return found.at(~out) if out.any() else found


def interleaved(each: Sequence[Candidates], weights: Sequence[float]) -> Candidates:
    """Several rankings as one in which they take turns: an example of twice the weight has two turns for one.

    An item that several have comes where it comes first, with its score there. Turns that fall together go to
    the earlier example.
    """
    first: dict[int, tuple[float, int, int]] = {}
    end = np.inf  # what a ranking that goes on would give next cannot come before
    for number, (found, weight) in enumerate(zip(each, weights, strict=True)):
        for row, key in enumerate(found.keys.tolist()):
            turn = ((row + 1) / weight, number, row)
            first[key] = min(first.get(key, turn), turn)
        if not found.whole:
            end = min(end, (len(found) + 1) / weight)
    turns = sorted((turn, key) for key, turn in first.items() if turn[0] < end)
    return Candidates(
        np.array([key for _, key in turns], dtype=np.int64),
        np.array([each[number].scores[row] for (_, number, row), _ in turns], dtype=np.float64),
        np.array([each[number].order[row] for (_, number, row), _ in turns], dtype=np.float64),
        colour=np.array([each[number].colour[row] for (_, number, row), _ in turns])
        if any(len(found.colour) for found in each)
        else np.empty(0),
        whole=all(found.whole for found in each),
    )
