"""What is asked of a catalogue, as one value: whoever asks makes one, whatever answers reads it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from seealike.errors import UsageError, check_between, check_count, check_number, known_member
from seealike.recommend.columns import GROUP
from seealike.recommend.filters.parsing import parse
from seealike.recommend.scale import Calibration
from seealike.signatures import palette_signature
from seealike.types import Crop, Float32Array, ImageInput, Metric, Relation

DISLIKE_WEIGHT = 0.5
NEARLY_EQUAL = 0.95  # docs/how-to/scores.md has what was measured
LEAST_NORM = 1e-6
LEAST_WEIGHT, MOST_WEIGHT = 0.001, 1000.0
MOST_BOOST = 1.0  # as much as from unlike to equal


class Combine(StrEnum):
    """How several liked examples become one list.

    ``AVERAGE``: results are close to the weighted mean of the examples: they have something of each.
    ``EACH``: every example has neighbours of its own, and these take turns, as often as its weight says.
    """

    AVERAGE = "average"
    EACH = "each"


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """How a search works, and which results are worth showing.

    Args:
        min_score: leave out hits below this score (in the metric's own units).
        exact: search every vector, whatever the size of the catalogue.
        metric: how vectors are compared.
        pictures: single pictures, not one result a product.
        group_by: the column that says which product an item shows: the group, or one of the metadata.
        diversity: 0 sorts by score alone; towards 1, results are more unlike each other.
        at_least: leave out hits that are less than this to every liked picture, as the calibration says of
            their cosine alone; or that cosine.
        dedup: of results that are as similar as this to each other, show the first one: a cosine, or true for
            the one from which two are usually nearly equal.
        combine: how several liked examples become one list.
        where: a condition that hits keep, such as ``category = 'shoes' and price < 100``.
        same: columns in which hits say the same as an item that is liked.
        other: columns in which hits say something else than all items that are liked.
        hub_correction: what is similar to everything is not to be in every list.
        boost: columns of numbers or dates that count beside similarity, and how much at most: a mapping, or
            pairs. Below 0, small numbers are better. See ``seealike.recommend.mixing.weighing.standings``.
        recent: the same for the order in which items came into the catalogue, the newest first.
        color: how much the colours of an item count, of 1; its likeness counts the rest.
            Where it is not given: 0, and with a palette 0.5.
        palette: colours wanted in place of the examples' own, such as ``#c0392b`` or ``navy:2,white``.
            Without any example, only colours count.
        crop: the part of the query's picture that counts.
        focus: look at what the query's picture shows, not at the whole.
        explain: say of each hit why it has its score.
    """

    min_score: float | None = None
    exact: bool = False
    metric: Metric = Metric.COSINE
    pictures: bool = False
    group_by: str = GROUP
    diversity: float = 0.0
    dedup: float | bool | None = None
    at_least: Relation | float | None = None
    combine: Combine = Combine.AVERAGE
    where: str | None = None
    same: tuple[str, ...] = ()
    other: tuple[str, ...] = ()
    hub_correction: bool = False
    boost: tuple[tuple[str, float], ...] = ()
    recent: float = 0.0
    color: float | None = None
    palette: str | None = None
    crop: Crop | None = None
    focus: bool = False
    explain: bool = False

    def __post_init__(self) -> None:
        """Refuse what would silently find nothing, or something else."""
        object.__setattr__(self, "metric", known_member(Metric, self.metric, "metric"))
        object.__setattr__(self, "combine", known_member(Combine, self.combine, "combine"))
        object.__setattr__(self, "same", _columns(self.same, "same"))
        object.__setattr__(self, "other", _columns(self.other, "other"))
        if self.where is not None:
            check_condition(self.where)
        if self.min_score is not None:
            check_number(self.min_score, "min_score")
        if self.crop is not None and self.focus:
            raise UsageError("a crop says already what to look at: leave out focus")
        if self.explain and self.metric is not Metric.COSINE:
            raise UsageError("what is explained is the cosine: leave out the metric")
        check_between(self.diversity, "diversity", 0, 1)
        object.__setattr__(self, "boost", _boosts(self.boost))
        check_between(self.recent, "recent", -MOST_BOOST, MOST_BOOST)
        if isinstance(self.dedup, bool):
            object.__setattr__(self, "dedup", NEARLY_EQUAL if self.dedup else None)
        if self.dedup is not None:
            check_between(self.dedup, "dedup", -1, 1)
        self._check_relation()
        self._check_colours()

    def _check_relation(self) -> None:
        if isinstance(self.at_least, str):
            object.__setattr__(self, "at_least", known_member(Relation, self.at_least, "relation"))
        elif self.at_least is not None:
            check_between(self.at_least, "at_least", -1, 1)
        if self.at_least is Relation.UNRELATED:
            raise UsageError("whatever there is, is at least unrelated; name similar or more")

    def _check_colours(self) -> None:
        check_between(self.colour_share, "color", 0, 1)
        if self.palette is not None:
            palette_signature(self.palette)
            if not self.colour_share:
                raise UsageError("with color 0 a palette counts for nothing: leave out one of the two")

    @property
    def colour_share(self) -> float:
        """How much colours count, of 1."""
        if self.color is not None:
            return self.color
        return 0.0 if self.palette is None else 0.5

    @property
    def least_likeness(self) -> float | None:
        """The least cosine with a liked picture, where it is known; see ``with_least_score``."""
        return None if isinstance(self.at_least, Relation) else self.at_least

    @property
    def weighs(self) -> bool:
        """Whether anything counts beside similarity that is the same whatever is asked for."""
        return self.hub_correction or bool(self.boost) or self.recent != 0

    @property
    def narrows(self) -> bool:
        """Whether not every item may be a hit, whatever its score."""
        return self.where is not None or bool(self.same or self.other)

    @property
    def condition(self) -> str:
        """What items keep to be hits, in words."""
        same = [f"the same {name}" for name in self.same]
        return ", ".join([*filter(None, [self.where]), *same, *(f"another {name}" for name in self.other)])


def _boosts(given: object) -> tuple[tuple[str, float], ...]:
    """Columns and weights, from a mapping or from pairs."""
    pairs = tuple(given.items()) if isinstance(given, Mapping) else given
    if not isinstance(pairs, Sequence) or isinstance(pairs, str):
        raise UsageError(f"boost is a mapping of columns to weights, not {given!r}")
    found: list[tuple[str, float]] = []
    for pair in pairs:
        if not (isinstance(pair, Sequence) and len(pair) == 2 and isinstance(pair[0], str)):
            raise UsageError(f"a boost is a column and its weight, not {pair!r}")
        check_between(pair[1], f"the boost of {pair[0]!r}", -MOST_BOOST, MOST_BOOST)
        if any(name == pair[0] and weight * pair[1] < 0 for name, weight in found):
            raise UsageError(f"one boost of {pair[0]!r} is above 0 and one below; say one of them")
        found.append((pair[0], float(pair[1])))
    return tuple(found)


def _columns(names: object, field: str) -> tuple[str, ...]:
    """Names of columns; one alone will do."""
    found = (names,) if isinstance(names, str) else tuple(names) if isinstance(names, Iterable) else (names,)
    if not all(isinstance(name, str) for name in found):
        raise UsageError(f"{field} is a list of names of columns, not {names!r}")
    return found


def check_condition(text: object) -> None:
    """Refuse what is no condition.

    Raises:
        UsageError: it is none; the message says where and what was expected there.
    """
    if not isinstance(text, str):
        raise UsageError(f"a condition is text, not {type(text).__name__}")
    parse(text)


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """One thing that hits are to be like, or unlike: an item, a product, a picture, words, or a vector.

    An item may come with a picture, or a vector, which then counts in the place of its own; words with their
    vector.

    Args:
        id: of an item of the catalogue.
        product: as ``SearchOptions.group_by`` says; all its pictures together are one example.
        image: a picture from anywhere.
        text: words, if the catalogue's encoder reads them.
        vector: as the catalogue's encoder gives it; (d,).
        weight: how much it counts beside the others.
        crop: the part of the item's picture, or of ``image``, that counts.
        colour: the colour signature of what the vector is of, where that is a picture.
    """

    id: str | None = None
    product: str | None = None
    image: ImageInput | None = None
    text: str | None = None
    vector: Float32Array | None = None
    weight: float = 1.0
    colour: bytes | None = None
    crop: Crop | None = None

    _KINDS: ClassVar[tuple[str, ...]] = ("id", "product", "image", "text", "vector")

    def __post_init__(self) -> None:
        """Refuse what says nothing, or several things."""
        said = [kind for kind in self._KINDS if getattr(self, kind) is not None]
        if len(said) != 1 and said not in (["id", "image"], ["id", "vector"], ["text", "vector"]):
            raise UsageError(f"an example has exactly one of {', '.join(self._KINDS)}")
        if self.crop is not None and said not in (["id"], ["image"], ["id", "image"]):
            raise UsageError("a crop is of an item's picture, or of an image: give an id or an image with it")
        check_between(self.weight, "a weight", LEAST_WEIGHT, MOST_WEIGHT)

    @property
    def is_picture(self) -> bool:
        """Whether its likeness to an item is that of pictures, which calibrations are learnt from."""
        return self.text is None

    @property
    def is_colourless(self) -> bool:
        """Whether nobody can know its colours."""
        return self.colour is None and (self.text is not None or self.vector is not None)


@dataclass(frozen=True, slots=True)
class Examples:
    """What the hits of one list are to be like, and what they are to be unlike. None of it is among them.

    Pictures and words have become vectors before a query is answered.
    """

    like: tuple[Example, ...] = ()
    dislike: tuple[Example, ...] = ()


@dataclass(frozen=True, slots=True)
class Query:
    """Any number of lists wanted at once, each with examples of its own; one is a batch of one.

    Args:
        examples: one entry a list.
        k: how many hits each list has, where there are as many.
        options: which items may be hits, and how they are compared.
        scale: what scores are worth, where hits are to say what they are.
        spare: so many more hits, of those that are known anyway: the first ``k`` are what they are without.
    """

    examples: Sequence[Examples]
    k: int = 10
    options: SearchOptions = SearchOptions()
    scale: Calibration | None = None
    spare: int = 0

    def __post_init__(self) -> None:
        """Refuse a number of hits that makes no sense."""
        check_count(self.k, "k")


def taste(
    liked: Float32Array, like_weights: Sequence[float], disliked: Float32Array, weights: Sequence[float]
) -> Float32Array:
    """The direction from the disliked towards the liked: the mean of either, the disliked half.

    A weight of 2 is twice as much, beside examples of its own side and of the other.

    Shapes: liked is (m, d), disliked (p, d), which may be empty, with a weight each; the result is (d,), of
    unit norm.

    Raises:
        UsageError: nothing is liked, or the examples cancel each other.

    Source: Rocchio's relevance feedback with weights 1 and 0.5 on the means.
    """
    if not len(liked):
        raise UsageError("nothing to go by: name at least one liked item")
    query = _weighted_mean(liked, like_weights)
    if len(disliked):
        query = query - DISLIKE_WEIGHT * _weighted_mean(disliked, weights)
    norm = float(np.linalg.norm(query))
    if norm < LEAST_NORM:
        raise UsageError("what is liked and what is not cancel each other; change one of them")
    return np.asarray(query / norm, dtype=np.float32)


def _weighted_mean(rows: Float32Array, weights: Sequence[float]) -> npt.NDArray[np.float64]:
    """The mean of directions times their weights: twice the weights are twice the mean."""
    wide = rows.astype(np.float64)
    norms = np.linalg.norm(wide, axis=1, keepdims=True)
    directions = wide / np.where(norms == 0.0, 1.0, norms)
    return np.asarray((directions * np.array(weights)[:, np.newaxis]).mean(axis=0))
