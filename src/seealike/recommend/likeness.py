"""How much hits are like the pictures that are liked: what calibrations are of, whatever scores are made of.

The likeness of an item is its greatest cosine with a liked picture: that of an item, one from anywhere, a
crop, each picture of a product. Colours, dislikes and whatever else makes scores have no part in it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice

import numpy as np

from seealike.errors import UsageError
from seealike.indexes import exact_scores
from seealike.recommend.query import Examples, SearchOptions
from seealike.recommend.ranking import Ranked, Scores, converted
from seealike.recommend.scale import NEVER, Calibration
from seealike.recommend.searcher import Searcher
from seealike.recommend.view import VectorReader, View
from seealike.types import Float32Array, Int64Array, Metric, Relation

FIRST_LISTED, LISTED = 128, 1024  # items alike enough: as many are found before the others are looked at
_ROWS_AT_ONCE = 8192


def with_least_score(
    options: SearchOptions, scale: Calibration | None, wanted: Sequence[Examples]
) -> SearchOptions:
    """``at_least`` as a cosine, or where scores are that of one picture as a ``min_score``, which is quicker.

    Raises:
        UsageError: the scale does not tell what is at least that, or a list likes no picture.
    """
    if options.at_least is None:
        return options
    least = options.least_likeness
    if isinstance(options.at_least, Relation):
        least = _learnt(options.at_least, scale)
    assert least is not None
    if not all(any(like.is_picture for like in one.like) for one in wanted):
        raise UsageError("--at-least is for what a hit is to a picture: name one, or leave it out")
    if least <= 1 and (options.colour_share or not all(map(_is_one_picture, wanted))):
        return replace(options, at_least=least)
    score = NEVER if least > 1 else float(converted(np.array([least], np.float32), options.metric)[0])
    if options.min_score is not None:
        score = max(score, options.min_score)
    return replace(options, at_least=None, min_score=score)


def _is_one_picture(one: Examples) -> bool:
    return len(one.like) == 1 and not one.dislike and one.like[0].product is None


def _learnt(relation: Relation, scale: Calibration | None) -> float:
    if scale is None:
        raise UsageError(
            "what scores are worth here has not been learnt: `seealike calibrate` learns it; or give a "
            "--min-score instead of --at-least"
        )
    if relation not in scale.relations:
        known = ", ".join(one.value for one in scale.relations if one is not Relation.UNRELATED)
        raise UsageError(
            f"nothing has been learnt here of what is {relation.value}, only of {known}; "
            "`seealike calibrate --label COLUMN` learns what is similar, and groups what is the same product"
        )
    least = scale.least_score(relation)
    return NEVER if least is None else least


def likeness(
    view: View,
    searcher: Searcher,
    pictures: Float32Array,
    keys: Int64Array,
    reader: VectorReader | None = None,
) -> Scores:
    """The likeness of some living items. Shapes: pictures is (p, d), p at least 1; keys and result (m,)."""
    found = np.empty(len(keys))
    for start in range(0, len(keys), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        vectors = searcher.vectors(view, keys[part], reader)
        found[part] = converted(exact_scores(pictures, vectors).max(axis=0), Metric.COSINE)
    return found


def like_enough(
    ranked: Callable[[Float32Array, int], list[Ranked]], pictures: Sequence[Float32Array], least: float
) -> list[Int64Array | None]:
    """For every list the keys of all items whose likeness is no less, ascending; ``None``: these are many.

    Args:
        ranked: gives so many of the items that are most like each picture, by their cosines.
        pictures: those that are liked, of each list; (p, d).
        least: the likeness.
    """
    listed: list[Int64Array | None] = [None] * len(pictures)
    waiting = [*range(len(pictures))]
    for most in (FIRST_LISTED, LISTED):
        each = iter(ranked(np.concatenate([pictures[row] for row in waiting]), most) if waiting else ())
        for row in waiting:
            found = [*islice(each, len(pictures[row]))]
            if not any(len(keys) == most and scores[-1] >= least for keys, scores in found):
                listed[row] = np.unique(np.concatenate([keys[scores >= least] for keys, scores in found]))
        waiting = [row for row in waiting if listed[row] is None]
    return listed
